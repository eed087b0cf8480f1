/* feed: the client's side of the protocol for one stream: which frames to send, what the server's frames
 * mean, and where we are.  No I/O: stream.c carries the frames, tests give them directly.
 *
 * The cursor only ever moves to the end of a frame whose items have all been handed out, and only when the
 * frame's `prev` is where we were.  So after any break the stream is asked for again from the cursor, and
 * nothing is missed or told twice; and a frame that does not follow is a gap: it is said, not handed out, and
 * the stream asked for again. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum feed_answer {
	FEED_GO_ON,
	FEED_DONE,      /* all up to the barrier has been handed out */
	FEED_RECONNECT, /* close, wait (at least feed_wait_ms()), connect again */
	FEED_REFUSED, /* the server said no, and trying again would not help: it has been said by `notice` */
};

struct feed_options {
	const char *stream; /* all borrowed */
	const char *token;  /* NULL: none, or it is sent another way */
	const char *client; /* NULL: the server gives one */
	const char *after;  /* a cursor, or NULL */
	bool from_snapshot;
	const char *events; /* names separated by commas, or NULL: all */
	bool until_barrier;
	void *context;
	/* One item.  `cursor` is NULL but for the last item of a frame that moved the cursor. */
	void (*item)(void *context, const json_t *item, const char *cursor);
	void (*notice)(void *context, const char *text); /* one line for people */
};

struct feed;

int feed_new(struct feed **out, const struct feed_options *options); /* -ENOMEM */
void feed_free(struct feed *f);                                      /* NULL is allowed */

/* A connection has been made: the first frames are ready to be sent. */
void feed_connected(struct feed *f);
/* The next frame to send, to be freed; NULL: none. */
char *feed_next(struct feed *f);
/* One frame of the server. */
enum feed_answer feed_frame(struct feed *f, const char *bytes, size_t len);
/* The connection was lost without a word: may we resume?  FEED_RECONNECT or FEED_REFUSED. */
enum feed_answer feed_lost(struct feed *f);
/* What the last `bye` asked for; 0: nothing. */
unsigned feed_wait_ms(const struct feed *f);
/* All up to here has been handed out; NULL: nothing yet. */
const char *feed_cursor(const struct feed *f);
