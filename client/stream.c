#include "client/stream.h"

#include <errno.h>
#include <libwebsockets.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "client/backoff.h"
#include "client/client.h"

enum {
	FRAME_MAX_BYTES = 4 << 20, /* the server promises 1 MiB */
	BACKOFF_BASE_MS = 250,
	BACKOFF_CAP_MS = 30000,
	STEADY_SECONDS = 10, /* a connection that lasted so long was a good one */
	PING_SECONDS = 20,
	DEAD_SECONDS = 45,
};

#define PROTOCOL "wakeline.v1"

struct stream {
	struct stream_options options;
	struct lws_context *context;
	lws_sorted_usec_list_t timer;
	struct backoff backoff;
	char *frame; /* what of the current frame has come */
	size_t frame_len, frame_room;
	char path[512]; /* of the WebSocket, in the URL */
	char address[128];
	char reason[256];        /* why the connection broke, as far as known; empty: it has been said */
	lws_usec_t connected_at; /* 0: not now */
	bool open;               /* connected or connecting: what fails has not been told yet */
	bool connected_once, over;
	int exit;
};

/* A signal handler has nothing else to go by. */
static struct lws_context *signal_context;
static volatile sig_atomic_t signal_seen;

static void on_signal(int number)
{
	(void)number;
	signal_seen = 1;
	lws_cancel_service(
		signal_context); /* writes to a pipe, so that a poll that is about to begin ends too */
}

static const lws_retry_bo_t idle_policy = {
	.secs_since_valid_ping = PING_SECONDS,
	.secs_since_valid_hangup = DEAD_SECONDS,
};

__attribute__((format(printf, 2, 3))) static void notice(struct stream *s, const char *format, ...)
{
	char text[ENDPOINT_ERROR_MAX + 64];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	s->options.notice(s->options.context, text);
}

static void end(struct stream *s, enum client_exit status)
{
	s->over = true;
	s->exit = status;
}

static void connect_now(struct stream *s);

static void on_timer(lws_sorted_usec_list_t *timer)
{
	connect_now(lws_container_of(timer, struct stream, timer));
}

static void schedule(struct stream *s, bool was_connected)
{
	unsigned wait_ms;
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)lws_now_usecs();
	wait_ms = backoff_next(&s->backoff, feed_wait_ms(s->options.feed), random);
	if (s->reason[0] != '\0')
		notice(s, "%s: %s", was_connected ? "connection lost" : "no connection yet", s->reason);
	notice(s, "next attempt in %u.%u s", wait_ms / 1000, wait_ms % 1000 / 100);
	lws_sul_schedule(s->context, 0, &s->timer, on_timer, (lws_usec_t)wait_ms * LWS_US_PER_MS);
}

static void unreachable(struct stream *s)
{
	char text[ENDPOINT_ERROR_MAX];

	endpoint_explain(s->options.endpoint, s->reason, text);
	notice(s, "%s", text);
	end(s, CLIENT_UNREACHABLE);
}

/* The connection is gone or never came to be. */
static void disconnected(struct stream *s)
{
	bool was_connected = s->connected_at != 0;

	if (!s->open)
		return;
	s->open = false;
	s->frame_len = 0;
	if (was_connected && lws_now_usecs() - s->connected_at > STEADY_SECONDS * LWS_US_PER_SEC)
		backoff_reset(&s->backoff);
	s->connected_at = 0;
	if (s->over)
		return;
	if (!s->connected_once)
		unreachable(s);
	else if (was_connected && feed_lost(s->options.feed) == FEED_REFUSED)
		end(s, CLIENT_REFUSED);
	else
		schedule(s, was_connected);
}

static void connect_now(struct stream *s)
{
	const struct endpoint *e = s->options.endpoint;
	struct lws_client_connect_info info = {
		.context = s->context,
		.address = s->address,
		.port = e->port,
		.path = s->path,
		.host = e->host,
		.origin = NULL,
		.protocol = PROTOCOL,
		.local_protocol_name = PROTOCOL,
		.ssl_connection = e->tls ? LCCSCF_USE_SSL : 0,
		.retry_and_idle_policy = &idle_policy,
		.userdata = s,
	};

	snprintf(s->reason, sizeof(s->reason), "%s",
		 e->socket != NULL ? "no answer on the socket" : "no such host");
	s->open = true;
	if (lws_client_connect_via_info(&info) == NULL)
		disconnected(s); /* on_event() may have been called already: then this does nothing */
}

static bool append(struct stream *s, const void *data, size_t len)
{
	size_t need = s->frame_len + len;

	if (need > FRAME_MAX_BYTES)
		return false;
	if (need > s->frame_room) {
		char *more = realloc(s->frame, need * 2);

		if (more == NULL)
			return false;
		s->frame = more;
		s->frame_room = need * 2;
	}
	memcpy(s->frame + s->frame_len, data, len);
	s->frame_len = need;
	return true;
}

