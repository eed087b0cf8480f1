/* A polled drive: nothing is told that was not asked for, and what moved is found by the next scans. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "watcher_kit.h"

struct fixture {
	struct kit k;
	char dir[KIT_PATH_ROOM], path[KIT_PATH_ROOM];
	struct file_id root;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct kit_frame *ready;

	*state = f;
	if (f == NULL)
		return -1;
	kit_make_dir(f->dir, "/var/tmp");
	kit_start_bare(&f->k);
	ready = kit_drive(&f->k, 1, f->dir, WATCH_POLL);
	assert_int_equal(ready->o.type, OBSERVED_READY);
	assert_int_equal(ready->o.backend, WATCH_POLL);
	assert_int_equal(ready->o.flags & WATCH_WEAK_BARRIER, WATCH_WEAK_BARRIER);
	f->root = ready->o.id;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kit_stop(&f->k);
	kit_remove_tree(f->dir);
	free(f);
	return 0;
}

static const char *at(struct fixture *f, const char *name)
{
	kit_path(f->path, f->dir, name);
	return f->path;
}

static int scan(struct fixture *f, const struct file_id *dir)
{
	return kit_wait(&f->k, OBSERVED_SCAN_END, kit_send_scan(&f->k, 1, dir))->o.error;
}

static int look(struct fixture *f, const struct file_id *dir, const char *name)
{
	return kit_wait(&f->k, OBSERVED_LOOKED, kit_send_look(&f->k, 1, dir, name))->o.error;
}

static struct file_id make_seen(struct fixture *f, const char *name)
{
	assert_int_equal(mkdir(at(f, name), 0755), 0);
	assert_int_equal(scan(f, &f->root), 0);
	return kit_last(&f->k, OBSERVED_ENTRY, name)->o.id;
}

static void move(struct fixture *f, const char *from, const char *to)
{
	char old[KIT_PATH_ROOM];

	kit_path(old, f->dir, from);
	assert_int_equal(rename(old, at(f, to)), 0);
}

static void test_only_scans_tell(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(scan(f, &f->root), 0);
	kit_write(f->dir, "song", "x");
	kit_barrier(&f->k);
	assert_null(kit_last(&f->k, OBSERVED_ENTRY, "song"));
	assert_int_equal(scan(f, &f->root), 0);
	assert_non_null(kit_last(&f->k, OBSERVED_ENTRY, "song"));
}

static void test_directory_that_moved_is_scanned_where_it_is_seen_next(void **state)
{
	struct fixture *f = *state;
	struct file_id a = make_seen(f, "a"), b = make_seen(f, "b");
	uint32_t waiting;

	kit_write(at(f, "a"), "song", "x");
	move(f, "a", "b/inside");
	waiting = kit_send_scan(&f->k, 1, &a);
	assert_int_equal(scan(f, &b), 0);
	assert_int_equal(kit_wait(&f->k, OBSERVED_SCAN_END, waiting)->o.error, 0);
	assert_non_null(kit_last(&f->k, OBSERVED_ENTRY, "song"));
}

static void test_directory_that_is_gone_is_said_to_be(void **state)
{
	struct fixture *f = *state;
	struct file_id a = make_seen(f, "a");

	assert_int_equal(rmdir(at(f, "a")), 0);
	assert_int_equal(scan(f, &a), -ESTALE);
}

static void test_look_in_a_directory_that_moved_does_not_say_gone(void **state)
{
	struct fixture *f = *state;
	struct file_id a = make_seen(f, "a");

	kit_write(at(f, "a"), "song", "x");
	move(f, "a", "b");
	assert_int_equal(look(f, &a, "song"), -EBUSY);
	assert_int_equal(scan(f, &a), -ESTALE);
	assert_int_equal(look(f, &a, "song"), -EBUSY);
	assert_int_equal(scan(f, &f->root), 0);
	assert_int_equal(look(f, &a, "song"), 0);
	assert_null(kit_last(&f->k, OBSERVED_GONE, "song"));
}

static void test_root_that_went_is_gone_at_the_next_scan(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rmdir(f->dir), 0);
	assert_int_equal(scan(f, &f->root), -ENODEV);
	kit_barrier(&f->k);
	assert_int_equal(kit_count(&f->k, OBSERVED_ROOT_GONE, NULL), 1);
}

#define claim(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		claim(test_only_scans_tell),
		claim(test_directory_that_moved_is_scanned_where_it_is_seen_next),
		claim(test_directory_that_is_gone_is_said_to_be),
		claim(test_look_in_a_directory_that_moved_does_not_say_gone),
		claim(test_root_that_went_is_gone_at_the_next_scan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
