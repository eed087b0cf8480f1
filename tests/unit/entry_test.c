/* A look at a name, pinned and from a list.  statx(2) and name_to_handle_at(2) are wrapped: a file can be
 * made to look old, and replaced between two calls. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "watcher/entry.h"

enum { OLD_S = 10 };

struct fixture {
	char path[64];
	int dir;
	struct entry_rule rule;
	char target[ENTRY_TARGET_ROOM];
};

static int by_name, pinned; /* handles that were asked for */
static bool look_old, born_long_ago;
static int replace_in = -1; /* the directory where `other` takes the place of `name` after the next handle */

int __real_name_to_handle_at(int dir, const char *name, struct file_handle *handle, int *mount, int flags);
int __wrap_name_to_handle_at(int dir, const char *name, struct file_handle *handle, int *mount, int flags);
int __real_statx(int dir, const char *name, int flags, unsigned mask, struct statx *x);
int __wrap_statx(int dir, const char *name, int flags, unsigned mask, struct statx *x);

int __wrap_name_to_handle_at(int dir, const char *name, struct file_handle *handle, int *mount, int flags)
{
	int r = __real_name_to_handle_at(dir, name, handle, mount, flags);

	*(flags & AT_EMPTY_PATH ? &pinned : &by_name) += 1;
	if (replace_in >= 0) {
		assert_int_equal(renameat(replace_in, "other", replace_in, "name"), 0);
		replace_in = -1;
		look_old = false;
	}
	return r;
}

int __wrap_statx(int dir, const char *name, int flags, unsigned mask, struct statx *x)
{
	int r = __real_statx(dir, name, flags, mask, x);

	if (r == 0 && look_old)
		x->stx_ctime.tv_sec -= OLD_S;
	if (r == 0 && born_long_ago)
		x->stx_btime.tv_sec -= OLD_S;
	return r;
}

static void make_file(struct fixture *f, const char *name, size_t size)
{
	int fd = openat(f->dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct stat st;

	strcpy(f->path, "/tmp/wakeline-entry-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fstat(f->dir, &st), 0);
	f->rule = (struct entry_rule){.form = FILE_ID_HANDLE, .device = st.st_dev};
	make_file(f, "name", 1);
	make_file(f, "other", 2);
	by_name = pinned = 0;
	look_old = true;
	born_long_ago = false;
	replace_in = -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlinkat(f->dir, "name", 0);
	unlinkat(f->dir, "other", 0);
	unlinkat(f->dir, "link", 0);
	close(f->dir);
	rmdir(f->path);
	free(f);
	return 0;
}

static struct observation look(struct fixture *f, const char *name)
{
	struct observation o = {0};

	assert_int_equal(entry_look(f->dir, name, &f->rule, &o, f->target), 0);
	if (o.id.bytes[8] != FILE_ID_HANDLE)
		skip(); /* this file system has no handles */
	by_name = pinned = 0;
	return o;
}

static struct observation look_listed(struct fixture *f, const char *name)
{
	struct observation o = {0};

	assert_int_equal(entry_look_listed(f->dir, name, &f->rule, &o, f->target), 0);
	return o;
}

static void test_old_file_in_a_list_is_the_same_without_a_pin(void **state)
{
	struct fixture *f = *state;
	struct observation expected = look(f, "name"), got = look_listed(f, "name");

	assert_true(file_id_equal(&got.id, &expected.id));
	assert_memory_equal(&got.state, &expected.state, sizeof(got.state));
	assert_int_equal(by_name, 1);
	assert_int_equal(pinned, 0);
}

static void test_file_that_is_replaced_between_two_calls_is_told_as_one_inode(void **state)
{
	struct fixture *f = *state;
	struct observation other = look(f, "other"), got;

	replace_in = f->dir;
	got = look_listed(f, "name");
	assert_int_equal(got.state.size, 2);
	assert_true(file_id_equal(&got.id, &other.id));
	assert_int_equal(pinned, 1);
}

static void test_file_that_was_touched_a_moment_ago_is_pinned(void **state)
{
	struct fixture *f = *state;

	look(f, "name");
	look_old = false;
	look_listed(f, "name");
	assert_int_equal(pinned, 1);
}

static void test_old_file_that_is_likely_known_is_told_without_a_handle(void **state)
{
	struct fixture *f = *state;
	struct observation expected = look(f, "name"), got = {0};

	born_long_ago = true;
	assert_int_equal(entry_look_known(f->dir, "name", &f->rule, &got, f->target), 0);
	assert_int_equal(got.flags, OBSERVED_BRIEF);
	assert_int_equal(file_id_inode(&got.id), file_id_inode(&expected.id));
	assert_int_equal(got.state.size, 1);
	assert_int_not_equal(got.state.birth.seconds, 0);
	assert_int_equal(by_name + pinned, 0);
}

static void test_file_that_was_just_born_has_no_birth_time_and_is_told_in_full(void **state)
{
	struct fixture *f = *state;
	struct observation expected = look(f, "name"), got = {0};

	assert_int_equal(entry_look_known(f->dir, "name", &f->rule, &got, f->target), 0);
	assert_int_equal(got.flags, 0);
	assert_true(file_id_equal(&got.id, &expected.id));
	assert_int_equal(got.state.birth.seconds, 0);
}

static void test_symlink_in_a_list_has_its_target(void **state)
{
	struct fixture *f = *state;
	struct observation got;

	assert_int_equal(symlinkat("somewhere", f->dir, "link"), 0);
	look(f, "name");
	got = look_listed(f, "link");
	assert_int_equal(got.state.kind, ENTRY_SYMLINK);
	assert_int_equal(got.target_len, strlen("somewhere"));
	assert_memory_equal(got.target, "somewhere", got.target_len);
}

static void test_name_that_is_gone_is_absent_in_a_list(void **state)
{
	struct fixture *f = *state;
	struct observation o = {0};

	assert_int_equal(entry_look_listed(f->dir, "nothing", &f->rule, &o, f->target), ENTRY_ABSENT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_old_file_in_a_list_is_the_same_without_a_pin),
		TEST(test_file_that_is_replaced_between_two_calls_is_told_as_one_inode),
		TEST(test_file_that_was_touched_a_moment_ago_is_pinned),
		TEST(test_old_file_that_is_likely_known_is_told_without_a_handle),
		TEST(test_file_that_was_just_born_has_no_birth_time_and_is_told_in_full),
		TEST(test_symlink_in_a_list_has_its_target),
		TEST(test_name_that_is_gone_is_absent_in_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
