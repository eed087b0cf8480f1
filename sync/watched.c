/* watched: one drive as the engine keeps it: its machine while it is watched, its journal and its state
 * always. */
#include "sync/engine_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the machine asks and hands out. */

static void on_look(void *context, uint32_t request, const struct file_id *dir, const char *name,
		    size_t name_len)
{
	struct watched *w = context;

	watch_request(w->watch, &(struct watch_request){.type = REQUEST_LOOK,
							.drive = w->number,
							.request = request,
							.dir = *dir,
							.name = name,
							.name_len = name_len});
}

static void on_scan(void *context, uint32_t request, uint16_t flags, const struct file_id *dir)
{
	struct watched *w = context;

	if (!w->row.indexed && w->config->idle_first_index)
		flags |= SCAN_IDLE;

	watch_request(w->watch, &(struct watch_request){.type = REQUEST_SCAN,
							.drive = w->number,
							.flags = flags,
							.request = request,
							.dir = *dir});
}

static void on_barrier(void *context, uint32_t request)
{
	struct watched *w = context;

	watch_ask_barrier(w->watch, w, request);
}

int watched_append(struct watched *w, enum event_type event, unsigned flags, const struct text *json)
{
	struct journal_record record = {
		.event = event, .flags = (uint8_t)flags, .json = json->data, .json_len = json->len};
	int r = json->failed ? -ENOMEM : journal_append(w->journal, w->engine->txn, &record);

	if (r != 0)
		return r;
	w->tail.seq = record.seq;
	w->tail.check = record.check;
	w->advanced = true;
	return 0;
}

int watched_change(void *context, const struct change *change)
{
	struct watched *w = context;
	struct text *t = &w->engine->json;
	int64_t now = engine_wall_ns();
	struct item item = {
		.event = change->event,
		.at_position = {.epoch = w->tail.epoch, .seq = w->tail.seq + 1},
		.at_seconds = now / 1000000000,
		.at_nanoseconds = (uint32_t)(now % 1000000000),
		.drive = w->row.name,
		.node = change->node,
		.path = change->path,
		.path_len = change->path_len,
		.from = change->from,
		.from_len = change->from_len,
		.changed = change->changed,
		.open = change->open,
		.recursive = change->recursive,
	};

	text_clear(t);
	item_encode(t, &item);
	if (change->recursive)
		w->sweep = true;
	return watched_append(w, change->event, change->continued ? JOURNAL_CONTINUED : 0, t);
}

static void on_next_rev(void *context, uint64_t *epoch, uint64_t *seq)
{
	struct watched *w = context;

	*epoch = w->tail.epoch;
	*seq = w->tail.seq + 1;
}

static void on_reconciled(void *context, uint64_t entries, uint64_t changes, int error)
{
	struct watched *w = context;
	int r;

	if (!w->pass.walking) {
		run_ended(w, entries, changes, error);
		return;
	}
	r = pass_ended(w, error);
	if (r != 0)
		engine_fail(w->engine, r, "beginning a run");
}

/* While a run is going it is the run's to tell. */
static void on_unreadable(void *context, uint64_t node, int error)
{
	struct watched *w = context;
	struct store_txn *txn = engine_txn(w->engine);

	if (txn != NULL)
		unread_note(w->run.row.run != 0 ? &w->run.unread : &w->unread, txn, node, error);
}

static void on_missed(void *context, int error)
{
	struct watched *w = context;

	w->incomplete = true;
	w->pass.complete = false;
	unread_explain(&w->unread, error, w->incomplete_why);
	watched_settle_state(w);
}

/* What a run in progress found is the run's to tell. */
static void on_mended(void *context, uint64_t left, uint64_t node)
{
	struct watched *w = context;
	struct store_txn *txn = engine_txn(w->engine);

	w->unread = (struct unread){0};
	if (left > 0 && txn != NULL)
		unread_note(&w->unread, txn, node, -EACCES);
	w->unread.count = left;
	w->incomplete &= left > 0;
	w->pass.complete |= left == 0;
	unread_explain(&w->unread, -EACCES, w->incomplete_why);
	watched_settle_state(w);
}

/* State. */

/* What is wrong is said again when the reason changes, though not for each of ten thousand directories; that
 * all is well only to whoever was told otherwise. */
