#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include <cmocka.h>

#include "watcher/read_ahead.h"

struct fixture {
	struct read_ahead ahead;
	int pipe[2];
};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){0};
	*state = &f;
	return pipe2(f.pipe, O_NONBLOCK | O_CLOEXEC);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	read_ahead_deinit(&f->ahead);
	close(f->pipe[0]);
	close(f->pipe[1]);
	return 0;
}

/* A record without info, as the kernel queues it: its mask tells which one it is. */
static void queue(struct fixture *f, uint64_t mask)
{
	struct fanotify_event_metadata meta = {.event_len = sizeof(meta),
					       .vers = FANOTIFY_METADATA_VERSION,
					       .metadata_len = sizeof(meta),
					       .mask = mask};

	assert_int_equal(write(f->pipe[1], &meta, sizeof(meta)), sizeof(meta));
}

static void test_an_empty_queue_gives_nothing(void **state)
{
	struct fixture *f = *state;
	struct fanotify_event e;

	assert_int_equal(read_ahead_fill(&f->ahead, f->pipe[0]), 0);
	assert_int_equal(read_ahead_waiting(&f->ahead), 0);
	assert_int_equal(read_ahead_next(&f->ahead, &e), 0);
}

static void test_events_come_in_order_over_many_fills(void **state)
{
	struct fixture *f = *state;
	uint64_t queued = 0, taken = 0;
	struct fanotify_event e;

	for (int round = 0; round < 2000; round++) {
		for (int i = 0; i < 50; i++)
			queue(f, queued++);
		assert_int_equal(read_ahead_fill(&f->ahead, f->pipe[0]), 0);
		for (int i = 0; i < 40; i++) {
			assert_int_equal(read_ahead_next(&f->ahead, &e), 1);
			assert_int_equal(e.mask, taken++);
		}
		assert_int_equal(read_ahead_waiting(&f->ahead), (queued - taken) * FAN_EVENT_METADATA_LEN);
	}
	while (read_ahead_next(&f->ahead, &e) == 1)
		assert_int_equal(e.mask, taken++);
	assert_int_equal(taken, queued);
}

static void test_what_is_no_room_for_stays_in_the_queue(void **state)
{
	struct fixture *f = *state;
	size_t before;

	do {
		before = read_ahead_waiting(&f->ahead);
		for (int i = 0; i < 2000; i++)
			queue(f, 1);
		assert_int_equal(read_ahead_fill(&f->ahead, f->pipe[0]), 0);
		assert_true(f->ahead.end <= READ_AHEAD_BYTES);
	} while (read_ahead_waiting(&f->ahead) == before + 2000 * FAN_EVENT_METADATA_LEN);
	assert_true(f->ahead.room <= READ_AHEAD_BYTES);
}

static void test_bytes_that_are_no_record_are_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(write(f->pipe[1], "short", 5), 5);
	assert_int_equal(read_ahead_fill(&f->ahead, f->pipe[0]), -EPROTO);
}

static void test_the_end_of_the_descriptor_is_an_error(void **state)
{
	struct fixture *f = *state;
	int end = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(read_ahead_fill(&f->ahead, end), -EIO);
	close(end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_an_empty_queue_gives_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_events_come_in_order_over_many_fills, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_no_room_for_stays_in_the_queue, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bytes_that_are_no_record_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_end_of_the_descriptor_is_an_error, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
