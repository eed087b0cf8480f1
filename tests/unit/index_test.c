#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

static int by_identity(struct fixture *f, uint64_t inode, uint64_t after, uint64_t *node)
{
	struct identity id;

	identity_of(&id, inode);
	return index_by_identity(f->txn, f->drive.drive, &id, after, node);
}

static void assert_count(struct fixture *f, uint64_t expected)
{
	uint64_t count;

	assert_int_equal(index_count(f->txn, f->drive.drive, &count), 0);
	assert_int_equal(count, expected);
}

static void assert_sweeps_to(struct fixture *f, uint64_t expected)
{
	unsigned steps = 0;
	bool left = true;

	while (left && steps++ < 100000)
		assert_int_equal(index_sweep(f->txn, 3, &left), 0);
	assert_false(left);
	assert_count(f, expected);
}

static void test_row_comes_back_as_it_was_added(void **state)
{
	struct fixture *f = *state;
	struct index_node n, got;
	uint64_t found;
	char target[NODE_TARGET_MAX], name[NODE_NAME_MAX];

	memset(target, 't', sizeof(target));
	memset(name, 0xff, sizeof(name));
	n = (struct index_node){
		.parent = f->drive.root, .drive = f->drive.drive, .rev_epoch = 1, .rev_seq = 0};
	n.state = (struct node_state){.kind = NODE_SYMLINK,
				      .mount = true,
				      .mode = 07777,
				      .uid = UINT32_MAX,
				      .gid = 5,
				      .links = 6,
				      .size = UINT64_MAX,
				      .mtime = {INT64_MIN, 999999999},
				      .ctime = {-1, 1},
				      .birth = {INT64_MAX, 0}};
	n.id.len = IDENTITY_MAX;
	memset(n.id.bytes, 0xee, sizeof(n.id.bytes));
	n.name = name;
	n.name_len = sizeof(name);
	n.target = target;
	n.target_len = sizeof(target);
	n.hidden = n.open = n.has_hash = true;
	memset(n.hash, 0xdd, sizeof(n.hash));
	fixture_begin(f, STORE_WRITE);
	assert_int_equal(index_add(f->txn, &n), 0);
	assert_int_equal(index_lookup(f->txn, f->drive.root, name, sizeof(name), &found), 0);
	assert_int_equal(found, n.node);
	n.rev_epoch = 0;
	assert_int_equal(index_update(f->txn, &n), 0);
	assert_int_equal(index_get(f->txn, found, &got), 0);
	assert_int_equal(got.parent, f->drive.root);
	assert_int_equal(got.drive, f->drive.drive);
	assert_int_equal(got.name_len, sizeof(name));
	assert_memory_equal(got.name, name, sizeof(name));
	assert_int_equal(got.target_len, sizeof(target));
	assert_memory_equal(got.target, target, sizeof(target));
	assert_int_equal(got.id.len, IDENTITY_MAX);
	assert_memory_equal(got.id.bytes, n.id.bytes, IDENTITY_MAX);
	assert_int_equal(got.state.kind, NODE_SYMLINK);
	assert_true(got.state.mount);
	assert_int_equal(got.state.mode, 07777);
	assert_int_equal(got.state.uid, UINT32_MAX);
	assert_int_equal(got.state.gid, 5);
	assert_int_equal(got.state.links, 6);
	assert_true(got.state.size == UINT64_MAX);
	assert_true(got.state.mtime.seconds == INT64_MIN && got.state.mtime.nanoseconds == 999999999);
	assert_true(got.state.ctime.seconds == -1 && got.state.ctime.nanoseconds == 1);
	assert_true(got.state.birth.seconds == INT64_MAX);
	assert_true(got.hidden && got.open && got.has_hash);
	assert_memory_equal(got.hash, n.hash, sizeof(n.hash));
	fixture_commit(f);
}