static bool is_news(const struct watched *w, enum drive_state state, const char *why)
{
	switch (state) {
	case DRIVE_OFFLINE:
		return w->logged != state || strcmp(w->why, why) != 0;
	case DRIVE_DEGRADED:
		return w->logged != state ||
		       (strcmp(w->why, why) != 0 && engine_now_ms() >= w->logged_ms + LOG_INTERVAL_MS);
	case DRIVE_LIVE:
		return w->logged != DRIVE_LIVE;
	case DRIVE_INDEXING:
	case DRIVE_RECONCILING:
		return false;
	}
	return false;
}

void watched_set_state(struct watched *w, enum drive_state state, const char *why)
{
	if (is_news(w, state, why)) {
		engine_log("drive %s is %s%s%s", w->row.name, drive_state_name(state), why[0] ? ": " : "",
			   why);
		w->logged = state;
		w->logged_ms = engine_now_ms();
	}
	w->urgent |= w->state != state;
	w->state = state;
	snprintf(w->why, sizeof(w->why), "%s", why);
	w->dirty = true;
}

void watched_settle_state(struct watched *w)
{
	const char *why = w->pass.unwatched ? w->pass.why : w->incomplete ? w->incomplete_why : w->note;

	if (w->machine == NULL)
		return;
	if (!w->row.indexed)
		watched_set_state(w, DRIVE_INDEXING, why);
	else if (w->run.row.run != 0 && (w->run.row.trigger != RUN_SCRUB || w->queued.row.run != 0))
		watched_set_state(w, DRIVE_RECONCILING, why);
	else if (run_is_waiting(w) && !w->pass.walking)
		watched_set_state(
			w, DRIVE_DEGRADED,
			"events are lost again and again: it is compared less and less often, at least "
			"once a minute");
	else if (w->pass.unwatched || w->incomplete)
		watched_set_state(w, DRIVE_DEGRADED, why);
	else
		watched_set_state(w, DRIVE_LIVE, why);
}

void watched_offline(struct watched *w, const char *why)
{
	char text[sizeof(w->why)];

	snprintf(text, sizeof(text), "%s", why); /* may lie in what is freed below */
	adopt_fail(w, -EAGAIN);
	run_interrupted(w, text);
	pass_interrupted(w);
	drive_free(w->machine);
	w->machine = NULL;
	w->retry_ms = engine_now_ms() + OFFLINE_RETRY_MS;
	w->mounts = 0;
	barriers_fail(w, -EAGAIN);
	watched_set_state(w, DRIVE_OFFLINE, text);
}

/* A swap of file systems shows in nothing else where birth times are not recorded: all roots look alike. */
static bool is_other_volume(const struct watched *w, const struct observation *o)
{
	_Static_assert(sizeof(o->volume) == sizeof(w->row.volume), "one is copied into the other");
	return w->row.has_volume && o->has_volume && memcmp(w->row.volume, o->volume, VOLUME_BYTES) != 0;
}

/* Is this the directory that was indexed?  A weak id proves nothing, so it is believed. */
static bool is_known_root(const struct watched *w, const struct observation *o)
{
	struct file_id known;

	if (is_other_volume(w, o))
		return false;
	if (!w->row.has_root || (o->flags & WATCH_WEAK_IDS) != 0)
		return true;
	memcpy(&known, &w->row.root_id, sizeof(known));
	return file_id_equal(&known, &o->id) && w->row.root_birth.seconds == o->state.birth.seconds &&
	       w->row.root_birth.nanoseconds == o->state.birth.nanoseconds;
}

static int record_root(struct watched *w, const struct observation *o)
{
	struct store_txn *txn = engine_txn(w->engine);
	struct index_node root;
	int r = txn == NULL ? -EIO : index_get(txn, w->row.root, &root);

	if (r != 0)
		return r;
	memcpy(&w->row.root_id, &o->id, sizeof(w->row.root_id));
	w->row.root_birth = (struct node_time){o->state.birth.seconds, o->state.birth.nanoseconds};
	w->row.has_root = true;
	w->row.has_volume |= o->has_volume;
	if (o->has_volume)
		memcpy(w->row.volume, o->volume, VOLUME_BYTES);
	root.id = w->row.root_id;
	root.name = root.target = "";
	root.name_len = root.target_len = 0;
	root.state.kind = NODE_DIR;
	r = index_update(txn, &root);
	return r == 0 ? drives_update(txn, &w->row) : r;
}

