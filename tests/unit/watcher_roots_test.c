/* Roots that are mounts, and go; mounts inside a drive; file systems that only inotify can watch. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "watcher_kit.h"

struct fixture {
	struct kit k;
	bool started;
	char top[KIT_PATH_ROOM], drive[KIT_PATH_ROOM], other[KIT_PATH_ROOM];
};

/* Mounts of this program are its own: nobody else sees them, and they end with it. */
static bool make_mounts_private(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	kit_make_dir(f->top, "/var/tmp");
	kit_path(f->drive, f->top, "drive");
	kit_path(f->other, f->top, "other");
	mkdir(f->drive, 0755);
	mkdir(f->other, 0755);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->started) {
		kill(f->k.pid, SIGCONT); /* where a test failed while it was stopped */
		kit_stop(&f->k);
	}
	while (umount2(f->drive, MNT_DETACH) == 0) {
	}
	kit_remove_tree(f->top);
	free(f);
	return 0;
}

static void stop_watcher(struct fixture *f)
{
	int status;

	assert_int_equal(kill(f->k.pid, SIGSTOP), 0);
	assert_int_equal(waitpid(f->k.pid, &status, WUNTRACED), f->k.pid);
	assert_true(WIFSTOPPED(status));
}

static void mount_tmpfs(const char *path)
{
	if (mount("none", path, "tmpfs", 0, NULL) == 0)
		return;
	print_message("skipped: cannot mount a tmpfs: %s\n", strerror(errno));
	skip();
}

static void begin(struct fixture *f, enum watch_backend backend)
{
	const struct kit_frame *ready;

	kit_start(&f->k);
	f->started = true;
	ready = kit_drive(&f->k, 1, f->drive, backend);
	assert_int_equal(ready->o.type, OBSERVED_READY);
	kit_follow(&f->k, ready, f->drive);
	kit_sync(&f->k);
}

static void await_root_gone(struct fixture *f)
{
	while (kit_next(&f->k)->o.type != OBSERVED_ROOT_GONE) {
	}
	kit_barrier(&f->k);
	assert_int_equal(kit_count(&f->k, OBSERVED_ROOT_GONE, NULL), 1);
	assert_int_equal(kit_count(&f->k, OBSERVED_GONE, NULL), 0);
}

static const enum watch_backend backends[] = {WATCH_FANOTIFY, WATCH_INOTIFY};

/* Run a claim with each backend, each with a fixture of its own. */
static void with_each(void (*claim)(struct fixture *f, enum watch_backend backend))
{
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		void *state;

		setup(&state);
		claim(state, backends[i]);
		teardown(&state);
	}
}

static void unmount(struct fixture *f, enum watch_backend backend)
{
	mount_tmpfs(f->drive);
	kit_write(f->drive, "file", "x");
	begin(f, backend);
	kit_write(f->drive, "more", "x");
	kit_sync(&f->k);
	kit_assert_truth(&f->k);
	while (umount(f->drive) != 0) /* the watcher may have it open for the blink of an eye */
		assert_int_equal(errno, EBUSY);
	await_root_gone(f);
}

static void test_unmount_succeeds_and_the_root_is_gone(void **state)
{
	(void)state;
	with_each(unmount);
}

static void unmount_lazily(struct fixture *f, enum watch_backend backend)
{
	mount_tmpfs(f->drive);
	begin(f, backend);
	assert_int_equal(umount2(f->drive, MNT_DETACH), 0);
	await_root_gone(f);
}

static void test_lazy_unmount_takes_the_root_away(void **state)
{
	(void)state;
	with_each(unmount_lazily);
}

static void mount_over(struct fixture *f, enum watch_backend backend)
{
	begin(f, backend);
	mount_tmpfs(f->drive);
	await_root_gone(f);
}

static void test_mount_over_the_root_takes_it_away(void **state)
{
	(void)state;
	with_each(mount_over);
}

/* The new one has the same inode numbers, and perhaps the same mount id and device number. */
static void remount(struct fixture *f, enum watch_backend backend)
{
	const struct kit_frame *ready;

	mount_tmpfs(f->drive);
	begin(f, backend);
	while (umount(f->drive) != 0)
		assert_int_equal(errno, EBUSY);
	mount_tmpfs(f->drive);
	await_root_gone(f);
	ready = kit_drive(&f->k, 1, f->drive, backend);
	assert_int_equal(ready->o.type, OBSERVED_READY);
	kit_forget(&f->k);
	kit_write(f->drive, "new", "x");
	kit_barrier(&f->k);
	assert_non_null(kit_last(&f->k, OBSERVED_ENTRY, "new"));
}

