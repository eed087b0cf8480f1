#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "watcher/observation.h"

enum { HEADER_LEN = 8 };

static struct observation sample(enum observation_type type)
{
	struct observation o = {
		.type = type,
		.drive = 513,
		.request = 70000,
		.error = -5,
		.backend = WATCH_INOTIFY,
		.state = {.kind = ENTRY_SYMLINK,
			  .mount = true,
			  .mode = 07777,
			  .uid = UINT32_MAX,
			  .gid = 2,
			  .links = 3,
			  .size = UINT64_MAX,
			  .mtime = {INT64_MIN, 999999999},
			  .ctime = {INT64_MAX, 0},
			  .birth = {-1, 1}},
		.name = "na\nme\xff",
		.name_len = 6,
		.target = "../else where",
		.target_len = 13,
		.text = "ext4",
		.text_len = 4,
		.has_volume = true,
		.volume = {1, 2, [15] = 255},
	};

	o.flags = type == OBSERVED_READY  ? WATCH_WEAK_IDS | WATCH_WEAK_BARRIER
		  : type == OBSERVED_GONE ? OBSERVED_CLOSED
					  : OBSERVED_FRESH | OBSERVED_LISTED;
	file_id_from_birth(&o.dir, 11, 12, 13);
	file_id_from_inode(&o.id, 14);
	return o;
}

static void assert_same_state(const struct entry_state *a, const struct entry_state *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->mount, b->mount);
	assert_int_equal(a->mode, b->mode);
	assert_true(a->uid == b->uid && a->gid == b->gid && a->links == b->links && a->size == b->size);
	assert_true(a->mtime.seconds == b->mtime.seconds && a->mtime.nanoseconds == b->mtime.nanoseconds);
	assert_true(a->ctime.seconds == b->ctime.seconds && a->ctime.nanoseconds == b->ctime.nanoseconds);
	assert_true(a->birth.seconds == b->birth.seconds && a->birth.nanoseconds == b->birth.nanoseconds);
}

static void test_entry_comes_back_as_it_was(void **state)
{
	struct observation in = sample(OBSERVED_ENTRY), out;
	uint8_t buf[OBSERVATION_FRAME_MAX];
	int n = observation_encode(&in, buf, sizeof(buf));

	(void)state;
	assert_true(n > 0);
	assert_int_equal(observation_decode(&out, buf, sizeof(buf)), n);
	assert_int_equal(out.type, OBSERVED_ENTRY);
	assert_int_equal(out.drive, in.drive);
	assert_int_equal(out.flags, in.flags);
	assert_true(file_id_equal(&out.dir, &in.dir));
	assert_true(file_id_equal(&out.id, &in.id));
	assert_same_state(&out.state, &in.state);
	assert_int_equal(out.name_len, in.name_len);
	assert_memory_equal(out.name, in.name, in.name_len);
	assert_int_equal(out.target_len, in.target_len);
	assert_memory_equal(out.target, in.target, in.target_len);
}

static void test_each_type_carries_its_parts(void **state)
{
	static const enum observation_type with_request[] = {OBSERVED_SCAN_BEGIN, OBSERVED_SCAN_END,
							     OBSERVED_LOOKED, OBSERVED_BARRIER};
	static const enum observation_type with_error[] = {OBSERVED_SCAN_END, OBSERVED_LOOKED,
							   OBSERVED_ROOT_GONE, OBSERVED_FAILED};
	uint8_t buf[OBSERVATION_FRAME_MAX];
	struct observation in, out;

	(void)state;
	for (size_t i = 0; i < sizeof(with_request) / sizeof(with_request[0]); i++) {
		in = sample(with_request[i]);
		assert_true(observation_encode(&in, buf, sizeof(buf)) > 0);
		assert_true(observation_decode(&out, buf, sizeof(buf)) > 0);
		assert_int_equal(out.request, 70000);
	}
	for (size_t i = 0; i < sizeof(with_error) / sizeof(with_error[0]); i++) {
		in = sample(with_error[i]);
		assert_true(observation_encode(&in, buf, sizeof(buf)) > 0);
		assert_true(observation_decode(&out, buf, sizeof(buf)) > 0);
		assert_int_equal(out.error, -5);
	}
	in = sample(OBSERVED_OVERFLOW);
	assert_true(observation_encode(&in, buf, sizeof(buf)) > 0);
	assert_true(observation_decode(&out, buf, sizeof(buf)) > 0);
	assert_int_equal(out.drive, 513);
	in = sample(OBSERVED_GONE);
	assert_true(observation_encode(&in, buf, sizeof(buf)) > 0);
	assert_true(observation_decode(&out, buf, sizeof(buf)) > 0);
	assert_int_equal(out.flags, OBSERVED_CLOSED);
	in = sample(OBSERVED_READY);
	assert_true(observation_encode(&in, buf, sizeof(buf)) > 0);
	assert_true(observation_decode(&out, buf, sizeof(buf)) > 0);
	assert_int_equal(out.backend, WATCH_INOTIFY);
	assert_int_equal(out.flags, WATCH_WEAK_IDS | WATCH_WEAK_BARRIER);
	assert_int_equal(out.text_len, 4);
	assert_memory_equal(out.text, "ext4", 4);
	assert_true(out.has_volume);
	assert_memory_equal(out.volume, in.volume, VOLUME_BYTES);
	in.has_volume = false;
	assert_true(observation_encode(&in, buf, sizeof(buf)) > 0);
	assert_true(observation_decode(&out, buf, sizeof(buf)) > 0);
	assert_false(out.has_volume);
}

