/* A journal table holds whole streams: stream u32 | epoch u64 | seq u64, so that a stream's records lie
 * together in order, those of past epochs first.  A record is
 *
 *     check u64 | version u8 | header length u8 | event u8 | flags u8 | JSON
 *
 * and its check covers all that follows the check, seeded with the check before it.  The stream's own row
 * says where it ends (tail), where it begins (floor) and the check before the floor, so neither needs the
 * record to be there.  Appending writes the record only; the row follows once, at commit. */
#include "store/journal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <xxhash.h>

#include "store/internal.h"

void journal_key(uint8_t key[JOURNAL_KEY_BYTES], uint32_t stream, uint64_t epoch, uint64_t seq)
{
	key_u32(key, stream);
	key_u64(key + 4, epoch);
	key_u64(key + 12, seq);
}

uint64_t journal_first_check(uint64_t epoch)
{
	uint8_t bytes[8];

	key_u64(bytes, epoch);
	return XXH64(bytes, sizeof(bytes), 0);
}

bool record_read(const MDB_val *value, struct journal_record *out)
{
	struct unpacker u = {value->mv_data, (const uint8_t *)value->mv_data + value->mv_size, false};
	uint8_t version, header;

	out->check = unpack_u64(&u);
	version = unpack_u8(&u);
	header = unpack_u8(&u);
	out->event = (enum event_type)unpack_u8(&u);
	out->flags = unpack_u8(&u);
	if (u.bad || version != RECORD_VERSION || header != RECORD_HEADER_BYTES)
		return false;
	out->json = (const char *)u.at;
	out->json_len = (size_t)(u.end - u.at);
	return true;
}

uint64_t record_check(const MDB_val *value, uint64_t before)
{
	return XXH64((const uint8_t *)value->mv_data + 8, value->mv_size - 8, before);
}

static void record_write(void *room, struct journal_record *record, uint64_t before)
{
	struct packer p = {room, (uint8_t *)room + 8};
	MDB_val whole = {RECORD_HEADER_BYTES + record->json_len, room};

	pack_u8(&p, RECORD_VERSION);
	pack_u8(&p, RECORD_HEADER_BYTES);
	pack_u8(&p, (uint8_t)record->event);
	pack_u8(&p, record->flags);
	pack_bytes(&p, record->json, record->json_len);
	record->check = record_check(&whole, before);
	p.at = room;
	pack_u64(&p, record->check);
}

int stream_row_read(const void *name, size_t name_len, const MDB_val *value, struct stream_row *out)
{
	struct unpacker u;
	int r = row_open(name, name_len, value, &u);

	if (r != 0)
		return r;
	if (name_len == 0 || name_len > JOURNAL_NAME_MAX)
		return -EILSEQ;
	memset(out, 0, sizeof(*out));
	memcpy(out->name, name, name_len);
	out->number = unpack_u32(&u);
	out->tail.epoch = unpack_u64(&u);
	out->tail.seq = unpack_u64(&u);
	out->tail.check = unpack_u64(&u);
	out->floor = unpack_u64(&u);
	out->floor_check = unpack_u64(&u);
	return row_done(&u);
}

static int stream_row_put(struct store_txn *txn, const struct stream_row *row)
{
	uint8_t bytes[64];
	struct packer p = {bytes, bytes};

	pack_u32(&p, row->number);
	pack_u64(&p, row->tail.epoch);
	pack_u64(&p, row->tail.seq);
	pack_u64(&p, row->tail.check);
	pack_u64(&p, row->floor);
	pack_u64(&p, row->floor_check);
	return row_put(txn, TABLE_STREAMS, row->name, strlen(row->name), &p, TABLE_REPLACE);
}

int journal_flush(struct store_txn *txn)
{
	for (size_t i = 0; i < txn->stream_count; i++) {
		int r = txn->streams[i].changed ? stream_row_put(txn, &txn->streams[i]) : 0;

		if (r != 0)
			return r;
	}
	return 0;
}

static int stream_load(struct store_txn *txn, const char *name, size_t name_len, struct stream_row *out)
{
	MDB_val value;
	int r = table_get(txn, TABLE_STREAMS, name, name_len, &value);

	if (r != 0)
		return r == TABLE_NONE ? (int)JOURNAL_ABSENT : r;
	return stream_row_read(name, name_len, &value, out);
}

static struct stream_row *stream_keep(struct store_txn *txn, const struct stream_row *row)
{
	struct stream_row *kept = realloc(txn->streams, (txn->stream_count + 1) * sizeof(*row));