static void test_root_has_no_name_and_stays(void **state)
{
	struct fixture *f = *state;
	struct index_node root;

	fixture_begin(f, STORE_WRITE);
	assert_int_equal(index_get(f->txn, f->drive.root, &root), 0);
	assert_int_equal(root.parent, 0);
	assert_int_equal(root.name_len, 0);
	assert_int_equal(root.state.kind, NODE_DIR);
	assert_int_equal(index_remove(f->txn, f->drive.root), -EINVAL);
	assert_int_equal(index_detach(f->txn, f->drive.root), -EINVAL);
	assert_int_equal(index_move(f->txn, f->drive.root, f->drive.root, "x", 1, 1, 1), -EINVAL);
	identity_of(&root.id, 2);
	root.state.mode = 0700;
	assert_int_equal(index_update(f->txn, &root), 0);
	assert_count(f, 0);
	fixture_commit(f);
}

static void test_what_cannot_be_is_refused(void **state)
{
	struct fixture *f = *state;
	struct index_node n, got;
	uint64_t file, node;

	fixture_begin(f, STORE_WRITE);
	file = add_node(f, f->drive.root, NODE_FILE, "file", 1);
	n = node_like(f, f->drive.root, NODE_FILE, "file", 2);
	assert_int_equal(index_add(f->txn, &n), -EEXIST);
	n = node_like(f, file, NODE_FILE, "below", 2);
	assert_int_equal(index_add(f->txn, &n), -ENOTDIR);
	n = node_like(f, 12345, NODE_FILE, "below", 2);
	assert_int_equal(index_add(f->txn, &n), -ENOENT);
	n = node_like(f, f->drive.root, NODE_FILE, "", 2);
	assert_int_equal(index_add(f->txn, &n), -EINVAL);
	n = node_like(f, f->drive.root, NODE_FILE, "odd", 2);
	n.state.kind = (enum node_kind)9;
	assert_int_equal(index_add(f->txn, &n), -EINVAL);
	assert_int_equal(index_get(f->txn, 12345, &got), INDEX_NONE);
	assert_int_equal(index_lookup(f->txn, f->drive.root, "none", 4, &node), INDEX_NONE);
	assert_int_equal(index_remove(f->txn, 12345), INDEX_NONE);
	assert_int_equal(index_detach(f->txn, file), -ENOTDIR);
	assert_count(f, 1);
	fixture_commit(f);
}

static void test_numbers_grow_and_are_never_given_twice(void **state)
{
	struct fixture *f = *state;
	uint64_t last = 0, node;

	for (int i = 0; i < 20; i++) {
		fixture_begin(f, STORE_WRITE);
		node = add_node(f, f->drive.root, NODE_FILE, "again", 1);
		assert_true(node > last);
		last = node;
		assert_int_equal(index_remove(f->txn, node), 0);
		fixture_commit(f);
		if (i % 5 == 4)
			fixture_reopen(f);
	}
}

static void test_children_come_in_the_order_of_their_bytes(void **state)
{
	static const char *const names[] = {"\x01", "A", "a", "ab", "a\xff", "b", "\xc3\xa4", "\xff"};
	struct fixture *f = *state;
	struct index_node child = {0};
	uint64_t directory;
	char after[16];
	size_t len = 0, i;

	fixture_begin(f, STORE_WRITE);
	directory = add_node(f, f->drive.root, NODE_DIR, "d", 1);
	for (i = 8; i-- > 0;)
		add_node(f, directory, NODE_FILE, names[i], 10 + i);
	add_node(f, f->drive.root, NODE_FILE, "e", 2);
	for (i = 0; i < 8; i++) {
		assert_int_equal(index_next_child(f->txn, directory, i ? after : NULL, len, &child), 0);
		assert_int_equal(child.name_len, strlen(names[i]));
		assert_memory_equal(child.name, names[i], child.name_len);
		len = child.name_len;
		memcpy(after, child.name, len);
	}
	assert_int_equal(index_next_child(f->txn, directory, after, len, &child), INDEX_NONE);
	assert_int_equal(index_next_child(f->txn, directory, "aa", 2, &child),
			 0); /* a name that is not there */
	assert_memory_equal(child.name, "ab", 2);
	fixture_commit(f);
}

