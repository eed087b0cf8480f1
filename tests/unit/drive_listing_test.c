/* drive: what a reconcile lists, where identities are handles and lists name known files without them. */
#include <fcntl.h>

#include "drive_fixture.h"
#include "sync/rules.h"

enum { BORN = 900, LOOKS_MAX = 64 };

struct file {
	uint64_t inode, size;
	unsigned flags, links, generation;
	int64_t born;
};

static struct file_id handle(const struct file *n)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} h = {.handle = {.handle_bytes = 8, .handle_type = 1}};
	uint32_t inode = (uint32_t)n->inode;
	struct file_id out;

	memcpy(h.handle.f_handle, &inode, 4);
	memcpy(h.handle.f_handle + 4, &n->generation, 4);
	assert_int_equal(file_id_from_handle(&out, n->inode, &h.handle), 0);
	return out;
}

static struct observation entry(const struct file *n)
{
	struct observation o = {.type = OBSERVED_ENTRY, .flags = (uint16_t)n->flags, .id = handle(n)};

	o.state = (struct entry_state){.kind = ENTRY_FILE, .mode = 0644, .size = n->size};
	o.state.links = n->links == 0 ? 1 : n->links;
	o.state.birth.seconds = n->born == 0 ? BORN : n->born;
	if ((n->flags & OBSERVED_BRIEF) != 0)
		file_id_from_birth(&o.id, n->inode, o.state.birth.seconds, 0);
	return o;
}

static void show(struct fixture *f, const char *name, struct file n)
{
	struct observation o = entry(&n);

	observe(f, &o, ROOT, name);
}

/* SHOW: as an event; LIST: briefly. */
#define SHOW(f, name, ...) show(f, name, (struct file){__VA_ARGS__})
#define LIST(f, name, ...) SHOW(f, name, .flags = OBSERVED_LISTED | OBSERVED_BRIEF, __VA_ARGS__)

static struct asked begin_list(struct fixture *f, unsigned flags)
{
	struct asked a = take_asked(f, 's');

	assert_int_equal(a.flags, flags);
	scan_marker(f, OBSERVED_SCAN_BEGIN, &a, 0);
	return a;
}

static struct asked begin_run(struct fixture *f)
{
	text_clear(&f->told);
	assert_int_equal(drive_reconcile(f->drive, f->txn, 0), 0);
	step_at(f, f->now);
	return begin_list(f, SCAN_KNOWN);
}

static void end_list(struct fixture *f, const struct asked *a)
{
	scan_marker(f, OBSERVED_SCAN_END, a, 0);
	step_at(f, f->now);
}

static struct index_node row(struct fixture *f, const char *name)
{
	struct index_node n = {0};

	assert_int_equal(index_lookup(f->txn, f->row.root, name, strlen(name), &n.node), 0);
	assert_int_equal(index_get(f->txn, n.node, &n), 0);
	return n;
}

static void assert_identity(const struct index_node *n, struct file expected)
{
	struct file_id id = handle(&expected);

	assert_int_equal(n->id.len, id.len);
	assert_memory_equal(n->id.bytes, id.bytes, id.len);
}

/* It was the last that the run waited for. */
static void assert_ended(struct fixture *f, const char *told)
{
	assert_told(f, told);
	assert_int_equal(f->asked_count, 0);
	assert_int_equal(f->reconciled, 1);
	assert_int_equal(f->error, 0);
}

static void test_what_the_index_says_is_asked_and_told_nothing(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	SHOW(f, "a", .inode = 4);
	settle(f);
	a = begin_run(f);
	LIST(f, "a", .inode = 4);
	end_list(f, &a);
	assert_ended(f, "");
}

static void test_a_directory_that_is_known_is_walked(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	SEE(f, ROOT, "d", FRESH_DIR(2));
	settle(f);
	a = begin_run(f);
	SEE(f, ROOT, "d", DIR(2), .flags = OBSERVED_LISTED);
	end_list(f, &a);
	a = begin_list(f, SCAN_KNOWN);
	assert_int_equal(file_id_inode(&a.dir), 2);
	end_list(f, &a);
	assert_ended(f, "");
}

static void test_a_changed_file_keeps_its_handle(void **state)
{
	struct fixture *f = *state;
	struct index_node n;
	struct asked a;

	SHOW(f, "a", .inode = 4, .generation = 7);
	settle(f);
	a = begin_run(f);
	LIST(f, "a", .inode = 4, .size = 9);
	end_list(f, &a);
	assert_ended(f, "updated a content\n");
	n = row(f, "a");
	assert_int_equal(n.state.size, 9);
	assert_identity(&n, (struct file){.inode = 4, .generation = 7});
}

