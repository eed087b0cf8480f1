/* Three tables: nodes (the rows), names (parent | name -> node) and ids (drive | identity | node).  A row
 * carries its own parent and name, so each name record can be checked against it and a path is a walk
 * upwards.
 *
 * Rows given out lie in the map, and any write may move them: every function that takes such a row packs what
 * it needs of it into memory of its own before it writes. */
#include "store/index.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/internal.h"
#include "store/node_row.h"

static int none(int r)
{
	return r == TABLE_NONE ? (int)INDEX_NONE : r;
}

int index_get(struct store_txn *txn, uint64_t node, struct index_node *out)
{
	uint8_t key[8];
	MDB_val value;
	int r;

	key_u64(key, node);
	r = table_get(txn, TABLE_NODES, key, sizeof(key), &value);
	return r != 0 ? none(r) : node_row_read(node, &value, out);
}

/* What another record says is there: when it is not, the store is broken. */
static int certain(int r)
{
	return r == TABLE_NONE || r == INDEX_NONE ? -EILSEQ : r;
}

int index_lookup(struct store_txn *txn, uint64_t parent, const char *name, size_t name_len, uint64_t *node)
{
	uint8_t key[NAME_KEY_MAX];
	MDB_val value;
	int r;

	if (name_len == 0 || name_len > NODE_NAME_MAX)
		return INDEX_NONE;
	r = table_get(txn, TABLE_NAMES, key, name_key(key, parent, name, name_len), &value);
	if (r != 0)
		return none(r);
	if (value.mv_size != 8)
		return -EILSEQ;
	*node = key_get_u64(value.mv_data);
	return 0;
}

int index_next_node(struct store_txn *txn, uint32_t drive, uint64_t after, unsigned limit,
		    struct index_node *out)
{
	uint8_t bytes[8];
	MDB_val key = {sizeof(bytes), bytes}, value;
	int r;

	if (after == UINT64_MAX)
		return INDEX_NONE;
	key_u64(bytes, after + 1);
	r = table_seek(txn, TABLE_NODES, &key, &value);
	for (unsigned i = 0; r == 0 && i < limit; i++) {
		if (key.mv_size != sizeof(bytes))
			return -EILSEQ;
		r = node_row_read(key_get_u64(key.mv_data), &value, out);
		if (r != 0 || out->drive == drive)
			return r;
		r = table_next(txn, TABLE_NODES, &key, &value);
	}
	return r == TABLE_NONE ? (int)INDEX_NONE : r != 0 ? r : -EAGAIN;
}

/* The name record of the first child of parent after the given name. */
static int seek_child(struct store_txn *txn, uint64_t parent, const char *after, size_t after_len,
		      MDB_val *key, MDB_val *value)
{
	uint8_t bytes[NAME_KEY_MAX];
	size_t len;
	int r;

	if (after_len > NODE_NAME_MAX)
		return -EINVAL;
	len = name_key(bytes, parent, after, after_len);
	*key = (MDB_val){len, bytes};
	r = table_seek(txn, TABLE_NAMES, key, value);
	if (r == 0 && after_len > 0 && key->mv_size == len && memcmp(key->mv_data, bytes, len) == 0)
		r = table_next(txn, TABLE_NAMES, key, value);
	return r;
}

/* 0: it is one of parent's. */
static int child_of(uint64_t parent, const MDB_val *key, const MDB_val *value, struct index_child *out)
{
	if (key->mv_size < 8 || key_get_u64(key->mv_data) != parent)
		return INDEX_NONE;
	if (value->mv_size != 8)
		return -EILSEQ;
	*out = (struct index_child){.node = key_get_u64(value->mv_data),
				    .name = (const char *)key->mv_data + 8,
				    .name_len = key->mv_size - 8};
	return 0;
}

int index_children(struct store_txn *txn, uint64_t parent, const char *after, size_t after_len,
		   struct index_child *out, size_t room, size_t *count)
{
	MDB_val key, value;
	int r = seek_child(txn, parent, after, after_len, &key, &value);

	for (*count = 0; r == 0 && *count < room; (*count)++) {
		r = child_of(parent, &key, &value, &out[*count]);
		if (r != 0)
			break;
		r = table_next(txn, TABLE_NAMES, &key, &value);
	}
	return r < 0 ? r : 0;
}

