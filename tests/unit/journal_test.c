#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

struct seen {
	struct journal *journal;
	struct store_txn *txn;
	uint64_t count, first, last, last_check, stop_at;
	char json[64];
	uint8_t flags;
	enum event_type event;
};

static int see(void *context, const struct journal_record *record)
{
	struct seen *s = context;

	if (s->count++ == 0)
		s->first = record->seq;
	else
		assert_int_equal(record->seq, s->last + 1);
	s->last = record->seq;
	s->last_check = record->check;
	s->flags = record->flags;
	s->event = record->event;
	snprintf(s->json, sizeof(s->json), "%.*s", (int)record->json_len, record->json);
	return record->seq == s->stop_at ? 99 : 0;
}

static void append(struct fixture *f, struct journal *j, uint64_t count)
{
	char json[64];

	for (uint64_t i = 0; i < count; i++) {
		struct journal_record record = {.event = EVENT_FILE_CREATED, .json = json};
		struct position tail;

		assert_int_equal(journal_tail(j, f->txn, &tail), 0);
		record.json_len = (size_t)snprintf(json, sizeof(json), "{\"seq\":%llu}",
						   (unsigned long long)tail.seq + 1);
		assert_int_equal(journal_append(j, f->txn, &record), 0);
		assert_int_equal(record.seq, tail.seq + 1);
	}
}

static struct journal *open_journal(struct fixture *f, const char *name)
{
	struct journal *j;

	assert_int_equal(journal_open(&j, f->txn, name), 0);
	return j;
}

static void test_stream_is_created_by_a_writer_only(void **state)
{
	struct fixture *f = *state;
	struct journal *j;
	struct position tail, again;
	uint64_t floor;

	fixture_begin(f, STORE_READ);
	assert_int_equal(journal_open(&j, f->txn, "bus"), JOURNAL_ABSENT);
	assert_null(j);
	store_abort(f->txn);
	fixture_begin(f, STORE_WRITE);
	j = open_journal(f, "bus");
	assert_string_equal(journal_name(j), "bus");
	assert_int_equal(journal_tail(j, f->txn, &tail), 0);
	assert_int_equal(tail.seq, 0);
	assert_true(tail.epoch >> 16 > 1600000000);
	assert_int_equal(journal_floor(j, f->txn, &floor), 0);
	assert_int_equal(floor, 1);
	fixture_commit(f);
	journal_close(j);
	fixture_reopen(f);
	fixture_begin(f, STORE_READ);
	j = open_journal(f, "bus");
	assert_int_equal(journal_tail(j, f->txn, &again), 0);
	assert_memory_equal(&again, &tail, sizeof(tail));
	journal_close(j);
	journal_close(NULL);
}

static void test_name_of_a_stream_has_bounds(void **state)
{
	struct fixture *f = *state;
	char name[JOURNAL_NAME_MAX + 2];
	struct journal *j;

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	fixture_begin(f, STORE_WRITE);
	assert_int_equal(journal_open(&j, f->txn, name), -EINVAL);
	assert_int_equal(journal_open(&j, f->txn, ""), -EINVAL);
	name[JOURNAL_NAME_MAX] = '\0';
	j = open_journal(f, name);
	fixture_commit(f);
	journal_close(j);
}

static void test_records_come_back_in_order_with_their_chain(void **state)
{
	struct fixture *f = *state;
	struct journal_record record = {
		.event = EVENT_FILE_MOVED, .flags = JOURNAL_CONTINUED, .json = "{\"a\":1}"};
	struct seen seen = {0};
	struct position tail;
	struct journal *j;

	record.json_len = strlen(record.json);
	fixture_begin(f, STORE_WRITE);
	j = open_journal(f, "drive:music");
	append(f, j, 1000);
	assert_int_equal(journal_append(j, f->txn, &record), 0);
	assert_int_equal(journal_read(j, f->txn, 0, see, &seen),
			 JOURNAL_END); /* its own writes, before the commit */
	assert_int_equal(seen.count, 1001);
	fixture_commit(f);
	fixture_begin(f, STORE_READ);
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(journal_read(j, f->txn, 900, see, &seen), JOURNAL_END);
	assert_int_equal(seen.first, 901);
	assert_int_equal(seen.last, 1001);
	assert_string_equal(seen.json, "{\"a\":1}");
	assert_int_equal(seen.flags, JOURNAL_CONTINUED);
	assert_int_equal(seen.event, EVENT_FILE_MOVED);
	assert_int_equal(journal_tail(j, f->txn, &tail), 0);
	assert_int_equal(tail.seq, 1001);
	assert_true(tail.check == seen.last_check && tail.check == record.check);
	assert_int_equal(journal_read(j, f->txn, 1001, see, &seen), JOURNAL_END);
	assert_int_equal(journal_read(j, f->txn, UINT64_MAX, see, &seen), JOURNAL_END);
	journal_close(j);
}

