/* hashing: what is said of a file of which only the ctime moved, with and without a hash that is known. */
#include "drive_fixture.h"

static const uint8_t old_hash[32] = {1}, new_hash[32] = {2};

static uint64_t node_at(struct fixture *f, const char *name)
{
	uint64_t node;

	assert_int_equal(index_lookup(f->txn, f->row.root, name, strlen(name), &node), 0);
	return node;
}

static int verified(struct fixture *f, const char *name, uint64_t inode, uint64_t ctime, const uint8_t *hash)
{
	struct entry_state s = {.kind = ENTRY_FILE, .ctime = {(int64_t)ctime, 0}};
	struct file_id file = id(inode);

	return drive_verified(f->drive, f->txn, node_at(f, name), &file, &s, hash);
}

static bool has_hash(struct fixture *f, const char *name, const uint8_t *hash)
{
	struct index_node n;

	assert_int_equal(index_get(f->txn, node_at(f, name), &n), 0);
	return n.has_hash && memcmp(n.hash, hash, 32) == 0;
}

/* `a` with a hash that is known, and then its ctime moves. */
static void touch_known(struct fixture *f)
{
	plant(f);
	assert_int_equal(verified(f, "a", 4, 0, old_hash), 0);
	SEE(f, ROOT, "a", .inode = 4, .ctime = 7);
	settle(f);
}

static void test_without_a_known_hash_it_is_maybe_at_once(void **state)
{
	struct fixture *f = *state;

	plant(f);
	SEE(f, ROOT, "a", .inode = 4, .ctime = 7);
	settle(f);
	assert_told(f, "updated a maybe\n");
	assert_int_equal(f->asked_count, 0);
}

static void test_the_same_hash_makes_it_meta(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	touch_known(f);
	assert_told(f, "");
	a = take_asked(f, 'h');
	drive_hashed(f->drive, a.request, old_hash);
	step_at(f, f->now);
	assert_told(f, "updated a meta\n");
	assert_true(has_hash(f, "a", old_hash));
}

static void test_another_hash_makes_it_content_and_is_remembered(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	touch_known(f);
	a = take_asked(f, 'h');
	drive_hashed(f->drive, a.request, new_hash);
	step_at(f, f->now);
	assert_told(f, "updated a content\n");
	assert_true(has_hash(f, "a", new_hash));
}

static void test_an_answer_that_does_not_come_makes_it_maybe(void **state)
{
	struct fixture *f = *state;
	struct asked a, cancelled;

	touch_known(f);
	a = take_asked(f, 'h');
	assert_int_equal(drive_deadline(f->drive), f->now + HASH_WAIT_MS);
	step_at(f, f->now + HASH_WAIT_MS - 1);
	assert_told(f, "");
	step_at(f, f->now + 1);
	assert_told(f, "updated a maybe\n");
	cancelled = take_asked(f, 'c');
	assert_int_equal(cancelled.request, a.request);
	assert_false(has_hash(f, "a", old_hash));
	drive_hashed(f->drive, a.request, new_hash); /* too late */
	settle(f);
	assert_told(f, "");
}

static void test_a_hash_that_cannot_be_had_makes_it_maybe(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	touch_known(f);
	a = take_asked(f, 'h');
	drive_hashed(f->drive, a.request, NULL);
	step_at(f, f->now);
	assert_told(f, "updated a maybe\n");
}

static void test_without_anybody_to_ask_it_is_maybe_at_once(void **state)
{
	struct fixture *f = *state;

	f->no_helper = true;
	touch_known(f);
	assert_told(f, "updated a maybe\n");
}

static void test_a_barrier_waits_for_the_hash(void **state)
{
	struct fixture *f = *state;
	struct asked a;
	uint64_t mark;

	touch_known(f);
	mark = drive_mark(f->drive);
	step_at(f, f->now);
	assert_false(drive_passed(f->drive, mark));
	a = take_asked(f, 'h');
	drive_hashed(f->drive, a.request, old_hash);
	step_at(f, f->now);
	assert_true(drive_passed(f->drive, mark));
}

