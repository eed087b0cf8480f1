/* Putting the parts together, and taking them down.
 *
 * Taking down needs the loop: libwebsockets gives its handles back by uv_close(), one after the other, and
 * tells nobody when the last is gone.  So stop_step() is called again and again (by a timer, or by
 * server_free() when nobody runs the loop any more) until there is nothing left: say bye, wait for the peers
 * to go, destroy the context, wait for its handles, free it, close ours. */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/internal.h"
#include "net/log.h"

enum { STOP_STEP_MS = 5, RETRY_MIN_MS = 500, RETRY_SPREAD_MS = 4500 };

/* ---- libwebsockets */

static void on_lws_log(int level, const char *line)
{
	size_t len = strcspn(line, "\n");

	(void)level;
	net_log(NET_LOG_ERROR, "libwebsockets: %.*s", (int)len, line);
}

static int open_context(struct server *s)
{
	static const lws_retry_bo_t validity = {.secs_since_valid_ping = 60, .secs_since_valid_hangup = 150};
	void *loops[1] = {s->loop};
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.protocols = net_protocols,
		.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
		.foreign_loops = loops,
		.gid = (int)-1,
		.uid = (int)-1,
		.max_http_header_data = 16384, /* JWTs and cookies are long; beyond, the connection closes
						  without an answer */
		.pt_serv_buf_size = 64 * 1024,
		.timeout_secs = 20,
		.keepalive_timeout = 30,
		.retry_and_idle_policy = &validity,
		.vhost_name = "wakeline",
	};

	lws_set_log_level(LLL_ERR, on_lws_log);
	s->lws = lws_create_context(&info);
	if (s->lws == NULL) {
		net_log(NET_LOG_ERROR, "libwebsockets cannot run on libuv here: "
				       "install the package libwebsockets-evlib-uv");
		return -ELIBACC;
	}
	s->vhost = lws_create_vhost(s->lws, &info);
	return s->vhost != NULL ? 0 : -ENOMEM;
}

/* ---- open */

static const struct server_limits default_limits = {
	.tick_ms = 1000,
	.hello_ms = 10000,
	.mark_ms = 9000, /* with a tick of 1 s: at least every 10 s */
	.close_ms = 2000,
	.stop_ms = 2000,
	.idle_ring_ms = 10000,
	.ring_bytes = RING_MAX_BYTES,
};

static void init_handles(struct server *s)
{
	uv_idle_init(s->loop, &s->idle); /* these three cannot fail */
	uv_timer_init(s->loop, &s->tick);
	uv_timer_init(s->loop, &s->stop_timer);
	s->idle.data = s->tick.data = s->stop_timer.data = s;
	s->handles = 3;
}

