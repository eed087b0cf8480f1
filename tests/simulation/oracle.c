/* The replica is changed by nothing but the changes that were handed out, and each must leave a valid tree.
 */
#include "tests/simulation/oracle_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "tests/simulation/hashes.h"
#include "tests/simulation/memory_index.h"
#include "tests/simulation/names.h"

struct oracle *oracle_new(void)
{
	return calloc(1, sizeof(struct oracle));
}

void oracle_free(struct oracle *o)
{
	free(o);
}

void oracle_reset(struct oracle *o, struct failure *failure, bool weak_ids, const struct rules *rules)
{
	o->failure = failure;
	o->rules = rules;
	o->weak_ids = weak_ids;
	memset(&o->now, 0, sizeof(o->now));
	o->now.digest = 0xcbf29ce484222325;
}

void oracle_save(struct oracle *o)
{
	o->saved = o->now;
	memcpy(o->saved_entries, o->entries, (o->now.count + 1) * sizeof(o->entries[0]));
}

void oracle_restore(struct oracle *o)
{
	o->now = o->saved;
	memcpy(o->entries, o->saved_entries, (o->now.count + 1) * sizeof(o->entries[0]));
}

uint64_t oracle_digest(const struct oracle *o)
{
	return o->now.digest;
}

static void digest(struct oracle *o, const void *bytes, size_t len)
{
	const unsigned char *b = bytes;

	for (size_t i = 0; i < len; i++)
		o->now.digest = (o->now.digest ^ b[i]) * 0x100000001b3;
}

static void digest_number(struct oracle *o, uint64_t n)
{
	o->now.digest = (o->now.digest ^ n) * 0x9e3779b97f4a7c15;
	o->now.digest ^= o->now.digest >> 29;
}

static void digest_change(struct oracle *o, const struct change *c)
{
	const struct node_state *s = &c->node->state;

	digest_number(o, c->event);
	digest(o, c->path, c->path_len);
	digest(o, c->from, c->from_len);
	digest_number(o, c->node->node);
	digest_number(o, c->node->parent);
	digest_number(o, c->node->rev_epoch);
	digest_number(o, c->node->rev_seq);
	digest(o, c->node->id.bytes, c->node->id.len);
	digest(o, c->node->target, c->node->target_len);
	digest_number(o, s->kind);
	digest_number(o, (uint64_t)s->mode << 32 | s->links);
	digest_number(o, (uint64_t)s->uid << 32 | s->gid);
	digest_number(o, s->size);
	digest_number(o, (uint64_t)s->mtime.seconds * 1000000000 + s->mtime.nanoseconds);
	digest_number(o, (uint64_t)s->ctime.seconds * 1000000000 + s->ctime.nanoseconds);
	digest_number(o, c->changed | (unsigned)c->open << 8 | (unsigned)c->recursive << 9 |
				 (unsigned)c->continued << 10);
}

/* Bytes that live as long as the history. */
static const char *keep(struct oracle *o, const char *bytes, size_t len)
{
	int slot = len <= NODE_NAME_MAX ? name_find(bytes, len) : -1;
	char *kept;
	size_t target_len;

	if (len == 0)
		return "";
	if (slot >= 0)
		return name_at((unsigned)slot)->bytes;
	for (unsigned i = 0; i < TARGETS; i++) {
		const char *target = target_at(i, &target_len);

		if (target_len == len && memcmp(target, bytes, len) == 0)
			return target;
	}
	assert(o->now.odd_used + len <= ODD_NAMES);
	kept = o->odd_names + o->now.odd_used;
	memcpy(kept, bytes, len);
	o->now.odd_used += len;
	return kept;
}

static bool first_seen(struct oracle *o, uint64_t node)
{
	uint8_t bit = (uint8_t)(1 << node % 8), *at = &o->now.seen[node / 8 % (SEEN_NODES / 8)];
	bool first = !(*at & bit);

	*at |= bit;
	return first;
}

struct entry *oracle_child(struct oracle *o, uint16_t parent, const char *name, size_t len)
{
	for (uint16_t i = o->entries[parent].first_child; i != 0; i = o->entries[i].next_sibling)
		if (o->entries[i].name_len == len && memcmp(o->entries[i].name, name, len) == 0)
			return &o->entries[i];
	return NULL;
}

static void hang(struct oracle *o, struct entry *e, uint16_t parent)
{
	e->parent = parent;
	e->next_sibling = o->entries[parent].first_child;
	o->entries[parent].first_child = number(o, e);
}

static void unhang(struct oracle *o, struct entry *e)
{
	uint16_t *at = &o->entries[e->parent].first_child;

	while (*at != number(o, e))
		at = &o->entries[*at].next_sibling;
	*at = e->next_sibling;
}