/* The run waits for the look; without one nothing is known of the file. */
static void replaced_by(struct fixture *f, struct file other)
{
	struct index_node n;
	struct asked a;

	SHOW(f, "a", .inode = 4);
	settle(f);
	a = begin_run(f);
	LIST(f, "a", .inode = other.inode, .born = other.born);
	end_list(f, &a);
	assert_told(f, "");
	assert_int_equal(f->reconciled, 0);
	a = take_asked(f, 'l');
	assert_string_equal(a.name, "a");
	show(f, "a", other);
	looked(f, &a, 0);
	step_at(f, f->now);
	assert_ended(f, "updated a content\n");
	n = row(f, "a");
	assert_identity(&n, other);
}

static void test_another_inode_is_looked_at(void **state)
{
	replaced_by(*state, (struct file){.inode = 5});
}

static void test_an_inode_that_was_born_again_is_looked_at(void **state)
{
	replaced_by(*state, (struct file){.inode = 4, .generation = 1, .born = BORN + 1});
}

static void test_a_name_that_the_index_has_not_is_looked_at(void **state)
{
	struct fixture *f = *state;
	struct asked a = begin_run(f);

	LIST(f, "new", .inode = 4);
	end_list(f, &a);
	a = take_asked(f, 'l');
	SHOW(f, "new", .inode = 4);
	looked(f, &a, 0);
	step_at(f, f->now);
	assert_ended(f, "created new\n");
}

static void test_a_look_that_fails_is_the_runs_error(void **state)
{
	struct fixture *f = *state;
	struct asked a = begin_run(f);

	LIST(f, "new", .inode = 4);
	end_list(f, &a);
	a = take_asked(f, 'l');
	looked(f, &a, -EIO);
	step_at(f, f->now);
	assert_told(f, "");
	assert_int_equal(f->reconciled, 1);
	assert_int_equal(f->error, -EIO);
}

static void test_a_list_is_newer_than_what_was_held_before(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	SHOW(f, "a", .inode = 4);
	settle(f);
	a = begin_run(f);
	SHOW(f, "a", .inode = 4, .size = 5);
	LIST(f, "a", .inode = 4, .size = 9);
	end_list(f, &a);
	assert_ended(f, "updated a content\n");
	assert_int_equal(row(f, "a").state.size, 9);
}

static void test_a_list_that_undoes_what_was_held_tells_nothing(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	SHOW(f, "a", .inode = 4);
	settle(f);
	a = begin_run(f);
	SHOW(f, "a", .inode = 4, .size = 5);
	LIST(f, "a", .inode = 4);
	end_list(f, &a);
	assert_ended(f, "");
}

static void test_what_is_seen_after_the_list_is_newer(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	SHOW(f, "a", .inode = 4);
	settle(f);
	a = begin_run(f);
	LIST(f, "a", .inode = 4, .size = 5);
	SHOW(f, "a", .inode = 4, .size = 9);
	end_list(f, &a);
	assert_ended(f, "updated a content\n");
	assert_int_equal(row(f, "a").state.size, 9);
}

/* a and link are two names of inode 4. */
static void plant_link(struct fixture *f)
{
	struct asked a;

	SHOW(f, "a", .inode = 4, .links = 2);
	settle(f);
	SHOW(f, "link", .inode = 4, .links = 2);
	settle(f);
	a = take_asked(f, 'l');
	SHOW(f, "a", .inode = 4, .links = 2);
	looked(f, &a, 0);
	settle(f);
	assert_told(f, "created a\ncreated link\n");
}

static void test_both_names_of_a_file_are_what_the_index_says(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	plant_link(f);
	a = begin_run(f);
	LIST(f, "a", .inode = 4, .links = 2);
	LIST(f, "link", .inode = 4, .links = 2);
	end_list(f, &a);
	assert_ended(f, "");
}

static void test_what_is_seen_through_another_name_after_the_list_is_newer(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	plant_link(f);
	a = begin_run(f);
	LIST(f, "a", .inode = 4, .links = 2, .size = 5);
	LIST(f, "link", .inode = 4, .links = 2, .size = 5);
	SHOW(f, "link", .inode = 4, .links = 2, .size = 9);
	end_list(f, &a);
	a = take_asked(f, 'l');
	assert_string_equal(a.name, "a");
	SHOW(f, "a", .inode = 4, .links = 2, .size = 9);
	looked(f, &a, 0);
	step_at(f, f->now);
	assert_int_equal(row(f, "a").state.size, 9);
	assert_int_equal(row(f, "link").state.size, 9);
	assert_int_equal(f->reconciled, 1);
}

/* It was written to through a name that it has no more, after it was listed. */
static void test_what_is_seen_of_a_file_without_a_name_is_newer(void **state)
{
	struct fixture *f = *state;
	struct observation o = entry(&(struct file){.inode = 4, .size = 9});
	struct asked a;

	SHOW(f, "a", .inode = 4);
	settle(f);
	a = begin_run(f);
	SHOW(f, "a", .inode = 4, .size = 3);
	LIST(f, "a", .inode = 4, .size = 5);
	o.type = OBSERVED_FILE;
	assert_int_equal(drive_observe(f->drive, &o, f->now), 0);
	end_list(f, &a);
	while (f->asked_count > 0) {
		a = take_asked(f, 'l');
		assert_string_equal(a.name, "a");
		SHOW(f, "a", .inode = 4, .size = 9);
		looked(f, &a, 0);
	}
	step_at(f, f->now);
	assert_int_equal(row(f, "a").state.size, 9);
	assert_int_equal(f->reconciled, 1);
}