	if (kept == NULL)
		return NULL;
	txn->streams = kept;
	kept += txn->stream_count++;
	*kept = *row;
	return kept;
}

/* The stream's row: in a write transaction the one that it keeps until commit. */
int stream_of(struct journal *j, struct store_txn *txn, struct stream_row *space, struct stream_row **out)
{
	int r;

	for (size_t i = 0; i < txn->stream_count; i++) {
		*out = &txn->streams[i];
		if ((*out)->number == j->number)
			return 0;
	}
	r = stream_load(txn, j->name, j->name_len, space);
	if (r != 0)
		return r;
	*out = space;
	if (!txn->write)
		return 0;
	*out = stream_keep(txn, space);
	return *out != NULL ? 0 : -ENOMEM;
}

int journal_draw_epoch(struct store_txn *txn, uint64_t now_seconds, uint64_t above, uint64_t *epoch)
{
	uint64_t seen = txn->counters.greatest_epoch, greatest = above > seen ? above : seen;
	uint16_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	*epoch = now_seconds << 16 | random;
	/* A clock that went back: go on from the greatest, still at random, so that two copies differ. */
	if (*epoch <= greatest && __builtin_add_overflow(greatest, (uint64_t)random + 1, epoch))
		return -EOVERFLOW;
	txn->counters.greatest_epoch = *epoch;
	txn->counters_changed = true;
	return 0;
}

static int begin_epoch(struct store_txn *txn, struct stream_row *row, uint64_t now_seconds, uint64_t above)
{
	int r = journal_draw_epoch(txn, now_seconds, above, &row->tail.epoch);

	if (r != 0)
		return r;
	row->tail.seq = 0;
	row->tail.check = journal_first_check(row->tail.epoch);
	row->floor = 1;
	row->floor_check = row->tail.check;
	row->changed = true;
	return 0;
}

static int stream_create(struct store_txn *txn, const char *name, struct stream_row *row)
{
	int r;

	memset(row, 0, sizeof(*row));
	memcpy(row->name, name, strlen(name));
	row->number = txn->counters.next_stream++;
	r = begin_epoch(txn, row, (uint64_t)time(NULL), 0);
	if (r != 0)
		return r;
	r = stream_row_put(txn, row); /* found by name from here on, also in this transaction */
	return r == 0 && stream_keep(txn, row) == NULL ? -ENOMEM : r;
}

int journal_open(struct journal **out, struct store_txn *txn, const char *name)
{
	size_t len = strlen(name);
	struct stream_row row;
	struct journal *j;
	int r;

	*out = NULL;
	if (len == 0 || len > JOURNAL_NAME_MAX)
		return -EINVAL;
	r = stream_load(txn, name, len, &row);
	if (r == JOURNAL_ABSENT && txn->write)
		r = stream_create(txn, name, &row);
	if (r != 0)
		return r;
	j = calloc(1, sizeof(*j));
	if (j == NULL)
		return -ENOMEM;
	j->number = row.number;
	j->name_len = len;
	memcpy(j->name, name, len);
	*out = j;
	return 0;
}

void journal_close(struct journal *j)
{
	free(j);
}

const char *journal_name(const struct journal *j)
{
	return j->name;
}

int journal_tail(struct journal *j, struct store_txn *txn, struct position *out)
{
	struct stream_row space, *row;
	int r = stream_of(j, txn, &space, &row);

	if (r == 0)
		*out = row->tail;
	return r;
}

int journal_floor(struct journal *j, struct store_txn *txn, uint64_t *seq)
{
	struct stream_row space, *row;
	int r = stream_of(j, txn, &space, &row);

	if (r == 0)
		*seq = row->floor;
	return r;
}

int journal_new_epoch(struct journal *j, struct store_txn *txn, uint64_t now_seconds, uint64_t above)
{
	struct stream_row space, *row;
	int r = stream_of(j, txn, &space, &row);

	return r != 0 ? r : begin_epoch(txn, row, now_seconds, above);
}

/* The end of the table is the end of one stream only.  The first refused append of a transaction tells that
 * this is another one, whose records are then put where they belong. */
static int record_reserve(struct store_txn *txn, struct stream_row *row, uint64_t seq, size_t len,
			  void **room)
{
	enum table table = journal_table(row->number);
	uint8_t key[JOURNAL_KEY_BYTES];
	int r = -EEXIST;

	journal_key(key, row->number, row->tail.epoch, seq);
	if (!row->inside)
		r = table_reserve(txn, table, key, sizeof(key), len, TABLE_APPEND, room);
	if (r == -EEXIST) {
		row->inside = true;
		r = table_reserve(txn, table, key, sizeof(key), len, TABLE_ADD, room);
	}
	return r == -EEXIST ? -EILSEQ : r; /* a record beyond the tail: the store is broken */
}

