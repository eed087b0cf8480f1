/* order: makes what was observed so in the index, in an order in which every prefix is a valid tree.
 *
 * Each name is *placed*: first its directory, then whatever still stands at the name and is on its way elsewhere, then the
 * name itself.  When that leads back to a name which is being placed already, there is a cycle (a and b exchanged): what
 * stands at the name steps aside to a swap name, in the same frame, and goes on when its turn comes.
 * What stands at a name and moves nowhere keeps its node when the kind is the same (every atomic save); the node that the
 * new identity had elsewhere is deleted first.  One exception: a directory that was renamed over an (in Linux always
 * empty) directory moves, with all that is in it, and the empty one is deleted.
 * Deletions come last, children before parents, unless a name is needed; nodes on their way out leave first. */
#include "sync/drive_internal.h"

#include <errno.h>
#include <string.h>

enum { ORDER_BLOCKED = 100, DEPTH_MAX = 500 }; /* apart from the positive answers of the index */

static int place(struct drive *d, struct held *h, unsigned depth);
static int delete_node(struct drive *d, uint64_t node, unsigned depth);

/* Is `node` equal to or below `above`? */
static int is_below(struct drive *d, uint64_t node, uint64_t above, bool *yes)
{
	struct index_node n;
	int r = 0;

	*yes = false;
	while (node != 0 && !*yes) {
		*yes = node == above;
		r = index_get(d->txn, node, &n);
		if (r != 0)
			return r < 0 ? r : 0;
		node = n.parent;
	}
	return 0;
}

static struct node_time time_of(const struct entry_time *t)
{
	return (struct node_time){.seconds = t->seconds, .nanoseconds = t->nanoseconds};
}

/* The row that h describes.  A directory's sizes, times and link count are not state. */
static void row_of(struct drive *d, const struct held *h, struct index_node *n)
{
	const struct entry_state *s = &h->state;

	n->drive = d->options.drive;
	identity_of(&n->id, &h->id);
	n->state = (struct node_state){.kind = (enum node_kind)s->kind, .mount = s->mount, .mode = s->mode,
	                               .uid = s->uid, .gid = s->gid, .birth = time_of(&s->birth)};
	n->target = h->target == NULL ? "" : h->target;
	n->target_len = h->target_len;
	if (s->kind == ENTRY_DIR)
		return;
	n->state.links = s->links;
	n->state.size = s->size;
	n->state.mtime = time_of(&s->mtime);
	n->state.ctime = time_of(&s->ctime);
}

