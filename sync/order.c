/* order: makes what was observed so in the index, in an order in which every prefix is a valid tree.
 *
 * Each name is *placed*: first its directory, then whatever still stands at the name and is on its way
 * elsewhere, then the name itself.  When that leads back to a name which is being placed already, there is a
 * cycle (a and b exchanged): what stands at the name steps aside to a swap name, in the same frame, and goes
 * on when its turn comes. What stands at a name and moves nowhere keeps its node when the kind is the same
 * (every atomic save); the node that the new identity had elsewhere is deleted first.  One exception: a
 * directory that was renamed over an (in Linux always empty) directory moves, with all that is in it, and the
 * empty one is deleted. Deletions come last, children before parents, unless a name is needed (removal.c).
 * What then becomes of the name is in outcome.c. */
#include "sync/drive_internal.h"

#include <errno.h>

/* Look at it again later: what was seen cannot be true as a whole any more. */
int order_look_again(struct drive *d, struct held *h)
{
	if (h->retries >= RETRIES_MAX)
		return 0;
	return drive_ask(d, ASK_AGAIN, &h->dir, h->name, h->name_len, h, NULL);
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
		if (taker != NULL && taker->progress != HELD_DONE &&
		    (*out == NULL || taker->progress == HELD_WAITING))
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
			r = order_place(d, leaver, depth + 1);
		if (r != 0)
			return r;
	}
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
	r = order_place(d, taker, depth + 1);
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
	if ((int)n.state.kind == (int)h->state.kind && !(held_is_dir(h) && h->source != 0)) {
		source = h->source;
		detector_release(d, h);
		return source == 0 ? 0 : removal_of(d, source, depth + 1);
	}
	r = removal_of(d, *occupant, depth + 1);
	*occupant = 0;
	return r;
}

/* The directory's node, after the directory itself was placed; INDEX_NONE: not (or no longer) in the drive.
 */
static int place_parent(struct drive *d, const struct held *h, uint64_t *parent, unsigned depth)
{
	struct held *p = NULL;
	int r;

	while ((p = debounce_next_by_id(&d->debounce, &h->dir, p)) != NULL) {
		if (p->place != HELD_BATCHED || p->stale || p->progress == HELD_DONE || !held_is_dir(p))
			continue;
		r = order_place(d, p, depth + 1);
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

/* A directory that comes out of what is hidden, or goes into it, goes as a whole and comes as a whole:
 * clients know nothing of what is below it, or are to forget it. */
static int check_border(struct drive *d, struct held *h, uint64_t parent)
{
	bool crosses = false;
	int r = check_source(d, h);

	if (r == 0 && h->source != 0)
		r = emit_border(d, h->source, parent, h->name, h->name_len, &crosses);
	if (r != 0 || !crosses)
		return r;
	detector_release(d, h);
	h->flags &= ~(unsigned)OBSERVED_FRESH; /* what is below it goes, and is not told again */
	return 0;
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
			return outcome_same(d, h, &n);
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
	if (r == 0 && h->source != 0 && held_is_dir(h))
		r = clear_way_out(d, parent, h->source, depth);
	if (r == 0)
		r = check_place(d, h, &parent, occupant);
	if (r == 0 && h->source != 0 && held_is_dir(h))
		r = check_border(d, h, parent);
	if (r == 0)
		r = removal_of_namesakes(d, h, occupant != 0 ? occupant : h->source, parent, depth + 1);
	if (r == 0)
		r = check_place(d, h, &parent, occupant);
	if (r != 0)
		return r;
	if (occupant != 0)
		return outcome_replaced(d, h, occupant, depth);
	return h->source != 0 ? outcome_moved(d, h, parent) : outcome_created(d, h, parent);
}

int order_place(struct drive *d, struct held *h, unsigned depth)
{
	bool walked = d->walked;
	int r;

	if (h->progress == HELD_DONE)
		return 0;
	if (h->progress == HELD_PLACING || depth > ORDER_DEPTH_MAX)
		return ORDER_BLOCKED;
	h->progress = HELD_PLACING;
	d->walked = h->walked;
	r = place_entry(d, h, depth);
	d->walked = walked;
	if (r == -ENODATA)
		r = outcome_elsewhere(d, h);
	h->progress = r == ORDER_BLOCKED ? HELD_WAITING : HELD_DONE;
	if (r != ORDER_IMPOSSIBLE)
		return r;
	r = order_look_again(d, h);
	return r != 0 ? r : ORDER_IMPOSSIBLE;
}

/* Whoever stepped aside and could not go on is looked for afresh. */
static int resolve_swapped(struct drive *d)
{
	int r = 0;

	while (r == 0 && d->swapped_count > 0) {
		uint64_t node = d->swapped[0].node;
		struct held *taker = detector_taker(d, node);

		r = removal_of(d, node, 0);
		emit_leave_swap(d, node); /* also when a directory above it went before */
		if (r == 0 && taker != NULL)
			r = order_look_again(d, taker);
	}
	return r;
}

int order_apply(struct drive *d)
{
	struct held *h;
	int r = 0;

	TAILQ_FOREACH(h, &d->debounce.batched, queue)
	{
		if (h->stale)
			r = order_look_again(d, h);
		else if (!h->gone)
			r = order_place(d, h, 0);
		if (r == ORDER_BLOCKED)
			r = order_look_again(d, h);
		if (r != 0 && r != ORDER_IMPOSSIBLE)
			return r;
	}
	TAILQ_FOREACH(h, &d->debounce.batched, queue)
	{
		r = h->gone && !h->stale ? removal_of_gone(d, h, 0) : 0;
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