static void test_another_mount_at_the_same_place_is_another_root(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		with_each(remount);
}

static void unlink_in(const char *dir, const char *name)
{
	char path[KIT_PATH_ROOM];

	kit_path(path, dir, name);
	assert_int_equal(unlink(path), 0);
}

static void mount_inside(struct fixture *f, enum watch_backend backend)
{
	char inner[KIT_PATH_ROOM], bound[KIT_PATH_ROOM];
	const struct kit_frame *seen;

	kit_path(inner, f->drive, "inner");
	kit_path(bound, f->drive, "bound");
	mkdir(inner, 0755);
	mkdir(bound, 0755);
	mount_tmpfs(inner);
	assert_int_equal(mount(f->other, bound, NULL, MS_BIND, NULL), 0);
	kit_write(inner, "unseen", "x");
	begin(f, backend);
	kit_write(inner, "unseen too", "x");
	kit_write(bound, "unseen either", "x");
	kit_sync(&f->k);
	seen = kit_last(&f->k, OBSERVED_ENTRY, "inner");
	assert_true(seen->o.state.mount);
	assert_true(file_id_is_weak(&seen->o.id));
	assert_true(kit_last(&f->k, OBSERVED_ENTRY, "bound")->o.state.mount);
	assert_int_equal(kit_entries(&f->k), 2);
	umount(inner);
	umount(bound);
}

static void test_mount_inside_a_drive_is_told_and_not_entered(void **state)
{
	(void)state;
	with_each(mount_inside);
}

static const struct kit_frame *await_entry(struct fixture *f, const char *name, bool mount)
{
	const struct kit_frame *seen;

	do
		seen = kit_next(&f->k);
	while (seen->o.type != OBSERVED_ENTRY || strcmp(seen->name, name) != 0 ||
	       seen->o.state.mount != mount);
	return seen;
}

static void mount_over_subdirectory(struct fixture *f, enum watch_backend backend)
{
	char parent[KIT_PATH_ROOM], renamed[KIT_PATH_ROOM], inner[KIT_PATH_ROOM], strange[KIT_PATH_ROOM];
	const struct kit_frame *seen;
	struct file_id before;

	kit_path(parent, f->drive, "parent");
	kit_path(renamed, f->drive, "renamed");
	kit_path(inner, parent, "in ner\\x");
	mkdir(parent, 0755);
	mkdir(inner, 0750);
	kit_write(inner, "covered", "x");
	begin(f, backend);
	before = kit_last(&f->k, OBSERVED_ENTRY, "in ner\\x")->o.id;
	mount_tmpfs(inner);
	seen = await_entry(f, "in ner\\x", true);
	assert_true(file_id_is_weak(&seen->o.id));
	do
		seen = kit_next(&f->k);
	while (seen->o.type != OBSERVED_MOUNTS);
	assert_int_equal(seen->o.count, 1);
	assert_string_equal(seen->text, "parent/in ner\\x");
	kit_sync(&f->k);
	kit_forget(&f->k);
	assert_int_equal(rename(parent, renamed), 0); /* the mount goes along, and the table shows it there */
	kit_sync(&f->k);
	kit_path(strange, renamed, "in ner\\x");
	assert_int_equal(umount(strange), 0);
	seen = await_entry(f, "in ner\\x", false);
	assert_true(file_id_equal(&seen->o.id, &before));
	assert_int_equal(seen->o.state.mode, 0750);
	do
		seen = kit_next(&f->k);
	while (seen->o.type != OBSERVED_MOUNTS);
	assert_int_equal(seen->o.count, 0);
	kit_sync(&f->k);
	kit_assert_truth(&f->k);
	assert_int_equal(kit_count(&f->k, OBSERVED_GONE, "covered"), 0);
}

static void test_mount_over_a_subdirectory_is_noticed_and_its_end_too(void **state)
{
	(void)state;
	with_each(mount_over_subdirectory);
}

