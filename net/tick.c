#include "net/internal.h"

void tick_need(struct server *s)
{
	if (s->ticking || s->destroying)
		return;
	s->ticking = true;
	uv_timer_start(&s->tick, on_tick, s->limits.tick_ms, s->limits.tick_ms);
}

static bool older(struct server *s, uint64_t since_ms, unsigned limit_ms)
{
	return now_ms(s) - since_ms >= limit_ms;
}

/* True: look again. */
static bool tick_connection(struct connection *c)
{
	struct server *s = c->server;

	switch (c->state) {
	case CONNECTION_NEW:
		if (older(s, c->since_ms, s->limits.hello_ms))
			connection_fail(c, CLOSE_NO_HELLO, NET_UNAUTHORIZED, "no `hello` came in time");
		return true;
	case CONNECTION_READY:
		connection_check_principal(c);
		return c->principal->row.expires != 0;
	case CONNECTION_CLOSING:
		if (!older(s, c->since_ms, s->limits.close_ms))
			return true;
		connection_ended(c); /* it does not answer, or not even read, its goodbye */
		peer_kill(c->peer);
		return false;
	case CONNECTION_CLOSED:
		return false;
	}
	return false;
}

static bool tick_peers(struct server *s)
{
	struct peer *p;
	bool again = false;

	TAILQ_FOREACH(p, &s->peers, link)
	{
		if (p->connection != NULL) {
			again |= tick_connection(p->connection);
		} else if (p->exchange == NULL) {
			again = true;
			if (older(s, p->since_ms, s->limits.hello_ms))
				peer_kill(p);
		} else if (!p->exchange->complete) {
			again = true; /* its body has all the time of three hellos, however slowly it drips */
			if (older(s, p->exchange->since_ms, 3 * s->limits.hello_ms))
				peer_kill(p);
		}
	}
	return again;
}

static bool tick_class(struct class *c)
{
	struct server *s = c->stream->server;

	if (c->silent_since_ms != 0 && older(s, c->silent_since_ms, s->limits.mark_ms))
		class_mark(c);
	if (c->ring.room > 0 && older(s, c->used_ms, s->limits.idle_ring_ms))
		ring_clear(&c->ring); /* whoever still needs it reads the journal */
	return c->silent_since_ms != 0 || c->ring.room > 0;
}

static bool tick_streams(struct server *s)
{
	struct stream *st;
	struct class *c;
	bool again = false;

	TAILQ_FOREACH(st, &s->streams, link)
	TAILQ_FOREACH(c, &st->classes, link)
	again |= tick_class(c);
	return again;
}

static bool tick_listener(struct listener *l)
{
	bool paused = l->paused;

	listener_resume(l);
	return paused;
}

void on_tick(uv_timer_t *timer)
{
	struct server *s = timer->data;
	bool again = tick_peers(s);

	again |= tick_streams(s);
	again |= snapshots_tick(s);
	again |= tick_listener(&s->tcp);
	again |= tick_listener(&s->control);
	if (!again) {
		uv_timer_stop(timer);
		s->ticking = false;
	}
}
