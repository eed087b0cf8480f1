/* A real watcher process on real directories.  Every claim is tried on each kind of file system and with each
 * backend that this machine lets us have; what it does not is skipped with the reason. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "watcher_kit.h"

struct variant {
	const char *name, *base;
	enum watch_backend backend;
	bool bare; /* without capabilities */
};

struct fixture {
	struct kit k;
	char dir[KIT_PATH_ROOM], other[KIT_PATH_ROOM]; /* the drive, and a directory beside it */
	const struct variant *variant;
	bool started;
};

static const struct variant *variant; /* of the group that runs */

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->variant = variant;
	kit_make_dir(f->dir, variant->base);
	kit_make_dir(f->other, variant->base);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->started)
		kit_stop(&f->k);
	kit_remove_tree(f->dir);
	kit_remove_tree(f->other);
	free(f);
	return 0;
}

/* Begin to watch, and have the replica complete. */
static void begin(struct fixture *f)
{
	const struct kit_frame *ready;

	if (f->variant->backend == WATCH_FANOTIFY && !kit_has_capabilities()) {
		print_message("skipped: fanotify needs CAP_SYS_ADMIN and CAP_DAC_READ_SEARCH\n");
		skip();
	}
	if (f->variant->bare)
		kit_start_bare(&f->k);
	else
		kit_start(&f->k);
	f->started = true;
	ready = kit_drive(&f->k, 7, f->dir, f->variant->backend);
	assert_int_equal(ready->o.type, OBSERVED_READY);
	assert_int_equal(ready->o.backend, f->variant->backend);
	kit_follow(&f->k, ready, f->dir);
	kit_sync(&f->k);
	kit_assert_truth(&f->k);
	kit_forget(&f->k);
}

static void settle(struct fixture *f)
{
	kit_sync(&f->k);
	kit_assert_truth(&f->k);
	assert_int_equal(f->k.overflows, 0);
}

static char *path_of(struct fixture *f, const char *name)
{
	static char paths[4][KIT_PATH_ROOM];
	static unsigned next;

	kit_path(paths[++next % 4], f->dir, name);
	return paths[next % 4];
}

static void make(struct fixture *f, const char *name)
{
	assert_int_equal(mkdir(path_of(f, name), 0755), 0);
}

static void move(struct fixture *f, const char *from, const char *to)
{
	assert_int_equal(rename(path_of(f, from), path_of(f, to)), 0);
}

/* What is there already. */

static void test_ready_tells_the_root(void **state)
{
	struct fixture *f = *state;
	const struct kit_frame *ready;
	struct stat st;

	begin(f);
	ready = kit_drive(&f->k, 7, f->dir, f->variant->backend);
	assert_int_equal(stat(f->dir, &st), 0);
	assert_true(file_id_inode(&ready->o.id) == st.st_ino);
	assert_int_equal(ready->o.state.kind, ENTRY_DIR);
	assert_int_equal(ready->o.state.mode, st.st_mode & 07777);
	assert_false(ready->o.state.mount);
	assert_true(ready->o.state.birth.seconds != 0);
	assert_true(ready->o.text_len > 0);
}

static void test_scan_lists_what_was_there_before(void **state)
{
	struct fixture *f = *state;

	make(f, "a");
	make(f, "a/b");
	kit_write(f->dir, "a/b/deep", "x");
	kit_write(f->dir, "top", "hello");
	assert_int_equal(symlink("a/b/deep", path_of(f, "link")), 0);
	assert_int_equal(symlink("nowhere at all", path_of(f, "dangling")), 0);
	begin(f);
	assert_int_equal(kit_entries(&f->k), 6);
}

