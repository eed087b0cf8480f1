#include "net/wire.h"

enum { OP_CONTINUATION = 0x0, OP_TEXT = 0x1, FIN = 0x80 };

static size_t header(uint8_t *out, uint8_t first, size_t payload)
{
	size_t n = 0;

	out[n++] = first;
	if (payload < 126) {
		out[n++] = (uint8_t)payload;
	} else if (payload < 65536) {
		out[n++] = 126;
		out[n++] = (uint8_t)(payload >> 8);
		out[n++] = (uint8_t)payload;
	} else {
		out[n++] = 127;
		for (int shift = 56; shift >= 0; shift -= 8)
			out[n++] = (uint8_t)((uint64_t)payload >> shift);
	}
	return n;
}

size_t wire_header(uint8_t out[WIRE_HEADER_MAX], size_t payload)
{
	return header(out, FIN | OP_TEXT, payload);
}

static void add(struct text *t, uint8_t first, const char *payload, size_t len)
{
	uint8_t head[WIRE_HEADER_MAX];

	text_add(t, head, header(head, first, len));
	text_add(t, payload, len);
}

void wire_add(struct text *t, const char *payload, size_t len)
{
	add(t, FIN | OP_TEXT, payload, len);
}

void wire_add_fragments(struct text *t, const char *payload, size_t len)
{
	uint8_t op = OP_TEXT;

	while (len > WIRE_FRAGMENT_BYTES) {
		add(t, op, payload, WIRE_FRAGMENT_BYTES);
		payload += WIRE_FRAGMENT_BYTES;
		len -= WIRE_FRAGMENT_BYTES;
		op = OP_CONTINUATION;
	}
	add(t, FIN | op, payload, len);
}

size_t wire_frame_length(const char *bytes, size_t len)
{
	const uint8_t *b = (const uint8_t *)bytes;
	size_t whole;

	if (len < 2 || b[1] == 127) /* fragments never need eight bytes of length */
		return 0;
	if (b[1] < 126)
		whole = 2u + b[1];
	else if (len < 4)
		return 0;
	else
		whole = 4u + ((size_t)b[2] << 8 | b[3]);
	return whole <= len ? whole : 0;
}
