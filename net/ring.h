/* ring: the latest frames of one class, ready to be sent, in one piece of memory.
 *
 * Frames are numbered from 0 for ever; the ring holds [ring_first(), ring_next()).  Each begins at the cursor
 * where the one before it ended: those cursors are the class's borders.  Whoever needs an older frame reads
 * the journal instead, so nothing here is counted or pinned: an append evicts what is in its way.  Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/position.h"

struct ring_frame {
	size_t at;
	uint32_t len;
	struct position cursor; /* where it ends */
};

struct ring {
	char *bytes;
	size_t room, write;        /* of bytes; where the next frame goes */
	struct ring_frame *frames; /* circular, `slots` of them */
	size_t slots;
	uint64_t first, next;
	struct position
		begin; /* the cursor at which frame `first` begins; the tail's when the ring is empty */
	size_t max_bytes;
};

enum { RING_SLOTS_MAX = 16384 };

void ring_init(struct ring *r, const struct position *begin, size_t max_bytes);
void ring_deinit(struct ring *r);
/* Forget all frames and give the memory back; numbers go on. */
void ring_clear(struct ring *r);

/* Append one frame (head and body are put together here) that ends at `cursor`.  -ENOMEM: nothing has
 * changed. */
int ring_append(struct ring *r, const void *head, size_t head_len, const void *body, size_t body_len,
		const struct position *cursor);
/* The cursor at which the newest frame ends. */
const struct position *ring_tail(const struct ring *r);
/* Where frame `number` begins; number from first to next. */
const struct position *ring_border(const struct ring *r, uint64_t number);
/* The bytes from frame `number` on that lie in one piece: at least that frame, further ones while they fit
 * max_bytes. *count frames. */
const char *ring_run(const struct ring *r, uint64_t number, size_t max_bytes, size_t *len, uint64_t *count);

enum ring_answer {
	RING_AT,     /* seq is a border: *number begins there (it may be ring.next) */
	RING_INSIDE, /* seq lies inside frame *number */
	RING_BEFORE, /* seq is older than all that the ring has */
	RING_AFTER,  /* seq is newer than the last border */
};
enum ring_answer ring_find(const struct ring *r, uint64_t seq, uint64_t *number);
