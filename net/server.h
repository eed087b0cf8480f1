/* server: everything that clients reach, on one libuv loop: HTTP and WebSocket on one TCP port, and the same
 * HTTP on the Unix socket `control` in the state directory, where SO_PEERCRED makes root and the daemon's own
 * user administrators.
 *
 * It reads the store in short read transactions (never across a loop turn) and hands all writing to the
 * engine. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "sync/engine.h"

struct server;
struct store;

struct server_options {
	uv_loop_t *loop;       /* borrowed: the caller runs it */
	struct store *store;   /* borrowed */
	const char *address;   /* numeric IPv4 or IPv6 */
	uint16_t port;         /* 0: any free one, see server_port() */
	const char *state_dir; /* `control` is made here, and snapshots are spooled */
	const char *version;
	const char *const *drives; /* the configured drives' names; others exist for nobody */
	size_t drive_count;
};

/* Bind both sockets; nothing is accepted before server_attach().  -EADDRINUSE: the TCP port is taken. */
int server_open(struct server **out, const struct server_options *options);
uint16_t server_port(const struct server *s);
/* From here on requests are served; the engine is borrowed. */
void server_attach(struct server *s, struct engine *engine);
/* One piece of news; takes it.  Called on the loop's thread. */
void server_news(struct server *s, struct engine_news *news);
/* Say bye to everybody, stop accepting, and call on_stopped on the loop when the last connection is gone (2 s
 * at most). */
void server_stop(struct server *s, void (*on_stopped)(void *context), void *context);
/* After on_stopped and after the engine has stopped (it must hold no request any more), or when server_open()
 * went no further: then it turns the loop itself until its handles are closed.  NULL is allowed. */
void server_free(struct server *s);
