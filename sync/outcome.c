/* outcome: the things that can become of a name: it is what it was, it has another identity, it is new,
 * something moved to it.
 *
 * What is true of one name of an inode is told for its other names too. */
#include "sync/drive_internal.h"

/* Will h be announced with "open", and is the last announcement of an open file now due?  That of a file
 * which was announced before the watcher or the daemon started anew, too: nobody would hear of its close. */
static bool open_state(struct drive *d, const struct held *h, const struct index_node *n, bool *owed)
{
	uint64_t node = n->node;
	bool known = open_files_has(&d->open, node);

	*owed = known ? (h->flags & OBSERVED_CLOSED) != 0 : n->open && (h->flags & OBSERVED_WRITING) == 0;
	if (*owed)
		open_files_forget(&d->open, node);
	return h->state.kind == ENTRY_FILE && ((h->flags & OBSERVED_WRITING) != 0 || (known && !*owed));
}

static int note_open(struct drive *d, uint64_t node, bool open)
{
	return open && !d->silent ? open_files_note(&d->open, node, d->now_ms) : 0;
}

/* A weak id does not prove that another name is of the same inode, so that name is looked at.  What such a
 * look finds is not followed any further: the first one has asked for all names. */
static int look_at_namesake(struct drive *d, struct held *h, const struct file_id *dir,
			    const struct index_node *n)
{
	return h->retries > 0 ? 0 : drive_ask(d, ASK_AGAIN, dir, n->name, n->name_len, h, NULL);
}

/* Other names of the same inode have the same state. */
static int outcome_for_links(struct drive *d, struct held *h, const struct index_node *is)
{
	struct index_node n, other = *is;
	struct file_id dir;
	struct held *there;
	uint64_t node = 0;
	unsigned changed;
	int r;

	if (is->state.kind == NODE_DIR || is->state.links <= 1)
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
		changed = row_difference(&n, is);
		if (changed == 0 ||
		    (there != NULL && there->place == HELD_BATCHED && there->progress != HELD_DONE))
			continue;
		other.node = node;
		r = held_is_weak(d, h) ? look_at_namesake(d, h, &dir, &n)
				       : emit_updated(d, &other, changed, open_files_has(&d->open, node));
		if (r != 0)
			return r;
	}
	return r < 0 ? r : 0;
}

/* A directory that is known, and of which something may have been missed: it was away for a moment, or a run
 * did not list it and found it there afterwards, or its weak id may have been given to another one. */
static bool may_be_another(const struct drive *d, const struct held *h)
{
	if (!held_is_dir(h) || h->state.mount)
		return false;
	return h->walked || (h->flags & OBSERVED_RENAMED) != 0 ||
	       (held_is_weak(d, h) && (h->flags & OBSERVED_CREATED) != 0);
}

/* The name stands for the node that the index has there; n is its row. */
int outcome_same(struct drive *d, struct held *h, const struct index_node *n)
{
	struct index_node is = {.node = n->node};
	unsigned changed;
	bool owed, open;
	int r = 0;

	row_of_held(d, h, &is);
	changed = row_difference(n, &is);
	open = open_state(d, h, n, &owed);
	if (owed && changed == 0)
		changed = ITEM_MAYBE; /* nothing to be seen since the last announcement */
	if (changed != 0) {
		r = emit_updated(d, &is, changed, open);
		if (r == 0)
			r = note_open(d, is.node, open);
		if (r == 0)
			r = outcome_for_links(d, h, &is);
	} else if (row_learns_birth(n, &is)) {
		r = emit_nothing(d, &is);
	}
	if (r == 0 && h->scan == 0 && (may_be_another(d, h) || closed_has(d, &h->id)))
		return walk_arrived(d, h);
	return r == 0 ? walk_applied(d, h, is.node, WALK_KNOWN) : r;
}

