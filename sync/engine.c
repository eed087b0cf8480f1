/* engine: the thread, and what it does in each turn of its loop.
 *
 * Before the loop waits, a turn steps every drive that has something due, inside one write transaction,
 * commits it (group commit: while the disk syncs, the next observations gather in the watchers' sockets) and
 * only then tells.  While nothing but a first index is going on the transaction stays open for a while:
 * nobody waits for it, and fewer commits are cheaper.  The timer is set to whatever is due next. */
#include "sync/engine_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STOP_STEPS_MAX = 1000 };

uint64_t engine_now_ms(void)
{
	return uv_hrtime() / 1000000;
}

int64_t engine_wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void engine_log(const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fprintf(stderr, "%s\n", line);
}

void engine_fail(struct engine *e, int error, const char *what)
{
	char text[256];

	if (e->failed)
		return;
	e->failed = true;
	snprintf(text, sizeof(text), "%s: %s", what,
		 error == -EILSEQ ? "the store is damaged"
		 : error < 0      ? strerror(-error)
				  : "an answer that cannot be");
	news_failed(e, error, text);
}

struct store_txn *engine_txn(struct engine *e)
{
	int r;

	if (e->txn != NULL || e->failed)
		return e->txn;
	r = store_begin(e->options.store, STORE_WRITE, &e->txn);
	if (r != 0) {
		e->txn = NULL;
		engine_fail(e, r, "the store: beginning a transaction");
	}
	e->txn_ms = engine_now_ms();
	return e->txn;
}

static void tell(struct engine *e)
{
	for (size_t i = 0; i < e->options.drive_count; i++) {
		struct watched *w = &e->watched[i];

		if (w->advanced)
			news_advanced(e, journal_name(w->journal));
		w->advanced = false;
		barriers_advance(w);
	}
	requests_committed(e);
}

int engine_commit(struct engine *e)
{
	int r = 0;

	if (e->txn != NULL) {
		r = store_commit(e->txn);
		e->txn = NULL;
	}
	if (r != 0)
		engine_fail(e, r,
			    r == -ENOSPC ? "the store is full (its disk, or store_max_bytes)"
					 : "the store: committing");
	else
		tell(e);
	return r;
}

/* Turns. */

/* Nobody can see what a first index writes before it ends, so it need not be on disk at once. */
static bool may_wait(const struct engine *e, uint64_t now_ms)
{
	bool indexing = false;

	if (e->txn == NULL || now_ms >= e->txn_ms + BULK_COMMIT_MS || e->answers != NULL)
		return false;
	for (size_t i = 0; i < e->options.drive_count; i++) {
		if (e->watched[i].advanced)
			return false;
		indexing |= !e->watched[i].row.indexed;
	}
	return indexing;
}

static void retry_offline(struct watched *w, uint64_t now_ms)
{
	if (w->machine != NULL || w->watch->fd < 0 || now_ms < w->retry_ms)
		return;
	w->retry_ms = UINT64_MAX; /* until the answer */
	watch_ask_drive(w->watch, w);
}

