/* wire: little-endian fields in a bounded buffer.  A writer or reader that runs out of room remembers that it
 * failed and does nothing more, so callers check once, at the end.  Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wire_writer {
	uint8_t *at, *end;
	bool failed;
};

struct wire_reader {
	const uint8_t *at, *end;
	bool failed;
};

static inline void wire_put(struct wire_writer *w, uint64_t value, unsigned bytes)
{
	if (w->failed || (size_t)(w->end - w->at) < bytes) {
		w->failed = true;
		return;
	}
	for (unsigned i = 0; i < bytes; i++, value >>= 8)
		*w->at++ = (uint8_t)value;
}

static inline void wire_put_bytes(struct wire_writer *w, const void *data, size_t len)
{
	if (w->failed || (size_t)(w->end - w->at) < len) {
		w->failed = true;
		return;
	}
	if (len > 0)
		memcpy(w->at, data, len);
	w->at += len;
}

static inline uint64_t wire_get(struct wire_reader *r, unsigned bytes)
{
	uint64_t value = 0;

	if (r->failed || (size_t)(r->end - r->at) < bytes) {
		r->failed = true;
		return 0;
	}
	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)*r->at++ << (8 * i);
	return value;
}

static inline const uint8_t *wire_get_bytes(struct wire_reader *r, size_t len)
{
	const uint8_t *data = r->at;

	if (r->failed || (size_t)(r->end - r->at) < len) {
		r->failed = true;
		return NULL;
	}
	r->at += len;
	return data;
}
