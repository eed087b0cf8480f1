/* Several processes that change a tree as they please, while it is scanned, looked at and overflowed;
 * whenever they rest, the replica must be the truth.  A run is repeated with its seed: watcher_storm_test
 * SEED ROUNDS. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "watcher_kit.h"

enum { WRITERS = 3, OPERATIONS = 400, NAMES = 5, DEPTH = 4 };

static unsigned first_seed = 1;
static int rounds = 4;

struct storm {
	struct kit k;
	char dir[KIT_PATH_ROOM], outside[KIT_PATH_ROOM];
	enum watch_backend backend;
	bool links;
};

/* A path of one to DEPTH names out of few, so that the writers meet; sometimes outside the drive, unless
 * there are hard links: what is written under another name out there is told to nobody. */
static void random_path(const struct storm *s, unsigned *seed, char out[KIT_PATH_ROOM])
{
	int depth = 1 + rand_r(seed) % DEPTH;

	strcpy(out, !s->links && rand_r(seed) % 12 == 0 ? s->outside : s->dir);
	for (int i = 0; i < depth; i++)
		sprintf(out + strlen(out), "/%c", 'a' + rand_r(seed) % NAMES);
}

static void write_some(const char *path, unsigned *seed, int flags)
{
	int fd = open(path, O_WRONLY | flags | O_NOFOLLOW, 0644);

	if (fd < 0)
		return;
	for (int n = rand_r(seed) % 3; n > 0; n--) {
		if (write(fd, "something", (size_t)(1 + rand_r(seed) % 9)) < 0)
			break;
	}
	close(fd);
}

static void operate(const struct storm *s, unsigned *seed)
{
	char a[KIT_PATH_ROOM], b[KIT_PATH_ROOM];

	random_path(s, seed, a);
	random_path(s, seed, b);
	switch (rand_r(seed) % 16) {
	case 0:
	case 1:
	case 2:
		mkdir(a, 0755);
		break;
	case 3:
	case 4:
	case 5:
		write_some(a, seed, O_CREAT);
		break;
	case 6:
		write_some(a, seed, O_APPEND);
		break;
	case 7:
	case 8:
	case 9:
		rename(a, b);
		break;
	case 10:
		renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
		break;
	case 11:
		if (s->links && link(a, b) != 0)
			unlink(b);
		break;
	case 12:
		if (symlink("a/b", a) != 0)
			unlink(a);
		break;
	case 13:
		unlink(a);
		break;
	case 14:
		rmdir(a);
		break;
	case 15:
		chmod(a, (mode_t)(0700 + rand_r(seed) % 8));
		break;
	}
}

static void unleash(const struct storm *s, unsigned seed, pid_t pids[WRITERS])
{
	for (int i = 0; i < WRITERS; i++) {
		unsigned own = seed * 31 + (unsigned)i;

		pids[i] = fork();
		if (pids[i] != 0)
			continue;
		for (int n = 0; n < OPERATIONS; n++)
			operate(s, &own);
		_exit(0);
	}
}

/* Look on while they write: scan, ask for barriers. */
static void watch_round(struct storm *s, pid_t pids[WRITERS])
{
	for (int i = 0; i < WRITERS; i++) {
		while (waitpid(pids[i], NULL, WNOHANG) == 0) {
			kit_wait(&s->k, OBSERVED_SCAN_END, kit_send_scan(&s->k, 1, &s->k.root));
			kit_barrier(&s->k);
		}
	}
	kit_sync(&s->k);
	if (s->links && s->backend == WATCH_INOTIFY)
		kit_look_at_files(&s->k); /* its events name no file: one written to under a name that came
					   * and went unseen is told to nobody */
	kit_assert_truth(&s->k);
	kit_forget(&s->k);
}

static void storm_with(const char *base, enum watch_backend backend, bool links)
{
	struct storm s = {.backend = backend, .links = links};
	pid_t pids[WRITERS];
	const struct kit_frame *ready;

	kit_make_dir(s.dir, base);
	kit_make_dir(s.outside, base);
	kit_start(&s.k);
	ready = kit_drive(&s.k, 1, s.dir, backend);
	kit_follow(&s.k, ready, s.dir);
	kit_sync(&s.k);
	for (int i = 0; i < rounds; i++) {
		print_message("seed %u\n", first_seed + (unsigned)i);
		unleash(&s, first_seed + (unsigned)i, pids);
		watch_round(&s, pids);
	}
	print_message("%zu entries, %u overflows\n", kit_entries(&s.k), s.k.overflows);
	kit_stop(&s.k);
	kit_remove_tree(s.dir);
	kit_remove_tree(s.outside);
}

static void storm(const char *base, enum watch_backend backend)
{
	storm_with(base, backend, true);
	storm_with(base, backend, false);
}

static void need_capabilities(void)
{
	if (kit_has_capabilities())
		return;
	print_message("skipped: fanotify needs CAP_SYS_ADMIN and CAP_DAC_READ_SEARCH\n");
	skip();
}

static void test_storm_on_disk_with_fanotify_ends_in_the_truth(void **state)
{
	(void)state;
	need_capabilities();
	storm("/var/tmp", WATCH_FANOTIFY);
}

static void test_storm_on_tmpfs_with_fanotify_ends_in_the_truth(void **state)
{
	(void)state;
	need_capabilities();
	storm("/dev/shm", WATCH_FANOTIFY);
}

static void test_storm_on_disk_with_inotify_ends_in_the_truth(void **state)
{
	(void)state;
	storm("/var/tmp", WATCH_INOTIFY);
}

static void test_storm_on_tmpfs_with_inotify_ends_in_the_truth(void **state)
{
	(void)state;
	storm("/dev/shm", WATCH_INOTIFY);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_storm_on_disk_with_fanotify_ends_in_the_truth),
		cmocka_unit_test(test_storm_on_tmpfs_with_fanotify_ends_in_the_truth),
		cmocka_unit_test(test_storm_on_disk_with_inotify_ends_in_the_truth),
		cmocka_unit_test(test_storm_on_tmpfs_with_inotify_ends_in_the_truth),
	};

	if (argc > 2) {
		first_seed = (unsigned)atoi(argv[1]);
		rounds = atoi(argv[2]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
