/* drive: what is said of what is seen, one example for each rule of docs/design.md. */
#include "drive_fixture.h"

/* The rules. */

static void test_parents_are_created_before_children(void **state)
{
	struct fixture *f = *state;

	SEE(f, 2, "f", .inode = 3);
	SEE(f, ROOT, "d", FRESH_DIR(2));
	settle(f);
	assert_told(f, "created d\ncreated d/f\n");
}

static void test_a_new_name_for_a_file_with_one_link_is_a_move(void **state)
{
	struct fixture *f = *state;

	plant(f);
	SEE(f, 2, "moved", .inode = 4, .flags = OBSERVED_RENAMED);
	gone(f, ROOT, "a");
	settle(f);
	assert_told(f, "moved a -> d/moved\n");
}

/* The queue ended between the two halves of a rename; a walk finds the other one. */
static void test_what_is_gone_when_events_were_lost_may_have_moved(void **state)
{
	struct fixture *f = *state;

	plant(f);
	gone(f, ROOT, "a");
	drive_lost(f->drive);
	settle(f);
	assert_told(f, "");
	SEE(f, 2, "moved", .inode = 4);
	settle(f);
	assert_told(f, "moved a -> d/moved\n");
}

static void test_an_atomic_save_is_one_update(void **state)
{
	struct fixture *f = *state;

	plant(f);
	SEE(f, ROOT, "a.tmp", .inode = 9, .size = 7);
	gone(f, ROOT, "a.tmp");
	SEE(f, ROOT, "a", .inode = 9, .size = 7, .flags = OBSERVED_RENAMED);
	settle(f);
	assert_told(f, "updated a content\n");
}

static void test_a_rename_over_a_file_deletes_the_source_first(void **state)
{
	struct fixture *f = *state;

	plant(f);
	SEE(f, ROOT, "b", .inode = 4, .flags = OBSERVED_RENAMED);
	gone(f, ROOT, "a");
	settle(f);
	assert_told(f, "deleted a\nupdated b content\n");
}

static void test_a_chain_of_renames_moves_each_node(void **state)
{
	struct fixture *f = *state;

	plant(f);
	SEE(f, ROOT, "b", .inode = 4, .flags = OBSERVED_RENAMED);
	SEE(f, ROOT, "c", .inode = 5, .flags = OBSERVED_RENAMED);
	gone(f, ROOT, "a");
	settle(f);
	assert_told(f, "moved b -> c\nmoved a -> b\n");
}

static void test_an_exchange_goes_through_a_swap_name_in_one_frame(void **state)
{
	struct fixture *f = *state;
	char expected[256];
	uint64_t a;

	plant(f);
	assert_int_equal(index_lookup(f->txn, f->row.root, "a", 1, &a), 0);
	SEE(f, ROOT, "b", .inode = 4, .flags = OBSERVED_RENAMED);
	SEE(f, ROOT, "a", .inode = 5, .flags = OBSERVED_RENAMED);
	settle(f);
	snprintf(expected, sizeof(expected),
		 "moved a -> .wakeline-swap-%llu +\nmoved b -> a +\nmoved .wakeline-swap-%llu -> b\n",
		 (unsigned long long)a, (unsigned long long)a);
	assert_told(f, expected);
}

static void test_created_and_deleted_within_the_window_is_nothing(void **state)
{
	struct fixture *f = *state;

	SEE(f, ROOT, "t", .inode = 9);
	gone(f, ROOT, "t");
	settle(f);
	assert_told(f, "");
}

static void test_rm_r_is_told_child_by_child(void **state)
{
	struct fixture *f = *state;

	plant(f);
	gone(f, ROOT, "d");
	gone(f, 2, "f");
	settle(f);
	assert_told(f, "deleted d/f\ndeleted d\n");
}

static void test_a_subtree_that_leaves_is_one_recursive_deletion(void **state)
{
	struct fixture *f = *state;

	plant(f);
	gone(f, ROOT, "d");
	settle(f);
	assert_told(f, "deleted d recursive\n");
}