static void test_every_shorter_input_asks_for_more(void **state)
{
	uint8_t buf[OBSERVATION_FRAME_MAX];
	struct observation in, out;

	(void)state;
	for (int type = OBSERVED_READY; type <= OBSERVED_GAUGES; type++) {
		int n;

		in = sample((enum observation_type)type);
		n = observation_encode(&in, buf, sizeof(buf));
		assert_true(n >= HEADER_LEN);
		for (int len = 0; len < n; len++) {
			uint8_t *exact =
				malloc((size_t)len + 1); /* so that the sanitizer sees a step too far */

			memcpy(exact, buf, (size_t)len);
			assert_int_equal(observation_decode(&out, exact, (size_t)len), 0);
			free(exact);
		}
	}
}

static void test_frames_follow_each_other(void **state)
{
	struct observation a = sample(OBSERVED_GONE), b = sample(OBSERVED_BATCH_END), out;
	uint8_t buf[OBSERVATION_FRAME_MAX];
	int n, m;

	(void)state;
	n = observation_encode(&a, buf, sizeof(buf));
	m = observation_encode(&b, buf + n, sizeof(buf) - (size_t)n);
	assert_int_equal(observation_decode(&out, buf, (size_t)(n + m)), n);
	assert_int_equal(out.type, OBSERVED_GONE);
	assert_int_equal(observation_decode(&out, buf + n, (size_t)m), m);
	assert_int_equal(out.type, OBSERVED_BATCH_END);
	assert_int_equal(out.drive, 0);
}

static void test_frame_that_does_not_fit_is_not_begun(void **state)
{
	struct observation in = sample(OBSERVED_ENTRY);
	uint8_t buf[OBSERVATION_FRAME_MAX];
	int n = observation_encode(&in, buf, sizeof(buf));

	(void)state;
	for (int room = 0; room < n; room++)
		assert_int_equal(observation_encode(&in, buf, (size_t)room), -ENOBUFS);
	assert_int_equal(observation_encode(&in, buf, (size_t)n), n);
}

static void test_longest_entry_fits(void **state)
{
	struct observation in = sample(OBSERVED_ENTRY), out;
	char name[255], target[4095];
	uint8_t buf[OBSERVATION_FRAME_MAX];
	int n;

	(void)state;
	memset(name, 'n', sizeof(name));
	memset(target, 't', sizeof(target));
	in.name = name;
	in.name_len = sizeof(name);
	in.target = target;
	in.target_len = sizeof(target);
	n = observation_encode(&in, buf, sizeof(buf));
	assert_true(n > 0);
	assert_int_equal(observation_decode(&out, buf, (size_t)n), n);
	assert_int_equal(out.name_len, 255);
	assert_int_equal(out.target_len, 4095);
}

/* Bytes of an ENTRY: header, then flags. */
static void assert_refused(const struct observation *in, size_t at, uint8_t value)
{
	uint8_t buf[OBSERVATION_FRAME_MAX];
	struct observation out;
	int n = observation_encode(in, buf, sizeof(buf));

	buf[at] = value;
	assert_int_equal(observation_decode(&out, buf, (size_t)n), -EPROTO);
}

