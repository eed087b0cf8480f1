/* probe: a watcher that answers and does not hear is found out, and no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sync/probe.h"

enum { INTERVAL = 60000, NOW = 1000 };

static struct probe begun(void)
{
	struct probe p;

	probe_begin(&p, INTERVAL, NOW);
	return p;
}

/* Touched, and a barrier asked for. */
static struct probe asked(void)
{
	struct probe p = begun();

	assert_int_equal(probe_tick(&p, NOW + INTERVAL), PROBE_TOUCH);
	assert_true(probe_touched(&p, true, NOW + INTERVAL));
	return p;
}

static void test_a_quiet_drive_is_touched_once_in_a_while(void **state)
{
	struct probe p = begun();

	(void)state;
	assert_int_equal(probe_deadline(&p), NOW + INTERVAL);
	assert_int_equal(probe_tick(&p, NOW + INTERVAL - 1), PROBE_NOTHING);
	assert_int_equal(probe_tick(&p, NOW + INTERVAL), PROBE_TOUCH);
	assert_int_equal(probe_tick(&p, NOW + 2 * INTERVAL), PROBE_NOTHING); /* until the helper answered */
}

static void test_a_drive_on_which_changes_are_heard_is_not(void **state)
{
	struct probe p = begun();

	(void)state;
	probe_alive(&p, NOW + INTERVAL - 1);
	assert_int_equal(probe_tick(&p, NOW + INTERVAL), PROBE_NOTHING);
	assert_int_equal(probe_deadline(&p), NOW + 2 * INTERVAL - 1);
}

static void test_a_watcher_that_hears_before_it_answers_is_well(void **state)
{
	struct probe p = asked();

	(void)state;
	probe_heard(&p, NOW + INTERVAL + 1);
	probe_passed(&p, NOW + INTERVAL + 2);
	assert_int_equal(probe_deadline(&p), NOW + 2 * INTERVAL + 2);
}

static void test_one_that_hears_late_is_well_too(void **state)
{
	struct probe p = asked();
	uint64_t passed = NOW + INTERVAL + 2;

	(void)state;
	probe_passed(&p, passed);
	assert_int_equal(probe_deadline(&p), passed + PROBE_PATIENCE_MS);
	probe_heard(&p, passed + PROBE_PATIENCE_MS - 1);
	assert_int_equal(probe_tick(&p, passed + PROBE_PATIENCE_MS), PROBE_NOTHING);
}

static void test_one_that_answers_and_never_hears_is_deaf(void **state)
{
	struct probe p = asked();
	uint64_t passed = NOW + INTERVAL + 2;

	(void)state;
	probe_passed(&p, passed);
	assert_int_equal(probe_tick(&p, passed + PROBE_PATIENCE_MS - 1), PROBE_NOTHING);
	assert_int_equal(probe_tick(&p, passed + PROBE_PATIENCE_MS), PROBE_DEAF);
	assert_int_equal(probe_tick(&p, passed + PROBE_PATIENCE_MS), PROBE_NOTHING);
}

static void test_one_that_is_busy_and_does_not_answer_is_not_deaf(void **state)
{
	struct probe p = asked();

	(void)state;
	assert_int_equal(probe_deadline(&p), UINT64_MAX);
	assert_int_equal(probe_tick(&p, NOW + 100 * (uint64_t)INTERVAL), PROBE_NOTHING);
}

static void test_what_could_not_be_touched_proves_nothing(void **state)
{
	struct probe p = begun();

	(void)state;
	assert_int_equal(probe_tick(&p, NOW + INTERVAL), PROBE_TOUCH);
	assert_false(probe_touched(&p, false, NOW + INTERVAL));
	probe_passed(&p, NOW + INTERVAL);
	assert_int_equal(probe_deadline(&p), NOW + 2 * INTERVAL);
}

static void test_what_was_heard_of_the_last_time_does_not_count(void **state)
{
	struct probe p = asked();
	uint64_t passed = NOW + 3 * INTERVAL;

	(void)state;
	probe_heard(&p, NOW + INTERVAL);
	probe_passed(&p, NOW + INTERVAL);
	assert_int_equal(probe_tick(&p, passed), PROBE_TOUCH);
	assert_true(probe_touched(&p, true, passed));
	probe_passed(&p, passed);
	assert_int_equal(probe_tick(&p, passed + PROBE_PATIENCE_MS), PROBE_DEAF);
}

static void test_it_can_be_switched_off(void **state)
{
	struct probe p;

	(void)state;
	probe_begin(&p, 0, NOW);
	assert_int_equal(probe_deadline(&p), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_quiet_drive_is_touched_once_in_a_while),
		cmocka_unit_test(test_a_drive_on_which_changes_are_heard_is_not),
		cmocka_unit_test(test_a_watcher_that_hears_before_it_answers_is_well),
		cmocka_unit_test(test_one_that_hears_late_is_well_too),
		cmocka_unit_test(test_one_that_answers_and_never_hears_is_deaf),
		cmocka_unit_test(test_one_that_is_busy_and_does_not_answer_is_not_deaf),
		cmocka_unit_test(test_what_could_not_be_touched_proves_nothing),
		cmocka_unit_test(test_what_was_heard_of_the_last_time_does_not_count),
		cmocka_unit_test(test_it_can_be_switched_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