static void test_what_moved_out_of_a_deleted_directory_moves_first(void **state)
{
	struct fixture *f = *state;

	plant(f);
	gone(f, ROOT, "d");
	SEE(f, ROOT, "rescued", .inode = 3, .flags = OBSERVED_RENAMED);
	gone(f, 2, "f");
	settle(f);
	assert_told(f, "moved d/f -> rescued\ndeleted d\n");
}

static void test_another_kind_is_deleted_then_created(void **state)
{
	struct fixture *f = *state;

	plant(f);
	SEE(f, ROOT, "a", FRESH_DIR(9));
	settle(f);
	assert_told(f, "deleted a\ncreated a\n");
}

static void test_parent_and_child_change_places(void **state)
{
	struct fixture *f = *state;
	char expected[256];
	uint64_t d;

	SEE(f, ROOT, "x", FRESH_DIR(2));
	SEE(f, 2, "y", FRESH_DIR(3));
	settle(f);
	text_clear(&f->told);
	assert_int_equal(index_lookup(f->txn, f->row.root, "x", 1, &d), 0);
	SEE(f, ROOT, "x", DIR(3));
	SEE(f, 3, "y", DIR(2));
	gone(f, 2, "y");
	settle(f);
	snprintf(expected, sizeof(expected),
		 "moved x -> .wakeline-swap-%llu +\nmoved .wakeline-swap-%llu/y -> x +\n"
		 "moved .wakeline-swap-%llu -> x/y\n",
		 (unsigned long long)d, (unsigned long long)d, (unsigned long long)d);
	assert_told(f, expected);
}

static void test_a_directory_renamed_over_an_empty_one_keeps_its_tree(void **state)
{
	struct fixture *f = *state;

	plant(f);
	SEE(f, ROOT, "empty", FRESH_DIR(9));
	settle(f);
	text_clear(&f->told);
	SEE(f, ROOT, "empty", DIR(2), .flags = OBSERVED_RENAMED);
	gone(f, ROOT, "d");
	settle(f);
	assert_told(f, "deleted empty\nmoved d -> empty\n");
}

static void test_a_mode_is_meta_and_a_bare_ctime_is_maybe(void **state)
{
	struct fixture *f = *state;

	plant(f);
	SEE(f, ROOT, "a", .inode = 4, .mode = 0600, .ctime = 5);
	settle(f);
	SEE(f, ROOT, "a", .inode = 4, .mode = 0600, .ctime = 6);
	settle(f);
	SEE(f, ROOT, "a", .inode = 4, .mode = 0600, .ctime = 6);
	settle(f);
	assert_told(f, "updated a meta\nupdated a maybe\n");
}

/* Hard links. */

static void test_a_link_is_created_when_the_old_name_is_still_there(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	plant(f);
	SEE(f, ROOT, "link", .inode = 4, .links = 2);
	settle(f);
	assert_told(f, "");
	a = take_asked(f, 'l');
	assert_string_equal(a.name, "a");
	SEE(f, ROOT, "a", .inode = 4, .links = 2);
	looked(f, &a, 0);
	settle(f);
	assert_told(f, "created link\nupdated a meta\n");
}

static void test_a_file_with_links_has_moved_when_its_old_name_is_gone(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	plant(f);
	SEE(f, ROOT, "new", .inode = 4, .links = 2); /* the other link is outside the drive */
	settle(f);
	a = take_asked(f, 'l');
	gone(f, ROOT, "a");
	looked(f, &a, 0);
	settle(f);
	assert_told(f, "moved a -> new\n");
}

static void test_a_write_through_one_link_is_told_for_every_name(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	plant(f);
	SEE(f, ROOT, "link", .inode = 4, .links = 2);
	settle(f);
	a = take_asked(f, 'l');
	SEE(f, ROOT, "a", .inode = 4, .links = 2);
	looked(f, &a, 0);
	settle(f);
	text_clear(&f->told);
	SEE(f, ROOT, "link", .inode = 4, .links = 2, .size = 9);
	settle(f);
	assert_told(f, "updated link content\nupdated a content\n");
}

