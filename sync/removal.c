/* removal: what goes, goes after everything that leaves it, children first. */
#include <errno.h>
#include <string.h>

#include "sync/drive_internal.h"

enum { LINKS_LOOKED_AT = 4 };

int removal_look_at_links(struct drive *d, const struct identity *id)
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

/* A directory's identity stands at one name: another node that the index has for it is not there any more. */
int removal_of_namesakes(struct drive *d, const struct held *h, uint64_t keep, uint64_t parent,
			 unsigned depth)
{
	struct identity id;
	struct index_node n;
	uint64_t node = 0;
	bool above;
	int r;

	if (!held_is_dir(h))
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
		r = removal_of(d, node, depth);
		if (r != 0)
			return r;
	}
	return r < 0 ? r : 0;
}

int removal_of_gone(struct drive *d, struct held *h, unsigned depth)
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
	r = removal_of(d, node, depth);
	d->walked = walked;
	return r;
}

int removal_of_children(struct drive *d, const struct identity *dir, unsigned depth)
{
	struct file_id id;
	struct held *h = NULL;
	int r = 0;

	file_id_of(&id, dir);
	while (r == 0 && depth < ORDER_DEPTH_MAX &&
	       (h = debounce_next_by_dir(&d->debounce, &id, h)) != NULL) {
		if (h->gone && h->place == HELD_BATCHED)
			r = removal_of_gone(d, h, depth);
	}
	return r;
}

/* Nodes below `node` that are on their way elsewhere leave it; those that cannot will be new where they
 * appear. */
static int evacuate(struct drive *d, uint64_t node, unsigned depth)
{
	struct held *h;
	bool below;
	int r = 0;

	if (d->sources.count == 0)
		return 0;
	TAILQ_FOREACH(h, &d->debounce.batched, queue)
	{
		if (h->source == 0)
			continue;
		r = drive_is_below(d, h->source, node, &below);
		if (r == 0 && below && h->source != node)
			r = order_place(d, h, depth + 1);
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

/* What is below a directory goes, or leaves it.  INDEX_NONE: so did the directory: what left needed its name,
 * or went to a place below the one that the directory itself is moved to. */
static int clear_out(struct drive *d, const struct index_node *dir, unsigned depth)
{
	struct identity id = dir->id;
	uint64_t node = dir->node, parent = dir->parent, there;
	size_t name_len = dir->name_len;
	char name[NODE_NAME_MAX];
	int r;

	memcpy(name, dir->name, name_len); /* borrowed from the store, which is about to be written to */
	r = removal_of_children(d, &id, depth + 1);
	if (r == 0)
		r = evacuate(d, node, depth);
	if (r == 0)
		r = drive_is_attached(d, node, &id);
	if (r == 0)
		r = index_lookup(d->txn, parent, name, name_len, &there);
	return r == 0 && there != node ? (int)INDEX_NONE : r;
}

int removal_of(struct drive *d, uint64_t node, unsigned depth)
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
	r = n.state.kind == NODE_DIR ? clear_out(d, &n, depth) : drive_is_attached(d, node, &id);
	if (r != 0)
		return r == INDEX_NONE ? 0 : r;
	taker = detector_taker(d, node);
	if (taker != NULL)
		detector_release(d, taker);
	if (r == 0)
		r = emit_deleted(d, node);
	return r == 0 && linked ? removal_look_at_links(d, &id) : r; /* their link count is another */
}
