#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/text.h"

static void assert_text(struct text *t, const char *expected)
{
	assert_false(t->failed);
	assert_int_equal(t->len, strlen(expected));
	assert_memory_equal(t->data, expected, t->len);
	text_deinit(t);
}

static void assert_string_becomes(const char *bytes, size_t len, const char *expected)
{
	struct text t = {0};

	json_add_string(&t, bytes, len);
	assert_text(&t, expected);
}

static void assert_time_becomes(int64_t seconds, uint32_t nanoseconds, const char *expected)
{
	struct text t = {0};

	json_add_time(&t, seconds, nanoseconds);
	assert_text(&t, expected);
}

static void assert_bytes_become(const char *bytes, size_t len, const char *expected)
{
	struct text t = {0};

	json_add_bytes(&t, "path", bytes, len);
	assert_text(&t, expected);
}

static void test_text_grows_and_keeps_its_room_when_cleared(void **state)
{
	struct text t = {0};
	size_t room;

	(void)state;
	for (int i = 0; i < 1000; i++)
		text_add_str(&t, "0123456789");
	assert_int_equal(t.len, 10000);
	room = t.room;
	text_clear(&t);
	assert_int_equal(t.len, 0);
	assert_int_equal(t.room, room);
	text_deinit(&t);
	assert_null(t.data);
}

static void test_text_reserve_of_the_impossible_fails_once_and_for_all(void **state)
{
	struct text t = {0};

	(void)state;
	text_add_str(&t, "x");
	assert_false(text_reserve(&t, SIZE_MAX - 10));
	assert_true(t.failed);
	assert_int_equal(t.len, 1);
	text_deinit(&t);
}

static void test_numbers_are_decimal(void **state)
{
	struct text t = {0};

	(void)state;
	text_add_number(&t, 0);
	text_add_str(&t, " ");
	text_add_number(&t, UINT64_MAX);
	assert_text(&t, "0 18446744073709551615");
}

static void test_strings_are_escaped(void **state)
{
	(void)state;
	assert_string_becomes("", 0, "\"\"");
	assert_string_becomes("a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\"");
	assert_string_becomes("\n\r\t\x01\x1f\x7f", 6, "\"\\n\\r\\t\\u0001\\u001f\x7f\"");
	assert_string_becomes("a\0b", 3, "\"a\\u0000b\"");
	assert_string_becomes("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8e\xb5", 15,
			      "\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8e\xb5\"");
}

#define FFFD "\xef\xbf\xbd"

static void test_each_maximal_ill_formed_part_becomes_one_replacement(void **state)
{
	(void)state;
	assert_string_becomes("\xff", 1, "\"" FFFD "\"");
	assert_string_becomes("a\x80z", 3, "\"a" FFFD "z\"");
	assert_string_becomes("\xe2\x82", 2, "\"" FFFD "\"");
	assert_string_becomes("\xe2\x82z", 3, "\"" FFFD "z\"");
	assert_string_becomes("\xc0\xaf", 2, "\"" FFFD FFFD "\"");
	assert_string_becomes("\xe0\x9f\x80", 3, "\"" FFFD FFFD FFFD "\"");
	assert_string_becomes("\xed\xa0\x80", 3, "\"" FFFD FFFD FFFD "\"");
	assert_string_becomes("\xf4\x90\x80\x80", 4, "\"" FFFD FFFD FFFD FFFD "\"");
	assert_string_becomes("\xf0\x9f\x8e", 3, "\"" FFFD "\"");
	/* The example of the Unicode standard, table 3-8. */
	assert_string_becomes("\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64", 12,
			      "\"" FFFD FFFD FFFD "b" FFFD "c" FFFD FFFD "d\"");
}

static void test_utf8_valid_takes_exactly_what_needs_no_replacement(void **state)
{
	(void)state;
	assert_true(utf8_valid("", 0));
	assert_true(utf8_valid("\0", 1));
	assert_true(utf8_valid("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\xc2\x80\xe0\xa0\x80\xf0\x90\x80\x80",
			       19));
	assert_false(utf8_valid("\xed\xa0\x80", 3));
	assert_false(utf8_valid("\xf5\x80\x80\x80", 4));
	assert_false(utf8_valid("\xc3", 1));
	assert_false(utf8_valid("\xc1\xbf", 2));
}

static void test_names_that_are_not_utf8_bring_their_bytes(void **state)
{
	(void)state;
	assert_bytes_become("a", 1, "\"path\":\"a\"");
	assert_bytes_become("\xff", 1, "\"path\":\"" FFFD "\",\"path_b64\":\"/w==\"");
	assert_bytes_become("a\xff", 2, "\"path\":\"a" FFFD "\",\"path_b64\":\"Yf8=\"");
	assert_bytes_become("ab\xff", 3, "\"path\":\"ab" FFFD "\",\"path_b64\":\"YWL/\"");
	assert_bytes_become("\xfb\xef\xbe~", 4, "\"path\":\"" FFFD FFFD "~\",\"path_b64\":\"++++fg==\"");
}

static void test_times_have_nine_decimals_and_z(void **state)
{
	(void)state;
	assert_time_becomes(0, 0, "\"1970-01-01T00:00:00.000000000Z\"");
	assert_time_becomes(1700000000, 123456789, "\"2023-11-14T22:13:20.123456789Z\"");
	assert_time_becomes(951782400, 1, "\"2000-02-29T00:00:00.000000001Z\"");
	assert_time_becomes(4107542400, 0, "\"2100-03-01T00:00:00.000000000Z\"");
	assert_time_becomes(-1, 999999999, "\"1969-12-31T23:59:59.999999999Z\"");
	assert_time_becomes(-2203891200, 0, "\"1900-03-01T00:00:00.000000000Z\"");
}

static void test_times_outside_four_digit_years_are_clamped(void **state)
{
	(void)state;
	assert_time_becomes(-62167219200, 0, "\"0000-01-01T00:00:00.000000000Z\"");
	assert_time_becomes(253402300799, 5, "\"9999-12-31T23:59:59.000000005Z\"");
	assert_time_becomes(-62167219201, 7, "\"0000-01-01T00:00:00.000000000Z\"");
	assert_time_becomes(INT64_MIN, 7, "\"0000-01-01T00:00:00.000000000Z\"");
	assert_time_becomes(253402300800, 0, "\"9999-12-31T23:59:59.999999999Z\"");
	assert_time_becomes(INT64_MAX, 0, "\"9999-12-31T23:59:59.999999999Z\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_grows_and_keeps_its_room_when_cleared),
		cmocka_unit_test(test_text_reserve_of_the_impossible_fails_once_and_for_all),
		cmocka_unit_test(test_numbers_are_decimal),
		cmocka_unit_test(test_strings_are_escaped),
		cmocka_unit_test(test_each_maximal_ill_formed_part_becomes_one_replacement),
		cmocka_unit_test(test_utf8_valid_takes_exactly_what_needs_no_replacement),
		cmocka_unit_test(test_names_that_are_not_utf8_bring_their_bytes),
		cmocka_unit_test(test_times_have_nine_decimals_and_z),
		cmocka_unit_test(test_times_outside_four_digit_years_are_clamped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