static void test_a_lost_link_has_the_other_names_looked_at(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	plant(f);
	SEE(f, ROOT, "link", .inode = 4, .links = 2);
	settle(f);
	a = take_asked(f, 'l');
	SEE(f, ROOT, "a", .inode = 4, .links = 2);
	looked(f, &a, 0);
	settle(f);
	text_clear(&f->told);
	gone(f, ROOT, "link");
	settle(f);
	a = take_asked(f, 'l');
	assert_string_equal(a.name, "a");
	SEE(f, ROOT, "a", .inode = 4, .links = 1);
	looked(f, &a, 0);
	settle(f);
	assert_told(f, "deleted link\nupdated a meta\n");
}

/* Files that stay open. */

static void test_an_open_file_is_announced_and_again_when_it_is_closed(void **state)
{
	struct fixture *f = *state;

	SEE(f, ROOT, "log", .inode = 9, .size = 1, .flags = OBSERVED_WRITING);
	settle(f);
	assert_told(f, "created log open\n");
	SEE(f, ROOT, "log", .inode = 9, .size = 2, .flags = OBSERVED_WRITING);
	settle(f);
	assert_told(f, "updated log content open\n");
	SEE(f, ROOT, "log", .inode = 9, .size = 2, .flags = OBSERVED_CLOSED);
	settle(f);
	assert_told(f, "updated log maybe\n");
}

static void test_a_writer_that_was_never_heard_to_close_is_given_up(void **state)
{
	struct fixture *f = *state;

	SEE(f, ROOT, "log", .inode = 9, .size = 1, .flags = OBSERVED_WRITING);
	settle(f);
	assert_told(f, "created log open\n");
	step_at(f, drive_deadline(f->drive));
	assert_told(f, "updated log maybe\n");
	assert_int_equal(drive_deadline(f->drive), UINT64_MAX);
}

/* Arrivals and runs. */

static void test_a_directory_that_arrives_with_content_is_scanned(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	SEE(f, ROOT, "tree", DIR(9), .flags = OBSERVED_RENAMED);
	settle(f);
	assert_told(f, "created tree\n");
	a = take_asked(f, 's');
	scan_marker(f, OBSERVED_SCAN_BEGIN, &a, 0);
	SEE(f, 9, "leaf", .inode = 10, .flags = OBSERVED_LISTED);
	scan_marker(f, OBSERVED_SCAN_END, &a, 0);
	step_at(f, f->now);
	assert_told(f, "created tree/leaf\n");
}

static void test_a_directory_that_arrives_and_cannot_be_read_is_said(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	SEE(f, ROOT, "tree", DIR(9), .flags = OBSERVED_RENAMED);
	settle(f);
	a = take_asked(f, 's');
	scan_marker(f, OBSERVED_SCAN_BEGIN, &a, 0);
	scan_marker(f, OBSERVED_SCAN_END, &a, -EACCES);
	step_at(f, f->now);
	assert_told(f, "created tree\n");
	assert_int_equal(f->error, -EACCES);
}

static void test_a_barrier_passes_when_what_arrived_is_scanned(void **state)
{
	struct fixture *f = *state;
	struct asked a;
	uint64_t mark;

	SEE(f, ROOT, "tree", DIR(9), .flags = OBSERVED_RENAMED);
	mark = drive_mark(f->drive);
	assert_false(drive_passed(f->drive, mark));
	step_at(f, f->now);
	assert_false(drive_passed(f->drive, mark));
	a = take_asked(f, 's');
	scan_marker(f, OBSERVED_SCAN_BEGIN, &a, 0);
	scan_marker(f, OBSERVED_SCAN_END, &a, 0);
	step_at(f, f->now);
	assert_true(drive_passed(f->drive, mark));
}

