#include "store/runs.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/internal.h"

enum { RUN_KEY_BYTES = 4 + 8, ROW_MAX = 64 + RUN_PATH_MAX + RUN_ERROR_MAX };

static void run_key(uint8_t key[RUN_KEY_BYTES], uint32_t drive, uint64_t run)
{
	key_u32(key, drive);
	key_u64(key + 4, run);
}

int runs_put(struct store_txn *txn, const struct run_row *row)
{
	uint8_t key[RUN_KEY_BYTES], bytes[ROW_MAX];
	struct packer p = {bytes, bytes};
	size_t path_len = strnlen(row->path, sizeof(row->path)),
	       error_len = strnlen(row->error, sizeof(row->error));

	assert(txn->write);
	if (path_len > RUN_PATH_MAX || error_len > RUN_ERROR_MAX || row->run == 0)
		return -EINVAL;
	run_key(key, row->drive, row->run);
	pack_u8(&p, (uint8_t)row->trigger);
	pack_u8(&p, (uint8_t)row->state);
	pack_u64(&p, (uint64_t)row->started_ns);
	pack_u64(&p, (uint64_t)row->ended_ns);
	pack_u64(&p, row->entries);
	pack_u64(&p, row->changes);
	pack_u16(&p, (uint16_t)path_len);
	pack_bytes(&p, row->path, path_len);
	pack_u16(&p, (uint16_t)error_len);
	pack_bytes(&p, row->error, error_len);
	pack_u64(&p, row->total);
	return row_put(txn, TABLE_RUNS, key, sizeof(key), &p, TABLE_REPLACE);
}

static bool unpack_string(struct unpacker *u, char *out, size_t room)
{
	size_t len = unpack_u16(u);
	const void *from = unpack_bytes(u, len);

	if (from == NULL || len >= room)
		return false;
	memcpy(out, from, len);
	out[len] = '\0';
	return true;
}

int run_row_read(const MDB_val *key, const MDB_val *value, struct run_row *out)
{
	struct unpacker u;
	int r = row_open(key->mv_data, key->mv_size, value, &u);

	if (r != 0)
		return r;
	if (key->mv_size != RUN_KEY_BYTES)
		return -EILSEQ;
	out->drive = key_get_u32(key->mv_data);
	out->run = key_get_u64((const uint8_t *)key->mv_data + 4);
	out->trigger = (enum run_trigger)unpack_u8(&u);
	out->state = (enum run_state)unpack_u8(&u);
	out->started_ns = (int64_t)unpack_u64(&u);
	out->ended_ns = (int64_t)unpack_u64(&u);
	out->entries = unpack_u64(&u);
	out->changes = unpack_u64(&u);
	if (!unpack_string(&u, out->path, sizeof(out->path)) ||
	    !unpack_string(&u, out->error, sizeof(out->error)))
		return -EILSEQ;
	out->total = u.at < u.end ? unpack_u64(&u) : 0; /* older rows have none */
	return row_done(&u);
}

int runs_get(struct store_txn *txn, uint32_t drive, uint64_t run, struct run_row *out)
{
	uint8_t bytes[RUN_KEY_BYTES];
	MDB_val key = {sizeof(bytes), bytes}, value;
	int r;

	run_key(bytes, drive, run);
	r = table_get(txn, TABLE_RUNS, bytes, sizeof(bytes), &value);
	if (r != 0)
		return r == TABLE_NONE ? (int)RUNS_NONE : r;
	return run_row_read(&key, &value, out);
}

int runs_before(struct store_txn *txn, uint32_t drive, uint64_t before, struct run_row *out)
{
	uint8_t bytes[RUN_KEY_BYTES];
	MDB_val key = {sizeof(bytes), bytes}, value;
	int r;

	run_key(bytes, drive, before == 0 ? UINT64_MAX : before);
	r = table_before(txn, TABLE_RUNS, &key, &value);
	if (r != 0)
		return r == TABLE_NONE ? (int)RUNS_NONE : r;
	if (key.mv_size != RUN_KEY_BYTES || key_get_u32(key.mv_data) != drive)
		return RUNS_NONE;
	return run_row_read(&key, &value, out);
}

/* The key of the oldest run of a drive. */
static int oldest(struct store_txn *txn, uint32_t drive, uint64_t *run)
{
	uint8_t bytes[RUN_KEY_BYTES];
	MDB_val key = {sizeof(bytes), bytes}, value;
	int r;

	run_key(bytes, drive, 0);
	r = table_seek(txn, TABLE_RUNS, &key, &value);
	if (r != 0)
		return r;
	if (key.mv_size != RUN_KEY_BYTES || key_get_u32(key.mv_data) != drive)
		return TABLE_NONE;
	*run = key_get_u64((const uint8_t *)key.mv_data + 4);
	return 0;
}

static int newest(struct store_txn *txn, uint32_t drive, uint64_t *run)
{
	struct run_row row;
	int r = runs_before(txn, drive, 0, &row);

	if (r == 0)
		*run = row.run;
	return r;
}

/* Numbers count up by one, so the newest tells which are too old. */
int runs_prune(struct store_txn *txn, uint32_t drive, unsigned keep)
{
	uint8_t bytes[RUN_KEY_BYTES];
	uint64_t first, last;
	int r;

	assert(txn->write);
	r = newest(txn, drive, &last);
	if (r != 0)
		return r == RUNS_NONE ? 0 : r;
	while ((r = oldest(txn, drive, &first)) == 0 && last - first >= keep) {
		run_key(bytes, drive, first);
		r = table_delete(txn, TABLE_RUNS, bytes, sizeof(bytes));
		if (r != 0)
			return r < 0 ? r : -EILSEQ;
	}
	return r < 0 ? r : 0;
}

const char *run_trigger_name(enum run_trigger t)
{
	switch (t) {
	case RUN_FIRST_INDEX:
		return "first_index";
	case RUN_START:
		return "start";
	case RUN_OVERFLOW:
		return "overflow";
	case RUN_WATCHER:
		return "watcher";
	case RUN_MANUAL:
		return "manual";
	case RUN_SCRUB:
		return "scrub";
	case RUN_ADOPT:
		return "adopt";
	}
	return "unknown";
}

const char *run_state_name(enum run_state s)
{
	switch (s) {
	case RUN_RUNNING:
		return "running";
	case RUN_COMPLETED:
		return "completed";
	case RUN_FAILED:
		return "failed";
	case RUN_INTERRUPTED:
		return "interrupted";
	case RUN_QUEUED:
		return "queued";
	}
	return "unknown";
}
