#include "daemon/config_value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	DURATION_MAX_MS = 60000,
	INTERVAL_MIN_MS = 100,
	INTERVAL_MAX_MS = 24 * 3600 * 1000,
	DAY_SECONDS = 86400,
	PERIOD_MAX_SECONDS = 3650 * DAY_SECONDS,
	SUGGEST_WORD_MAX = 32,
};

static const char interval_expected[] = "a time such as 10s, 500ms, 5m or 1h (from 100ms to 24h)";

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits up to the first other character, without overflow; strtoull() would take signs and spaces too. */
static bool number(const char *text, uint64_t max, uint64_t *out, const char **end)
{
	uint64_t n = 0;

	if (!is_digit(*text))
		return false;
	for (; is_digit(*text); text++) {
		unsigned digit = (unsigned)(*text - '0');

		if (n > (max - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*out = n;
	*end = text;
	return true;
}

const char *config_duration(const char *text, unsigned *ms)
{
	static const char expected[] = "a duration such as 20ms, 5s or 0 (at most 60s)";
	const char *unit;
	uint64_t n;

	if (!number(text, DURATION_MAX_MS, &n, &unit))
		return expected;
	if (strcmp(unit, "s") == 0)
		n *= 1000;
	else if (strcmp(unit, "ms") != 0 && !(n == 0 && *unit == '\0'))
		return expected;
	if (n > DURATION_MAX_MS)
		return expected;
	*ms = (unsigned)n;
	return NULL;
}

const char *config_interval(const char *text, uint64_t *ms)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	const char *unit;
	uint64_t n;

	if (!number(text, INTERVAL_MAX_MS, &n, &unit))
		return interval_expected;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].name) != 0)
			continue;
		*ms = n * units[i].ms; /* at most 2^49 */
		return *ms < INTERVAL_MIN_MS || *ms > INTERVAL_MAX_MS ? interval_expected : NULL;
	}
	return interval_expected;
}

static uint64_t unit_seconds(const char *unit)
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", DAY_SECONDS}};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(unit, units[i].name) == 0)
			return units[i].seconds;
	return 0;
}

const char *config_period(const char *text, uint64_t *seconds)
{
	static const char expected[] = "a time such as 24h, 30m, 90s or 7d (at most 3650d), or off";
	const char *unit;
	uint64_t n;

	*seconds = 0;
	if (strcmp(text, "0") == 0 || strcmp(text, "off") == 0)
		return NULL;
	if (!number(text, PERIOD_MAX_SECONDS, &n, &unit) || n == 0 || unit_seconds(unit) == 0 ||
	    n > PERIOD_MAX_SECONDS / unit_seconds(unit))
		return expected;
	*seconds = n * unit_seconds(unit);
	return NULL;
}

const char *config_yes_no(const char *text, bool *yes)
{
	*yes = strcmp(text, "yes") == 0;
	return *yes || strcmp(text, "no") == 0 ? NULL : "yes or no";
}

const char *config_count(const char *text, uint64_t *count)
{
	const char *end;
	uint64_t n;

	if (!number(text, INT64_MAX, &n, &end) || *end != '\0' || n == 0)
		return "a whole number, 1 or more";
	*count = n;
	return NULL;
}

/* Splits at the last colon; brackets say that the colons before it belong to an IPv6 address. */
static bool split_host(const char *text, char *host, size_t room, const char **port)
{
	const char *colon = strrchr(text, ':');
	size_t len;

	if (colon == NULL)
		return false;
	*port = colon + 1;
	len = (size_t)(colon - text);
	if (len >= 2 && text[0] == '[' && colon[-1] == ']') {
		text++;
		len -= 2;
	} else if (memchr(text, ':', len) != NULL) {
		return false;
	}
	if (len == 0 || len >= room)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	return true;
}

const char *config_listen(const char *text, char *address, size_t room, uint16_t *port)
{
	static const char expected[] = "a numeric address and a port, such as 127.0.0.1:7420 or [::1]:7420";
	bool brackets = text[0] == '[';
	unsigned char binary[16];
	char host[64];
	const char *digits, *end;
	uint64_t n;

	if (!split_host(text, host, sizeof(host), &digits))
		return expected;
	if (inet_pton(brackets ? AF_INET6 : AF_INET, host, binary) != 1)
		return expected;
	if (!number(digits, UINT16_MAX, &n, &end) || *end != '\0' || strlen(host) >= room)
		return expected;
	memcpy(address, host, strlen(host) + 1);
	*port = (uint16_t)n;
	return NULL;
}

const char *config_backend(const char *text, enum watch_backend *backend)
{
	if (strcmp(text, "auto") == 0)
		*backend = WATCH_AUTO;
	else if (strcmp(text, "fanotify") == 0)
		*backend = WATCH_FANOTIFY;
	else if (strcmp(text, "inotify") == 0)
		*backend = WATCH_INOTIFY;
	else if (strcmp(text, "poll") == 0)
		*backend = WATCH_POLL;
	else
		return "one of auto, fanotify, inotify, poll";
	return NULL;
}

/* With `.` and `..` a path could end in a symlink that lstat() does not show. */
static bool has_dots(const char *path)
{
	while (*path != '\0') {
		size_t len = strcspn(path, "/");

		if ((len == 1 && path[0] == '.') || (len == 2 && path[0] == '.' && path[1] == '.'))
			return true;
		path += len;
		path += *path == '/';
	}
	return false;
}

const char *config_path(const char *text, char **out)
{
	size_t len = strlen(text);

	*out = NULL;
	if (text[0] != '/')
		return "an absolute path (it starts with a slash)";
	if (has_dots(text))
		return "a path without `.` and `..`";
	while (len > 1 && text[len - 1] == '/')
		len--;
	*out = strndup(text, len);
	return *out != NULL ? NULL : "usable now: out of memory";
}

bool config_drive_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > 63 || name[0] == '.' || name[0] == '_' || name[0] == '-')
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Insertions, deletions, replacements and swaps of neighbours that make b of a; both at most SUGGEST_WORD_MAX
 * long. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned rows[3][SUGGEST_WORD_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *now = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned *spare = before;

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = min3(now[j], before[j - 2] + 1, now[j]);
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[b_len];
}

const char *config_suggest(const char *word, const char *const *words, size_t count)
{
	size_t len = strlen(word);
	unsigned best = len < 4 ? 2 : 3; /* what is further away is another word */
	const char *found = NULL;

	if (len > SUGGEST_WORD_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		unsigned d = distance(word, len, words[i], strlen(words[i]));

		if (d < best) {
			best = d;
			found = words[i];
		}
	}
	return found;
}