static void test_nodes_of_a_drive_are_visited_by_number(void **state)
{
	struct fixture *f = *state;
	struct drive_row other;
	struct index_node n = {.drive = f->drive.drive, .parent = f->drive.root}, got;
	uint64_t first;

	fixture_begin(f, STORE_WRITE);
	n.state.kind = NODE_FILE;
	identity_of(&n.id, 9);
	n.name = "a";
	n.name_len = 1;
	assert_int_equal(index_add(f->txn, &n), 0);
	first = n.node;
	assert_int_equal(drives_add(f->txn, "other", &other), 0);
	n.name = "b";
	assert_int_equal(index_add(f->txn, &n), 0);
	assert_int_equal(index_next_node(f->txn, f->drive.drive, 0, 10, &got), 0);
	assert_int_equal(got.node, f->drive.root);
	assert_int_equal(index_next_node(f->txn, f->drive.drive, got.node, 10, &got), 0);
	assert_int_equal(got.node, first);
	assert_int_equal(index_next_node(f->txn, f->drive.drive, first, 1, &got), -EAGAIN);
	assert_int_equal(got.node, other.root);
	assert_int_equal(index_next_node(f->txn, f->drive.drive, first, 10, &got), 0);
	assert_int_equal(got.node, n.node);
	assert_memory_equal(got.name, "b", 1);
	assert_int_equal(index_next_node(f->txn, f->drive.drive, n.node, 10, &got), INDEX_NONE);
}

static void test_hard_links_are_found_in_the_order_of_their_nodes(void **state)
{
	struct fixture *f = *state;
	uint64_t a, b, c, node = 0;

	fixture_begin(f, STORE_WRITE);
	a = add_node(f, f->drive.root, NODE_FILE, "a", 7);
	add_node(f, f->drive.root, NODE_FILE, "other", 8);
	b = add_node(f, f->drive.root, NODE_FILE, "b", 7);
	c = add_node(f, f->drive.root, NODE_FILE, "c", 7);
	assert_int_equal(by_identity(f, 7, 0, &node), 0);
	assert_int_equal(node, a);
	assert_int_equal(by_identity(f, 7, a, &node), 0);
	assert_int_equal(node, b);
	assert_int_equal(by_identity(f, 7, b, &node), 0);
	assert_int_equal(node, c);
	assert_int_equal(by_identity(f, 7, c, &node), INDEX_NONE);
	assert_int_equal(by_identity(f, 9, 0, &node), INDEX_NONE);
	assert_int_equal(by_identity(f, 7, UINT64_MAX, &node), INDEX_NONE);
	fixture_commit(f);
}

static void test_identities_of_other_drives_and_lengths_are_others(void **state)
{
	struct fixture *f = *state;
	struct drive_row other;
	struct index_node n;
	uint64_t node;

	fixture_begin(f, STORE_WRITE);
	assert_int_equal(drives_add(f->txn, "other", &other), 0);
	n = node_like(f, f->drive.root, NODE_FILE, "longer", 7);
	n.id.len++;
	assert_int_equal(index_add(f->txn, &n), 0);
	assert_int_equal(by_identity(f, 7, 0, &node), INDEX_NONE);
	n = node_like(f, other.root, NODE_FILE, "x", 7);
	assert_int_equal(index_add(f->txn, &n), -EXDEV);
	n.drive = other.drive;
	assert_int_equal(index_add(f->txn, &n), 0);
	assert_int_equal(by_identity(f, 7, 0, &node), INDEX_NONE);
	fixture_commit(f);
}

static void test_update_changes_identity_and_keeps_name(void **state)
{
	struct fixture *f = *state;
	struct index_node n;
	uint64_t file, node;

	fixture_begin(f, STORE_WRITE);
	file = add_node(f, f->drive.root, NODE_FILE, "file", 1);
	assert_int_equal(index_get(f->txn, file, &n), 0);
	identity_of(&n.id, 2);
	n.state.size = 99;
	n.name = "ignored";
	n.name_len = 7;
	n.parent = 4711;
	assert_int_equal(index_update(f->txn, &n), 0);
	assert_int_equal(by_identity(f, 1, 0, &node), INDEX_NONE);
	assert_int_equal(by_identity(f, 2, 0, &node), 0);
	assert_int_equal(index_get(f->txn, file, &n), 0);
	assert_memory_equal(n.name, "file", 4);
	assert_int_equal(n.parent, f->drive.root);
	assert_int_equal(n.state.size, 99);
	n.id.len = 0;
	assert_int_equal(index_update(f->txn, &n), 0);
	assert_int_equal(by_identity(f, 2, 0, &node), INDEX_NONE);
	fixture_commit(f);
}

