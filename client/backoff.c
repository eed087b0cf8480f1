#include "client/backoff.h"

unsigned backoff_next(struct backoff *b, unsigned floor_ms, uint32_t random)
{
	uint64_t span = b->base_ms;

	for (unsigned i = 0; i < b->attempt && span < b->cap_ms; i++)
		span *= 2;
	if (span > b->cap_ms)
		span = b->cap_ms;
	if (b->attempt < UINT32_MAX)
		b->attempt++;
	return floor_ms + (unsigned)(span * random >> 32);
}

void backoff_reset(struct backoff *b)
{
	b->attempt = 0;
}
