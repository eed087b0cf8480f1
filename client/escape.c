#include "client/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* How long the UTF-8 sequence is that begins with this byte; 0: none does. */
static size_t utf8_length(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	if (first < 0xe0)
		return 2;
	return first < 0xf0 ? 3 : 4;
}

/* Length of the well-formed UTF-8 sequence at the start of p, and its code point; 0: there is none. */
static size_t utf8_next(const unsigned char *p, size_t len, uint32_t *code)
{
	size_t need = utf8_length(p[0]);
	uint32_t c;

	if (need == 0 || need > len)
		return 0;
	c = need == 1 ? p[0] : (uint32_t)(p[0] & (0x7f >> need));
	for (size_t i = 1; i < need; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if ((need == 3 && c < 0x800) || (need == 4 && (c < 0x10000 || c > 0x10ffff)))
		return 0; /* longer than it has to be, or no code point */
	if (c >= 0xd800 && c < 0xe000)
		return 0;
	*code = c;
	return need;
}

/* What moves the cursor, ends a line, or reorders what stands beside it. */
static bool is_harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || (c >= 0x200e && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static void print_harmful(FILE *out, uint32_t c)
{
	if (c == '\n')
		fputs("\\n", out);
	else if (c == '\t')
		fputs("\\t", out);
	else if (c == '\r')
		fputs("\\r", out);
	else if (c < 0x80)
		fprintf(out, "\\x%02x", (unsigned)c);
	else
		fprintf(out, "\\u{%x}", (unsigned)c);
}

void escape_print(FILE *out, const char *bytes, size_t len)
{
	const unsigned char *p = (const unsigned char *)bytes, *end = p + len;

	while (p < end) {
		uint32_t c = 0;
		size_t n = utf8_next(p, (size_t)(end - p), &c);

		if (n == 0)
			fprintf(out, "\\x%02x", *p);
		else if (is_harmful(c))
			print_harmful(out, c);
		else if (c == '\\')
			fputs("\\\\", out);
		else
			fwrite(p, 1, n, out);
		p += n == 0 ? 1 : n;
	}
}

void escape_print_str(FILE *out, const char *s)
{
	escape_print(out, s, strlen(s));
}