/* By another mount of the same file system what is covered can still be reached. */
static void test_what_a_mount_covers_is_not_told(void **state)
{
	struct fixture *f = *state;
	char inner[KIT_PATH_ROOM], deep[KIT_PATH_ROOM], way[KIT_PATH_ROOM], covered[KIT_PATH_ROOM];

	kit_path(inner, f->drive, "inner");
	kit_path(deep, inner, "deep");
	kit_path(way, f->top, "way");
	kit_path(covered, way, "inner/deep");
	mkdir(inner, 0755);
	mkdir(deep, 0755);
	mkdir(way, 0755);
	assert_int_equal(mount(f->drive, way, NULL, MS_BIND, NULL), 0);
	begin(f, WATCH_FANOTIFY);
	assert_int_equal(mount(f->other, inner, NULL, MS_BIND, NULL), 0); /* of the same file system */
	await_entry(f, "inner", true);
	kit_sync(&f->k);
	kit_write(covered, "unseen", "x");
	kit_write(f->drive, "seen", "x");
	kit_sync(&f->k);
	assert_non_null(kit_last(&f->k, OBSERVED_ENTRY, "seen"));
	assert_null(kit_last(&f->k, OBSERVED_ENTRY, "unseen"));
	assert_int_equal(umount(inner), 0);
	await_entry(f, "inner", false);
	kit_sync(&f->k);
	assert_non_null(kit_last(&f->k, OBSERVED_ENTRY, "unseen"));
	kit_assert_truth(&f->k);
	umount2(way, MNT_DETACH);
}

/* No event tells of mounts below the root, so who hears of one asks for a look. */
static void look_at_inner(struct fixture *f)
{
	uint32_t n = kit_send_look(&f->k, 1, &f->k.root, "inner");

	kit_wait(&f->k, OBSERVED_LOOKED, n);
	kit_sync(&f->k);
}

static void mount_that_comes_and_goes(struct fixture *f, enum watch_backend backend)
{
	char inner[KIT_PATH_ROOM], deep[KIT_PATH_ROOM];

	kit_path(inner, f->drive, "inner");
	kit_path(deep, inner, "deep");
	mkdir(inner, 0755);
	mkdir(deep, 0755);
	begin(f, backend);
	kit_sync(&f->k);
	for (int i = 0; i < 2; i++) {
		mount_tmpfs(inner);
		look_at_inner(f);
		assert_true(kit_last(&f->k, OBSERVED_ENTRY, "inner")->o.state.mount);
		assert_int_equal(umount(inner), 0);
		kit_write(deep, "before the look", "x");
		look_at_inner(f);
		kit_write(deep, "after it", "x");
		kit_sync(&f->k);
		kit_assert_truth(&f->k);
		unlink_in(deep, "before the look");
		unlink_in(deep, "after it");
		kit_sync(&f->k);
		kit_assert_truth(&f->k);
	}
}

static void test_directory_is_watched_again_when_a_mount_on_it_went(void **state)
{
	(void)state;
	with_each(mount_that_comes_and_goes);
}

/* Two drives on two mounts of one file system, the second seen through a bind mount of a directory. */
static void test_drives_behind_bind_mounts_are_told_apart(void **state)
{
	struct fixture *f = *state;
	char bound[KIT_PATH_ROOM], deep[KIT_PATH_ROOM];
	const struct kit_frame *ready;

	kit_path(bound, f->top, "bound");
	kit_path(deep, f->other, "deep");
	assert_int_equal(mkdir(bound, 0755), 0);
	assert_int_equal(mkdir(deep, 0755), 0);
	assert_int_equal(mount(f->other, bound, NULL, MS_BIND, NULL), 0);
	begin(f, WATCH_FANOTIFY);
	ready = kit_drive(&f->k, 2, bound, WATCH_FANOTIFY);
	assert_int_equal(ready->o.type, OBSERVED_READY);
	kit_write(f->drive, "one", "x");
	kit_write(deep, "two", "x"); /* by its other name */
	kit_barrier(&f->k);
	assert_int_equal(kit_last(&f->k, OBSERVED_ENTRY, "one")->o.drive, 1);
	assert_int_equal(kit_last(&f->k, OBSERVED_ENTRY, "two")->o.drive, 2);
	umount2(bound, MNT_DETACH);
}