static void test_wrong_header_is_refused(void **state)
{
	struct observation entry = sample(OBSERVED_ENTRY), batch = sample(OBSERVED_BATCH_END);

	(void)state;
	assert_refused(&entry, 0, 4); /* a length below the header's */
	assert_refused(&entry, 3, 1); /* a length above the bound */
	assert_refused(&entry, 4, 1); /* another version */
	assert_refused(&entry, 5, 0); /* no such types */
	assert_refused(&entry, 5, 17);
	assert_refused(&entry, 5, OBSERVED_GONE); /* a body of another type */
	assert_refused(&batch, 6, 1);             /* a drive where there is none */
}

static void test_wrong_fields_are_refused(void **state)
{
	const size_t flags = HEADER_LEN, dir = flags + 2, id = dir + 1 + 21, kind = id + 1 + 9,
		     mode = kind + 2;
	const size_t nanoseconds = mode + 2 + 12 + 8 + 8;
	struct observation in = sample(OBSERVED_ENTRY);

	(void)state;
	assert_refused(&in, flags, 0xff);
	assert_refused(&in, dir, 0);
	assert_refused(&in, dir, FILE_ID_MAX + 1);
	assert_refused(&in, kind, 0);
	assert_refused(&in, kind, 4);
	assert_refused(&in, kind, ENTRY_FILE); /* with a target */
	assert_refused(&in, kind + 1, 2);
	assert_refused(&in, mode + 1, 0xff);
	assert_refused(&in, nanoseconds + 3, 0xff);
}

static void test_names_that_are_none_are_refused(void **state)
{
	static const struct {
		const char *name;
		size_t len;
	} bad[] = {{"", 0}, {".", 1}, {"..", 2}, {"a/b", 3}, {"a\0b", 3}};
	uint8_t buf[OBSERVATION_FRAME_MAX];
	struct observation in = sample(OBSERVED_GONE), out;
	char longer[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		in.name = bad[i].name;
		in.name_len = bad[i].len;
		assert_true(observation_encode(&in, buf, sizeof(buf)) > 0);
		assert_int_equal(observation_decode(&out, buf, sizeof(buf)), -EPROTO);
	}
	memset(longer, 'x', sizeof(longer));
	in.name = longer;
	in.name_len = sizeof(longer);
	assert_true(observation_encode(&in, buf, sizeof(buf)) > 0);
	assert_int_equal(observation_decode(&out, buf, sizeof(buf)), -EPROTO);
	in.name = "...";
	in.name_len = 3;
	assert_true(observation_encode(&in, buf, sizeof(buf)) > 0);
	assert_true(observation_decode(&out, buf, sizeof(buf)) > 0);
}

static void test_error_must_be_an_errno(void **state)
{
	uint8_t buf[OBSERVATION_FRAME_MAX];
	struct observation in = sample(OBSERVED_ROOT_GONE), out;

	(void)state;
	in.error = 1;
	assert_true(observation_encode(&in, buf, sizeof(buf)) > 0);
	assert_int_equal(observation_decode(&out, buf, sizeof(buf)), -EPROTO);
	in.error = -4096;
	assert_true(observation_encode(&in, buf, sizeof(buf)) > 0);
	assert_int_equal(observation_decode(&out, buf, sizeof(buf)), -EPROTO);
}

static void test_bytes_behind_the_last_part_are_refused(void **state)
{
	uint8_t buf[OBSERVATION_FRAME_MAX] = {0};
	struct observation in = sample(OBSERVED_GONE), out;
	int n = observation_encode(&in, buf, sizeof(buf));

	(void)state;
	buf[0] = (uint8_t)(n + 1);
	assert_int_equal(observation_decode(&out, buf, (size_t)n + 1), -EPROTO);
}

