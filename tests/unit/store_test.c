#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "store_fixture.h"

static void path_in(const struct fixture *f, const char *name, char out[128])
{
	snprintf(out, 128, "%s/%s", f->directory, name);
}

static int open_again(const struct fixture *f, struct store **out)
{
	struct store_options options = {.directory = f->directory, .no_sync = true};

	return store_open(out, &options);
}

static void write_file(const char *path, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void copy_file(const char *from, const char *to)
{
	static char bytes[1 << 16];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		assert_int_equal(write(out, bytes, (size_t)n), n);
	close(in);
	close(out);
}

static void test_directory_is_made_for_its_owner_alone(void **state)
{
	struct fixture *f = *state;
	struct store_options options = {.no_sync = true};
	char path[128];
	struct store *s;
	struct stat st;

	path_in(f, "new", path);
	options.directory = path;
	assert_int_equal(store_open(&s, &options), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	store_close(s);
	path_in(f, "new/store.mdb", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	unlink(path);
	path_in(f, "new/store.mdb-lock", path);
	unlink(path);
	path_in(f, "new/lock", path);
	unlink(path);
	path_in(f, "new", path);
	rmdir(path);
}

static void test_second_user_is_told_who_has_it(void **state)
{
	struct fixture *f = *state;
	struct store *second;

	assert_int_equal(open_again(f, &second), STORE_LOCKED);
	assert_null(second);
	assert_int_equal(store_lock_owner(f->directory), getpid());
	store_close(f->store);
	f->store = NULL;
	assert_int_equal(store_lock_owner(f->directory), 0);
	fixture_open(f);
}

static void test_pid_left_by_a_dead_user_is_no_owner(void **state)
{
	struct fixture *f = *state;
	char path[128];

	store_close(f->store);
	path_in(f, "lock", path);
	write_file(path, "1\n", 2);
	assert_int_equal(store_lock_owner(f->directory), 0);
	assert_int_equal(store_lock_owner("/nonexistent"), 0);
	fixture_open(f);
}

static void test_closed_store_is_clean(void **state)
{
	struct fixture *f = *state;

	assert_false(store_was_unclean(f->store));
	fixture_reopen(f);
	assert_false(store_was_unclean(f->store));
	assert_false(store_was_moved(f->store));
}

/* A child opens the store and goes without closing it. */
static void leave_unclean(struct fixture *f)
{
	struct store *s;
	int status;
	pid_t child;

	store_close(f->store);
	f->store = NULL;
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(open_again(f, &s));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	fixture_open(f);
}

static void test_store_that_was_not_closed_is_unclean_until_somebody_writes(void **state)
{
	struct fixture *f = *state;

	leave_unclean(f);
	assert_true(store_was_unclean(f->store));
	fixture_reopen(f); /* whoever opened it gave up before doing anything */
	assert_true(store_was_unclean(f->store));
	fixture_begin(f, STORE_WRITE);
	fixture_commit(f);
	fixture_reopen(f);
	assert_false(store_was_unclean(f->store));
}

static void test_forked_child_checks_the_open_store(void **state)
{
	struct fixture *f = *state;
	struct store_report report;
	int status;
	pid_t child;

	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int r = store_check(f->store, &report, NULL, NULL);

		store_close(f->store); /* not its to close */
		_exit(r == 0 && report.drives == 1 && report.nodes == 1 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(store_lock_owner(f->directory), getpid());
	fixture_reopen(f);
	assert_false(store_was_unclean(f->store));
}

static void test_copied_data_file_is_noticed_and_adopted(void **state)
{
	struct fixture *f = *state;
	char path[128], copy[128];

	store_close(f->store);
	path_in(f, "store.mdb", path);
	path_in(f, "copy", copy);
	copy_file(path, copy);
	assert_int_equal(rename(copy, path), 0);
	fixture_open(f);
	assert_true(store_was_moved(f->store));
	fixture_reopen(f);
	assert_true(store_was_moved(f->store));
	fixture_begin(f, STORE_WRITE);
	assert_int_equal(store_adopt_file(f->store, f->txn), 0);
	fixture_commit(f);
	fixture_reopen(f);
	assert_false(store_was_moved(f->store));
}

static void test_reader_sees_one_commit_whole(void **state)
{
	struct fixture *f = *state;
	struct store_txn *reader;
	uint64_t count;

	assert_int_equal(store_begin(f->store, STORE_READ, &reader), 0);
	fixture_begin(f, STORE_WRITE);
	add_node(f, f->drive.root, NODE_FILE, "a", 1);
	assert_int_equal(index_count(f->txn, f->drive.drive, &count), 0);
	assert_int_equal(count, 1);
	fixture_commit(f);
	assert_int_equal(index_count(reader, f->drive.drive, &count), 0);
	assert_int_equal(count, 0);
	store_abort(reader);
	assert_int_equal(store_begin(f->store, STORE_READ, &reader), 0);
	assert_int_equal(index_count(reader, f->drive.drive, &count), 0);
	assert_int_equal(count, 1);
	assert_ptr_equal(store_of(reader), f->store);
	assert_int_equal(store_commit(reader), 0);
}

static void test_pooled_reader_sees_what_was_committed_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct store_txn *readers[12];
	uint64_t node;

	for (int round = 0; round < 3; round++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", round);
		fixture_begin(f, STORE_WRITE);
		add_node(f, f->drive.root, NODE_FILE, name, 0);
		fixture_commit(f);
		for (int i = 0; i < 12; i++) {
			assert_int_equal(store_begin(f->store, STORE_READ, &readers[i]), 0);
			assert_int_equal(index_lookup(readers[i], f->drive.root, name, 2, &node), 0);
		}
		for (int i = 0; i < 12; i++)
			store_abort(readers[i]);
	}
}

struct reading {
	struct store *store;
	uint32_t drive;
	atomic_bool stop;
	atomic_uint reads;
	atomic_bool torn;
};

/* As many records as nodes: each commit of the writer adds one of both. */
static void *read_until_stopped(void *context)
{
	struct reading *r = context;

	while (!atomic_load(&r->stop)) {
		struct position tail = {0, 0, 0};
		struct store_txn *txn;
		struct journal *j = NULL;
		uint64_t count = 0;

		if (store_begin(r->store, STORE_READ, &txn) != 0 ||
		    journal_open(&j, txn, "drive:music") != 0 || journal_tail(j, txn, &tail) != 0 ||
		    index_count(txn, r->drive, &count) != 0 || count != tail.seq)
			atomic_store(&r->torn, true);
		journal_close(j);
		store_abort(txn);
		atomic_fetch_add(&r->reads, 1);
	}
	return NULL;
}

static void test_readers_on_threads_see_whole_commits_only(void **state)
{
	struct fixture *f = *state;
	struct journal_record record = {.event = EVENT_FILE_CREATED, .json = "{}", .json_len = 2};
	struct reading reading = {.store = f->store, .drive = f->drive.drive};
	pthread_t threads[3];
	struct journal *j;
	char name[16];

	fixture_begin(f, STORE_WRITE);
	assert_int_equal(journal_open(&j, f->txn, "drive:music"), 0);
	fixture_commit(f);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_until_stopped, &reading), 0);
	for (int i = 0; i < 1000 || atomic_load(&reading.reads) < 100; i++) {
		fixture_begin(f, STORE_WRITE);
		assert_int_equal(journal_append(j, f->txn, &record), 0);
		snprintf(name, sizeof(name), "%d", i);
		add_node(f, f->drive.root, NODE_FILE, name, 0);
		fixture_commit(f);
	}
	atomic_store(&reading.stop, true);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_false(atomic_load(&reading.torn));
	journal_close(j);
}

static void test_aborted_transaction_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t first, second, count;

	fixture_begin(f, STORE_WRITE);
	first = add_node(f, f->drive.root, NODE_FILE, "a", 1);
	store_abort(f->txn);
	fixture_begin(f, STORE_WRITE);
	assert_int_equal(index_count(f->txn, f->drive.drive, &count), 0);
	assert_int_equal(count, 0);
	second = add_node(f, f->drive.root, NODE_FILE, "b", 2);
	assert_int_equal(first, second); /* the number was not given: nobody has seen it */
	fixture_commit(f);
}

