#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "watcher/helper_internal.h"

enum { PIECE_MAX = 4000 }; /* below PATH_MAX, with room for one name more */

static int open_piece(int dir, const char *path, size_t len, int flags)
{
	struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC),
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV |
					  RESOLVE_NO_MAGICLINKS};
	char copy[PIECE_MAX + 1];
	long fd;

	memcpy(copy, path, len);
	copy[len] = '\0';
	do
		fd = syscall(SYS_openat2, dir, copy, &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR)); /* EAGAIN: something was renamed on the way */
	return fd < 0 ? -errno : (int)fd;
}

/* How much of a path that is too long for one call goes into the next: up to a slash. */
static size_t piece_of(const char *path, size_t len)
{
	size_t n = PIECE_MAX;

	if (len <= PIECE_MAX)
		return len;
	while (n > 0 && path[n] != '/')
		n--;
	return n;
}

int helper_open_beneath(int root, const char *path, size_t len, int flags)
{
	int dir = root, fd;

	for (;;) {
		size_t n = piece_of(path, len);
		bool last = n == len;

		if (n == 0)
			fd = -ENAMETOOLONG;
		else
			fd = open_piece(dir, path, n, last ? flags : O_PATH | O_DIRECTORY);
		if (dir != root)
			close(dir);
		if (fd < 0 || last)
			return fd;
		dir = fd;
		path += n + 1;
		len -= n + 1;
	}
}

int helper_reopen(int path_fd)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOATIME);
	if (fd < 0 && errno == EPERM)
		fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
