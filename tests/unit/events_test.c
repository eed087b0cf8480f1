/* net/events.h: event patterns as masks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "net/events.h"

static uint64_t mask_of(const char *pattern)
{
	uint64_t mask = 0;

	assert_int_equal(events_add(&mask, pattern, strlen(pattern)), 0);
	return mask;
}

static void test_an_exact_name_is_one_event(void **state)
{
	(void)state;
	assert_true(mask_of("drive.file.created") == event_bit(EVENT_FILE_CREATED));
	assert_true(mask_of("client.connected") == event_bit(EVENT_CLIENT_CONNECTED));
}

static void test_a_star_is_all_below(void **state)
{
	uint64_t files = event_bit(EVENT_FILE_CREATED) | event_bit(EVENT_FILE_UPDATED) |
			 event_bit(EVENT_FILE_MOVED) | event_bit(EVENT_FILE_DELETED);

	(void)state;
	assert_true(mask_of("drive.*") == files);
	assert_true(mask_of("drive.file.*") == files);
	assert_true(mask_of("client.*") ==
		    (event_bit(EVENT_CLIENT_CONNECTED) | event_bit(EVENT_CLIENT_DISCONNECTED)));
	assert_true((mask_of("sync.*") & event_bit(EVENT_SYNC_PROGRESS)) != 0);
	assert_true(mask_of("syn.*") == 0); /* whole components only */
}

static void test_an_unknown_name_matches_nothing(void **state)
{
	(void)state;
	assert_true(mask_of("content.setlist.updated") == 0);
	assert_true(mask_of("content.*") == 0);
}

static void test_what_is_no_name_is_refused(void **state)
{
	static const char *const wrong[] = {"",     "*",   ".*",   "a.",    ".a",      "a..b", "a b",    "a*",
					    "a.*b", "*.a", "a..*", "a.*.*", "sync.*x", "A.b",  "sync.\n"};
	uint64_t mask;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(events_add(&mask, wrong[i], strlen(wrong[i])), -EINVAL);
	assert_int_equal(events_add(&mask, "a\0b", 3), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_exact_name_is_one_event),
		cmocka_unit_test(test_a_star_is_all_below),
		cmocka_unit_test(test_an_unknown_name_matches_nothing),
		cmocka_unit_test(test_what_is_no_name_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
