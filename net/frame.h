/* frame: what a client sent, checked member by member.  Pure: it knows nothing of streams, rights or time. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/encode.h"
#include "net/prefixes.h"
#include "store/position.h"

enum {
	FRAME_MAX_BYTES = 256 * 1024,
	FRAME_ID_MAX = 64,
	FRAME_STREAM_MAX = 79,
	FRAME_CLIENT_MAX = 64,
	FRAME_NAME_MAX = 128
};

enum frame_type {
	FRAME_HELLO,
	FRAME_SUBSCRIBE,
	FRAME_UNSUBSCRIBE,
	FRAME_BARRIER,
	FRAME_PING,
	FRAME_UNSUPPORTED
};

enum frame_from { FROM_NOW, FROM_SNAPSHOT, FROM_CURSOR };

struct frame {
	enum frame_type type;
	/* The client's id as JSON text, for echoing; empty: none.  Escapes make it longer than what it stands
	 * for. */
	char id[6 * FRAME_ID_MAX + 3];
	const char *token, *client, *name; /* hello; NULL where absent; they live in root */
	size_t token_len;
	const char *stream; /* subscribe, barrier */
	enum frame_from from;
	struct position cursor;   /* FROM_CURSOR */
	uint64_t events;          /* mask; EVENTS_ALL when not given */
	unsigned changed;         /* ITEM_* (store/item.h); 0 when not given */
	struct prefixes prefixes; /* of both members; all zero when not given */
	json_t *root;
};

struct frame_fault {
	enum net_error code;
	char message[160]; /* for people */
	char id[6 * FRAME_ID_MAX + 3];
};

/* 0, or -EINVAL with *fault filled in.  After 0 the caller ends with frame_deinit(). */
int frame_parse(struct frame *out, const char *bytes, size_t len, struct frame_fault *fault);
void frame_deinit(struct frame *f);