static void test_requests_come_back_as_they_were(void **state)
{
	struct watch_request in = {.drive = 9,
				   .request = 12,
				   .backend = WATCH_FANOTIFY,
				   .name = "x\n",
				   .name_len = 2},
			     out;
	uint8_t buf[OBSERVATION_FRAME_MAX];
	int n;

	(void)state;
	file_id_from_inode(&in.dir, 3);
	in.type = REQUEST_LOOK;
	n = watch_request_encode(&in, buf, sizeof(buf));
	assert_int_equal(watch_request_decode(&out, buf, sizeof(buf)), n);
	assert_int_equal(out.drive, 9);
	assert_int_equal(out.request, 12);
	assert_true(file_id_equal(&out.dir, &in.dir));
	assert_memory_equal(out.name, "x\n", 2);
	in.type = REQUEST_SCAN;
	in.flags = SCAN_IDLE | SCAN_KNOWN;
	n = watch_request_encode(&in, buf, sizeof(buf));
	assert_int_equal(watch_request_decode(&out, buf, sizeof(buf)), n);
	assert_true(file_id_equal(&out.dir, &in.dir));
	assert_int_equal(out.flags, SCAN_IDLE | SCAN_KNOWN);
	in.flags = SCAN_KNOWN << 1; /* no such flag */
	n = watch_request_encode(&in, buf, sizeof(buf));
	assert_int_equal(watch_request_decode(&out, buf, sizeof(buf)), -EPROTO);
	in.type = REQUEST_BARRIER;
	n = watch_request_encode(&in, buf, sizeof(buf));
	assert_int_equal(watch_request_decode(&out, buf, sizeof(buf)), n);
	assert_int_equal(out.request, 12);
	in.type = REQUEST_DRIVE;
	in.name = "/srv/x";
	in.name_len = 6;
	n = watch_request_encode(&in, buf, sizeof(buf));
	assert_int_equal(watch_request_decode(&out, buf, sizeof(buf)), n);
	assert_int_equal(out.backend, WATCH_FANOTIFY);
	assert_memory_equal(out.name, "/srv/x", 6);
	in.type = REQUEST_IGNORE;
	n = watch_request_encode(&in, buf, sizeof(buf));
	assert_int_equal(watch_request_decode(&out, buf, sizeof(buf)), n);
	assert_memory_equal(out.name, "/srv/x", 6);
}

static void test_malformed_requests_are_refused(void **state)
{
	struct watch_request in = {.type = REQUEST_DRIVE, .drive = 1, .name = "srv", .name_len = 3}, out;
	uint8_t buf[OBSERVATION_FRAME_MAX];
	int n = watch_request_encode(&in, buf, sizeof(buf));

	(void)state;
	assert_int_equal(watch_request_decode(&out, buf, (size_t)n), -EPROTO); /* not absolute */
	in.name = "/s";
	n = watch_request_encode(&in, buf, sizeof(buf));
	buf[8] = WATCH_POLL + 1; /* no such backend */
	assert_int_equal(watch_request_decode(&out, buf, (size_t)n), -EPROTO);
	in = (struct watch_request){.type = REQUEST_LOOK, .name = "..", .name_len = 2};
	file_id_from_inode(&in.dir, 3);
	n = watch_request_encode(&in, buf, sizeof(buf));
	assert_int_equal(watch_request_decode(&out, buf, (size_t)n), -EPROTO);
	buf[5] = 5; /* no such type */
	assert_int_equal(watch_request_decode(&out, buf, (size_t)n), -EPROTO);
}

/* Whatever is in the bytes: an answer, and nothing read beyond them. */
static void test_random_bytes_do_no_harm(void **state)
{
	struct observation o = sample(OBSERVED_ENTRY), out;
	uint8_t frame[OBSERVATION_FRAME_MAX];
	struct watch_request r;
	int n = observation_encode(&o, frame, sizeof(frame));
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		uint8_t *copy = malloc((size_t)n);

		memcpy(copy, frame, (size_t)n);
		for (int i = 0; i < 3; i++) {
			seed = seed * 1664525 + 1013904223;
			copy[(seed >> 8) % (unsigned)n] = (uint8_t)(seed >> 24);
		}
		observation_decode(&out, copy, (size_t)n);
		watch_request_decode(&r, copy, (size_t)n);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entry_comes_back_as_it_was),
		cmocka_unit_test(test_each_type_carries_its_parts),
		cmocka_unit_test(test_every_shorter_input_asks_for_more),
		cmocka_unit_test(test_frames_follow_each_other),
		cmocka_unit_test(test_frame_that_does_not_fit_is_not_begun),
		cmocka_unit_test(test_longest_entry_fits),
		cmocka_unit_test(test_wrong_header_is_refused),
		cmocka_unit_test(test_wrong_fields_are_refused),
		cmocka_unit_test(test_names_that_are_none_are_refused),
		cmocka_unit_test(test_error_must_be_an_errno),
		cmocka_unit_test(test_bytes_behind_the_last_part_are_refused),
		cmocka_unit_test(test_requests_come_back_as_they_were),
		cmocka_unit_test(test_malformed_requests_are_refused),
		cmocka_unit_test(test_random_bytes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