static bool same_time(const struct node_time *a, const struct node_time *b)
{
	return a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

/* ITEM_* of what differs; 0: nothing that clients are told. */
static unsigned difference(const struct index_node *was, const struct index_node *is)
{
	const struct node_state *a = &was->state, *b = &is->state;
	unsigned changed = 0;

	if (a->size != b->size || !same_time(&a->mtime, &b->mtime) || was->target_len != is->target_len ||
	    (is->target_len > 0 && memcmp(was->target, is->target, is->target_len) != 0))
		changed |= ITEM_CONTENT;
	if (a->mode != b->mode || a->uid != b->uid || a->gid != b->gid || a->links != b->links || a->mount != b->mount)
		changed |= ITEM_META;
	if (changed == 0 && !same_time(&a->ctime, &b->ctime))
		changed = ITEM_MAYBE;
	return changed;
}

static bool is_weak(const struct drive *d, const struct held *h)
{
	return d->options.weak_ids || file_id_is_weak(&h->id);
}

/* Will h be announced with "open", and is the last announcement of an open file now due? */
static bool open_state(struct drive *d, const struct held *h, uint64_t node, bool *owed)
{
	bool known = open_files_has(&d->open, node);

	*owed = known && (h->flags & OBSERVED_CLOSED) != 0;
	if (*owed)
		open_files_forget(&d->open, node);
	return h->state.kind == ENTRY_FILE && ((h->flags & OBSERVED_WRITING) != 0 || (known && !*owed));
}

static int note_open(struct drive *d, uint64_t node, bool open)
{
	return open ? open_files_note(&d->open, node, d->now_ms) : 0;
}

/* Other names of the same inode have the same state. */
static int update_links(struct drive *d, const struct index_node *is, bool weak)
{
	struct index_node n, other = *is;
	struct file_id dir;
	struct held *there;
	uint64_t node = 0;
	unsigned changed;
	int r;

	if (is->state.kind == NODE_DIR || is->state.links <= 1 || weak)
		return 0;
	while ((r = index_by_identity(d->txn, d->options.drive, &is->id, node, &node)) == 0) {
		if (node == is->node)
			continue;
		r = index_get(d->txn, node, &n);
		if (r == 0)
			r = drive_node_id(d, n.parent, &dir);
		if (r != 0)
			return r < 0 ? r : 0;
		there = debounce_find(&d->debounce, &dir, n.name, n.name_len);
		changed = difference(&n, is);
		if (changed == 0 || (there != NULL && there->place == HELD_BATCHED && there->progress != HELD_DONE))
			continue;
		other.node = node;
		r = emit_updated(d, &other, changed, false);
		if (r != 0)
			return r;
	}
	return r < 0 ? r : 0;
}

/* The name stands for the node that the index has there; n is its row. */
static int place_same(struct drive *d, struct held *h, const struct index_node *n)
{
	struct index_node is = {.node = n->node};
	unsigned changed;
	bool owed, open;
	int r = 0;

	row_of(d, h, &is);
	changed = difference(n, &is);
	open = open_state(d, h, n->node, &owed);
	if (owed && changed == 0)
		changed = ITEM_CONTENT;
	if (changed != 0) {
		r = emit_updated(d, &is, changed, open);
		if (r == 0)
			r = note_open(d, is.node, open);
		if (r == 0)
			r = update_links(d, &is, is_weak(d, h));
	}
	return r == 0 ? walk_applied(d, h, is.node, true) : r;
}

/* Look at it again later: what was seen cannot be true as a whole any more. */
static int look_again(struct drive *d, struct held *h)
{
	if (h->retries >= RETRIES_MAX)
		return 0;
	return drive_ask(d, ASK_AGAIN, &h->dir, h->name, h->name_len, h, NULL);
}

/* What was seen to be gone from a directory goes before the directory does. */
static int delete_gone_children(struct drive *d, const struct identity *dir, unsigned depth);

static bool is_dir(const struct held *h)
{
	return h->state.kind == ENTRY_DIR;
}

/* A directory's identity stands at one name: another node that the index has for it is not there any more. */
static int delete_namesakes(struct drive *d, const struct held *h, uint64_t keep, uint64_t parent, unsigned depth)
{
	struct identity id;
	uint64_t node = 0;
	bool above;
	int r;

	if (!is_dir(h))
		return 0;
	identity_of(&id, &h->id);
	while ((r = index_by_identity(d->txn, d->options.drive, &id, node, &node)) == 0) {
		if (node == keep)
			continue;
		r = is_below(d, parent, node, &above);
		if (r != 0 || above || node == d->options.root)
			return r != 0 ? r : ORDER_BLOCKED;
		r = delete_node(d, node, depth);
		if (r != 0)
			return r;
	}
	return r < 0 ? r : 0;
}

/* The name keeps its node and has another identity of the same kind. */
static int replace(struct drive *d, struct held *h, uint64_t occupant, unsigned depth)
{
	struct index_node was, is = {.node = occupant}, child;
	unsigned changed;
	bool owed, open, children, weak = is_weak(d, h);
	int r = index_get(d->txn, occupant, &was);

	if (r == 0 && is_dir(h))
		r = delete_gone_children(d, &was.id, depth + 1);
	if (r == 0)
		r = index_get(d->txn, occupant, &was);
	if (r != 0)
		return r;
	row_of(d, h, &is);
	changed = difference(&was, &is);
	if (!weak)
		changed = (changed & ~(unsigned)ITEM_MAYBE) | ITEM_CONTENT;
	open = open_state(d, h, occupant, &owed);
	if (changed != 0) {
		r = emit_updated(d, &is, changed, open);
	} else {
		is.rev_epoch = was.rev_epoch;
		is.rev_seq = was.rev_seq;
		r = index_update(d->txn, &is);
	}
	drive_forget_dir(d);
	if (r == 0)
		r = note_open(d, occupant, open);
	if (r == 0)
		r = update_links(d, &is, weak);
	if (r != 0 || !is_dir(h))
		return r != 0 ? r : walk_applied(d, h, occupant, true);
	r = index_next_child(d->txn, occupant, NULL, 0, &child);
	if (r < 0)
		return r;
	children = r == 0;
	if (h->scan == 0 && (children || (h->flags & OBSERVED_FRESH) == 0) && !h->state.mount)
		return walk_arrived(d, h, true);
	return walk_applied(d, h, occupant, true);
}

static int create(struct drive *d, struct held *h, uint64_t parent)
{
	struct index_node n = {.parent = parent, .name = h->name, .name_len = h->name_len};
	bool open = (h->flags & OBSERVED_WRITING) != 0 && h->state.kind == ENTRY_FILE;
	int r;

	row_of(d, h, &n);
	r = emit_created(d, &n, open);
	if (r == 0)
		r = note_open(d, n.node, open);
	if (r == 0)
		r = update_links(d, &n, is_weak(d, h));
	if (r != 0)
		return r;
	if (is_dir(h) && h->scan == 0 && (h->flags & OBSERVED_FRESH) == 0 && !h->state.mount)
		return walk_arrived(d, h, false);
	return walk_applied(d, h, n.node, false);
}

/* On the way from `parent` up to the node that is to move below it, let those leave that are about to. */
static int clear_way_out(struct drive *d, uint64_t parent, uint64_t node, unsigned depth)
{
	struct index_node n;
	struct held *taker;
	bool below;
	int r;

	for (;;) {
		r = is_below(d, parent, node, &below);
		if (r != 0 || !below)
			return r;
		for (uint64_t at = parent; at != node; at = n.parent) {
			r = index_get(d->txn, at, &n);
			taker = r == 0 ? detector_taker(d, at) : NULL;
			if (r != 0 || (taker != NULL && taker->progress == HELD_WAITING))
				break;
		}
		if (r != 0 || taker == NULL || taker->progress != HELD_WAITING)
			return r != 0 ? r : ORDER_BLOCKED;
		r = place(d, taker, depth + 1);
		if (r != 0)
			return r;
	}
}

static int move(struct drive *d, struct held *h, uint64_t parent, unsigned depth)
{
	struct index_node was, is = {.node = h->source};
	unsigned changed;
	bool owed, open;
	int r = 0;

	if (is_dir(h))
		r = clear_way_out(d, parent, h->source, depth);
	if (r == 0 && h->source == 0)
		return create(d, h, parent); /* it had to be left behind in something that was deleted */
	if (r == 0)
		r = index_get(d->txn, h->source, &was);
	if (r != 0)
		return r;
	row_of(d, h, &is);
	changed = difference(&was, &is) & ~(unsigned)ITEM_MAYBE;
	if (was.state.links != is.state.links && was.state.mode == is.state.mode && was.state.uid == is.state.uid &&
	    was.state.gid == is.state.gid)
		changed &= ~(unsigned)ITEM_META; /* told by the whole state that a move carries */
	open = open_state(d, h, is.node, &owed);
	r = emit_moved(d, is.node, parent, h->name, h->name_len, &is);
	if (r == 0 && (changed != 0 || owed))
		r = emit_updated(d, &is, changed != 0 ? changed : ITEM_CONTENT, open);
	if (r == 0)
		r = note_open(d, is.node, open);
	if (r == 0)
		r = update_links(d, &is, is_weak(d, h));
	detector_release(d, h);
	return r == 0 ? walk_applied(d, h, is.node, true) : r;
}

/* The source can have gone with something that was deleted meanwhile: then the name is simply new. */
static int check_source(struct drive *d, struct held *h)
{
	struct identity id;
	uint64_t node;
	int r;

	if (h->source == 0)
		return 0;
	identity_of(&id, &h->id);
	r = index_by_identity(d->txn, d->options.drive, &id, h->source - 1, &node);
	if (r < 0)
		return r;
	if (r == INDEX_NONE || node != h->source)
		detector_release(d, h);
	return 0;
}

/* What stands at the name and goes elsewhere goes now, or steps aside. */
static int vacate(struct drive *d, uint64_t occupant, unsigned depth)
{
	struct held *taker = detector_taker(d, occupant);
	int r;

	if (taker == NULL || taker->progress == HELD_DONE)
		return 0;
	r = place(d, taker, depth + 1);
	return r == ORDER_BLOCKED ? emit_swapped_aside(d, occupant) : r;
}

/* Make the name free, or keep what is there: *occupant is then the node to keep, else 0. */
static int settle_occupant(struct drive *d, struct held *h, uint64_t *occupant, unsigned depth)
{
	struct index_node n;
	uint64_t source;
	int r = index_get(d->txn, *occupant, &n);

	if (r != 0)
		return r;
	if ((int)n.state.kind == (int)h->state.kind && !(is_dir(h) && h->source != 0)) {
		source = h->source;
		detector_release(d, h);
		return source == 0 ? 0 : delete_node(d, source, depth + 1);
	}
	r = delete_node(d, *occupant, depth + 1);
	*occupant = 0;
	return r;
}

/* The directory's node, after the directory itself was placed; INDEX_NONE: not (or no longer) in the drive. */
static int place_parent(struct drive *d, const struct held *h, uint64_t *parent, unsigned depth)
{
	struct held *p = NULL;
	int r;

	while ((p = debounce_next_by_id(&d->debounce, &h->dir, p)) != NULL) {
		if (p->place != HELD_BATCHED || p->stale || p->progress == HELD_DONE || !is_dir(p))
			continue;
		r = place(d, p, depth + 1);
		if (r != 0)
			return r;
		break;
	}
	r = drive_dir_node(d, &h->dir, parent);
	return r == INDEX_NONE ? -ENODATA : r;
}

/* 0, ORDER_BLOCKED, -ENODATA: its directory is not in the drive (or it is ours), or -errno. */
static int place_entry(struct drive *d, struct held *h, unsigned depth)
{
	struct index_node n;
	uint64_t parent, occupant;
	int r = place_parent(d, h, &parent, depth);

	if (r != 0)
		return r;
	if (parent == d->options.root && h->name_len == 9 && memcmp(h->name, ".wakeline", 9) == 0)
		return -ENODATA;
	r = index_lookup(d->txn, parent, h->name, h->name_len, &occupant);
	if (r < 0)
		return r;
	if (r == 0) {
		r = index_get(d->txn, occupant, &n);
		if (r == 0 && drive_same_id(&h->id, &n.id) && (int)n.state.kind == (int)h->state.kind)
			return place_same(d, h, &n);
		if (r == 0)
			r = vacate(d, occupant, depth);
		if (r != 0)
			return r;
	}
	/* Others were placed meanwhile: look again at what is where. */
	r = drive_dir_node(d, &h->dir, &parent);
	if (r != 0)
		return r < 0 ? r : -ENODATA;
	r = index_lookup(d->txn, parent, h->name, h->name_len, &occupant);
	if (r == INDEX_NONE)
		occupant = 0;
	if (r >= 0)
		r = check_source(d, h);
	if (r == 0 && occupant != 0)
		r = settle_occupant(d, h, &occupant, depth);
	if (r == 0)
		r = check_source(d, h);
	if (r == 0)
		r = delete_namesakes(d, h, occupant != 0 ? occupant : h->source, parent, depth + 1);
	if (r != 0)
		return r;
	if (occupant != 0)
		return replace(d, h, occupant, depth);
	return h->source != 0 ? move(d, h, parent, depth) : create(d, h, parent);
}

static int place(struct drive *d, struct held *h, unsigned depth)
{
	bool walked = d->walked;
	int r;

	if (h->progress == HELD_DONE)
		return 0;
	if (h->progress == HELD_PLACING || depth > DEPTH_MAX)
		return ORDER_BLOCKED;
	h->progress = HELD_PLACING;
	d->walked = h->walked;
	r = place_entry(d, h, depth);
	d->walked = walked;
	h->progress = r == ORDER_BLOCKED ? HELD_WAITING : HELD_DONE;
	return r == -ENODATA ? 0 : r;
}

static int delete_gone(struct drive *d, struct held *h, unsigned depth)
{
	bool walked = d->walked;
	uint64_t parent, node;
	int r;

	if (h->progress != HELD_WAITING)
		return 0;
	h->progress = HELD_DONE;
	r = drive_dir_node(d, &h->dir, &parent);
	if (r == 0)
		r = index_lookup(d->txn, parent, h->name, h->name_len, &node);
	if (r != 0)
		return r < 0 ? r : 0;
	d->walked = h->walked;
	r = delete_node(d, node, depth);
	d->walked = walked;
	return r;
}

static int delete_gone_children(struct drive *d, const struct identity *dir, unsigned depth)
{
	struct file_id id;
	struct held *h = NULL;
	int r = 0;

	file_id_of(&id, dir);
	while (r == 0 && depth < DEPTH_MAX && (h = debounce_next_by_dir(&d->debounce, &id, h)) != NULL) {
		if (h->gone && h->place == HELD_BATCHED)
			r = delete_gone(d, h, depth);
	}
	return r;
}

/* Nodes below `node` that are on their way elsewhere leave it; those that cannot will be new where they appear. */
static int evacuate(struct drive *d, uint64_t node, unsigned depth)
{
	struct held *h;
	bool below;
	int r = 0;

	if (d->sources.count == 0)
		return 0;
	TAILQ_FOREACH(h, &d->debounce.batched, queue) {
		if (h->source == 0)
			continue;
		r = is_below(d, h->source, node, &below);
		if (r == 0 && below && h->source != node)
			r = place(d, h, depth + 1);
		if (r < 0)
			return r;
		if (r == 0 && below && h->source != 0)
			r = is_below(d, h->source, node, &below);
		if (r < 0)
			return r;
		if (below && h->source != 0)
			detector_release(d, h);
	}
	return 0;
}

/* The other names of a file that lost one have a new link count. */
static int look_at_links(struct drive *d, const struct identity *id)
{
	struct index_node n;
	struct file_id dir;
	uint64_t node;
	int r = index_by_identity(d->txn, d->options.drive, id, 0, &node);

	if (r == 0)
		r = index_get(d->txn, node, &n);
	if (r == 0)
		r = drive_node_id(d, n.parent, &dir);
	if (r != 0)
		return r < 0 ? r : 0;
	return drive_ask(d, ASK_AGAIN, &dir, n.name, n.name_len, NULL, NULL);
}

static int delete_node(struct drive *d, uint64_t node, unsigned depth)
{
	struct index_node n;
	struct identity id;
	struct held *taker;
	bool linked;
	int r = index_get(d->txn, node, &n);

	if (r != 0)
		return r < 0 ? r : 0;
	id = n.id;
	linked = n.state.kind != NODE_DIR && n.state.links > 1;
	if (n.state.kind == NODE_DIR) {
		r = delete_gone_children(d, &id, depth + 1);
		if (r == 0)
			r = evacuate(d, node, depth);
	}
	taker = detector_taker(d, node);
	if (taker != NULL)
		detector_release(d, taker);
	if (r == 0)
		r = emit_deleted(d, node);
	return r == 0 && linked && !d->silent ? look_at_links(d, &id) : r;
}

/* Whoever stepped aside and could not go on is looked for afresh. */
static int resolve_swapped(struct drive *d)
{
	int r = 0;

	while (r == 0 && d->swapped_count > 0) {
		struct held *taker = detector_taker(d, d->swapped[0]);

		r = delete_node(d, d->swapped[0], 0);
		if (r == 0 && taker != NULL)
			r = look_again(d, taker);
	}
	return r;
}

int order_apply(struct drive *d)
{
	struct held *h;
	int r = 0;

	TAILQ_FOREACH(h, &d->debounce.batched, queue) {
		if (h->stale)
			r = look_again(d, h);
		else if (!h->gone)
			r = place(d, h, 0);
		if (r == ORDER_BLOCKED)
			r = look_again(d, h);
		if (r != 0)
			return r;
	}
	TAILQ_FOREACH(h, &d->debounce.batched, queue) {
		r = h->gone && !h->stale ? delete_gone(d, h, 0) : 0;
		if (r != 0)
			return r;
	}
	r = resolve_swapped(d);
	while (r == 0 && (h = TAILQ_FIRST(&d->debounce.batched)) != NULL) {
		detector_release(d, h);
		walk_unlisted(d, h->scan);
		debounce_drop(&d->debounce, h);
	}
	return r;
}