static bool holds_open(pid_t pid, const char *path)
{
	char dir[64], link[128], target[KIT_PATH_ROOM];
	bool held = false;

	snprintf(dir, sizeof(dir), "/proc/%d/fd", (int)pid);
	for (int fd = 0; fd < 64 && !held; fd++) {
		ssize_t n;

		snprintf(link, sizeof(link), "%s/%d", dir, fd);
		n = readlink(link, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = 0;
		held = strcmp(target, path) == 0;
	}
	return held;
}

/* A second drive on the same file system, whose root goes while the watcher has events of both to read. */
static void lose_second_root(struct fixture *f, void (*take_away)(struct fixture *f))
{
	char below[KIT_PATH_ROOM];
	const struct kit_frame *ready;

	kit_path(below, f->other, "below");
	assert_int_equal(mkdir(below, 0755), 0);
	begin(f, WATCH_FANOTIFY);
	ready = kit_drive(&f->k, 2, f->other, WATCH_FANOTIFY);
	assert_int_equal(ready->o.type, OBSERVED_READY);
	kit_barrier(&f->k);
	kit_forget(&f->k);
	while (holds_open(f->k.pid, f->other)) /* a root that is open is not missed */
		sched_yield();
	stop_watcher(f);
	kit_write(below, "second", "x");
	kit_write(f->drive, "first", "x");
	take_away(f);
	assert_int_equal(kill(f->k.pid, SIGCONT), 0);
	await_root_gone(f);
	assert_int_equal(kit_last(&f->k, OBSERVED_ROOT_GONE, "")->o.drive, 2);
	assert_int_equal(kit_last(&f->k, OBSERVED_ENTRY, "first")->o.drive, 1);
	assert_int_equal(kit_count(&f->k, OBSERVED_OVERFLOW, NULL), 0);
}

static void remove_other(struct fixture *f)
{
	kit_remove_tree(f->other);
}

static void rename_other(struct fixture *f)
{
	char moved[KIT_PATH_ROOM];

	kit_path(moved, f->top, "moved");
	assert_int_equal(rename(f->other, moved), 0);
}

static void test_a_root_that_is_deleted_concerns_its_drive_alone(void **state)
{
	lose_second_root(*state, remove_other);
}

static void test_a_root_that_is_renamed_concerns_its_drive_alone(void **state)
{
	lose_second_root(*state, rename_other);
}

/* The watcher has no descriptor left when it has to find out where a directory lies that it never saw. */
static void test_a_shortage_hides_a_directory_for_no_longer_than_it_lasts(void **state)
{
	struct fixture *f = *state;
	const struct rlimit none = {.rlim_cur = 3, .rlim_max = 1024}, enough = {1024, 1024};
	char below[KIT_PATH_ROOM];

	kit_path(below, f->drive, "below");
	assert_int_equal(mkdir(below, 0755), 0);
	kit_start(&f->k);
	f->started = true;
	assert_int_equal(kit_drive(&f->k, 1, f->drive, WATCH_FANOTIFY)->o.type, OBSERVED_READY);
	assert_int_equal(prlimit(f->k.pid, RLIMIT_NOFILE, &none, NULL), 0);
	kit_write(below, "hidden", "x");
	kit_barrier(&f->k);
	assert_null(kit_last(&f->k, OBSERVED_ENTRY, "hidden"));
	assert_true(kit_count(&f->k, OBSERVED_OVERFLOW, NULL) > 0);
	assert_int_equal(prlimit(f->k.pid, RLIMIT_NOFILE, &enough, NULL), 0);
	kit_write(below, "seen", "x");
	kit_barrier(&f->k);
	assert_non_null(kit_last(&f->k, OBSERVED_ENTRY, "seen"));
}

/* A descriptor of the watcher's fanotify group. */
static int borrow_group(pid_t pid)
{
	char link[64], target[64];
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), found = -1;

	for (int fd = 0; fd < 64 && found < 0; fd++) {
		ssize_t n;

		snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, fd);
		n = readlink(link, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = 0;
		if (strstr(target, "[fanotify]") != NULL)
			found = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	}
	close(pidfd);
	assert_true(found >= 0);
	return found;
}

static int waiting_bytes(int group)
{
	int waiting = -1;

	assert_int_equal(ioctl(group, FIONREAD, &waiting), 0);
	return waiting;
}

