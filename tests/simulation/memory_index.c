/* Node numbers count from 1, so rows lie in an array by number.  Children hang on their parent sorted by
 * name; nodes of one identity hang on a bucket.  Everything refers to everything by number, and strings live
 * in one arena at fixed addresses: saving and restoring are copies of the used parts. */
#include "tests/simulation/memory_index.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 2048, BUCKETS = 64, ARENA = 1 << 20, LOANS = 1 << 16 };

struct row {
	struct index_node node; /* its strings point into the arena */
	uint32_t first_child, next_sibling, next_same;
	bool used, detached;
};

struct image {
	uint32_t given; /* highest node number */
	uint32_t count;
	uint32_t detached;
	size_t arena_used;
	uint32_t bucket[BUCKETS];
};

struct store_txn {
	struct image now, saved;
	struct row rows[ROWS], saved_rows[ROWS];
	char arena[ARENA];
	char loans[LOANS]; /* what readers were given since the last write */
	size_t loans_used;
};

struct store_txn *memory_index_new(void)
{
	return calloc(1, sizeof(struct store_txn));
}

void memory_index_free(struct store_txn *txn)
{
	free(txn);
}

void memory_index_commit(struct store_txn *txn)
{
	memset(txn->loans, '?', txn->loans_used);
	txn->loans_used = 0;
}

static void on_write(struct store_txn *txn)
{
	memory_index_commit(txn);
}

static const char *keep(struct store_txn *txn, const char *bytes, size_t len)
{
	char *kept = txn->arena + txn->now.arena_used;

	assert(txn->now.arena_used + len <= ARENA);
	if (len > 0)
		memcpy(kept, bytes, len);
	txn->now.arena_used += len;
	return kept;
}

static const char *lend(struct store_txn *txn, const char *bytes, size_t len)
{
	char *lent;

	if (txn->loans_used + len > LOANS) /* a step without a single write: start over */
		txn->loans_used = 0;
	lent = txn->loans + txn->loans_used;
	if (len > 0)
		memcpy(lent, bytes, len);
	txn->loans_used += len;
	return lent;
}

static struct row *row_of(struct store_txn *txn, uint64_t node)
{
	return node > 0 && node <= txn->now.given && txn->rows[node].used ? &txn->rows[node] : NULL;
}

static unsigned bucket_of(const struct identity *id)
{
	unsigned h = 0;

	for (unsigned i = 0; i < id->len; i++)
		h = h * 31 + id->bytes[i];
	return (h ^ h >> 11) % BUCKETS;
}

