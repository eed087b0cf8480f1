#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/rand.h>

#include "net/internal.h"
#include "net/log.h"
#include "net/wire.h"

static void set_state(struct connection *c, enum connection_state state)
{
	c->state = state;
	c->since_ms = now_ms(c->server);
}

static int random_hex(char *out, size_t digits)
{
	unsigned char bytes[16];

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return -EIO;
	for (size_t i = 0; i < digits / 2; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

int connection_new(struct peer *p)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -1;
	c->peer = p;
	c->server = p->server;
	TAILQ_INIT(&c->subscriptions);
	TAILQ_INIT(&c->barriers);
	if (p->principal != NULL)
		c->principal = principal_ref(p->principal);
	p->connection = c;
	set_state(c, CONNECTION_NEW);
	tick_need(c->server);
	return 0;
}

static void tell_presence(struct connection *c, enum event_type event)
{
	struct encode_client client = {.event = event_name(event),
				       .client = c->client,
				       .name = c->name != NULL ? c->name : "",
				       .session = c->session};
	struct stream *bus = stream_find(c->server, "bus");
	struct timespec now;
	struct text item = {0};

	clock_gettime(CLOCK_REALTIME, &now);
	client.seconds = now.tv_sec;
	client.nanoseconds = (uint32_t)now.tv_nsec;
	encode_client(&item, &client);
	text_add(&item, "", 1);
	if (!item.failed && bus != NULL)
		note_broadcast(c->server, bus, event, item.data);
	text_deinit(&item);
}

void connection_ended(struct connection *c)
{
	set_state(c, CONNECTION_CLOSED);
	pump_remove(c);
}

void connection_free(struct connection *c)
{
	struct subscription *sub;

	connection_ended(c);
	while ((sub = TAILQ_FIRST(&c->subscriptions)) != NULL)
		subscription_free(sub);
	barrier_free_all(c);
	if (c->client != NULL) {
		c->server->sessions--;
		if (!c->server->stopping)
			tell_presence(c, EVENT_CLIENT_DISCONNECTED);
	}
	c->peer->connection = NULL;
	principal_unref(c->principal);
	text_deinit(&c->received);
	text_deinit(&c->control);
	free(c->client);
	free(c->name);
	free(c);
}

/* ---- what goes out */

bool connection_can_write(const struct connection *c)
{
	return c->state != CONNECTION_CLOSED && lws_partial_buffered(c->peer->wsi) == 0;
}

void connection_write(struct connection *c, const char *bytes, size_t len)
{
	/* Ready-made frames go out verbatim, and what the socket does not take is copied: so shared memory
	 * may be given. */
	if (lws_write(c->peer->wsi, (unsigned char *)bytes, len, LWS_WRITE_HTTP) < 0) {
		connection_ended(c);
		peer_kill(c->peer);
	}
}

bool connection_flush(struct connection *c)
{
	if (!connection_can_write(c) || c->mid_message != NULL)
		return false;
	if (c->control.len == 0)
		return true;
	connection_write(c, c->control.data, c->control.len);
	text_deinit(&c->control);
	c->control_extra = 0;
	return connection_can_write(c);
}

static bool leaving(const struct connection *c)
{
	return c->state == CONNECTION_CLOSING || c->state == CONNECTION_CLOSED;
}

struct text *connection_say(struct connection *c)
{
	if (!leaving(c))
		return &c->control;
	text_clear(&c->server->unsaid); /* nothing may follow a close frame */
	return &c->server->unsaid;
}

void connection_said(struct connection *c)
{
	if (leaving(c))
		return;
	if (c->control.failed) {
		connection_ended(c);
		peer_kill(c->peer);
		return;
	}
	if (c->control.len - c->control_extra > CONTROL_MAX_BYTES) {
		/* It asks and does not read.  What has not been sent of the replies is dropped, whole. */
		if (c->control_extra > 0 || c->mid_message != NULL) {
			connection_ended(c);
			peer_kill(c->peer);
			return;
		}
		text_clear(&c->control);
		connection_fail(c, CLOSE_LIMIT, NET_LIMIT,
				"too many replies are waiting for this connection to read");
		return;
	}
	pump_live(c);
}

void connection_error(struct connection *c, const char *id, enum net_error e, const char *message)
{
	encode_error(connection_say(c), id, e, message);
	connection_said(c);
}

void connection_note(struct connection *c, const char *bytes, size_t len)
{
	if (c->state != CONNECTION_READY || c->control.len + len > CONTROL_NOTES_BYTES)
		return;
	text_add(&c->control, bytes, len);
	connection_said(c);
}

/* libwebsockets closes politely only from within its receive callback (from a writeable one, its libuv build
 * closes twice, and the second time hard), so the close frame is ours, and so is the waiting for the peer's.
 */
static void add_close_frame(struct text *t, enum close_code code)
{
	const uint8_t frame[4] = {0x88, 2, (uint8_t)(code >> 8), (uint8_t)code};

	text_add(t, frame, sizeof(frame));
}

void connection_close(struct connection *c, enum close_code code)
{
	if (leaving(c))
		return;
	if (c->mid_message != NULL)
		subscription_finish_message(c->mid_message);
	add_close_frame(&c->control, code);
	set_state(c, CONNECTION_CLOSING);
	tick_need(c->server);
	pump_live(c);
}

int connection_peer_closes(struct connection *c)
{
	bool answer = c->state == CONNECTION_CLOSING && c->control.len == 0;

	connection_ended(c);
	return answer ? -1 : 0;
}

void connection_fail(struct connection *c, enum close_code code, enum net_error e, const char *message)
{
	if (leaving(c))
		return;
	connection_error(c, NULL, e, message);
	connection_close(c, code);
}

void connection_check_principal(struct connection *c)
{
	if (c->principal != NULL && !principal_valid(c->principal))
		connection_fail(c, CLOSE_FORBIDDEN, NET_UNAUTHORIZED,
				c->principal->revoked ? "the token was revoked" : "the token has expired");
}

/* ---- what comes in */

static int take_token(struct connection *c, const struct frame *f)
{
	struct principal *p;
	int e;

	if (f->token == NULL)
		return c->principal != NULL && principal_valid(c->principal) ? 0 : -EACCES;
	e = auth_token(&c->server->auth, f->token, f->token_len, &p);
	if (e != 0)
		return e;
	principal_unref(c->principal);
	c->principal = p;
	return 0;
}

static int take_names(struct connection *c, const struct frame *f)
{
	char given[2 + 16 + 1] = "c-";

	if (random_hex(c->session, sizeof(c->session) - 1) != 0 || random_hex(given + 2, 16) != 0)
		return -EIO;
	c->name = strdup(f->name != NULL ? f->name : "");
	c->client = strdup(f->client != NULL ? f->client : given);
	if (c->name != NULL && c->client != NULL)
		return 0;
	free(c->client);
	c->client = NULL; /* no client, no presence */
	return -ENOMEM;
}

static void on_hello(struct connection *c, const struct frame *f)
{
	struct server *s = c->server;
	int e = take_token(c, f);

	if (e == -EACCES) {
		connection_fail(c, CLOSE_UNAUTHORIZED, NET_UNAUTHORIZED, "this token is not valid here");
		return;
	}
	if (e == 0)
		e = take_names(c, f);
	if (e != 0) {
		connection_fail(c, CLOSE_INTERNAL, NET_INTERNAL, "the session could not be started");
		return;
	}
	set_state(c, CONNECTION_READY);
	s->sessions++;
	encode_welcome(connection_say(c), &(struct encode_welcome){.session = c->session,
								   .client = c->client,
								   .server = s->instance,
								   .version = s->version,
								   .online = s->sessions});
	connection_said(c);
	if (c->principal->row.expires != 0)
		tick_need(s);
	tell_presence(c, EVENT_CLIENT_CONNECTED);
}

static void dispatch(struct connection *c, const struct frame *f)
{
	switch (f->type) {
	case FRAME_HELLO:
		connection_error(c, NULL, NET_ALREADY, "this session has begun already");
		return;
	case FRAME_SUBSCRIBE:
		subscribe(c, f);
		return;
	case FRAME_UNSUBSCRIBE:
		unsubscribe(c, f);
		return;
	case FRAME_BARRIER:
		barrier_request(c, f);
		return;
	case FRAME_PING:
		encode_pong(connection_say(c));
		connection_said(c);
		return;
	case FRAME_UNSUPPORTED: /* frame_parse() answered it */
		return;
	}
}

static void on_frame(struct connection *c, const char *bytes, size_t len)
{
	struct frame_fault fault;
	struct frame f;
	int e = frame_parse(&f, bytes, len, &fault);

	if (e == 0 && c->state == CONNECTION_NEW && f.type == FRAME_HELLO)
		on_hello(c, &f);
	else if (c->state == CONNECTION_NEW && (e == 0 || fault.code == NET_UNSUPPORTED))
		connection_error(c, e == 0 ? f.id : fault.id, NET_UNAUTHORIZED, "say `hello` first");
	else if (e != 0)
		connection_error(c, fault.id, fault.code, fault.message);
	else if (!principal_valid(c->principal))
		connection_check_principal(c);
	else
		dispatch(c, &f);
	if (e == 0)
		frame_deinit(&f);
}

void connection_receive(struct connection *c, const char *bytes, size_t len, bool last, bool binary)
{
	if (leaving(c))
		return;
	if (c->received.len + len > FRAME_MAX_BYTES) {
		connection_fail(c, CLOSE_TOO_LARGE, NET_TOO_LARGE, "a frame has at most 262144 bytes");
		text_deinit(&c->received);
		return;
	}
	if (c->received.len > 0 || !last)
		text_add(&c->received, bytes, len);
	if (!last)
		return;
	if (binary)
		connection_error(c, NULL, NET_BAD_FRAME, "frames are text, not binary");
	else if (c->received.failed)
		connection_fail(c, CLOSE_INTERNAL, NET_INTERNAL, "out of memory");
	else if (c->received.len > 0)
		on_frame(c, c->received.data, c->received.len);
	else
		on_frame(c, len > 0 ? bytes : "", len);
	text_deinit(&c->received);
}

/* ---- notes */

static void note_class(struct class *c, uint64_t number, const struct text *message)
{
	struct subscription *sub;

	TAILQ_FOREACH(sub, &c->members, of_class)
	{
		struct connection *to = sub->connection;

		if (to->noted == number || sub->state == SUBSCRIPTION_WAITING ||
		    sub->state == SUBSCRIPTION_SPOOLING)
			continue;
		to->noted = number; /* once, however many of its subscriptions it fits */
		connection_note(to, message->data, message->len);
	}
}

void note_broadcast(struct server *s, struct stream *st, enum event_type event, const char *item)
{
	struct text message = {0};
	struct class *c;

	encode_note(&message, st->name, item);
	s->notes_told++;
	TAILQ_FOREACH(c, &st->classes, link)
	/* Notes say more than a part of the paths. */
	if (!message.failed && c->filter.prefixes.count == 0 && (c->filter.events & event_bit(event)) != 0)
		note_class(c, s->notes_told, &message);
	text_deinit(&message);
}