static void test_update_borrows_from_the_map_safely(void **state)
{
	struct fixture *f = *state;
	struct index_node n;
	uint64_t link;

	fixture_begin(f, STORE_WRITE);
	link = add_node(f, f->drive.root, NODE_SYMLINK, "link", 1);
	fixture_commit(f);
	for (uint64_t i = 0; i < 50; i++) {
		fixture_begin(f, STORE_WRITE);
		assert_int_equal(index_get(f->txn, link, &n), 0);
		identity_of(&n.id, 100 + i);
		n.state.mode = (uint16_t)i;
		assert_int_equal(index_update(f->txn, &n), 0);
		assert_int_equal(index_get(f->txn, link, &n), 0);
		assert_memory_equal(n.target, "over/there", 10);
		assert_int_equal(index_move(f->txn, link, f->drive.root, n.name, n.name_len, 0, 0), 0);
		fixture_commit(f);
	}
}

static void test_moving_a_directory_moves_all_below_with_one_row(void **state)
{
	struct fixture *f = *state;
	uint64_t a, b, c, found;
	struct index_node n;
	struct journal *j;
	struct position tail;

	fixture_begin(f, STORE_WRITE);
	assert_int_equal(journal_open(&j, f->txn, "drive:music"), 0);
	assert_int_equal(journal_tail(j, f->txn, &tail), 0);
	journal_close(j);
	a = add_node(f, f->drive.root, NODE_DIR, "a", 1);
	b = add_node(f, a, NODE_DIR, "b", 2);
	c = add_node(f, b, NODE_FILE, "c", 3);
	assert_int_equal(index_move(f->txn, b, f->drive.root, "moved", 5, tail.epoch, 0), 0);
	assert_int_equal(index_lookup(f->txn, a, "b", 1, &found), INDEX_NONE);
	assert_int_equal(index_lookup(f->txn, f->drive.root, "moved", 5, &found), 0);
	assert_int_equal(found, b);
	assert_int_equal(index_lookup(f->txn, b, "c", 1, &found), 0);
	assert_int_equal(found, c);
	assert_int_equal(index_get(f->txn, b, &n), 0);
	assert_true(n.rev_epoch == tail.epoch && n.parent == f->drive.root);
	assert_int_equal(index_move(f->txn, b, f->drive.root, "a", 1, tail.epoch, 0), -EEXIST);
	assert_int_equal(index_move(f->txn, b, c, "x", 1, tail.epoch, 0), -ENOTDIR);
	assert_int_equal(index_lookup(f->txn, f->drive.root, "moved", 5, &found), 0);
	fixture_commit(f);
}

static void test_only_the_empty_is_removed(void **state)
{
	struct fixture *f = *state;
	uint64_t a, b, node;

	fixture_begin(f, STORE_WRITE);
	a = add_node(f, f->drive.root, NODE_DIR, "a", 1);
	b = add_node(f, a, NODE_FILE, "b", 2);
	assert_int_equal(index_remove(f->txn, a), -ENOTEMPTY);
	assert_int_equal(index_remove(f->txn, b), 0);
	assert_int_equal(by_identity(f, 2, 0, &node), INDEX_NONE);
	assert_int_equal(index_remove(f->txn, a), 0);
	assert_count(f, 0);
	fixture_commit(f);
}

