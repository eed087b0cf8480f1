/* The index against itself.  Every node's name record and identity record must point back at it, and every
 * name and identity record at a node that has it: so all three tables hold the same set.  Each node's parent
 * must be a directory there, and each directory must lead up to a root or to a cut off directory; directories
 * known to do so are remembered, so most need one step. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/check_internal.h"
#include "store/node_row.h"

struct checked_drive *check_find_drive(struct check *c, uint32_t drive)
{
	for (size_t i = 0; i < c->drive_count; i++) {
		if (c->drives[i].row.drive == drive)
			return &c->drives[i];
	}
	return NULL;
}

struct checked_stream *check_find_drive_stream(struct check *c, const char *drive)
{
	for (size_t i = 0; i < c->stream_count; i++) {
		const char *name = c->streams[i].row.name;

		if (strncmp(name, "drive:", 6) == 0 && strcmp(name + 6, drive) == 0)
			return &c->streams[i];
	}
	return NULL;
}

static size_t set_slot(const struct node_set *set, uint64_t node)
{
	size_t at = (size_t)(node * UINT64_C(0x9e3779b97f4a7c15)) & (set->room - 1);

	while (set->slots[at] != 0 && set->slots[at] != node)
		at = (at + 1) & (set->room - 1);
	return at;
}

static bool set_has(const struct node_set *set, uint64_t node)
{
	return set->room > 0 && set->slots[set_slot(set, node)] == node;
}

static int set_add(struct node_set *set, uint64_t node)
{
	struct node_set larger = {.room = set->room ? set->room * 2 : 1024};

	if (set->used * 2 >= set->room) {
		larger.slots = calloc(larger.room, sizeof(*larger.slots));
		if (larger.slots == NULL)
			return -ENOMEM;
		for (size_t i = 0; i < set->room; i++) {
			if (set->slots[i] != 0)
				larger.slots[set_slot(&larger, set->slots[i])] = set->slots[i];
		}
		larger.used = set->used;
		free(set->slots);
		*set = larger;
	}
	if (!set_has(set, node)) {
		set->slots[set_slot(set, node)] = node;
		set->used++;
	}
	return 0;
}

static int has_key(struct check *c, enum table table, const void *key, size_t len, bool *has)
{
	MDB_val value;
	int r = table_get(c->txn, table, key, len, &value);

	*has = r == 0;
	return r == TABLE_NONE ? 0 : r;
}

static int node_is_detached(struct check *c, uint64_t node, bool *detached)
{
	uint8_t key[8];

	key_u64(key, node);
	return has_key(c, TABLE_DETACHED, key, sizeof(key), detached);
}

/* The next directory up; 0 where the way ends well or where another check has told why it does not. */
static int step_up(struct check *c, uint64_t node, uint64_t *up)
{
	struct index_node n;
	bool detached;
	int r = node_is_detached(c, node, &detached);

	*up = 0;
	if (r != 0 || detached)
		return r;
	r = index_get(c->txn, node, &n);
	if (r == 0)
		*up = n.parent;
	return r == INDEX_NONE || r == -EILSEQ ? 0 : r;
}

static int check_rooted(struct check *c, uint64_t directory)
{
	uint64_t steps = 0, at = directory, up;
	int r = 0;

	for (; r == 0 && at != 0 && !set_has(&c->rooted, at) && !c->cycle_found; at = up) {
		r = step_up(c, at, &up);
		if (steps++ <= table_entries(c->txn, TABLE_NODES))
			continue;
		check_fault(c, "node %" PRIu64 " lies below itself", directory);
		c->cycle_found = true;
	}
	for (at = directory; r == 0 && steps-- > 0 && !c->cycle_found; at = up) {
		r = set_add(&c->rooted, at);
		if (r == 0)
			r = step_up(c, at, &up);
	}
	return r;
}

static int check_name_of(struct check *c, const struct index_node *n, bool detached)
{
	uint64_t named;
	int r = index_lookup(c->txn, n->parent, n->name, n->name_len, &named);

	if (r < 0)
		return r;
	if (!detached && (r == INDEX_NONE || named != n->node))
		check_fault(c, "node %" PRIu64 " is not found by its name", n->node);
	if (detached && r == 0 && named == n->node)
		check_fault(c, "node %" PRIu64 " is cut off but found by its name", n->node);
	return 0;
}

static int check_parent_of(struct check *c, const struct index_node *n)
{
	struct index_node parent;
	int r = index_get(c->txn, n->parent, &parent);

	if (r == INDEX_NONE)
		check_fault(c, "node %" PRIu64 " has no parent", n->node);
	else if (r == 0 && parent.state.kind != NODE_DIR)
		check_fault(c, "node %" PRIu64 " lies in what is no directory", n->node);
	else if (r == 0 && parent.drive != n->drive)
		check_fault(c, "node %" PRIu64 " lies in another drive", n->node);
	return r < 0 ? r : 0;
}

