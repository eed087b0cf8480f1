#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/words.h"

static char error[WORDS_ERROR_MAX];

static void test_events_are_names_or_beginnings(void **state)
{
	(void)state;
	assert_true(words_are_events("drive.file.moved", "drive:x", error));
	assert_true(words_are_events("drive.*,sync.error,sync.*", "drive:x", error));
	assert_true(words_are_events("client.*,client.connected", "bus", error));
}

static void test_other_events_are_told_with_those_that_there_are(void **state)
{
	static const char *const wrong[] = {"foo",         "foo.*",      "",         ",",
					    "sync.error,", "sync",       "sync.",    ".*",
					    "*",           "drive.file", "client.*", "drive.file.move"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(words_are_events(wrong[i], "drive:x", error));
	assert_false(words_are_events("sync.*", "bus", error));
	assert_string_equal(error, "--events: there is no event `sync.*` in bus; there are client.connected "
				   "client.disconnected");
}

static void test_cursor_has_epoch_seq_and_check(void **state)
{
	static const char *const wrong[] = {"",
					    "foo",
					    "1-2",
					    "1-2~",
					    "1-2~0123456789abcde",
					    "1-2~0123456789abcdef0",
					    "1-2~0123456789ABCDEF",
					    "-2~0123456789abcdef",
					    "1-~0123456789abcdef",
					    "117412085497856-1~4be0643f1d98573b "};

	(void)state;
	assert_true(words_are_cursor("117412085497856-1~4be0643f1d98573b"));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(words_are_cursor(wrong[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_are_names_or_beginnings),
		cmocka_unit_test(test_other_events_are_told_with_those_that_there_are),
		cmocka_unit_test(test_cursor_has_epoch_seq_and_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
