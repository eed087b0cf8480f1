#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/snapshot.h"
#include "store_fixture.h"

static int setup(void **state)
{
	struct fixture *f;
	struct journal *j;

	if (fixture_setup(state) != 0)
		return -1;
	f = *state;
	fixture_begin(f, STORE_WRITE);
	assert_int_equal(journal_open(&j, f->txn, "drive:music"), 0);
	journal_close(j);
	fixture_commit(f);
	return 0;
}

static struct snapshot *take(struct fixture *f)
{
	struct snapshot *s;

	assert_int_equal(snapshot_take(&s, f->store, "music", f->directory, 0), 0);
	return s;
}

/* All pages, joined as one list. */
static void read_all(struct snapshot *s, struct text *t)
{
	for (size_t i = 0; i < snapshot_pages(s); i++) {
		size_t before = t->len;

		if (i > 0)
			text_add(t, ",", 1);
		assert_int_equal(snapshot_page(s, i, t), 0);
		assert_true(t->len - before <= SNAPSHOT_PAGE_BYTES + 1);
	}
	text_add(t, "", 1);
	assert_false(t->failed);
}

static const char *path_at(const char *from, char out[256])
{
	const char *at = strstr(from, "\"path\":\"");
	size_t len;

	if (at == NULL)
		return NULL;
	at += 8;
	len = strcspn(at, "\"");
	assert_true(len < 256);
	memcpy(out, at, len);
	out[len] = '\0';
	return at;
}

static void test_empty_drive_is_one_empty_page(void **state)
{
	struct fixture *f = *state;
	struct snapshot *s = take(f);
	struct text t = {0};

	assert_int_equal(snapshot_pages(s), 1);
	assert_int_equal(snapshot_entries(s), 0);
	assert_int_equal(snapshot_position(s)->seq, 0);
	assert_int_equal(snapshot_page(s, 0, &t), 0);
	assert_int_equal(t.len, 0);
	assert_int_equal(snapshot_page(s, 1, &t), -EINVAL);
	snapshot_unref(s);
	snapshot_unref(NULL);
	text_deinit(&t);
}

static void test_unknown_drive_is_none(void **state)
{
	struct fixture *f = *state;
	struct drive_row row;
	struct snapshot *s;

	assert_int_equal(snapshot_take(&s, f->store, "nothing", f->directory, 0), INDEX_NONE);
	assert_null(s);
	assert_int_equal(snapshot_take(&s, f->store, "music", "/nonexistent", 0), -ENOENT);
	fixture_begin(f, STORE_WRITE);
	assert_int_equal(drives_add(f->txn, "bare", &row), 0); /* without a stream */
	fixture_commit(f);
	assert_int_equal(snapshot_take(&s, f->store, "bare", f->directory, 0), INDEX_NONE);
}

static void test_parents_come_before_children_with_whole_paths(void **state)
{
	static const char *const expected[] = {"a", "a/b", "a/b/c", "a/b/d", "a/z", "a.b", "b", "b/x"};
	struct fixture *f = *state;
	uint64_t a, b, other;
	struct snapshot *s;
	struct text t = {0};
	const char *at;
	char path[256];

	fixture_begin(f, STORE_WRITE);
	other = add_node(f, f->drive.root, NODE_DIR, "b", 1);
	a = add_node(f, f->drive.root, NODE_DIR, "a", 2);
	add_node(f, f->drive.root, NODE_FILE, "a.b", 3);
	add_node(f, other, NODE_FILE, "x", 4);
	add_node(f, a, NODE_FILE, "z", 5);
	b = add_node(f, a, NODE_DIR, "b", 6);
	add_node(f, b, NODE_FILE, "d", 7);
	add_node(f, b, NODE_DIR, "c", 8);
	fixture_commit(f);
	s = take(f);
	assert_int_equal(snapshot_entries(s), 8);
	read_all(s, &t);
	at = t.data;
	for (size_t i = 0; i < 8; i++) {
		at = path_at(at, path);
		assert_non_null(at);
		assert_string_equal(path, expected[i]);
	}
	assert_null(path_at(at, path));
	snapshot_unref(s);
	text_deinit(&t);
}

static void test_hidden_names_are_left_out_with_what_is_below(void **state)
{
	struct fixture *f = *state;
	struct snapshot *s;
	struct index_node n;
	struct text t = {0};
	char path[256];
	uint64_t hidden, shown;

	fixture_begin(f, STORE_WRITE);
	hidden = add_node(f, f->drive.root, NODE_DIR, "a", 2);
	add_node(f, hidden, NODE_FILE, "below", 3);
	shown = add_node(f, f->drive.root, NODE_FILE, "b", 4);
	assert_int_equal(index_get(f->txn, hidden, &n), 0);
	n.hidden = true;
	assert_int_equal(index_update(f->txn, &n), 0);
	assert_int_equal(index_get(f->txn, shown, &n), 0);
	n.open = true;
	assert_int_equal(index_update(f->txn, &n), 0);
	fixture_commit(f);
	s = take(f);
	assert_int_equal(snapshot_entries(s), 1);
	read_all(s, &t);
	assert_non_null(path_at(t.data, path));
	assert_string_equal(path, "b");
	assert_non_null(strstr(t.data, "\"open\":true"));
	snapshot_unref(s);
	text_deinit(&t);
}