/* On a file system of its own, where nobody else raises events. */
static void test_what_is_to_be_ignored_raises_no_event(void **state)
{
	struct fixture *f = *state;
	char drive[KIT_PATH_ROOM], own[KIT_PATH_ROOM], store[KIT_PATH_ROOM], file[KIT_PATH_ROOM];
	int group, fd;

	mount_tmpfs(f->drive);
	kit_path(drive, f->drive, "drive");
	kit_path(own, f->drive, "own");
	kit_path(store, own, "store");
	kit_path(file, store, "data");
	mkdir(drive, 0755);
	mkdir(own, 0700);
	mkdir(store, 0700);
	kit_write(store, "data", "x");
	kit_start(&f->k);
	f->started = true;
	kit_send_ignore(&f->k, own);
	assert_int_equal(kit_drive(&f->k, 1, drive, WATCH_FANOTIFY)->o.type, OBSERVED_READY);
	kit_barrier(&f->k);
	group = borrow_group(f->k.pid);
	stop_watcher(f);
	fd = open(file, O_RDWR);
	assert_int_equal(pwrite(fd, "y", 1, 0), 1);
	assert_int_equal(fdatasync(fd), 0);
	close(fd);
	kit_write(store, "new", "x");
	kit_write(own, "new", "x");
	assert_int_equal(waiting_bytes(group), 0);
	kit_write(drive, "seen", "x");
	assert_true(waiting_bytes(group) > 0);
	close(group);
	assert_int_equal(kill(f->k.pid, SIGCONT), 0);
	kit_barrier(&f->k);
	assert_non_null(kit_last(&f->k, OBSERVED_ENTRY, "seen"));
}

/* More waits than one wake-up takes, and a barrier behind it. */
static void bury_barrier(struct fixture *f, enum watch_backend backend)
{
	uint32_t barrier;

	mount_tmpfs(f->drive);
	begin(f, backend);
	stop_watcher(f);
	for (int i = 0; i < 15000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "f%d", i);
		kit_write(f->drive, name, "x");
	}
	barrier = kit_send_barrier(&f->k);
	assert_int_equal(kill(f->k.pid, SIGCONT), 0);
	kit_wait(&f->k, OBSERVED_BARRIER, barrier);
	assert_true(f->k.overflows > 0 || kit_last(&f->k, OBSERVED_ENTRY, "f14999") != NULL);
}

static void test_a_barrier_is_answered_after_all_that_waited(void **state)
{
	(void)state;
	with_each(bury_barrier);
}

/* Stopped for a while; then it reports how much had gathered, and in the end that nothing waits. */
static void queue_grows(struct fixture *f, enum watch_backend backend)
{
	const struct kit_frame *seen;

	mount_tmpfs(f->drive);
	begin(f, backend);
	stop_watcher(f);
	for (int i = 0; i < 5000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "file number %d", i);
		kit_write(f->drive, name, "x");
	}
	assert_int_equal(kill(f->k.pid, SIGCONT), 0);
	do
		seen = kit_next(&f->k);
	while (seen->o.type != OBSERVED_GAUGES || seen->o.queue_bytes < 5000 * 32);
	assert_true(seen->o.lag_ms < 60000); /* and not since the machine was started */
	do
		seen = kit_next(&f->k);
	while (seen->o.type != OBSERVED_GAUGES || seen->o.queue_bytes > 0);
	assert_int_equal(seen->o.drive, 1);
	assert_int_equal(seen->o.lag_ms, 0);
}

static void test_gauges_tell_how_much_waits(void **state)
{
	(void)state;
	with_each(queue_grows);
}