static void test_scan_of_what_is_no_directory_any_more_says_so(void **state)
{
	struct fixture *f = *state;
	struct file_id dir;
	uint32_t n;

	make(f, "gone");
	begin(f);
	n = kit_send_scan(&f->k, 7, &f->k.root);
	kit_wait(&f->k, OBSERVED_SCAN_END, n);
	dir = kit_last(&f->k, OBSERVED_ENTRY, "gone")->o.id;
	assert_int_equal(rmdir(path_of(f, "gone")), 0);
	kit_barrier(&f->k);
	n = kit_send_scan(&f->k, 7, &dir);
	assert_int_equal(kit_wait(&f->k, OBSERVED_SCAN_END, n)->o.error, -ESTALE);
	n = kit_send_look(&f->k, 7, &dir, "x");
	assert_int_equal(kit_wait(&f->k, OBSERVED_LOOKED, n)->o.error, -ESTALE);
}

static void test_look_answers_with_what_is_there(void **state)
{
	struct fixture *f = *state;
	uint32_t n;

	kit_write(f->dir, "file", "12345");
	begin(f);
	n = kit_send_look(&f->k, 7, &f->k.root, "file");
	assert_int_equal(kit_wait(&f->k, OBSERVED_LOOKED, n)->o.error, 0);
	assert_int_equal(kit_last(&f->k, OBSERVED_ENTRY, "file")->o.state.size, 5);
	n = kit_send_look(&f->k, 7, &f->k.root, "absent");
	assert_int_equal(kit_wait(&f->k, OBSERVED_LOOKED, n)->o.error, 0);
	assert_non_null(kit_last(&f->k, OBSERVED_GONE, "absent"));
}

static void test_requests_for_an_unknown_drive_are_answered(void **state)
{
	struct fixture *f = *state;
	uint32_t n;

	begin(f);
	n = kit_send_scan(&f->k, 99, &f->k.root);
	assert_int_equal(kit_wait(&f->k, OBSERVED_SCAN_END, n)->o.error, -ENODEV);
	n = kit_send_look(&f->k, 99, &f->k.root, "x");
	assert_int_equal(kit_wait(&f->k, OBSERVED_LOOKED, n)->o.error, -ENODEV);
}

/* Single operations. */

static void test_write_and_close_are_told(void **state)
{
	struct fixture *f = *state;
	const struct kit_frame *seen;
	int fd;

	begin(f);
	fd = open(path_of(f, "open"), O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "abc", 3), 3);
	kit_barrier(&f->k);
	seen = kit_last(&f->k, OBSERVED_ENTRY, "open");
	assert_int_equal(seen->o.flags & (OBSERVED_WRITING | OBSERVED_CLOSED), OBSERVED_WRITING);
	assert_int_equal(seen->o.state.size, 3);
	close(fd);
	kit_barrier(&f->k);
	seen = kit_last(&f->k, OBSERVED_ENTRY, "open");
	assert_int_equal(seen->o.flags & (OBSERVED_WRITING | OBSERVED_CLOSED), OBSERVED_CLOSED);
	settle(f);
}

/* The kernel goes on to tell a replaced file's writes under its old name. */
static void test_writer_of_a_replaced_file_is_not_taken_for_a_writer_of_the_new_one(void **state)
{
	struct fixture *f = *state;
	int fd;

	if (f->variant->backend != WATCH_FANOTIFY)
		return; /* inotify does not say which file it was */
	begin(f);
	fd = open(path_of(f, "log"), O_WRONLY | O_CREAT, 0600);
	assert_int_equal(unlink(path_of(f, "log")), 0);
	kit_write(f->dir, "log", "new");
	kit_barrier(&f->k);
	assert_int_equal(write(fd, "old", 3), 3);
	kit_barrier(&f->k);
	assert_int_equal(kit_last(&f->k, OBSERVED_ENTRY, "log")->o.flags & OBSERVED_WRITING, 0);
	close(fd);
	settle(f);
}