static void test_pages_are_cut_between_items(void **state)
{
	struct fixture *f = *state;
	struct snapshot *s;
	struct text t = {0};
	char name[64], path[256];
	const char *at;
	size_t found = 0;

	fixture_begin(f, STORE_WRITE);
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "a-name-that-is-neither-short-nor-long-%05d", i);
		add_node(f, f->drive.root, NODE_FILE, name, (uint64_t)i + 1);
	}
	fixture_commit(f);
	s = take(f);
	assert_true(snapshot_pages(s) > 3);
	for (size_t i = 0; i < snapshot_pages(s); i++) {
		text_clear(&t);
		assert_int_equal(snapshot_page(s, i, &t), 0);
		assert_true(t.len <= SNAPSHOT_PAGE_BYTES);
		assert_int_equal(t.data[0], '{');
		assert_int_equal(t.data[t.len - 1], '}');
		text_add(&t, "", 1);
		for (at = t.data; (at = path_at(at, path)) != NULL; found++) {
			snprintf(name, sizeof(name), "a-name-that-is-neither-short-nor-long-%05zu", found);
			assert_string_equal(path, name);
		}
	}
	assert_int_equal(found, 5000);
	snapshot_unref(s);
	text_deinit(&t);
}

static void test_tree_deeper_than_a_path_may_be_is_walked(void **state)
{
	struct fixture *f = *state;
	uint64_t at = f->drive.root;
	struct snapshot *s;
	struct text t = {0};

	fixture_begin(f, STORE_WRITE);
	for (uint64_t i = 0; i < 5000; i++)
		at = add_node(f, at, NODE_DIR, "d", i + 1);
	add_node(f, at, NODE_FILE, "bottom", 9999);
	fixture_commit(f);
	s = take(f);
	assert_int_equal(snapshot_entries(s), 5001);
	assert_int_equal(snapshot_page(s, snapshot_pages(s) - 1, &t), 0);
	text_add(&t, "", 1);
	assert_non_null(strstr(t.data, "/bottom\""));
	snapshot_unref(s);
	text_deinit(&t);
}

static void test_cut_off_rows_are_in_no_snapshot(void **state)
{
	struct fixture *f = *state;
	struct snapshot *s;
	uint64_t gone;

	fixture_begin(f, STORE_WRITE);
	gone = add_node(f, f->drive.root, NODE_DIR, "gone", 1);
	add_node(f, gone, NODE_FILE, "with", 2);
	add_node(f, f->drive.root, NODE_FILE, "kept", 3);
	assert_int_equal(index_detach(f->txn, gone), 0);
	fixture_commit(f);
	s = take(f);
	assert_int_equal(snapshot_entries(s), 1);
	snapshot_unref(s);
}

static void test_snapshot_stands_at_the_commit_that_it_read(void **state)
{
	struct fixture *f = *state;
	struct journal_record record = {.event = EVENT_FILE_CREATED, .json = "{}", .json_len = 2};
	struct snapshot *s;
	struct journal *j;

	fixture_begin(f, STORE_WRITE);
	assert_int_equal(journal_open(&j, f->txn, "drive:music"), 0);
	assert_int_equal(journal_append(j, f->txn, &record), 0);
	add_node(f, f->drive.root, NODE_FILE, "a", 1);
	fixture_commit(f);
	s = snapshot_ref(take(f));
	snapshot_unref(s);
	fixture_begin(f, STORE_WRITE);
	assert_int_equal(journal_append(j, f->txn, &record), 0);
	add_node(f, f->drive.root, NODE_FILE, "b", 2);
	fixture_commit(f);
	assert_int_equal(snapshot_position(s)->seq, 1);
	assert_int_equal(snapshot_entries(s), 1);
	fixture_begin(f, STORE_READ);
	assert_int_equal(journal_locate(j, f->txn, snapshot_position(s)), 0);
	snapshot_unref(s);
	journal_close(j);
}

static void test_spool_has_a_bound(void **state)
{
	struct fixture *f = *state;
	struct snapshot *s;
	char name[16];

	fixture_begin(f, STORE_WRITE);
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "%d", i);
		add_node(f, f->drive.root, NODE_FILE, name, (uint64_t)i + 1);
	}
	fixture_commit(f);
	assert_int_equal(snapshot_take(&s, f->store, "music", f->directory, 300 * 1024), -ENOSPC);
	assert_null(s);
	assert_int_equal(snapshot_take(&s, f->store, "music", f->directory, 3000 * 1024), 0);
	snapshot_unref(s);
}

int main(void)
{
#define store_test(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		store_test(test_empty_drive_is_one_empty_page),
		store_test(test_unknown_drive_is_none),
		store_test(test_parents_come_before_children_with_whole_paths),
		store_test(test_hidden_names_are_left_out_with_what_is_below),
		store_test(test_pages_are_cut_between_items),
		store_test(test_tree_deeper_than_a_path_may_be_is_walked),
		store_test(test_cut_off_rows_are_in_no_snapshot),
		store_test(test_snapshot_stands_at_the_commit_that_it_read),
		store_test(test_spool_has_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
