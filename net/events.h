/* events: which events a subscription wants, as a mask of event codes (store/event.h).  Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "store/event.h"

enum { EVENT_PATTERN_MAX = 64 };
#define EVENTS_ALL UINT64_MAX

static inline uint64_t event_bit(enum event_type type)
{
	return (uint64_t)1 << type;
}

/* Add to *mask what the pattern means: an exact name, or `x.*` for every event whose name begins with `x.`.
 * A well-formed name that is no event of ours matches nothing.  -EINVAL when it is malformed. */
int events_add(uint64_t *mask, const char *pattern, size_t len);
