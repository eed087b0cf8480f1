/* helper_message: every frame survives its encoding, and nothing else is taken for one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "watcher/helper_message.h"

static struct file_id an_id(void)
{
	struct file_id id;

	file_id_from_birth(&id, 42, 1000, 7);
	return id;
}

static struct helper_request a_hash(void)
{
	return (struct helper_request){.type = HELPER_HASH,
				       .request = 9,
				       .flags = HELPER_IDLE,
				       .id = an_id(),
				       .size = 1234567890123,
				       .mtime = {-5, 999999999},
				       .ctime = {1700000000, 1},
				       .path = "d/f",
				       .path_len = 3};
}

static void assert_same_request(const struct helper_request *a, const struct helper_request *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->request, b->request);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->epoch, b->epoch);
	assert_true(file_id_equal(&a->id, &b->id));
	assert_int_equal(a->size, b->size);
	assert_memory_equal(&a->mtime.seconds, &b->mtime.seconds, sizeof(a->mtime.seconds));
	assert_int_equal(a->mtime.nanoseconds, b->mtime.nanoseconds);
	assert_int_equal(a->ctime.seconds, b->ctime.seconds);
	assert_int_equal(a->path_len, b->path_len);
	if (a->path_len > 0)
		assert_memory_equal(a->path, b->path, a->path_len);
}

static void test_each_request_comes_back_as_it_was(void **state)
{
	const struct helper_request all[] = {
		{.type = HELPER_OPEN,
		 .request = 1,
		 .flags = HELPER_READ_ONLY,
		 .id = an_id(),
		 .path = "/d",
		 .path_len = 2},
		{.type = HELPER_EPOCH, .request = 2, .epoch = UINT64_C(1) << 52},
		{.type = HELPER_PROBE, .request = 3},
		a_hash(),
		{.type = HELPER_CANCEL, .request = UINT32_MAX},
	};
	uint8_t frame[HELPER_FRAME_MAX];
	struct helper_request got;

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		int len = helper_request_encode(&all[i], frame, sizeof(frame));

		assert_true(len > 0);
		assert_int_equal(helper_request_decode(&got, frame, (size_t)len), len);
		assert_same_request(&all[i], &got);
	}
}

static void test_each_answer_comes_back_as_it_was(void **state)
{
	const struct helper_answer all[] = {
		{.type = HELPER_OPENED, .request = 1, .flags = HELPER_WRITABLE, .epoch = 7, .id = an_id()},
		{.type = HELPER_OPENED, .request = 1, .error = -ESTALE},
		{.type = HELPER_DONE, .request = 2, .error = -ENOSPC},
		{.type = HELPER_PROBED, .request = 3, .id = an_id()},
		{.type = HELPER_HASHED, .request = 4, .hash = {1, 2, 3, [31] = 255}},
	};
	uint8_t frame[HELPER_FRAME_MAX];
	struct helper_answer got;

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		int len = helper_answer_encode(&all[i], frame, sizeof(frame));

		assert_true(len > 0);
		assert_int_equal(helper_answer_decode(&got, frame, (size_t)len), len);
		assert_int_equal(got.type, all[i].type);
		assert_int_equal(got.request, all[i].request);
		assert_int_equal(got.error, all[i].error);
		assert_int_equal(got.flags, all[i].flags);
		assert_int_equal(got.epoch, all[i].epoch);
		assert_true(file_id_equal(&got.id, &all[i].id));
		assert_memory_equal(got.hash, all[i].hash, sizeof(got.hash));
	}
}

static void test_a_part_of_a_frame_asks_for_more(void **state)
{
	struct helper_request q = a_hash(), got;
	uint8_t frame[HELPER_FRAME_MAX];
	int len = helper_request_encode(&q, frame, sizeof(frame));

	(void)state;
	for (int part = 0; part < len; part++)
		assert_int_equal(helper_request_decode(&got, frame, (size_t)part), 0);
}

static void assert_refused(size_t at, uint8_t byte)
{
	struct helper_request q = a_hash(), got;
	uint8_t frame[HELPER_FRAME_MAX];
	int len = helper_request_encode(&q, frame, sizeof(frame));

	assert_in_range(at, 0, len - 1);
	assert_int_not_equal(frame[at], byte);
	frame[at] = byte;
	assert_int_equal(helper_request_decode(&got, frame, (size_t)len), -EPROTO);
}

static void test_a_wrong_byte_is_refused(void **state)
{
	(void)state;
	assert_refused(0, 11);                 /* shorter than its header */
	assert_refused(3, 1);                  /* longer than a frame may be */
	assert_refused(4, HELPER_VERSION + 1); /* another version */
	assert_refused(5, 0);                  /* no type */
	assert_refused(5, HELPER_CANCEL + 1);  /* likewise */
	assert_refused(6, 1);                  /* a reserved bit */
	assert_refused(12, 0xff);              /* unknown flags */
	assert_refused(13, 8);                 /* an id without a form */
	assert_refused(13, FILE_ID_MAX + 1);   /* an id that is too long */
}

static void test_paths_are_relative_where_they_have_to_be(void **state)
{
	struct helper_request q = a_hash(), got;
	uint8_t frame[HELPER_FRAME_MAX];
	int len;

	(void)state;
	q.path = "/etc";
	q.path_len = 4;
	len = helper_request_encode(&q, frame, sizeof(frame));
	assert_int_equal(helper_request_decode(&got, frame, (size_t)len), -EPROTO);
	q.path = "a\0b";
	q.path_len = 3;
	len = helper_request_encode(&q, frame, sizeof(frame));
	assert_int_equal(helper_request_decode(&got, frame, (size_t)len), -EPROTO);
	q.path_len = HELPER_PATH_MAX + 1;
	assert_int_equal(helper_request_encode(&q, frame, sizeof(frame)), -ENOBUFS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_request_comes_back_as_it_was),
		cmocka_unit_test(test_each_answer_comes_back_as_it_was),
		cmocka_unit_test(test_a_part_of_a_frame_asks_for_more),
		cmocka_unit_test(test_a_wrong_byte_is_refused),
		cmocka_unit_test(test_paths_are_relative_where_they_have_to_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
