/* hashing: what becomes of a file of which the ctime alone moved.
 *
 * An owner, a mode and a link count that changed are seen.  What is not: an ACL, an attribute, or a content
 * that was replaced by one of the same size and given its old time back.  If the hash of the content was
 * known, that of today tells which it is; the name waits for it like one that waits for a look, and no longer
 * than HASH_WAIT_MS.  Else it is `maybe`, at once. */
#include "sync/drive_internal.h"

#include <errno.h>
#include <string.h>

static struct ask *ask_new(struct drive *d, const struct held *h)
{
	struct ask *a = calloc(1, sizeof(*a));

	if (a == NULL || !hash_reserve(&d->asks)) {
		free(a);
		return NULL;
	}
	a->kind = ASK_HASH;
	a->request = ++d->requests;
	a->held = h->first_arrival;
	a->arrival = h->arrival;
	a->until_ms = d->now_ms + HASH_WAIT_MS;
	hash_add(&d->asks, &a->by_request, a->request);
	TAILQ_INSERT_TAIL(&d->hash_asks, a, by_time);
	d->hash_ask_count++;
	return a;
}

/* Would the hash make a difference? */
static bool is_wanted(struct drive *d, const struct held *h, const struct index_node *n)
{
	struct index_node is = {.node = n->node};

	if (d->silent || d->options.output.hash == NULL || !n->has_hash || h->hash_asked ||
	    h->state.kind != ENTRY_FILE || n->state.kind != NODE_FILE)
		return false;
	row_of_held(d, h, &is);
	return row_difference(n, &is) == ITEM_MAYBE;
}

int hashing_ask(struct drive *d, struct held *h, const struct index_node *n)
{
	struct ask *a;

	if (h->answers > 0 && h->hash_asked) { /* it was pulled in while its question is under way */
		debounce_place(&d->debounce, h, HELD_ASKING);
		return 0;
	}
	if (!is_wanted(d, h, n) || d->hash_ask_count >= HASHES_IN_FLIGHT)
		return 0;
	a = ask_new(d, h);
	if (a == NULL)
		return -ENOMEM;
	h->hash_asked = true;
	if (!d->options.output.hash(d->options.output.context, a->request, n->node, &h->id, &h->state)) {
		drive_drop_ask(d, a);
		return 0;
	}
	h->answers = 1;
	debounce_place(&d->debounce, h, HELD_ASKING);
	return 0;
}

static void answer(struct drive *d, struct ask *a, const uint8_t *hash)
{
	struct held *h;

	TAILQ_FOREACH(h, &d->debounce.asking, queue)
	{
		if (h->first_arrival != a->held || h->arrival != a->arrival)
			continue;
		h->answers = 0;
		h->has_hash = hash != NULL;
		if (hash != NULL)
			memcpy(h->hash, hash, sizeof(h->hash));
		debounce_place(&d->debounce, h, HELD_DUE);
		break;
	}
	drive_drop_ask(d, a);
}

void drive_hashed(struct drive *d, uint32_t request, const uint8_t *hash)
{
	struct ask *a = drive_find_ask(d, request);

	if (a != NULL && a->kind == ASK_HASH)
		answer(d, a, hash);
}

void hashing_expire(struct drive *d)
{
	struct ask *a;

	while ((a = TAILQ_FIRST(&d->hash_asks)) != NULL && a->until_ms <= d->now_ms) {
		d->options.output.hash_cancel(d->options.output.context, a->request);
		answer(d, a, NULL);
	}
}

static bool same_time(const struct node_time *a, const struct entry_time *b)
{
	return a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

static bool is_state(const struct index_node *n, const struct file_id *id, const struct entry_state *s)
{
	return n->state.kind == NODE_FILE && drive_same_id(id, &n->id) && n->state.size == s->size &&
	       same_time(&n->state.mtime, &s->mtime) && same_time(&n->state.ctime, &s->ctime);
}

static int learn(struct drive *d, const struct index_node *n, const uint8_t *hash)
{
	struct index_node is = *n;

	is.has_hash = true;
	memcpy(is.hash, hash, sizeof(is.hash));
	if (!n->has_hash)
		return index_update(d->txn, &is);
	if (memcmp(n->hash, hash, sizeof(n->hash)) == 0)
		return 0;
	is.name = is.target = ""; /* a file has no target, and its name stays */
	is.name_len = is.target_len = 0;
	return emit_updated(d, &is, ITEM_CONTENT, n->open);
}

int drive_verified(struct drive *d, struct store_txn *txn, uint64_t node, const struct file_id *id,
		   const struct entry_state *state, const uint8_t *hash)
{
	bool weak = d->options.weak_ids || file_id_is_weak(id);
	struct identity identity;
	struct index_node n;
	uint64_t at = weak ? node - 1 : 0;
	int r;

	d->txn = txn;
	drive_forget_dir(d);
	identity_of(&identity, id);
	while ((r = index_by_identity(txn, d->options.drive, &identity, at, &at)) == 0) {
		if (weak && at != node)
			break;
		r = index_get(txn, at, &n);
		if (r == 0 && is_state(&n, id, state)) /* the names of one inode have one content */
			r = learn(d, &n, hash);
		if (r != 0)
			break;
	}
	d->txn = NULL;
	return r < 0 ? r : 0;
}