static void test_reading_stops_where_the_visitor_says(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {.stop_at = 7};
	struct journal *j;

	fixture_begin(f, STORE_WRITE);
	j = open_journal(f, "drive:music");
	append(f, j, 20);
	assert_int_equal(journal_read(j, f->txn, 2, see, &seen), 99);
	assert_int_equal(seen.last, 7);
	fixture_commit(f);
	journal_close(j);
}

static int look_elsewhere(void *context, const struct journal_record *record)
{
	struct seen *s = context;
	uint64_t check;

	assert_int_equal(journal_check_at(s->journal, s->txn, 1 + record->seq * 7 % 50, &check), 0);
	return see(context, record);
}

static void test_visitor_may_use_the_journal_itself(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {0};
	struct journal *j;

	fixture_begin(f, STORE_WRITE);
	j = open_journal(f, "drive:music");
	append(f, j, 60);
	fixture_commit(f);
	fixture_begin(f, STORE_READ);
	seen.journal = j;
	seen.txn = f->txn;
	assert_int_equal(journal_read(j, f->txn, 0, look_elsewhere, &seen), JOURNAL_END);
	assert_int_equal(seen.count, 60);
	journal_close(j);
}

static void test_long_and_empty_records_are_kept_whole(void **state)
{
	struct fixture *f = *state;
	struct journal_record record = {.event = EVENT_SYNC_ERROR};
	struct seen seen = {0};
	struct journal *j;
	char *json = malloc(1000000);

	assert_non_null(json);
	memset(json, 'x', 1000000);
	json[0] = '{';
	json[999999] = '}';
	fixture_begin(f, STORE_WRITE);
	j = open_journal(f, "drive:music");
	record.json = json;
	record.json_len = 1000000;
	assert_int_equal(journal_append(j, f->txn, &record), 0);
	append(f, j, 3);
	record.json = "{}";
	record.json_len = 2;
	assert_int_equal(journal_append(j, f->txn, &record), 0);
	fixture_commit(f);
	fixture_begin(f, STORE_READ);
	assert_int_equal(journal_read(j, f->txn, 0, see, &seen), JOURNAL_END);
	assert_int_equal(seen.count, 5);
	assert_string_equal(seen.json, "{}");
	journal_close(j);
	free(json);
}

static void test_streams_do_not_mix(void **state)
{
	struct fixture *f = *state;
	struct journal *j[3];
	const char *names[] = {"drive:music", "bus", "drive:scores"};

	fixture_begin(f, STORE_WRITE);
	for (int i = 0; i < 3; i++)
		j[i] = open_journal(f, names[i]);
	for (int round = 0; round < 50; round++) {
		for (uint64_t i = 0; i < 3; i++)
			append(f, j[i], i + 1);
		if (round % 10 == 9) {
			fixture_commit(f);
			fixture_begin(f, STORE_WRITE);
		}
	}
	fixture_commit(f);
	fixture_begin(f, STORE_READ);
	for (uint64_t i = 0; i < 3; i++) {
		struct seen seen = {0};

		assert_int_equal(journal_read(j[i], f->txn, 0, see, &seen), JOURNAL_END);
		assert_int_equal(seen.count, 50 * (i + 1));
		journal_close(j[i]);
	}
}

static void test_locate_tells_each_cursor_what_is_wrong_with_it(void **state)
{
	struct fixture *f = *state;
	struct position tail, cursor;
	struct journal *j;
	uint64_t check;
	bool left;

	fixture_begin(f, STORE_WRITE);
	j = open_journal(f, "drive:music");
	append(f, j, 10);
	assert_int_equal(journal_prune(j, f->txn, 4, 100, &left), 0);
	assert_int_equal(journal_tail(j, f->txn, &tail), 0);
	fixture_commit(f);
	fixture_begin(f, STORE_READ);
	for (uint64_t seq = 6; seq <= 10; seq++) {
		cursor = (struct position){tail.epoch, seq, 0};
		assert_int_equal(journal_check_at(j, f->txn, seq, &cursor.check), 0);
		assert_int_equal(journal_locate(j, f->txn, &cursor), 0);
		cursor.check ^= 1;
		assert_int_equal(journal_locate(j, f->txn, &cursor), JOURNAL_MISMATCH);
	}
	cursor = (struct position){tail.epoch, 5, 0};
	assert_int_equal(journal_locate(j, f->txn, &cursor), JOURNAL_PRUNED);
	assert_int_equal(journal_check_at(j, f->txn, 5, &check), JOURNAL_PRUNED);
	cursor.seq = 11;
	assert_int_equal(journal_locate(j, f->txn, &cursor), JOURNAL_FUTURE);
	assert_int_equal(journal_check_at(j, f->txn, 11, &check), JOURNAL_FUTURE);
	cursor.seq = UINT64_MAX;
	assert_int_equal(journal_locate(j, f->txn, &cursor), JOURNAL_FUTURE);
	cursor = tail;
	cursor.epoch++;
	assert_int_equal(journal_locate(j, f->txn, &cursor), JOURNAL_EPOCH);
	journal_close(j);
}