static const char *why_another(const struct watched *w, const struct observation *o)
{
	if (is_other_volume(w, o))
		return "another file system is at its path: the tree is kept as it was; mount its own one "
		       "again, or let this one take its place: wakeline drive adopt";
	return "another directory is at its path: the tree is kept as it was; put the old one back, or let "
	       "this one take its place: wakeline drive adopt";
}

static const char *why_gone(int error)
{
	switch (error) {
	case -ENOENT:
	case -ENOTDIR:
		return "its directory is not there any more (renamed or deleted): the tree is kept as it was "
		       "until it is back";
	case -ENODEV:
	case -ESTALE:
		return "its file system was unmounted, or its path leads to something else: the tree is "
		       "kept as it was until it is back";
	default:
		return "its directory cannot be opened any more: the tree is kept as it was until it can";
	}
}

static int make_machine(struct watched *w, bool weak_ids)
{
	struct drive_options options = {
		.drive = w->row.drive,
		.root = w->row.root,
		.settle_ms = w->config->settle_ms,
		.max_wait_ms = w->config->max_wait_ms,
		.weak_ids = weak_ids,
		.rules = w->config->rules,
		.output = {.context = w,
			   .look = on_look,
			   .scan = on_scan,
			   .barrier = on_barrier,
			   .hash = helper_machine_hash,
			   .hash_cancel = helper_machine_cancel,
			   .change = watched_change,
			   .next_rev = on_next_rev,
			   .reconciled = on_reconciled,
			   .unreadable = on_unreadable,
			   .missed = on_missed,
			   .mended = on_mended},
	};

	w->machine_life++;
	return drive_new(&w->machine, &options);
}

int watched_begin(struct watched *w, const struct observation *o, enum run_trigger trigger, uint64_t *run)
{
	int r;

	w->had_ready = true;
	engine_log("drive %s: watching %s with %s (%.*s)", w->row.name, w->config->path,
		   watch_backend_name(o->backend), (int)o->text_len, o->text == NULL ? "" : o->text);
	if (!w->row.indexed && w->entries > 0)
		engine_log("drive %s: its first index goes on; %llu entries are there already", w->row.name,
			   (unsigned long long)w->entries);
	r = record_root(w, o);
	if (r == 0)
		r = make_machine(w, (o->flags & WATCH_WEAK_IDS) != 0);
	if (r == 0)
		r = run_request(w, trigger, NULL, run);
	listen_begin(w);
	helper_open(w);
	watched_settle_state(w);
	return r;
}

static void on_foreign_root(struct watched *w, const struct observation *o)
{
	if (w->adopt != NULL)
		adopt_ready(w, o);
	else
		watched_offline(w, why_another(w, o));
}

static void on_ready(struct watched *w, const struct observation *o)
{
	enum run_trigger trigger = !w->row.indexed ? RUN_FIRST_INDEX : w->had_ready ? RUN_WATCHER : RUN_START;
	uint64_t run;
	int r;

	if (w->machine != NULL)
		return; /* asked twice */
	w->backend = o->backend;
	w->weak_barrier = (o->flags & WATCH_WEAK_BARRIER) != 0;
	w->mounts = 0; /* told anew */
	w->queue_bytes = w->lag_ms = 0;
	w->note[0] = '\0'; /* only what an administrator might want to change */
	if (o->backend != WATCH_FANOTIFY && w->config->backend == WATCH_AUTO)
		snprintf(w->note, sizeof(w->note), "%.*s", (int)o->text_len, o->text);
	if (!is_known_root(w, o)) {
		on_foreign_root(w, o);
		return;
	}
	r = watched_begin(w, o, trigger, &run);
	if (r != 0)
		engine_fail(w->engine, r, "beginning a run");
	adopt_fail(w, -EALREADY);
}

static void on_failed(struct watched *w, const struct observation *o)
{
	char why[sizeof(w->why)];

	snprintf(why, sizeof(why), "%.*s", (int)o->text_len, o->text == NULL ? "" : o->text);
	if (why[0] == '\0')
		snprintf(why, sizeof(why), "%s: %s", w->config->path, strerror(-o->error));
	watched_offline(w, why);
}