static void test_rename_tells_both_sides_in_one_batch(void **state)
{
	struct fixture *f = *state;
	size_t ends = 0;
	bool gone = false, there = false;

	make(f, "d");
	kit_write(f->dir, "a", "x");
	begin(f);
	move(f, "a", "d/b");
	kit_barrier(&f->k);
	for (size_t i = 0; i < f->k.frame_count; i++) {
		const struct kit_frame *one = f->k.frames[i];

		gone |= one->o.type == OBSERVED_GONE && strcmp(one->name, "a") == 0;
		if (one->o.type == OBSERVED_ENTRY && strcmp(one->name, "b") == 0) {
			there = true;
			assert_true(one->o.flags & OBSERVED_RENAMED);
		}
		ends += one->o.type == OBSERVED_BATCH_END && gone != there;
	}
	assert_true(gone && there);
	assert_int_equal(ends, 0);
	settle(f);
}

static void test_exchange_is_seen_as_it_ends(void **state)
{
	struct fixture *f = *state;

	make(f, "a");
	make(f, "b");
	kit_write(f->dir, "a/in-a", "1");
	kit_write(f->dir, "b/in-b", "22");
	begin(f);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			renameat2(AT_FDCWD, path_of(f, "a"), AT_FDCWD, path_of(f, "b"), RENAME_EXCHANGE), 0);
		settle(f);
	}
	kit_write(f->dir, "a/after", "3");
	kit_write(f->dir, "b/after", "4");
	settle(f);
}

static void test_links_of_both_kinds_are_told(void **state)
{
	struct fixture *f = *state;
	const struct kit_frame *a, *b;

	begin(f);
	kit_write(f->dir, "a", "x");
	assert_int_equal(link(path_of(f, "a"), path_of(f, "b")), 0);
	assert_int_equal(symlink("a", path_of(f, "s")), 0);
	settle(f);
	a = kit_last(&f->k, OBSERVED_ENTRY, "a");
	b = kit_last(&f->k, OBSERVED_ENTRY, "b");
	assert_true(file_id_equal(&a->o.id, &b->o.id));
	assert_int_equal(b->o.state.links, 2);
	assert_string_equal(kit_last(&f->k, OBSERVED_ENTRY, "s")->target, "a");
}

static void test_removed_things_are_gone(void **state)
{
	struct fixture *f = *state;

	make(f, "d");
	kit_write(f->dir, "d/x", "x");
	kit_write(f->dir, "y", "y");
	begin(f);
	assert_int_equal(unlink(path_of(f, "d/x")), 0);
	assert_int_equal(rmdir(path_of(f, "d")), 0);
	assert_int_equal(unlink(path_of(f, "y")), 0);
	settle(f);
	assert_int_equal(kit_entries(&f->k), 0);
	assert_non_null(kit_last(&f->k, OBSERVED_GONE, "d"));
	assert_non_null(kit_last(&f->k, OBSERVED_GONE, "y"));
}

static void test_mode_of_files_and_directories_is_told(void **state)
{
	struct fixture *f = *state;

	make(f, "d");
	make(f, "d/e");
	kit_write(f->dir, "f", "x");
	begin(f);
	assert_int_equal(chmod(path_of(f, "d/e"), 0711), 0);
	assert_int_equal(chmod(path_of(f, "f"), 0604), 0);
	settle(f);
	assert_int_equal(kit_last(&f->k, OBSERVED_ENTRY, "e")->o.state.mode, 0711);
}

static void test_truncate_and_touch_are_told(void **state)
{
	struct fixture *f = *state;
	const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = -5, .tv_nsec = 7}};

	kit_write(f->dir, "f", "hello");
	begin(f);
	assert_int_equal(truncate(path_of(f, "f"), 2), 0);
	settle(f);
	assert_int_equal(utimensat(AT_FDCWD, path_of(f, "f"), times, 0), 0);
	settle(f);
}