static void test_what_is_seen_meanwhile_counts(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	touch_known(f);
	a = take_asked(f, 'h');
	SEE(f, ROOT, "a", .inode = 4, .ctime = 9, .size = 3);
	drive_hashed(f->drive, a.request, old_hash); /* of a state that is no more */
	settle(f);
	assert_told(f, "updated a content\n");
	assert_false(has_hash(f, "a", old_hash));
	settle(f);
	assert_int_equal(f->asked_count, 0);
}

static void test_a_change_that_is_seen_asks_for_nothing(void **state)
{
	struct fixture *f = *state;

	plant(f);
	assert_int_equal(verified(f, "a", 4, 0, old_hash), 0);
	SEE(f, ROOT, "a", .inode = 4, .ctime = 7, .mode = 0600);
	settle(f);
	assert_told(f, "updated a meta\n"); /* the new ctime is explained, and may hide a new content */
	assert_false(has_hash(f, "a", old_hash));
	assert_int_equal(f->asked_count, 0);
}

static void test_the_verdict_holds_for_every_name(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	SEE(f, ROOT, "a", .inode = 4, .links = 2);
	SEE(f, ROOT, "b", .inode = 4, .links = 2);
	settle(f);
	assert_int_equal(verified(f, "a", 4, 0, old_hash), 0);
	assert_true(has_hash(f, "b", old_hash));
	text_clear(&f->told);
	SEE(f, ROOT, "a", .inode = 4, .links = 2, .ctime = 7);
	settle(f);
	a = take_asked(f, 'h');
	drive_hashed(f->drive, a.request, new_hash);
	step_at(f, f->now);
	assert_told(f, "updated a content\nupdated b content\n");
	assert_true(has_hash(f, "b", new_hash));
}

static void test_a_content_that_changed_without_a_trace_is_told(void **state)
{
	struct fixture *f = *state;

	plant(f);
	assert_int_equal(verified(f, "a", 4, 0, old_hash), 0);
	assert_told(f, "");
	assert_int_equal(verified(f, "a", 4, 0, old_hash), 0);
	assert_told(f, "");
	assert_int_equal(verified(f, "a", 4, 0, new_hash), 0);
	assert_told(f, "updated a content\n");
	assert_true(has_hash(f, "a", new_hash));
}

static void test_a_hash_of_another_state_is_not_taken(void **state)
{
	struct fixture *f = *state;

	plant(f);
	assert_int_equal(verified(f, "a", 4, 3, old_hash), 0);
	assert_int_equal(verified(f, "a", 5, 0, old_hash), 0); /* that is b's: the name is not what counts */
	assert_false(has_hash(f, "a", old_hash));
	assert_told(f, "");
}

static void test_a_file_that_moved_keeps_its_hash_if_its_ctime_did_not(void **state)
{
	struct fixture *f = *state;

	plant(f);
	assert_int_equal(verified(f, "a", 4, 0, old_hash), 0);
	SEE(f, ROOT, "z", .inode = 4, .flags = OBSERVED_RENAMED);
	gone(f, ROOT, "a");
	settle(f);
	assert_told(f, "moved a -> z\n");
	assert_true(has_hash(f, "z", old_hash));
	SEE(f, ROOT, "y", .inode = 4, .ctime = 7, .flags = OBSERVED_RENAMED);
	gone(f, ROOT, "z");
	settle(f);
	assert_told(f, "moved z -> y\n");
	assert_false(has_hash(f, "y", old_hash));
}

#define drive_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		drive_case(test_without_a_known_hash_it_is_maybe_at_once),
		drive_case(test_the_same_hash_makes_it_meta),
		drive_case(test_another_hash_makes_it_content_and_is_remembered),
		drive_case(test_an_answer_that_does_not_come_makes_it_maybe),
		drive_case(test_a_hash_that_cannot_be_had_makes_it_maybe),
		drive_case(test_without_anybody_to_ask_it_is_maybe_at_once),
		drive_case(test_a_barrier_waits_for_the_hash),
		drive_case(test_what_is_seen_meanwhile_counts),
		drive_case(test_a_change_that_is_seen_asks_for_nothing),
		drive_case(test_the_verdict_holds_for_every_name),
		drive_case(test_a_content_that_changed_without_a_trace_is_told),
		drive_case(test_a_hash_of_another_state_is_not_taken),
		drive_case(test_a_file_that_moved_keeps_its_hash_if_its_ctime_did_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