int journal_append(struct journal *j, struct store_txn *txn, struct journal_record *record)
{
	struct stream_row space, *row;
	void *room;
	int r;

	assert(txn->write);
	r = stream_of(j, txn, &space, &row);
	if (r != 0)
		return r;
	r = record_reserve(txn, row, row->tail.seq + 1, RECORD_HEADER_BYTES + record->json_len, &room);
	if (r != 0)
		return r;
	record_write(room, record, row->tail.check);
	record->seq = ++row->tail.seq;
	row->tail.check = record->check;
	row->changed = true;
	return 0;
}

/* The check at seq, which lies between floor - 1 and the tail. */
static int check_at(struct store_txn *txn, const struct stream_row *row, uint64_t seq, uint64_t *check)
{
	uint8_t key[JOURNAL_KEY_BYTES];
	struct journal_record record;
	MDB_val value;
	int r;

	if (seq == row->tail.seq || seq + 1 == row->floor) {
		*check = seq == row->tail.seq ? row->tail.check : row->floor_check;
		return 0;
	}
	journal_key(key, row->number, row->tail.epoch, seq);
	r = table_get(txn, journal_table(row->number), key, sizeof(key), &value);
	if (r < 0)
		return r;
	if (r == TABLE_NONE || !record_read(&value, &record))
		return -EILSEQ;
	*check = record.check;
	return 0;
}

int journal_locate(struct journal *j, struct store_txn *txn, const struct position *cursor)
{
	struct stream_row space, *row;
	uint64_t check;
	int r = stream_of(j, txn, &space, &row);

	if (r != 0)
		return r;
	if (cursor->epoch != row->tail.epoch)
		return JOURNAL_EPOCH;
	if (cursor->seq > row->tail.seq)
		return JOURNAL_FUTURE;
	if (cursor->seq + 1 < row->floor)
		return JOURNAL_PRUNED;
	r = check_at(txn, row, cursor->seq, &check);
	if (r != 0)
		return r;
	return check == cursor->check ? 0 : (int)JOURNAL_MISMATCH;
}

int journal_check_at(struct journal *j, struct store_txn *txn, uint64_t seq, uint64_t *check)
{
	struct stream_row space, *row;
	int r = stream_of(j, txn, &space, &row);

	if (r != 0)
		return r;
	if (seq > row->tail.seq)
		return JOURNAL_FUTURE;
	if (seq + 1 < row->floor)
		return JOURNAL_PRUNED;
	return check_at(txn, row, seq, check);
}

/* Records are verified as they are read: what the disk spoiled does not leave the server.  Each is looked up
 * by its key (next to the last one, so nearly always in the same page): `visit` may use the transaction as it
 * likes. */
static int visit_records(struct store_txn *txn, const struct stream_row *row, uint64_t after, uint64_t check,
			 journal_visit *visit, void *context)
{
	uint8_t key[JOURNAL_KEY_BYTES];
	struct journal_record record;
	MDB_val value;
	int r;

	for (uint64_t seq = after + 1; seq <= row->tail.seq; seq++) {
		journal_key(key, row->number, row->tail.epoch, seq);
		r = table_get(txn, journal_table(row->number), key, sizeof(key), &value);
		if (r < 0)
			return r;
		if (r == TABLE_NONE || !record_read(&value, &record) ||
		    record.check != record_check(&value, check))
			return -EILSEQ;
		check = record.check;
		record.seq = seq;
		r = visit(context, &record);
		if (r != 0)
			return r;
	}
	return JOURNAL_END;
}

int journal_read(struct journal *j, struct store_txn *txn, uint64_t after, journal_visit *visit,
		 void *context)
{
	struct stream_row space, *row;
	uint64_t check;
	int r = stream_of(j, txn, &space, &row);

	if (r != 0)
		return r;
	if (after >= row->tail.seq)
		return JOURNAL_END;
	if (after + 1 < row->floor)
		return JOURNAL_PRUNED;
	r = check_at(txn, row, after, &check);
	if (r != 0)
		return r;
	if (row != &space)
		space = *row; /* a row that the transaction keeps may move meanwhile */
	return visit_records(txn, &space, after, check, visit, context);
}