static void test_pruning_is_bounded_and_moves_the_floor_past_what_is_gone(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {0};
	struct journal *j;
	uint64_t floor;
	bool left;

	fixture_begin(f, STORE_WRITE);
	j = open_journal(f, "drive:music");
	append(f, j, 100);
	assert_int_equal(journal_prune(j, f->txn, 40, 50, &left), 0);
	assert_true(left);
	assert_int_equal(journal_floor(j, f->txn, &floor), 0);
	assert_int_equal(floor, 51);
	assert_int_equal(journal_read(j, f->txn, 49, see, &seen), JOURNAL_PRUNED);
	assert_int_equal(journal_read(j, f->txn, 50, see, &seen), JOURNAL_END);
	assert_int_equal(seen.first, 51);
	fixture_commit(f);
	fixture_begin(f, STORE_WRITE);
	assert_int_equal(journal_prune(j, f->txn, 40, 50, &left), 0);
	assert_false(left);
	assert_int_equal(journal_floor(j, f->txn, &floor), 0);
	assert_int_equal(floor, 61);
	assert_int_equal(journal_prune(j, f->txn, 0, 1000, &left), 0);
	assert_int_equal(journal_floor(j, f->txn, &floor), 0);
	assert_int_equal(floor, 101);
	append(f, j, 1);
	fixture_commit(f);
	journal_close(j);
}

static void test_new_epoch_starts_again_and_the_old_one_is_pruned(void **state)
{
	struct fixture *f = *state;
	struct position before, after;
	struct store_report report;
	struct seen seen = {0};
	struct journal *j, *bus;
	bool left = true;

	fixture_begin(f, STORE_WRITE);
	j = open_journal(f, "drive:music");
	bus = open_journal(f, "bus");
	append(f, j, 30);
	append(f, bus, 5);
	assert_int_equal(journal_prune(j, f->txn, 20, 100, &left), 0);
	assert_int_equal(journal_tail(j, f->txn, &before), 0);
	assert_int_equal(journal_new_epoch(j, f->txn, 1700000000, 0), 0); /* a clock that went back */
	append(f, j, 3);
	fixture_commit(f);
	fixture_check(f);
	fixture_begin(f, STORE_WRITE);
	assert_int_equal(journal_tail(j, f->txn, &after), 0);
	assert_true(after.epoch > before.epoch);
	assert_int_equal(after.seq, 3);
	assert_int_equal(journal_locate(j, f->txn, &before), JOURNAL_EPOCH);
	assert_int_equal(journal_read(j, f->txn, 0, see, &seen), JOURNAL_END);
	assert_int_equal(seen.count, 3);
	assert_int_equal(journal_prune(j, f->txn, 100, 15, &left), 0);
	assert_true(left);
	fixture_commit(f);
	fixture_check(f); /* half of the old epoch is gone */
	fixture_begin(f, STORE_WRITE);
	assert_int_equal(journal_prune(j, f->txn, 100, 15, &left), 0);
	assert_false(left);
	fixture_commit(f);
	assert_int_equal(store_check(f->store, &report, NULL, NULL), 0);
	assert_int_equal(report.records, 8);
	journal_close(j);
	journal_close(bus);
}

static void test_new_epoch_is_greater_than_one_from_elsewhere(void **state)
{
	struct fixture *f = *state;
	struct position before, after;
	struct journal *j;

	fixture_begin(f, STORE_WRITE);
	j = open_journal(f, "drive:music");
	assert_int_equal(journal_tail(j, f->txn, &before), 0);
	assert_int_equal(journal_new_epoch(j, f->txn, 1700000000, before.epoch + ((uint64_t)1 << 40)), 0);
	assert_int_equal(journal_tail(j, f->txn, &after), 0);
	assert_true(after.epoch > before.epoch + ((uint64_t)1 << 40));
	assert_int_equal(journal_new_epoch(j, f->txn, 1700000000, UINT64_MAX), -EOVERFLOW);
	journal_close(j);
}

static void test_no_two_streams_or_times_share_an_epoch(void **state)
{
	struct fixture *f = *state;
	struct journal *a, *b;
	struct position tail;
	uint64_t greatest = 0;

	fixture_begin(f, STORE_WRITE);
	a = open_journal(f, "a");
	b = open_journal(f, "b");
	for (int i = 0; i < 200; i++) {
		struct journal *j = i % 2 ? a : b;

		assert_int_equal(journal_new_epoch(j, f->txn, 1800000000, 0), 0);
		assert_int_equal(journal_tail(j, f->txn, &tail), 0);
		assert_true(tail.epoch > greatest);
		greatest = tail.epoch;
		if (i % 50 == 49) {
			fixture_commit(f);
			fixture_reopen(f);
			fixture_begin(f, STORE_WRITE);
		}
	}
	fixture_commit(f);
	journal_close(a);
	journal_close(b);
}

