#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/index.h"
#include "store/runs.h"
#include "store_fixture.h"

static struct run_row got;

static void put(struct fixture *f, uint32_t drive, uint64_t run)
{
	struct run_row row = {.drive = drive, .run = run, .trigger = RUN_MANUAL, .state = RUN_RUNNING};

	row.entries = run * 10;
	assert_int_equal(runs_put(f->txn, &row), 0);
}

static void test_run_comes_back_as_it_was_put(void **state)
{
	struct fixture *f = *state;
	struct run_row row = {.drive = f->drive.drive,
			      .run = 1,
			      .trigger = RUN_OVERFLOW,
			      .state = RUN_FAILED,
			      .started_ns = 5,
			      .ended_ns = INT64_MAX,
			      .entries = 7,
			      .changes = UINT64_MAX,
			      .total = 9};

	memset(row.path, 'p', RUN_PATH_MAX);
	memset(row.error, 'e', RUN_ERROR_MAX);
	fixture_begin(f, STORE_WRITE);
	assert_int_equal(runs_put(f->txn, &row), 0);
	fixture_commit(f);
	fixture_begin(f, STORE_READ);
	assert_int_equal(runs_get(f->txn, f->drive.drive, 1, &got), 0);
	assert_int_equal(got.trigger, RUN_OVERFLOW);
	assert_int_equal(got.state, RUN_FAILED);
	assert_true(got.started_ns == 5 && got.ended_ns == INT64_MAX);
	assert_true(got.entries == 7 && got.changes == UINT64_MAX && got.total == 9);
	assert_string_equal(got.path, row.path);
	assert_string_equal(got.error, row.error);
	assert_int_equal(runs_get(f->txn, f->drive.drive, 2, &got), RUNS_NONE);
}

/* A transaction that was used before, for other tables: its cursor into this one is new. */
static void test_history_of_the_first_drive_is_not_that_of_the_last(void **state)
{
	struct fixture *f = *state;
	struct drive_row other;
	uint64_t count;

	fixture_begin(f, STORE_WRITE);
	assert_int_equal(drives_add(f->txn, "other", &other), 0);
	put(f, f->drive.drive, 1);
	put(f, other.drive, 7);
	fixture_commit(f);
	fixture_begin(f, STORE_READ);
	assert_int_equal(index_count(f->txn, other.drive, &count), 0);
	fixture_commit(f);
	fixture_begin(f, STORE_READ);
	assert_int_equal(runs_before(f->txn, f->drive.drive, 0, &got), 0);
	assert_int_equal(got.run, 1);
}

static void test_history_goes_back_from_the_newest_within_a_drive(void **state)
{
	struct fixture *f = *state;
	struct drive_row other;
	uint64_t before = 0;

	fixture_begin(f, STORE_WRITE);
	assert_int_equal(drives_add(f->txn, "other", &other), 0);
	assert_int_equal(runs_before(f->txn, f->drive.drive, 0, &got), RUNS_NONE);
	put(f, other.drive, 1);
	assert_int_equal(runs_before(f->txn, f->drive.drive, 0, &got), RUNS_NONE);
	for (uint64_t run = 1; run <= 5; run++)
		put(f, f->drive.drive, run);
	for (uint64_t run = 5; run >= 1; run--) {
		assert_int_equal(runs_before(f->txn, f->drive.drive, before, &got), 0);
		assert_int_equal(got.run, run);
		assert_int_equal(got.entries, run * 10);
		before = run;
	}
	assert_int_equal(runs_before(f->txn, f->drive.drive, before, &got), RUNS_NONE);
	assert_int_equal(runs_before(f->txn, other.drive, 0, &got), 0);
	assert_int_equal(got.drive, other.drive);
	fixture_commit(f);
}

static void test_pruning_keeps_the_newest_of_one_drive(void **state)
{
	struct fixture *f = *state;
	struct drive_row other;

	fixture_begin(f, STORE_WRITE);
	assert_int_equal(drives_add(f->txn, "other", &other), 0);
	assert_int_equal(runs_prune(f->txn, f->drive.drive, 3), 0);
	put(f, other.drive, 1);
	for (uint64_t run = 1; run <= 10; run++)
		put(f, f->drive.drive, run);
	assert_int_equal(runs_prune(f->txn, f->drive.drive, 3), 0);
	assert_int_equal(runs_get(f->txn, f->drive.drive, 7, &got), RUNS_NONE);
	assert_int_equal(runs_get(f->txn, f->drive.drive, 8, &got), 0);
	assert_int_equal(runs_get(f->txn, f->drive.drive, 10, &got), 0);
	assert_int_equal(runs_get(f->txn, other.drive, 1, &got), 0);
	assert_int_equal(runs_prune(f->txn, f->drive.drive, 0), 0);
	assert_int_equal(runs_before(f->txn, f->drive.drive, 0, &got), RUNS_NONE);
	fixture_commit(f);
}

static void test_names_are_those_of_the_protocol(void **state)
{
	(void)state;
	assert_string_equal(run_trigger_name(RUN_FIRST_INDEX), "first_index");
	assert_string_equal(run_trigger_name(RUN_MANUAL), "manual");
	assert_string_equal(run_trigger_name(RUN_SCRUB), "scrub");
	assert_string_equal(run_trigger_name(RUN_ADOPT), "adopt");
	assert_string_equal(run_state_name(RUN_INTERRUPTED), "interrupted");
	assert_string_equal(run_state_name(RUN_QUEUED), "queued");
	assert_string_equal(run_state_name(RUN_RUNNING), "running");
}

int main(void)
{
#define store_test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		store_test(test_run_comes_back_as_it_was_put),
		store_test(test_history_goes_back_from_the_newest_within_a_drive),
		store_test(test_history_of_the_first_drive_is_not_that_of_the_last),
		store_test(test_pruning_keeps_the_newest_of_one_drive),
		cmocka_unit_test(test_names_are_those_of_the_protocol),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