static void take_state(struct oracle *o, struct entry *e, const struct index_node *n)
{
	e->id = n->id;
	e->state = n->state;
	e->target_len = n->target_len;
	e->target = keep(o, n->target, n->target_len);
}

static struct entry *new_entry(struct oracle *o, const struct index_node *n)
{
	struct entry *e;

	assert(o->now.count + 1 < ENTRIES);
	e = &o->entries[++o->now.count];
	*e = (struct entry){.node = n->node, .name_len = n->name_len, .name = keep(o, n->name, n->name_len)};
	take_state(o, e, n);
	return e;
}

static void copy_children(struct oracle *o, struct store_txn *txn, uint64_t node, uint16_t parent)
{
	const char *after = NULL;
	size_t after_len = 0;
	struct index_node n;

	while (index_next_child(txn, node, after, after_len, &n) == 0) {
		struct entry *e = new_entry(o, &n);

		after = e->name;
		after_len = e->name_len;
		if (n.hidden)
			continue;
		hang(o, e, parent);
		first_seen(o, n.node);
		if (n.rev_seq != 0)
			failure_set(o->failure, "REV", "node %llu of the first index has seq %llu, not 0",
				    (unsigned long long)n.node, (unsigned long long)n.rev_seq);
		copy_children(o, txn, n.node, number(o, e));
	}
}

void oracle_take_snapshot(struct oracle *o, struct store_txn *txn)
{
	struct index_node root;

	o->now.count = 0;
	index_get(txn, MEMORY_ROOT, &root);
	copy_children(o, txn, MEMORY_ROOT, number(o, new_entry(o, &root)));
}

/* ---- TREE ---- */

struct found {
	struct entry *parent, *entry; /* parent NULL: not there, or no directory */
	const char *name;
	size_t name_len;
};

static struct found resolve(struct oracle *o, const char *path, size_t len)
{
	struct found f = {.entry = &o->entries[1]};

	while (len > 0) {
		const char *slash = memchr(path, '/', len);
		size_t name_len = slash == NULL ? len : (size_t)(slash - path);

		f = (struct found){.parent = f.entry, .name = path, .name_len = name_len};
		if (f.parent == NULL || f.parent->state.kind != NODE_DIR)
			return (struct found){0};
		f.entry = oracle_child(o, number(o, f.parent), path, name_len);
		path += name_len + (slash != NULL);
		len -= name_len + (slash != NULL);
	}
	return f;
}

