/* encode: the server's frames as JSON objects, and those that go out one by one as whole WebSocket messages.
 * Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/position.h"
#include "store/text.h"

/* What an error frame (or an HTTP error body) says. */
enum net_error {
	NET_BAD_FRAME,
	NET_UNKNOWN_TYPE,
	NET_TOO_LARGE,
	NET_UNAUTHORIZED,
	NET_FORBIDDEN,
	NET_NOT_FOUND,
	NET_UNSUPPORTED,
	NET_ALREADY,
	NET_LIMIT,
	NET_BUSY,
	NET_INTERNAL,
};
const char *net_error_code(enum net_error e); /* "bad_frame", … */
bool net_error_retry(enum net_error e);       /* the same request may succeed later */

/* Bodies without the WebSocket header: the class puts that in front (net/ring.h). */
void encode_ev_head(struct text *t, const char *sub, const char *stream, const struct position *prev,
		    const struct position *cursor);
enum { ENCODE_EV_TAIL_LEN = 2 }; /* "]}" */
void encode_mark(struct text *t, const char *sub, const char *stream, const struct position *prev,
		 const struct position *cursor);
/* cursor NULL: not the last page. */
void encode_snap(struct text *t, const char *sub, const char *stream, const struct position *cursor,
		 const char *items, size_t items_len);

/* Whole messages.  `id` is the JSON text the client gave; NULL: none. */
struct encode_welcome {
	const char *session, *client, *server, *version;
	size_t online;
};
void encode_welcome(struct text *t, const struct encode_welcome *w);
void encode_subscribed(struct text *t, const char *id, const char *sub, const char *stream,
		       const struct position *cursor);
void encode_unsubscribed(struct text *t, const char *id, const char *sub);
void encode_reset(struct text *t, const char *id, const char *sub, const char *stream, const char *reason);
void encode_barrier(struct text *t, const char *id, const struct position *cursor);
void encode_error(struct text *t, const char *id, enum net_error e, const char *message);
void encode_pong(struct text *t);
void encode_note(struct text *t, const char *stream, const char *item);
void encode_bye(struct text *t, unsigned code, const char *reason, unsigned retry_ms);

/* The item of client.connected and client.disconnected. */
struct encode_client {
	const char *event, *client, *name, *session;
	int64_t seconds;
	uint32_t nanoseconds;
};
void encode_client(struct text *t, const struct encode_client *c);

/* "…"-quoted cursor. */
void encode_cursor(struct text *t, const struct position *p);
