/* listener: a listening socket of ours on the loop.  We accept ourselves and hand libwebsockets the connected
 * socket: so a port in use is known at once, nothing is accepted before listener_start(), and both kinds of
 * socket go the same way. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct listener {
	uv_poll_t poll;
	uv_loop_t *loop;
	int fd; /* -1: closed */
	bool has_handle, paused;
	char *path; /* of a Unix socket; removed on close */
	void *context;
	void (*on_accept)(void *context, struct listener *l,
			  int fd); /* takes fd: non-blocking, close-on-exec */
};

/* fd -1, nothing to close. */
void listener_init(struct listener *l, uv_loop_t *loop);
/* -EADDRINUSE; -EINVAL: not a numeric address; other -errno. */
int listener_bind_tcp(struct listener *l, const char *address, uint16_t port);
/* Replaces a socket that nobody listens on; -EADDRINUSE when somebody does. */
int listener_bind_unix(struct listener *l, const char *path);
uint16_t listener_port(const struct listener *l);
int listener_start(struct listener *l);
/* After descriptors ran out the listener pauses; call now and then to go on. */
void listener_resume(struct listener *l);
/* Stop and close.  The handle's memory is needed until on_closed has run; true when it will run. */
bool listener_close(struct listener *l, uv_close_cb on_closed);
