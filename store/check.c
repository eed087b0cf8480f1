/* One read transaction, each table once, in an order in which what is looked at is explained by what was read
 * before: streams and drives, then the journal and the index, then the rest.
 *
 * LMDB must not be used across a fork, so a forked child opens the file anew, without LMDB's lock file: a
 * child that dies of a damaged page then leaves no reader behind that would keep pages from being reused. */
#include "store/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/check_internal.h"
#include "store/runs.h"
#include "store/tokens.h"

enum { LINES_MAX = 100 };

void check_fault(struct check *c, const char *format, ...)
{
	char line[512];
	va_list args;

	if (c->report->faults++ >= LINES_MAX || c->say == NULL)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	c->say(c->context, line);
}

/* Is the key found from the root, and is it the same entry?  Asked for the first and last key of each leaf:
 * the keys between them take the same way down. */
static void check_found(struct check *c, enum table table, const MDB_val *key, const MDB_val *value)
{
	MDB_val k = *key, found;
	int r = mdb_get(c->txn->txn, table_dbi(c->store, table), &k, &found);

	if (r != 0 || found.mv_data != value->mv_data || found.mv_size != value->mv_size)
		check_fault(c, "table %s: an entry is not found by its key", table_name(table));
}

static bool ascends(const MDB_val *a, const MDB_val *b)
{
	size_t len = a->mv_size < b->mv_size ? a->mv_size : b->mv_size;
	int order = memcmp(a->mv_data, b->mv_data, len);

	return order < 0 || (order == 0 && a->mv_size < b->mv_size);
}