static int check_id_of(struct check *c, const struct index_node *n)
{
	uint8_t key[ID_KEY_MAX];
	bool has = true;
	int r = 0;

	if (n->id.len > 0)
		r = has_key(c, TABLE_IDS, key, id_key(key, n->drive, &n->id, n->node), &has);
	if (r == 0 && !has)
		check_fault(c, "node %" PRIu64 " is not found by its identity", n->node);
	return r;
}

static void check_rev_of(struct check *c, const struct index_node *n, const char *drive)
{
	const struct checked_stream *s = check_find_drive_stream(c, drive);

	if (n->rev_epoch > c->counters.greatest_epoch ||
	    (s != NULL && n->rev_epoch == s->row.tail.epoch && n->rev_seq > s->row.tail.seq))
		check_fault(c,
			    "node %" PRIu64 " changed at %" PRIu64 "-%" PRIu64
			    ", which the journal has not reached",
			    n->node, n->rev_epoch, n->rev_seq);
}

static int check_below(struct check *c, const struct index_node *n)
{
	bool detached;
	int r = node_is_detached(c, n->node, &detached);

	if (r == 0 && n->name_len == 0)
		check_fault(c, "node %" PRIu64 " has no name", n->node);
	if (r == 0)
		r = check_name_of(c, n, detached);
	if (r == 0 && !detached)
		r = check_parent_of(c, n);
	if (r == 0)
		r = check_id_of(c, n);
	if (r == 0 && n->state.kind == NODE_DIR)
		r = check_rooted(c, n->node);
	return r;
}

static int check_node(struct check *c, const MDB_val *key, const MDB_val *value)
{
	struct checked_drive *drive;
	struct index_node n;
	uint64_t node;

	c->report->nodes++;
	node = key->mv_size == 8 ? key_get_u64(key->mv_data) : 0;
	if (node == 0 || node_row_read(node, value, &n) != 0) {
		check_fault(c, "the row of node %" PRIu64 " is damaged", node);
		return 0;
	}
	if (node >= c->counters.next_node)
		check_fault(c, "node %" PRIu64 " was never given", node);
	drive = check_find_drive(c, n.drive);
	if (drive == NULL) {
		check_fault(c, "node %" PRIu64 " is of drive %" PRIu32 ", which does not exist", node,
			    n.drive);
		return 0;
	}
	check_rev_of(c, &n, drive->row.name);
	if (n.parent != 0) {
		drive->counted++;
		return check_below(c, &n);
	}
	if (drive->row.root != node || n.name_len != 0 || n.state.kind != NODE_DIR)
		check_fault(c, "node %" PRIu64 " has no parent and is no root", node);
	else
		drive->root_found = true;
	return check_id_of(c, &n);
}

static int check_name(struct check *c, const MDB_val *key, const MDB_val *value)
{
	struct index_node n;
	uint64_t node = value->mv_size == 8 ? key_get_u64(value->mv_data) : 0;
	int r = node != 0 ? index_get(c->txn, node, &n) : (int)INDEX_NONE;

	if (r < 0)
		return r == -EILSEQ ? 0 : r; /* a damaged row is told once */
	if (r != 0 || key->mv_size != 8 + n.name_len || key_get_u64(key->mv_data) != n.parent ||
	    memcmp((const uint8_t *)key->mv_data + 8, n.name, n.name_len) != 0)
		check_fault(c, "a name points at node %" PRIu64 ", which has another or does not exist",
			    node);
	return 0;
}

static int check_identity(struct check *c, const MDB_val *key, const MDB_val *value)
{
	uint8_t expected[ID_KEY_MAX];
	struct index_node n;
	uint64_t node = 0;
	int r = INDEX_NONE;

	c->report->identities++;
	if (key->mv_size > 13 && value->mv_size == 0) {
		node = key_get_u64((const uint8_t *)key->mv_data + key->mv_size - 8);
		r = index_get(c->txn, node, &n);
	}
	if (r < 0)
		return r == -EILSEQ ? 0 : r;
	if (r != 0 || id_key(expected, n.drive, &n.id, node) != key->mv_size ||
	    memcmp(expected, key->mv_data, key->mv_size) != 0)
		check_fault(c, "an identity points at node %" PRIu64 ", which has another or does not exist",
			    node);
	return 0;
}

static int check_detached(struct check *c, const MDB_val *key, const MDB_val *value)
{
	struct index_node n;
	int r = INDEX_NONE;

	c->report->detached++;
	if (key->mv_size == 8 && value->mv_size == 0)
		r = index_get(c->txn, key_get_u64(key->mv_data), &n);
	if (r == INDEX_NONE || (r == 0 && n.state.kind != NODE_DIR))
		check_fault(c, "what is cut off is no directory");
	return r == -EILSEQ || r == INDEX_NONE ? 0 : r;
}

int check_index(struct check *c)
{
	int r = check_scan(c, TABLE_DETACHED, check_detached);

	if (r == 0)
		r = check_scan(c, TABLE_NODES, check_node);
	if (r == 0)
		r = check_scan(c, TABLE_NAMES, check_name);
	if (r == 0)
		r = check_scan(c, TABLE_IDS, check_identity);
	return r;
}