static void test_a_file_that_was_too_young_for_a_birth_time_learns_it_once(void **state)
{
	struct fixture *f = *state;
	struct observation young = entry(&(struct file){.inode = 4});
	struct asked a;

	young.state.birth.seconds = 0;
	observe(f, &young, ROOT, "a");
	settle(f);
	a = begin_run(f);
	LIST(f, "a", .inode = 4);
	end_list(f, &a);
	a = take_asked(f, 'l');
	SHOW(f, "a", .inode = 4);
	looked(f, &a, 0);
	step_at(f, f->now);
	assert_ended(f, "");
	f->reconciled = 0;
	a = begin_run(f);
	LIST(f, "a", .inode = 4);
	end_list(f, &a);
	assert_ended(f, "");
}

static void test_a_directory_with_much_that_is_new_is_listed_again(void **state)
{
	struct fixture *f = *state;
	struct asked a = begin_run(f), looks[LOOKS_MAX];
	char name[16];

	for (int i = 0; i <= LOOKS_MAX; i++) {
		snprintf(name, sizeof(name), "%d", i);
		LIST(f, name, .inode = (uint64_t)i + 10);
	}
	end_list(f, &a);
	assert_int_equal(f->asked_count, LOOKS_MAX);
	for (int i = 0; i < LOOKS_MAX; i++) {
		looks[i] = take_asked(f, 'l');
		SHOW(f, looks[i].name, .inode = (uint64_t)i + 10);
		looked(f, &looks[i], 0);
	}
	step_at(f, f->now);
	a = begin_list(f, 0);
	for (int i = 0; i <= LOOKS_MAX; i++) {
		snprintf(name, sizeof(name), "%d", i);
		SHOW(f, name, .inode = (uint64_t)i + 10, .flags = OBSERVED_LISTED);
	}
	text_clear(&f->told);
	end_list(f, &a);
	assert_ended(f, "created 64\n");
}

/* The daemon starts anew while a file is marked as open: the first list that has it says the last word. */
static void test_the_last_word_on_an_open_file_is_said(void **state)
{
	struct fixture *f = *state;
	struct index_node n;
	struct asked a;

	SHOW(f, "log", .inode = 4);
	settle(f);
	n = row(f, "log");
	n.open = true;
	assert_int_equal(index_update(f->txn, &n), 0);
	a = begin_run(f);
	LIST(f, "log", .inode = 4);
	end_list(f, &a);
	assert_ended(f, "updated log maybe\n");
	assert_false(row(f, "log").open);
}

static struct rules *rules;

static int setup_rules(void **state)
{
	assert_int_equal(rules_new(&rules), 0);
	assert_int_equal(rules_add(rules, "*.o"), 0);
	return setup_with(state, rules);
}

static int teardown_rules(void **state)
{
	int r = teardown(state);

	rules_free(rules);
	return r;
}

static void test_a_hidden_file_changes_in_the_index_alone(void **state)
{
	struct fixture *f = *state;
	struct asked a;

	SHOW(f, "x.o", .inode = 4);
	SHOW(f, "y.o", .inode = 5);
	settle(f);
	a = begin_run(f);
	LIST(f, "x.o", .inode = 4, .size = 9);
	LIST(f, "y.o", .inode = 5);
	end_list(f, &a);
	assert_ended(f, "");
	assert_int_equal(row(f, "x.o").state.size, 9);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_the_index_says_is_asked_and_told_nothing),
		TEST(test_a_directory_that_is_known_is_walked),
		TEST(test_a_changed_file_keeps_its_handle),
		TEST(test_another_inode_is_looked_at),
		TEST(test_an_inode_that_was_born_again_is_looked_at),
		TEST(test_a_name_that_the_index_has_not_is_looked_at),
		TEST(test_a_look_that_fails_is_the_runs_error),
		TEST(test_a_list_is_newer_than_what_was_held_before),
		TEST(test_a_list_that_undoes_what_was_held_tells_nothing),
		TEST(test_what_is_seen_after_the_list_is_newer),
		TEST(test_both_names_of_a_file_are_what_the_index_says),
		TEST(test_what_is_seen_through_another_name_after_the_list_is_newer),
		TEST(test_what_is_seen_of_a_file_without_a_name_is_newer),
		TEST(test_a_file_that_was_too_young_for_a_birth_time_learns_it_once),
		TEST(test_a_directory_with_much_that_is_new_is_listed_again),
		TEST(test_the_last_word_on_an_open_file_is_said),
		cmocka_unit_test_setup_teardown(test_a_hidden_file_changes_in_the_index_alone, setup_rules,
						teardown_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
