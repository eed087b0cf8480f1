/* detector: which observations belong together, and where the identity at a new name comes from.
 *
 * A step starts with the names that are due.  Some others have to come along, or the difference would be told
 * wrongly:
 *   - the directory itself, when it is as new as what was seen in it;
 *   - all names that show the same identity, and the old names of an identity that shows up elsewhere (a move
 * has two sides);
 *   - the names that show the identity which the index still has at this name (what was here may have moved
 * there);
 *   - what was seen in a directory that is gone or replaced (`rm -r` stays child by child).
 * Then each new name whose identity has a node elsewhere gets that node as its *source* when the node is gone
 * from its old name.  For a directory, and for a file with one link, being seen here is proof of being gone
 * there.  Only a file with several links needs a look at its other names; such an element waits for the
 * answers. Of two names that show an identity which can have one only, the later look is right; an event for
 * the other is under way. */
#include "sync/drive_internal.h"

#include <errno.h>

enum { SOURCE_CANDIDATES_MAX = 8 };

bool detector_exclusive(const struct drive *d, const struct held *h)
{
	if (h->gone)
		return false;
	if (h->state.kind == ENTRY_DIR)
		return true;
	return h->state.links <= 1 && !held_is_weak(d, h);
}

static void pull(struct drive *d, struct held *h)
{
	if (h == NULL || h->place == HELD_BATCHED)
		return;
	h->source = 0;
	h->stale = false;
	h->progress = HELD_WAITING;
	debounce_place(&d->debounce, h, HELD_BATCHED);
}

static void pull_by_id(struct drive *d, const struct file_id *id)
{
	struct held *h = NULL;

	while ((h = debounce_next_by_id(&d->debounce, id, h)) != NULL)
		pull(d, h);
}

static void pull_by_dir(struct drive *d, const struct file_id *dir)
{
	struct held *h = NULL;

	while ((h = debounce_next_by_dir(&d->debounce, dir, h)) != NULL)
		pull(d, h);
}

/* The element for a node's own name, if anything is held for it. */
static int held_for_node(struct drive *d, const struct index_node *n, struct held **out)
{
	struct file_id dir;
	int r = drive_node_id(d, n->parent, &dir);

	*out = NULL;
	if (r != 0)
		return r < 0 ? r : 0;
	*out = debounce_find(&d->debounce, &dir, n->name, n->name_len);
	return 0;
}

/* Call `visit` for each node that the index has for h's identity. */
static int each_node(struct drive *d, const struct held *h,
		     int (*visit)(struct drive *, struct held *, const struct index_node *, struct held *))
{
	struct identity id;
	struct index_node n;
	struct held *there;
	uint64_t node = 0;
	int r;

	identity_of(&id, &h->id);
	while ((r = index_by_identity(d->txn, d->options.drive, &id, node, &node)) == 0) {
		r = index_get(d->txn, node, &n);
		if (r == 0)
			r = held_for_node(d, &n, &there);
		if (r == 0)
			r = visit(d, (struct held *)h, &n, there);
		if (r != 0)
			return r;
	}
	return r < 0 ? r : 0;
}

static int pull_node_name(struct drive *d, struct held *h, const struct index_node *n, struct held *there)
{
	(void)h;
	(void)n;
	pull(d, there);
	return 0;
}

/* What the index has at h's name, or 0. */
static int occupant_of(struct drive *d, const struct held *h, uint64_t *occupant)
{
	uint64_t parent;
	int r = drive_dir_node(d, &h->dir, &parent);

	*occupant = 0;
	if (r == 0)
		r = index_lookup(d->txn, parent, h->name, h->name_len, occupant);
	return r < 0 ? r : 0;
}

static int pull_parent(struct drive *d, const struct held *h)
{
	uint64_t node;
	int r = drive_dir_node(d, &h->dir, &node);

	if (r == INDEX_NONE)
		pull_by_id(d, &h->dir);
	return r < 0 ? r : 0;
}

static int pull_occupant(struct drive *d, const struct held *h)
{
	struct index_node n;
	struct file_id id;
	uint64_t occupant;
	int r = occupant_of(d, h, &occupant);

	if (r != 0 || occupant == 0)
		return r;
	r = index_get(d->txn, occupant, &n);
	if (r != 0 || (!h->gone && drive_same_id(&h->id, &n.id)))
		return r;
	file_id_of(&id, &n.id);
	pull_by_id(d, &id);
	if (n.state.kind == NODE_DIR)
		pull_by_dir(d, &id);
	return 0;
}

static int pull_related(struct drive *d, struct held *h)
{
	int r = pull_parent(d, h);

	if (r == 0)
		r = pull_occupant(d, h);
	if (r != 0 || h->gone)
		return r;
	pull_by_id(d, &h->id);
	return each_node(d, h, pull_node_name);
}

