/* storm: losses rain, runs do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sync/storm.h"

struct rain {
	struct storm storm;
	uint64_t now, run_ms; /* how long a run takes */
	uint64_t ends_ms;     /* of the run that goes; 0: none does */
	unsigned runs;
	uint64_t last_wait; /* between the end of a run and the begin of the next */
};

/* One millisecond passes, as the engine lives it. */
static void tick(struct rain *r, int loss)
{
	r->now++;
	if (r->ends_ms != 0 && r->now >= r->ends_ms) {
		storm_ended(&r->storm, r->now);
		r->ends_ms = 0;
	}
	if (loss)
		storm_lost(&r->storm, r->now);
	if (r->storm.owed && storm_due(&r->storm) <= r->now) {
		r->last_wait = r->now - r->storm.ended_ms;
		storm_began(&r->storm, r->now);
		r->ends_ms = r->now + r->run_ms;
		r->runs++;
	}
}

static void pass(struct rain *r, uint64_t ms, unsigned loss_every_ms)
{
	for (uint64_t i = 1; i <= ms; i++)
		tick(r, loss_every_ms != 0 && i % loss_every_ms == 0);
}

static void test_one_loss_is_answered_at_once(void **state)
{
	struct rain r = {.now = 100000, .run_ms = 50};

	(void)state;
	tick(&r, 1);
	assert_int_equal(r.runs, 1);
	pass(&r, 10000, 0);
	assert_int_equal(r.runs, 1);
}

static void test_runs_get_rarer_while_losses_rain(void **state)
{
	struct rain r = {.now = 100000, .run_ms = 10};

	(void)state;
	pass(&r, 1000000, 5);
	/* At 0, 1, 3, 7, 15, 31, 63 s, then every minute. */
	assert_in_range(r.runs, 20, 24);
	assert_in_range(r.last_wait, 60000, 60010);
}

static void test_every_loss_is_answered_in_the_end(void **state)
{
	struct rain r = {.now = 100000, .run_ms = 3000};

	(void)state;
	pass(&r, 10000, 5);
	pass(&r, 120000, 0);
	assert_false(r.storm.owed);
	assert_false(r.storm.running);
}

static void test_a_quiet_time_ends_the_storm(void **state)
{
	struct rain r = {.now = 100000, .run_ms = 10};
	unsigned before;

	(void)state;
	pass(&r, 20000, 5);
	pass(&r, 70000, 0);
	before = r.runs;
	tick(&r, 1);
	assert_int_equal(r.runs, before + 1);
}

/* A drive that takes a minute to compare is compared a tenth of the time at most. */
static void test_quiet_is_longer_where_a_run_takes_longer(void **state)
{
	struct rain r = {.now = 100000, .run_ms = 60000};

	(void)state;
	tick(&r, 1);
	pass(&r, 60000 + 599000, 0);
	tick(&r, 1);
	assert_int_equal(r.runs, 1 + 1);
	assert_int_equal(r.storm.losses, 2);
	pass(&r, 60000 + 601000, 0);
	tick(&r, 1);
	assert_int_equal(r.storm.losses, 1);
}

static void test_a_run_that_came_to_nothing_leaves_the_storm_as_it_is(void **state)
{
	struct storm s = {0};

	(void)state;
	storm_lost(&s, 1000);
	storm_began(&s, 1000);
	storm_lost(&s, 1001);
	assert_true(storm_due(&s) == UINT64_MAX);
	storm_ended(&s, 1010);
	assert_true(storm_due(&s) == 1010 + STORM_WAIT_MS);
	storm_ended(&s, 1500);
	assert_true(storm_due(&s) == 1010 + STORM_WAIT_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_loss_is_answered_at_once),
		cmocka_unit_test(test_runs_get_rarer_while_losses_rain),
		cmocka_unit_test(test_every_loss_is_answered_in_the_end),
		cmocka_unit_test(test_a_quiet_time_ends_the_storm),
		cmocka_unit_test(test_quiet_is_longer_where_a_run_takes_longer),
		cmocka_unit_test(test_a_run_that_came_to_nothing_leaves_the_storm_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
