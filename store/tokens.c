#include "store/tokens.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/internal.h"

enum { ROW_MAX = 128 + TOKEN_NAME_MAX + TOKEN_DRIVES_MAX + TOKEN_PREFIXES_MAX };

static bool prefixes_good(const char *bytes, size_t len)
{
	return len <= TOKEN_PREFIXES_MAX && (len == 0 || bytes[len - 1] == '\0');
}

static int token_put(struct store_txn *txn, const struct token_row *row, enum table_put how)
{
	uint8_t key[8], bytes[ROW_MAX];
	struct packer p = {bytes, bytes};
	size_t name_len = strnlen(row->name, sizeof(row->name)),
	       drives_len = strnlen(row->drives, sizeof(row->drives));

	if (name_len > TOKEN_NAME_MAX || drives_len > TOKEN_DRIVES_MAX ||
	    !prefixes_good(row->prefixes, row->prefixes_len))
		return -EINVAL;
	key_u64(key, row->id);
	pack_bytes(&p, row->hash, sizeof(row->hash));
	pack_u32(&p, row->scopes);
	pack_u64(&p, (uint64_t)row->created);
	pack_u64(&p, (uint64_t)row->expires);
	pack_u64(&p, (uint64_t)row->revoked);
	pack_u16(&p, (uint16_t)name_len);
	pack_bytes(&p, row->name, name_len);
	pack_u16(&p, (uint16_t)drives_len);
	pack_bytes(&p, row->drives, drives_len);
	if (row->prefixes_len >
	    0) { /* a version that knows of none takes such a row for damaged: it lets nobody in */
		pack_u16(&p, (uint16_t)row->prefixes_len);
		pack_bytes(&p, row->prefixes, row->prefixes_len);
	}
	return row_put(txn, TABLE_TOKENS, key, sizeof(key), &p, how);
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

/* Rows from before there were any end here. */
static bool unpack_prefixes(struct unpacker *u, struct token_row *out)
{
	const void *from;

	if (u->bad || u->at == u->end)
		return true;
	out->prefixes_len = unpack_u16(u);
	from = unpack_bytes(u, out->prefixes_len);
	if (from == NULL || out->prefixes_len == 0 || !prefixes_good(from, out->prefixes_len))
		return false;
	memcpy(out->prefixes, from, out->prefixes_len);
	return true;
}

int token_row_read(const MDB_val *key, const MDB_val *value, struct token_row *out)
{
	struct unpacker u;
	const void *hash;
	int r = row_open(key->mv_data, key->mv_size, value, &u);

	if (r != 0)
		return r;
	if (key->mv_size != 8)
		return -EILSEQ;
	memset(out, 0, sizeof(*out));
	out->id = key_get_u64(key->mv_data);
	hash = unpack_bytes(&u, sizeof(out->hash));
	if (hash == NULL)
		return -EILSEQ;
	memcpy(out->hash, hash, sizeof(out->hash));
	out->scopes = unpack_u32(&u);
	out->created = (int64_t)unpack_u64(&u);
	out->expires = (int64_t)unpack_u64(&u);
	out->revoked = (int64_t)unpack_u64(&u);
	if (!unpack_string(&u, out->name, sizeof(out->name)) ||
	    !unpack_string(&u, out->drives, sizeof(out->drives)) || !unpack_prefixes(&u, out))
		return -EILSEQ;
	return row_done(&u);
}

bool token_covers(const struct token_row *row, const char *drive)
{
	size_t len = strlen(drive), n;

	if (strcmp(row->drives, "*") == 0)
		return true;
	if (len == 0)
		return false;
	for (const char *at = row->drives; *at != '\0'; at += n + (at[n] == ',')) {
		n = strcspn(at, ",");
		if (n == len && memcmp(at, drive, len) == 0)
			return true;
	}
	return false;
}

int tokens_add(struct store_txn *txn, struct token_row *row)
{
	uint8_t id[8];
	int r;

	assert(txn->write);
	key_u64(id, txn->counters.next_token);
	r = table_put(txn, TABLE_TOKEN_HASHES, row->hash, sizeof(row->hash), id, sizeof(id), TABLE_ADD);
	if (r != 0)
		return r;
	row->id = txn->counters.next_token++;
	txn->counters_changed = true;
	return token_put(txn, row, TABLE_ADD);
}

int tokens_update(struct store_txn *txn, const struct token_row *row)
{
	struct token_row before;
	int r;

	assert(txn->write);
	r = tokens_get(txn, row->id, &before);
	if (r != 0)
		return r;
	if (memcmp(before.hash, row->hash, sizeof(row->hash)) != 0)
		return -EINVAL; /* another secret is another token */
	return token_put(txn, row, TABLE_REPLACE);
}

int tokens_by_hash(struct store_txn *txn, const uint8_t hash[TOKEN_HASH_LEN], struct token_row *out)
{
	MDB_val value;
	int r = table_get(txn, TABLE_TOKEN_HASHES, hash, TOKEN_HASH_LEN, &value);

	if (r != 0)
		return r == TABLE_NONE ? (int)TOKENS_NONE : r;
	if (value.mv_size != 8)
		return -EILSEQ;
	r = tokens_get(txn, key_get_u64(value.mv_data), out);
	if (r != 0)
		return r < 0 ? r : -EILSEQ;
	return memcmp(out->hash, hash, TOKEN_HASH_LEN) == 0 ? 0 : -EILSEQ;
}

int tokens_get(struct store_txn *txn, uint64_t id, struct token_row *out)
{
	uint8_t bytes[8];
	MDB_val key = {sizeof(bytes), bytes}, value;
	int r;

	key_u64(bytes, id);
	r = table_get(txn, TABLE_TOKENS, bytes, sizeof(bytes), &value);
	if (r != 0)
		return r == TABLE_NONE ? (int)TOKENS_NONE : r;
	return token_row_read(&key, &value, out);
}

int tokens_next(struct store_txn *txn, uint64_t after, struct token_row *out)
{
	uint8_t bytes[8];
	MDB_val key = {sizeof(bytes), bytes}, value;
	int r;

	if (after == UINT64_MAX)
		return TOKENS_NONE;
	key_u64(bytes, after + 1);
	r = table_seek(txn, TABLE_TOKENS, &key, &value);
	if (r != 0)
		return r == TABLE_NONE ? (int)TOKENS_NONE : r;
	return token_row_read(&key, &value, out);
}