static void test_full_map_is_no_space_and_the_store_goes_on(void **state)
{
	struct fixture *f = *state;
	struct store_options options = {.directory = f->directory, .no_sync = true, .max_bytes = 1 << 20};
	uint64_t before, after;
	int r = 0;

	store_close(f->store);
	assert_int_equal(store_open(&f->store, &options), 0);
	fixture_begin(f, STORE_READ);
	assert_int_equal(index_count(f->txn, f->drive.drive, &before), 0);
	store_abort(f->txn);
	fixture_begin(f, STORE_WRITE);
	for (int i = 0; r == 0 && i < 100000; i++) {
		struct index_node n;
		char name[16];

		snprintf(name, sizeof(name), "%d", i);
		n = node_like(f, f->drive.root, NODE_FILE, name, (uint64_t)i + 1);
		r = index_add(f->txn, &n);
	}
	assert_int_equal(r, -ENOSPC);
	assert_true(store_commit(f->txn) < 0);
	f->txn = NULL;
	fixture_begin(f, STORE_WRITE);
	assert_int_equal(index_count(f->txn, f->drive.drive, &after), 0);
	assert_int_equal(after, before);
	add_node(f, f->drive.root, NODE_FILE, "small", 1);
	fixture_commit(f);
	assert_true(store_used_bytes(f->store) <= 1 << 20);
}

