/* queue_alarm: one warning per episode. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sync/queue_alarm.h"

static void test_it_warns_at_the_limit(void **state)
{
	struct queue_alarm a = {0};

	(void)state;
	assert_false(queue_alarm_told(&a, 0));
	assert_false(queue_alarm_told(&a, QUEUE_ALARM_BYTES - 1));
	assert_true(queue_alarm_told(&a, QUEUE_ALARM_BYTES));
}

static void test_it_warns_once_while_the_queue_stays_long(void **state)
{
	struct queue_alarm a = {0};

	(void)state;
	assert_true(queue_alarm_told(&a, UINT64_C(5) << 30));
	assert_false(queue_alarm_told(&a, UINT64_C(6) << 30));
	assert_false(queue_alarm_told(&a, QUEUE_ALARM_BYTES / 2));
	assert_false(queue_alarm_told(&a, QUEUE_ALARM_BYTES));
}

static void test_it_warns_again_after_the_queue_was_short(void **state)
{
	struct queue_alarm a = {0};

	(void)state;
	assert_true(queue_alarm_told(&a, QUEUE_ALARM_BYTES));
	assert_false(queue_alarm_told(&a, QUEUE_ALARM_BYTES / 2 - 1));
	assert_false(queue_alarm_told(&a, QUEUE_ALARM_BYTES - 1));
	assert_true(queue_alarm_told(&a, QUEUE_ALARM_BYTES));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_warns_at_the_limit),
		cmocka_unit_test(test_it_warns_once_while_the_queue_stays_long),
		cmocka_unit_test(test_it_warns_again_after_the_queue_was_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
