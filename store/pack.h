/* pack: integers and rows as bytes.  Keys are big endian, to sort as numbers; values are little endian.
 *
 * A row ends with a seal, 32 bits of a checksum over its key and its bytes, so that a flipped bit is an error
 * where the row is read and not a wrong answer.  Private to store/. */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "store/index.h"

enum { SEAL_BYTES = 4 };

static inline void key_u32(uint8_t *out, uint32_t number)
{
	number = htobe32(number);
	memcpy(out, &number, sizeof(number));
}

static inline void key_u64(uint8_t *out, uint64_t number)
{
	number = htobe64(number);
	memcpy(out, &number, sizeof(number));
}

static inline uint32_t key_get_u32(const void *from)
{
	uint32_t number;

	memcpy(&number, from, sizeof(number));
	return be32toh(number);
}

static inline uint64_t key_get_u64(const void *from)
{
	uint64_t number;

	memcpy(&number, from, sizeof(number));
	return be64toh(number);
}

/* Writing: the caller's buffer is large enough for the row and its seal. */
struct packer {
	uint8_t *start, *at;
};

static inline void pack_bytes(struct packer *p, const void *bytes, size_t len)
{
	if (len > 0)
		memcpy(p->at, bytes, len);
	p->at += len;
}

static inline void pack_u8(struct packer *p, uint8_t number)
{
	*p->at++ = number;
}

static inline void pack_u16(struct packer *p, uint16_t number)
{
	number = htole16(number);
	pack_bytes(p, &number, sizeof(number));
}

static inline void pack_u32(struct packer *p, uint32_t number)
{
	number = htole32(number);
	pack_bytes(p, &number, sizeof(number));
}

static inline void pack_u64(struct packer *p, uint64_t number)
{
	number = htole64(number);
	pack_bytes(p, &number, sizeof(number));
}

static inline void pack_time(struct packer *p, const struct node_time *time)
{
	pack_u64(p, (uint64_t)time->seconds);
	pack_u32(p, time->nanoseconds);
}

/* Reading: past the end it gives zeros and says so in `bad`. */
struct unpacker {
	const uint8_t *at, *end;
	bool bad;
};

static inline const void *unpack_bytes(struct unpacker *u, size_t len)
{
	const uint8_t *at = u->at;

	if (len > (size_t)(u->end - at)) {
		u->bad = true;
		return NULL;
	}
	u->at += len;
	return at;
}

static inline uint8_t unpack_u8(struct unpacker *u)
{
	const uint8_t *from = unpack_bytes(u, 1);

	return from != NULL ? *from : 0;
}

static inline uint16_t unpack_u16(struct unpacker *u)
{
	const void *from = unpack_bytes(u, sizeof(uint16_t));
	uint16_t number = 0;

	if (from != NULL)
		memcpy(&number, from, sizeof(number));
	return le16toh(number);
}

static inline uint32_t unpack_u32(struct unpacker *u)
{
	const void *from = unpack_bytes(u, sizeof(uint32_t));
	uint32_t number = 0;

	if (from != NULL)
		memcpy(&number, from, sizeof(number));
	return le32toh(number);
}

static inline uint64_t unpack_u64(struct unpacker *u)
{
	const void *from = unpack_bytes(u, sizeof(uint64_t));
	uint64_t number = 0;

	if (from != NULL)
		memcpy(&number, from, sizeof(number));
	return le64toh(number);
}

static inline void unpack_time(struct unpacker *u, struct node_time *time)
{
	time->seconds = (int64_t)unpack_u64(u);
	time->nanoseconds = unpack_u32(u);
}
