#include "net/events.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool well_formed(const char *name, size_t len)
{
	bool dot = true; /* a component may not be empty */

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c == '.' && dot)
			return false;
		if (c != '.' && c != '_' && c != '-' && !(islower(c) || isdigit(c)))
			return false;
		dot = c == '.';
	}
	return len > 0;
}

static void add_prefix(uint64_t *mask, const char *prefix, size_t len)
{
	for (enum event_type type = EVENT_NONE + 1; type < EVENT_TYPE_END; type++) {
		const char *name = event_name(type);

		if (name != NULL && strncmp(name, prefix, len) == 0)
			*mask |= event_bit(type);
	}
}

int events_add(uint64_t *mask, const char *pattern, size_t len)
{
	enum event_type type;

	if (len > EVENT_PATTERN_MAX)
		return -EINVAL;
	if (len > 2 && memcmp(pattern + len - 2, ".*", 2) == 0) {
		if (!well_formed(pattern, len - 2) || pattern[len - 3] == '.')
			return -EINVAL;
		add_prefix(mask, pattern, len - 1);
		return 0;
	}
	if (!well_formed(pattern, len) || pattern[len - 1] == '.')
		return -EINVAL;
	type = event_by_name(pattern, len);
	if (type != EVENT_NONE)
		*mask |= event_bit(type);
	return 0;
}
