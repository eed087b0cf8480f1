/* base64: standard base64 with its padding, as names that are not UTF-8 travel.  Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Into `out`, which has room for len / 4 * 3 bytes.  False when text is not exactly that; no other form of
 * the same bytes is accepted. */
bool base64_decode(const char *text, size_t len, char *out, size_t *out_len);
