#include "net/encode.h"

#include <string.h>

#include "net/wire.h"

const char *net_error_code(enum net_error e)
{
	switch (e) {
	case NET_BAD_FRAME:
		return "bad_frame";
	case NET_UNKNOWN_TYPE:
		return "unknown_type";
	case NET_TOO_LARGE:
		return "too_large";
	case NET_UNAUTHORIZED:
		return "unauthorized";
	case NET_FORBIDDEN:
		return "forbidden";
	case NET_NOT_FOUND:
		return "not_found";
	case NET_UNSUPPORTED:
		return "unsupported";
	case NET_ALREADY:
		return "already";
	case NET_LIMIT:
		return "limit";
	case NET_BUSY:
		return "busy";
	case NET_INTERNAL:
		return "internal";
	}
	return "internal";
}

bool net_error_retry(enum net_error e)
{
	return e == NET_BUSY || e == NET_INTERNAL || e == NET_LIMIT;
}

void encode_cursor(struct text *t, const struct position *p)
{
	char text[POSITION_TEXT_MAX];
	size_t len = cursor_format(p, text);

	text_add(t, "\"", 1);
	text_add(t, text, len);
	text_add(t, "\"", 1);
}

static void add_field(struct text *t, const char *key_with_comma, const char *value)
{
	text_add_str(t, key_with_comma);
	json_add_string(t, value, strlen(value));
}

/* {"type":"…","sub":"…","stream":"…"  of what belongs to a subscription */
static void open_sub(struct text *t, const char *type, const char *sub, const char *stream)
{
	text_add_str(t, "{\"type\":\"");
	text_add_str(t, type);
	add_field(t, "\",\"sub\":", sub);
	add_field(t, ",\"stream\":", stream);
}

static void add_chain(struct text *t, const struct position *prev, const struct position *cursor)
{
	text_add_str(t, ",\"prev\":");
	encode_cursor(t, prev);
	text_add_str(t, ",\"cursor\":");
	encode_cursor(t, cursor);
}

void encode_ev_head(struct text *t, const char *sub, const char *stream, const struct position *prev,
		    const struct position *cursor)
{
	open_sub(t, "ev", sub, stream);
	add_chain(t, prev, cursor);
	text_add_str(t, ",\"items\":[");
}

void encode_mark(struct text *t, const char *sub, const char *stream, const struct position *prev,
		 const struct position *cursor)
{
	open_sub(t, "mark", sub, stream);
	add_chain(t, prev, cursor);
	text_add_str(t, "}");
}

void encode_snap(struct text *t, const char *sub, const char *stream, const struct position *cursor,
		 const char *items, size_t items_len)
{
	open_sub(t, "snap", sub, stream);
	if (cursor != NULL) {
		text_add_str(t, ",\"last\":true,\"cursor\":");
		encode_cursor(t, cursor);
	}
	text_add_str(t, ",\"items\":[");
	text_add(t, items, items_len);
	text_add_str(t, "]}");
}

/* Build one object in `body` and append it to t as a message. */
static void finish(struct text *t, struct text *body)
{
	text_add_str(body, "}");
	if (body->failed)
		t->failed = true;
	else
		wire_add(t, body->data, body->len);
	text_deinit(body);
}

static void begin(struct text *body, const char *type)
{
	*body = (struct text){0};
	text_add_str(body, "{\"type\":\"");
	text_add_str(body, type);
	text_add_str(body, "\"");
}

static void add_id(struct text *body, const char *id)
{
	if (id == NULL || *id == '\0')
		return;
	text_add_str(body, ",\"id\":");
	text_add_str(body, id);
}

void encode_welcome(struct text *t, const struct encode_welcome *w)
{
	struct text body;

	begin(&body, "welcome");
	add_field(&body, ",\"session\":", w->session);
	add_field(&body, ",\"client\":", w->client);
	add_field(&body, ",\"server\":", w->server);
	add_field(&body, ",\"version\":", w->version);
	text_add_str(&body, ",\"online\":");
	text_add_number(&body, w->online);
	text_add_str(&body, ",\"mids\":{}");
	finish(t, &body);
}

void encode_subscribed(struct text *t, const char *id, const char *sub, const char *stream,
		       const struct position *cursor)
{
	struct text body;

	begin(&body, "subscribed");
	add_id(&body, id);
	add_field(&body, ",\"sub\":", sub);
	add_field(&body, ",\"stream\":", stream);
	if (cursor != NULL) {
		text_add_str(&body, ",\"cursor\":");
		encode_cursor(&body, cursor);
	}
	finish(t, &body);
}

void encode_unsubscribed(struct text *t, const char *id, const char *sub)
{
	struct text body;

	begin(&body, "unsubscribed");
	add_id(&body, id);
	add_field(&body, ",\"sub\":", sub);
	finish(t, &body);
}

void encode_reset(struct text *t, const char *id, const char *sub, const char *stream, const char *reason)
{
	struct text body;

	begin(&body, "reset");
	add_id(&body, id);
	if (sub != NULL)
		add_field(&body, ",\"sub\":", sub);
	add_field(&body, ",\"stream\":", stream);
	add_field(&body, ",\"reason\":", reason);
	finish(t, &body);
}

void encode_barrier(struct text *t, const char *id, const struct position *cursor)
{
	struct text body;

	begin(&body, "barrier");
	add_id(&body, id);
	text_add_str(&body, ",\"cursor\":");
	encode_cursor(&body, cursor);
	finish(t, &body);
}

void encode_error(struct text *t, const char *id, enum net_error e, const char *message)
{
	struct text body;

	begin(&body, "error");
	add_id(&body, id);
	add_field(&body, ",\"code\":", net_error_code(e));
	add_field(&body, ",\"message\":", message);
	text_add_str(&body, net_error_retry(e) ? ",\"retry\":true" : ",\"retry\":false");
	finish(t, &body);
}

void encode_pong(struct text *t)
{
	struct text body;

	begin(&body, "pong");
	finish(t, &body);
}

void encode_note(struct text *t, const char *stream, const char *item)
{
	struct text body;

	begin(&body, "note");
	add_field(&body, ",\"stream\":", stream);
	text_add_str(&body, ",\"items\":[");
	text_add_str(&body, item);
	text_add_str(&body, "]");
	finish(t, &body);
}

void encode_bye(struct text *t, unsigned code, const char *reason, unsigned retry_ms)
{
	struct text body;

	begin(&body, "bye");
	text_add_str(&body, ",\"code\":");
	text_add_number(&body, code);
	add_field(&body, ",\"reason\":", reason);
	text_add_str(&body, ",\"retry_ms\":");
	text_add_number(&body, retry_ms);
	finish(t, &body);
}

void encode_client(struct text *t, const struct encode_client *c)
{
	add_field(t, "{\"event\":", c->event);
	text_add_str(t, ",\"at\":");
	json_add_time(t, c->seconds, c->nanoseconds);
	add_field(t, ",\"client\":", c->client);
	add_field(t, ",\"name\":", c->name);
	add_field(t, ",\"session\":", c->session);
	text_add_str(t, "}");
}
