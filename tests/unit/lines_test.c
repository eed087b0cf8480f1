/* What people read: one item on one line, whatever is in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/escape.h"
#include "client/lines.h"
#include "client/moment.h"
#include "client/table.h"

#define AT   "\"at\":\"2026-05-01T12:03:22.120999999Z\","
#define WHEN "2026-05-01 12:03:22.120  "

static void expect_style(const char *json, enum lines_style style, const char *line)
{
	json_t *item = json_loads(json, 0, NULL);
	char *got = NULL;
	size_t len;
	FILE *out = open_memstream(&got, &len);

	assert_non_null(item);
	lines_print(out, item, style);
	fclose(out);
	assert_string_equal(got, line);
	free(got);
	json_decref(item);
}

static void expect(const char *json, const char *line)
{
	expect_style(json, LINES_PLAIN, line);
}

static void expect_escaped(const char *bytes, size_t len, const char *expected)
{
	char *got = NULL;
	size_t got_len;
	FILE *out = open_memstream(&got, &got_len);

	escape_print(out, bytes, len);
	fclose(out);
	assert_string_equal(got, expected);
	free(got);
}

static void test_each_change_is_a_line(void **state)
{
	(void)state;
	expect("{\"event\":\"drive.file.created\"," AT "\"path\":\"a/b\",\"kind\":\"file\",\"size\":12}",
	       WHEN "created    a/b  12 B\n");
	expect("{\"event\":\"drive.file.updated\"," AT
	       "\"path\":\"a\",\"kind\":\"file\",\"size\":1536,\"changed\":[\"content\"]"
	       ",\"open\":true}",
	       WHEN "updated    a  1.5 KiB  (still being written)\n");
	expect("{\"event\":\"drive.file.updated\"," AT
	       "\"path\":\"a\",\"kind\":\"dir\",\"changed\":[\"meta\"]}",
	       WHEN "updated    a/  (only mode, owner or links)\n");
	expect("{\"event\":\"drive.file.moved\"," AT "\"from\":\"a\",\"path\":\"b\",\"kind\":\"dir\"}",
	       WHEN "moved      a/ -> b/\n");
	expect("{\"event\":\"drive.file.deleted\"," AT "\"path\":\"a\",\"kind\":\"dir\",\"recursive\":true}",
	       WHEN "deleted    a/  (with all below it)\n");
	expect("{\"event\":\"drive.file.created\"," AT
	       "\"path\":\"l\",\"kind\":\"symlink\",\"target\":\"../t\",\"size\":4}",
	       WHEN "created    l  (link to ../t)\n");
}

static void test_an_entry_of_a_snapshot_has_no_time(void **state)
{
	(void)state;
	expect("{\"path\":\"a\",\"kind\":\"dir\"}", "= a/\n");
	expect("{\"path\":\"a\",\"kind\":\"file\",\"size\":0}", "= a  0 B\n");
}

static void test_runs_and_clients_are_told_too(void **state)
{
	(void)state;
	expect("{\"event\":\"sync.completed\"," AT
	       "\"drive\":\"x\",\"run\":3,\"trigger\":\"manual\",\"path\":\"\",\"entries\":10,"
	       "\"changes\":2,\"seconds\":0.25}",
	       WHEN "completed  sync run 3  trigger manual  entries 10  changes 2  seconds 0.250\n");
	expect("{\"event\":\"sync.error\"," AT "\"run\":3,\"error\":\"EIO\"}",
	       WHEN "failed     sync run 3  error EIO\n");
	expect("{\"event\":\"client.connected\"," AT "\"client\":\"c1\",\"name\":\"n\",\"session\":\"s\"}",
	       WHEN "connected  client  client c1  name n\n");
	expect("{\"event\":\"content.setlist.updated\"," AT "\"topic\":\"band/3\"}",
	       WHEN "content.setlist.updated  content  topic band/3\n");
}

static void test_colours_stand_around_the_verb_alone(void **state)
{
	(void)state;
	expect_style("{\"event\":\"drive.file.deleted\"," AT "\"path\":\"a\",\"kind\":\"file\"}",
		     LINES_COLOUR, WHEN "\033[31mdeleted  \033[0m  a\n");
}

static void test_a_name_that_is_not_utf8_shows_its_bytes(void **state)
{
	(void)state;
	/* "caf\xe9\n" */
	expect("{\"event\":\"drive.file.created\"," AT
	       "\"path\":\"caf\\ufffd\\n\",\"path_b64\":\"Y2Fm6Qo=\",\"kind\":\"dir\"}",
	       WHEN "created    caf\\xe9\\n/\n");
}

static void test_a_malformed_item_is_still_one_line(void **state)
{
	(void)state;
	expect("{}", "= \n");
	expect("{\"event\":\"drive.file.created\",\"at\":\"x\\ny\",\"path\":7,\"size\":\"x\",\"changed\":{}}",
	       "-  created    \n");
	expect("{\"event\":\"a\\nb\",\"path_b64\":\"!\"}", "-  a\\nb  a\\nb\n");
}