/* Of the elements that show one exclusive identity only the newest is right. */
static void mark_stale(struct drive *d, struct held *h)
{
	struct held *other = NULL, *newest = h;

	if (h->gone || h->stale)
		return;
	while ((other = debounce_next_by_id(&d->debounce, &h->id, other)) != NULL) {
		if (other->arrival > newest->arrival)
			newest = other;
	}
	if (!detector_exclusive(d, newest))
		return;
	while ((other = debounce_next_by_id(&d->debounce, &h->id, other)) != NULL)
		other->stale = other != newest;
}

struct held *detector_taker(const struct drive *d, uint64_t node)
{
	struct hash_link *l = NULL;

	while ((l = hash_next(&d->sources, l, node)) != NULL) {
		struct held *h = container_of(l, struct held, by_source);

		if (h->source == node)
			return h;
	}
	return NULL;
}

void detector_release(struct drive *d, struct held *h)
{
	if (h->source == 0)
		return;
	hash_remove(&d->sources, &h->by_source);
	h->source = 0;
}

static int take_source(struct drive *d, struct held *h, uint64_t node)
{
	if (!hash_reserve(&d->sources))
		return -ENOMEM;
	h->source = node;
	hash_add(&d->sources, &h->by_source, node);
	return 0;
}

enum whereabouts { STILL_THERE, GONE_FROM_THERE, NOT_KNOWN };

/* Is the node n, whose identity was seen at h, still at its old name?  `there` is what is held for that name.
 */
static enum whereabouts whereabouts(const struct drive *d, const struct held *h, const struct index_node *n,
				    const struct held *there)
{
	bool seen_gone =
		there != NULL && !there->stale && (there->gone || !file_id_equal(&there->id, &h->id));

	if (n->parent == 0 || (int)n->state.kind != (int)h->state.kind)
		return STILL_THERE;
	if (held_is_weak(d, h))
		return seen_gone && (h->flags & OBSERVED_RENAMED) != 0 ? GONE_FROM_THERE : STILL_THERE;
	if (seen_gone)
		return GONE_FROM_THERE;
	/* A run that finds two names exchanged has seen one of them only: the other look tells it from a
	 * rename. */
	if (there == NULL && h->walked && h->occupied && !h->asked && !d->silent)
		return NOT_KNOWN;
	if (detector_exclusive(d, h))
		return GONE_FROM_THERE;
	return there != NULL || h->asked || d->silent ? STILL_THERE : NOT_KNOWN;
}

/* A file was renamed to a hidden name, and another came in its place: a save, in which the name that clients
 * see keeps its node. */
static int is_aside(struct drive *d, const struct held *h, const struct index_node *n,
		    const struct held *there, bool *aside)
{
	*aside = false;
	if (d->options.rules == NULL || n->hidden || held_is_dir(h) || there == NULL || there->gone ||
	    there->state.kind != h->state.kind)
		return 0;
	return emit_hides(d, h, aside);
}

/* each_node() visitor: 1 ends it when h has its source. */
static int consider_source(struct drive *d, struct held *h, const struct index_node *n, struct held *there)
{
	bool aside;
	int r;

	if (there == h || detector_taker(d, n->node) != NULL)
		return 0;
	r = is_aside(d, h, n, there, &aside);
	if (r != 0 || aside)
		return r;
	if (whereabouts(d, h, n, there) != GONE_FROM_THERE)
		return 0;
	/* Its writer was done before it was moved. */
	if (there != NULL && there->gone && (h->flags & OBSERVED_WRITING) == 0)
		h->flags |= there->flags & OBSERVED_CLOSED;
	return take_source(d, h, n->node) == 0 ? 1 : -ENOMEM;
}

static int ask_about(struct drive *d, struct held *h, const struct index_node *n, struct held *there)
{
	struct file_id dir;
	int r;

	if (there == h || whereabouts(d, h, n, there) != NOT_KNOWN)
		return 0;
	r = drive_node_id(d, n->parent, &dir);
	if (r != 0)
		return r < 0 ? r : 0;
	if (++h->answers > SOURCE_CANDIDATES_MAX)
		return 0;
	return drive_ask(d, ASK_SOURCE, &dir, n->name, n->name_len, h, NULL);
}

static int same_at_own_name(struct drive *d, struct held *h, bool *same, struct index_node *n)
{
	uint64_t occupant;
	int r = occupant_of(d, h, &occupant);

	*same = false;
	h->occupied = occupant != 0;
	if (r != 0 || occupant == 0)
		return r;
	r = index_get(d->txn, occupant, n);
	*same = r == 0 && drive_same_id(&h->id, &n->id);
	return r;
}

