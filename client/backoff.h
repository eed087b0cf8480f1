/* backoff: how long to wait before the next attempt.  Exponential with full jitter, so that a thousand
 * clients that lost one server do not come back in step.  Pure. */
#pragma once

#include <stdint.h>

struct backoff {
	unsigned base_ms, cap_ms;
	unsigned attempt; /* 0 after a success */
};

/* The wait before the next attempt: evenly spread over [floor_ms, floor_ms + min(cap, base * 2^attempt)).
 * `random` is any 32 random bits; floor_ms is what the server asked for. */
unsigned backoff_next(struct backoff *b, unsigned floor_ms, uint32_t random);
void backoff_reset(struct backoff *b);
