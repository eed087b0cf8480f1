/* rules_walk: the rules are others than when the rows were marked: mark them anew, and tell clients what
 * appears for them and what goes.
 *
 * One walk over the index, parents first, in one transaction: a `deleted` for the topmost entry that goes, a
 * `created` for each that appears.  It runs before the drive's machine does anything, so clients see it as
 * one more step. */
#include "sync/engine_internal.h"

#include <errno.h>
#include <stdlib.h>

struct frame {
	uint64_t directory;
	size_t path_len;
	bool was_seen, is_seen; /* by clients, until now and from now on */
};

struct rules_walk {
	struct watched *watched;
	struct store_txn *txn;
	struct text path;
	struct frame *frames;
	size_t depth, room;
};

static int descend(struct rules_walk *w, uint64_t directory, bool was_seen, bool is_seen)
{
	if (w->depth == w->room) {
		size_t room = w->room * 2 + 64;
		struct frame *frames = realloc(w->frames, room * sizeof(*frames));

		if (frames == NULL)
			return -ENOMEM;
		w->frames = frames;
		w->room = room;
	}
	w->frames[w->depth++] = (struct frame){directory, w->path.len, was_seen, is_seen};
	return 0;
}

/* What follows the directory's own path is the child that was visited last; nothing: none yet. */
static int next_child(struct rules_walk *w, const struct frame *f, struct index_node *child)
{
	size_t start = f->path_len + (f->path_len > 0);

	if (w->path.len <= f->path_len)
		return index_next_child(w->txn, f->directory, NULL, 0, child);
	return index_next_child(w->txn, f->directory, w->path.data + start, w->path.len - start, child);
}

static int tell(struct rules_walk *w, struct index_node *n, enum event_type event)
{
	struct change change = {.event = event, .node = n, .path = w->path.data, .path_len = w->path.len};
	struct index_node child;
	int r;

	if (event == EVENT_FILE_DELETED && n->state.kind == NODE_DIR) {
		r = index_next_child(w->txn, n->node, NULL, 0, &child);
		if (r < 0)
			return r;
		change.recursive = r == 0;
	}
	n->rev_epoch = w->watched->tail.epoch;
	n->rev_seq = w->watched->tail.seq + 1;
	r = index_update(w->txn, n);
	if (r == 0)
		r = index_get(w->txn, n->node, n); /* the update may have moved what it points to */
	return r == 0 ? watched_change(w->watched, &change) : r;
}

static int visit(struct rules_walk *w, const struct frame *f, struct index_node *n)
{
	bool directory = n->state.kind == NODE_DIR, hidden = n->hidden, was_seen, is_seen;
	uint64_t node = n->node;
	int r = 0;

	n->hidden = rules_hide(w->watched->config->rules, w->path.data, w->path.len, directory);
	was_seen = f->was_seen && !hidden;
	is_seen = f->is_seen && !n->hidden;
	if (w->watched->row.indexed && is_seen && !was_seen)
		r = tell(w, n, EVENT_FILE_CREATED);
	else if (w->watched->row.indexed && was_seen && !is_seen && f->is_seen)
		r = tell(w, n, EVENT_FILE_DELETED);
	else if (n->hidden != hidden)
		r = index_update(w->txn, n);
	return r == 0 && directory ? descend(w, node, was_seen, is_seen) : r;
}

static int step(struct rules_walk *w)
{
	struct frame f = w->frames[w->depth - 1];
	struct index_node child;
	int r = next_child(w, &f, &child);

	w->path.len = f.path_len;
	if (r == INDEX_NONE) {
		w->depth--;
		return 0;
	}
	if (r != 0)
		return r;
	if (w->path.len > 0)
		text_add(&w->path, "/", 1);
	text_add(&w->path, child.name, child.name_len);
	return w->path.failed ? -ENOMEM : visit(w, &f, &child);
}

int rules_walk(struct watched *watched, struct store_txn *txn)
{
	struct rules_walk w = {.watched = watched, .txn = txn};
	int r = descend(&w, watched->row.root, true, true);

	while (r == 0 && w.depth > 0)
		r = step(&w);
	text_deinit(&w.path);
	free(w.frames);
	if (r != 0)
		return r;
	watched->row.rules = rules_checksum(watched->config->rules);
	return drives_update(txn, &watched->row);
}