int index_next_child(struct store_txn *txn, uint64_t parent, const char *after, size_t after_len,
		     struct index_node *out)
{
	struct index_child child;
	MDB_val key, value;
	int r = seek_child(txn, parent, after, after_len, &key, &value);

	if (r == 0)
		r = child_of(parent, &key, &value, &child);
	if (r != 0)
		return none(r);
	return certain(index_get(txn, child.node, out));
}

int index_by_identity(struct store_txn *txn, uint32_t drive, const struct identity *id, uint64_t after,
		      uint64_t *node)
{
	bool any_detached = table_entries(txn, TABLE_DETACHED) > 0;
	uint8_t bytes[ID_KEY_MAX];
	bool detached = false;
	MDB_val key, value;
	size_t len;
	int r;

	if (id->len == 0 || id->len > IDENTITY_MAX)
		return INDEX_NONE;
	while (after < UINT64_MAX) {
		len = id_key(bytes, drive, id, after + 1);
		key = (MDB_val){len, bytes};
		r = table_seek(txn, TABLE_IDS, &key, &value);
		if (r != 0)
			return none(r);
		if (key.mv_size != len || memcmp(key.mv_data, bytes, len - 8) != 0)
			return INDEX_NONE;
		after = key_get_u64((const uint8_t *)key.mv_data + len - 8);
		r = any_detached ? index_is_detached(txn, after, &detached) : 0;
		if (r != 0 || !detached) {
			*node = after;
			return r;
		}
	}
	return INDEX_NONE;
}

/* A row packed into memory of its own, so that what it was made from may move. */
struct packed_node {
	uint8_t key[8], bytes[NODE_ROW_MAX];
	struct packer row;
};

static int node_pack(struct packed_node *packed, const struct index_node *n)
{
	key_u64(packed->key, n->node);
	packed->row = (struct packer){packed->bytes, packed->bytes};
	return node_row_pack(&packed->row, n);
}

static int put_packed(struct store_txn *txn, struct packed_node *packed, enum table_put how)
{
	return row_put(txn, TABLE_NODES, packed->key, sizeof(packed->key), &packed->row, how);
}

