/* What the store knows of itself.  The format stands alone: a later version may change everything else. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

enum { META_ROW_MAX = 64 };

struct meta_row {
	uint8_t bytes[META_ROW_MAX];
	struct packer p;
};

static struct packer *meta_row_init(struct meta_row *row)
{
	row->p = (struct packer){row->bytes, row->bytes};
	return &row->p;
}

static int meta_put(struct store_txn *txn, const char *key, struct meta_row *row)
{
	return row_put(txn, TABLE_META, key, strlen(key), &row->p, TABLE_REPLACE);
}

/* What must be there, is: else the store is broken. */
static int meta_get(struct store_txn *txn, const char *key, struct unpacker *out)
{
	int r = row_get(txn, TABLE_META, key, strlen(key), out);

	return r == TABLE_NONE ? -EILSEQ : r;
}

int meta_put_format(struct store_txn *txn)
{
	uint8_t format[4];

	key_u32(format, STORE_FORMAT);
	return table_put(txn, TABLE_META, "format", 6, format, sizeof(format), TABLE_REPLACE);
}

int meta_put_file(struct store_txn *txn, const struct store_file *file)
{
	struct meta_row row;
	struct packer *p = meta_row_init(&row);

	pack_u64(p, file->inode);
	pack_time(p, &file->birth);
	return meta_put(txn, "file", &row);
}

int meta_get_file(struct store_txn *txn, struct store_file *file)
{
	struct unpacker u;
	int r = meta_get(txn, "file", &u);

	if (r != 0)
		return r;
	file->inode = unpack_u64(&u);
	unpack_time(&u, &file->birth);
	return row_done(&u);
}

int meta_put_clean(struct store_txn *txn, bool clean)
{
	struct meta_row row;

	pack_u8(meta_row_init(&row), clean);
	return meta_put(txn, "clean", &row);
}

int meta_get_clean(struct store_txn *txn, bool *clean)
{
	struct unpacker u;
	int r = meta_get(txn, "clean", &u);

	if (r != 0)
		return r;
	*clean = unpack_u8(&u) == 1;
	return row_done(&u);
}

int meta_put_counters(struct store_txn *txn)
{
	const struct store_counters *c = &txn->counters;
	struct meta_row row;
	struct packer *p = meta_row_init(&row);

	pack_u64(p, c->next_node);
	pack_u64(p, c->next_token);
	pack_u64(p, c->greatest_epoch);
	pack_u32(p, c->next_drive);
	pack_u32(p, c->next_stream);
	return meta_put(txn, "counters", &row);
}

int meta_get_counters(struct store_txn *txn, struct store_counters *c)
{
	struct unpacker u;
	int r = meta_get(txn, "counters", &u);

	if (r != 0)
		return r;
	c->next_node = unpack_u64(&u);
	c->next_token = unpack_u64(&u);
	c->greatest_epoch = unpack_u64(&u);
	c->next_drive = unpack_u32(&u);
	c->next_stream = unpack_u32(&u);
	return row_done(&u);
}

static void count_key(uint8_t key[META_COUNT_KEY], uint32_t drive)
{
	memcpy(key, "count", 5);
	key_u32(key + 5, drive);
}

static int count_read(struct store_txn *txn, uint32_t drive, uint64_t *count)
{
	uint8_t key[META_COUNT_KEY];
	struct unpacker u;
	int r;

	count_key(key, drive);
	*count = 0;
	r = row_get(txn, TABLE_META, key, sizeof(key), &u);
	if (r != 0)
		return r == TABLE_NONE ? 0 : r;
	*count = unpack_u64(&u);
	return row_done(&u);
}

static struct drive_count *count_cached(struct store_txn *txn, uint32_t drive)
{
	for (size_t i = 0; i < txn->count_count; i++) {
		if (txn->counts[i].drive == drive)
			return &txn->counts[i];
	}
	return NULL;
}

int meta_count(struct store_txn *txn, uint32_t drive, uint64_t *count)
{
	const struct drive_count *c = count_cached(txn, drive);

	if (c == NULL)
		return count_read(txn, drive, count);
	*count = c->count;
	return 0;
}

int meta_count_add(struct store_txn *txn, uint32_t drive, int64_t more)
{
	struct drive_count *c = count_cached(txn, drive);
	int r;

	if (c == NULL) {
		c = realloc(txn->counts, (txn->count_count + 1) * sizeof(*c));
		if (c == NULL)
			return -ENOMEM;
		txn->counts = c;
		c += txn->count_count;
		*c = (struct drive_count){.drive = drive};
		r = count_read(txn, drive, &c->count);
		if (r != 0)
			return r;
		txn->count_count++;
	}
	c->count += (uint64_t)more;
	c->changed = true;
	return 0;
}

int meta_flush_counts(struct store_txn *txn)
{
	uint8_t key[META_COUNT_KEY];
	struct meta_row row;
	int r;

	for (size_t i = 0; i < txn->count_count; i++) {
		if (!txn->counts[i].changed)
			continue;
		count_key(key, txn->counts[i].drive);
		pack_u64(meta_row_init(&row), txn->counts[i].count);
		r = row_put(txn, TABLE_META, key, sizeof(key), &row.p, TABLE_REPLACE);
		if (r != 0)
			return r;
	}
	return 0;
}
