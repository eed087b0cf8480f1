#include "store/drives.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/internal.h"

enum { FLAG_INDEXED = 1 << 0, FLAG_HAS_ROOT = 1 << 1, FLAG_HAS_VOLUME = 1 << 2, ROW_MAX = 192 };

static int drive_put(struct store_txn *txn, const struct drive_row *row, enum table_put how)
{
	uint8_t bytes[ROW_MAX];
	struct packer p = {bytes, bytes};
	unsigned flags = (row->indexed ? FLAG_INDEXED : 0) | (row->has_root ? FLAG_HAS_ROOT : 0) |
			 (row->has_volume ? FLAG_HAS_VOLUME : 0);

	if (row->root_id.len > IDENTITY_MAX)
		return -EINVAL;
	pack_u32(&p, row->drive);
	pack_u64(&p, row->root);
	pack_u8(&p, (uint8_t)flags);
	pack_u8(&p, row->root_id.len);
	pack_bytes(&p, row->root_id.bytes, row->root_id.len);
	pack_time(&p, &row->root_birth);
	pack_u64(&p, row->last_run);
	pack_bytes(&p, row->volume, sizeof(row->volume));
	pack_u64(&p, row->rules);
	pack_u64(&p, (uint64_t)row->scrubbed_ns);
	pack_u64(&p, row->verified);
	return row_put(txn, TABLE_DRIVES, row->name, strlen(row->name), &p, how);
}

static void read_later_fields(struct unpacker *u, struct drive_row *out)
{
	const void *volume = unpack_bytes(u, sizeof(out->volume));

	if (volume != NULL)
		memcpy(out->volume, volume, sizeof(out->volume));
	out->rules = unpack_u64(u);
	out->scrubbed_ns = (int64_t)unpack_u64(u);
	out->verified = unpack_u64(u);
}

int drive_row_read(const void *name, size_t name_len, const MDB_val *value, struct drive_row *out)
{
	struct unpacker u;
	const void *id;
	uint8_t flags;
	int r = row_open(name, name_len, value, &u);

	if (r != 0)
		return r;
	memset(out, 0, sizeof(*out));
	if (name_len == 0 || name_len > DRIVE_NAME_MAX)
		return -EILSEQ;
	memcpy(out->name, name, name_len);
	out->drive = unpack_u32(&u);
	out->root = unpack_u64(&u);
	flags = unpack_u8(&u);
	out->indexed = flags & FLAG_INDEXED;
	out->has_root = flags & FLAG_HAS_ROOT;
	out->root_id.len = unpack_u8(&u);
	id = unpack_bytes(&u, out->root_id.len);
	if (id == NULL || out->root_id.len > IDENTITY_MAX)
		return -EILSEQ;
	memcpy(out->root_id.bytes, id, out->root_id.len);
	unpack_time(&u, &out->root_birth);
	out->last_run = unpack_u64(&u);
	out->has_volume = flags & FLAG_HAS_VOLUME;
	if (u.at < u.end) /* not in format 1 */
		read_later_fields(&u, out);
	return row_done(&u);
}

static bool name_fits(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= DRIVE_NAME_MAX;
}

int drives_find(struct store_txn *txn, const char *name, struct drive_row *out)
{
	MDB_val value;
	int r;

	if (!name_fits(name))
		return DRIVES_NONE;
	r = table_get(txn, TABLE_DRIVES, name, strlen(name), &value);
	if (r != 0)
		return r == TABLE_NONE ? (int)DRIVES_NONE : r;
	return drive_row_read(name, strlen(name), &value, out);
}

int drives_add(struct store_txn *txn, const char *name, struct drive_row *out)
{
	int r;

	assert(txn->write);
	if (!name_fits(name))
		return -EINVAL;
	r = drives_find(txn, name, out);
	if (r != DRIVES_NONE)
		return r == 0 ? -EEXIST : r;
	memset(out, 0, sizeof(*out));
	memcpy(out->name, name, strlen(name));
	out->drive = txn->counters.next_drive++;
	txn->counters_changed = true;
	r = index_add_root(txn, out->drive, &out->root);
	return r != 0 ? r : drive_put(txn, out, TABLE_ADD);
}

int drives_update(struct store_txn *txn, const struct drive_row *row)
{
	struct drive_row before;
	int r;

	assert(txn->write);
	r = drives_find(txn, row->name, &before);
	if (r != 0)
		return r;
	if (before.drive != row->drive || before.root != row->root)
		return -EINVAL; /* given once */
	return drive_put(txn, row, TABLE_REPLACE);
}