static bool same_id(const struct identity *a, const struct identity *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static int put_id(struct store_txn *txn, const struct index_node *n)
{
	uint8_t key[ID_KEY_MAX];

	if (n->id.len == 0)
		return 0;
	return table_put(txn, TABLE_IDS, key, id_key(key, n->drive, &n->id, n->node), "", 0, TABLE_REPLACE);
}

static int drop_id(struct store_txn *txn, const struct index_node *n)
{
	uint8_t key[ID_KEY_MAX];

	if (n->id.len == 0)
		return 0;
	return certain(table_delete(txn, TABLE_IDS, key, id_key(key, n->drive, &n->id, n->node)));
}

static int put_name(struct store_txn *txn, uint64_t parent, const char *name, size_t name_len, uint64_t node)
{
	uint8_t key[NAME_KEY_MAX], number[8];

	key_u64(number, node);
	return table_put(txn, TABLE_NAMES, key, name_key(key, parent, name, name_len), number, sizeof(number),
			 TABLE_ADD);
}

/* Names come in by directory, so the last good parent is nearly always the next one too. */
static int check_parent(struct store_txn *txn, uint64_t parent, uint32_t drive)
{
	struct index_node row;
	int r;

	if (parent == txn->good_parent && drive == txn->good_drive)
		return 0;
	r = index_get(txn, parent, &row);
	if (r != 0)
		return r == INDEX_NONE ? -ENOENT : r;
	if (row.state.kind != NODE_DIR)
		return -ENOTDIR;
	if (row.drive != drive)
		return -EXDEV;
	txn->good_parent = parent;
	txn->good_drive = drive;
	return 0;
}

int index_add(struct store_txn *txn, struct index_node *n)
{
	struct packed_node packed;
	int r;

	assert(txn->write);
	if (n->name_len == 0 || n->name_len > NODE_NAME_MAX)
		return -EINVAL;
	r = check_parent(txn, n->parent, n->drive);
	if (r != 0)
		return r;
	n->node = txn->counters.next_node;
	r = node_pack(&packed, n);
	if (r == 0)
		r = put_name(txn, n->parent, n->name, n->name_len, n->node);
	if (r == 0)
		r = put_packed(txn, &packed, TABLE_APPEND);
	if (r == 0)
		r = put_id(txn, n);
	if (r != 0)
		return r;
	txn->counters.next_node++;
	txn->counters_changed = true;
	return meta_count_add(txn, n->drive, 1);
}

int index_add_root(struct store_txn *txn, uint32_t drive, uint64_t *node)
{
	struct index_node n = {.drive = drive, .state = {.kind = NODE_DIR}};
	struct packed_node packed;
	int r;

	n.node = txn->counters.next_node;
	r = node_pack(&packed, &n);
	if (r == 0)
		r = put_packed(txn, &packed, TABLE_APPEND);
	if (r != 0)
		return r;
	txn->counters.next_node++;
	txn->counters_changed = true;
	*node = n.node;
	return 0;
}

int index_update(struct store_txn *txn, const struct index_node *n)
{
	struct index_node row = *n, before;
	struct packed_node packed;
	int r;

	assert(txn->write);
	r = index_get(txn, n->node, &before);
	if (r != 0)
		return r;
	row.parent = before.parent;
	row.drive = before.drive;
	row.name = before.name;
	row.name_len = before.name_len;
	r = node_pack(&packed, &row);
	if (r == 0 && !same_id(&before.id, &row.id)) {
		r = drop_id(txn, &before);
		if (r == 0)
			r = put_id(txn, &row);
	}
	if (before.state.kind != row.state.kind)
		txn->good_parent = 0;
	return r != 0 ? r : put_packed(txn, &packed, TABLE_REPLACE);
}

int index_move(struct store_txn *txn, uint64_t node, uint64_t parent, const char *name, size_t name_len,
	       uint64_t rev_epoch, uint64_t rev_seq)
{
	struct index_node before, row;
	uint8_t old_name[NAME_KEY_MAX];
	struct packed_node packed;
	size_t old_len;
	bool renamed;
	int r;

	assert(txn->write);
	r = index_get(txn, node, &before);
	if (r != 0)
		return r;
	if (before.parent == 0 || name_len == 0 || name_len > NODE_NAME_MAX)
		return -EINVAL;
	row = before;
	row.parent = parent;
	row.name = name;
	row.name_len = name_len;
	row.rev_epoch = rev_epoch;
	row.rev_seq = rev_seq;
	renamed = parent != before.parent || name_len != before.name_len ||
		  memcmp(name, before.name, name_len) != 0;
	old_len = name_key(old_name, before.parent, before.name, before.name_len);
	r = node_pack(&packed, &row);
	if (r == 0)
		r = check_parent(txn, parent, row.drive);
	if (r == 0 && renamed)
		r = put_name(txn, parent, name, name_len, node);
	if (r == 0 && renamed)
		r = certain(table_delete(txn, TABLE_NAMES, old_name, old_len));
	return r != 0 ? r : put_packed(txn, &packed, TABLE_REPLACE);
}

static int has_children(struct store_txn *txn, uint64_t node)
{
	struct index_node child;
	int r = index_next_child(txn, node, NULL, 0, &child);

	return r == 0 ? -ENOTEMPTY : r == INDEX_NONE ? 0 : r;
}

int index_drop_row(struct store_txn *txn, const struct index_node *n)
{
	uint64_t node = n->node;
	uint32_t drive = n->drive;
	uint8_t key[8];
	int r;

	if (node == txn->good_parent)
		txn->good_parent = 0;
	r = drop_id(txn, n);
	if (r != 0)
		return r;
	key_u64(key, node);
	r = certain(table_delete(txn, TABLE_NODES, key, sizeof(key)));
	return r != 0 ? r : meta_count_add(txn, drive, -1);
}

int index_drop_name(struct store_txn *txn, const struct index_node *n)
{
	uint8_t key[NAME_KEY_MAX];

	return certain(table_delete(txn, TABLE_NAMES, key, name_key(key, n->parent, n->name, n->name_len)));
}

int index_remove(struct store_txn *txn, uint64_t node)
{
	struct index_node n;
	int r;

	assert(txn->write);
	r = has_children(txn, node);
	if (r == 0)
		r = index_get(txn, node, &n);
	if (r != 0)
		return r;
	if (n.parent == 0)
		return -EINVAL;
	r = index_drop_name(txn, &n);
	if (r != 0)
		return r;
	return index_drop_row(txn, &n); /* that uses what n holds itself, not what it points to */
}

int index_count(struct store_txn *txn, uint32_t drive, uint64_t *count)
{
	return meta_count(txn, drive, count);
}
