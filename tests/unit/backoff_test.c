#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/backoff.h"

static void test_the_wait_doubles_up_to_the_cap(void **state)
{
	struct backoff b = {.base_ms = 250, .cap_ms = 30000};
	const unsigned spans[] = {250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};

	(void)state;
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
		assert_int_equal(backoff_next(&b, 0, UINT32_MAX), spans[i] - 1);
}

static void test_the_jitter_is_full(void **state)
{
	struct backoff b = {.base_ms = 1000, .cap_ms = 1000};

	(void)state;
	assert_int_equal(backoff_next(&b, 0, 0), 0);
	assert_int_equal(backoff_next(&b, 0, UINT32_MAX / 2), 499);
	assert_int_equal(backoff_next(&b, 0, UINT32_MAX), 999);
}

static void test_what_the_server_asked_for_is_waited_in_any_case(void **state)
{
	struct backoff b = {.base_ms = 250, .cap_ms = 30000};

	(void)state;
	assert_int_equal(backoff_next(&b, 5000, 0), 5000);
	assert_int_equal(backoff_next(&b, 5000, UINT32_MAX), 5499);
}

static void test_a_success_begins_anew(void **state)
{
	struct backoff b = {.base_ms = 250, .cap_ms = 30000};

	(void)state;
	backoff_next(&b, 0, 0);
	backoff_next(&b, 0, 0);
	backoff_reset(&b);
	assert_int_equal(backoff_next(&b, 0, UINT32_MAX), 249);
}

static void test_any_number_of_attempts_stays_at_the_cap(void **state)
{
	struct backoff b = {.base_ms = 250, .cap_ms = 30000, .attempt = UINT32_MAX};

	(void)state;
	assert_int_equal(backoff_next(&b, 0, UINT32_MAX), 29999);
	assert_int_equal(b.attempt, UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_wait_doubles_up_to_the_cap),
		cmocka_unit_test(test_the_jitter_is_full),
		cmocka_unit_test(test_what_the_server_asked_for_is_waited_in_any_case),
		cmocka_unit_test(test_a_success_begins_anew),
		cmocka_unit_test(test_any_number_of_attempts_stays_at_the_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
