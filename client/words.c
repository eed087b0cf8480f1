#include "client/words.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { CHECK_DIGITS = 16 };

static const char *const drive_events[] = {
	"drive.file.created", "drive.file.updated", "drive.file.moved", "drive.file.deleted", "sync.started",
	"sync.completed",     "sync.error",         "sync.conflict",    "sync.progress",      NULL,
};
static const char *const bus_events[] = {"client.connected", "client.disconnected", NULL};

static bool fits(const char *pattern, size_t len, const char *event)
{
	if (len > 2 && memcmp(pattern + len - 2, ".*", 2) == 0)
		return strncmp(event, pattern, len - 1) == 0;
	return strlen(event) == len && memcmp(event, pattern, len) == 0;
}

static bool fits_any(const char *pattern, size_t len, const char *const *events)
{
	while (*events != NULL && !fits(pattern, len, *events))
		events++;
	return *events != NULL;
}

static void explain(const char *name, size_t len, const char *stream, const char *const *events, char *error)
{
	size_t at = (size_t)snprintf(error, WORDS_ERROR_MAX,
				     "--events: there is no event `%.*s` in %.72s; there are",
				     len < 64 ? (int)len : 64, name, stream);

	for (; *events != NULL && at < WORDS_ERROR_MAX; events++)
		at += (size_t)snprintf(error + at, WORDS_ERROR_MAX - at, " %s", *events);
}

bool words_are_events(const char *list, const char *stream, char error[WORDS_ERROR_MAX])
{
	const char *const *events = strcmp(stream, "bus") == 0 ? bus_events : drive_events;

	for (;;) {
		size_t len = strcspn(list, ",");

		if (!fits_any(list, len, events)) {
			explain(list, len, stream, events, error);
			return false;
		}
		list += len;
		if (*list++ == '\0')
			return true;
	}
}

static bool take_number(const char **text)
{
	size_t len = strspn(*text, "0123456789");

	*text += len;
	return len > 0 && len <= 20;
}

bool words_are_cursor(const char *text)
{
	return take_number(&text) && *text++ == '-' && take_number(&text) && *text++ == '~' &&
	       strlen(text) == CHECK_DIGITS && strspn(text, "0123456789abcdef") == CHECK_DIGITS;
}
