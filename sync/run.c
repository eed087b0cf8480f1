/* run: a reconcile pass from its request to its place in the history.
 *
 * One run at a time per drive; at most one more is queued.  A request for what is already going (or queued)
 * joins it.  A run after a loss (start, overflow, a dead watcher) covers the whole drive; until one has
 * completed the drive is not live. */
#include "sync/engine_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same_path(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

static bool is_loss(enum run_trigger t)
{
	return t != RUN_MANUAL;
}

static int append_event(struct watched *w, enum event_type event)
{
	struct text *t = &w->engine->json;

	text_clear(t);
	sync_item_encode(t, event, w, &w->run.row, w->tail.seq + 1);
	return watched_append(w, event, 0, t);
}

/* The node of a relative path, component by component. */
static int find_path(struct watched *w, struct store_txn *txn, const char *path, uint64_t *node)
{
	struct index_node n;
	int r = 0;

	*node = w->row.root;
	while (r == 0 && *path != '\0') {
		size_t len = strcspn(path, "/");

		r = len == 0 ? 0 : index_lookup(txn, *node, path, len, node);
		path += len;
		path += *path == '/';
	}
	if (r == 0)
		r = index_get(txn, *node, &n);
	if (r != 0)
		return r < 0 ? r : -ENOENT;
	return n.state.kind == NODE_DIR ? 0 : -ENOTDIR;
}

int run_check_path(struct watched *w, const char *path)
{
	struct store_txn *txn = engine_txn(w->engine);
	uint64_t node;

	return txn == NULL ? -EIO : find_path(w, txn, path, &node);
}

bool run_loss_pending(const struct watched *w)
{
	return !w->row.indexed || (w->run.row.run != 0 && w->run.loss) ||
	       (w->queued.row.run != 0 && w->queued.loss);
}

static int begin(struct watched *w)
{
	struct store_txn *txn = engine_txn(w->engine);
	uint64_t node;
	int r = txn == NULL ? -EIO : 0;

	if (r != 0)
		return r;
	w->run.row.started_ns = engine_wall_ns();
	w->run.row.state = RUN_RUNNING;
	w->progress_ms = engine_now_ms();
	drive_set_silent(w->machine, !w->row.indexed);
	r = w->run.path == NULL ? 0 : find_path(w, txn, w->run.path, &node);
	if (r == 0)
		r = runs_put(txn, &w->run.row);
	if (r == 0 && w->row.indexed)
		r = append_event(w, EVENT_SYNC_STARTED);
	if (r == 0)
		r = drive_reconcile(w->machine, txn, w->run.path == NULL ? 0 : node);
	w->last_run = w->run.row;
	watched_settle_state(w);
	return r;
}

/* Number it and make it the one that `slot` holds.  Takes path. */
static int give_number(struct watched *w, struct run *slot, enum run_trigger trigger, char *path)
{
	struct store_txn *txn = engine_txn(w->engine);

	if (txn == NULL) {
		free(path);
		return -EIO;
	}
	free(slot->path);
	*slot = (struct run){.path = path, .loss = is_loss(trigger)};
	slot->row.drive = w->row.drive;
	slot->row.run = ++w->row.last_run;
	slot->row.trigger = trigger;
	snprintf(slot->row.path, sizeof(slot->row.path), "%s", path == NULL ? "" : path);
	return drives_update(txn, &w->row);
}

/* Widen what is queued so that it covers this request too. */
static void widen(struct run *queued, enum run_trigger trigger, const char *path)
{
	if (!same_path(queued->path, path)) {
		free(queued->path);
		queued->path = NULL;
		queued->row.path[0] = '\0';
	}
	if (is_loss(trigger)) {
		queued->loss = true;
		queued->row.trigger = trigger;
	}
}

int run_request(struct watched *w, enum run_trigger trigger, char *path, uint64_t *run)
{
	struct run *running = w->run.row.run != 0 ? &w->run : NULL;
	int r;

	if (running != NULL && !is_loss(trigger) &&
	    (running->path == NULL || same_path(running->path, path))) {
		*run = running->row.run;
		free(path);
		return 0;
	}
	if (w->queued.row.run != 0) {
		widen(&w->queued, trigger, path);
		*run = w->queued.row.run;
		free(path);
		return 0;
	}
	r = give_number(w, &w->queued, trigger, path);
	*run = w->queued.row.run;
	return r == 0 && running == NULL ? run_begin_queued(w) : r;
}