static void test_what_moves_the_cursor_is_escaped(void **state)
{
	(void)state;
	expect_escaped("a\tb\nc\rd\x1b[2J\x7f", 12, "a\\tb\\nc\\rd\\x1b[2J\\x7f");
	expect_escaped("\xc2\x9b", 2, "\\u{9b}");
	expect_escaped("\xe2\x80\xae", 3, "\\u{202e}");
	expect_escaped("\0", 1, "\\x00");
	expect_escaped("a\\n", 3, "a\\\\n");
}

static void test_text_of_any_language_stays(void **state)
{
	(void)state;
	expect_escaped("\xc3\xa9\xe6\x97\xa5\xf0\x9f\x8e\xb5", 9, "\xc3\xa9\xe6\x97\xa5\xf0\x9f\x8e\xb5");
}

static void test_ill_formed_utf8_shows_its_bytes(void **state)
{
	(void)state;
	expect_escaped("\xc3", 1, "\\xc3");
	expect_escaped("\xc0\x80", 2, "\\xc0\\x80");
	expect_escaped("\xed\xa0\x80", 3, "\\xed\\xa0\\x80");
	expect_escaped("\xf5\x80\x80\x80", 4, "\\xf5\\x80\\x80\\x80");
	expect_escaped("\xe0\x80\xaf", 3, "\\xe0\\x80\\xaf");
}

static void expect_size(json_int_t bytes, const char *expected)
{
	char got[32] = "";
	FILE *out = fmemopen(got, sizeof(got), "w");

	lines_print_size(out, bytes);
	fclose(out);
	assert_string_equal(got, expected);
}

static void test_sizes_are_short(void **state)
{
	(void)state;
	expect_size(0, "0 B");
	expect_size(1023, "1023 B");
	expect_size(1024, "1.0 KiB");
	expect_size(1024 * 1024 - 1, "1.0 MiB");
	expect_size((json_int_t)5 << 30, "5.0 GiB");
	expect_size(INT64_MAX, "8.0 EiB");
}

static void test_times_are_parsed_to_the_millisecond(void **state)
{
	time_t seconds;
	unsigned ms;

	(void)state;
	assert_true(moment_parse("1970-01-02T00:00:01.000000000Z", &seconds, &ms));
	assert_int_equal(seconds, 86401);
	assert_int_equal(ms, 0);
	assert_true(moment_parse("1970-01-01T00:00:00.5Z", &seconds, &ms));
	assert_int_equal(ms, 500);
	assert_true(moment_parse("1970-01-01T00:00:00Z", &seconds, &ms));
	assert_false(moment_parse("1970-01-01T00:00:00", &seconds, &ms));
	assert_false(moment_parse("yesterday", &seconds, &ms));
	assert_false(moment_parse("", &seconds, &ms));
}

static void expect_ago(time_t seconds, const char *expected)
{
	char got[MOMENT_TEXT_MAX];

	moment_ago(1000000 - seconds, 1000000, got);
	assert_string_equal(got, expected);
}

static void test_ages_have_one_unit(void **state)
{
	(void)state;
	expect_ago(-5, "0 s");
	expect_ago(119, "119 s");
	expect_ago(120, "2 min");
	expect_ago(7200, "2 h");
	expect_ago(200000, "2 d");
}

static void test_a_table_is_aligned_and_escaped(void **state)
{
	struct table t = {.columns = 3, .align = {TABLE_LEFT, TABLE_RIGHT, TABLE_LEFT}};
	char *got = NULL;
	size_t len;
	FILE *out = open_memstream(&got, &len);

	(void)state;
	table_add(&t, "A");
	table_add(&t, "N");
	table_add(&t, "LAST");
	table_add(&t, "b\xc3\xa9");
	table_addf(&t, "%d", 123);
	table_add(&t, "x\n");
	table_print(&t, out);
	fclose(out);
	assert_string_equal(got, "A     N  LAST\nb\xc3\xa9  123  x\\n\n");
	free(got);
	table_deinit(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_change_is_a_line),
		cmocka_unit_test(test_an_entry_of_a_snapshot_has_no_time),
		cmocka_unit_test(test_runs_and_clients_are_told_too),
		cmocka_unit_test(test_colours_stand_around_the_verb_alone),
		cmocka_unit_test(test_a_name_that_is_not_utf8_shows_its_bytes),
		cmocka_unit_test(test_a_malformed_item_is_still_one_line),
		cmocka_unit_test(test_what_moves_the_cursor_is_escaped),
		cmocka_unit_test(test_text_of_any_language_stays),
		cmocka_unit_test(test_ill_formed_utf8_shows_its_bytes),
		cmocka_unit_test(test_sizes_are_short),
		cmocka_unit_test(test_times_are_parsed_to_the_millisecond),
		cmocka_unit_test(test_ages_have_one_unit),
		cmocka_unit_test(test_a_table_is_aligned_and_escaped),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
