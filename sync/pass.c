/* pass: a comparison of a drive where not everything that happens is told.
 *
 * A drive that is polled has no events at all, and one with more directories than inotify may watch has none
 * from some of them.  Such a drive is compared again and again, the latter only where it has no watches, or
 * as a whole when the pass before could not reach everything.  A pass begins poll_interval after the last one
 * ended, or as long as that one took, if that was longer, so that at most half of the time goes into it. It
 * is no run: nobody asked for it, the history would be full of them, and what it finds is journalled like any
 * other change.  Each scan also tries again to watch what could not be watched.
 *
 * One walk at a time: a run that is asked for meanwhile waits for the pass.  A barrier is worth nothing
 * without events, so it waits for a pass that began after it was asked for. */
#include "sync/engine_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool pass_needed(const struct watched *w)
{
	return w->backend == WATCH_POLL || w->pass.unwatched;
}

static bool may_begin(const struct watched *w)
{
	return w->machine != NULL && w->row.indexed && !w->pass.walking && w->run.row.run == 0 &&
	       w->queued.row.run == 0 && pass_needed(w);
}

uint64_t pass_deadline(const struct watched *w)
{
	if (!may_begin(w))
		return UINT64_MAX;
	return w->pass.wanted ? 0 : w->pass.due_ms;
}

int pass_step(struct watched *w, struct store_txn *txn)
{
	uint64_t now = engine_now_ms();

	if (pass_deadline(w) > now)
		return 0;
	w->pass.walking = true;
	w->pass.wanted = false;
	w->pass.began_ms = now;
	w->pass.begun++;
	if (w->backend != WATCH_POLL && w->pass.complete)
		return drive_reconcile_unwatched(w->machine, txn);
	return drive_reconcile(w->machine, txn, 0);
}

uint64_t pass_next(const struct watched *w)
{
	return w->pass.begun + 1;
}

bool pass_has_seen(struct watched *w, uint64_t pass)
{
	if (!pass_needed(w) || w->pass.ended >= pass)
		return true;
	w->pass.wanted |= w->pass.begun < pass;
	return false;
}

void pass_schedule(struct watched *w, uint64_t rest_ms)
{
	w->pass.due_ms = engine_now_ms() +
			 (rest_ms > w->config->poll_interval_ms ? rest_ms : w->config->poll_interval_ms);
}

/* What moved while it was compared is found by the next pass. */
static void note_result(struct watched *w, int error)
{
	if (error == -EBUSY)
		return;
	w->incomplete = error != 0;
	if (error != 0)
		snprintf(w->incomplete_why, sizeof(w->incomplete_why), "not everything could be read: %s",
			 strerror(-error));
}

int pass_ended(struct watched *w, int error)
{
	w->pass.walking = false;
	w->pass.ended = w->pass.begun;
	if (w->pass.recovered)
		w->pass.unwatched = false;
	w->pass.recovered = false;
	note_result(w, error);
	w->pass.complete = error == 0;
	pass_schedule(w, engine_now_ms() - w->pass.began_ms);
	watched_settle_state(w);
	return run_begin_queued(w);
}

void pass_interrupted(struct watched *w)
{
	w->pass.walking = w->pass.wanted = w->pass.recovered = w->pass.unwatched = w->pass.complete = false;
	w->pass.due_ms = 0;
}

void pass_observe_unwatched(struct watched *w, const struct observation *o)
{
	if (w->machine == NULL)
		return;
	if (o->error == 0) {
		w->pass.recovered =
			w->pass.walking; /* what happened before its watches is still to be found */
		w->pass.unwatched = w->pass.walking;
	} else {
		if (!w->pass.unwatched)
			pass_schedule(w, 0);
		w->pass.recovered = false;
		w->pass.unwatched = true;
		snprintf(w->pass.why, sizeof(w->pass.why), "%.*s", (int)o->text_len, o->text);
	}
	watched_settle_state(w);
}
