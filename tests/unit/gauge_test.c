#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "watcher/gauge.h"

#define MS     UINT64_C(1000000)
#define SECOND (1000 * MS)

static void test_nothing_that_happens_is_nothing_to_report(void **state)
{
	struct gauge g = {0};
	struct gauge_report r;

	(void)state;
	gauge_empty(&g, 5 * SECOND);
	assert_false(gauge_report(&g, 5 * SECOND, &r));
	assert_false(gauge_owes(&g));
}

static void test_lag_is_the_time_until_all_that_waited_was_read(void **state)
{
	struct gauge g = {0};
	struct gauge_report r;

	(void)state;
	gauge_empty(&g, 10 * SECOND);
	gauge_sample(&g, 10 * SECOND, 1000);
	gauge_read(&g, 10 * SECOND + 100 * MS, 600);
	assert_false(gauge_wants_sample(&g, 10 * SECOND + 200 * MS)); /* not before the rest is read */
	gauge_read(&g, 10 * SECOND + 300 * MS, 600);
	assert_true(gauge_wants_sample(&g, 10 * SECOND + 300 * MS));
	assert_true(gauge_report(&g, 12 * SECOND, &r));
	assert_int_equal(r.queue_bytes, 1000);
	assert_int_equal(r.lag_ms, 300);
}

/* It is never empty, but what is read is always young. */
static void test_a_queue_that_never_empties_is_not_thereby_late(void **state)
{
	struct gauge g = {0};
	struct gauge_report r;
	uint64_t now = SECOND;

	(void)state;
	gauge_empty(&g, now);
	for (int i = 0; i < 1000; i++, now += 10 * MS) {
		if (gauge_wants_sample(&g, now))
			gauge_sample(&g, now, 500);
		gauge_read(&g, now + 5 * MS, 500);
	}
	assert_true(gauge_report(&g, now, &r));
	assert_int_equal(r.queue_bytes, 500);
	assert_true(r.lag_ms >= 5 && r.lag_ms <= 20);
}

static void test_reports_come_once_a_second_and_end_with_zeros(void **state)
{
	struct gauge g = {0};
	struct gauge_report r;

	(void)state;
	gauge_sample(&g, 9 * SECOND, 10);
	gauge_read(&g, 9 * SECOND, 10);
	assert_true(gauge_report(&g, 9 * SECOND, &r));
	gauge_sample(&g, 9 * SECOND + 500 * MS, 10);
	gauge_read(&g, 9 * SECOND + 500 * MS, 10);
	assert_false(gauge_report(&g, 9 * SECOND + 500 * MS, &r));
	assert_true(gauge_report(&g, 10 * SECOND, &r));
	assert_true(gauge_owes(&g));
	assert_true(gauge_report(&g, 11 * SECOND, &r));
	assert_int_equal(r.queue_bytes, 0);
	assert_int_equal(r.lag_ms, 0);
	assert_false(gauge_owes(&g));
	assert_false(gauge_report(&g, 20 * SECOND, &r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_that_happens_is_nothing_to_report),
		cmocka_unit_test(test_lag_is_the_time_until_all_that_waited_was_read),
		cmocka_unit_test(test_a_queue_that_never_empties_is_not_thereby_late),
		cmocka_unit_test(test_reports_come_once_a_second_and_end_with_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
