/* wire: WebSocket messages as bytes, ready to be sent to anybody: server frames are not masked.  Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "store/text.h"

enum { WIRE_HEADER_MAX = 10, WIRE_FRAGMENT_BYTES = 60 * 1024 };

/* Write the header of an unfragmented text message of `payload` bytes; returns its length, 2, 4 or 10. */
size_t wire_header(uint8_t out[WIRE_HEADER_MAX], size_t payload);
/* Append a text message in one frame. */
void wire_add(struct text *t, const char *payload, size_t len);
/* Append a text message cut into frames of at most WIRE_FRAGMENT_BYTES, between which control frames (a pong,
 * a close) may go out: so no single write needs to be larger. */
void wire_add_fragments(struct text *t, const char *payload, size_t len);
/* The length of the frame at the beginning of bytes that wire_add_fragments() made; 0 when there is none. */
size_t wire_frame_length(const char *bytes, size_t len);
