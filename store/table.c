#include "store/table.h"

#include <errno.h>
#include <xxhash.h>

#include "store/internal.h"

static const char *const journals[JOURNAL_TABLES] = {
	"journal00", "journal01", "journal02", "journal03", "journal04", "journal05", "journal06",
	"journal07", "journal08", "journal09", "journal10", "journal11", "journal12", "journal13",
	"journal14", "journal15", "journal16", "journal17", "journal18", "journal19", "journal20",
	"journal21", "journal22", "journal23", "journal24", "journal25", "journal26", "journal27",
	"journal28", "journal29", "journal30", "journal31",
};

static const char *const names[TABLE_JOURNAL] = {
	[TABLE_META] = "meta",     [TABLE_STREAMS] = "streams",
	[TABLE_NODES] = "nodes",   [TABLE_NAMES] = "names",
	[TABLE_IDS] = "ids",       [TABLE_DETACHED] = "detached",
	[TABLE_DRIVES] = "drives", [TABLE_RUNS] = "runs",
	[TABLE_TOKENS] = "tokens", [TABLE_TOKEN_HASHES] = "token_hashes",
};

const char *table_name(enum table table)
{
	return table < TABLE_JOURNAL ? names[table] : journals[table - TABLE_JOURNAL];
}

enum table journal_table(uint32_t stream)
{
	return (enum table)(TABLE_JOURNAL + stream % JOURNAL_TABLES);
}

MDB_dbi table_dbi(const struct store *s, enum table table)
{
	return s->tables[table];
}

static int cursor_of(struct store_txn *txn, enum table table, MDB_cursor **out)
{
	int r = 0;

	if (txn->cursors[table] == NULL) {
		r = mdb_cursor_open(txn->txn, txn->store->tables[table], &txn->cursors[table]);
		txn->stale[table] = r != 0;
	} else if (txn->stale[table]) {
		r = mdb_cursor_renew(txn->txn, txn->cursors[table]);
		txn->stale[table] = r != 0;
	}
	*out = txn->cursors[table];
	return store_error(r);
}

static int answer(int r)
{
	return r == MDB_NOTFOUND ? TABLE_NONE : store_error(r);
}

static int move(struct store_txn *txn, enum table table, MDB_val *key, MDB_val *value, MDB_cursor_op op)
{
	MDB_cursor *cursor;
	int r = cursor_of(txn, table, &cursor);

	return r != 0 ? r : answer(mdb_cursor_get(cursor, key, value, op));
}

int table_get(struct store_txn *txn, enum table table, const void *key, size_t key_len, MDB_val *value)
{
	MDB_val k = {key_len, (void *)key};

	return move(txn, table, &k, value, MDB_SET);
}

int table_seek(struct store_txn *txn, enum table table, MDB_val *key, MDB_val *value)
{
	return move(txn, table, key, value, MDB_SET_RANGE);
}

int table_next(struct store_txn *txn, enum table table, MDB_val *key, MDB_val *value)
{
	return move(txn, table, key, value, MDB_NEXT);
}

/* The last entry that sorts before *key. */
int table_before(struct store_txn *txn, enum table table, MDB_val *key, MDB_val *value)
{
	int r = table_seek(txn, table, key, value);

	if (r < 0)
		return r;
	return move(txn, table, key, value, r == TABLE_NONE ? MDB_LAST : MDB_PREV);
}

static unsigned put_flags(enum table_put how)
{
	switch (how) {
	case TABLE_REPLACE:
		return 0;
	case TABLE_ADD:
		return MDB_NOOVERWRITE;
	case TABLE_APPEND:
		return MDB_APPEND;
	}
	return 0;
}

int table_put(struct store_txn *txn, enum table table, const void *key, size_t key_len, const void *data,
	      size_t len, enum table_put how)
{
	MDB_val k = {key_len, (void *)key}, v = {len, (void *)data};
	MDB_cursor *cursor;
	int r = cursor_of(txn, table, &cursor);

	return r != 0 ? r : store_error(mdb_cursor_put(cursor, &k, &v, put_flags(how)));
}

int table_reserve(struct store_txn *txn, enum table table, const void *key, size_t key_len, size_t len,
		  enum table_put how, void **room)
{
	MDB_val k = {key_len, (void *)key}, v = {len, NULL};
	MDB_cursor *cursor;
	int r = cursor_of(txn, table, &cursor);

	if (r != 0)
		return r;
	r = mdb_cursor_put(cursor, &k, &v, put_flags(how) | MDB_RESERVE);
	*room = v.mv_data;
	return store_error(r);
}

int table_delete(struct store_txn *txn, enum table table, const void *key, size_t key_len)
{
	MDB_val k = {key_len, (void *)key}, v;
	MDB_cursor *cursor;
	int r = cursor_of(txn, table, &cursor);

	if (r == 0)
		r = answer(mdb_cursor_get(cursor, &k, &v, MDB_SET));
	return r != 0 ? r : store_error(mdb_cursor_del(cursor, 0));
}

uint64_t table_entries(struct store_txn *txn, enum table table)
{
	MDB_stat stat;

	return mdb_stat(txn->txn, txn->store->tables[table], &stat) == 0 ? stat.ms_entries : 0;
}

static uint32_t seal_of(const void *key, size_t key_len, const void *bytes, size_t len)
{
	return (uint32_t)XXH3_64bits_withSeed(bytes, len, XXH3_64bits(key, key_len));
}

int row_put(struct store_txn *txn, enum table table, const void *key, size_t key_len, struct packer *row,
	    enum table_put how)
{
	pack_u32(row, seal_of(key, key_len, row->start, (size_t)(row->at - row->start)));
	return table_put(txn, table, key, key_len, row->start, (size_t)(row->at - row->start), how);
}

int row_open(const void *key, size_t key_len, const MDB_val *value, struct unpacker *out)
{
	struct unpacker seal;
	size_t len;

	if (value->mv_size < SEAL_BYTES)
		return -EILSEQ;
	len = value->mv_size - SEAL_BYTES;
	*out = (struct unpacker){value->mv_data, (const uint8_t *)value->mv_data + len, false};
	seal = (struct unpacker){out->end, out->end + SEAL_BYTES, false};
	return unpack_u32(&seal) == seal_of(key, key_len, out->at, len) ? 0 : -EILSEQ;
}

int row_get(struct store_txn *txn, enum table table, const void *key, size_t key_len, struct unpacker *out)
{
	MDB_val value;
	int r = table_get(txn, table, key, key_len, &value);

	return r != 0 ? r : row_open(key, key_len, &value, out);
}

int row_done(const struct unpacker *row)
{
	return row->bad || row->at != row->end ? -EILSEQ : 0;
}
