#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/log_times.h"

static void test_times_are_utc_with_milliseconds(void **state)
{
	char text[LOG_TIME_MAX];

	(void)state;
	log_times_format(&(struct timespec){1777644202, 120481377}, text);
	assert_string_equal(text, "2026-05-01T14:03:22.120Z ");
	log_times_format(&(struct timespec){0, 999999999}, text);
	assert_string_equal(text, "1970-01-01T00:00:00.999Z ");
}

static void test_journal_is_named_by_device_and_inode(void **state)
{
	(void)state;
	assert_true(log_times_is_journal("8:1234567890123", 8, 1234567890123));
	assert_false(log_times_is_journal("8:1234567890123", 9, 1234567890123));
	assert_false(log_times_is_journal("8:1234567890123", 8, 1234));
	assert_false(log_times_is_journal("8:12345", 8, 1234));
	assert_false(log_times_is_journal("", 8, 1234));
	assert_false(log_times_is_journal(NULL, 8, 1234));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times_are_utc_with_milliseconds),
		cmocka_unit_test(test_journal_is_named_by_device_and_inode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
