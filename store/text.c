#include "store/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void text_deinit(struct text *t)
{
	free(t->data);
	memset(t, 0, sizeof(*t));
}

void text_clear(struct text *t)
{
	t->len = 0;
	t->failed = false;
}

bool text_reserve(struct text *t, size_t more)
{
	size_t room = t->room ? t->room : 256;
	char *data;

	if (more <= t->room - t->len)
		return true;
	if (more > SIZE_MAX / 2 - t->len)
		goto fail;
	while (room - t->len < more)
		room *= 2;
	data = realloc(t->data, room);
	if (data == NULL)
		goto fail;
	t->data = data;
	t->room = room;
	return true;
fail:
	t->failed = true;
	return false;
}

void text_add(struct text *t, const void *bytes, size_t len)
{
	if (len == 0 || !text_reserve(t, len))
		return;
	memcpy(t->data + t->len, bytes, len);
	t->len += len;
}

void text_add_str(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

void text_add_number(struct text *t, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	text_add(t, digits + at, sizeof(digits) - at);
}

/* How many continuation bytes follow this first byte, and which range the first of them must lie in: that
 * range alone keeps out overlong forms, surrogates and what lies above U+10FFFF.  -1: no sequence starts so.
 */
static int utf8_expect(unsigned char first, unsigned char *low, unsigned char *high)
{
	*low = 0x80;
	*high = 0xbf;
	if (first < 0x80)
		return 0;
	if (first >= 0xc2 && first <= 0xdf)
		return 1;
	if (first >= 0xe0 && first <= 0xef) {
		if (first == 0xe0)
			*low = 0xa0;
		if (first == 0xed)
			*high = 0x9f;
		return 2;
	}
	if (first >= 0xf0 && first <= 0xf4) {
		if (first == 0xf0)
			*low = 0x90;
		if (first == 0xf4)
			*high = 0x8f;
		return 3;
	}
	return -1;
}

/* Length of the sequence at s, or of the maximal subpart of an ill-formed one: then *good is false. */
static size_t utf8_next(const unsigned char *s, size_t len, bool *good)
{
	unsigned char low, high;
	int more = utf8_expect(s[0], &low, &high);
	size_t n = 1;

	*good = false;
	if (more < 0)
		return 1;
	while (more > 0 && n < len && s[n] >= low && s[n] <= high) {
		low = 0x80;
		high = 0xbf;
		n++;
		more--;
	}
	*good = more == 0;
	return n;
}

bool utf8_valid(const char *bytes, size_t len)
{
	const unsigned char *s = (const unsigned char *)bytes;
	size_t at = 0;
	bool good;

	while (at < len) {
		if (s[at] < 0x80) {
			at++;
			continue;
		}
		at += utf8_next(s + at, len - at, &good);
		if (!good)
			return false;
	}
	return true;
}

static void add_escape(struct text *t, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char long_form[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
	const char *short_form = NULL;

	if (c == '"')
		short_form = "\\\"";
	else if (c == '\\')
		short_form = "\\\\";
	else if (c == '\n')
		short_form = "\\n";
	else if (c == '\t')
		short_form = "\\t";
	else if (c == '\r')
		short_form = "\\r";
	if (short_form != NULL)
		text_add(t, short_form, 2);
	else
		text_add(t, long_form, sizeof(long_form));
}

static bool plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

void json_add_string(struct text *t, const char *bytes, size_t len)
{
	const unsigned char *s = (const unsigned char *)bytes;
	size_t at = 0, from = 0, n;
	bool good;

	text_add(t, "\"", 1);
	while (at < len) {
		if (plain(s[at])) {
			at++;
			continue;
		}
		if (s[at] >= 0x80) {
			n = utf8_next(s + at, len - at, &good);
			if (good) {
				at += n;
				continue;
			}
			text_add(t, s + from, at - from);
			text_add(t, "\xef\xbf\xbd", 3);
		} else {
			n = 1;
			text_add(t, s + from, at - from);
			add_escape(t, s[at]);
		}
		at += n;
		from = at;
	}
	if (len > from)
		text_add(t, s + from, len - from);
	text_add(t, "\"", 1);
}

static void add_base64(struct text *t, const unsigned char *s, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char out[4];
	uint32_t bits;

	for (size_t at = 0; at < len; at += 3) {
		bits = (uint32_t)s[at] << 16;
		if (len - at > 1)
			bits |= (uint32_t)s[at + 1] << 8;
		if (len - at > 2)
			bits |= s[at + 2];
		out[0] = digits[bits >> 18];
		out[1] = digits[bits >> 12 & 63];
		out[2] = len - at > 1 ? digits[bits >> 6 & 63] : '=';
		out[3] = len - at > 2 ? digits[bits & 63] : '=';
		text_add(t, out, sizeof(out));
	}
}

void json_add_bytes(struct text *t, const char *key, const char *bytes, size_t len)
{
	text_add(t, "\"", 1);
	text_add_str(t, key);
	text_add(t, "\":", 2);
	json_add_string(t, bytes, len);
	if (utf8_valid(bytes, len))
		return;
	text_add(t, ",\"", 2);
	text_add_str(t, key);
	text_add_str(t, "_b64\":\"");
	add_base64(t, (const unsigned char *)bytes, len);
	text_add(t, "\"", 1);
}

static void put_digits(char *out, unsigned width, uint64_t number)
{
	while (width-- > 0) {
		out[width] = (char)('0' + number % 10);
		number /= 10;
	}
}

/* The proleptic Gregorian date of a day that counts from 1970-01-01.  Years are taken to begin in March, so
 * that the leap day is the last of its year, and months then follow a fixed pattern of 153 days in five. */
static void civil_date(int64_t day, int64_t *year, unsigned *month, unsigned *mday)
{
	enum { DAYS_400_YEARS = 146097, DAYS_TO_MARCH_0000 = 719468 };
	int64_t shifted = day + DAYS_TO_MARCH_0000;
	int64_t era = (shifted >= 0 ? shifted : shifted - (DAYS_400_YEARS - 1)) / DAYS_400_YEARS;
	unsigned in_era = (unsigned)(shifted - era * DAYS_400_YEARS);
	unsigned year_of_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	unsigned in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned from_march = (5 * in_year + 2) / 153;

	*mday = in_year - (153 * from_march + 2) / 5 + 1;
	*month = from_march < 10 ? from_march + 3 : from_march - 9;
	*year = (int64_t)year_of_era + era * 400 + (*month <= 2);
}

void json_add_time(struct text *t, int64_t seconds, uint32_t nanoseconds)
{
	const int64_t first = -62167219200, last = 253402300799; /* years 0000 and 9999 */
	char out[] = "\"0000-00-00T00:00:00.000000000Z\"";
	unsigned month, mday, of_day;
	int64_t day, year;

	if (seconds < first || seconds > last) {
		nanoseconds = seconds < first ? 0 : 999999999;
		seconds = seconds < first ? first : last;
	}
	if (nanoseconds > 999999999)
		nanoseconds = 999999999;
	day = (seconds >= 0 ? seconds : seconds - 86399) / 86400;
	of_day = (unsigned)(seconds - day * 86400);
	civil_date(day, &year, &month, &mday);
	put_digits(out + 1, 4, (uint64_t)year);
	put_digits(out + 6, 2, month);
	put_digits(out + 9, 2, mday);
	put_digits(out + 12, 2, of_day / 3600);
	put_digits(out + 15, 2, of_day / 60 % 60);
	put_digits(out + 18, 2, of_day % 60);
	put_digits(out + 21, 9, nanoseconds);
	text_add(t, out, sizeof(out) - 1);
}