/* FUSE: only inotify, weak ids, late events. */
static bool run_bindfs(const char *from, const char *to)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execlp("bindfs", "bindfs", from, to, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void write_through_fuse(struct fixture *f)
{
	char a[KIT_PATH_ROOM], b[KIT_PATH_ROOM];

	kit_path(a, f->drive, "a");
	kit_path(b, f->drive, "b");
	assert_int_equal(mkdir(a, 0755), 0);
	for (int i = 0; i < 50; i++) {
		char name[32];

		snprintf(name, sizeof(name), "f%d", i);
		kit_write(a, name, name);
	}
	assert_int_equal(rename(a, b), 0);
	kit_write(b, "last", "x");
	assert_int_equal(mkdir(a, 0755), 0);
	kit_write(a, "again", "x");
}

static void test_fuse_is_watched_by_inotify_with_weak_ids(void **state)
{
	struct fixture *f = *state;
	const struct kit_frame *ready;

	if (!run_bindfs(f->other, f->drive)) {
		print_message("skipped: bindfs cannot mount here\n");
		skip();
	}
	kit_start(&f->k);
	f->started = true;
	ready = kit_drive(&f->k, 1, f->drive, WATCH_FANOTIFY);
	assert_int_equal(ready->o.type, OBSERVED_FAILED);
	ready = kit_drive(&f->k, 1, f->drive, WATCH_AUTO);
	assert_int_equal(ready->o.type, OBSERVED_READY);
	assert_int_equal(ready->o.backend, WATCH_INOTIFY);
	assert_int_equal(ready->o.flags, WATCH_WEAK_IDS | WATCH_WEAK_BARRIER);
	assert_non_null(strstr(ready->text, "fuse"));
	kit_follow(&f->k, ready, f->drive);
	kit_sync(&f->k);
	write_through_fuse(f);
	kit_sync(&f->k);
	kit_assert_truth(&f->k);
	assert_int_equal(kit_entries(&f->k), 54);
	assert_int_equal(f->k.overflows, 0);
	kit_forget(&f->k);
	while (umount2(f->drive, 0) != 0)
		assert_int_equal(errno, EBUSY);
	await_root_gone(f);
}

static void test_overlay_is_watched(void **state)
{
	struct fixture *f = *state;
	char lower[KIT_PATH_ROOM], upper[KIT_PATH_ROOM], work[KIT_PATH_ROOM], options[4 * KIT_PATH_ROOM];
	const struct kit_frame *ready;

	mount_tmpfs(f->other);
	kit_path(lower, f->other, "lower");
	kit_path(upper, f->other, "upper");
	kit_path(work, f->other, "work");
	mkdir(lower, 0755);
	mkdir(upper, 0755);
	mkdir(work, 0755);
	kit_write(lower, "below", "x");
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work);
	if (mount("overlay", f->drive, "overlay", 0, options) != 0) {
		print_message("skipped: cannot mount an overlay: %s\n", strerror(errno));
		umount2(f->other, MNT_DETACH);
		skip();
	}
	kit_start(&f->k);
	f->started = true;
	ready = kit_drive(&f->k, 1, f->drive, WATCH_AUTO);
	assert_int_equal(ready->o.type, OBSERVED_READY);
	kit_follow(&f->k, ready, f->drive);
	kit_sync(&f->k);
	kit_write(f->drive, "below", "copied up");
	kit_write(f->drive, "above", "y");
	kit_sync(&f->k);
	kit_assert_truth(&f->k);
	umount2(f->drive, MNT_DETACH);
	umount2(f->other, MNT_DETACH);
}

#define claim(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		claim(test_unmount_succeeds_and_the_root_is_gone),
		claim(test_lazy_unmount_takes_the_root_away),
		claim(test_mount_over_the_root_takes_it_away),
		claim(test_another_mount_at_the_same_place_is_another_root),
		claim(test_mount_inside_a_drive_is_told_and_not_entered),
		claim(test_mount_over_a_subdirectory_is_noticed_and_its_end_too),
		claim(test_what_a_mount_covers_is_not_told),
		claim(test_directory_is_watched_again_when_a_mount_on_it_went),
		claim(test_drives_behind_bind_mounts_are_told_apart),
		claim(test_a_root_that_is_deleted_concerns_its_drive_alone),
		claim(test_a_root_that_is_renamed_concerns_its_drive_alone),
		claim(test_a_shortage_hides_a_directory_for_no_longer_than_it_lasts),
		claim(test_what_is_to_be_ignored_raises_no_event),
		claim(test_a_barrier_is_answered_after_all_that_waited),
		claim(test_gauges_tell_how_much_waits),
		claim(test_fuse_is_watched_by_inotify_with_weak_ids),
		claim(test_overlay_is_watched),
	};

	if (!kit_has_capabilities() || !make_mounts_private()) {
		print_message("skipped: mounting needs CAP_SYS_ADMIN: %s\n", strerror(errno));
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
