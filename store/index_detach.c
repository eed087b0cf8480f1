/* Cutting off a directory removes its name and writes its number into the table `detached`: one small commit,
 * however much lies below.  Everything below is then found by nobody: not by name, since the way down from
 * the root is broken, and not by identity, since index_by_identity() looks upwards while that table is not
 * empty.
 *
 * index_sweep() works from the table alone.  A cut off directory loses its children one by one; a child that
 * is a directory is not descended into but cut off itself, so each step is of constant size and a crash
 * between any two commits leaves nothing but work still to do. */
#include <assert.h>
#include <errno.h>

#include "store/internal.h"

int index_is_detached(struct store_txn *txn, uint64_t node, bool *detached)
{
	uint64_t steps = table_entries(txn, TABLE_NODES);
	struct index_node row;
	MDB_val value;
	uint8_t key[8];
	int r;

	*detached = false;
	for (uint64_t at = node; at != 0; at = row.parent) {
		if (steps-- == 0)
			return -EILSEQ; /* a directory below itself */
		key_u64(key, at);
		r = table_get(txn, TABLE_DETACHED, key, sizeof(key), &value);
		*detached = r == 0;
		if (r != TABLE_NONE)
			return r;
		r = index_get(txn, at, &row);
		if (r != 0)
			return r < 0 ? r : -EILSEQ;
	}
	return 0;
}

static int detach(struct store_txn *txn, const struct index_node *n)
{
	uint64_t node = n->node;
	uint8_t key[8];
	int r = index_drop_name(txn, n);

	if (r != 0)
		return r;
	if (node == txn->good_parent)
		txn->good_parent = 0;
	key_u64(key, node);
	return table_put(txn, TABLE_DETACHED, key, sizeof(key), "", 0, TABLE_ADD);
}

int index_detach(struct store_txn *txn, uint64_t node)
{
	struct index_node n;
	int r;

	assert(txn->write);
	r = index_get(txn, node, &n);
	if (r != 0)
		return r;
	if (n.parent == 0)
		return -EINVAL;
	return n.state.kind == NODE_DIR ? detach(txn, &n) : -ENOTDIR;
}

/* The directory has no children left. */
static int sweep_empty(struct store_txn *txn, uint64_t directory)
{
	struct index_node n;
	uint8_t key[8];
	int r = index_get(txn, directory, &n);

	if (r == 0)
		r = index_drop_row(txn, &n);
	if (r != 0)
		return r < 0 ? r : -EILSEQ;
	key_u64(key, directory);
	r = table_delete(txn, TABLE_DETACHED, key, sizeof(key));
	return r == TABLE_NONE ? -EILSEQ : r;
}

static int sweep_step(struct store_txn *txn, uint64_t directory)
{
	struct index_node child;
	int r = index_next_child(txn, directory, NULL, 0, &child);

	if (r == INDEX_NONE)
		return sweep_empty(txn, directory);
	if (r != 0)
		return r;
	if (child.state.kind == NODE_DIR)
		return detach(txn, &child);
	r = index_drop_name(txn, &child);
	return r != 0 ? r : index_drop_row(txn, &child);
}

static int first_detached(struct store_txn *txn, uint64_t *directory)
{
	uint8_t zero[8] = {0};
	MDB_val key = {sizeof(zero), zero}, value;
	int r = table_seek(txn, TABLE_DETACHED, &key, &value);

	if (r != 0)
		return r;
	if (key.mv_size != sizeof(zero))
		return -EILSEQ;
	*directory = key_get_u64(key.mv_data);
	return 0;
}

int index_sweep(struct store_txn *txn, unsigned limit, bool *left)
{
	uint64_t directory;
	int r;

	assert(txn->write);
	*left = false;
	while ((r = first_detached(txn, &directory)) == 0) {
		if (limit-- == 0) {
			*left = true;
			return 0;
		}
		r = sweep_step(txn, directory);
		if (r != 0)
			return r;
	}
	return r == TABLE_NONE ? 0 : r;
}