static void step_all(struct engine *e, uint64_t now_ms, bool *more)
{
	for (size_t i = 0; i < e->options.drive_count && !e->failed; i++) {
		struct watched *w = &e->watched[i];
		int r = 0;

		retry_offline(w, now_ms);
		if (!e->stopping)
			watched_tick(w, now_ms);
		if (!w->watch->in_batch)
			r = run_tick(w, now_ms);
		if (r == 0)
			r = adopt_step(w, more);
		if (r == 0 && !w->watch->in_batch)
			r = watched_step(w, more);
		if (r != 0)
			engine_fail(e, r, "bringing the index up to date");
		run_progress(w, now_ms);
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t next_deadline(struct engine *e)
{
	uint64_t at = e->txn != NULL ? e->txn_ms + BULK_COMMIT_MS : UINT64_MAX;

	for (struct watch *w = e->watches; w != NULL; w = w->next) {
		if (w->fd < 0)
			at = earlier(at, w->restart_ms);
	}
	for (size_t i = 0; i < e->options.drive_count; i++) {
		if (!e->watched[i].watch->in_batch) /* else what is due waits for the rest of the batch */
			at = earlier(at, watched_deadline(&e->watched[i]));
	}
	return at;
}

static void tell_status(struct engine *e, uint64_t now_ms)
{
	for (size_t i = 0; i < e->options.drive_count; i++) {
		struct watched *w = &e->watched[i];

		if (w->urgent || (w->dirty && now_ms >= w->told_ms + STATUS_INTERVAL_MS))
			news_drive(w);
	}
}

static void on_timer(uv_timer_t *timer)
{
	(void)timer; /* the turn before the loop waits again does the work */
}

static void set_timer(struct engine *e, bool more)
{
	uint64_t now = engine_now_ms(), at = more ? 0 : next_deadline(e);

	if (at == UINT64_MAX) {
		uv_timer_stop(&e->timer);
		return;
	}
	uv_update_time(&e->loop);
	uv_timer_start(&e->timer, on_timer, at <= now ? 0 : at - now, 0);
}

static void turn(struct engine *e)
{
	uint64_t now = engine_now_ms();
	bool more = false;

	if (e->failed)
		return;
	for (struct watch *w = e->watches; w != NULL; w = w->next)
		watch_tick(w, now);
	step_all(e, now, &more);
	if (e->failed) {
		store_abort(e->txn);
		e->txn = NULL;
		return;
	}
	if (!may_wait(e, now))
		engine_commit(e);
	tell_status(e, now);
	for (struct watch *w = e->watches; w != NULL; w = w->next)
		watch_flush(w);
	for (size_t i = 0; i < e->options.drive_count; i++)
		helper_flush(&e->watched[i]);
	set_timer(e, more);
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct engine *e = container_of(prepare, struct engine, prepare);

	if (!e->stopping)
		turn(e);
}

/* The end. */

/* Journal what was observed; what the watchers have not told yet is found at the next start. */
static void release_all(struct engine *e)
{
	bool more = true;

	for (size_t i = 0; i < e->options.drive_count; i++) {
		if (e->watched[i].machine != NULL)
			drive_mark(e->watched[i].machine);
	}
	for (int i = 0; i < STOP_STEPS_MAX && more && !e->failed; i++) {
		more = false;
		step_all(e, engine_now_ms(), &more);
		if (!e->failed)
			engine_commit(e);
	}
	store_abort(e->txn);
	e->txn = NULL;
}

static void on_stop(uv_async_t *async)
{
	struct engine *e = container_of(async, struct engine, stop);

	mailbox_close(&e->requests);
	e->stopping = true;
	release_all(e);
	for (size_t i = 0; i < e->options.drive_count; i++) {
		adopt_fail(&e->watched[i], -EAGAIN);
		barriers_fail(&e->watched[i], -EAGAIN);
		helper_stop(&e->watched[i]);
	}
	requests_committed(e);
	for (struct watch *w = e->watches; w != NULL; w = w->next)
		watch_stop(w);
	uv_close((uv_handle_t *)&e->timer, NULL);
	uv_close((uv_handle_t *)&e->prepare, NULL);
	uv_close((uv_handle_t *)&e->stop, NULL);
}

static void run_thread(void *context)
{
	struct engine *e = context;

	uv_run(&e->loop, UV_RUN_DEFAULT);
}

/* Building it. */

/* The watch for drives of this file system; a root that is not there gets one of its own. */
static struct watch *watch_for(struct engine *e, uint64_t device)
{
	struct watch *w;

	for (w = e->watches; w != NULL && device != 0; w = w->next) {
		if (w->drives[0]->config->device == device)
			return w;
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return NULL;
	w->engine = e;
	w->fd = -1;
	w->next = e->watches;
	e->watches = w;
	return w;
}

static int join_watch(struct engine *e, struct watched *w)
{
	struct watch *watch = watch_for(e, w->config->device);
	struct watched **grown;

	if (watch == NULL)
		return -ENOMEM;
	grown = realloc(watch->drives, (watch->drive_count + 1) * sizeof(struct watched *));
	if (grown == NULL)
		return -ENOMEM;
	watch->drives = grown;
	watch->drives[watch->drive_count++] = w;
	w->watch = watch;
	return 0;
}

static int open_all(struct engine *e)
{
	bool moved = store_was_moved(e->options.store);
	struct store_txn *txn;
	int r = store_begin(e->options.store, STORE_WRITE, &txn);

	if (r != 0)
		return r;
	r = journal_open(&e->bus, txn, "bus");
	if (r == 0 && moved)
		r = journal_new_epoch(e->bus, txn, (uint64_t)(engine_wall_ns() / 1000000000), 0);
	for (size_t i = 0; i < e->options.drive_count && r == 0; i++) {
		e->watched[i].engine = e;
		e->watched[i].config = &e->options.drives[i];
		e->watched[i].number = (uint16_t)(i + 1);
		r = watched_open(&e->watched[i], txn, moved);
	}
	if (r == 0 && moved) {
		engine_log("the store is not where it was (a copy, or a restored backup): new epochs begin, "
			   "clients are reset");
		r = store_adopt_file(e->options.store, txn);
	}
	if (r != 0) {
		store_abort(txn);
		return r;
	}
	return store_commit(txn);
}

static void engine_free(struct engine *e)
{
	struct watch *w;

	if (e == NULL)
		return;
	for (size_t i = 0; i < e->options.drive_count; i++)
		watched_close(&e->watched[i]);
	while ((w = e->watches) != NULL) {
		e->watches = w->next;
		free(w->drives);
		free(w);
	}
	journal_close(e->bus);
	text_deinit(&e->json);
	free(e->watched);
	free(e);
}

static int open_loop(struct engine *e)
{
	int r = uv_loop_init(&e->loop);

	if (r != 0)
		return r;
	r = mailbox_init(&e->requests, &e->loop, requests_on_mail, e);
	if (r == 0)
		r = uv_async_init(&e->loop, &e->stop, on_stop);
	if (r == 0)
		r = uv_timer_init(&e->loop, &e->timer);
	if (r == 0)
		r = uv_prepare_init(&e->loop, &e->prepare);
	if (r == 0)
		r = uv_prepare_start(&e->prepare, on_prepare);
	return r == 0 ? uv_thread_create(&e->thread, run_thread, e) : r;
}

int engine_start(struct engine **out, const struct engine_options *options)
{
	struct engine *e = calloc(1, sizeof(*e));
	int r = -ENOMEM;

	*out = NULL;
	if (e == NULL)
		return r;
	e->options = *options;
	e->answers_end = &e->answers;
	e->watched = calloc(options->drive_count, sizeof(struct watched));
	if (e->watched == NULL)
		goto fail;
	r = open_all(e);
	for (size_t i = 0; i < options->drive_count && r == 0; i++)
		r = join_watch(e, &e->watched[i]);
	if (r == 0)
		r = open_loop(e);
	if (r != 0)
		goto fail;
	*out = e;
	return 0;
fail:
	engine_free(e);
	return r;
}

bool engine_ask(struct engine *e, struct engine_request *request)
{
	return mailbox_post(&e->requests, &request->mail);
}

void engine_stop(struct engine *e)
{
	if (e == NULL)
		return;
	uv_async_send(&e->stop);
	uv_thread_join(&e->thread);
	uv_loop_close(&e->loop);
	engine_free(e);
}
