/* Watches and instances are charged to the user in its own user namespace and in all above it, each with a
 * limit of its own. fs.inotify.max_user_* are those of the first one, wherever they are read. */
#include "watcher/watch_limit.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool read_number(const char *folder, const char *name, uint64_t *out)
{
	unsigned long long n = 0;
	char path[64];
	FILE *f;
	bool is_read;

	snprintf(path, sizeof(path), "/proc/sys/%s/%s", folder, strrchr(name, '.') + 1);
	f = fopen(path, "re");
	is_read = f != NULL && fscanf(f, "%llu", &n) == 1;
	if (f != NULL)
		fclose(f);
	*out = n;
	return is_read;
}

uint64_t watch_limit_suggest(uint64_t limit, uint64_t missing)
{
	uint64_t n = 8192;

	while (n <= limit || n - limit < 2 * missing)
		n *= 2;
	return n;
}

struct limit {
	const char *sysctl; /* the one that is reached first */
	uint64_t value;
};

static struct limit read_limit(const char *system_wide, const char *own)
{
	struct limit system = {.sysctl = system_wide}, mine = {.sysctl = own};
	bool is_known = read_number("fs/inotify", system_wide, &system.value);

	if (read_number("user", own, &mine.value) && (!is_known || mine.value < system.value))
		return mine;
	return system;
}

void watch_limit_explain(char out[WATCH_LIMIT_TEXT], size_t unwatched, size_t all)
{
	struct limit l = read_limit("fs.inotify.max_user_watches", "user.max_inotify_watches");

	snprintf(out, WATCH_LIMIT_TEXT,
		 "%zu of %zu directories are compared now and then instead of watched, because the limit of "
		 "inotify watches (%llu) is reached; raise it: sysctl %s=%llu",
		 unwatched, all, (unsigned long long)l.value, l.sysctl,
		 (unsigned long long)watch_limit_suggest(l.value, unwatched));
}

void watch_limit_explain_instances(char *out, size_t room)
{
	struct limit l = read_limit("fs.inotify.max_user_instances", "user.max_inotify_instances");

	snprintf(out, room,
		 "its limit of instances (%llu) is reached; raise it: sysctl %s=%llu, and start again",
		 (unsigned long long)l.value, l.sysctl,
		 (unsigned long long)(l.value < 128 ? 256 : 2 * l.value));
}
