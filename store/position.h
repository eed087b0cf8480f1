/* position: `<epoch>-<seq>` names one change of a stream for ever; a cursor is a position plus `~<check>`,
 * the checksum chain there, which proves that it is from this very journal.  Text: decimal, decimal, 16 hex
 * digits.  Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct position {
	uint64_t epoch; /* unix seconds << 16 | 16 random bits */
	uint64_t seq;   /* 0: before the first change of the epoch */
	uint64_t check; /* 0 in a bare position */
};

enum { POSITION_TEXT_MAX = 20 + 1 + 20 + 1 + 16 + 1 };

/* Both write a NUL-terminated string and return its length. */
size_t cursor_format(const struct position *p, char out[POSITION_TEXT_MAX]);
size_t position_format(uint64_t epoch, uint64_t seq, char out[POSITION_TEXT_MAX]);
/* Accepts exactly what cursor_format() writes; false otherwise. */
bool cursor_parse(const char *text, size_t len, struct position *out);
