#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sync/rules.h"

static struct rules *rules_of(const char *const *patterns)
{
	struct rules *r;

	assert_int_equal(rules_new(&r), 0);
	for (; *patterns != NULL; patterns++)
		assert_int_equal(rules_add(r, *patterns), 0);
	return r;
}

static void assert_hides(const struct rules *r, const char *path, bool directory, bool hides)
{
	if (rules_hide(r, path, strlen(path), directory) != hides)
		fail_msg("%s is %s", path, hides ? "not hidden" : "hidden");
}

/* One pattern against one path; a path that ends with a slash is a directory. */
static void assert_pattern(const char *pattern, const char *path, bool hides)
{
	struct rules *r = rules_of((const char *const[]){pattern, NULL});
	size_t len = strlen(path);
	bool directory = path[len - 1] == '/';

	if (rules_hide(r, path, len - directory, directory) != hides)
		fail_msg("`%s` %s %s", pattern, hides ? "does not hide" : "hides", path);
	rules_free(r);
}

static void test_patterns_hide_what_gitignore_says(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool hides;
	} cases[] = {
		{"*.o", "a.o", true},
		{"*.o", "deep/down/a.o", true},
		{"*.o", "a.oo", false},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"[ab]*z", "b-z", true},
		{"[!ab]*z", "b-z", false},
		{"name", "name/", true},
		{"name/", "name/", true},
		{"name/", "name", false},
		{"/top", "top", true},
		{"/top", "below/top", false},
		{"docs/*.txt", "docs/a.txt", true},
		{"docs/*.txt", "docs/deep/a.txt", false},
		{"docs/*.txt", "other/docs/a.txt", false},
		{"**/cache", "cache", true},
		{"**/cache", "a/b/cache", true},
		{"**/a/b", "x/y/a/b", true},
		{"**/a/b", "a/b", true},
		{"**/a/b", "x/a/c/b", false},
		{"a/**/b", "a/b", true},
		{"a/**/b", "a/x/y/b", true},
		{"a/**/b", "a/x/y/c", false},
		{"a/**/b/*.c", "a/b/b/x.c", true},
		{"logs/**", "logs/deep/x", true},
		{"logs/**", "logs/", false},
		{"/*", "top", true},
		{"/*", "top/below", false},
		{"#*#", "#auto-save#", true},
		{"\\#x", "#x", true},
		{"\\!x", "!x", true},
		{"a\\*", "a*", true},
		{"a\\*", "ab", false},
		{"*.t[mx]p", "a.txp", true},
		{"\xff*", "\xff\xfe", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_pattern(cases[i].pattern, cases[i].path, cases[i].hides);
}

static void test_the_last_rule_that_fits_decides(void **state)
{
	struct rules *r = rules_of((const char *const[]){"*.log", "!keep.log", "/old/*.log", NULL});

	(void)state;
	assert_hides(r, "a.log", false, true);
	assert_hides(r, "keep.log", false, false);
	assert_hides(r, "new/keep.log", false, false);
	assert_hides(r, "old/keep.log", false, true);
	rules_free(r);
}

static void test_what_is_no_pattern_is_refused(void **state)
{
	char longest[RULES_PATTERN_MAX + 2];
	struct rules *r;

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(rules_new(&r), 0);
	assert_int_equal(rules_add(r, ""), -EINVAL);
	assert_int_equal(rules_add(r, "!"), -EINVAL);
	assert_int_equal(rules_add(r, "/"), -EINVAL);
	assert_int_equal(rules_add(r, "a//b"), -EINVAL);
	assert_int_equal(rules_add(r, longest), -EINVAL);
	longest[RULES_PATTERN_MAX] = '\0';
	assert_int_equal(rules_add(r, longest), 0);
	assert_int_equal(rules_add_temporary(r, "nobody"), -ENOENT);
	assert_int_equal(rules_checksum(NULL), 0);
	assert_false(rules_hide(NULL, "x", 1, false));
	rules_free(r);
}

static void test_path_matters_only_where_a_pattern_has_a_place(void **state)
{
	struct rules *r = rules_of((const char *const[]){"*~", "name/", "**/cache", NULL});

	(void)state;
	assert_false(rules_need_path(r));
	assert_false(rules_reach_below(r, "a", 1));
	assert_int_equal(rules_add(r, "build/out/*.o"), 0);
	assert_true(rules_need_path(r));
	assert_true(rules_reach_below(r, "build", 5));
	assert_true(rules_reach_below(r, "build/out", 9));
	assert_false(rules_reach_below(r, "build/in", 8));
	assert_false(rules_reach_below(r, "build/out/deep", 14));
	assert_false(rules_reach_below(r, "src", 3));
	assert_int_equal(rules_add(r, "a/**/b"), 0);
	assert_true(rules_reach_below(r, "a/x/y", 5));
	rules_free(r);
}

static void test_checksum_tells_rules_apart(void **state)
{
	struct rules *a = rules_of((const char *const[]){"ab", "c", NULL});
	struct rules *b = rules_of((const char *const[]){"a", "bc", NULL});
	struct rules *c = rules_of((const char *const[]){"ab", "c", NULL});

	(void)state;
	assert_true(rules_checksum(a) != rules_checksum(b));
	assert_true(rules_checksum(a) == rules_checksum(c));
	rules_free(a);
	rules_free(b);
	rules_free(c);
}

static void test_temporary_files_are_told_from_documents(void **state)
{
	static const struct {
		const char *path;
		bool hides;
	} cases[] = {
		{"notes.txt~", true},
		{".notes.txt.swp", true},
		{"4913", false},
		{"#notes.txt#", true},
		{".#notes.txt", true},
		{".goutputstream-AB12CD", true},
		{".~lock.letter.odt#", true},
		{"lu1234abc.tmp", true},
		{"~$letter.docx", true},
		{"~WRD0001.tmp", true},
		{"~WRL0002.tmp", true},
		{"8CA1E000", true},
		{"1A2B3C4D.tmp", true},
		{"film.mkv.part", true},
		{"Unconfirmed 1.crdownload", true},
		{".letter.odt.x9Kd2a", true},
		{"sedA1b2C3", true},
		{".nfs00000000012345", true},
		{"letter.odt", false},
		{"20261125", false},
		{"DEADBEEF", false},
		{"sedentary", false},
		{".env.sample", false},
		{".foo.config", false},
		{"a.tmp", false},
		{"part", false},
		{"8CA1E000.xlsx", false},
		{".bashrc", false},
	};
	struct rules *r;

	(void)state;
	assert_int_equal(rules_new(&r), 0);
	for (unsigned i = 0; rules_temporary_name(i) != NULL; i++)
		assert_int_equal(rules_add_temporary(r, rules_temporary_name(i)), 0);
	assert_false(rules_need_path(r));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_hides(r, cases[i].path, false, cases[i].hides);
	assert_hides(r, "folder.part", true, true);
	assert_hides(r, "8CA1E000", true, false);
	rules_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patterns_hide_what_gitignore_says),
		cmocka_unit_test(test_the_last_rule_that_fits_decides),
		cmocka_unit_test(test_what_is_no_pattern_is_refused),
		cmocka_unit_test(test_path_matters_only_where_a_pattern_has_a_place),
		cmocka_unit_test(test_checksum_tells_rules_apart),
		cmocka_unit_test(test_temporary_files_are_told_from_documents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