static void test_what_is_no_store_is_broken(void **state)
{
	struct fixture *f = *state;
	char path[128], bytes[8192];
	struct store *s;

	store_close(f->store);
	f->store = NULL;
	path_in(f, "store.mdb", path);
	memset(bytes, 'x', sizeof(bytes));
	write_file(path, bytes, sizeof(bytes));
	assert_int_equal(open_again(f, &s), STORE_BROKEN);
	assert_int_equal(store_lock_owner(f->directory), 0);
}

static void test_cut_off_file_is_told_and_does_not_kill(void **state)
{
	struct fixture *f = *state;
	char path[128];
	struct store *s;
	struct stat st;
	int r;

	fixture_begin(f, STORE_WRITE);
	for (int i = 0; i < 2000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%d", i);
		add_node(f, f->drive.root, NODE_FILE, name, (uint64_t)i + 1);
	}
	fixture_commit(f);
	store_close(f->store);
	f->store = NULL;
	path_in(f, "store.mdb", path);
	assert_int_equal(stat(path, &st), 0);
	for (off_t size = st.st_size - 4096; size > 0; size = size / 2 & ~(off_t)4095) {
		struct store_report report;

		assert_int_equal(truncate(path, size), 0);
		r = open_again(f, &s);
		assert_true(r == 0 || r == STORE_BROKEN);
		if (r == 0) {
			assert_true(store_was_unclean(s));
			(void)store_check(s, &report, NULL, NULL);
			store_close(s);
		}
	}
}

static void test_read_only_needs_a_store_and_takes_the_lock(void **state)
{
	struct fixture *f = *state;
	struct store_options options = {.directory = f->directory, .read_only = true};
	struct store_report report;
	struct store *s, *second;
	char path[128];

	store_close(f->store);
	f->store = NULL;
	assert_int_equal(store_open(&s, &options), 0);
	assert_int_equal(open_again(f, &second), STORE_LOCKED);
	assert_int_equal(store_check(s, &report, NULL, NULL), 0);
	store_close(s);
	path_in(f, "store.mdb", path);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(store_open(&s, &options), STORE_EMPTY);
	unlink(path);
	assert_int_equal(store_open(&s, &options), -ENOENT);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void test_distrusted_store_is_found_unclean(void **state)
{
	struct fixture *f = *state;

	fixture_reopen(f);
	assert_false(store_was_unclean(f->store));
	store_distrust(f->store);
	fixture_reopen(f);
	assert_true(store_was_unclean(f->store));
}

int main(void)
{
#define store_test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		store_test(test_directory_is_made_for_its_owner_alone),
		store_test(test_second_user_is_told_who_has_it),
		store_test(test_pid_left_by_a_dead_user_is_no_owner),
		store_test(test_closed_store_is_clean),
		store_test(test_store_that_was_not_closed_is_unclean_until_somebody_writes),
		store_test(test_forked_child_checks_the_open_store),
		store_test(test_copied_data_file_is_noticed_and_adopted),
		store_test(test_reader_sees_one_commit_whole),
		store_test(test_pooled_reader_sees_what_was_committed_meanwhile),
		store_test(test_readers_on_threads_see_whole_commits_only),
		store_test(test_aborted_transaction_leaves_nothing),
		store_test(test_full_map_is_no_space_and_the_store_goes_on),
		store_test(test_what_is_no_store_is_broken),
		store_test(test_cut_off_file_is_told_and_does_not_kill),
		store_test(test_read_only_needs_a_store_and_takes_the_lock),
		store_test(test_distrusted_store_is_found_unclean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
