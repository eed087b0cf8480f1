/* The pump moves everything that can move, in bounded steps, once for each turn of the loop.
 *
 * Two lists of connections: those that may have frames of a class to send come first, since that is what
 * everybody waits for; those that read the journal for themselves share what time is left.  A stream is
 * advanced only when all of the first list has had its turn: so whoever reads as fast as its socket allows
 * never falls out of a ring. A connection whose socket is full is on neither list: libwebsockets tells when
 * it takes more. */
#include "net/internal.h"

enum { LIVE_NS = 4 * 1000 * 1000, BEHIND_NS = 2 * 1000 * 1000 };

static void start(struct server *s)
{
	if (!s->destroying)
		uv_idle_start(&s->idle, on_pump);
}

void pump_live(struct connection *c)
{
	if (c->is_live || c->state == CONNECTION_CLOSED)
		return;
	c->is_live = true;
	TAILQ_INSERT_TAIL(&c->server->live, c, on_live);
	start(c->server);
}

void pump_behind(struct connection *c)
{
	if (c->is_behind || c->state == CONNECTION_CLOSED)
		return;
	c->is_behind = true;
	TAILQ_INSERT_TAIL(&c->server->behind, c, on_behind);
	start(c->server);
}

void pump_remove(struct connection *c)
{
	if (c->is_live)
		TAILQ_REMOVE(&c->server->live, c, on_live);
	if (c->is_behind)
		TAILQ_REMOVE(&c->server->behind, c, on_behind);
	c->is_live = c->is_behind = false;
}

void pump_stream(struct stream *st)
{
	st->dirty = true;
	start(st->server);
}

/* The next subscription whose turn it is: they rotate, so that none is served first every time. */
static struct subscription *rotate(struct connection *c)
{
	struct subscription *sub = TAILQ_FIRST(&c->subscriptions);

	if (sub != NULL && TAILQ_NEXT(sub, of_connection) != NULL) {
		TAILQ_REMOVE(&c->subscriptions, sub, of_connection);
		TAILQ_INSERT_TAIL(&c->subscriptions, sub, of_connection);
	}
	return sub;
}

static void serve_live(struct connection *c)
{
	bool more = false, behind = false;

	for (unsigned n = c->subscription_count; n > 0 && connection_can_write(c); n--) {
		struct subscription *sub = rotate(c);

		if (sub->state == SUBSCRIPTION_LIVE && deliver_live(sub) == DELIVER_MORE)
			more = true;
		if (sub->state == SUBSCRIPTION_BEHIND || sub->state == SUBSCRIPTION_SNAPSHOT)
			behind = true;
	}
	barrier_flush(c);
	if (!connection_flush(c))
		return; /* goes on when the socket takes more */
	if (more)
		pump_live(c);
	if (behind)
		pump_behind(c);
}

void pump_connection(struct connection *c)
{
	if (!connection_can_write(c))
		return;
	if (c->mid_message != NULL) {
		pump_behind(c);
		return;
	}
	if (!connection_flush(c))
		return;
	switch (c->state) {
	case CONNECTION_NEW:
	case CONNECTION_CLOSING:
	case CONNECTION_CLOSED:
		return;
	case CONNECTION_READY:
		connection_check_principal(c); /* nothing is sent to somebody whose time is over */
		if (c->state == CONNECTION_READY)
			serve_live(c);
		return;
	}
}

static enum deliver_answer step(struct connection *c)
{
	if (c->mid_message != NULL)
		return deliver_page(c->mid_message);
	if (!connection_flush(c))
		return DELIVER_DONE;
	for (unsigned n = c->subscription_count; n > 0; n--) {
		struct subscription *sub = rotate(c);
		enum deliver_answer answer = DELIVER_DONE;

		if (sub->state == SUBSCRIPTION_SNAPSHOT)
			answer = deliver_page(sub);
		else if (sub->state == SUBSCRIPTION_BEHIND)
			answer = deliver_behind(sub);
		if (answer == DELIVER_MORE)
			return DELIVER_MORE;
		if (c->state != CONNECTION_READY)
			return DELIVER_DONE;
	}
	return DELIVER_DONE;
}

static void serve_behind(struct connection *c)
{
	enum deliver_answer answer;

	if (c->state == CONNECTION_READY)
		connection_check_principal(c);
	if (c->state != CONNECTION_READY || !connection_can_write(c))
		return;
	answer = step(c);
	if (c->state != CONNECTION_READY || !connection_can_write(c))
		return;
	if (c->mid_message == NULL)
		barrier_flush(c);
	if (answer == DELIVER_MORE) { /* perhaps as one that is live now */
		pump_behind(c);
		pump_live(c);
	}
}

static void pump_streams(struct server *s)
{
	struct stream *st;

	TAILQ_FOREACH(st, &s->streams, link)
	if (st->dirty)
		stream_advance(st);
}

static bool pump_list_live(struct server *s)
{
	uint64_t until = uv_hrtime() + LIVE_NS;
	struct connection *c;

	while ((c = TAILQ_FIRST(&s->live)) != NULL) {
		TAILQ_REMOVE(&s->live, c, on_live);
		c->is_live = false;
		pump_connection(c);
		if (uv_hrtime() >= until)
			return false;
	}
	return true;
}

static void pump_list_behind(struct server *s)
{
	uint64_t until = uv_hrtime() + BEHIND_NS;
	struct connection *c;

	while ((c = TAILQ_FIRST(&s->behind)) != NULL) {
		TAILQ_REMOVE(&s->behind, c, on_behind);
		c->is_behind = false;
		serve_behind(c);
		if (uv_hrtime() >= until)
			return;
	}
}

static bool anything_left(const struct server *s)
{
	const struct stream *st;

	TAILQ_FOREACH(st, &s->streams, link)
	if (st->dirty)
		return true;
	return !TAILQ_EMPTY(&s->live) || !TAILQ_EMPTY(&s->behind);
}

void on_pump(uv_idle_t *idle)
{
	struct server *s = idle->data;

	if (TAILQ_EMPTY(&s->live))
		pump_streams(s);
	if (pump_list_live(s) || !TAILQ_EMPTY(&s->behind))
		pump_list_behind(s);
	if (!anything_left(s))
		uv_idle_stop(idle);
}
