/* emit: makes one change in the index and hands it out, with the paths that it has before and after.
 *
 * While a node stands at a swap name every change is flagged as continued: readers get all of it in one
 * frame. */
#include "sync/drive_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Nothing remembered of directories holds any more: one moved, went, or has another identity. */
void drive_forget_dir(struct drive *d)
{
	d->parent_node = 0;
	d->prefix_node = 0;
}

/* The path of a directory with a slash behind it (nothing for the root) into d->prefix. */
static int load_prefix(struct drive *d, uint64_t dir)
{
	struct index_node n;
	size_t len = 0, at;
	int r;

	if (dir == d->prefix_node)
		return 0;
	d->prefix_node = 0;
	for (uint64_t node = dir; node != d->options.root; node = n.parent) {
		r = index_get(d->txn, node, &n);
		if (r != 0)
			return r < 0 ? r : -ENOENT;
		len += n.name_len + 1;
	}
	text_clear(&d->prefix);
	if (!text_reserve(&d->prefix, len + 1))
		return -ENOMEM;
	d->prefix.len = at = len;
	for (uint64_t node = dir; node != d->options.root; node = n.parent) {
		r = index_get(d->txn, node, &n);
		if (r != 0)
			return r;
		d->prefix.data[--at] = '/';
		at -= n.name_len;
		memcpy(d->prefix.data + at, n.name, n.name_len);
	}
	d->prefix_node = dir;
	return 0;
}

static int make_path(struct drive *d, uint64_t parent, const char *name, size_t name_len, struct text *out)
{
	int r = d->silent ? 0 : load_prefix(d, parent);

	if (r != 0 || d->silent)
		return r;
	text_clear(out);
	text_add(out, d->prefix.data, d->prefix.len);
	text_add(out, name, name_len);
	return out->failed ? -ENOMEM : 0;
}

static void next_rev(struct drive *d, uint64_t *epoch, uint64_t *seq)
{
	d->options.output.next_rev(d->options.output.context, epoch, seq);
	if (d->silent)
		*seq = 0;
}

static int hand_out(struct drive *d, struct change *change)
{
	if (d->silent)
		return 0;
	if (d->walked) {
		for (struct walk *w = d->walks; w != NULL; w = w->next)
			w->changes += w->reconcile;
	}
	change->path = d->path.data;
	change->path_len = d->path.len;
	change->continued = d->swaps > 0;
	return d->options.output.change(d->options.output.context, change);
}

int emit_created(struct drive *d, struct index_node *n, bool open)
{
	struct change change = {.event = EVENT_FILE_CREATED, .node = n, .open = open};
	int r = make_path(d, n->parent, n->name, n->name_len, &d->path);

	next_rev(d, &n->rev_epoch, &n->rev_seq);
	if (r == 0)
		r = index_add(d->txn, n);
	return r == 0 ? hand_out(d, &change) : r;
}

int emit_updated(struct drive *d, struct index_node *n, unsigned changed, bool open)
{
	struct index_node now;
	struct change change = {.event = EVENT_FILE_UPDATED, .node = &now, .changed = changed, .open = open};
	int r;

	next_rev(d, &n->rev_epoch, &n->rev_seq);
	r = index_update(d->txn, n);
	if (r == 0)
		r = index_get(d->txn, n->node, &now);
	if (r == 0)
		r = make_path(d, now.parent, now.name, now.name_len, &d->path);
	return r == 0 ? hand_out(d, &change) : r;
}

bool emit_is_swapped(const struct drive *d, uint64_t node)
{
	for (size_t i = 0; i < d->swapped_count; i++) {
		if (d->swapped[i] == node)
			return true;
	}
	return false;
}

/* It leaves its swap name: when it was the last, the frame ends with this change. */
void emit_leave_swap(struct drive *d, uint64_t node)
{
	for (size_t i = 0; i < d->swapped_count; i++) {
		if (d->swapped[i] == node) {
			d->swapped[i] = d->swapped[--d->swapped_count];
			d->swaps--;
			return;
		}
	}
}

/* `state` (may be NULL): the row as it is after the move, so that one change tells it all. */
int emit_moved(struct drive *d, uint64_t node, uint64_t parent, const char *name, size_t name_len,
	       const struct index_node *state, bool open)
{
	struct index_node now;
	struct change change = {.event = EVENT_FILE_MOVED, .node = &now, .open = open};
	uint64_t epoch, seq;
	int r = index_get(d->txn, node, &now);

	if (r == 0)
		r = make_path(d, now.parent, now.name, now.name_len, &d->from);
	if (r == 0)
		r = make_path(d, parent, name, name_len, &d->path);
	if (r != 0)
		return r;
	next_rev(d, &epoch, &seq);
	r = index_move(d->txn, node, parent, name, name_len, epoch, seq);
	if (r == 0 && state != NULL) {
		struct index_node n = *state;

		n.rev_epoch = epoch;
		n.rev_seq = seq;
		r = index_update(d->txn, &n);
	}
	drive_forget_dir(d);
	if (r == 0)
		r = index_get(d->txn, node, &now);
	if (r != 0)
		return r;
	emit_leave_swap(d, node);
	change.from = d->from.data;
	change.from_len = d->from.len;
	return hand_out(d, &change);
}

int emit_swapped_aside(struct drive *d, uint64_t node)
{
	char name[64];
	struct index_node n;
	int len = snprintf(name, sizeof(name), ".wakeline-swap-%llu", (unsigned long long)node);
	int r = index_get(d->txn, node, &n);

	if (r != 0)
		return r;
	if (d->swapped_count == d->swapped_room) {
		size_t room = d->swapped_room * 2 + 8;
		uint64_t *grown = realloc(d->swapped, room * sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		d->swapped = grown;
		d->swapped_room = room;
	}
	d->swaps++;
	r = emit_moved(d, node, n.parent, name, (size_t)len, NULL, false);
	d->swapped[d->swapped_count++] = node;
	return r;
}

/* What stepped aside below a directory that goes, goes with it, and its frame ends. */
static int leave_swaps_below(struct drive *d, uint64_t above)
{
	bool below;

	for (size_t i = d->swapped_count; i-- > 0;) {
		uint64_t node = d->swapped[i];
		int r = drive_is_below(d, node, above, &below);

		if (r != 0)
			return r;
		if (below)
			emit_leave_swap(d, node);
	}
	return 0;
}

int emit_deleted(struct drive *d, uint64_t node)
{
	struct index_node n, child;
	struct change change = {.event = EVENT_FILE_DELETED, .node = &n};
	int r = index_get(d->txn, node, &n);

	if (r == 0)
		r = make_path(d, n.parent, n.name, n.name_len, &d->path);
	if (r != 0)
		return r;
	r = n.state.kind == NODE_DIR ? index_next_child(d->txn, node, NULL, 0, &child) : INDEX_NONE;
	if (r < 0)
		return r;
	change.recursive = r == 0;
	r = leave_swaps_below(d, node);
	if (r != 0)
		return r;
	r = change.recursive ? index_detach(d->txn, node) : index_remove(d->txn, node);
	if (r != 0)
		return r;
	/* The row is gone from the map; a `deleted` tells its kind and number. */
	n.name = "";
	n.target = NULL;
	n.name_len = n.target_len = 0;
	if (n.state.kind == NODE_DIR)
		drive_forget_dir(d);
	open_files_forget(&d->open, node);
	next_rev(d, &n.rev_epoch, &n.rev_seq);
	return hand_out(d, &change);
}