int run_begin_queued(struct watched *w)
{
	int r;

	if (w->queued.row.run == 0 || w->run.row.run != 0 || w->pass.walking)
		return 0;
	w->run = w->queued;
	w->queued = (struct run){0};
	r = begin(w);
	if (r != -ENOENT && r != -ENOTDIR)
		return r;
	run_ended(w, 0, 0, r); /* the path went away while the run was queued */
	return 0;
}

static void close_row(struct run *run, enum run_state state)
{
	run->row.ended_ns = engine_wall_ns();
	run->row.state = state;
}

static void forget(struct run *run)
{
	free(run->path);
	*run = (struct run){0};
}

void run_ended(struct watched *w, uint64_t entries, uint64_t changes, int error)
{
	struct store_txn *txn = engine_txn(w->engine);
	bool first = !w->row.indexed;
	int r = txn == NULL ? -EIO : 0;

	close_row(&w->run, error == 0 ? RUN_COMPLETED : RUN_FAILED);
	w->run.row.entries = entries;
	w->run.row.changes = changes;
	if (error != 0)
		snprintf(w->run.row.error, sizeof(w->run.row.error), "not everything could be read: %s",
			 strerror(-error));
	if (w->run.loss || w->run.path == NULL) {
		w->incomplete = error != 0;
		snprintf(w->incomplete_why, sizeof(w->incomplete_why), "%s", w->run.row.error);
	}
	if (w->run.path == NULL) {
		pass_schedule(w, 0);
		w->pass.complete = error == 0;
	}
	w->row.indexed = true;
	drive_set_silent(w->machine, false);
	if (r == 0)
		r = runs_put(txn, &w->run.row);
	if (r == 0 && first)
		r = drives_update(txn, &w->row);
	if (r == 0)
		r = append_event(w, error == 0 ? EVENT_SYNC_COMPLETED : EVENT_SYNC_ERROR);
	if (r == 0)
		r = runs_prune(txn, w->row.drive, RUNS_KEPT);
	w->last_run = w->run.row;
	if (first || error != 0 || w->run.loss)
		engine_log("drive %s: run %llu (%s) %s: %llu entries, %llu changes%s%s", w->row.name,
			   (unsigned long long)w->run.row.run, run_trigger_name(w->run.row.trigger),
			   run_state_name(w->run.row.state), (unsigned long long)entries,
			   (unsigned long long)changes, error == 0 ? "" : "; ", w->run.row.error);
	forget(&w->run);
	if (r == 0)
		r = run_begin_queued(w);
	watched_settle_state(w);
	if (r != 0)
		engine_fail(w->engine, r, "writing the end of a run");
}

void run_interrupted(struct watched *w, const char *why)
{
	struct store_txn *txn;
	int r = 0;

	if (w->run.row.run != 0 && (txn = engine_txn(w->engine)) != NULL) {
		close_row(&w->run, RUN_INTERRUPTED);
		snprintf(w->run.row.error, sizeof(w->run.row.error), "%s", why);
		r = runs_put(txn, &w->run.row);
		if (r == 0 && w->row.indexed)
			r = append_event(w, EVENT_SYNC_ERROR);
		w->last_run = w->run.row;
	}
	forget(&w->run);
	forget(&w->queued);
	if (r != 0)
		engine_fail(w->engine, r, "writing the end of a run");
}

void run_progress(struct watched *w, uint64_t now_ms)
{
	struct text *t = &w->engine->json;

	if (w->run.row.run == 0 || w->machine == NULL || now_ms < w->progress_ms + PROGRESS_INTERVAL_MS)
		return;
	w->progress_ms = now_ms;
	drive_progress(w->machine, &w->run.row.entries, &w->run.row.changes);
	w->last_run = w->run.row;
	w->dirty = true;
	text_clear(t);
	sync_item_encode(t, EVENT_SYNC_PROGRESS, w, &w->run.row, 0);
	if (!t->failed)
		news_note(w->engine, journal_name(w->journal), EVENT_SYNC_PROGRESS, t);
}
