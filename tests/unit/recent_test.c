/* What inotify remembers of directories that are no more: the last ones, whatever their number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "watcher/recent.h"

enum { LIMIT = 1000 };

static uint64_t hash_of(uint64_t n)
{
	return (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static void test_the_last_ones_are_remembered_at_any_moment(void **state)
{
	struct recent r = {0};

	(void)state;
	for (uint64_t n = 0; n < 10 * LIMIT; n++) {
		recent_put(&r, hash_of(n), LIMIT);
		assert_true(recent_has(&r, hash_of(n)));
		assert_true(recent_has(&r, hash_of(n < LIMIT ? 0 : n - LIMIT + 1)));
	}
	recent_deinit(&r);
}

static void test_those_long_ago_take_no_memory(void **state)
{
	struct recent r = {0};

	(void)state;
	for (uint64_t n = 0; n < 10 * LIMIT; n++)
		recent_put(&r, hash_of(n), LIMIT);
	assert_false(recent_has(&r, hash_of(0)));
	assert_true(r.young.count + r.old.count <= 2 * LIMIT);
	recent_deinit(&r);
}

static void test_forgotten_is_forgotten_in_both_halves(void **state)
{
	struct recent r = {0};

	(void)state;
	for (uint64_t n = 0; n < LIMIT + 1; n++)
		recent_put(&r, hash_of(n), LIMIT);
	recent_forget(&r, hash_of(0));
	recent_forget(&r, hash_of(LIMIT));
	assert_false(recent_has(&r, hash_of(0)));
	assert_false(recent_has(&r, hash_of(LIMIT)));
	assert_true(recent_has(&r, hash_of(1)));
	recent_deinit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_last_ones_are_remembered_at_any_moment),
		cmocka_unit_test(test_those_long_ago_take_no_memory),
		cmocka_unit_test(test_forgotten_is_forgotten_in_both_halves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
