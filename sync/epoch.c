/* epoch: the drive holds the epoch of its stream, in `.wakeline/epoch`.
 *
 * So a store that was lost, or restored from yesterday, or another one for the same drive, never gives a
 * position again that clients had before: what the drive holds is greater than all it knows, and a new epoch
 * begins above it. */
#include "sync/engine_internal.h"

#include <errno.h>
#include <string.h>

static int begin_above(struct watched *w, uint64_t found)
{
	struct store_txn *txn = engine_txn(w->engine);
	int r = txn == NULL ? -EIO : 0;

	if (r == 0)
		r = journal_new_epoch(w->journal, txn, (uint64_t)(engine_wall_ns() / 1000000000), found);
	if (r == 0)
		r = journal_tail(w->journal, txn, &w->tail);
	if (r == 0)
		r = journal_floor(w->journal, txn, &w->floor);
	w->advanced = true;
	w->prune = true;
	return r;
}

static void on_written(struct watched *w, const struct helper_asked *asked, const struct helper_answer *a)
{
	(void)asked;
	if (a->error != 0 && a->error != -EPIPE)
		engine_log("drive %s: .wakeline/epoch cannot be written: %s", w->row.name,
			   strerror(-a->error));
}

void epoch_opened(struct watched *w, const struct helper_answer *a)
{
	struct helper_request q = {.type = HELPER_EPOCH};
	int r = 0;

	w->own = a->id;
	if (a->flags & HELPER_MALFORMED)
		engine_log("drive %s: .wakeline/epoch holds no epoch%s", w->row.name,
			   a->flags & HELPER_WRITABLE ? "; it is written anew" : "");
	if (a->epoch > w->tail.epoch) {
		r = begin_above(w, a->epoch);
		engine_log("drive %s: it was served with a later epoch before: a new one begins, clients are "
			   "reset",
			   w->row.name);
	}
	if (r != 0) {
		engine_fail(w->engine, r, "beginning an epoch");
		return;
	}
	q.epoch = w->tail.epoch;
	if ((a->flags & HELPER_WRITABLE) && a->epoch != w->tail.epoch)
		helper_ask(w, &q, NULL, on_written, 0);
	listen_begin(w);
	verify_begin(w);
}