static int init_names(struct server *s, const struct server_options *o)
{
	unsigned char bytes[8];

	s->state_dir = strdup(o->state_dir);
	s->version = strdup(o->version);
	if (s->state_dir == NULL || s->version == NULL)
		return -ENOMEM;
	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(s->instance + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

static int make_streams(struct server *s, const struct server_options *o)
{
	struct stream *st;
	int e = stream_new(s, "bus", &st);

	for (size_t i = 0; i < o->drive_count && e == 0; i++) {
		char name[JOURNAL_NAME_MAX + 1];

		snprintf(name, sizeof(name), "drive:%s", o->drives[i]);
		e = stream_new(s, name, &st);
	}
	return e;
}

static int bind_all(struct server *s, const struct server_options *o)
{
	char path[4096];
	int e = listener_bind_tcp(&s->tcp, o->address, o->port);

	if (e != 0)
		return e;
	if ((size_t)snprintf(path, sizeof(path), "%s/control", o->state_dir) >= sizeof(path))
		return -ENAMETOOLONG;
	e = listener_bind_unix(&s->control, path);
	if (e == 0)
		return 0;
	net_log(NET_LOG_ERROR, "%s cannot be listened on: %s%s", path, strerror(-e),
		e == -EADDRINUSE ? "; another daemon uses it, or something else lies there" : "");
	return e == -EADDRINUSE ? -EEXIST : e; /* EADDRINUSE is the port's alone */
}

static int server_init(struct server *s, const struct server_options *o)
{
	int e;

	s->loop = o->loop;
	s->store = o->store;
	s->limits = default_limits;
	TAILQ_INIT(&s->streams);
	TAILQ_INIT(&s->peers);
	TAILQ_INIT(&s->asks);
	TAILQ_INIT(&s->live);
	TAILQ_INIT(&s->behind);
	auth_init(&s->auth, o->store);
	snapshots_init(&s->snapshots);
	listener_init(&s->tcp, o->loop);
	listener_init(&s->control, o->loop);
	s->tcp.context = s->control.context = s;
	s->tcp.on_accept = s->control.on_accept = on_peer_accepted;
	init_handles(s);
	e = init_names(s, o);
	if (e == 0)
		e = make_streams(s, o);
	if (e == 0)
		e = bind_all(s, o);
	if (e == 0)
		e = open_context(s);
	return e;
}

int server_open(struct server **out, const struct server_options *options)
{
	struct server *s = calloc(1, sizeof(*s));
	int e;

	*out = NULL;
	if (s == NULL)
		return -ENOMEM;
	e = server_init(s, options);
	if (e != 0) {
		server_free(s);
		return e;
	}
	*out = s;
	return 0;
}

uint16_t server_port(const struct server *s)
{
	return listener_port(&s->tcp);
}

void server_attach(struct server *s, struct engine *engine)
{
	int e;

	s->engine = engine;
	e = listener_start(&s->tcp);
	if (e == 0)
		e = listener_start(&s->control);
	if (e != 0)
		net_log(NET_LOG_ERROR, "cannot listen: %s", uv_strerror(e));
}

/* ---- news */

static void on_drive_news(struct server *s, struct engine_news *news)
{
	struct stream *st = stream_of_drive(s, news->drive->name);

	if (st == NULL)
		return;
	if (st->status != NULL)
		free(st->status->last_run);
	free(st->status);
	st->status = news->drive;
	news->drive = NULL;
	subscribe_waiting(st);
}

static void on_advanced(struct server *s, const char *name)
{
	struct stream *st = stream_find(s, name);

	if (st == NULL)
		return;
	subscribe_waiting(st); /* the first record of a drive says that its index is complete */
	pump_stream(st);
}

void server_news(struct server *s, struct engine_news *news)
{
	struct stream *st;

	switch (news->type) {
	case NEWS_ADVANCED:
		if (!s->destroying)
			on_advanced(s, news->stream);
		break;
	case NEWS_DRIVE:
		if (!s->destroying && news->drive != NULL)
			on_drive_news(s, news);
		break;
	case NEWS_NOTE:
		st = stream_find(s, news->stream);
		if (st != NULL && news->text != NULL)
			note_broadcast(s, st, news->event, news->text);
		break;
	case NEWS_ANSWER:
		ask_answered(s, news->request);
		news->request = NULL;
		break;
	case NEWS_FAILED: /* the daemon stops us */
		break;
	}
	engine_news_free(news);
}

/* ---- stop */

static unsigned retry_ms(void)
{
	uint32_t random = 0;

	RAND_bytes((unsigned char *)&random, sizeof(random));
	return RETRY_MIN_MS + random % RETRY_SPREAD_MS; /* so that they do not all come back at once */
}

static void say_bye(struct server *s)
{
	struct peer *p;

	TAILQ_FOREACH(p, &s->peers, link)
	{
		struct connection *c = p->connection;

		if (c != NULL && (c->state == CONNECTION_NEW || c->state == CONNECTION_READY)) {
			encode_bye(connection_say(c), CLOSE_GOING_AWAY, "stopping", retry_ms());
			connection_close(c, CLOSE_GOING_AWAY);
		} else if (c == NULL && p->exchange == NULL) {
			peer_kill(p);
		} else if (c == NULL) {
			p->exchange->unread = true;
			exchange_error(p->exchange, 503, "busy", "the server is stopping");
		}
	}
}

static void handle_gone(struct server *s)
{
	if (--s->handles > 0 || s->on_stopped == NULL)
		return;
	s->on_stopped(s->stopped_context); /* may free us */
}

static void on_closed(uv_handle_t *handle)
{
	handle_gone(handle->data);
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct listener *l = handle->data;

	handle_gone(l->context);
}

static void stop_listening(struct server *s)
{
	s->handles += listener_close(&s->tcp, on_listener_closed);
	s->handles += listener_close(&s->control, on_listener_closed);
}

static void note_closing(uv_handle_t *handle, void *found)
{
	if (uv_is_closing(handle))
		*(bool *)found = true;
}

/* All that libwebsockets closes is being closed at any moment until it is done: the next handle is closed in
 * the callback of the one before. */
static bool loop_closes_something(struct server *s)
{
	bool found = false;

	uv_walk(s->loop, note_closing, &found);
	return found;
}

static void close_own_handles(struct server *s)
{
	uv_close((uv_handle_t *)&s->idle, on_closed);
	uv_close((uv_handle_t *)&s->tick, on_closed);
	uv_close((uv_handle_t *)&s->stop_timer, on_closed);
}

static void stop_step(struct server *s)
{
	if (!s->destroying) {
		s->destroying = true;
		uv_idle_stop(&s->idle);
		uv_timer_stop(&s->tick);
		if (s->lws != NULL)
			lws_context_destroy(s->lws); /* closes every socket that is left */
		return;
	}
	if (snapshots_busy(&s->snapshots) || loop_closes_something(s))
		return;
	if (s->lws != NULL) {
		lws_context_destroy(s->lws); /* frees it, now that its handles are gone */
		s->lws = NULL;
		return;
	}
	if (!uv_is_closing((uv_handle_t *)&s->idle))
		close_own_handles(s);
}

static void on_stop_timer(uv_timer_t *timer)
{
	struct server *s = timer->data;

	if (!s->destroying && !TAILQ_EMPTY(&s->peers) && now_ms(s) < s->stop_at_ms)
		return;
	stop_step(s);
}

void server_stop(struct server *s, void (*on_stopped)(void *context), void *context)
{
	if (s->stopping)
		return;
	s->stopping = true;
	s->on_stopped = on_stopped;
	s->stopped_context = context;
	s->stop_at_ms = now_ms(s) + s->limits.stop_ms;
	stop_listening(s);
	say_bye(s);
	uv_timer_start(&s->stop_timer, on_stop_timer, STOP_STEP_MS, STOP_STEP_MS);
}

/* Nobody runs the loop for us: do it here, until what is ours is off it. */
static void stop_now(struct server *s)
{
	s->stopping = true;
	stop_listening(s);
	uv_timer_stop(&s->stop_timer);
	while (s->handles > 0) {
		stop_step(s);
		uv_run(s->loop, UV_RUN_NOWAIT);
	}
}

void server_free(struct server *s)
{
	struct stream *st;

	if (s == NULL)
		return;
	s->on_stopped = NULL;
	stop_now(s);
	ask_free_all(s);
	snapshots_deinit(&s->snapshots);
	while ((st = TAILQ_FIRST(&s->streams)) != NULL)
		stream_free(st);
	text_deinit(&s->scratch_items);
	text_deinit(&s->scratch_head);
	text_deinit(&s->scratch_out);
	text_deinit(&s->unsaid);
	free(s->state_dir);
	free(s->version);
	free(s);
}
