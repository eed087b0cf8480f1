/* drive: what is said of names that rules hide. */
#include "drive_fixture.h"
#include "sync/rules.h"

static struct rules *rules;

static int setup_rules(void **state)
{
	assert_int_equal(rules_new(&rules), 0);
	for (unsigned i = 0; rules_temporary_name(i) != NULL; i++)
		assert_int_equal(rules_add_temporary(rules, rules_temporary_name(i)), 0);
	assert_int_equal(rules_add(rules, "build/"), 0);
	assert_int_equal(rules_add(rules, "/d/*.o"), 0);
	return setup_with(state, rules);
}

static int teardown_rules(void **state)
{
	int r = teardown(state);

	rules_free(rules);
	return r;
}

/* The node at a name in the index, hidden or not. */
static struct index_node at(struct fixture *f, uint64_t parent, const char *name)
{
	struct index_node n = {0};

	assert_int_equal(index_lookup(f->txn, parent, name, strlen(name), &n.node), 0);
	assert_int_equal(index_get(f->txn, n.node, &n), 0);
	return n;
}

static void test_hidden_names_are_in_the_index_and_not_told(void **state)
{
	struct fixture *f = *state;
	struct index_node n;

	SEE(f, ROOT, "build", FRESH_DIR(2));
	SEE(f, 2, "x", .inode = 3);
	SEE(f, ROOT, "a~", .inode = 4);
	settle(f);
	SEE(f, 2, "x", .inode = 3, .size = 9);
	gone(f, ROOT, "a~");
	settle(f);
	assert_told(f, "");
	n = at(f, f->row.root, "build");
	assert_true(n.hidden);
	n = at(f, n.node, "x");
	assert_false(n.hidden);
	assert_int_equal(n.state.size, 9);
	assert_int_equal(n.rev_seq, f->seq);
}

static void test_a_file_that_is_shown_or_hidden_is_created_or_deleted_as_the_same_node(void **state)
{
	struct fixture *f = *state;
	uint64_t node;

	SEE(f, ROOT, "film.part", .inode = 4, .size = 100);
	settle(f);
	node = at(f, f->row.root, "film.part").node;
	gone(f, ROOT, "film.part");
	SEE(f, ROOT, "film", .inode = 4, .size = 100, .flags = OBSERVED_RENAMED);
	settle(f);
	assert_told(f, "created film\n");
	assert_int_equal(at(f, f->row.root, "film").node, node);
	gone(f, ROOT, "film");
	SEE(f, ROOT, "film~", .inode = 4, .size = 100, .flags = OBSERVED_RENAMED);
	step_at(f, f->now + 500);
	assert_told(f, "deleted film\n");
	assert_int_equal(at(f, f->row.root, "film~").node, node);
}

/* vim with `backupcopy=no`, Word and Excel over SMB: the old file goes aside first, and the new one comes
 * when it is ready. */
static void test_a_save_that_takes_its_time_is_one_updated(void **state)
{
	struct fixture *f = *state;
	uint64_t node;

	plant(f);
	node = at(f, f->row.root, "a").node;
	gone(f, ROOT, "a");
	SEE(f, ROOT, "~WRL0001.tmp", .inode = 4, .flags = OBSERVED_RENAMED);
	settle(f);
	settle(f);
	assert_told(f, "");
	assert_int_equal(drive_deadline(f->drive), 520);
	SEE(f, ROOT, "a", .inode = 9, .size = 7, .flags = OBSERVED_RENAMED);
	settle(f);
	gone(f, ROOT, "~WRL0001.tmp");
	settle(f);
	assert_told(f, "updated a content\n");
	assert_int_equal(at(f, f->row.root, "a").node, node);
}