static void on_overflow(struct watched *w)
{
	uint64_t run;
	int r;

	if (w->machine == NULL)
		return;
	if (!w->storm.owed)
		engine_log("drive %s: events were lost; it is reconciled", w->row.name);
	storm_lost(&w->storm, engine_now_ms());
	drive_lost(w->machine);
	r = run_request(w, RUN_OVERFLOW, NULL, &run);
	if (r != 0)
		engine_fail(w->engine, r, "beginning a run");
}

static void on_gauges(struct watched *w, const struct observation *o)
{
	w->queue_bytes = o->queue_bytes;
	w->lag_ms = o->lag_ms;
	w->dirty = true;
	if (queue_alarm_told(&w->queue_alarm, o->queue_bytes))
		engine_log(
			"drive %s: %llu MiB of events wait to be read; the machine is too busy, and each MiB "
			"holds kernel memory",
			w->row.name, (unsigned long long)o->queue_bytes >> 20);
}

void watched_observe(struct watched *w, const struct observation *o)
{
	int r = 0;

	switch (o->type) {
	case OBSERVED_READY:
		on_ready(w, o);
		return;
	case OBSERVED_FAILED:
		on_failed(w, o);
		return;
	case OBSERVED_OVERFLOW:
		on_overflow(w);
		return;
	case OBSERVED_UNWATCHED:
		pass_observe_unwatched(w, o);
		return;
	case OBSERVED_ROOT_GONE:
		if (w->machine != NULL || adopt_has_begun(w))
			watched_offline(w, why_gone(o->error));
		return;
	case OBSERVED_REMOUNT:
		if (w->machine == NULL && w->retry_ms != UINT64_MAX) /* else it is being asked for already */
			w->retry_ms = engine_now_ms();
		return;
	case OBSERVED_GAUGES:
		on_gauges(w, o);
		return;
	case OBSERVED_MOUNTS:
		w->mounts = o->count;
		snprintf(w->mounted_at, sizeof(w->mounted_at), "%.*s", (int)o->text_len,
			 o->text == NULL ? "" : o->text);
		w->dirty = true;
		return;
	case OBSERVED_ENTRY:
	case OBSERVED_GONE:
	case OBSERVED_SCAN_BEGIN:
	case OBSERVED_SCAN_END:
	case OBSERVED_LOOKED:
	case OBSERVED_BARRIER:
	case OBSERVED_BATCH_END:
	case OBSERVED_FILE:
		break;
	}
	if (w->adopt != NULL)
		adopt_observe(w, o);
	if (w->machine != NULL && !listen_hears(w, o))
		r = drive_observe(w->machine, o, engine_now_ms());
	if (r != 0)
		engine_fail(w->engine, r, "taking an observation");
}

/* Steps. */

/* Old records and what deleted directories left go a little at a time. */
static int tidy(struct watched *w, struct store_txn *txn, bool *more)
{
	int r = 0;

	w->prune = false;
	if (w->tail.seq - w->floor + 1 > w->config->retain_changes + w->config->retain_changes / 16) {
		r = journal_prune(w->journal, txn, w->config->retain_changes, PRUNE_LIMIT, &w->prune);
		if (r == 0)
			r = journal_floor(w->journal, txn, &w->floor);
		*more |= w->prune;
		w->dirty = true;
	}
	if (r == 0 && w->sweep) {
		r = index_sweep(txn, SWEEP_LIMIT, &w->sweep);
		*more |= w->sweep;
	}
	return r;
}

int watched_step(struct watched *w, bool *more)
{
	struct store_txn *txn;
	bool pass = pass_deadline(w) <= engine_now_ms();
	bool due = w->machine != NULL && (pass || drive_deadline(w->machine) <= engine_now_ms());
	int r = 0;

	if (!due && !w->sweep && !w->prune && !w->rules)
		return 0;
	txn = engine_txn(w->engine);
	if (txn == NULL)
		return -EIO;
	if (w->rules)
		r = rules_walk(w, txn);
	w->rules = false;
	if (r == 0 && pass)
		r = pass_step(w, txn);
	if (r == 0 && due) {
		bool again = true;

		for (int i = 0; i < 4 && r == 0 && again; i++)
			r = drive_step(w->machine, txn, engine_now_ms(), &again);
		*more |= again;
	}
	if (r == 0)
		r = tidy(w, txn, more);
	if (r == 0)
		r = index_count(txn, w->row.drive, &w->entries);
	w->dirty = true;
	return r;
}

