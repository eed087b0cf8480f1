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
	bool hidden = false;
	int r;

	if (dir == d->prefix_node)
		return 0;
	d->prefix_node = 0;
	for (uint64_t node = dir; node != d->options.root; node = n.parent) {
		r = index_get(d->txn, node, &n);
		if (r != 0)
			return r < 0 ? r : -ENOENT;
		len += n.name_len + 1;
		hidden |= n.hidden;
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
	d->prefix_hidden = hidden;
	return 0;
}

/* *below: is the directory, or one above it, hidden?  A first index needs no paths, unless a rule does. */
static int make_path(struct drive *d, uint64_t parent, const char *name, size_t name_len, struct text *out,
		     bool *below)
{
	bool whole = !d->silent || rules_need_path(d->options.rules);
	int r = whole ? load_prefix(d, parent) : 0;

	*below = whole && d->prefix_hidden;
	if (r != 0 || (!whole && d->options.rules == NULL))
		return r;
	text_clear(out);
	if (whole)
		text_add(out, d->prefix.data, d->prefix.len);
	text_add(out, name, name_len);
	return out->failed ? -ENOMEM : 0;
}

/* Does a rule hide what has that path? */
static bool is_hidden(const struct drive *d, const struct text *path, enum node_kind kind)
{
	return rules_hide(d->options.rules, path->data, path->len, kind == NODE_DIR);
}

/* The revision of a change that is told is its own position; of one that is not, the position before. */
static void stamp(struct drive *d, bool told, uint64_t *epoch, uint64_t *seq)
{
	d->options.output.next_rev(d->options.output.context, epoch, seq);
	if (d->silent)
		*seq = 0;
	else if (!told)
		--*seq;
}

static int hand_out(struct drive *d, bool told, struct change *change)
{
	if (d->silent || !told)
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
	bool below, told;
	int r = make_path(d, n->parent, n->name, n->name_len, &d->path, &below);

	if (r != 0)
		return r;
	n->hidden = is_hidden(d, &d->path, n->state.kind);
	n->open = open && !d->silent;
	told = !below && !n->hidden;
	stamp(d, told, &n->rev_epoch, &n->rev_seq);
	r = index_add(d->txn, n);
	return r == 0 ? hand_out(d, told, &change) : r;
}