static int scan_with(struct check *c, MDB_cursor *cursor, enum table table, check_visit *visit)
{
	MDB_val key, value, last_key = {0, NULL}, last_value = {0, NULL};
	uint64_t entries = 0;
	bool new_leaf;
	int r, error = 0;

	while (error == 0 && (r = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		new_leaf = entries == 0 || !check_same_page(c, &last_key, &key);
		check_claim_entry(c, table_name(table), &key, &value, new_leaf);
		if (new_leaf) {
			if (entries > 0)
				check_found(c, table, &last_key, &last_value);
			check_found(c, table, &key, &value);
		}
		if (entries > 0 && !ascends(&last_key, &key))
			check_fault(c, "table %s: its keys do not ascend", table_name(table));
		error = visit(c, &key, &value);
		last_key = key;
		last_value = value;
		entries++;
		if (entries > table_entries(c->txn, table))
			break;
	}
	if (error != 0)
		return error;
	if (entries > 0)
		check_found(c, table, &last_key, &last_value);
	if (r != MDB_NOTFOUND || entries != table_entries(c->txn, table))
		check_fault(c, "table %s: %" PRIu64 " entries could be read of %" PRIu64 " (%s)",
			    table_name(table), entries, table_entries(c->txn, table), mdb_strerror(r));
	return 0;
}

int check_scan(struct check *c, enum table table, check_visit *visit)
{
	MDB_cursor *cursor;
	int r = mdb_cursor_open(c->txn->txn, table_dbi(c->store, table), &cursor);

	if (r != 0)
		return store_error(r);
	r = scan_with(c, cursor, table, visit);
	mdb_cursor_close(cursor);
	if (r != -EILSEQ)
		return r;
	check_fault(c, "table %s: something that it points to cannot be read", table_name(table));
	return 0;
}

static int check_stream(struct check *c, const MDB_val *key, const MDB_val *value)
{
	struct checked_stream *s = realloc(c->streams, (c->stream_count + 1) * sizeof(*s));
	uint64_t first;

	c->report->streams++;
	if (s == NULL)
		return -ENOMEM;
	c->streams = s;
	s += c->stream_count;
	memset(s, 0, sizeof(*s));
	if (stream_row_read(key->mv_data, key->mv_size, value, &s->row) != 0) {
		check_fault(c, "the row of a stream is damaged");
		return 0;
	}
	first = journal_first_check(s->row.tail.epoch);
	if (s->row.number == 0 || s->row.number >= c->counters.next_stream ||
	    s->row.tail.epoch > c->counters.greatest_epoch || s->row.floor == 0 ||
	    s->row.floor > s->row.tail.seq + 1 || (s->row.floor == 1 && s->row.floor_check != first))
		check_fault(c, "stream %s: its row contradicts itself", s->row.name);
	for (size_t i = 0; i < c->stream_count; i++) {
		if (c->streams[i].row.number == s->row.number)
			check_fault(c, "streams %s and %s have one number", c->streams[i].row.name,
				    s->row.name);
	}
	s->next = (struct position){s->row.tail.epoch, s->row.floor, s->row.floor_check};
	c->stream_count++;
	return 0;
}

static struct checked_stream *stream_by_number(struct check *c, uint32_t number)
{
	for (size_t i = 0; i < c->stream_count; i++) {
		if (c->streams[i].row.number == number)
			return &c->streams[i];
	}
	return NULL;
}

/* Records of a past epoch may have been pruned from the front: the first that is left is taken as it is. */
static bool past_follows(struct checked_stream *s, uint64_t epoch, uint64_t seq, const MDB_val *value,
			 uint64_t check)
{
	bool same = s->past.epoch == epoch;
	bool good = epoch < s->row.tail.epoch && seq != 0;

	if (same)
		good = good && seq == s->past.seq + 1 && record_check(value, s->past.check) == check;
	s->past = (struct position){epoch, seq, check};
	return good;
}

static bool record_well_formed(const MDB_val *value, struct journal_record *out)
{
	return record_read(value, out) && event_name(out->event) != NULL && out->json_len >= 2 &&
	       out->json[0] == '{' && out->json[out->json_len - 1] == '}' &&
	       memchr(out->json, '\n', out->json_len) == NULL;
}

static int check_record(struct check *c, const MDB_val *key, const MDB_val *value)
{
	struct checked_stream *s = NULL;
	struct journal_record record;
	uint64_t epoch, seq;
	bool good;

	c->report->records++;
	if (key->mv_size == JOURNAL_KEY_BYTES)
		s = stream_by_number(c, key_get_u32(key->mv_data));
	if (s == NULL || !record_well_formed(value, &record)) {
		check_fault(c, "a journal record is damaged or of no stream");
		return 0;
	}
	epoch = key_get_u64((const uint8_t *)key->mv_data + 4);
	seq = key_get_u64((const uint8_t *)key->mv_data + 12);
	if (epoch == s->next.epoch) {
		good = seq == s->next.seq && record_check(value, s->next.check) == record.check;
		s->next = (struct position){epoch, seq + 1, record.check};
	} else {
		good = past_follows(s, epoch, seq, value, record.check);
	}
	if (!good)
		check_fault(c, "stream %s: record %" PRIu64 "-%" PRIu64 " does not follow the one before it",
			    s->row.name, epoch, seq);
	return 0;
}

static int check_journal(struct check *c)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < JOURNAL_TABLES; i++)
		r = check_scan(c, (enum table)(TABLE_JOURNAL + i), check_record);
	for (size_t i = 0; r == 0 && i < c->stream_count; i++) {
		const struct checked_stream *s = &c->streams[i];

		if (s->next.seq != s->row.tail.seq + 1 || s->next.check != s->row.tail.check)
			check_fault(c, "stream %s: its records end at %" PRIu64 ", its row says %" PRIu64,
				    s->row.name, s->next.seq - 1, s->row.tail.seq);
	}
	return r;
}

static int check_drive(struct check *c, const MDB_val *key, const MDB_val *value)
{
	struct checked_drive *d = realloc(c->drives, (c->drive_count + 1) * sizeof(*d));

	c->report->drives++;
	if (d == NULL)
		return -ENOMEM;
	c->drives = d;
	d += c->drive_count;
	memset(d, 0, sizeof(*d));
	if (drive_row_read(key->mv_data, key->mv_size, value, &d->row) != 0) {
		check_fault(c, "the row of a drive is damaged");
		return 0;
	}
	if (d->row.drive == 0 || d->row.drive >= c->counters.next_drive ||
	    check_find_drive(c, d->row.drive) != NULL)
		check_fault(c, "drive %s: its number %" PRIu32 " was not given to it", d->row.name,
			    d->row.drive);
	c->drive_count++;
	return 0;
}

static int check_drive_counts(struct check *c)
{
	for (size_t i = 0; i < c->drive_count; i++) {
		const struct checked_drive *d = &c->drives[i];
		uint64_t count;
		int r = meta_count(c->txn, d->row.drive, &count);

		if (r != 0 && r != -EILSEQ)
			return r;
		if (!d->root_found)
			check_fault(c, "drive %s has no root", d->row.name);
		if (r == 0 && count != d->counted)
			check_fault(c, "drive %s has %" PRIu64 " nodes, its count says %" PRIu64, d->row.name,
				    d->counted, count);
	}
	return 0;
}