/* What is due apart from the machine. */
void watched_tick(struct watched *w, uint64_t now_ms)
{
	helper_tick(w, now_ms);
	listen_tick(w, now_ms);
	verify_tick(w, now_ms);
}

uint64_t watched_deadline(const struct watched *w)
{
	uint64_t at = w->sweep || w->prune || w->rules ? 0 : UINT64_MAX, other;

	other = helper_deadline(w);
	at = other < at ? other : at;
	if (w->machine == NULL)
		return at < w->retry_ms ? at : w->retry_ms;
	other = listen_deadline(w);
	at = other < at ? other : at;
	other = verify_deadline(w);
	at = other < at ? other : at;
	other = drive_deadline(w->machine);
	at = other < at ? other : at;
	other = w->dirty ? w->told_ms + STATUS_INTERVAL_MS : UINT64_MAX;
	at = other < at ? other : at;
	other = pass_deadline(w);
	at = other < at ? other : at;
	other = run_deadline(w);
	at = other < at ? other : at;
	other = w->run.row.run != 0 ? w->progress_ms + PROGRESS_INTERVAL_MS : UINT64_MAX;
	return other < at ? other : at;
}

/* Opening. */

/* What was queued is queued still, until the run of the start joins it. */
static int take_queued(struct watched *w, struct store_txn *txn)
{
	w->queued.row = w->last_run;
	if (w->last_run.path[0] != '\0') {
		w->queued.path = strdup(w->last_run.path);
		if (w->queued.path == NULL)
			return -ENOMEM;
	}
	return runs_before(txn, w->row.drive, w->queued.row.run, &w->last_run);
}

static int read_history(struct watched *w, struct store_txn *txn)
{
	int r = runs_before(txn, w->row.drive, 0, &w->last_run);

	if (r == 0 && w->last_run.state == RUN_QUEUED)
		r = take_queued(w, txn);
	if (r == RUNS_NONE)
		w->last_run = (struct run_row){0};
	if (r != 0)
		return r < 0 ? r : 0;
	if (w->last_run.state != RUN_RUNNING)
		return 0;
	w->last_run.state = RUN_INTERRUPTED;
	snprintf(w->last_run.error, sizeof(w->last_run.error), "the daemon was stopped");
	return runs_put(txn, &w->last_run);
}

int watched_open(struct watched *w, struct store_txn *txn, bool new_epoch)
{
	char stream[JOURNAL_NAME_MAX];
	int r = drives_find(txn, w->config->name, &w->row);

	if (r == DRIVES_NONE)
		r = drives_add(txn, w->config->name, &w->row);
	snprintf(stream, sizeof(stream), "drive:%s", w->config->name);
	if (r == 0)
		r = journal_open(&w->journal, txn, stream);
	if (r == 0 && new_epoch)
		r = journal_new_epoch(w->journal, txn, (uint64_t)(engine_wall_ns() / 1000000000), 0);
	if (r == 0)
		r = journal_tail(w->journal, txn, &w->tail);
	if (r == 0)
		r = journal_floor(w->journal, txn, &w->floor);
	if (r == 0)
		r = read_history(w, txn);
	if (r == 0)
		r = index_count(txn, w->row.drive, &w->entries);
	if (r == 0)
		r = helper_new(&w->helper, w);
	w->verify_ms = UINT64_MAX;
	w->state = w->row.indexed ? DRIVE_OFFLINE : DRIVE_INDEXING;
	w->logged = DRIVE_INDEXING; /* nothing yet */
	snprintf(w->why, sizeof(w->why), "%s", "not watched yet");
	w->retry_ms = UINT64_MAX;
	run_schedule_scrub(w);
	w->sweep = true;
	w->rules = w->row.rules != rules_checksum(w->config->rules);
	w->urgent = w->dirty = true;
	return r;
}

void watched_close(struct watched *w)
{
	drive_free(w->machine);
	w->machine = NULL;
	helper_free(w->helper);
	free(w->run.path);
	free(w->queued.path);
	journal_close(w->journal);
}