static bool same_time(const struct node_time *a, const struct node_time *b)
{
	return a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

static bool same_identity(const struct identity *a, const struct identity *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* What a row knows beside what a look at the name says.  A hash holds for the content that it was made of,
 * and that may be another as soon as the ctime moved, also when a change of mode or name explains it. */
static void keep_marks(struct index_node *n, const struct index_node *before, unsigned changed, bool open)
{
	n->hidden = before->hidden;
	n->open = open;
	if (n->has_hash)
		return; /* one of what the row describes now */
	n->has_hash = before->has_hash && (changed & (ITEM_CONTENT | ITEM_MAYBE)) == 0 &&
		      same_time(&n->state.ctime, &before->state.ctime) && same_identity(&n->id, &before->id);
	memcpy(n->hash, before->hash, sizeof(n->hash));
}

int emit_updated(struct drive *d, struct index_node *n, unsigned changed, bool open)
{
	struct index_node now;
	struct change change = {.event = EVENT_FILE_UPDATED, .node = &now, .changed = changed, .open = open};
	bool below, told;
	int r = index_get(d->txn, n->node, &now);

	if (r == 0)
		r = make_path(d, now.parent, now.name, now.name_len, &d->path, &below);
	if (r != 0)
		return r;
	keep_marks(n, &now, changed, open && !d->silent);
	told = !below && !n->hidden;
	stamp(d, told, &n->rev_epoch, &n->rev_seq);
	r = index_update(d->txn, n);
	if (r == 0)
		r = index_get(d->txn, n->node, &now);
	return r == 0 ? hand_out(d, told, &change) : r;
}

int emit_nothing(struct drive *d, struct index_node *n)
{
	struct index_node before;
	int r = index_get(d->txn, n->node, &before);

	if (r != 0)
		return r;
	keep_marks(n, &before, 0, before.open);
	n->rev_epoch = before.rev_epoch;
	n->rev_seq = before.rev_seq;
	return index_update(d->txn, n);
}

static const struct swapped *find_swapped(const struct drive *d, uint64_t node)
{
	for (size_t i = 0; i < d->swapped_count; i++) {
		if (d->swapped[i].node == node)
			return &d->swapped[i];
	}
	return NULL;
}

bool emit_is_swapped(const struct drive *d, uint64_t node)
{
	return find_swapped(d, node) != NULL;
}

int emit_hides(struct drive *d, const struct held *h, bool *hides)
{
	uint64_t parent;
	bool below;
	int r = drive_dir_node(d, &h->dir, &parent);

	*hides = false;
	if (r == 0)
		r = make_path(d, parent, h->name, h->name_len, &d->path, &below);
	if (r == 0)
		*hides = below || rules_hide(d->options.rules, d->path.data, d->path.len, held_is_dir(h));
	return r < 0 ? r : 0;
}

int emit_border(struct drive *d, uint64_t dir, uint64_t parent, const char *name, size_t name_len,
		bool *crosses)
{
	const struct rules *rules = d->options.rules;
	const struct swapped *aside = find_swapped(d, dir);
	struct index_node n;
	bool from_below, to_below;
	int r;

	*crosses = false;
	if (rules == NULL)
		return 0;
	r = index_get(d->txn, dir, &n);
	if (r == 0)
		r = make_path(d, n.parent, n.name, n.name_len, &d->from, &from_below);
	if (r == 0)
		r = make_path(d, parent, name, name_len, &d->path, &to_below);
	if (r != 0)
		return r;
	*crosses = (from_below || n.hidden) != (to_below || is_hidden(d, &d->path, NODE_DIR)) ||
		   (aside != NULL && aside->reached) || rules_reach_below(rules, d->from.data, d->from.len) ||
		   rules_reach_below(rules, d->path.data, d->path.len);
	return 0;
}

/* It leaves its swap name: when it was the last that clients see there, the frame ends with this change. */
void emit_leave_swap(struct drive *d, uint64_t node)
{
	for (size_t i = 0; i < d->swapped_count; i++) {
		if (d->swapped[i].node == node) {
			d->swaps -= d->swapped[i].told;
			d->swapped[i] = d->swapped[--d->swapped_count];
			return;
		}
	}
}

/* Where a node goes, and what clients see of that. */
struct place {
	uint64_t parent;
	const char *name;
	size_t name_len;
	bool aside; /* to a swap name, which no rule is about */
	bool hidden, told, was_told;
};

/* Across the border of what is hidden a move is a `deleted` or a `created`. */
static int tell_moved(struct drive *d, struct index_node *n, const struct place *to, bool open)
{
	struct change change = {.event = EVENT_FILE_MOVED, .node = n, .open = open};
	struct text path;

	if (to->was_told && to->told) {
		change.from = d->from.data;
		change.from_len = d->from.len;
	} else if (to->told) {
		change.event = EVENT_FILE_CREATED;
	} else if (to->was_told) {
		change.event = EVENT_FILE_DELETED;
		change.open = false;
		path = d->path;
		d->path = d->from;
		d->from = path;
	}
	return hand_out(d, to->was_told || to->told, &change);
}

/* The row with its new name; `state` NULL: all else as it was. */
static int move_row(struct drive *d, const struct index_node *was, const struct place *to,
		    const struct index_node *state, bool open)
{
	struct index_node n;
	uint64_t node = was->node, epoch, seq;
	int r = 0;

	stamp(d, to->told || to->was_told, &epoch, &seq);
	if (state != NULL) {
		n = *state;
		keep_marks(&n, was, row_difference(was, state) & ~(unsigned)ITEM_MAYBE, open);
		n.hidden = to->hidden;
		n.rev_epoch = epoch;
		n.rev_seq = seq;
		r = index_update(d->txn, &n);
	}
	if (r == 0)
		r = index_move(d->txn, node, to->parent, to->name, to->name_len, epoch, seq);
	drive_forget_dir(d);
	return r;
}

static int emit_move(struct drive *d, uint64_t node, struct place *to, const struct index_node *state,
		     bool open)
{
	struct index_node now;
	bool below;
	int r = index_get(d->txn, node, &now);

	if (r == 0)
		r = make_path(d, now.parent, now.name, now.name_len, &d->from, &below);
	if (r != 0)
		return r;
	to->was_told = !below && !now.hidden;
	r = make_path(d, to->parent, to->name, to->name_len, &d->path, &below);
	if (r != 0)
		return r;
	to->hidden = to->aside ? now.hidden : is_hidden(d, &d->path, now.state.kind);
	to->told = !below && !to->hidden;
	r = move_row(d, &now, to, state, open && !d->silent);
	if (r == 0)
		r = index_get(d->txn, node, &now);
	if (r != 0)
		return r;
	emit_leave_swap(d, node);
	if (to->aside)
		d->swaps += to->told;
	return tell_moved(d, &now, to, open);
}

int emit_moved(struct drive *d, uint64_t parent, const char *name, size_t name_len,
	       const struct index_node *state, bool open, bool *as_move)
{
	struct place to = {.parent = parent, .name = name, .name_len = name_len};
	int r = emit_move(d, state->node, &to, state, open);

	*as_move = to.was_told && to.told;
	return r;
}

int emit_swapped_aside(struct drive *d, uint64_t node)
{
	char name[64];
	struct place to = {.name = name, .aside = true};
	struct index_node n;
	bool reached;
	int r = index_get(d->txn, node, &n);

	to.name_len = (size_t)snprintf(name, sizeof(name), ".wakeline-swap-%llu", (unsigned long long)node);
	to.parent = n.parent;
	if (r != 0)
		return r;
	if (d->swapped_count == d->swapped_room) {
		size_t room = d->swapped_room * 2 + 8;
		struct swapped *grown = realloc(d->swapped, room * sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		d->swapped = grown;
		d->swapped_room = room;
	}
	r = emit_move(d, node, &to, NULL, n.open);
	reached = rules_reach_below(d->options.rules, d->from.data, d->from.len);
	if (r == 0)
		d->swapped[d->swapped_count++] =
			(struct swapped){.node = node, .told = to.told, .reached = reached};
	return r;
}

/* What stepped aside below a directory that goes, goes with it, and its frame ends. */
static int leave_swaps_below(struct drive *d, uint64_t above)
{
	bool below;

	for (size_t i = d->swapped_count; i-- > 0;) {
		uint64_t node = d->swapped[i].node;
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
	bool below, told;
	int r = index_get(d->txn, node, &n);

	if (r == 0)
		r = make_path(d, n.parent, n.name, n.name_len, &d->path, &below);
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
	if (n.state.kind == NODE_DIR) {
		drive_forget_dir(d);
		d->closed.doubt = true;
	}
	open_files_forget(&d->open, node);
	told = !below && !n.hidden;
	stamp(d, told, &n.rev_epoch, &n.rev_seq);
	return hand_out(d, told, &change);
}