/* Returns what the callback has to: -1 closes the connection. */
static int on_frame(struct stream *s)
{
	enum feed_answer answer = feed_frame(s->options.feed, s->frame, s->frame_len);

	s->frame_len = 0;
	if (!s->options.on_frame(s->options.context)) {
		end(s, CLIENT_REFUSED);
		return -1;
	}
	switch (answer) {
	case FEED_GO_ON:
		return 0;
	case FEED_DONE:
		end(s, CLIENT_OK);
		break;
	case FEED_REFUSED:
		end(s, CLIENT_REFUSED);
		break;
	case FEED_RECONNECT:
		s->reason[0] = '\0'; /* the feed has said it */
		break;
	}
	return -1;
}

static int on_received(struct stream *s, struct lws *wsi, const void *data, size_t len)
{
	if (!append(s, data, len)) {
		notice(s, "the server sent a frame of more than %d bytes: is this a wakelined?",
		       FRAME_MAX_BYTES);
		end(s, CLIENT_REFUSED);
		return -1;
	}
	if (lws_remaining_packet_payload(wsi) != 0 || !lws_is_final_fragment(wsi))
		return 0;
	return on_frame(s);
}

static int on_writable(struct stream *s, struct lws *wsi)
{
	char *text = feed_next(s->options.feed);
	unsigned char *framed;
	size_t len;
	int sent;

	if (text == NULL)
		return 0;
	len = strlen(text);
	framed = malloc(LWS_PRE + len);
	if (framed == NULL) {
		free(text);
		return -1;
	}
	memcpy(framed + LWS_PRE, text, len);
	free(text);
	sent = lws_write(wsi, framed + LWS_PRE, len, LWS_WRITE_TEXT);
	free(framed);
	lws_callback_on_writable(wsi);
	return sent < 0 ? -1 : 0;
}

static void on_established(struct stream *s, struct lws *wsi)
{
	if (s->connected_once)
		notice(s, "connected again");
	s->connected_once = true;
	s->connected_at = lws_now_usecs();
	snprintf(s->reason, sizeof(s->reason), "closed by the server");
	feed_connected(s->options.feed);
	lws_callback_on_writable(wsi);
}

static void on_failed(struct stream *s, const char *text, size_t len)
{
	/* lws says this for whatever connect(2) answered. */
	if (text != NULL && len == strlen("Unable to connect") && memcmp(text, "Unable to connect", len) == 0)
		snprintf(s->reason, sizeof(s->reason), "nobody answers there");
	else if (text != NULL && len > 0)
		snprintf(s->reason, sizeof(s->reason), "%.*s", (int)len, text);
	disconnected(s);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in, size_t len)
{
	struct stream *s = user;

	/* lws has some ninety reasons; these are the ones of a client's WebSocket. */
	if (why == LWS_CALLBACK_CLIENT_ESTABLISHED)
		on_established(s, wsi);
	else if (why == LWS_CALLBACK_CLIENT_RECEIVE)
		return on_received(s, wsi, in, len);
	else if (why == LWS_CALLBACK_CLIENT_WRITEABLE)
		return on_writable(s, wsi);
	else if (why == LWS_CALLBACK_CLIENT_CONNECTION_ERROR)
		on_failed(s, in, len);
	else if (why == LWS_CALLBACK_CLIENT_CLOSED)
		disconnected(s);
	return 0;
}

static const struct lws_protocols protocols[] = {
	{.name = PROTOCOL, .callback = on_event, .rx_buffer_size = 65536},
	{.name = NULL},
};

static struct lws_context *new_context(const struct stream *s)
{
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.protocols = protocols,
		.gid = (gid_t)-1,
		.uid = (uid_t)-1,
		.options = s->options.endpoint->tls ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0,
	};

	lws_set_log_level(0, NULL);
	unsetenv("http_proxy"); /* libwebsockets would take it for a Unix socket and for localhost too */
	return lws_create_context(&info);
}

static void fill_address(struct stream *s)
{
	const struct endpoint *e = s->options.endpoint;

	/* libwebsockets takes what begins with + for a Unix socket. */
	if (e->socket != NULL)
		snprintf(s->address, sizeof(s->address), "+%s", e->socket);
	else
		snprintf(s->address, sizeof(s->address), "%s", e->host);
	snprintf(s->path, sizeof(s->path), "%s/ws", e->prefix);
}

static void catch_signals(struct lws_context *context, void (*handler)(int))
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = handler};

	signal_context = context;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
}

int stream_run(const struct stream_options *options)
{
	struct stream s = {
		.options = *options,
		.backoff = {.base_ms = BACKOFF_BASE_MS, .cap_ms = BACKOFF_CAP_MS},
		.exit = CLIENT_OK,
	};

	fill_address(&s);
	s.context = new_context(&s);
	if (s.context == NULL) {
		notice(&s, "libwebsockets cannot start");
		return CLIENT_UNREACHABLE;
	}
	signal_seen = 0;
	catch_signals(s.context, on_signal);
	connect_now(&s);
	while (!s.over && !signal_seen && lws_service(s.context, 0) >= 0)
		;
	catch_signals(NULL, SIG_DFL);
	s.over = true; /* closing is no loss */
	lws_sul_schedule(s.context, 0, &s.timer, NULL, LWS_SET_TIMER_USEC_CANCEL);
	lws_context_destroy(s.context);
	free(s.frame);
	return s.exit;
}
