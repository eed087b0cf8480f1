/* drive: observations in, questions out, and the order of a step's work.
 *
 * A step: compare what was listed; release what debounce no longer holds; gather what belongs together; apply
 * it; pay debts of files that were announced as open; let the walks go on.  Observations only fill tables, so
 * they may come at any time between steps, but the caller steps only where a batch of observations ended:
 * both sides of a rename are then there. */
#include "sync/drive_internal.h"

#include <errno.h>
#include <string.h>

int drive_new(struct drive **out, const struct drive_options *options)
{
	struct drive *d = calloc(1, sizeof(*d));

	*out = d;
	if (d == NULL)
		return -ENOMEM;
	d->options = *options;
	debounce_init(&d->debounce, options->settle_ms, options->max_wait_ms);
	TAILQ_INIT(&d->hash_asks);
	return 0;
}

void drive_drop_ask(struct drive *d, struct ask *a)
{
	hash_remove(&d->asks, &a->by_request);
	if (a->kind == ASK_HASH) {
		TAILQ_REMOVE(&d->hash_asks, a, by_time);
		d->hash_ask_count--;
	}
	free(a);
}

static void clear_asks(struct drive *d)
{
	for (size_t i = 0; d->asks.buckets != NULL && i <= d->asks.mask; i++) {
		while (d->asks.buckets[i] != NULL) {
			struct hash_link *l = d->asks.buckets[i];

			drive_drop_ask(d, container_of(l, struct ask, by_request));
		}
	}
}

void drive_reset(struct drive *d)
{
	clear_asks(d);
	walk_clear(d);
	closed_clear(d);
	d->lost_count = 0;
	debounce_clear(&d->debounce);
	open_files_deinit(&d->open);
}

void drive_free(struct drive *d)
{
	if (d == NULL)
		return;
	drive_reset(d);
	debounce_deinit(&d->debounce);
	hash_deinit(&d->asks);
	hash_deinit(&d->sources);
	text_deinit(&d->listed);
	text_deinit(&d->path);
	text_deinit(&d->from);
	text_deinit(&d->prefix);
	free(d->swapped);
	free(d->lost);
	free(d->unwatched);
	free(d);
}

int drive_dir_node(struct drive *d, const struct file_id *dir, uint64_t *node)
{
	struct identity id;
	struct index_node n;
	uint64_t found = 0;
	int r;

	if (d->parent_node != 0 && file_id_equal(&d->parent_dir, dir)) {
		*node = d->parent_node;
		return 0;
	}
	identity_of(&id, dir);
	while ((r = index_by_identity(d->txn, d->options.drive, &id, found, &found)) == 0) {
		r = index_get(d->txn, found, &n);
		if (r != 0)
			return r;
		if (n.state.kind != NODE_DIR)
			continue; /* a weak id that a file had before */
		d->parent_dir = *dir;
		d->parent_node = *node = found;
		return 0;
	}
	return r;
}

int drive_node_id(struct drive *d, uint64_t node, struct file_id *out)
{
	struct index_node n;
	int r = index_get(d->txn, node, &n);

	if (r == 0)
		file_id_of(out, &n.id);
	return r;
}

int drive_is_attached(struct drive *d, uint64_t node, const struct identity *id)
{
	uint64_t found;
	int r = index_by_identity(d->txn, d->options.drive, id, node - 1, &found);

	return r == 0 && found != node ? (int)INDEX_NONE : r;
}

int drive_is_below(struct drive *d, uint64_t node, uint64_t above, bool *yes)
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

static bool begins_with(const struct held *h, const char *prefix)
{
	size_t len = strlen(prefix);

	return h->name_len >= len && memcmp(h->name, prefix, len) == 0;
}

bool drive_is_reserved(struct drive *d, const struct held *h)
{
	uint64_t parent;

	if (!begins_with(h, ".wakeline"))
		return false;
	if (begins_with(h, ".wakeline-stage-") || begins_with(h, ".wakeline-swap-"))
		return true;
	return h->name_len == strlen(".wakeline") && drive_dir_node(d, &h->dir, &parent) == 0 &&
	       parent == d->options.root;
}

