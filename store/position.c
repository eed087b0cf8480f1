#include "store/position.h"

#include <inttypes.h>
#include <stdio.h>

size_t position_format(uint64_t epoch, uint64_t seq, char out[POSITION_TEXT_MAX])
{
	return (size_t)snprintf(out, POSITION_TEXT_MAX, "%" PRIu64 "-%" PRIu64, epoch, seq);
}

size_t cursor_format(const struct position *p, char out[POSITION_TEXT_MAX])
{
	return (size_t)snprintf(out, POSITION_TEXT_MAX, "%" PRIu64 "-%" PRIu64 "~%016" PRIx64, p->epoch,
				p->seq, p->check);
}

/* A decimal number without leading zeros; moves *text past it. */
static bool parse_decimal(const char **text, const char *end, uint64_t *out)
{
	const char *s = *text;
	uint64_t number = 0;

	if (s == end || *s < '0' || *s > '9')
		return false;
	if (*s == '0' && s + 1 < end && s[1] >= '0' && s[1] <= '9')
		return false;
	for (; s < end && *s >= '0' && *s <= '9'; s++) {
		if (__builtin_mul_overflow(number, 10u, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*s - '0'), &number))
			return false;
	}
	*text = s;
	*out = number;
	return true;
}

static bool parse_check(const char *s, uint64_t *out)
{
	uint64_t number = 0;

	for (int i = 0; i < 16; i++) {
		unsigned digit;

		if (s[i] >= '0' && s[i] <= '9')
			digit = (unsigned)(s[i] - '0');
		else if (s[i] >= 'a' && s[i] <= 'f')
			digit = (unsigned)(s[i] - 'a') + 10;
		else
			return false;
		number = number << 4 | digit;
	}
	*out = number;
	return true;
}

bool cursor_parse(const char *text, size_t len, struct position *out)
{
	const char *end = text + len;
	struct position p;

	if (!parse_decimal(&text, end, &p.epoch) || text == end || *text++ != '-')
		return false;
	if (!parse_decimal(&text, end, &p.seq) || text == end || *text++ != '~')
		return false;
	if (end - text != 16 || !parse_check(text, &p.check))
		return false;
	*out = p;
	return true;
}