static void test_detached_tree_is_found_by_nobody_and_swept_in_steps(void **state)
{
	struct fixture *f = *state;
	uint64_t top, deep, node, again, link;
	char name[16];

	fixture_begin(f, STORE_WRITE);
	top = add_node(f, f->drive.root, NODE_DIR, "top", 1);
	deep = top;
	for (uint64_t i = 0; i < 20; i++) {
		for (uint64_t k = 0; k < 5; k++) {
			snprintf(name, sizeof(name), "f%d", (int)k);
			add_node(f, deep, NODE_FILE, name, 100 + i * 10 + k);
		}
		deep = add_node(f, deep, NODE_DIR, "d", 50 + i);
	}
	link = add_node(f, f->drive.root, NODE_FILE, "link", 101); /* also a hard link to what goes */
	assert_count(f, 122);
	assert_int_equal(index_detach(f->txn, top), 0);
	assert_count(f, 122);
	assert_int_equal(index_lookup(f->txn, f->drive.root, "top", 3, &node), INDEX_NONE);
	assert_int_equal(by_identity(f, 1, 0, &node), INDEX_NONE);
	assert_int_equal(by_identity(f, 294, 0, &node), INDEX_NONE);
	assert_int_equal(by_identity(f, 101, 0, &node), 0);
	assert_int_equal(node, link);
	again = add_node(f, f->drive.root, NODE_DIR, "top",
			 1); /* the name is free, and the identity may come again */
	assert_int_equal(by_identity(f, 1, 0, &node), 0);
	assert_int_equal(node, again);
	fixture_commit(f);
	fixture_check(f);
	for (bool left = true; left;) {
		fixture_begin(f, STORE_WRITE);
		assert_int_equal(index_sweep(f->txn, 7, &left), 0);
		assert_int_equal(by_identity(f, 294, 0, &node), INDEX_NONE);
		fixture_commit(f);
		fixture_check(f);
	}
	fixture_begin(f, STORE_WRITE);
	assert_count(f, 2);
}

static void test_looking_upwards_ends_also_in_a_broken_index(void **state)
{
	struct fixture *f = *state;
	uint64_t a, b, node;

	fixture_begin(f, STORE_WRITE);
	a = add_node(f, f->drive.root, NODE_DIR, "a", 1);
	b = add_node(f, a, NODE_DIR, "b", 2);
	assert_int_equal(index_detach(f->txn, add_node(f, f->drive.root, NODE_DIR, "gone", 3)), 0);
	assert_int_equal(index_move(f->txn, a, b, "a", 1, 0, 0), 0); /* what no caller may do */
	assert_int_equal(by_identity(f, 2, 0, &node), -EILSEQ);
	store_abort(f->txn);
	f->txn = NULL;
}

/* A random walk through everything the index can do, against a plain list, with the whole store checked on
 * the way. */
struct model {
	struct {
		uint64_t node, parent, inode;
		bool directory;
		char name[8];
	} entries[400];
	size_t count;
	uint32_t random;
};

static uint32_t pick(struct model *m, uint32_t bound)
{
	m->random = m->random * 1664525u + 1013904223u;
	return (m->random >> 8) % bound;
}

static bool below(const struct model *m, uint64_t node, uint64_t ancestor)
{
	while (node != ancestor) {
		size_t i = 0;

		while (i < m->count && m->entries[i].node != node)
			i++;
		if (i == m->count)
			return false;
		node = m->entries[i].parent;
	}
	return true;
}

static uint64_t pick_directory(struct model *m, uint64_t root)
{
	size_t i = m->count ? pick(m, (uint32_t)m->count) : 0;

	return m->count && m->entries[i].directory ? m->entries[i].node : root;
}

static bool taken(const struct model *m, uint64_t parent, const char *name)
{
	for (size_t i = 0; i < m->count; i++) {
		if (m->entries[i].parent == parent && strcmp(m->entries[i].name, name) == 0)
			return true;
	}
	return false;
}

static void model_add(struct fixture *f, struct model *m, const char *name)
{
	bool directory = pick(m, 3) == 0;
	uint64_t inode = 1 + pick(m, 60), parent = pick_directory(m, f->drive.root);
	struct index_node n = node_like(f, parent, directory ? NODE_DIR : NODE_FILE, name, inode);

	if (m->count == 400)
		return;
	if (taken(m, parent, name)) {
		assert_int_equal(index_add(f->txn, &n), -EEXIST);
		return;
	}
	assert_int_equal(index_add(f->txn, &n), 0);
	m->entries[m->count].node = n.node;
	m->entries[m->count].parent = parent;
	m->entries[m->count].inode = inode;
	m->entries[m->count].directory = directory;
	snprintf(m->entries[m->count].name, sizeof(m->entries[0].name), "%s", name);
	m->count++;
}