/* LMDB leaves pages half empty where records are put before others of the same table. */
static void test_streams_that_grow_side_by_side_fill_their_pages(void **state)
{
	enum { RECORDS = 4000, BYTES = 350 };
	struct fixture *f = *state;
	struct journal_record record = {.event = EVENT_FILE_CREATED, .json_len = BYTES};
	uint64_t before = store_used_bytes(f->store), raw = 3 * RECORDS * BYTES;
	struct journal *j[3];
	char json[BYTES];

	memset(json, 'x', sizeof(json));
	json[0] = '{';
	json[BYTES - 1] = '}';
	record.json = json;
	fixture_begin(f, STORE_WRITE);
	j[0] = open_journal(f, "bus");
	j[1] = open_journal(f, "drive:music");
	j[2] = open_journal(f, "drive:scores");
	for (int i = 0; i < RECORDS; i++) {
		for (int k = 0; k < 3; k++)
			assert_int_equal(journal_append(j[k], f->txn, &record), 0);
	}
	fixture_commit(f);
	assert_true(store_used_bytes(f->store) - before < raw + raw / 4);
	for (int k = 0; k < 3; k++)
		journal_close(j[k]);
}

static void test_more_streams_than_tables_share_them(void **state)
{
	enum { STREAMS = 70 };
	struct fixture *f = *state;
	struct journal *j[STREAMS];
	struct position tail;
	char name[32];
	bool left;

	fixture_begin(f, STORE_WRITE);
	for (int i = 0; i < STREAMS; i++) {
		snprintf(name, sizeof(name), "drive:%d", i);
		j[i] = open_journal(f, name);
	}
	for (int round = 0; round < 5; round++) {
		for (int i = STREAMS - 1; i >= 0; i--)
			append(f, j[i], 1 + (uint64_t)i % 3);
	}
	for (int i = 0; i < STREAMS; i += 2)
		assert_int_equal(journal_new_epoch(j[i], f->txn, 1, 0), 0);
	for (int i = 0; i < STREAMS; i++)
		assert_int_equal(journal_prune(j[i], f->txn, 2, 100, &left), 0);
	fixture_commit(f);
	fixture_begin(f, STORE_READ);
	for (int i = 0; i < STREAMS; i++) {
		struct seen seen = {0};

		assert_int_equal(journal_tail(j[i], f->txn, &tail), 0);
		assert_int_equal(tail.seq, i % 2 ? 5 * (1 + i % 3) : 0);
		assert_int_equal(journal_read(j[i], f->txn, tail.seq ? tail.seq - 2 : 0, see, &seen),
				 JOURNAL_END);
		assert_int_equal(seen.count, tail.seq ? 2 : 0);
		journal_close(j[i]);
	}
}

static void test_aborted_append_is_not_there(void **state)
{
	struct fixture *f = *state;
	struct position before, after;
	struct journal *j;

	fixture_begin(f, STORE_WRITE);
	j = open_journal(f, "drive:music");
	append(f, j, 5);
	assert_int_equal(journal_tail(j, f->txn, &before), 0);
	fixture_commit(f);
	fixture_begin(f, STORE_WRITE);
	append(f, j, 5);
	store_abort(f->txn);
	fixture_begin(f, STORE_WRITE);
	assert_int_equal(journal_tail(j, f->txn, &after), 0);
	assert_memory_equal(&before, &after, sizeof(before));
	append(f, j, 1);
	fixture_commit(f);
	journal_close(j);
}

int main(void)
{
#define store_test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		store_test(test_stream_is_created_by_a_writer_only),
		store_test(test_name_of_a_stream_has_bounds),
		store_test(test_records_come_back_in_order_with_their_chain),
		store_test(test_reading_stops_where_the_visitor_says),
		store_test(test_visitor_may_use_the_journal_itself),
		store_test(test_long_and_empty_records_are_kept_whole),
		store_test(test_streams_do_not_mix),
		store_test(test_locate_tells_each_cursor_what_is_wrong_with_it),
		store_test(test_pruning_is_bounded_and_moves_the_floor_past_what_is_gone),
		store_test(test_new_epoch_starts_again_and_the_old_one_is_pruned),
		store_test(test_new_epoch_is_greater_than_one_from_elsewhere),
		store_test(test_no_two_streams_or_times_share_an_epoch),
		store_test(test_streams_that_grow_side_by_side_fill_their_pages),
		store_test(test_more_streams_than_tables_share_them),
		store_test(test_aborted_append_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