/* The name keeps its node and has another identity of the same kind. */
int outcome_replaced(struct drive *d, struct held *h, uint64_t occupant, unsigned depth)
{
	struct index_node was, is = {.node = occupant}, child;
	unsigned changed;
	bool owed, open, children, linked, weak = held_is_weak(d, h);
	struct identity before;
	int r = index_get(d->txn, occupant, &was);

	if (r == 0 && held_is_dir(h))
		r = removal_of_children(d, &was.id, depth + 1);
	if (r == 0)
		r = index_get(d->txn, occupant, &was);
	if (r != 0)
		return r;
	row_of_held(d, h, &is);
	before = was.id;
	linked = was.state.links > 1;
	changed = row_difference(&was, &is);
	if (!weak && !was.state.mount) /* when a mount ends it is the directory that was there before */
		changed = (changed & ~(unsigned)ITEM_MAYBE) | ITEM_CONTENT;
	open = open_state(d, h, &was, &owed);
	if (owed && changed == 0)
		changed = ITEM_MAYBE; /* a weak id that says nothing, and an announcement that is due */
	if (changed != 0) {
		r = emit_updated(d, &is, changed, open);
		if (r == 0)
			r = note_open(d, occupant, open);
	} else {
		r = emit_nothing(d, &is);
	}
	drive_forget_dir(d);
	d->closed.doubt |= held_is_dir(h);
	if (r == 0)
		r = outcome_for_links(d, h, &is);
	if (r == 0 && linked)
		r = removal_look_at_links(d, &before);
	if (r != 0 || !held_is_dir(h))
		return r != 0 ? r : walk_applied(d, h, occupant, WALK_ARRIVED);
	r = index_next_child(d->txn, occupant, NULL, 0, &child);
	if (r < 0)
		return r;
	children = r == 0;
	if (h->scan == 0 && (children || (h->flags & OBSERVED_FRESH) == 0) && !h->state.mount)
		return walk_arrived(d, h);
	return walk_applied(d, h, occupant, WALK_ARRIVED);
}

int outcome_created(struct drive *d, struct held *h, uint64_t parent)
{
	struct index_node n = {.parent = parent, .name = h->name, .name_len = h->name_len};
	bool open = (h->flags & OBSERVED_WRITING) != 0 && h->state.kind == ENTRY_FILE;
	int r;

	row_of_held(d, h, &n);
	r = emit_created(d, &n, open);
	if (r == 0)
		r = note_open(d, n.node, open);
	if (r == 0)
		r = outcome_for_links(d, h, &n);
	if (r != 0)
		return r;
	if (held_is_dir(h) && h->scan == 0 && (h->flags & OBSERVED_FRESH) == 0 && !h->state.mount)
		return walk_arrived(d, h);
	return walk_applied(d, h, n.node, WALK_NEW);
}

int outcome_moved(struct drive *d, struct held *h, uint64_t parent)
{
	struct index_node was, is = {.node = h->source};
	unsigned changed;
	bool owed, open, as_move;
	int r = index_get(d->txn, h->source, &was);

	if (r != 0)
		return r;
	row_of_held(d, h, &is);
	changed = row_difference(&was, &is) & ~(unsigned)ITEM_MAYBE;
	if (was.state.links != is.state.links && was.state.mode == is.state.mode &&
	    was.state.uid == is.state.uid && was.state.gid == is.state.gid)
		changed &= ~(unsigned)ITEM_META; /* told by the whole state that a move carries */
	open = open_state(d, h, &was, &owed);
	r = emit_moved(d, parent, h->name, h->name_len, &is, open, &as_move);
	if (r == 0 && as_move && (changed != 0 || owed))
		r = emit_updated(d, &is, changed != 0 ? changed : ITEM_MAYBE, open);
	if (r == 0)
		r = note_open(d, is.node, open);
	if (r == 0)
		r = outcome_for_links(d, h, &is);
	if (r == 0 && !held_is_dir(h) && is.state.links > 1)
		r = removal_look_at_links(
			d,
			&is.id); /* seen before the other name went, and perhaps before it was written to */
	detector_release(d, h);
	if (r == 0 && held_is_dir(h) && h->scan == 0 &&
	    (walk_reconciling(d) || held_is_weak(d, h) || d->closed.count > 0))
		return walk_arrived(d, h); /* perhaps out of a part that the run has not reached, or could not
					    * read, into one that it has left */
	return r == 0 ? walk_applied(d, h, is.node, WALK_KNOWN) : r;
}

/* The name is not in the tree (it is ours, or its directory left), but the file may have other names that
 * are. */
int outcome_elsewhere(struct drive *d, struct held *h)
{
	struct index_node is = {.node = 0};

	row_of_held(d, h, &is);
	return outcome_for_links(d, h, &is);
}