/* Scan the root; `names` are listed, with inodes counting from `inode`. */
static void answer_root_scan(struct fixture *f, int error, const char *const *names, uint64_t inode)
{
	struct asked a = take_asked(f, 's');

	scan_marker(f, OBSERVED_SCAN_BEGIN, &a, 0);
	for (; *names != NULL; names++, inode++)
		SEE(f, ROOT, *names, .inode = inode, .flags = OBSERVED_LISTED);
	scan_marker(f, OBSERVED_SCAN_END, &a, error);
	step_at(f, f->now);
}

static void test_an_unlisted_name_is_deleted_only_after_a_look(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	SEE(f, ROOT, "a", .inode = 4);
	SEE(f, ROOT, "b", .inode = 5);
	settle(f);
	text_clear(&f->told);
	assert_int_equal(drive_reconcile(f->drive, f->txn, 0), 0);
	step_at(f, f->now);
	answer_root_scan(f, 0, (const char *[]){"b", NULL}, 5);
	assert_told(f, "");
	a = take_asked(f, 'b');
	assert_int_equal(drive_observe(f->drive,
				       &(struct observation){.type = OBSERVED_BARRIER, .request = a.request},
				       f->now),
			 0);
	step_at(f, f->now);
	a = take_asked(f, 'l');
	gone(f, ROOT, "a");
	looked(f, &a, 0);
	step_at(f, f->now);
	assert_told(f, "deleted a\n");
	assert_int_equal(f->reconciled, 1);
	assert_int_equal(f->error, 0);
}

static void test_an_unreadable_directory_deletes_nothing(void **state)
{
	struct fixture *f = *state;

	SEE(f, ROOT, "a", .inode = 4);
	settle(f);
	text_clear(&f->told);
	assert_int_equal(drive_reconcile(f->drive, f->txn, 0), 0);
	step_at(f, f->now);
	answer_root_scan(f, -EIO, (const char *[]){NULL}, 0);
	assert_told(f, "");
	assert_int_equal(f->reconciled, 1);
	assert_int_equal(f->error, -EIO);
}

/* Take the scan that was asked for, of `dir`, and say that it found nothing new. */
static void answer_scan(struct fixture *f, uint64_t dir, int error)
{
	struct asked a = take_asked(f, 's');

	assert_int_equal(file_id_inode(&a.dir), dir);
	scan_marker(f, OBSERVED_SCAN_BEGIN, &a, 0);
	if (dir == ROOT)
		SEE(f, ROOT, "seen", DIR(8), .flags = OBSERVED_LISTED);
	if (dir == ROOT)
		SEE(f, ROOT, "unseen", DIR(9), .flags = OBSERVED_LISTED);
	scan_marker(f, OBSERVED_SCAN_END, &a, error);
	step_at(f, f->now);
}

static void test_what_is_not_watched_is_compared_alone_until_it_is(void **state)
{
	struct fixture *f = *state;

	SEE(f, ROOT, "seen", FRESH_DIR(8));
	SEE(f, ROOT, "unseen", FRESH_DIR(9));
	settle(f);
	text_clear(&f->told);
	assert_int_equal(drive_reconcile(f->drive, f->txn, 0), 0);
	step_at(f, f->now);
	answer_scan(f, ROOT, -ENOSPC);
	for (int i = 0; i < 2; i++) /* in any order */
		answer_scan(f, file_id_inode(&f->asked[0].dir),
			    file_id_inode(&f->asked[0].dir) == 9 ? -ENOSPC : 0);
	assert_int_equal(f->reconciled, 1);
	assert_int_equal(f->error, 0);

	assert_int_equal(drive_reconcile_unwatched(f->drive, f->txn), 0);
	step_at(f, f->now);
	assert_int_equal(f->asked_count, 2);
	for (int i = 0; i < 2; i++)
		answer_scan(f, file_id_inode(&f->asked[0].dir),
			    file_id_inode(&f->asked[0].dir) == 9 ? -ENOSPC : 0);
	assert_int_equal(f->reconciled, 2);

	assert_int_equal(drive_reconcile_unwatched(f->drive, f->txn), 0);
	step_at(f, f->now);
	assert_int_equal(f->asked_count, 1);
	answer_scan(f, 9, 0);
	assert_int_equal(drive_reconcile_unwatched(f->drive, f->txn), 0);
	step_at(f, f->now);
	assert_int_equal(f->asked_count, 0);
	assert_int_equal(f->reconciled, 4);
	assert_told(f, "");
}

