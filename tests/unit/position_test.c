#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/position.h"

static void test_cursors_come_back_as_they_were_written(void **state)
{
	static const struct position positions[] = {
		{0, 0, 0},
		{111476736012345678, 42, 0x00ff00ff00ff00ff},
		{UINT64_MAX, UINT64_MAX, UINT64_MAX},
	};
	char text[POSITION_TEXT_MAX];
	struct position got;

	(void)state;
	for (size_t i = 0; i < sizeof(positions) / sizeof(positions[0]); i++) {
		size_t len = cursor_format(&positions[i], text);

		assert_int_equal(len, strlen(text));
		assert_true(cursor_parse(text, len, &got));
		assert_memory_equal(&got, &positions[i], sizeof(got));
	}
}

static void test_formats_are_exact(void **state)
{
	char text[POSITION_TEXT_MAX];

	(void)state;
	assert_int_equal(cursor_format(&(struct position){7, 12, 0xabc}, text), 21);
	assert_string_equal(text, "7-12~0000000000000abc");
	assert_int_equal(position_format(7, 0, text), 3);
	assert_string_equal(text, "7-0");
}

static void test_nothing_but_a_cursor_is_parsed(void **state)
{
	static const char *const wrong[] = {
		"",
		"-",
		"7-12",
		"7-12~",
		"7-12~0000000000000ab",
		"7-12~0000000000000abcd",
		"7-12~0000000000000ABC",
		"7-12~0000000000000abg",
		"07-12~0000000000000abc",
		"7-012~0000000000000abc",
		"7-00~0000000000000abc",
		" 7-12~0000000000000abc",
		"+7-12~0000000000000abc",
		"7--12~0000000000000abc",
		"7-12-0000000000000abc",
		"7-12~0000000000000abc ",
		"18446744073709551616-1~0000000000000abc",
		"1-99999999999999999999~0000000000000abc",
	};
	struct position got = {1, 2, 3};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(cursor_parse(wrong[i], strlen(wrong[i]), &got));
	assert_int_equal(got.check, 3);
}

static void test_no_beginning_of_a_cursor_is_read_beyond_its_end(void **state)
{
	static const char whole[] = "123-456~00112233445566ff";
	struct position got;

	(void)state;
	for (size_t len = 0; len < sizeof(whole) - 1; len++)
		assert_false(cursor_parse(whole, len, &got));
	assert_true(cursor_parse(whole, sizeof(whole) - 1, &got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cursors_come_back_as_they_were_written),
		cmocka_unit_test(test_formats_are_exact),
		cmocka_unit_test(test_nothing_but_a_cursor_is_parsed),
		cmocka_unit_test(test_no_beginning_of_a_cursor_is_read_beyond_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