static void test_sockets_and_fifos_are_no_entries(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkfifo(path_of(f, "before"), 0600), 0);
	begin(f);
	assert_int_equal(mkfifo(path_of(f, "fifo"), 0600), 0);
	kit_write(f->dir, "file", "x");
	assert_int_equal(unlink(path_of(f, "file")), 0);
	assert_int_equal(mkfifo(path_of(f, "file"), 0600), 0);
	settle(f);
	assert_int_equal(kit_entries(&f->k), 0);
	assert_non_null(kit_last(&f->k, OBSERVED_GONE, "file"));
}

static void test_every_name_the_kernel_takes_travels(void **state)
{
	struct fixture *f = *state;
	char longest[256];

	memset(longest, 'n', 255);
	longest[255] = 0;
	kit_write(f->dir, "before\n\xff\xfe", "x");
	begin(f);
	kit_write(f->dir, longest, "x");
	kit_write(f->dir, "line\nfeed", "x");
	kit_write(f->dir, "\xc3\x28\x80", "x");
	kit_write(f->dir, " (deleted)", "x");
	make(f, "dir (deleted)");
	assert_int_equal(chmod(path_of(f, "dir (deleted)"), 0700), 0);
	make(f, "\x01\x7f\\");
	kit_write(f->dir, "\x01\x7f\\/x", "x");
	settle(f);
	assert_int_equal(kit_entries(&f->k), 8);
}