static void test_a_barrier_does_not_wait_for_a_save(void **state)
{
	struct fixture *f = *state;
	uint64_t mark;

	plant(f);
	gone(f, ROOT, "a");
	SEE(f, ROOT, "a~", .inode = 4, .flags = OBSERVED_RENAMED);
	settle(f);
	mark = drive_mark(f->drive);
	assert_false(drive_passed(f->drive, mark));
	step_at(f, f->now);
	assert_told(f, "deleted a\n");
	assert_true(drive_passed(f->drive, mark));
}

static void test_a_directory_that_is_shown_comes_as_a_whole(void **state)
{
	struct fixture *f = *state;

	SEE(f, ROOT, "build", FRESH_DIR(2));
	SEE(f, 2, "x", .inode = 3);
	settle(f);
	gone(f, ROOT, "build");
	SEE(f, ROOT, "out", DIR(2), .flags = OBSERVED_RENAMED);
	settle(f);
	assert_told(f, "created out\n");
	take_asked(f, 's');
	SEE(f, 2, "x", .inode = 3);
	settle(f);
	assert_told(f, "created out/x\n");
}

static void test_a_directory_that_is_hidden_is_one_deleted(void **state)
{
	struct fixture *f = *state;

	plant(f);
	gone(f, ROOT, "d");
	SEE(f, ROOT, "build", DIR(2), .flags = OBSERVED_RENAMED);
	settle(f);
	assert_told(f, "deleted d recursive\n");
}

static void test_a_move_that_no_rule_is_about_stays_a_move(void **state)
{
	struct fixture *f = *state;

	SEE(f, ROOT, "e", FRESH_DIR(2));
	SEE(f, 2, "x.o", .inode = 3);
	settle(f);
	gone(f, ROOT, "e");
	SEE(f, ROOT, "g", DIR(2), .flags = OBSERVED_RENAMED);
	settle(f);
	assert_told(f, "created e\ncreated e/x.o\nmoved e -> g\n");
}

/* `/d/` + anything with .o is hidden: what is in a directory that gets this name must be looked at. */
static void test_a_place_that_a_rule_is_about_is_not_moved_to(void **state)
{
	struct fixture *f = *state;

	SEE(f, ROOT, "e", FRESH_DIR(2));
	SEE(f, 2, "x.o", .inode = 3);
	settle(f);
	text_clear(&f->told);
	gone(f, ROOT, "e");
	SEE(f, ROOT, "d", DIR(2), .flags = OBSERVED_RENAMED);
	settle(f);
	take_asked(f, 's');
	SEE(f, 2, "x.o", .inode = 3);
	settle(f);
	assert_told(f, "deleted e recursive\ncreated d\n");
}

/* The daemon starts anew while a file is marked as open: the first look at it says the last word. */
static void test_an_open_file_is_settled_after_a_restart(void **state)
{
	struct fixture *f = *state;

	SEE(f, ROOT, "log", .inode = 4, .size = 1, .flags = OBSERVED_WRITING);
	settle(f);
	assert_told(f, "created log open\n");
	drive_reset(f->drive);
	SEE(f, ROOT, "log", .inode = 4, .size = 1);
	settle(f);
	assert_told(f, "updated log maybe\n");
	SEE(f, ROOT, "log", .inode = 4, .size = 1);
	settle(f);
	assert_told(f, "");
}

int main(void)
{
#define rules_test(name) cmocka_unit_test_setup_teardown(name, setup_rules, teardown_rules)
	const struct CMUnitTest tests[] = {
		rules_test(test_hidden_names_are_in_the_index_and_not_told),
		rules_test(test_a_file_that_is_shown_or_hidden_is_created_or_deleted_as_the_same_node),
		rules_test(test_a_save_that_takes_its_time_is_one_updated),
		rules_test(test_a_barrier_does_not_wait_for_a_save),
		rules_test(test_a_directory_that_is_shown_comes_as_a_whole),
		rules_test(test_a_directory_that_is_hidden_is_one_deleted),
		rules_test(test_a_move_that_no_rule_is_about_stays_a_move),
		rules_test(test_a_place_that_a_rule_is_about_is_not_moved_to),
		rules_test(test_an_open_file_is_settled_after_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
