#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "watcher/file_id.h"

union handle_buffer {
	struct file_handle handle;
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

static void fill_handle(union handle_buffer *h, unsigned bytes, int type)
{
	h->handle.handle_bytes = bytes;
	h->handle.handle_type = type;
	for (unsigned i = 0; i < bytes; i++)
		h->handle.f_handle[i] = (unsigned char)(i * 7 + 1);
}

static void test_handle_comes_back_as_it_was(void **state)
{
	union handle_buffer in, out;
	struct file_id id;

	(void)state;
	fill_handle(&in, 20, -2);
	assert_int_equal(file_id_from_handle(&id, 77, &in.handle), 0);
	assert_int_equal(file_id_to_handle(&id, &out.handle), 0);
	assert_int_equal(out.handle.handle_bytes, 20);
	assert_int_equal(out.handle.handle_type, -2);
	assert_memory_equal(out.handle.f_handle, in.handle.f_handle, 20);
	assert_int_equal(file_id_inode(&id), 77);
	assert_false(file_id_is_weak(&id));
}

static void test_longest_handle_fits_and_a_longer_one_is_refused(void **state)
{
	union handle_buffer h;
	struct file_id id;

	(void)state;
	fill_handle(&h, FILE_ID_HANDLE_MAX, 1);
	assert_int_equal(file_id_from_handle(&id, 1, &h.handle), 0);
	assert_int_equal(id.len, FILE_ID_MAX);
	fill_handle(&h, FILE_ID_HANDLE_MAX + 1, 1);
	assert_int_equal(file_id_from_handle(&id, 1, &h.handle), -EOVERFLOW);
}

static void test_other_forms_have_no_handle(void **state)
{
	union handle_buffer h;
	struct file_id id;

	(void)state;
	file_id_from_inode(&id, 5);
	assert_int_equal(file_id_to_handle(&id, &h.handle), -EINVAL);
	file_id_from_birth(&id, 5, 1, 2);
	assert_int_equal(file_id_to_handle(&id, &h.handle), -EINVAL);
}

static void test_only_a_bare_inode_number_is_weak(void **state)
{
	struct file_id id;

	(void)state;
	file_id_from_inode(&id, 5);
	assert_true(file_id_is_weak(&id));
	file_id_from_birth(&id, 5, 1, 2);
	assert_false(file_id_is_weak(&id));
}

static void test_birth_time_tells_reused_inodes_apart(void **state)
{
	struct file_id a, b;

	(void)state;
	file_id_from_birth(&a, 5, -1, 2);
	file_id_from_birth(&b, 5, -1, 2);
	assert_true(file_id_equal(&a, &b));
	assert_true(file_id_hash(&a) == file_id_hash(&b));
	file_id_from_birth(&b, 5, -1, 3);
	assert_false(file_id_equal(&a, &b));
	file_id_from_birth(&b, 5, -2, 2);
	assert_false(file_id_equal(&a, &b));
}

static void test_ids_sort_by_inode(void **state)
{
	struct file_id a, b;

	(void)state;
	file_id_from_inode(&a, 255);
	file_id_from_inode(&b, 256);
	assert_true(memcmp(a.bytes, b.bytes, FILE_ID_MAX) < 0);
	file_id_from_inode(&b, UINT64_MAX);
	assert_true(memcmp(a.bytes, b.bytes, FILE_ID_MAX) < 0);
	assert_true(file_id_inode(&b) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handle_comes_back_as_it_was),
		cmocka_unit_test(test_longest_handle_fits_and_a_longer_one_is_refused),
		cmocka_unit_test(test_other_forms_have_no_handle),
		cmocka_unit_test(test_only_a_bare_inode_number_is_weak),
		cmocka_unit_test(test_birth_time_tells_reused_inodes_apart),
		cmocka_unit_test(test_ids_sort_by_inode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