/* A run after which the directories `seen` (8) and `unseen` (9) could not be read, for these reasons. */
static void run_into(struct fixture *f, int seen_error, int unseen_error)
{
	SEE(f, ROOT, "seen", FRESH_DIR(8));
	SEE(f, ROOT, "unseen", FRESH_DIR(9));
	SEE(f, 9, "f", .inode = 10);
	settle(f);
	text_clear(&f->told);
	assert_int_equal(drive_reconcile(f->drive, f->txn, 0), 0);
	step_at(f, f->now);
	answer_scan(f, ROOT, 0);
	for (int i = 0; i < 2; i++) {
		uint64_t dir = file_id_inode(&f->asked[0].dir);

		answer_scan(f, dir, dir == 9 ? unseen_error : seen_error);
	}
	assert_int_equal(f->reconciled, 1);
	assert_true(f->error != 0 && (f->error == seen_error || f->error == unseen_error));
	assert_int_equal(f->mended, 0);
	assert_told(f, "");
}

static void test_a_closed_directory_is_scanned_when_its_rights_change(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	run_into(f, 0, -EACCES);
	SEE(f, ROOT, "unseen", DIR(9), .mode = 0755);
	settle(f);
	a = take_asked(f, 's');
	assert_int_equal(file_id_inode(&a.dir), 9);
	scan_marker(f, OBSERVED_SCAN_BEGIN, &a, 0);
	SEE(f, 9, "f", .inode = 10, .flags = OBSERVED_LISTED);
	SEE(f, 9, "new", .inode = 11, .flags = OBSERVED_LISTED);
	scan_marker(f, OBSERVED_SCAN_END, &a, 0);
	step_at(f, f->now);
	assert_told(f, "updated unseen meta\ncreated unseen/new\n");
	assert_int_equal(f->mended, 1);
	assert_int_equal(f->left, 0);
	SEE(f, ROOT, "unseen", DIR(9), .mode = 0700);
	settle(f);
	assert_int_equal(f->asked_count, 0);
}

static void test_a_closed_directory_that_stays_closed_is_not_mended(void **state)
{
	struct fixture *f = *state;

	run_into(f, 0, -EACCES);
	f->error = 0;
	SEE(f, ROOT, "unseen", DIR(9)); /* an ACL, which shows in its ctime alone */
	settle(f);
	answer_scan(f, 9, -EACCES);
	assert_int_equal(f->mended, 0);
	assert_int_equal(f->error, -EACCES);
}

static void test_of_closed_directories_those_that_are_left_are_told(void **state)
{
	struct fixture *f = *state;

	run_into(f, -EACCES, -EACCES);
	SEE(f, ROOT, "seen", DIR(8), .mode = 0755);
	settle(f);
	answer_scan(f, 8, 0);
	assert_int_equal(f->mended, 1);
	assert_int_equal(f->left, 1);
	gone(f, ROOT, "unseen");
	settle(f);
	assert_int_equal(f->mended, 2);
	assert_int_equal(f->left, 0);
}

static void test_what_else_was_missed_is_found_by_a_run_alone(void **state)
{
	struct fixture *f = *state;

	run_into(f, -EIO, -EACCES);
	SEE(f, ROOT, "unseen", DIR(9), .mode = 0755);
	settle(f);
	answer_scan(f, 9, 0);
	assert_int_equal(f->mended, 0);
}

