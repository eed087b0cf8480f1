/* text: a growing byte buffer, and JSON written straight into it: items are encoded once per change, on the
 * hot path. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *data; /* not NUL-terminated */
	size_t len, room;
	bool failed; /* out of memory somewhere: checked once, at the end */
};

void text_deinit(struct text *t);
void text_clear(struct text *t); /* keeps the room */
bool text_reserve(struct text *t, size_t more);
void text_add(struct text *t, const void *bytes, size_t len);
void text_add_str(struct text *t, const char *s);
void text_add_number(struct text *t, uint64_t number);

bool utf8_valid(const char *bytes, size_t len);
/* "…" with escapes; every ill-formed UTF-8 sequence becomes U+FFFD (one for each maximal subpart, as the
 * Unicode standard recommends). */
void json_add_string(struct text *t, const char *bytes, size_t len);
/* "key":"…", and when the bytes are not UTF-8 also ,"key_b64":"…" (standard base64, padded), which is then
 * the name. */
void json_add_bytes(struct text *t, const char *key, const char *bytes, size_t len);
/* RFC 3339 UTC with exactly nine decimals and Z, quoted.  Years outside 0000 to 9999 are clamped. */
void json_add_time(struct text *t, int64_t seconds, uint32_t nanoseconds);
