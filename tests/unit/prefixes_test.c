/* net/prefixes.h: which paths are in a set, and how two sets meet. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "net/prefixes.h"

/* Paths separated by commas. */
static struct prefixes set_of(const char *paths)
{
	struct prefixes p = {0};

	while (*paths != '\0') {
		size_t len = strcspn(paths, ",");

		assert_int_equal(prefixes_add(&p, paths, len), 0);
		paths += len + (paths[len] == ',');
	}
	return p;
}

static bool has(const struct prefixes *p, const char *path)
{
	return prefixes_have(p, path, strlen(path));
}

static bool below(const struct prefixes *p, const char *path)
{
	return prefixes_below(p, path, strlen(path));
}

static void test_whole_components_match(void **state)
{
	struct prefixes p = set_of("a/foo,b");

	(void)state;
	assert_true(has(&p, "a/foo"));
	assert_true(has(&p, "a/foo/x/y"));
	assert_true(has(&p, "b"));
	assert_false(has(&p, "a/foobar"));
	assert_false(has(&p, "a/fo"));
	assert_false(has(&p, "a"));
	assert_false(has(&p, "bb/x"));
	assert_false(has(&p, ""));
	prefixes_deinit(&p);
}

static void test_no_prefix_and_the_empty_one_are_everything(void **state)
{
	struct prefixes p = {0};

	(void)state;
	assert_true(has(&p, "any/thing"));
	assert_int_equal(prefixes_add(&p, "a", 1), 0);
	assert_false(has(&p, "b"));
	assert_int_equal(prefixes_add(&p, "", 0), 0);
	assert_true(has(&p, "b"));
	assert_int_equal(prefixes_add(&p, "a", 1), 0);
	assert_true(has(&p, "b"));
	prefixes_deinit(&p);
}

static void test_order_and_nesting_make_no_difference(void **state)
{
	struct prefixes a = set_of("b/c,a,b,a-x,a/z"), b = set_of("a-x,a,b,b"), c = set_of("a,b");

	(void)state;
	assert_true(prefixes_equal(&a, &b));
	assert_false(prefixes_equal(&a, &c));
	assert_int_equal(a.count, 3);
	prefixes_deinit(&a);
	prefixes_deinit(&b);
	prefixes_deinit(&c);
}

static void test_what_lies_above_a_prefix(void **state)
{
	struct prefixes p = set_of("a/b/c");

	(void)state;
	assert_true(below(&p, "a"));
	assert_true(below(&p, "a/b"));
	assert_false(below(&p, "a/b/c"));
	assert_false(below(&p, "a/b/c/d"));
	assert_false(below(&p, "a/bb"));
	prefixes_deinit(&p);
}

static void assert_meet(const char *a, const char *b, const char *both)
{
	struct prefixes of_a = set_of(a), of_b = set_of(b), expected = set_of(both), got;

	assert_int_equal(prefixes_meet(&got, &of_a, &of_b), 0);
	assert_true(prefixes_equal(&got, &expected));
	prefixes_deinit(&got);
	assert_int_equal(prefixes_meet(&got, &of_b, &of_a), 0);
	assert_true(prefixes_equal(&got, &expected));
	prefixes_deinit(&got);
	prefixes_deinit(&of_a);
	prefixes_deinit(&of_b);
	prefixes_deinit(&expected);
}

static void test_two_sets_meet(void **state)
{
	struct prefixes a = set_of("a/foo"), b = set_of("a/foobar,c"), got;

	(void)state;
	assert_meet("", "", "");
	assert_meet("a,b", "", "a,b");
	assert_meet("a/x,b", "a,b/y,c", "a/x,b/y");
	assert_int_equal(prefixes_meet(&got, &a, &b), -EACCES); /* not the empty set: that is everything */
	prefixes_deinit(&a);
	prefixes_deinit(&b);
}

static void test_bytes_count_not_characters(void **state)
{
	struct prefixes p = {0};

	(void)state;
	assert_int_equal(prefixes_add_base64(&p, "Y2Fm6Q==", 8), 0);
	assert_true(has(&p, "caf\xe9/x"));
	assert_false(has(&p, "caf\xef\xbf\xbd/x"));
	prefixes_deinit(&p);
}

static void test_what_is_no_path_is_refused(void **state)
{
	static const char *const wrong[] = {"/", "/a", "a/", "a//b", ".", "..", "a/./b", "a/..", "../a"};
	static const char *const wrong64[] = {"Y2Fm6Q", "Y2Fm6Q=",  "Y2Fm6R==", "Y2F\n",
					      "====",   "YQ==YQ==", "Lw=="};
	struct prefixes p = {0};
	char longest[PREFIX_MAX_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(prefixes_add(&p, wrong[i], strlen(wrong[i])), -EINVAL);
	for (size_t i = 0; i < sizeof(wrong64) / sizeof(wrong64[0]); i++)
		assert_int_equal(prefixes_add_base64(&p, wrong64[i], strlen(wrong64[i])), -EINVAL);
	assert_int_equal(prefixes_add(&p, "a\0b", 3), -EINVAL);
	memset(longest, 'a', sizeof(longest));
	assert_int_equal(prefixes_add(&p, longest, sizeof(longest)), -EINVAL);
	assert_int_equal(p.count, 0);
	assert_int_equal(prefixes_add(&p, longest, sizeof(longest) - 1), 0);
	assert_int_equal(prefixes_add(&p, "...", 3), 0);
	prefixes_deinit(&p);
}

static void test_a_set_is_bounded(void **state)
{
	struct prefixes p = {0};
	char name[16];

	(void)state;
	for (int i = 0; i < PREFIXES_MAX; i++) {
		snprintf(name, sizeof(name), "a/%d", i);
		assert_int_equal(prefixes_add(&p, name, strlen(name)), 0);
	}
	assert_int_equal(prefixes_add(&p, "b", 1), -E2BIG);
	assert_int_equal(prefixes_add(&p, "a/7/x", 5), 0); /* nothing new */
	assert_int_equal(prefixes_add(&p, "a", 1), 0);     /* in the place of them all */
	assert_int_equal(p.count, 1);
	prefixes_deinit(&p);
}

static void test_a_set_is_bounded_in_bytes(void **state)
{
	char name[PREFIX_MAX_BYTES];
	struct prefixes p = {0};

	(void)state;
	memset(name, 'x', sizeof(name));
	for (size_t i = 0; i < PREFIXES_MAX_BYTES / sizeof(name); i++) {
		name[0] = (char)('a' + i);
		assert_int_equal(prefixes_add(&p, name, sizeof(name)), 0);
	}
	assert_int_equal(prefixes_add(&p, "y", 1), -E2BIG);
	prefixes_deinit(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_components_match),
		cmocka_unit_test(test_no_prefix_and_the_empty_one_are_everything),
		cmocka_unit_test(test_order_and_nesting_make_no_difference),
		cmocka_unit_test(test_what_lies_above_a_prefix),
		cmocka_unit_test(test_two_sets_meet),
		cmocka_unit_test(test_bytes_count_not_characters),
		cmocka_unit_test(test_what_is_no_path_is_refused),
		cmocka_unit_test(test_a_set_is_bounded),
		cmocka_unit_test(test_a_set_is_bounded_in_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
