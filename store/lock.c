/* One process has a store open.  The lock belongs to the open file description, so it ends with the process
 * however that ends; the pid inside is only for people. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/internal.h"

static int lock_open(const char *directory, int flags)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/lock", directory);
	int fd;

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd >= 0 ? fd : -errno;
}

static int write_pid(int fd)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "%ld\n", (long)getpid());

	if (ftruncate(fd, 0) != 0)
		return -errno;
	return pwrite(fd, line, (size_t)len, 0) == len ? 0 : -EIO;
}

int store_lock_take(int *out, const char *directory)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = lock_open(directory, O_RDWR | O_CREAT);
	int r;

	if (fd < 0)
		return fd;
	if (fcntl(fd, F_OFD_SETLK, &whole) != 0) {
		r = errno == EAGAIN || errno == EACCES ? (int)STORE_LOCKED : -errno;
		close(fd);
		return r;
	}
	r = write_pid(fd);
	if (r != 0) {
		close(fd);
		return r;
	}
	*out = fd;
	return 0;
}

void store_lock_release(int fd)
{
	if (fd < 0)
		return;
	/* The file stays: removing it would let two processes lock two files of one name. */
	if (ftruncate(fd, 0) != 0)
		(void)0; /* an old pid in it does no harm while nobody holds the lock */
	close(fd);
}

int store_lock_owner(const char *directory)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char line[32];
	ssize_t len;
	int fd = lock_open(directory, O_RDONLY);

	if (fd < 0)
		return 0;
	len = pread(fd, line, sizeof(line) - 1, 0);
	if (fcntl(fd, F_OFD_GETLK, &whole) != 0 || whole.l_type == F_UNLCK)
		len = 0;
	close(fd);
	if (len <= 0)
		return 0;
	line[len] = '\0';
	return (int)strtol(line, NULL, 10);
}