static void test_a_directory_that_opens_during_the_run_is_mended_after_it(void **state)
{
	struct fixture *f = *state;
	uint64_t other;

	SEE(f, ROOT, "seen", FRESH_DIR(8));
	SEE(f, ROOT, "unseen", FRESH_DIR(9));
	settle(f);
	assert_int_equal(drive_reconcile(f->drive, f->txn, 0), 0);
	step_at(f, f->now);
	answer_scan(f, ROOT, 0);
	other = file_id_inode(&f->asked[1].dir);
	answer_scan(f, file_id_inode(&f->asked[0].dir), -EACCES);
	SEE(f, ROOT, other == 8 ? "unseen" : "seen", DIR(other == 8 ? 9 : 8), .mode = 0755);
	settle(f);
	answer_scan(f, other, 0);
	assert_int_equal(f->mended, 0);
	answer_scan(f, other == 8 ? 9 : 8, 0);
	assert_int_equal(f->reconciled, 1);
	assert_int_equal(f->error, -EACCES);
	assert_int_equal(f->mended, 1);
	assert_int_equal(f->left, 0);
}

static void test_the_first_index_is_silent(void **state)
{
	struct fixture *f = *state;
	uint64_t count;

	drive_set_silent(f->drive, true);
	assert_int_equal(drive_reconcile(f->drive, f->txn, 0), 0);
	step_at(f, f->now);
	answer_root_scan(f, 0, (const char *[]){"a", "b", "c", NULL}, 10);
	assert_told(f, "");
	assert_int_equal(f->reconciled, 1);
	assert_int_equal(index_count(f->txn, f->row.drive, &count), 0);
	assert_int_equal(count, 3);
}

static void list_dir(struct fixture *f, struct asked *a, const char *const *dirs, uint64_t inode)
{
	scan_marker(f, OBSERVED_SCAN_BEGIN, a, 0);
	for (; *dirs != NULL; dirs++, inode++)
		SEE(f, ROOT, *dirs, DIR(inode), .flags = OBSERVED_LISTED);
	scan_marker(f, OBSERVED_SCAN_END, a, 0);
}

/* Ten entries a second: the root itself and the three in it are worth 400 ms. */
static void begin_slow_walk(struct fixture *f)
{
	struct asked a;

	SEE(f, ROOT, "d", FRESH_DIR(2));
	SEE(f, ROOT, "e", FRESH_DIR(3));
	SEE(f, ROOT, "g", FRESH_DIR(4));
	settle(f);
	assert_int_equal(drive_reconcile(f->drive, f->txn, 0), 0);
	drive_pace(f->drive, 10);
	step_at(f, f->now);
	a = take_asked(f, 's');
	list_dir(f, &a, (const char *[]){"d", "e", "g", NULL}, 2);
	step_at(f, f->now);
}

static void test_a_walk_with_a_rate_rests_between_directories(void **state)
{
	struct fixture *f = *state;
	struct asked a;
	uint64_t began = f->now + 20;

	begin_slow_walk(f);
	assert_int_equal(f->asked_count, 0);
	assert_true(drive_deadline(f->drive) == began + 400);
	step_at(f, began + 399);
	assert_int_equal(f->asked_count, 0);
	step_at(f, began + 400);
	assert_int_equal(f->asked_count, 1);
	a = take_asked(f, 's');
	list_dir(f, &a, (const char *[]){NULL}, 0);
	step_at(f, f->now);
	assert_true(drive_deadline(f->drive) == began + 500);
	assert_int_equal(f->reconciled, 0);
}

static void test_a_walk_without_its_rate_rests_no_more(void **state)
{
	struct fixture *f = *state;

	begin_slow_walk(f);
	drive_pace(f->drive, 0);
	assert_true(drive_deadline(f->drive) == 0);
	step_at(f, f->now);
	assert_int_equal(f->asked_count, 3);
	while (f->asked_count > 0) {
		struct asked a = take_asked(f, 's');

		list_dir(f, &a, (const char *[]){NULL}, 0);
	}
	step_at(f, f->now);
	assert_int_equal(f->reconciled, 1);
}

/* Ours. */

