/* Watches are charged to the user in its own user namespace and in all above it, each with a limit of its
 * own. fs.inotify.max_user_watches is that of the first one, wherever it is read. */
#include "watcher/watch_limit.h"

#include <stdio.h>

static uint64_t read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	unsigned long long n = 0;

	if (f != NULL && fscanf(f, "%llu", &n) != 1)
		n = 0;
	if (f != NULL)
		fclose(f);
	return n;
}

uint64_t watch_limit_suggest(uint64_t limit, uint64_t missing)
{
	uint64_t n = 8192;

	while (n <= limit || n - limit < 2 * missing)
		n *= 2;
	return n;
}

void watch_limit_explain(char out[WATCH_LIMIT_TEXT], size_t unwatched, size_t all)
{
	uint64_t system = read_number("/proc/sys/fs/inotify/max_user_watches");
	uint64_t own = read_number("/proc/sys/user/max_inotify_watches");
	uint64_t limit = own != 0 && own < system ? own : system;

	snprintf(out, WATCH_LIMIT_TEXT,
		 "%zu of %zu directories are compared now and then instead of watched, because the limit of "
		 "inotify watches (%llu) is reached; raise it: sysctl %s=%llu",
		 unwatched, all, (unsigned long long)limit,
		 limit == system ? "fs.inotify.max_user_watches" : "user.max_inotify_watches",
		 (unsigned long long)watch_limit_suggest(limit, unwatched));
}