static bool same_identity(const struct identity *a, const struct identity *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static void link_identity(struct store_txn *txn, struct row *row)
{
	uint32_t *at = &txn->now.bucket[bucket_of(&row->node.id)];

	while (*at != 0 && *at < row->node.node)
		at = &txn->rows[*at].next_same;
	row->next_same = *at;
	*at = (uint32_t)row->node.node;
}

static void unlink_identity(struct store_txn *txn, struct row *row)
{
	uint32_t *at = &txn->now.bucket[bucket_of(&row->node.id)];

	while (*at != row->node.node) {
		assert(*at != 0);
		at = &txn->rows[*at].next_same;
	}
	*at = row->next_same;
}

static int compare_names(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int r = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return r != 0 ? r : (a_len > b_len) - (a_len < b_len);
}

/* The link that holds the first child whose name is not before this one. */
static uint32_t *child_link(struct store_txn *txn, struct row *parent, const char *name, size_t len)
{
	uint32_t *at = &parent->first_child;

	while (*at != 0) {
		const struct index_node *n = &txn->rows[*at].node;

		if (compare_names(n->name, n->name_len, name, len) >= 0)
			break;
		at = &txn->rows[*at].next_sibling;
	}
	return at;
}

static bool link_is_named(struct store_txn *txn, uint32_t child, const char *name, size_t len)
{
	const struct index_node *n = &txn->rows[child].node;

	return child != 0 && n->name_len == len && memcmp(n->name, name, len) == 0;
}

static void unlink_child(struct store_txn *txn, struct row *row)
{
	uint32_t *at = child_link(txn, &txn->rows[row->node.parent], row->node.name, row->node.name_len);

	assert(*at == row->node.node);
	*at = row->next_sibling;
}

static struct row *directory(struct store_txn *txn, uint64_t node)
{
	struct row *row = row_of(txn, node);

	assert(row != NULL);
	assert(!row->detached);
	assert(row->node.state.kind == NODE_DIR);
	return row;
}

static void check_name(const char *name, size_t len)
{
	assert(len >= 1 && len <= NODE_NAME_MAX);
	assert(memchr(name, '/', len) == NULL && memchr(name, '\0', len) == NULL);
	assert(!(len == 1 && name[0] == '.') && !(len == 2 && name[0] == '.' && name[1] == '.'));
}

void memory_index_reset(struct store_txn *txn, const struct identity *root)
{
	memory_index_commit(txn);
	memset(&txn->now, 0, sizeof(txn->now));
	memset(&txn->saved, 0, sizeof(txn->saved));
	txn->now.given = MEMORY_ROOT;
	txn->rows[MEMORY_ROOT] = (struct row){.used = true};
	txn->rows[MEMORY_ROOT].node = (struct index_node){.node = MEMORY_ROOT,
							  .drive = MEMORY_DRIVE,
							  .id = *root,
							  .name = "",
							  .target = "",
							  .state = {.kind = NODE_DIR, .mode = 0755}};
	link_identity(txn, &txn->rows[MEMORY_ROOT]);
}

void memory_index_save(struct store_txn *txn)
{
	txn->saved = txn->now;
	memcpy(txn->saved_rows, txn->rows, (txn->now.given + 1) * sizeof(txn->rows[0]));
}

void memory_index_restore(struct store_txn *txn)
{
	memory_index_commit(txn);
	txn->now = txn->saved;
	memcpy(txn->rows, txn->saved_rows, (txn->saved.given + 1) * sizeof(txn->rows[0]));
}

bool memory_index_is_attached(const struct store_txn *txn, uint64_t node)
{
	return node > 0 && node <= txn->now.given && txn->rows[node].used && !txn->rows[node].detached;
}

static void give(struct store_txn *txn, const struct row *row, struct index_node *out)
{
	*out = row->node;
	out->name = lend(txn, row->node.name, row->node.name_len);
	out->target = lend(txn, row->node.target, row->node.target_len);
}

int index_get(struct store_txn *txn, uint64_t node, struct index_node *out)
{
	const struct row *row = row_of(txn, node);

	if (row == NULL)
		return INDEX_NONE;
	give(txn, row, out);
	return 0;
}

int index_lookup(struct store_txn *txn, uint64_t parent, const char *name, size_t name_len, uint64_t *node)
{
	struct row *row = row_of(txn, parent);
	uint32_t child;

	if (row == NULL)
		return INDEX_NONE;
	child = *child_link(txn, row, name, name_len);
	if (!link_is_named(txn, child, name, name_len))
		return INDEX_NONE;
	*node = child;
	return 0;
}

int index_by_identity(struct store_txn *txn, uint32_t drive, const struct identity *id, uint64_t after,
		      uint64_t *node)
{
	assert(drive == MEMORY_DRIVE);
	for (uint32_t n = txn->now.bucket[bucket_of(id)]; n != 0; n = txn->rows[n].next_same) {
		if (n <= after || !same_identity(&txn->rows[n].node.id, id))
			continue;
		*node = n;
		return 0;
	}
	return INDEX_NONE;
}

int index_next_child(struct store_txn *txn, uint64_t parent, const char *after, size_t after_len,
		     struct index_node *out)
{
	struct row *row = row_of(txn, parent);
	uint32_t child;

	if (row == NULL)
		return INDEX_NONE;
	child = after == NULL ? row->first_child : *child_link(txn, row, after, after_len);
	if (after != NULL && link_is_named(txn, child, after, after_len))
		child = txn->rows[child].next_sibling;
	if (child == 0)
		return INDEX_NONE;
	give(txn, &txn->rows[child], out);
	return 0;
}

int index_children(struct store_txn *txn, uint64_t parent, const char *after, size_t after_len,
		   struct index_child *out, size_t room, size_t *count)
{
	struct index_node n;
	int r = index_next_child(txn, parent, after, after_len, &n);

	for (*count = 0; r == 0 && *count < room; (*count)++) {
		out[*count] = (struct index_child){n.node, n.name, n.name_len};
		r = index_next_child(txn, parent, n.name, n.name_len, &n);
	}
	return r < 0 ? r : 0;
}

int index_add(struct store_txn *txn, struct index_node *n)
{
	struct row *parent = directory(txn, n->parent), *row;
	uint32_t *at = child_link(txn, parent, n->name, n->name_len);

	check_name(n->name, n->name_len);
	assert(n->drive == MEMORY_DRIVE);
	assert(n->state.kind >= NODE_FILE && n->state.kind <= NODE_SYMLINK);
	if (link_is_named(txn, *at, n->name, n->name_len))
		return -EEXIST;
	assert(txn->now.given + 1 < ROWS);
	n->node = ++txn->now.given;
	row = &txn->rows[n->node];
	*row = (struct row){.node = *n, .used = true, .next_sibling = *at};
	row->node.name = keep(txn, n->name, n->name_len);
	row->node.target = keep(txn, n->target, n->target_len);
	*at = (uint32_t)n->node;
	link_identity(txn, row);
	txn->now.count++;
	on_write(txn);
	return 0;
}

int index_update(struct store_txn *txn, const struct index_node *n)
{
	struct row *row = row_of(txn, n->node);
	bool same_target;

	assert(row != NULL);
	assert(!row->detached);
	assert(n->state.kind == row->node.state.kind); /* another kind is another node */
	unlink_identity(txn, row);
	row->node.id = n->id;
	link_identity(txn, row);
	row->node.state = n->state;
	row->node.hidden = n->hidden;
	row->node.open = n->open;
	row->node.has_hash = n->has_hash;
	memcpy(row->node.hash, n->hash, sizeof(row->node.hash));
	row->node.rev_epoch = n->rev_epoch;
	row->node.rev_seq = n->rev_seq;
	same_target = row->node.target_len == n->target_len &&
		      (n->target_len == 0 || memcmp(row->node.target, n->target, n->target_len) == 0);
	if (!same_target) {
		row->node.target = keep(txn, n->target, n->target_len);
		row->node.target_len = n->target_len;
	}
	on_write(txn);
	return 0;
}

static bool lies_below(struct store_txn *txn, uint64_t node, uint64_t above)
{
	for (; node != 0; node = txn->rows[node].node.parent)
		if (node == above)
			return true;
	return false;
}

int index_move(struct store_txn *txn, uint64_t node, uint64_t parent, const char *name, size_t name_len,
	       uint64_t rev_epoch, uint64_t rev_seq)
{
	struct row *row = row_of(txn, node), *to = directory(txn, parent);
	uint32_t *at;

	assert(row != NULL);
	assert(!row->detached);
	assert(row->node.parent != 0); /* a root stays */
	assert(!lies_below(txn, parent, node));
	check_name(name, name_len);
	if (link_is_named(txn, *child_link(txn, to, name, name_len), name, name_len))
		return -EEXIST;
	unlink_child(txn, row);
	row->node.parent = parent;
	row->node.name = keep(txn, name, name_len);
	row->node.name_len = name_len;
	row->node.rev_epoch = rev_epoch;
	row->node.rev_seq = rev_seq;
	at = child_link(txn, to, row->node.name, name_len);
	row->next_sibling = *at;
	*at = (uint32_t)node;
	on_write(txn);
	return 0;
}

int index_remove(struct store_txn *txn, uint64_t node)
{
	struct row *row = row_of(txn, node);

	assert(row != NULL);
	assert(!row->detached);
	assert(row->node.parent != 0);
	if (row->first_child != 0)
		return -ENOTEMPTY;
	unlink_child(txn, row);
	unlink_identity(txn, row);
	row->used = false;
	txn->now.count--;
	on_write(txn);
	return 0;
}

static void detach_below(struct store_txn *txn, struct row *row)
{
	unlink_identity(txn, row);
	row->detached = true;
	txn->now.detached++;
	for (uint32_t child = row->first_child; child != 0; child = txn->rows[child].next_sibling)
		detach_below(txn, &txn->rows[child]);
}

int index_detach(struct store_txn *txn, uint64_t node)
{
	struct row *row = row_of(txn, node);

	assert(row != NULL);
	assert(!row->detached);
	assert(row->node.parent != 0);
	assert(row->node.state.kind == NODE_DIR);
	unlink_child(txn, row);
	detach_below(txn, row);
	on_write(txn);
	return 0;
}

static void sweep_one(struct store_txn *txn, struct row *row)
{
	struct row *parent = row_of(txn, row->node.parent);
	uint32_t *at = parent == NULL ? NULL : child_link(txn, parent, row->node.name, row->node.name_len);

	if (at != NULL && *at == row->node.node) /* what was cut off itself hangs nowhere */
		*at = row->next_sibling;
	row->used = false;
	txn->now.detached--;
	txn->now.count--;
}

int index_sweep(struct store_txn *txn, unsigned limit, bool *left)
{
	/* Children have no lower numbers only by chance: look until nothing more is found. */
	for (bool found = true; found && limit > 0 && txn->now.detached > 0;) {
		found = false;
		for (uint32_t n = txn->now.given; n > 0 && limit > 0; n--) {
			struct row *row = &txn->rows[n];

			if (!row->used || !row->detached || row->first_child != 0)
				continue;
			sweep_one(txn, row);
			found = true;
			limit--;
		}
	}
	*left = txn->now.detached > 0;
	on_write(txn);
	return 0;
}

int index_count(struct store_txn *txn, uint32_t drive, uint64_t *count)
{
	assert(drive == MEMORY_DRIVE);
	*count = txn->now.count;
	return 0;
}
