/* Configured paths against a real directory tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/config.h"

struct fixture {
	char *base; /* the directory of this test */
	char paths[4][128];
	char state_dir[128];
	struct config_drive drives[4];
	struct config config;
	uint64_t devices[4];
	char error[CONFIG_ERROR_MAX];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->base = strdup("/tmp/config_paths.XXXXXX");
	assert_non_null(f->base);
	assert_non_null(mkdtemp(f->base));
	f->config.drives = f->drives;
	snprintf(f->state_dir, sizeof(f->state_dir), "%s/state", f->base);
	f->config.state_dir = f->state_dir;
	*state = f;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	nftw(f->base, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	free(f->base);
	free(f);
	return 0;
}

static void make_dir(struct fixture *f, const char *name)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s", f->base, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void make_link(struct fixture *f, const char *target, const char *name)
{
	char from[192], path[192];

	snprintf(from, sizeof(from), "%s/%s", f->base, target);
	snprintf(path, sizeof(path), "%s/%s", f->base, name);
	assert_int_equal(symlink(from, path), 0);
}

/* A name that begins with a slash is a whole path. */
static void add_drive(struct fixture *f, const char *drive, const char *name)
{
	size_t i = f->config.drive_count++;

	if (name[0] == '/')
		snprintf(f->paths[i], sizeof(f->paths[i]), "%s", name);
	else
		snprintf(f->paths[i], sizeof(f->paths[i]), "%s/%s", f->base, name);
	snprintf(f->drives[i].name, sizeof(f->drives[i].name), "%s", drive);
	f->drives[i].path = f->paths[i];
}

static int check(struct fixture *f)
{
	return config_check_paths(&f->config, f->devices, f->error);
}

/* In `expected` each % stands for the base directory. */
static void refuse(struct fixture *f, const char *expected)
{
	char want[1024] = "";
	size_t len = 0;

	for (const char *p = expected; *p != '\0'; p++)
		len += (size_t)snprintf(want + len, sizeof(want) - len, *p == '%' ? "%s" : "%.1s",
					*p == '%' ? f->base : p);
	assert_int_equal(check(f), -EINVAL);
	assert_string_equal(f->error, want);
}

static void test_good_paths_pass_and_tell_their_device(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	make_dir(f, "a");
	make_dir(f, "ab");
	add_drive(f, "one", "a");
	add_drive(f, "two", "ab");
	assert_int_equal(check(f), 0);
	assert_string_equal(f->error, "");
	assert_int_equal(stat(f->base, &st), 0);
	assert_true(f->devices[0] == st.st_dev && f->devices[1] == st.st_dev);
}

static void test_a_missing_root_is_no_error_and_has_no_device(void **state)
{
	struct fixture *f = *state;

	add_drive(f, "one", "missing");
	f->devices[0] = 7;
	assert_int_equal(check(f), 0);
	assert_true(f->devices[0] == 0);
}

/* In a child, which becomes nobody: root may read everything. */
static int unreadable_result(struct fixture *f)
{
	if (geteuid() == 0 && setuid(65534) != 0)
		return 77;
	return check(f) == 0 && f->devices[0] == 0 ? 0 : 1;
}

static void in_child(struct fixture *f, int (*result)(struct fixture *f))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(result(f));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip(); /* not allowed here */
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_an_unreadable_root_is_no_error_and_has_no_device(void **state)
{
	struct fixture *f = *state;

	make_dir(f, "a");
	add_drive(f, "one", "a");
	assert_int_equal(chmod(f->paths[0], 0), 0);
	assert_int_equal(chmod(f->base, 0755), 0);
	in_child(f, unreadable_result);
}

static void test_a_symlink_is_refused(void **state)
{
	struct fixture *f = *state;

	make_dir(f, "a");
	make_link(f, "a", "link");
	add_drive(f, "one", "link");
	refuse(f, "path of drive \"one\" is a symlink: %/link; write the directory that it leads to");
}

static void test_a_relative_path_is_refused(void **state)
{
	struct fixture *f = *state;

	add_drive(f, "one", "a");
	strcpy(f->paths[0], "srv");
	refuse(f, "path of drive \"one\" is not absolute: srv; begin it with a slash");
}

static void test_a_file_is_refused(void **state)
{
	struct fixture *f = *state;

	add_drive(f, "one", "/etc/passwd");
	refuse(f, "path of drive \"one\" is not a directory: /etc/passwd; a drive is a whole directory");
}

static void test_a_pseudo_file_system_is_refused(void **state)
{
	struct fixture *f = *state;

	add_drive(f, "one", "/proc");
	refuse(f, "path of drive \"one\" is on proc, which the kernel makes up: /proc; choose a directory on "
		  "a disk");
	strcpy(f->paths[0], "/sys/kernel");
	refuse(f, "path of drive \"one\" is on sysfs, which the kernel makes up: /sys/kernel; choose a "
		  "directory on a "
		  "disk");
}

