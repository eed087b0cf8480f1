#include "net/snapshots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/internal.h"
#include "net/log.h"
#include "net/wire.h"
#include "store/index.h"

/* Disk that one spool may take. */
#define SPOOL_MAX_BYTES ((uint64_t)8 << 30)

void snapshots_init(struct snapshots *s)
{
	memset(s, 0, sizeof(*s));
	TAILQ_INIT(&s->spools);
}

void spool_unref(struct spool *s)
{
	struct snapshots *all;

	if (s == NULL || --s->references > 0)
		return;
	all = &s->server->snapshots;
	if (all->page_spool == s)
		all->page_spool = NULL;
	TAILQ_REMOVE(&all->spools, s, link);
	snapshot_unref(s->snapshot);
	free(s);
}

void snapshots_deinit(struct snapshots *s)
{
	struct spool *spool;

	while ((spool = TAILQ_FIRST(&s->spools)) != NULL) {
		spool->references = 1; /* no subscription is left: this is our own */
		spool_unref(spool);
	}
	text_deinit(&s->page);
}

bool snapshots_busy(const struct snapshots *s)
{
	return s->taking > 0;
}

/* Worker thread: touches nothing of ours but this spool's result. */
static void on_work(uv_work_t *work)
{
	struct spool *s = work->data;

	s->error = snapshot_take(&s->snapshot, s->server->store, s->stream->drive, s->server->state_dir,
				 SPOOL_MAX_BYTES);
}

static void start_queued(struct server *server);

static void tell_waiting(struct spool *s)
{
	struct class *c = TAILQ_FIRST(&s->stream->classes), *next_class;

	for (; c != NULL; c = next_class) {
		struct subscription *sub = TAILQ_FIRST(&c->members), *next;

		next_class = TAILQ_NEXT(c, link);
		for (; sub != NULL; sub = next) {
			next = TAILQ_NEXT(sub, of_class);
			if (sub->state == SUBSCRIPTION_SPOOLING && sub->spool == s)
				on_spool_ready(sub, s->error);
		}
	}
}

static void on_work_done(uv_work_t *work, int status)
{
	struct spool *s = work->data;
	struct server *server = s->server;

	server->snapshots.taking--;
	s->taking = false;
	if (status != 0)
		s->error = status;
	if (s->error > 0)
		s->error = -ENOENT; /* INDEX_NONE */
	if (s->error != 0)
		net_log(NET_LOG_ERROR, "no snapshot of %s: %s", s->stream->name, strerror(-s->error));
	s->ready = true;
	s->ready_ms = now_ms(server);
	tell_waiting(s);
	if (s->error != 0) {
		s->shared = false;
		spool_unref(s);
	} else {
		tick_need(server); /* drops our own reference when its time is over */
	}
	start_queued(server);
}

static int take(struct spool *s)
{
	int e = uv_queue_work(s->server->loop, &s->work, on_work, on_work_done);

	s->queued = false;
	if (e == 0) {
		s->taking = true;
		s->server->snapshots.taking++;
	}
	return e;
}

static void start_queued(struct server *server)
{
	struct spool *s = TAILQ_FIRST(&server->snapshots.spools), *next;

	for (; s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		if (server->stopping || server->snapshots.taking >= SPOOLS_AT_ONCE)
			return;
		if (s->queued && take(s) != 0) {
			s->error = -ENOMEM;
			s->ready = true;
			s->shared = false;
			tell_waiting(s);
			spool_unref(s);
		}
	}
}

static struct spool *spool_new(struct server *server, struct stream *st)
{
	struct spool *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->server = server;
	s->stream = st;
	s->references = 1;
	s->queued = s->shared = true;
	s->work.data = s;
	TAILQ_INSERT_TAIL(&server->snapshots.spools, s, link);
	return s;
}

/* From before a directory came into what this class sees: it would be reset there once more. */
static bool too_old(const struct spool *s, const struct class *c)
{
	const struct position *came_in = &c->stream->came_in;

	return s->ready && s->error == 0 && c->filter.prefixes.count > 0 &&
	       snapshot_position(s->snapshot)->epoch == came_in->epoch &&
	       snapshot_position(s->snapshot)->seq < came_in->seq;
}

static bool old_one_serves(struct spool *s)
{
	struct store_txn *txn;
	int e;

	if (!s->ready || s->error != 0 || store_begin(s->server->store, STORE_READ, &txn) != 0)
		return false;
	e = stream_journal(s->stream, txn);
	if (e == 0)
		e = journal_locate(s->stream->journal, txn, snapshot_position(s->snapshot));
	store_abort(txn);
	return e == 0;
}

/* The one that newcomers get; else, when no further one may be made, the newest that the journal can bridge
 * from. */
static int choose(struct server *server, const struct class *c, struct spool **out)
{
	struct stream *st = c->stream;
	struct spool *s, *newest = NULL;
	unsigned held = 0;

	TAILQ_FOREACH(s, &server->snapshots.spools, link)
	{
		held++;
		if (s->stream != st || too_old(s, c))
			continue;
		if (s->shared && (!s->ready || old_one_serves(s))) {
			*out = s;
			return 0;
		}
		newest = s;
	}
	if (held >= SPOOLS_MAX) {
		*out = newest;
		return newest != NULL && old_one_serves(newest) ? 0 : -EBUSY;
	}
	*out = spool_new(server, st);
	return *out != NULL ? 0 : -ENOMEM;
}

int snapshots_ask(struct server *server, struct subscription *sub)
{
	struct spool *s;
	int e = choose(server, sub->class, &s);

	if (e != 0)
		return e;
	s->references++;
	sub->spool = s;
	if (s->ready)
		on_spool_ready(sub, 0);
	else
		start_queued(server);
	return 0;
}

static int load_page(struct snapshots *all, struct subscription *sub)
{
	struct snapshot *snapshot = sub->spool->snapshot;
	struct server *server = sub->connection->server;
	struct text *items = &server->scratch_items, *body = &server->scratch_head;
	bool last = sub->page + 1 == snapshot_pages(snapshot);
	int e;

	text_clear(items);
	e = snapshot_page(snapshot, sub->page, items);
	if (e == 0)
		e = filter_page(&sub->class->filter.prefixes, items);
	if (e != 0)
		return e;
	text_clear(body);
	encode_snap(body, sub->class->name, sub->class->stream->name,
		    last ? snapshot_position(snapshot) : NULL, items->data, items->len);
	text_clear(&all->page);
	wire_add_fragments(&all->page, body->data, body->len);
	return items->failed || body->failed || all->page.failed ? -ENOMEM : 0;
}

int snapshots_page(struct server *server, struct subscription *sub, const char **bytes, size_t *len)
{
	struct snapshots *all = &server->snapshots;

	if (all->page_spool != sub->spool || all->page_class != sub->class->number ||
	    all->page_number != sub->page) {
		int e;

		all->page_spool = NULL;
		e = load_page(all, sub);
		if (e != 0)
			return e;
		all->page_spool = sub->spool;
		all->page_class = sub->class->number;
		all->page_number = sub->page;
	}
	*bytes = all->page.data;
	*len = all->page.len;
	return 0;
}

bool snapshots_tick(struct server *server)
{
	struct spool *s = TAILQ_FIRST(&server->snapshots.spools), *next;
	bool any = false;

	for (; s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		if (!s->shared)
			continue;
		if (s->ready && now_ms(server) - s->ready_ms >= SPOOL_SHARED_MS) {
			s->shared = false;
			spool_unref(s);
		} else {
			any = true;
		}
	}
	return any;
}