static int find_source(struct drive *d, struct held *h)
{
	bool same;
	struct index_node n;
	int r = same_at_own_name(d, h, &same, &n);

	if (r != 0 || same)
		return r != 0 ? r : hashing_ask(d, h, &n);
	r = each_node(d, h, consider_source);
	if (r != 0)
		return r < 0 ? r : 0;
	if (h->answers == 0) /* else it was pulled in while its questions are under way */
		r = each_node(d, h, ask_about);
	if (h->answers > SOURCE_CANDIDATES_MAX)
		h->answers = SOURCE_CANDIDATES_MAX;
	if (r == 0 && h->answers > 0)
		debounce_place(&d->debounce, h, HELD_ASKING);
	return r;
}

static int find_sources(struct drive *d)
{
	struct held *h, *next;
	int r = 0;

	TAILQ_FOREACH(h, &d->debounce.batched, queue)
	mark_stale(d, h);
	for (h = TAILQ_FIRST(&d->debounce.batched); h != NULL && r == 0; h = next) {
		next = TAILQ_NEXT(h, queue);
		if (!h->gone && !h->stale && !drive_is_reserved(d, h))
			r = find_source(d, h);
	}
	return r;
}

/* A file that stays open for writing may wait longer than others, as long as it does not become quiet. */
static int may_wait_longer(struct drive *d, struct held *h, bool *yes)
{
	uint64_t occupant = 0, until;
	int r = 0;

	*yes = false;
	if (h->gone || (h->flags & OBSERVED_WRITING) == 0 || d->open.nodes.count == 0 ||
	    h->wait_until_ms != 0 || h->forced || h->last_ms + d->options.settle_ms <= d->now_ms)
		return 0;
	r = occupant_of(d, h, &occupant);
	if (r != 0 || occupant == 0 || !open_files_has(&d->open, occupant))
		return r;
	until = h->first_ms + open_files_wait_ms(&d->open, occupant, d->options.max_wait_ms);
	*yes = until > d->now_ms;
	if (*yes)
		debounce_extend(&d->debounce, h, until);
	return 0;
}

/* each_node() visitor: 1 when the file that was seen at h, a hidden name, left a name that clients see. */
static int left_shown_name(struct drive *d, struct held *h, const struct index_node *n, struct held *there)
{
	(void)d;
	(void)h;
	return there != NULL && there->gone && !n->hidden;
}

/* The name h is gone: is the file that stood there held at a hidden name? */
static int went_to_hidden_name(struct drive *d, struct held *h, bool *yes)
{
	struct index_node n;
	struct file_id id;
	struct held *other = NULL;
	uint64_t occupant;
	int r = occupant_of(d, h, &occupant);

	if (r != 0 || occupant == 0)
		return r;
	r = index_get(d->txn, occupant, &n);
	if (r != 0 || n.state.kind == NODE_DIR || n.hidden)
		return r;
	file_id_of(&id, &n.id);
	while (r == 0 && !*yes && (other = debounce_next_by_id(&d->debounce, &id, other)) != NULL)
		r = emit_hides(d, other, yes);
	return r;
}

/* Programs that save by renaming the old file away first (vim, Word and Excel over SMB) take a while to put
 * the new one in its place.  For clients that is one `updated`, if the file is not taken for deleted
 * meanwhile: so both names wait, at most as long as what never is quiet. */
static int may_be_saved(struct drive *d, struct held *h, bool *yes)
{
	uint64_t until = h->first_ms + d->options.max_wait_ms;
	int r;

	*yes = false;
	if (d->options.rules == NULL || d->silent || h->forced || h->walked || until <= d->now_ms)
		return 0;
	if (h->gone) {
		r = went_to_hidden_name(d, h, yes);
	} else {
		r = held_is_dir(h) || h->state.links > 1 ? 0 : emit_hides(d, h, yes);
		if (r == 0 && *yes) {
			r = each_node(d, h, left_shown_name);
			*yes = r == 1;
			r = r < 0 ? r : 0;
		}
	}
	if (r == 0 && *yes)
		debounce_be_patient(&d->debounce, h, until);
	return r;
}

static int take_due(struct drive *d)
{
	struct held *h;
	unsigned n = 0;
	bool later;
	int r = 0;

	while (r == 0 && n < STEP_HELD_MAX && (h = TAILQ_FIRST(&d->debounce.due)) != NULL) {
		r = may_wait_longer(d, h, &later);
		if (r == 0 && !later)
			r = may_be_saved(d, h, &later);
		if (r == 0 && !later) {
			pull(d, h);
			n++;
		}
	}
	return r;
}

int detector_gather(struct drive *d)
{
	struct held *h;
	int r = take_due(d);

	for (h = TAILQ_FIRST(&d->debounce.batched); h != NULL && r == 0; h = TAILQ_NEXT(h, queue))
		r = pull_related(d, h);
	return r == 0 ? find_sources(d) : r;
}
