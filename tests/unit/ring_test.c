/* net/ring.h: a class's latest frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/ring.h"

static const struct position at_ten = {.epoch = 1, .seq = 10};

static struct position at(uint64_t seq)
{
	return (struct position){.epoch = 1, .seq = seq, .check = seq * 3};
}

/* Frame n holds `len` bytes derived from n and ends at seq 10 + 5 (n + 1). */
static void append(struct ring *r, size_t len)
{
	uint64_t n = r->next;
	char *bytes = malloc(len);
	struct position cursor = at(15 + 5 * n);

	memset(bytes, (int)('a' + n % 26), len);
	assert_int_equal(ring_append(r, bytes, len / 3, bytes, len - len / 3, &cursor), 0);
	free(bytes);
}

static void assert_frame(const struct ring *r, uint64_t number, size_t len)
{
	uint64_t count;
	size_t run;
	const char *bytes = ring_run(r, number, len, &run, &count);

	assert_int_equal(run, len);
	assert_int_equal(count, 1);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(bytes[i], (int)('a' + number % 26));
	if (number > 0)
		assert_int_equal(ring_border(r, number)->seq, 10 + 5 * number);
}

static void test_an_empty_ring_has_one_border(void **state)
{
	struct ring r;
	uint64_t number;

	(void)state;
	ring_init(&r, &at_ten, 1 << 20);
	assert_int_equal(ring_find(&r, 10, &number), RING_AT);
	assert_int_equal(number, 0);
	assert_int_equal(ring_find(&r, 9, &number), RING_BEFORE);
	assert_int_equal(ring_find(&r, 11, &number), RING_AFTER);
	ring_deinit(&r);
}

static void test_every_seq_is_at_inside_before_or_after(void **state)
{
	struct ring r;
	uint64_t number;

	(void)state;
	ring_init(&r, &at_ten, 1 << 20);
	for (int i = 0; i < 100; i++)
		append(&r, 10);
	for (uint64_t seq = 10; seq <= 510; seq++) {
		assert_int_equal(ring_find(&r, seq, &number), seq % 5 == 0 ? RING_AT : RING_INSIDE);
		assert_int_equal(number, (seq - 10) / 5);
	}
	assert_int_equal(ring_find(&r, 511, &number), RING_AFTER);
	ring_deinit(&r);
}

static void test_whatever_the_sizes_the_latest_frames_are_whole(void **state)
{
	enum { COUNT = 20000, MAX = 16384 };
	size_t *sizes = calloc(COUNT, sizeof(*sizes));
	struct ring r;

	(void)state;
	srand(7);
	ring_init(&r, &at_ten, MAX);
	for (uint64_t n = 0; n < COUNT; n++) {
		sizes[n] = rand() % 50 == 0 ? 1 + (size_t)rand() % MAX : 1 + (size_t)rand() % 700;
		append(&r, sizes[n]);
		assert_true(r.next == n + 1 && r.first < r.next);
		assert_true(r.room <= 2 * MAX);
		assert_frame(&r, n, sizes[n]);
		assert_frame(&r, r.first, sizes[r.first]);
		if (n % 97 == 0)
			for (uint64_t i = r.first; i < r.next; i++)
				assert_frame(&r, i, sizes[i]);
	}
	free(sizes);
	ring_deinit(&r);
}

static void test_runs_cover_the_ring_without_a_gap(void **state)
{
	struct ring r;

	(void)state;
	srand(9);
	ring_init(&r, &at_ten, 8192);
	for (int i = 0; i < 3000; i++) {
		uint64_t n;

		append(&r, 1 + (size_t)rand() % 300);
		for (n = r.first; n < r.next;) {
			uint64_t count;
			size_t len;
			const char *bytes = ring_run(&r, n, 1024, &len, &count);

			assert_true(count > 0 && len > 0 && (len <= 1024 || count == 1));
			assert_int_equal(bytes[0], (int)('a' + n % 26));
			assert_int_equal(bytes[len - 1], (int)('a' + (n + count - 1) % 26));
			n += count;
		}
		assert_true(n == r.next);
	}
	ring_deinit(&r);
}

static void test_a_frame_larger_than_the_bound_is_kept(void **state)
{
	struct ring r;

	(void)state;
	ring_init(&r, &at_ten, 4096);
	append(&r, 100);
	append(&r, 1 << 20);
	assert_frame(&r, 1, 1 << 20);
	append(&r, 100);
	assert_frame(&r, 2, 100);
	ring_deinit(&r);
}

static void test_a_cleared_ring_goes_on_where_it_was(void **state)
{
	struct ring r;
	uint64_t number;

	(void)state;
	ring_init(&r, &at_ten, 4096);
	append(&r, 100);
	append(&r, 100);
	ring_clear(&r);
	assert_int_equal(ring_tail(&r)->seq, 20);
	assert_int_equal(ring_find(&r, 15, &number), RING_BEFORE);
	assert_int_equal(ring_find(&r, 20, &number), RING_AT);
	assert_int_equal(number, 2);
	append(&r, 50);
	assert_frame(&r, 2, 50);
	ring_deinit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_ring_has_one_border),
		cmocka_unit_test(test_every_seq_is_at_inside_before_or_after),
		cmocka_unit_test(test_whatever_the_sizes_the_latest_frames_are_whole),
		cmocka_unit_test(test_runs_cover_the_ring_without_a_gap),
		cmocka_unit_test(test_a_frame_larger_than_the_bound_is_kept),
		cmocka_unit_test(test_a_cleared_ring_goes_on_where_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