static int check_run(struct check *c, const MDB_val *key, const MDB_val *value)
{
	const struct checked_drive *d;
	struct run_row row;

	c->report->runs++;
	if (run_row_read(key, value, &row) != 0) {
		check_fault(c, "the row of a run is damaged");
		return 0;
	}
	d = check_find_drive(c, row.drive);
	if (d == NULL || row.run == 0 || row.trigger < RUN_FIRST_INDEX || row.trigger > RUN_ADOPT ||
	    row.state < RUN_RUNNING || row.state > RUN_QUEUED)
		check_fault(c, "run %" PRIu64 " of drive %" PRIu32 " makes no sense", row.run, row.drive);
	return 0;
}

static int check_token(struct check *c, const MDB_val *key, const MDB_val *value)
{
	struct token_row row, by_hash;
	int r;

	c->report->tokens++;
	if (token_row_read(key, value, &row) != 0) {
		check_fault(c, "the row of a token is damaged");
		return 0;
	}
	r = tokens_by_hash(c->txn, row.hash, &by_hash);
	if (r < 0 && r != -EILSEQ)
		return r;
	if (r != 0 || by_hash.id != row.id || row.id >= c->counters.next_token)
		check_fault(c, "token %" PRIu64 " is not found by its hash", row.id);
	return 0;
}

static int check_token_hash(struct check *c, const MDB_val *key, const MDB_val *value)
{
	struct token_row row;

	if (key->mv_size != TOKEN_HASH_LEN || value->mv_size != 8 ||
	    tokens_by_hash(c->txn, key->mv_data, &row) != 0)
		check_fault(c, "a token's hash points at no token");
	return 0;
}

static int check_meta(struct check *c, const MDB_val *key, const MDB_val *value)
{
	struct unpacker u;
	bool good;

	if (key->mv_size == 6 && memcmp(key->mv_data, "format", 6) == 0)
		good = value->mv_size == 4 && key_get_u32(value->mv_data) >= STORE_FORMAT_OLDEST &&
		       key_get_u32(value->mv_data) <= STORE_FORMAT;
	else
		good = row_open(key->mv_data, key->mv_size, value, &u) == 0;
	if (!good)
		check_fault(c, "a row about the store itself is damaged");
	return 0;
}

static int check_rest(struct check *c)
{
	int r = check_drive_counts(c);

	if (r == 0)
		r = check_scan(c, TABLE_RUNS, check_run);
	if (r == 0)
		r = check_scan(c, TABLE_TOKENS, check_token);
	if (r == 0)
		r = check_scan(c, TABLE_TOKEN_HASHES, check_token_hash);
	return r == 0 ? check_pages_end(c) : r;
}

static int check_all(struct check *c)
{
	int r = check_pages_begin(c);

	if (r == 0)
		r = check_scan(c, TABLE_META, check_meta);
	if (r == 0)
		r = meta_get_counters(c->txn, &c->counters);
	if (r == 0)
		r = check_scan(c, TABLE_STREAMS, check_stream);
	if (r == 0)
		r = check_scan(c, TABLE_DRIVES, check_drive);
	if (r == 0)
		r = check_journal(c);
	if (r == 0)
		r = check_index(c);
	if (r == 0)
		r = check_rest(c);
	if (r == -EILSEQ) {
		check_fault(c, "what the store says of itself cannot be read");
		r = 0;
	}
	/* What could not be read may well be what a fault led to. */
	return c->report->faults > 0 ? -EILSEQ : r;
}

static int check_store(struct check *c)
{
	int r = store_begin(c->store, STORE_READ, &c->txn);

	if (r != 0)
		return r;
	r = check_all(c);
	store_abort(c->txn);
	free(c->streams);
	free(c->drives);
	free(c->rooted.slots);
	free(c->pages.claimed);
	return r;
}

int store_check(struct store *store, struct store_report *report,
		void (*say)(void *context, const char *line), void *context)
{
	struct check c = {.store = store, .report = report, .say = say, .context = context};
	int r;

	memset(report, 0, sizeof(*report));
	if (getpid() == store->pid)
		return check_store(&c);
	r = store_open_again(&c.store, store);
	if (r != 0)
		return r;
	r = check_store(&c);
	store_close(c.store);
	return r;
}