#define BROKEN(o, c, why, ...)                                                                               \
	failure_set((o)->failure, "TREE", "%s of %s (node %llu): " why, event_name((c)->event),              \
		    printable((c)->path, (c)->path_len), (unsigned long long)(c)->node->node, ##__VA_ARGS__)

static bool names_agree(const char *path, size_t path_len, const char *name, size_t name_len)
{
	return path_len >= name_len && memcmp(path + path_len - name_len, name, name_len) == 0 &&
	       (path_len == name_len || path[path_len - name_len - 1] == '/');
}

static void apply_created(struct oracle *o, const struct change *c, struct found to)
{
	struct entry *e;

	if (to.entry != NULL) {
		BROKEN(o, c, "the name is taken by node %llu", (unsigned long long)to.entry->node);
		return;
	}
	if (!first_seen(o, c->node->node) && o->rules == NULL) /* a file that is shown again is the same */
		BROKEN(o, c, "the node number was given before");
	e = new_entry(o, c->node);
	e->open = c->open;
	hang(o, e, number(o, to.parent));
}

static bool same_time(struct node_time a, struct node_time b)
{
	return a.seconds == b.seconds && a.nanoseconds == b.nanoseconds;
}

static bool same_id(const struct identity *a, const struct identity *b)
{
	return same_bytes(a->bytes, a->len, b->bytes, b->len);
}

static bool content_differs(const struct oracle *o, const struct entry *e, const struct index_node *n)
{
	const struct node_state *a = &e->state, *b = &n->state;

	if (a->kind == NODE_DIR)
		return false;
	return a->size != b->size || !same_time(a->mtime, b->mtime) ||
	       !same_bytes(e->target, e->target_len, n->target, n->target_len) ||
	       (!o->weak_ids && !same_id(&e->id, &n->id));
}

static bool metadata_differs(const struct node_state *a, const struct node_state *b)
{
	return a->mode != b->mode || a->uid != b->uid || a->gid != b->gid || a->mount != b->mount ||
	       (a->kind != NODE_DIR && a->links != b->links);
}

static uint32_t *known(struct oracle *o, uint64_t node)
{
	return node < KNOWN_NODES ? &o->now.known[node] : NULL;
}

void oracle_learn(struct oracle *o, const struct index_node *n)
{
	uint32_t *number = known(o, n->node);

	if (number == NULL)
		return;
	*number = 0;
	if (n->has_hash)
		*number = hashes_number(n->hash);
}

/* Where nothing else differs the hash decides, if one was known before. */
static bool decided_by_hash(struct oracle *o, const struct index_node *n, bool *content)
{
	const uint32_t *before = known(o, n->node);

	if (before == NULL || *before == 0 || !n->has_hash)
		return false;
	*content = *before != hashes_number(n->hash);
	return true;
}

/* What is wrong with an update of what was `e`; NULL: nothing. */
static const char *misstated(struct oracle *o, const struct change *c, const struct entry *e)
{
	bool content = content_differs(o, e, c->node), meta = metadata_differs(&e->state, &c->node->state),
	     by_hash;

	if (!content && !meta && e->open == c->open && same_time(e->state.ctime, c->node->state.ctime))
		return "nothing differs";
	if (!content && decided_by_hash(o, c->node, &by_hash)) {
		/* What else differs explains the ctime, so nobody asks; but what is known may be told. */
		content = by_hash && (!meta || (c->changed & ITEM_CONTENT) != 0);
		meta |= !by_hash;
	}
	if (content != !!(c->changed & ITEM_CONTENT))
		return content ? "the content is another" : "the content is the same";
	if (meta != !!(c->changed & ITEM_META))
		return meta ? "the metadata is another" : "the metadata is the same";
	return NULL;
}

/* `changed` says what differs, and something does.  A move carries the new state and the update behind it
 * says what is new (but of a link count it need not).  The last word on a file that was open may repeat
 * itself. */
static void check_changed(struct oracle *o, const struct change *c, const struct entry *e)
{
	const char *wrong = misstated(o, c, e);

	if (o->now.moved == number(o, e)) {
		struct entry before = o->before;

		if (misstated(o, c, &before) == NULL)
			wrong = NULL;
		before.state.links = c->node->state.links;
		if (misstated(o, c, &before) == NULL)
			wrong = NULL;
	}
	if (wrong == NULL || (e->open && !c->open) ||
	    (e->state.kind == NODE_DIR && !same_id(&e->id, &c->node->id)))
		return;
	failure_set(o->failure, strcmp(wrong, "nothing differs") == 0 ? "INVENTED" : "CHANGED",
		    "updated%s of %s: %s", c->changed & ITEM_CONTENT ? " (content)" : "",
		    printable(c->path, c->path_len), wrong);
}

static void apply_updated(struct oracle *o, const struct change *c, struct entry *e)
{
	if (e->state.kind != c->node->state.kind) {
		BROKEN(o, c, "the kind was %d", (int)e->state.kind);
		return;
	}
	check_changed(o, c, e);
	take_state(o, e, c->node);
	e->open = c->open;
}

static void apply_moved(struct oracle *o, const struct change *c, struct found to)
{
	struct found from = resolve(o, c->from, c->from_len);
	struct entry *e = from.entry;

	if (e == NULL || e->node != c->node->node) {
		BROKEN(o, c, "it was not at %s", printable(c->from, c->from_len));
		return;
	}
	if (to.entry != NULL) {
		BROKEN(o, c, "the name is taken by node %llu", (unsigned long long)to.entry->node);
		return;
	}
	for (const struct entry *up = to.parent; up != &o->entries[1]; up = &o->entries[up->parent])
		if (up == e) {
			BROKEN(o, c, "moved below itself");
			return;
		}
	if (e->state.kind != c->node->state.kind)
		BROKEN(o, c, "the kind was %d", (int)e->state.kind);
	o->before = *e;
	o->now.moved = number(o, e);
	o->now.swaps -= name_bytes_reserved(from.name, from.name_len, false);
	unhang(o, e);
	e->name = keep(o, to.name, to.name_len);
	e->name_len = to.name_len;
	hang(o, e, number(o, to.parent));
	take_state(o, e, c->node);
	e->open |= c->open;
	if (!name_bytes_reserved(to.name, to.name_len, false))
		return;
	o->now.swaps++;
	if (!c->continued)
		BROKEN(o, c, "a swap name, and the frame ends");
}

/* How many stand at a swap name from e downwards: what stepped aside had nowhere to go. */
static unsigned swaps_below(const struct oracle *o, const struct entry *e)
{
	unsigned swaps = name_bytes_reserved(e->name, e->name_len, false);

	for (uint16_t i = e->first_child; i != 0; i = o->entries[i].next_sibling)
		swaps += swaps_below(o, &o->entries[i]);
	return swaps;
}

static void apply_deleted(struct oracle *o, const struct change *c, struct entry *e)
{
	if (e->state.kind != c->node->state.kind)
		BROKEN(o, c, "the kind was %d", (int)e->state.kind);
	if (e->first_child != 0 && !c->recursive)
		BROKEN(o, c, "it still holds %s, and is not recursive",
		       printable(o->entries[e->first_child].name, o->entries[e->first_child].name_len));
	if (c->recursive && c->node->state.kind != NODE_DIR)
		BROKEN(o, c, "recursive, but no directory");
	o->now.swaps -= swaps_below(o, e);
	unhang(o, e);
}

/* The index must say the same already when a change is handed out. */
static void check_index(struct oracle *o, struct store_txn *txn, const struct change *c)
{
	uint64_t node = MEMORY_ROOT;
	const char *path = c->path;
	size_t len = c->path_len;
	struct index_node n;

	if (c->event == EVENT_FILE_DELETED) {
		if (o->rules == NULL && memory_index_is_attached(txn, c->node->node))
			failure_set(o->failure, "INDEX", "deleted %s is still in the index",
				    printable(c->path, c->path_len));
		return;
	}
	while (len > 0) {
		const char *slash = memchr(path, '/', len);
		size_t name_len = slash == NULL ? len : (size_t)(slash - path);

		if (index_lookup(txn, node, path, name_len, &node) != 0)
			break;
		path += name_len + (slash != NULL);
		len -= name_len + (slash != NULL);
	}
	if (len > 0 || node != c->node->node || index_get(txn, node, &n) != 0) {
		failure_set(o->failure, "INDEX", "%s is not node %llu in the index",
			    printable(c->path, c->path_len), (unsigned long long)c->node->node);
		return;
	}
	if (n.rev_epoch != c->node->rev_epoch || n.rev_seq != c->node->rev_seq ||
	    n.state.size != c->node->state.size || !same_time(n.state.mtime, c->node->state.mtime) ||
	    n.state.mode != c->node->state.mode)
		failure_set(o->failure, "INDEX", "the index says otherwise about %s",
			    printable(c->path, c->path_len));
}

static void apply(struct oracle *o, const struct change *c, struct found to)
{
	switch (c->event) {
	case EVENT_FILE_CREATED:
		apply_created(o, c, to);
		return;
	case EVENT_FILE_MOVED:
		apply_moved(o, c, to);
		return;
	case EVENT_FILE_UPDATED:
	case EVENT_FILE_DELETED:
		if (to.entry == NULL || to.entry->node != c->node->node)
			BROKEN(o, c, "it is not there");
		else if (c->event == EVENT_FILE_UPDATED)
			apply_updated(o, c, to.entry);
		else
			apply_deleted(o, c, to.entry);
		return;
	case EVENT_NONE:
	case EVENT_SYNC_STARTED:
	case EVENT_SYNC_COMPLETED:
	case EVENT_SYNC_ERROR:
	case EVENT_SYNC_CONFLICT:
	case EVENT_SYNC_PROGRESS:
	case EVENT_CLIENT_CONNECTED:
	case EVENT_CLIENT_DISCONNECTED:
	case EVENT_TYPE_END:
		break;
	}
	failure_set(o->failure, "TREE", "a change with event %d", (int)c->event);
}

void oracle_apply(struct oracle *o, struct store_txn *txn, const struct change *change)
{
	struct found to = resolve(o, change->path, change->path_len);

	digest_change(o, change);
	check_index(o, txn, change);
	if (to.parent == NULL)
		BROKEN(o, change, "its parent is no directory of the replica");
	else if (change->event != EVENT_FILE_DELETED &&
		 !names_agree(change->path, change->path_len, change->node->name, change->node->name_len))
		BROKEN(o, change, "the node's name is %s",
		       printable(change->node->name, change->node->name_len));
	else if (name_bytes_reserved(to.name, to.name_len, to.parent == &o->entries[1]) &&
		 change->event == EVENT_FILE_CREATED)
		BROKEN(o, change, "a name of ours");
	else
		apply(o, change, to);
	if (change->event != EVENT_FILE_DELETED)
		oracle_learn(o, change->node);
	if (change->event != EVENT_FILE_MOVED)
		o->now.moved = 0;
	o->now.continued = change->continued;
	if (!change->continued && o->now.swaps > 0)
		BROKEN(o, change, "the frame ends with a swap name in use");
}

void oracle_end_step(struct oracle *o)
{
	if (o->now.continued)
		failure_set(o->failure, "TREE", "a step ended within a frame");
	o->now.continued = false;
}
