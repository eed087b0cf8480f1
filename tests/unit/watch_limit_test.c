/* What people are told to do when inotify may not watch all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "watcher/watch_limit.h"

static void test_suggestion_holds_all_and_leaves_room(void **state)
{
	(void)state;
	assert_int_equal(watch_limit_suggest(20, 1), 8192);
	assert_int_equal(watch_limit_suggest(8192, 1), 16384);
	assert_int_equal(watch_limit_suggest(8192, 4096), 16384);
	assert_int_equal(watch_limit_suggest(8192, 4097), 32768);
	assert_int_equal(watch_limit_suggest(192536, 1000000), 4194304);
}

static void test_text_names_the_sysctl_and_fits(void **state)
{
	char text[WATCH_LIMIT_TEXT];
	const char *value;

	(void)state;
	watch_limit_explain(text, 21, 1000041);
	assert_non_null(strstr(text, "21 of 1000041 directories"));
	assert_non_null(strstr(text, "sysctl "));
	value = strrchr(text, '=');
	assert_non_null(value);
	assert_true(strtoull(value + 1, NULL, 10) >= 8192);
}

static void test_text_of_instances_names_the_sysctl_and_a_greater_value(void **state)
{
	char text[WATCH_LIMIT_TEXT];
	unsigned long long limit;
	const char *value;

	(void)state;
	watch_limit_explain_instances(text, sizeof(text));
	assert_int_equal(sscanf(text, "its limit of instances (%llu)", &limit), 1);
	assert_non_null(strstr(text, "_instances="));
	value = strrchr(text, '=');
	assert_true(strtoull(value + 1, NULL, 10) > limit);
	assert_non_null(strstr(text, ", and start again"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_suggestion_holds_all_and_leaves_room),
		cmocka_unit_test(test_text_names_the_sysctl_and_fits),
		cmocka_unit_test(test_text_of_instances_names_the_sysctl_and_a_greater_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
