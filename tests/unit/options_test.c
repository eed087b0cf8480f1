#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "client/options.h"

static struct options options;
static char error[OPTIONS_ERROR_MAX];

/* Arguments end with NULL. */
static bool parse(const char *first, ...)
{
	const char *words[80] = {"wakeline", first};
	int count = 2;
	va_list args;

	va_start(args, first);
	while (count < 80 && (words[count] = va_arg(args, const char *)) != NULL)
		count++;
	va_end(args);
	return options_parse(&options, count, (char **)words, error);
}

static void test_options_and_arguments_may_be_mixed(void **state)
{
	(void)state;
	assert_true(parse("--json", "tail", "--after", "c", "music", "--url=http://h", NULL));
	assert_int_equal(options.given, OPTION_JSON | OPTION_AFTER | OPTION_URL);
	assert_int_equal(options.arg_count, 2);
	assert_string_equal(options.args[0], "tail");
	assert_string_equal(options.args[1], "music");
	assert_string_equal(options.after, "c");
	assert_string_equal(options.url, "http://h");
	assert_null(options.token);
}

static void test_what_is_sent_must_be_text(void **state)
{
	(void)state;
	assert_false(parse("tail", "--after", "", "music", NULL));
	assert_non_null(strstr(error, "--after"));
	assert_false(parse("tail", "--events", "caf\xe9", "music", NULL));
	assert_false(parse("trigger", "music", "caf\xe9", NULL));
	assert_true(parse("token", "list", "--state", "/caf\xe9", NULL));
}

static void test_behind_two_dashes_nothing_is_an_option(void **state)
{
	(void)state;
	assert_true(parse("trigger", "x", "--", "--json", NULL));
	assert_int_equal(options.given, 0);
	assert_string_equal(options.args[2], "--json");
}

static void test_drives_add_up(void **state)
{
	const char *words[2 + 2 * (OPTIONS_DRIVES_MAX + 1)] = {"wakeline"};
	int count = 1;

	(void)state;
	assert_true(parse("--drive", "a", "--drive", "b", NULL));
	assert_int_equal(options.drive_count, 2);
	assert_string_equal(options.drives[1], "b");
	while (count < 2 * (OPTIONS_DRIVES_MAX + 1)) {
		words[count++] = "--drive";
		words[count++] = "d";
	}
	assert_false(options_parse(&options, count, (char **)words, error));
	assert_string_equal(error, "more than 64 times --drive");
}

static void test_prefixes_add_up(void **state)
{
	(void)state;
	assert_true(parse("--prefix", "a/b", "--prefix=c", NULL));
	assert_int_equal(options.prefix_count, 2);
	assert_string_equal(options.prefixes[1], "c");
	assert_false(parse("--prefix", "", NULL));
}

static void test_numbers_are_checked(void **state)
{
	(void)state;
	assert_true(parse("--limit", "5", "--expires", "2w", NULL));
	assert_int_equal(options.limit, 5);
	assert_int_equal(options.expires_in, 14 * 86400);
	assert_false(parse("--limit", "-5", NULL));
	assert_string_equal(error, "--limit -5: this is no number above 0");
	assert_false(parse("--expires", "soon", NULL));
	assert_string_equal(error, "--expires soon: write how long, such as 12h, 30d or 2w");
}

static void test_mistakes_are_named(void **state)
{
	(void)state;
	assert_false(parse("--nope", NULL));
	assert_string_equal(error, "there is no option --nope");
	assert_false(parse("tail", "-x", NULL));
	assert_string_equal(error, "there is no option -x");
	assert_false(parse("--after", NULL));
	assert_string_equal(error, "--after needs a value behind it");
	assert_false(parse("1", "2", "3", "4", "5", "6", "7", "8", "9", NULL));
	assert_string_equal(error, "`9` is one argument too many");
}

static void test_names_are_written_out(void **state)
{
	(void)state;
	assert_false(parse("tail", "--aft", "c", NULL));
	assert_string_equal(error, "there is no option --aft; write --after");
	assert_false(parse("tail", "--eve=x", NULL));
	assert_string_equal(error, "there is no option --eve; write --events");
	assert_false(parse("tail", "--js", NULL));
	assert_true(parse("tail", "--name", "--js", NULL));
	assert_string_equal(options.name, "--js");
}

static void test_help_has_a_short_form(void **state)
{
	(void)state;
	assert_true(parse("-h", NULL));
	assert_int_equal(options.given, OPTION_HELP);
}

static void test_an_option_has_its_name_for_messages(void **state)
{
	(void)state;
	assert_string_equal(option_name(OPTION_FROM_SNAPSHOT), "from-snapshot");
	assert_string_equal(option_name(OPTION_JSON | OPTION_WAIT), "json");
	assert_string_equal(option_name(0), "");
}

static void test_durations_have_one_unit(void **state)
{
	int64_t s;

	(void)state;
	assert_true(duration_parse("90s", &s) && s == 90);
	assert_true(duration_parse("15m", &s) && s == 900);
	assert_true(duration_parse("12h", &s) && s == 43200);
	assert_true(duration_parse("30d", &s) && s == 2592000);
	assert_true(duration_parse("36600d", &s));
	assert_false(duration_parse("36601d", &s));
	assert_false(duration_parse("99999999999999999999d", &s));
	assert_false(duration_parse("999999999999999w", &s));
	assert_false(duration_parse("0d", &s));
	assert_false(duration_parse("d", &s));
	assert_false(duration_parse("", &s));
	assert_false(duration_parse("30", &s));
	assert_false(duration_parse("1y", &s));
	assert_false(duration_parse("-1d", &s));
	assert_false(duration_parse("1.5d", &s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_and_arguments_may_be_mixed),
		cmocka_unit_test(test_behind_two_dashes_nothing_is_an_option),
		cmocka_unit_test(test_what_is_sent_must_be_text),
		cmocka_unit_test(test_drives_add_up),
		cmocka_unit_test(test_prefixes_add_up),
		cmocka_unit_test(test_numbers_are_checked),
		cmocka_unit_test(test_mistakes_are_named),
		cmocka_unit_test(test_names_are_written_out),
		cmocka_unit_test(test_help_has_a_short_form),
		cmocka_unit_test(test_an_option_has_its_name_for_messages),
		cmocka_unit_test(test_durations_have_one_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
