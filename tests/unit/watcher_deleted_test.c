/* A directory that was deleted is gone, and never merely out of reach, however many were deleted before it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "watcher_kit.h"

enum { A_ROUND = 1000, ROUNDS = 67 }; /* more than inotify remembers at once */

static void name_of(char out[32], int n)
{
	snprintf(out, 32, "d%d", n);
}

static void make_all(struct kit *k, const char *dir, struct file_id *ids)
{
	char name[32], path[KIT_PATH_ROOM];

	for (int n = 0; n < A_ROUND; n++) {
		name_of(name, n);
		kit_path(path, dir, name);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	kit_forget(k);
	kit_wait(k, OBSERVED_SCAN_END, kit_send_scan(k, 1, &k->root));
	for (size_t i = 0; i < k->frame_count; i++) {
		const struct kit_frame *f = k->frames[i];
		int n;

		if (f->o.type == OBSERVED_ENTRY && sscanf(f->name, "d%d", &n) == 1)
			ids[n] = f->o.id;
	}
}

static void remove_all(struct kit *k, const char *dir)
{
	char name[32], path[KIT_PATH_ROOM];

	for (int n = 0; n < A_ROUND; n++) {
		name_of(name, n);
		kit_path(path, dir, name);
		assert_int_equal(rmdir(path), 0);
	}
	kit_barrier(k);
}

static void test_deleted_directories_are_gone(void **state)
{
	static struct file_id ids[A_ROUND];
	struct kit k;
	char dir[KIT_PATH_ROOM];
	const struct kit_frame *ready;

	(void)state;
	kit_make_dir(dir, "/dev/shm");
	kit_start(&k);
	ready = kit_drive(&k, 1, dir, WATCH_INOTIFY);
	assert_int_equal(ready->o.type, OBSERVED_READY);
	k.root = ready->o.id;
	for (int round = 0; round < ROUNDS; round++) {
		make_all(&k, dir, ids);
		remove_all(&k, dir);
		for (int n = 0; n < A_ROUND; n += 100)
			assert_int_equal(
				kit_wait(&k, OBSERVED_LOOKED, kit_send_look(&k, 1, &ids[n], "x"))->o.error,
				-ESTALE);
	}
	kit_stop(&k);
	kit_remove_tree(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deleted_directories_are_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
