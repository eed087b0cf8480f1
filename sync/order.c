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

/* BLOCKED: something that is being placed already stands in the way.  IMPOSSIBLE: what was seen cannot be true as a whole
 * any more (a directory below itself); a later look is under way, and one more is asked for.  Both apart from the positive
 * answers of the index. */
enum { ORDER_BLOCKED = 100, ORDER_IMPOSSIBLE = 101 };
enum { DEPTH_MAX = 500, LINKS_LOOKED_AT = 4 };

static int place(struct drive *d, struct held *h, unsigned depth);
static int delete_node(struct drive *d, uint64_t node, unsigned depth);

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

static bool is_dir(const struct held *h)
{
	return h->state.kind == ENTRY_DIR;
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
	return open && !d->silent ? open_files_note(&d->open, node, d->now_ms) : 0;
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
		if (node == is->node || emit_is_swapped(d, node))
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
		r = emit_updated(d, &other, changed, open_files_has(&d->open, node));
		if (r != 0)
			return r;
	}
	return r < 0 ? r : 0;
}

/* A directory that is known, and of which something may have been missed: it was away for a moment, or a run did not
 * list it and found it there afterwards, or its weak id may have been given to another one. */
static bool may_be_another(const struct drive *d, const struct held *h)
{
	if (!is_dir(h) || h->state.mount)
		return false;
	return h->walked || (h->flags & OBSERVED_RENAMED) != 0 || (is_weak(d, h) && (h->flags & OBSERVED_CREATED) != 0);
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
		changed = ITEM_MAYBE; /* nothing to be seen since the last announcement */
	if (changed != 0) {
		r = emit_updated(d, &is, changed, open);
		if (r == 0)
			r = note_open(d, is.node, open);
		if (r == 0)
			r = update_links(d, &is, is_weak(d, h));
	}
	if (r == 0 && h->scan == 0 && may_be_another(d, h))
		return walk_arrived(d, h);
	return r == 0 ? walk_applied(d, h, is.node, WALK_KNOWN) : r;
}