static void model_move(struct fixture *f, struct model *m, size_t i, const char *name)
{
	uint64_t parent = pick_directory(m, f->drive.root), node = m->entries[i].node;
	bool same = m->entries[i].parent == parent && strcmp(m->entries[i].name, name) == 0;

	if (below(m, parent, node))
		return;
	if (!same && taken(m, parent, name)) {
		assert_int_equal(index_move(f->txn, node, parent, name, strlen(name), 0, 0), -EEXIST);
		return;
	}
	assert_int_equal(index_move(f->txn, node, parent, name, strlen(name), 0, 0), 0);
	m->entries[i].parent = parent;
	strcpy(m->entries[i].name, name);
}

static void model_forget_below(struct model *m, uint64_t node)
{
	bool gone[400];
	size_t kept = 0;

	for (size_t i = 0; i < m->count; i++)
		gone[i] = below(m, m->entries[i].node, node);
	for (size_t i = 0; i < m->count; i++) {
		if (!gone[i])
			m->entries[kept++] = m->entries[i];
	}
	m->count = kept;
}

static void model_remove(struct fixture *f, struct model *m, size_t i)
{
	uint64_t node = m->entries[i].node;
	bool left;

	if (m->entries[i].directory)
		assert_int_equal(index_detach(f->txn, node), 0);
	else
		assert_int_equal(index_remove(f->txn, node), 0);
	model_forget_below(m, node);
	assert_int_equal(index_sweep(f->txn, pick(m, 4), &left), 0);
}

static void model_compare(struct fixture *f, struct model *m)
{
	for (uint64_t inode = 1; inode <= 60; inode++) {
		uint64_t node = 0, found = 0, expected = 0;

		while (by_identity(f, inode, node, &node) == 0) {
			assert_true(below(m, node, f->drive.root));
			found++;
		}
		for (size_t i = 0; i < m->count; i++)
			expected += m->entries[i].inode == inode;
		assert_int_equal(found, expected);
	}
	for (size_t i = 0; i < m->count; i++) {
		uint64_t node;

		assert_int_equal(index_lookup(f->txn, m->entries[i].parent, m->entries[i].name,
					      strlen(m->entries[i].name), &node),
				 0);
		assert_int_equal(node, m->entries[i].node);
	}
}

static void test_random_histories_agree_with_a_plain_list(void **state)
{
	struct fixture *f = *state;
	struct model *m = calloc(1, sizeof(*m));
	char name[8];

	assert_non_null(m);
	m->random = 20240817;
	for (int round = 0; round < 60; round++) {
		fixture_begin(f, STORE_WRITE);
		for (int step = 0; step < 60; step++) {
			uint32_t what = pick(m, 10);

			snprintf(name, sizeof(name), "n%u", (unsigned)pick(m, 30));
			if (what < 6 || m->count == 0)
				model_add(f, m, name);
			else if (what < 8)
				model_move(f, m, pick(m, (uint32_t)m->count), name);
			else
				model_remove(f, m, pick(m, (uint32_t)m->count));
		}
		model_compare(f, m);
		fixture_commit(f);
		fixture_check(f);
	}
	fixture_begin(f, STORE_WRITE);
	assert_sweeps_to(f, m->count);
	fixture_commit(f);
	free(m);
}

int main(void)
{
#define store_test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		store_test(test_row_comes_back_as_it_was_added),
		store_test(test_root_has_no_name_and_stays),
		store_test(test_what_cannot_be_is_refused),
		store_test(test_numbers_grow_and_are_never_given_twice),
		store_test(test_children_come_in_the_order_of_their_bytes),
		store_test(test_nodes_of_a_drive_are_visited_by_number),
		store_test(test_hard_links_are_found_in_the_order_of_their_nodes),
		store_test(test_identities_of_other_drives_and_lengths_are_others),
		store_test(test_update_changes_identity_and_keeps_name),
		store_test(test_update_borrows_from_the_map_safely),
		store_test(test_moving_a_directory_moves_all_below_with_one_row),
		store_test(test_only_the_empty_is_removed),
		store_test(test_detached_tree_is_found_by_nobody_and_swept_in_steps),
		store_test(test_looking_upwards_ends_also_in_a_broken_index),
		store_test(test_random_histories_agree_with_a_plain_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