static void test_a_state_dir_inside_a_drive_is_refused(void **state)
{
	struct fixture *f = *state;

	make_dir(f, "a");
	make_dir(f, "a/state");
	add_drive(f, "one", "a");
	snprintf(f->state_dir, sizeof(f->state_dir), "%s/a/state", f->base);
	refuse(f, "state_dir %/a/state lies inside drive \"one\" (%/a); choose a directory outside of every "
		  "drive");
	snprintf(f->state_dir, sizeof(f->state_dir), "%s/a", f->base);
	refuse(f, "state_dir %/a lies inside drive \"one\" (%/a); choose a directory outside of every drive");
}

static void test_a_state_dir_that_would_be_made_inside_a_drive_is_refused(void **state)
{
	struct fixture *f = *state;

	make_dir(f, "a");
	make_dir(f, "b");
	add_drive(f, "two", "b");
	add_drive(f, "one", "a");
	snprintf(f->state_dir, sizeof(f->state_dir), "%s/a/not/yet", f->base);
	refuse(f, "state_dir %/a/not/yet lies inside drive \"one\" (%/a); choose a directory outside of "
		  "every drive");
}

static void test_a_state_dir_behind_a_symlink_into_a_drive_is_refused(void **state)
{
	struct fixture *f = *state;

	make_dir(f, "a");
	make_dir(f, "a/s");
	make_link(f, "a/s", "link");
	add_drive(f, "one", "a");
	snprintf(f->state_dir, sizeof(f->state_dir), "%s/link/new", f->base);
	refuse(f, "state_dir %/link/new lies inside drive \"one\" (%/a); choose a directory outside of every "
		  "drive");
}

static void test_a_drive_inside_the_state_dir_is_no_error(void **state)
{
	struct fixture *f = *state;

	make_dir(f, "state");
	make_dir(f, "state/a");
	add_drive(f, "one", "state/a");
	assert_int_equal(check(f), 0);
}

static void test_a_file_on_the_way_to_the_state_dir_is_told(void **state)
{
	struct fixture *f = *state;

	make_dir(f, "a");
	add_drive(f, "one", "a");
	strcpy(f->state_dir, "/etc/passwd/state");
	refuse(f, "state_dir /etc/passwd/state cannot be used: Not a directory; correct `state_dir` in "
		  "[server]");
}

static void test_two_drives_on_one_directory_are_refused(void **state)
{
	struct fixture *f = *state;

	make_dir(f, "a");
	make_dir(f, "a/b");
	make_link(f, "a", "link");
	add_drive(f, "one", "a/b");
	add_drive(f, "two", "link/b");
	refuse(f, "drives \"one\" (%/a/b) and \"two\" (%/link/b) are the same directory; remove one");
}

static void test_a_nested_drive_is_refused_in_either_order(void **state)
{
	struct fixture *f = *state;

	make_dir(f, "a");
	make_dir(f, "a/b");
	make_dir(f, "a/b/c");
	add_drive(f, "in", "a/b/c");
	add_drive(f, "out", "a");
	refuse(f,
	       "drive \"in\" (%/a/b/c) lies inside drive \"out\" (%/a) on the same file system; remove one");
	strcpy(f->drives[0].name, "out");
	strcpy(f->drives[1].name, "in");
	f->drives[0].path = f->paths[1];
	f->drives[1].path = f->paths[0];
	refuse(f,
	       "drive \"in\" (%/a/b/c) lies inside drive \"out\" (%/a) on the same file system; remove one");
}

/* In a child with a mount namespace of its own, so that nothing is left behind. */
static int nested_mount_result(struct fixture *f)
{
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", f->paths[1], "tmpfs", 0, NULL) != 0)
		return 77;
	return check(f) == 0 && f->devices[0] != f->devices[1] && f->devices[1] != 0 ? 0 : 1;
}

static void test_a_nested_drive_on_another_file_system_is_allowed(void **state)
{
	struct fixture *f = *state;

	make_dir(f, "a");
	make_dir(f, "a/b");
	add_drive(f, "out", "a");
	add_drive(f, "in", "a/b");
	in_child(f, nested_mount_result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_good_paths_pass_and_tell_their_device, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_missing_root_is_no_error_and_has_no_device, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_an_unreadable_root_is_no_error_and_has_no_device, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_symlink_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_relative_path_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_file_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_pseudo_file_system_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_state_dir_inside_a_drive_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_state_dir_that_would_be_made_inside_a_drive_is_refused,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_state_dir_behind_a_symlink_into_a_drive_is_refused,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_drive_inside_the_state_dir_is_no_error, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_file_on_the_way_to_the_state_dir_is_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_two_drives_on_one_directory_are_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_nested_drive_is_refused_in_either_order, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_nested_drive_on_another_file_system_is_allowed, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