static void test_reserved_names_are_not_seen(void **state)
{
	struct fixture *f = *state;

	SEE(f, ROOT, ".wakeline", FRESH_DIR(9));
	SEE(f, ROOT, ".wakeline-stage-1", .inode = 10);
	SEE(f, ROOT, ".wakeline-swap-1", .inode = 11);
	SEE(f, 9, "epoch", .inode = 12);
	settle(f);
	assert_told(f, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* An entry of a list that is brief: inode and birth time. */
static void list_briefly(struct fixture *f, const char *name, uint64_t inode, int64_t born, uint64_t size)
{
	struct observation o = {.type = OBSERVED_ENTRY, .flags = OBSERVED_LISTED | OBSERVED_BRIEF};

	file_id_from_birth(&o.id, inode, born, 7);
	o.state = (struct entry_state){
		.kind = ENTRY_FILE, .links = 1, .mode = 0644, .size = size, .birth = {born, 7}};
	observe(f, &o, ROOT, name);
}

/* What else is told of that file has its handle. */
static void see_by_handle(struct fixture *f, const char *name, uint64_t inode, int64_t born)
{
	struct observation o = {.type = OBSERVED_ENTRY};

	file_id_from_inode(&o.id, inode);
	o.id.bytes[8] = FILE_ID_HANDLE;
	o.id.bytes[13] = (uint8_t)born;
	o.id.len = 14;
	o.state = (struct entry_state){.kind = ENTRY_FILE, .links = 1, .mode = 0644, .birth = {born, 7}};
	observe(f, &o, ROOT, name);
}

static struct asked begin_known_scan(struct fixture *f)
{
	struct asked a;

	assert_int_equal(drive_reconcile(f->drive, f->txn, 0), 0);
	step_at(f, f->now);
	a = take_asked(f, 's');
	assert_int_equal(a.flags, SCAN_KNOWN);
	scan_marker(f, OBSERVED_SCAN_BEGIN, &a, 0);
	return a;
}

static struct asked plant_and_scan(struct fixture *f)
{
	see_by_handle(f, "a", 4, 1000);
	settle(f);
	assert_told(f, "created a\n");
	return begin_known_scan(f);
}

static void test_a_brief_list_of_what_is_known_holds_nothing(void **state)
{
	struct fixture *f = *state;
	struct asked a = plant_and_scan(f);

	list_briefly(f, "a", 4, 1000, 0);
	assert_int_equal(drive_pending(f->drive), 0);
	scan_marker(f, OBSERVED_SCAN_END, &a, 0);
	settle(f);
	assert_told(f, "");
	assert_int_equal(f->asked_count, 0);
	assert_int_equal(f->reconciled, 1);
}

static void test_a_known_file_that_a_brief_list_shows_changed_is_updated_without_a_look(void **state)
{
	struct fixture *f = *state;
	struct asked a = plant_and_scan(f);

	list_briefly(f, "a", 4, 1000, 5);
	scan_marker(f, OBSERVED_SCAN_END, &a, 0);
	settle(f);
	assert_told(f, "updated a content\n");
	assert_int_equal(f->asked_count, 0);
	assert_int_equal(f->reconciled, 1);
}

static void test_another_file_in_a_brief_list_is_looked_at_before_the_scan_ends(void **state)
{
	struct fixture *f = *state;
	struct asked a = plant_and_scan(f), l;

	list_briefly(f, "a", 4, 1001, 0); /* the same number, given again */
	scan_marker(f, OBSERVED_SCAN_END, &a, 0);
	settle(f);
	l = take_asked(f, 'l');
	assert_string_equal(l.name, "a");
	assert_int_equal(f->reconciled, 0);
	see_by_handle(f, "a", 4, 1001);
	looked(f, &l, 0);
	settle(f);
	assert_told(f, "updated a content\n");
	assert_int_equal(f->reconciled, 1);
}

static void test_a_brief_list_is_overtaken_by_what_is_seen_after_it(void **state)
{
	struct fixture *f = *state;
	struct asked a = plant_and_scan(f);

	list_briefly(f, "a", 4, 1000, 5);
	gone(f, ROOT, "a");
	scan_marker(f, OBSERVED_SCAN_END, &a, 0);
	settle(f);
	assert_told(f, "deleted a\n");
	assert_int_equal(f->reconciled, 1);
}

static void test_too_many_strangers_in_a_brief_list_have_it_listed_again_in_full(void **state)
{
	struct fixture *f = *state;
	struct asked a = begin_known_scan(f), l;
	char name[16];
	size_t looks = 0;

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		list_briefly(f, name, (uint64_t)(100 + i), 1000, 0);
	}
	scan_marker(f, OBSERVED_SCAN_END, &a, 0);
	settle(f);
	for (; f->asked_count > 0; looks++) {
		l = take_asked(f, 'l');
		gone(f, ROOT, l.name);
		looked(f, &l, 0);
	}
	assert_in_range(looks, 1, 199);
	settle(f);
	a = take_asked(f, 's');
	assert_int_equal(a.flags, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_parents_are_created_before_children),
		TEST(test_a_brief_list_of_what_is_known_holds_nothing),
		TEST(test_a_known_file_that_a_brief_list_shows_changed_is_updated_without_a_look),
		TEST(test_another_file_in_a_brief_list_is_looked_at_before_the_scan_ends),
		TEST(test_a_brief_list_is_overtaken_by_what_is_seen_after_it),
		TEST(test_too_many_strangers_in_a_brief_list_have_it_listed_again_in_full),
		TEST(test_a_new_name_for_a_file_with_one_link_is_a_move),
		TEST(test_what_is_gone_when_events_were_lost_may_have_moved),
		TEST(test_an_atomic_save_is_one_update),
		TEST(test_a_rename_over_a_file_deletes_the_source_first),
		TEST(test_a_chain_of_renames_moves_each_node),
		TEST(test_an_exchange_goes_through_a_swap_name_in_one_frame),
		TEST(test_created_and_deleted_within_the_window_is_nothing),
		TEST(test_rm_r_is_told_child_by_child),
		TEST(test_a_subtree_that_leaves_is_one_recursive_deletion),
		TEST(test_what_moved_out_of_a_deleted_directory_moves_first),
		TEST(test_another_kind_is_deleted_then_created),
		TEST(test_parent_and_child_change_places),
		TEST(test_a_directory_renamed_over_an_empty_one_keeps_its_tree),
		TEST(test_a_mode_is_meta_and_a_bare_ctime_is_maybe),
		TEST(test_a_link_is_created_when_the_old_name_is_still_there),
		TEST(test_a_file_with_links_has_moved_when_its_old_name_is_gone),
		TEST(test_a_write_through_one_link_is_told_for_every_name),
		TEST(test_a_lost_link_has_the_other_names_looked_at),
		TEST(test_an_open_file_is_announced_and_again_when_it_is_closed),
		TEST(test_a_writer_that_was_never_heard_to_close_is_given_up),
		TEST(test_a_directory_that_arrives_with_content_is_scanned),
		TEST(test_a_directory_that_arrives_and_cannot_be_read_is_said),
		TEST(test_a_barrier_passes_when_what_arrived_is_scanned),
		TEST(test_an_unlisted_name_is_deleted_only_after_a_look),
		TEST(test_an_unreadable_directory_deletes_nothing),
		TEST(test_what_is_not_watched_is_compared_alone_until_it_is),
		TEST(test_a_closed_directory_is_scanned_when_its_rights_change),
		TEST(test_a_closed_directory_that_stays_closed_is_not_mended),
		TEST(test_of_closed_directories_those_that_are_left_are_told),
		TEST(test_what_else_was_missed_is_found_by_a_run_alone),
		TEST(test_a_directory_that_opens_during_the_run_is_mended_after_it),
		TEST(test_the_first_index_is_silent),
		TEST(test_a_walk_with_a_rate_rests_between_directories),
		TEST(test_a_walk_without_its_rate_rests_no_more),
		TEST(test_reserved_names_are_not_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
