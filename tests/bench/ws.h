/* ws: a WebSocket client that adds as little as possible to what is measured: one blocking socket, no
 * library. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct ws {
	int fd;
	char *bytes; /* what was read and not looked at yet: [at, end) */
	size_t room, at, end;
	char *joined; /* a message that came in fragments */
	size_t joined_room;
};

/* Connect to 127.0.0.1, open /ws and say hello; ends the program with a message when anything fails, as all
 * of these do. */
void ws_open(struct ws *w, unsigned port, const char *token);
void ws_send(struct ws *w, const char *text);
/* The next text message, whole; valid until the next call. */
const char *ws_receive(struct ws *w, size_t *len);
/* Receive until a message contains `word`. */
void ws_await(struct ws *w, const char *word);
void ws_close(struct ws *w);

/* Call on_item for each item of an `ev` message, as text. */
void ws_each_item(const char *message, size_t len,
		  void (*on_item)(void *context, const char *item, size_t len), void *context);
