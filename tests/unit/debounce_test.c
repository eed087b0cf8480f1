/* debounce: what is held, what replaces what, and when it is due. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sync/debounce.h"

enum { SETTLE = 20, MAX_WAIT = 500 };

static int setup(void **state)
{
	struct debounce *d = malloc(sizeof(*d));

	debounce_init(d, SETTLE, MAX_WAIT);
	*state = d;
	return 0;
}

static int teardown(void **state)
{
	debounce_deinit(*state);
	free(*state);
	return 0;
}

static struct file_id id(uint64_t inode)
{
	struct file_id out;

	file_id_from_birth(&out, inode, 1, 0);
	return out;
}

static struct held *put(struct debounce *d, uint64_t dir, const char *name, uint64_t inode, unsigned flags,
			uint64_t now)
{
	struct observation o = {.type = inode == 0 ? OBSERVED_GONE : OBSERVED_ENTRY,
				.flags = (uint16_t)flags,
				.dir = id(dir),
				.name = name,
				.name_len = strlen(name)};
	struct held *h;

	if (inode != 0) {
		o.id = id(inode);
		o.state.kind = ENTRY_FILE;
	}
	assert_int_equal(debounce_put(d, &o, now, &h), 0);
	return h;
}

static bool is_due(struct debounce *d, const struct held *h, uint64_t now)
{
	debounce_release(d, now);
	return h->place == HELD_DUE;
}

static void test_a_name_is_due_when_it_was_quiet_for_settle(void **state)
{
	struct debounce *d = *state;
	struct held *h = put(d, 1, "a", 10, 0, 100);

	assert_int_equal(debounce_deadline(d), 100 + SETTLE);
	assert_false(is_due(d, h, 100 + SETTLE - 1));
	assert_true(is_due(d, h, 100 + SETTLE));
	assert_int_equal(debounce_deadline(d), 0);
}

static void test_each_observation_starts_the_quiet_time_again(void **state)
{
	struct debounce *d = *state;
	struct held *h = put(d, 1, "a", 10, 0, 100);

	assert_ptr_equal(put(d, 1, "a", 10, 0, 115), h);
	assert_false(is_due(d, h, 115 + SETTLE - 1));
	assert_true(is_due(d, h, 115 + SETTLE));
}

static void test_a_name_that_never_rests_is_due_after_max_wait(void **state)
{
	struct debounce *d = *state;
	struct held *h = put(d, 1, "a", 10, 0, 0);

	for (uint64_t now = 10; now < MAX_WAIT; now += 10) {
		put(d, 1, "a", 10, 0, now);
		assert_false(is_due(d, h, now));
	}
	assert_true(is_due(d, h, MAX_WAIT));
}

static void test_an_extended_name_waits_longer_but_not_when_it_rests(void **state)
{
	struct debounce *d = *state;
	struct held *busy = put(d, 1, "busy", 10, 0, 0), *quiet = put(d, 1, "quiet", 11, 0, 0);

	debounce_extend(d, busy, 2 * MAX_WAIT);
	debounce_extend(d, quiet, 2 * MAX_WAIT);
	for (uint64_t now = 10; now <= MAX_WAIT + 10; now += 10)
		put(d, 1, "busy", 10, 0, now);
	assert_true(is_due(d, quiet, MAX_WAIT + 10));
	assert_false(is_due(d, busy, MAX_WAIT + 10));
	put(d, 1, "busy", 10, 0, 2 * MAX_WAIT);
	assert_true(is_due(d, busy, 2 * MAX_WAIT));
}

static void test_the_newest_observation_replaces_the_older(void **state)
{
	struct debounce *d = *state;
	struct held *h = put(d, 1, "a", 10, 0, 0);
	struct file_id was = id(10), is = id(11);

	put(d, 1, "a", 11, 0, 1);
	assert_true(file_id_equal(&h->id, &is));
	assert_null(debounce_next_by_id(d, &was, NULL));
	assert_ptr_equal(debounce_next_by_id(d, &is, NULL), h);
	put(d, 1, "a", 0, 0, 2);
	assert_true(h->gone);
	assert_null(debounce_next_by_id(d, &is, NULL));
	assert_int_equal(d->count, 1);
}

static void test_what_the_kernel_says_once_survives_a_newer_look(void **state)
{
	struct debounce *d = *state;
	struct held *h = put(d, 1, "a", 10, OBSERVED_FRESH | OBSERVED_WRITING, 0);

	put(d, 1, "a", 10, 0, 1);
	assert_int_equal(h->flags, OBSERVED_FRESH | OBSERVED_WRITING);
	put(d, 1, "a", 10, OBSERVED_CLOSED, 2);
	assert_int_equal(h->flags, OBSERVED_FRESH | OBSERVED_CLOSED);
	put(d, 1, "a", 11, 0, 3);
	assert_int_equal(h->flags, 0); /* another inode: nothing is known of it */
}

static void test_names_are_told_apart_by_directory(void **state)
{
	struct debounce *d = *state;
	struct held *a = put(d, 1, "x", 10, 0, 0), *b = put(d, 2, "x", 11, 0, 0);
	struct file_id one = id(1), two = id(2);

	assert_ptr_not_equal(a, b);
	assert_ptr_equal(debounce_find(d, &one, "x", 1), a);
	assert_ptr_equal(debounce_find(d, &two, "x", 1), b);
	assert_ptr_equal(debounce_next_by_dir(d, &two, NULL), b);
	assert_null(debounce_next_by_dir(d, &two, b));
}

static void test_a_barrier_makes_everything_due(void **state)
{
	struct debounce *d = *state;
	struct held *a = put(d, 1, "a", 10, 0, 0), *b = put(d, 1, "b", 11, 0, 0);

	debounce_force_all(d);
	assert_int_equal(a->place, HELD_DUE);
	assert_int_equal(b->place, HELD_DUE);
}

static void test_ten_thousand_names_are_found_again(void **state)
{
	struct debounce *d = *state;
	struct file_id dir = id(1);
	char name[32];

	for (unsigned i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		put(d, 1, name, 100 + i, 0, i);
	}
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_non_null(debounce_find(d, &dir, name, strlen(name)));
	}
	debounce_clear(d);
	assert_int_equal(d->count, 0);
	assert_int_equal(debounce_deadline(d), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_name_is_due_when_it_was_quiet_for_settle, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_each_observation_starts_the_quiet_time_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_name_that_never_rests_is_due_after_max_wait, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_an_extended_name_waits_longer_but_not_when_it_rests,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_newest_observation_replaces_the_older, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_what_the_kernel_says_once_survives_a_newer_look, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_names_are_told_apart_by_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_barrier_makes_everything_due, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ten_thousand_names_are_found_again, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
