#include "store/node_row.h"

#include <errno.h>
#include <string.h>

enum { FLAG_MOUNT = 1 << 0, FLAG_HIDDEN = 1 << 1, FLAG_OPEN = 1 << 2, FLAG_HASH = 1 << 3, FLAGS_ALL = 15 };

static bool in_range(const struct index_node *n)
{
	const struct node_state *s = &n->state;

	return n->name_len <= NODE_NAME_MAX && n->target_len <= NODE_TARGET_MAX &&
	       n->id.len <= IDENTITY_MAX && s->kind >= NODE_FILE && s->kind <= NODE_SYMLINK &&
	       s->mode <= 07777;
}

static uint8_t flags_of(const struct index_node *n)
{
	return (uint8_t)((n->state.mount ? FLAG_MOUNT : 0) | (n->hidden ? FLAG_HIDDEN : 0) |
			 (n->open ? FLAG_OPEN : 0) | (n->has_hash ? FLAG_HASH : 0));
}

int node_row_pack(struct packer *row, const struct index_node *n)
{
	const struct node_state *s = &n->state;

	if (!in_range(n))
		return -EINVAL;
	pack_u64(row, n->parent);
	pack_u64(row, n->rev_epoch);
	pack_u64(row, n->rev_seq);
	pack_u32(row, n->drive);
	pack_u8(row, (uint8_t)s->kind);
	pack_u8(row, flags_of(n));
	pack_u16(row, s->mode);
	pack_u32(row, s->uid);
	pack_u32(row, s->gid);
	pack_u32(row, s->links);
	pack_u64(row, s->size);
	pack_time(row, &s->mtime);
	pack_time(row, &s->ctime);
	pack_time(row, &s->birth);
	pack_u8(row, n->id.len);
	pack_u8(row, (uint8_t)n->name_len);
	pack_u16(row, (uint16_t)n->target_len);
	pack_bytes(row, n->id.bytes, n->id.len);
	pack_bytes(row, n->name, n->name_len);
	pack_bytes(row, n->target, n->target_len);
	if (n->has_hash)
		pack_bytes(row, n->hash, sizeof(n->hash));
	return 0;
}

static void read_flags(struct unpacker *u, struct index_node *out)
{
	uint8_t flags = unpack_u8(u);

	u->bad |= (flags & ~FLAGS_ALL) != 0;
	out->state.mount = flags & FLAG_MOUNT;
	out->hidden = flags & FLAG_HIDDEN;
	out->open = flags & FLAG_OPEN;
	out->has_hash = flags & FLAG_HASH;
}

static void read_state(struct unpacker *u, struct index_node *out)
{
	struct node_state *s = &out->state;

	s->kind = (enum node_kind)unpack_u8(u);
	read_flags(u, out);
	s->mode = unpack_u16(u);
	s->uid = unpack_u32(u);
	s->gid = unpack_u32(u);
	s->links = unpack_u32(u);
	s->size = unpack_u64(u);
	unpack_time(u, &s->mtime);
	unpack_time(u, &s->ctime);
	unpack_time(u, &s->birth);
}

int node_row_read(uint64_t node, const MDB_val *value, struct index_node *out)
{
	struct unpacker u;
	const void *id, *hash = NULL;
	uint8_t key[8];
	int r;

	key_u64(key, node);
	r = row_open(key, sizeof(key), value, &u);
	if (r != 0)
		return r;
	out->node = node;
	out->parent = unpack_u64(&u);
	out->rev_epoch = unpack_u64(&u);
	out->rev_seq = unpack_u64(&u);
	out->drive = unpack_u32(&u);
	read_state(&u, out);
	out->id.len = unpack_u8(&u);
	out->name_len = unpack_u8(&u);
	out->target_len = unpack_u16(&u);
	id = unpack_bytes(&u, out->id.len);
	out->name = unpack_bytes(&u, out->name_len);
	out->target = unpack_bytes(&u, out->target_len);
	if (out->has_hash)
		hash = unpack_bytes(&u, sizeof(out->hash));
	if (u.bad || !in_range(out))
		return -EILSEQ;
	memset(out->id.bytes, 0, sizeof(out->id.bytes));
	memcpy(out->id.bytes, id, out->id.len);
	memset(out->hash, 0, sizeof(out->hash));
	if (hash != NULL)
		memcpy(out->hash, hash, sizeof(out->hash));
	return row_done(&u);
}

size_t name_key(uint8_t key[NAME_KEY_MAX], uint64_t parent, const char *name, size_t name_len)
{
	key_u64(key, parent);
	if (name_len > 0)
		memcpy(key + 8, name, name_len);
	return 8 + name_len;
}

/* The length comes before the identity, so that one is never the beginning of another. */
size_t id_key(uint8_t key[ID_KEY_MAX], uint32_t drive, const struct identity *id, uint64_t node)
{
	key_u32(key, drive);
	key[4] = id->len;
	memcpy(key + 5, id->bytes, id->len);
	key_u64(key + 5 + id->len, node);
	return 5 + (size_t)id->len + 8;
}