static void test_file_without_a_name_is_no_entry(void **state)
{
	struct fixture *f = *state;
	int fd;

	begin(f);
	fd = open(f->dir, O_TMPFILE | O_WRONLY, 0600);
	if (fd < 0) {
		print_message("skipped: no O_TMPFILE here: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	settle(f);
	assert_int_equal(kit_entries(&f->k), 0);
}

/* Trees. */

static void test_tree_that_grows_while_it_is_watched_is_complete(void **state)
{
	struct fixture *f = *state;

	begin(f);
	for (int i = 0; i < 100; i++) {
		char name[64];

		snprintf(name, sizeof(name), "a%d", i);
		make(f, name);
		snprintf(name, sizeof(name), "a%d/b", i);
		make(f, name);
		snprintf(name, sizeof(name), "a%d/b/c", i);
		make(f, name);
		snprintf(name, sizeof(name), "a%d/b/c/f", i);
		kit_write(f->dir, name, name);
		if (i % 10 == 0)
			kit_barrier(&f->k);
	}
	settle(f);
	assert_int_equal(kit_entries(&f->k), 400);
}

static void test_new_directory_is_fresh_only_where_nothing_can_be_missed(void **state)
{
	struct fixture *f = *state;
	unsigned fresh;

	begin(f);
	make(f, "new");
	kit_barrier(&f->k);
	fresh = kit_last(&f->k, OBSERVED_ENTRY, "new")->o.flags & OBSERVED_FRESH;
	assert_int_equal(fresh, f->variant->backend == WATCH_FANOTIFY ? OBSERVED_FRESH : 0);
	assert_int_equal(rename(f->other, path_of(f, "moved")), 0);
	kit_barrier(&f->k);
	assert_int_equal(kit_last(&f->k, OBSERVED_ENTRY, "moved")->o.flags, OBSERVED_RENAMED);
	settle(f);
}

static void test_moved_tree_is_watched_at_its_new_place(void **state)
{
	struct fixture *f = *state;

	make(f, "a");
	make(f, "a/b");
	make(f, "a/b/c");
	make(f, "d");
	begin(f);
	move(f, "a/b", "d/e");
	kit_write(f->dir, "d/e/c/f", "x");
	settle(f);
	move(f, "d", "a/d");
	kit_write(f->dir, "a/d/e/c/g", "y");
	make(f, "a/d/e/c/h");
	kit_write(f->dir, "a/d/e/c/h/i", "z");
	settle(f);
	assert_int_equal(kit_entries(&f->k), 8);
}

static void test_ping_pong_renames_end_where_the_file_is(void **state)
{
	struct fixture *f = *state;

	make(f, "a");
	make(f, "a/sub");
	begin(f);
	for (int i = 0; i < 50; i++) {
		move(f, "a", "t");
		kit_write(f->dir, "t/sub/x", "1");
		move(f, "t", "a");
		kit_write(f->dir, "a/sub/y", "22");
	}
	settle(f);
	kit_write(f->dir, "a/sub/z", "3");
	settle(f);
	assert_int_equal(kit_entries(&f->k), 5);
}

static void test_tree_that_comes_from_outside_is_listed_and_watched(void **state)
{
	struct fixture *f = *state;
	char sub[KIT_PATH_ROOM], inner[KIT_PATH_ROOM];

	kit_path(sub, f->other, "sub");
	kit_path(inner, sub, "inner");
	assert_int_equal(mkdir(sub, 0755), 0);
	assert_int_equal(mkdir(inner, 0755), 0);
	kit_write(inner, "file", "x");
	begin(f);
	kit_write(inner, "outside", "not yet ours");
	kit_barrier(&f->k);
	assert_int_equal(kit_count(&f->k, OBSERVED_ENTRY, "outside"), 0);
	assert_int_equal(rename(sub, path_of(f, "in")), 0);
	settle(f);
	kit_write(f->dir, "in/inner/more", "x");
	settle(f);
	assert_int_equal(kit_entries(&f->k), 5);
}

static void test_tree_that_left_is_heard_of_no_more(void **state)
{
	struct fixture *f = *state;
	char out[KIT_PATH_ROOM];

	make(f, "a");
	make(f, "a/b");
	begin(f);
	kit_path(out, f->other, "away");
	assert_int_equal(rename(path_of(f, "a"), out), 0);
	settle(f);
	assert_int_equal(kit_entries(&f->k), 0);
	kit_path(out, f->other, "away/b");
	kit_write(out, "x", "x");
	settle(f);
	assert_int_equal(kit_entries(&f->k), 0);
}

/* It may be taken for a move within the drive; what happened outside must not be missed. */
static void test_tree_that_left_and_came_back_changed_is_complete(void **state)
{
	struct fixture *f = *state;
	char out[KIT_PATH_ROOM], inner[KIT_PATH_ROOM];

	make(f, "a");
	make(f, "a/b");
	begin(f);
	kit_path(out, f->other, "away");
	kit_path(inner, f->other, "away/b");
	for (int i = 0; i < 3; i++) {
		char name[16];

		snprintf(name, sizeof(name), "x%d", i);
		assert_int_equal(rename(path_of(f, "a"), out), 0);
		if (i == 1)
			kit_barrier(&f->k);
		kit_write(inner, name, "x");
		if (i == 2)
			kit_barrier(&f->k);
		assert_int_equal(rename(out, path_of(f, "a")), 0);
		kit_sync(&f->k);
		kit_write(f->dir, "a/b/again", name);
		kit_sync(&f->k);
	}
	kit_assert_truth(&f->k);
}

static void test_directory_replaced_by_a_file_and_back(void **state)
{
	struct fixture *f = *state;

	begin(f);
	for (int i = 0; i < 10; i++) {
		make(f, "x");
		kit_write(f->dir, "x/y", "1");
		if (i % 2)
			kit_barrier(&f->k);
		assert_int_equal(unlink(path_of(f, "x/y")), 0);
		assert_int_equal(rmdir(path_of(f, "x")), 0);
		kit_write(f->dir, "x", "file");
		if (i % 3 == 0)
			settle(f);
		assert_int_equal(unlink(path_of(f, "x")), 0);
	}
	make(f, "x");
	kit_write(f->dir, "x/last", "1");
	settle(f);
}

static void test_removing_a_tree_leaves_nothing(void **state)
{
	struct fixture *f = *state;

	make(f, "t");
	for (int i = 0; i < 20; i++) {
		char name[64];

		snprintf(name, sizeof(name), "t/d%d", i);
		make(f, name);
		snprintf(name, sizeof(name), "t/d%d/f", i);
		kit_write(f->dir, name, "x");
	}
	begin(f);
	kit_remove_tree(path_of(f, "t"));
	settle(f);
	assert_int_equal(kit_entries(&f->k), 0);
}

static void test_directory_deeper_than_any_path_is_seen(void **state)
{
	struct fixture *f = *state;
	char name[201];
	int fd;

	memset(name, 'd', 200);
	name[200] = 0;
	begin(f);
	fd = open(f->dir, O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 40; i++) {
		int below;

		assert_int_equal(mkdirat(fd, name, 0755), 0);
		below = openat(fd, name, O_RDONLY | O_DIRECTORY);
		assert_true(below >= 0);
		close(fd);
		fd = below;
	}
	kit_sync(&f->k);
	assert_int_equal(mkdirat(fd, "last", 0755), 0);
	kit_sync(&f->k);
	assert_int_equal(fchmodat(fd, "last", 0700, 0), 0);
	close(fd);
	settle(f);
	assert_int_equal(kit_entries(&f->k), 41);
	assert_int_equal(kit_last(&f->k, OBSERVED_ENTRY, "last")->o.state.mode, 0700);
}

/* Many. */

static void test_burst_of_files_is_complete(void **state)
{
	struct fixture *f = *state;

	begin(f);
	for (int i = 0; i < 10000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "f%d", i);
		kit_write(f->dir, name, "x");
	}
	kit_sync(&f->k);
	kit_assert_truth(&f->k); /* inotify's queue is short, but then it says so */
	assert_int_equal(kit_entries(&f->k), 10000);
}

static void test_barrier_is_after_all_that_was_done_before(void **state)
{
	struct fixture *f = *state;

	begin(f);
	for (int i = 0; i < 200; i++) {
		char name[32];
		const struct kit_frame *seen;

		snprintf(name, sizeof(name), "b%d", i);
		kit_write(f->dir, name, name);
		kit_barrier(&f->k);
		seen = kit_last(&f->k, OBSERVED_ENTRY, name);
		assert_non_null(seen);
		assert_true(seen->o.flags & OBSERVED_CLOSED);
		assert_int_equal(seen->o.state.size, strlen(name));
	}
	settle(f);
}

static void test_every_barrier_follows_a_batch_end(void **state)
{
	struct fixture *f = *state;

	begin(f);
	for (int i = 0; i < 20; i++) {
		kit_write(f->dir, "x", "y");
		kit_barrier(&f->k);
	}
	for (size_t i = 1; i < f->k.frame_count; i++) {
		if (f->k.frames[i]->o.type == OBSERVED_BARRIER)
			assert_true(f->k.frames[i - 1]->o.type == OBSERVED_BATCH_END ||
				    f->k.frames[i - 1]->o.type == OBSERVED_BARRIER);
	}
}

/* A writer in another process, and a scan and looks in the middle of it. */
static void test_scans_in_the_middle_of_changes_end_in_the_truth(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	begin(f);
	pid = fork();
	if (pid == 0) {
		unsigned seed = 5;

		for (int i = 0; i < 3000; i++) {
			char a[32], b[32];

			snprintf(a, sizeof(a), "d%d", rand_r(&seed) % 8);
			snprintf(b, sizeof(b), "d%d/d%d", rand_r(&seed) % 8, rand_r(&seed) % 4);
			switch (rand_r(&seed) % 7) {
			case 0:
				mkdir(path_of(f, a), 0755);
				break;
			case 1:
				mkdir(path_of(f, b), 0755);
				break;
			case 2:
				rename(path_of(f, a), path_of(f, b));
				break;
			case 3:
				rename(path_of(f, b), path_of(f, a));
				break;
			case 4:
				rmdir(path_of(f, b));
				break;
			case 5:
				renameat2(AT_FDCWD, path_of(f, a), AT_FDCWD, path_of(f, b), RENAME_EXCHANGE);
				break;
			case 6:
				close(open(path_of(f, strcat(b, "/file")), O_CREAT | O_WRONLY, 0644));
				break;
			}
		}
		_exit(0);
	}
	for (int i = 0; i < 50; i++)
		kit_wait(&f->k, OBSERVED_SCAN_END, kit_send_scan(&f->k, 7, &f->k.root));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	kit_sync(&f->k);
	kit_assert_truth(&f->k);
}

/* Drives that cannot be had. */

static void test_missing_root_fails_with_the_reason(void **state)
{
	struct fixture *f = *state;
	const struct kit_frame *failed;

	begin(f);
	failed = kit_drive(&f->k, 8, path_of(f, "missing"), WATCH_AUTO);
	assert_int_equal(failed->o.type, OBSERVED_FAILED);
	assert_int_equal(failed->o.error, -ENOENT);
	assert_non_null(strstr(failed->text, "missing"));
	kit_write(f->dir, "file", "x");
	assert_int_equal(kit_drive(&f->k, 8, path_of(f, "file"), WATCH_AUTO)->o.error, -ENOTDIR);
	assert_int_equal(symlink(".", path_of(f, "link")), 0);
	failed = kit_drive(&f->k, 8, path_of(f, "link"), WATCH_AUTO);
	assert_int_equal(failed->o.type, OBSERVED_FAILED);
}

static void test_removed_root_is_gone_once(void **state)
{
	struct fixture *f = *state;

	begin(f);
	assert_int_equal(rmdir(f->dir), 0);
	while (kit_next(&f->k)->o.type != OBSERVED_ROOT_GONE) {
	}
	kit_barrier(&f->k);
	assert_int_equal(kit_count(&f->k, OBSERVED_ROOT_GONE, NULL), 1);
}

static void test_renamed_root_is_gone_and_can_be_had_again(void **state)
{
	struct fixture *f = *state;
	char away[KIT_PATH_ROOM];

	make(f, "a");
	begin(f);
	kit_path(away, f->other, "away");
	assert_int_equal(rename(f->dir, away), 0);
	while (kit_next(&f->k)->o.type != OBSERVED_ROOT_GONE) {
	}
	assert_int_equal(mkdir(f->dir, 0755), 0);
	assert_int_equal(kit_drive(&f->k, 7, f->dir, f->variant->backend)->o.type, OBSERVED_READY);
	kit_forget(&f->k);
	kit_write(f->dir, "new", "x");
	kit_barrier(&f->k);
	assert_non_null(kit_last(&f->k, OBSERVED_ENTRY, "new"));
}

static void test_two_drives_of_one_file_system_are_kept_apart(void **state)
{
	struct fixture *f = *state;
	struct file_id other;
	const struct kit_frame *seen;
	char inside[KIT_PATH_ROOM];
	uint32_t n;

	make(f, "a");
	make(f, "a/b");
	begin(f);
	other = kit_drive(&f->k, 8, f->other, f->variant->backend)->o.id;
	n = kit_send_scan(&f->k, 8, &other);
	kit_wait(&f->k, OBSERVED_SCAN_END, n);
	kit_write(f->other, "there", "x");
	kit_write(f->dir, "here", "x");
	kit_barrier(&f->k);
	assert_int_equal(kit_last(&f->k, OBSERVED_ENTRY, "there")->o.drive, 8);
	assert_int_equal(kit_last(&f->k, OBSERVED_ENTRY, "here")->o.drive, 7);
	kit_path(inside, f->other, "a");
	assert_int_equal(rename(path_of(f, "a"), inside), 0);
	kit_barrier(&f->k);
	seen = kit_last(&f->k, OBSERVED_ENTRY, "a");
	assert_int_equal(seen->o.drive, 8);
	kit_wait(&f->k, OBSERVED_SCAN_END, kit_send_scan(&f->k, 8, &seen->o.id));
	seen = kit_last(&f->k, OBSERVED_ENTRY, "b");
	assert_int_equal(seen->o.drive, 8);
	kit_wait(&f->k, OBSERVED_SCAN_END, kit_send_scan(&f->k, 8, &seen->o.id));
	kit_path(inside, f->other, "a/b");
	kit_write(inside, "deep", "x");
	kit_barrier(&f->k);
	assert_int_equal(kit_last(&f->k, OBSERVED_ENTRY, "deep")->o.drive, 8);
}

static void test_nonsense_on_the_socket_ends_the_watcher(void **state)
{
	struct fixture *f = *state;
	char rest[256];

	begin(f);
	assert_int_equal(send(f->k.fd, "this is no frame at all", 23, 0), 23);
	while (recv(f->k.fd, rest, sizeof(rest), 0) > 0) {
	}
	f->started = false;
	assert_true(WIFEXITED(kit_end(&f->k)));
}

#define claim(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static int run_variant(const struct variant *v)
{
	const struct CMUnitTest tests[] = {
		claim(test_ready_tells_the_root),
		claim(test_scan_lists_what_was_there_before),
		claim(test_scan_of_what_is_no_directory_any_more_says_so),
		claim(test_look_answers_with_what_is_there),
		claim(test_requests_for_an_unknown_drive_are_answered),
		claim(test_write_and_close_are_told),
		claim(test_writer_of_a_replaced_file_is_not_taken_for_a_writer_of_the_new_one),
		claim(test_rename_tells_both_sides_in_one_batch),
		claim(test_exchange_is_seen_as_it_ends),
		claim(test_links_of_both_kinds_are_told),
		claim(test_removed_things_are_gone),
		claim(test_mode_of_files_and_directories_is_told),
		claim(test_truncate_and_touch_are_told),
		claim(test_sockets_and_fifos_are_no_entries),
		claim(test_every_name_the_kernel_takes_travels),
		claim(test_file_without_a_name_is_no_entry),
		claim(test_tree_that_grows_while_it_is_watched_is_complete),
		claim(test_new_directory_is_fresh_only_where_nothing_can_be_missed),
		claim(test_moved_tree_is_watched_at_its_new_place),
		claim(test_ping_pong_renames_end_where_the_file_is),
		claim(test_tree_that_comes_from_outside_is_listed_and_watched),
		claim(test_tree_that_left_is_heard_of_no_more),
		claim(test_tree_that_left_and_came_back_changed_is_complete),
		claim(test_directory_replaced_by_a_file_and_back),
		claim(test_removing_a_tree_leaves_nothing),
		claim(test_directory_deeper_than_any_path_is_seen),
		claim(test_burst_of_files_is_complete),
		claim(test_barrier_is_after_all_that_was_done_before),
		claim(test_every_barrier_follows_a_batch_end),
		claim(test_scans_in_the_middle_of_changes_end_in_the_truth),
		claim(test_missing_root_fails_with_the_reason),
		claim(test_removed_root_is_gone_once),
		claim(test_renamed_root_is_gone_and_can_be_had_again),
		claim(test_two_drives_of_one_file_system_are_kept_apart),
		claim(test_nonsense_on_the_socket_ends_the_watcher),
	};

	variant = v;
	print_message("--- %s\n", v->name);
	return cmocka_run_group_tests_name(v->name, tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	static const struct variant variants[] = {
		{.name = "fanotify, disk", .base = "/var/tmp", .backend = WATCH_FANOTIFY},
		{.name = "fanotify, tmpfs", .base = "/dev/shm", .backend = WATCH_FANOTIFY},
		{.name = "inotify, disk", .base = "/var/tmp", .backend = WATCH_INOTIFY},
		{.name = "inotify, tmpfs", .base = "/dev/shm", .backend = WATCH_INOTIFY},
		{.name = "inotify, disk, no capabilities",
		 .base = "/var/tmp",
		 .backend = WATCH_INOTIFY,
		 .bare = true},
	};
	int failed = 0;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
		failed += run_variant(&variants[i]);
	return failed;
}