bool drive_same_id(const struct file_id *a, const struct identity *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* Questions. */

int drive_ask(struct drive *d, enum ask_kind kind, const struct file_id *dir, const char *name,
	      size_t name_len, struct held *held, struct walk *walk)
{
	struct ask *a = calloc(1, sizeof(*a));

	if (a == NULL || !hash_reserve(&d->asks)) {
		free(a);
		return -ENOMEM;
	}
	a->kind = kind;
	a->request = ++d->requests;
	a->walk = walk;
	if (held != NULL) {
		a->held = held->first_arrival;
		a->arrival = held->arrival;
		a->retries = held->retries + 1;
	}
	hash_add(&d->asks, &a->by_request, a->request);
	d->options.output.look(d->options.output.context, a->request, dir, name, name_len);
	return 0;
}

struct ask *drive_find_ask(struct drive *d, uint32_t request)
{
	struct hash_link *l = hash_next(&d->asks, NULL, request);

	return l == NULL ? NULL : container_of(l, struct ask, by_request);
}

/* One of the answers that an element waits for is in. */
static void answer_source(struct drive *d, const struct ask *a, const struct observation *looked)
{
	struct held *h, *there = debounce_find(&d->debounce, &looked->dir, looked->name, looked->name_len);

	TAILQ_FOREACH(h, &d->debounce.asking, queue)
	{
		if (h->first_arrival != a->held || h->arrival != a->arrival)
			continue;
		if (there != NULL)
			there->walked |= h->walked;
		if (--h->answers == 0) {
			h->asked = true;
			debounce_place(&d->debounce, h, HELD_DUE);
		}
		return;
	}
}

/* What the look saw is due at once.  False: it saw nothing that is held. */
static bool force_looked(struct drive *d, const struct observation *o, const struct ask *a)
{
	struct held *h = debounce_find(&d->debounce, &o->dir, o->name, o->name_len);

	if (h == NULL)
		return false;
	if (a->kind == ASK_UNSEEN)
		h->walked = true;
	if (a->retries > h->retries)
		h->retries = a->retries;
	debounce_force(&d->debounce, h);
	return h->place == HELD_DUE;
}

/* The directory is not there any more, so nothing is in it. */
static int observe_vanished(struct drive *d, const struct observation *looked, uint64_t now_ms)
{
	struct observation gone = *looked;
	struct held *h;

	gone.type = OBSERVED_GONE;
	gone.flags = 0;
	return debounce_put(&d->debounce, &gone, now_ms, &h);
}

static int observe_looked(struct drive *d, const struct observation *o, uint64_t now_ms)
{
	struct ask *a = drive_find_ask(d, o->request);
	int r = 0;

	if (a == NULL || a->answered || a->kind == ASK_HASH)
		return 0;
	switch (a->kind) {
	case ASK_SOURCE:
		answer_source(d, a, o);
		break;
	case ASK_AGAIN:
		a->answered = force_looked(d, o, a);
		if (a->answered)
			return 0; /* kept until the step that applies it */
		break;
	case ASK_UNSEEN:
		if (o->error == -ESTALE || o->error == -ENOENT || o->error == -ENOTDIR)
			r = observe_vanished(d, o, now_ms);
		force_looked(d, o, a);
		walk_looked(d, a->walk, o);
		break;
	case ASK_LISTED:
		listing_looked(d, a, o);
		break;
	case ASK_HASH:
		break;
	}
	drive_drop_ask(d, a);
	return r;
}

/* Observations. */

/* One inode has one state: what is held for its other names is as old as this look makes it. */
static void share_state(struct drive *d, const struct observation *o)
{
	struct held *other = NULL;

	if (o->type == OBSERVED_GONE || d->options.weak_ids || file_id_is_weak(&o->id))
		return;
	while ((other = debounce_next_by_id(&d->debounce, &o->id, other)) != NULL) {
		if (other->state.kind == o->state.kind)
			other->state = o->state;
	}
}

static int add_lost_link(struct drive *d, const struct file_id *id)
{
	struct file_id *grown;

	if (d->lost_count == d->lost_room) {
		grown = realloc(d->lost, (d->lost_room * 2 + 8) * sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		d->lost = grown;
		d->lost_room = d->lost_room * 2 + 8;
	}
	d->lost[d->lost_count++] = *id;
	return 0;
}

/* What was seen through this name of an inode holds for its other names, also when the name is something else
 * by now. */
static int note_lost_link(struct drive *d, const struct observation *o)
{
	const struct held *h = debounce_find(&d->debounce, &o->dir, o->name, o->name_len);

	if (h == NULL || h->gone || h->state.kind == ENTRY_DIR || h->state.links <= 1 ||
	    (o->type == OBSERVED_ENTRY && file_id_equal(&h->id, &o->id)))
		return 0;
	return add_lost_link(d, &h->id);
}

/* A file changed under a name that it has no more: names that are held show it now, those in the index are
 * looked at. */
static int observe_file(struct drive *d, const struct observation *o)
{
	share_state(d, o);
	return add_lost_link(d, &o->id);
}

void drive_claim(struct drive *d, struct held *h, uint32_t scan)
{
	uint32_t before = h->scan;

	h->walked = true;
	if (!walk_is_arrival(d, before)) {
		h->scan = scan;
		walk_unlisted(d, before);
	} else {
		walk_unlisted(d, scan);
	}
	debounce_force(&d->debounce, h);
}

int drive_hold(struct drive *d, const struct observation *o, uint32_t scan, uint64_t now_ms)
{
	struct observation seen = *o;
	struct held *h;
	int r = note_lost_link(d, o);

	if (d->options.weak_ids &&
	    (o->flags & OBSERVED_FRESH) != 0) /* what was in a namesake may still be held */
		seen.flags = (uint16_t)((o->flags & ~OBSERVED_FRESH) | OBSERVED_CREATED);
	if (r == 0)
		r = debounce_put(&d->debounce, &seen, now_ms, &h);
	if (r == 0)
		share_state(d, &seen);
	if (r == 0 && scan != 0)
		drive_claim(d, h, scan);
	return r;
}

/* An entry of a scan that nobody waits for any more is a look like any other, unless it is brief. */
static int observe_listed(struct drive *d, const struct observation *o, uint64_t now_ms)
{
	struct scan *s = walk_scan(d, d->listing);

	if (s != NULL && s->known)
		return listing_put(d, s, o);
	if ((o->flags & OBSERVED_BRIEF) != 0)
		return 0;
	if (s != NULL)
		walk_awaits(d, d->listing);
	return drive_hold(d, o, d->listing, now_ms);
}

int drive_observe(struct drive *d, const struct observation *o, uint64_t now_ms)
{
	switch (o->type) {
	case OBSERVED_ENTRY:
	case OBSERVED_GONE:
		return (o->flags & OBSERVED_LISTED) != 0 ? observe_listed(d, o, now_ms)
							 : drive_hold(d, o, 0, now_ms);
	case OBSERVED_FILE:
		return observe_file(d, o);
	case OBSERVED_SCAN_BEGIN:
		d->listing = o->request;
		walk_scan_began(d, o->request);
		return 0;
	case OBSERVED_SCAN_END:
		d->listing = 0;
		walk_scan_ended(d, o->request, o->error);
		return 0;
	case OBSERVED_LOOKED:
		return observe_looked(d, o, now_ms);
	case OBSERVED_BARRIER:
		walk_barrier(d, o->request);
		return 0;
	case OBSERVED_BATCH_END:
	case OBSERVED_READY:
	case OBSERVED_OVERFLOW:
	case OBSERVED_UNWATCHED:
	case OBSERVED_ROOT_GONE:
	case OBSERVED_FAILED:
	case OBSERVED_REMOUNT:
	case OBSERVED_MOUNTS:
	case OBSERVED_GAUGES:
		return 0; /* the engine's */
	}
	return -EPROTO;
}

/* Steps. */

/* Files whose writer was never heard to close them: the last word on each. */
static int pay_open_files(struct drive *d)
{
	struct index_node n;
	uint64_t node;
	int r = 0;

	while (r == 0 && (node = open_files_quiet(&d->open, d->now_ms)) != 0) {
		open_files_forget(&d->open, node);
		r = index_get(d->txn, node, &n);
		if (r == 0)
			r = drive_is_attached(d, node, &n.id);
		n.has_hash = false; /* nobody has looked at its content since */
		if (r == 0)
			r = emit_updated(d, &n, ITEM_MAYBE, false);
		else if (r == INDEX_NONE)
			r = 0;
	}
	return r;
}

static int look_at_lost_links(struct drive *d)
{
	struct identity id;
	int r = 0;

	while (r == 0 && d->lost_count > 0) {
		identity_of(&id, &d->lost[--d->lost_count]);
		r = removal_look_at_links(d, &id);
	}
	return r;
}

/* Names that were looked at again are in the index now, unless they have questions of their own. */
static void drop_answered(struct drive *d)
{
	if (d->asks.count == 0 || !TAILQ_EMPTY(&d->debounce.due) || !TAILQ_EMPTY(&d->debounce.asking))
		return;
	for (size_t i = 0; i <= d->asks.mask; i++) {
		for (struct hash_link *l = d->asks.buckets[i], *next; l != NULL; l = next) {
			struct ask *a = container_of(l, struct ask, by_request);

			next = l->next;
			if (a->answered)
				drive_drop_ask(d, a);
		}
	}
}

int drive_step(struct drive *d, struct store_txn *txn, uint64_t now_ms, bool *more)
{
	int r;

	d->txn = txn;
	d->now_ms = now_ms;
	drive_forget_dir(d);
	hashing_expire(d);
	debounce_release(&d->debounce, now_ms);
	r = listing_step(d);
	if (r == 0)
		r = look_at_lost_links(d);
	if (r == 0)
		r = detector_gather(d);
	if (r == 0)
		r = order_apply(d);
	if (r == 0)
		r = pay_open_files(d);
	if (r == 0)
		r = walk_step(d);
	if (r == 0)
		r = closed_settle(d);
	drop_answered(d);
	d->txn = NULL;
	*more = !TAILQ_EMPTY(&d->debounce.due) || d->walk_ready;
	return r;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t drive_deadline(const struct drive *d)
{
	uint64_t at = UINT64_MAX;

	if (d->walk_ready || d->lost_count > 0)
		return 0;
	if (!TAILQ_EMPTY(&d->hash_asks))
		at = TAILQ_FIRST(&d->hash_asks)->until_ms;
	at = earlier(at, earlier(debounce_deadline(&d->debounce), open_files_deadline(&d->open)));
	return earlier(at, walk_deadline(d));
}

int drive_reconcile(struct drive *d, struct store_txn *txn, uint64_t node)
{
	bool whole = node == 0 || node == d->options.root;
	struct file_id dir;
	int r;

	if (walk_reconciling(d))
		return -EBUSY;
	d->txn = txn;
	r = drive_node_id(d, whole ? d->options.root : node, &dir);
	d->txn = NULL;
	if (r != 0)
		return r < 0 ? r : -ENOENT;
	if (whole)
		d->unwatched_count = 0; /* all will be told again */
	return walk_begin(d, &dir, whole);
}

int drive_reconcile_unwatched(struct drive *d, struct store_txn *txn)
{
	if (d->options.weak_ids) /* another directory may have taken the id of one that was watched */
		return drive_reconcile(d, txn, 0);
	return walk_reconciling(d) ? -EBUSY : walk_begin_unwatched(d);
}

void drive_pace(struct drive *d, unsigned rate)
{
	walk_pace(d, rate);
}

void drive_lost(struct drive *d)
{
	struct held *h, *next;

	for (h = TAILQ_FIRST(&d->debounce.all); h != NULL; h = next) {
		next = TAILQ_NEXT(h, all);
		if (!h->gone || h->walked ||
		    (h->place != HELD_QUIET && h->place != HELD_PATIENT && h->place != HELD_DUE))
			continue;
		walk_unlisted(d, h->scan);
		debounce_drop(&d->debounce, h);
	}
}

void drive_set_silent(struct drive *d, bool silent)
{
	d->silent = silent;
}

uint64_t drive_mark(struct drive *d)
{
	debounce_force_all(&d->debounce);
	return d->debounce.arrivals;
}

bool drive_passed(const struct drive *d, uint64_t mark)
{
	const struct held *oldest = TAILQ_FIRST(&d->debounce.all);

	if (d->lost_count > 0 || (oldest != NULL && oldest->first_arrival <= mark))
		return false;
	for (size_t i = 0; d->asks.count > 0 && i <= d->asks.mask; i++) {
		for (struct hash_link *l = d->asks.buckets[i]; l != NULL; l = l->next) {
			const struct ask *a = container_of(l, struct ask, by_request);

			if (a->kind == ASK_AGAIN && a->held <= mark)
				return false;
		}
	}
	return walk_passed(d, mark);
}

uint64_t drive_pending(const struct drive *d)
{
	return d->debounce.count;
}

void drive_progress(const struct drive *d, uint64_t *entries, uint64_t *changes)
{
	*entries = *changes = 0;
	for (const struct walk *w = d->walks; w != NULL; w = w->next) {
		if (w->reconcile) {
			*entries = w->entries;
			*changes = w->changes;
		}
	}
}
