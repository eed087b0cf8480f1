/* verify: a slow pass over the contents of all files, for what no time stamp tells: a disk that decays, a
 * store through mmap into a page that was dirty already, a content that was replaced by one of the same size
 * before its hash was known.
 *
 * Files go by the number of their nodes, one at a time, so that a round takes `verify_period` and no more
 * than a minute lies between two of them.  The first round learns the hashes, the later ones compare.  Where
 * it stands is in the drive's row, written down once in a while: after a crash some files are hashed twice.
 */
#include "sync/engine_internal.h"

#include <errno.h>

enum { VERIFY_PAUSE_MAX_MS = 60000, VERIFY_NODES_MAX = 1000, VERIFY_SAVE_MS = 60000, VERIFY_RETRY_MS = 1000 };

static uint64_t pause_ms(const struct watched *w)
{
	uint64_t pause = w->config->verify_seconds * 1000 / (w->entries == 0 ? 1 : w->entries);

	return pause > VERIFY_PAUSE_MAX_MS ? VERIFY_PAUSE_MAX_MS : pause;
}

void verify_begin(struct watched *w)
{
	w->verify_ms = w->config->verify_seconds == 0 ? UINT64_MAX : engine_now_ms() + pause_ms(w);
}

static void stand_at(struct watched *w, struct store_txn *txn, uint64_t node)
{
	uint64_t now = engine_now_ms();
	int r;

	w->row.verified = node;
	if (node != 0 && now < w->verify_saved_ms + VERIFY_SAVE_MS)
		return;
	w->verify_saved_ms = now;
	r = drives_update(txn, &w->row);
	if (r != 0)
		engine_fail(w->engine, r, "writing down how far a drive is verified");
}

static void on_hashed(struct watched *w, const struct helper_asked *asked, const struct helper_answer *a)
{
	struct store_txn *txn;
	int r;

	w->verify_asked = false;
	if (a->error != 0 || w->machine == NULL || w->state != DRIVE_LIVE)
		return; /* it is being changed, or gone, or unreadable: the next round comes by again */
	txn = engine_txn(w->engine);
	r = txn == NULL ? -EIO
			: drive_verified(w->machine, txn, asked->context, &asked->request->id, asked->state,
					 a->hash);
	if (r != 0)
		engine_fail(w->engine, r, "taking a hash");
}

static struct entry_time time_of(const struct node_time *t)
{
	return (struct entry_time){.seconds = t->seconds, .nanoseconds = t->nanoseconds};
}

static void ask(struct watched *w, const struct index_node *n)
{
	struct helper_request q = {.flags = HELPER_IDLE};
	struct entry_state state = {.kind = ENTRY_FILE,
				    .size = n->state.size,
				    .mtime = time_of(&n->state.mtime),
				    .ctime = time_of(&n->state.ctime)};

	q.id = *(const struct file_id *)(const void *)&n->id;
	w->verify_asked = helper_ask_hash(w, n->node, &q, &state, on_hashed, n->node) != 0;
}

/* The next file, or the end of the round. */
static void go_on(struct watched *w, struct store_txn *txn)
{
	struct index_node n;
	int r = 0;

	for (unsigned i = 0; i < VERIFY_NODES_MAX; i++) {
		r = index_next_node(txn, w->row.drive, w->row.verified, VERIFY_NODES_MAX, &n);
		if (r == INDEX_NONE)
			stand_at(w, txn, 0);
		if (r != 0)
			break;
		stand_at(w, txn, n.node);
		if (n.state.kind == NODE_FILE) {
			r = index_get(txn, n.node, &n); /* what was written down may have moved it */
			if (r == 0)
				ask(w, &n);
			w->verify_ms = engine_now_ms() + pause_ms(w);
			return;
		}
	}
	if (r == -EAGAIN)
		w->row.verified = n.node;
	else if (r < 0)
		engine_fail(w->engine, r, "looking for files to verify");
	w->verify_ms = engine_now_ms() + (r == INDEX_NONE ? pause_ms(w) : 0);
}

/* Only while nothing else goes on. */
static bool is_idle(const struct watched *w)
{
	return w->machine != NULL && w->state == DRIVE_LIVE && helper_is_ready(w) && !w->verify_asked;
}

void verify_tick(struct watched *w, uint64_t now_ms)
{
	struct store_txn *txn;

	if (now_ms < w->verify_ms)
		return;
	if (!is_idle(w)) {
		w->verify_ms = now_ms + VERIFY_RETRY_MS;
		return;
	}
	txn = engine_txn(w->engine);
	if (txn != NULL)
		go_on(w, txn);
}

uint64_t verify_deadline(const struct watched *w)
{
	return w->machine == NULL ? UINT64_MAX : w->verify_ms;
}
