/* open_files: who owes a last `updated`, and how long the next announcement may wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sync/open_files.h"

static void test_the_wait_doubles_up_to_five_seconds(void **state)
{
	struct open_files f = {0};
	const unsigned waits[] = {1000, 2000, 4000, 5000, 5000};

	(void)state;
	assert_int_equal(open_files_wait_ms(&f, 7, 500), 500);
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		assert_int_equal(open_files_note(&f, 7, 0), 0);
		assert_int_equal(open_files_wait_ms(&f, 7, 500), waits[i]);
	}
	open_files_deinit(&f);
}

static void test_a_debt_is_due_when_nobody_wrote_for_long(void **state)
{
	struct open_files f = {0};

	(void)state;
	assert_int_equal(open_files_deadline(&f), UINT64_MAX);
	open_files_note(&f, 7, 100);
	open_files_note(&f, 8, 200);
	open_files_note(&f, 7, 300);
	assert_int_equal(open_files_deadline(&f), 200 + OPEN_FILES_QUIET_MS);
	assert_int_equal(open_files_quiet(&f, 199 + OPEN_FILES_QUIET_MS), 0);
	assert_int_equal(open_files_quiet(&f, 200 + OPEN_FILES_QUIET_MS), 8);
	open_files_deinit(&f);
}

static void test_what_is_forgotten_owes_nothing(void **state)
{
	struct open_files f = {0};

	(void)state;
	open_files_note(&f, 7, 0);
	assert_true(open_files_has(&f, 7));
	open_files_forget(&f, 7);
	open_files_forget(&f, 7);
	assert_false(open_files_has(&f, 7));
	assert_int_equal(open_files_deadline(&f), UINT64_MAX);
	open_files_deinit(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_wait_doubles_up_to_five_seconds),
		cmocka_unit_test(test_a_debt_is_due_when_nobody_wrote_for_long),
		cmocka_unit_test(test_what_is_forgotten_owes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