int order_look_at_links(struct drive *d, const struct identity *id)
{
	struct index_node n;
	struct file_id dir;
	uint64_t node = 0;
	int r = 0;

	/* One answer is enough, but the first names may be about to go. */
	for (int i = 0; i < LINKS_LOOKED_AT && r == 0; i++) {
		r = index_by_identity(d->txn, d->options.drive, id, node, &node);
		if (r == 0)
			r = index_get(d->txn, node, &n);
		if (r == 0)
			r = drive_node_id(d, n.parent, &dir);
		if (r == 0 && !emit_is_swapped(d, node))
			r = drive_ask(d, ASK_AGAIN, &dir, n.name, n.name_len, NULL, NULL);
	}
	return r < 0 ? r : 0;
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

/* A directory's identity stands at one name: another node that the index has for it is not there any more. */
static int delete_namesakes(struct drive *d, const struct held *h, uint64_t keep, uint64_t parent, unsigned depth)
{
	struct identity id;
	struct index_node n;
	uint64_t node = 0;
	bool above;
	int r;

	if (!is_dir(h))
		return 0;
	identity_of(&id, &h->id);
	while ((r = index_by_identity(d->txn, d->options.drive, &id, node, &node)) == 0) {
		r = index_get(d->txn, node, &n);
		if (r == 0)
			r = drive_is_below(d, parent, node, &above);
		if (r != 0)
			return r;
		if (node == keep || n.state.kind != NODE_DIR) /* a file may have had the same weak id */
			continue;
		if (above || node == d->options.root)
			return ORDER_IMPOSSIBLE;
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
	bool owed, open, children, linked, weak = is_weak(d, h);
	struct identity before;
	int r = index_get(d->txn, occupant, &was);

	if (r == 0 && is_dir(h))
		r = delete_gone_children(d, &was.id, depth + 1);
	if (r == 0)
		r = index_get(d->txn, occupant, &was);
	if (r != 0)
		return r;
	row_of(d, h, &is);
	before = was.id;
	linked = was.state.links > 1;
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
	if (r == 0 && linked)
		r = order_look_at_links(d, &before);
	if (r != 0 || !is_dir(h))
		return r != 0 ? r : walk_applied(d, h, occupant, WALK_ARRIVED);
	r = index_next_child(d->txn, occupant, NULL, 0, &child);
	if (r < 0)
		return r;
	children = r == 0;
	if (h->scan == 0 && (children || (h->flags & OBSERVED_FRESH) == 0) && !h->state.mount)
		return walk_arrived(d, h);
	return walk_applied(d, h, occupant, WALK_ARRIVED);
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
		return walk_arrived(d, h);
	return walk_applied(d, h, n.node, WALK_NEW);
}

/* Who among the directories from `parent` up to (not including) `node` is about to leave; NULL: nobody. */
static int find_leaver(struct drive *d, uint64_t parent, uint64_t node, struct held **out)
{
	struct index_node n;
	struct held *taker;
	int r = 0;

	*out = NULL;
	for (uint64_t at = parent; at != node && r == 0; at = n.parent) {
		taker = detector_taker(d, at);
		if (taker != NULL && taker->progress != HELD_DONE && (*out == NULL || taker->progress == HELD_WAITING))
			*out = taker;
		r = index_get(d->txn, at, &n);
	}
	return r;
}

/* A node is to move below one of its own: those that are about to leave it go first. */
static int clear_way_out(struct drive *d, uint64_t parent, uint64_t node, unsigned depth)
{
	struct held *leaver;
	bool below;
	int r;

	for (;;) {
		r = drive_is_below(d, parent, node, &below);
		if (r != 0 || !below)
			return r;
		r = find_leaver(d, parent, node, &leaver);
		if (r == 0 && leaver == NULL)
			return ORDER_IMPOSSIBLE;
		if (r == 0)
			r = place(d, leaver, depth + 1);
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
	r = emit_moved(d, is.node, parent, h->name, h->name_len, &is, open);
	if (r == 0 && (changed != 0 || owed))
		r = emit_updated(d, &is, changed != 0 ? changed : ITEM_MAYBE, open);
	if (r == 0)
		r = note_open(d, is.node, open);
	if (r == 0)
		r = update_links(d, &is, is_weak(d, h));
	detector_release(d, h);
	if (r == 0 && is_dir(h) && h->scan == 0 && (walk_reconciling(d) || is_weak(d, h)))
		return walk_arrived(d, h); /* perhaps out of a part that the run has not reached into one that it has left */
	return r == 0 ? walk_applied(d, h, is.node, WALK_KNOWN) : r;
}

/* The source can have gone with something that was deleted meanwhile: then the name is simply new. */
static int check_source(struct drive *d, struct held *h)
{
	struct identity id;
	int r;

	if (h->source == 0)
		return 0;
	identity_of(&id, &h->id);
	r = drive_is_attached(d, h->source, &id);
	if (r == INDEX_NONE)
		detector_release(d, h);
	return r < 0 ? r : 0;
}

/* What stands at the name and goes elsewhere goes now, or steps aside. */
static int vacate(struct drive *d, uint64_t occupant, unsigned depth)
{
	struct held *taker = detector_taker(d, occupant);
	int r;

	if (taker == NULL || taker->progress == HELD_DONE)
		return 0;
	r = place(d, taker, depth + 1);
	if (r == ORDER_BLOCKED)
		return emit_swapped_aside(d, occupant);
	if (r == ORDER_IMPOSSIBLE)
		detector_release(d, taker); /* it is not here any more, wherever it is */
	return r == ORDER_IMPOSSIBLE ? 0 : r;
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
		if (r != 0 && r != ORDER_IMPOSSIBLE)
			return r;
		break;
	}
	r = drive_dir_node(d, &h->dir, parent);
	return r == INDEX_NONE ? -ENODATA : r;
}

/* What was deleted on the way may have taken the directory, or what stood at the name, with it. */
static int check_place(struct drive *d, const struct held *h, uint64_t *parent, uint64_t occupant)
{
	uint64_t found = 0;
	int r = drive_dir_node(d, &h->dir, parent);

	if (r == INDEX_NONE)
		return -ENODATA;
	if (r == 0)
		r = index_lookup(d->txn, *parent, h->name, h->name_len, &found);
	if (r < 0)
		return r;
	return found == occupant ? 0 : ORDER_IMPOSSIBLE;
}

/* The name is not in the tree (it is ours, or its directory left), but the file may have other names that are. */
static int tell_other_names(struct drive *d, const struct held *h)
{
	struct index_node is = {.node = 0};

	row_of(d, h, &is);
	return update_links(d, &is, is_weak(d, h));
}

/* 0, ORDER_BLOCKED, -ENODATA: it is ours or its directory is not in the drive, or -errno. */
static int place_entry(struct drive *d, struct held *h, unsigned depth)
{
	struct index_node n;
	uint64_t parent, occupant;
	int r = place_parent(d, h, &parent, depth);

	if (r != 0)
		return r;
	if (drive_is_reserved(d, h))
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
	if (r == 0)
		r = check_place(d, h, &parent, occupant);
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
	if (r == -ENODATA)
		r = tell_other_names(d, h);
	h->progress = r == ORDER_BLOCKED ? HELD_WAITING : HELD_DONE;
	if (r != ORDER_IMPOSSIBLE)
		return r;
	r = look_again(d, h);
	return r != 0 ? r : ORDER_IMPOSSIBLE;
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
		r = drive_is_below(d, h->source, node, &below);
		if (r == 0 && below && h->source != node)
			r = place(d, h, depth + 1);
		if (r < 0)
			return r;
		if (r == 0 && below && h->source != 0)
			r = drive_is_below(d, h->source, node, &below);
		if (r < 0)
			return r;
		if (below && h->source != 0)
			detector_release(d, h);
	}
	return 0;
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
	if (r == 0)
		r = drive_is_attached(d, node, &id);
	if (r != 0)
		return r == INDEX_NONE ? 0 : r; /* what left it needed its name */
	taker = detector_taker(d, node);
	if (taker != NULL)
		detector_release(d, taker);
	if (r == 0)
		r = emit_deleted(d, node);
	return r == 0 && linked ? order_look_at_links(d, &id) : r; /* their link count is another */
}

/* Whoever stepped aside and could not go on is looked for afresh. */
static int resolve_swapped(struct drive *d)
{
	int r = 0;

	while (r == 0 && d->swapped_count > 0) {
		uint64_t node = d->swapped[0];
		struct held *taker = detector_taker(d, node);

		r = delete_node(d, node, 0);
		emit_leave_swap(d, node); /* also when a directory above it went before */
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
		if (r != 0 && r != ORDER_IMPOSSIBLE)
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
