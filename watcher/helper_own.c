/* `.wakeline` in a drive's root, 0700:
 *
 *     epoch   the drive's current epoch, decimal, and a line feed; replaced as a whole
 *     probe   empty; touched now and then
 *
 * A crash leaves the old epoch or the new one, and perhaps `epoch.new`, which the next writing replaces. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watcher/helper_internal.h"

static const char own_name[] = ".wakeline";
/* Numbers beyond this are no epochs (unix seconds << 16), and JSON could not carry them exactly. */
static const uint64_t epoch_max = UINT64_C(1) << 53;

/* A directory that somebody else made there could hold anything. */
static int check_owner(int root, int own)
{
	struct stat r, o;

	if (fstat(root, &r) != 0 || fstat(own, &o) != 0)
		return -errno;
	return o.st_uid == geteuid() || o.st_uid == r.st_uid ? 0 : -EPERM;
}

int helper_own_open(int root, bool make)
{
	int fd, r;

	if (make && mkdirat(root, own_name, 0700) == 0)
		(void)fsync(root);
	else if (make && errno != EEXIST && errno != EROFS)
		return -errno;
	fd = helper_open_beneath(root, own_name, strlen(own_name), O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	r = check_owner(root, fd);
	if (r == 0 && make && faccessat(fd, ".", W_OK, AT_EACCESS) != 0)
		r = -errno;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

/* 1 to 16 digits and a line feed, and nothing else. */
static int parse_epoch(const char *text, size_t len, uint64_t *epoch)
{
	uint64_t n = 0;

	if (len < 2 || len > 17 || text[len - 1] != '\n')
		return -EINVAL;
	for (size_t i = 0; i < len - 1; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		n = n * 10 + (uint64_t)(text[i] - '0');
	}
	if (n == 0 || n >= epoch_max)
		return -EINVAL;
	*epoch = n;
	return 0;
}

int helper_own_read_epoch(int own, uint64_t *epoch)
{
	char text[32];
	ssize_t n;
	int fd = openat(own, "epoch", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	*epoch = 0;
	if (fd < 0)
		return errno == ENOENT ? 0 : errno == ELOOP ? -EINVAL : -errno;
	n = read(fd, text, sizeof(text));
	close(fd);
	return n < 0 ? -EINVAL : parse_epoch(text, (size_t)n, epoch);
}

static int write_file(int own, const char *name, const char *text, size_t len)
{
	int fd, r = 0;

	if (unlinkat(own, name, 0) != 0 && errno != ENOENT)
		return -errno;
	fd = openat(own, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		r = errno != 0 ? -errno : -EIO;
	if (r == 0 && fsync(fd) != 0)
		r = -errno;
	close(fd);
	return r;
}

int helper_own_write_epoch(int own, uint64_t epoch)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)epoch);
	int r;

	errno = 0;
	r = write_file(own, "epoch.new", text, (size_t)len);
	if (r == 0 && renameat(own, "epoch.new", own, "epoch") != 0)
		r = -errno;
	if (r == 0 && fsync(own) != 0)
		r = -errno;
	return r;
}

int helper_own_probe(int own)
{
	int fd = openat(own, "probe", O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (futimens(fd, NULL) != 0 || futimens(own, NULL) != 0)
		r = -errno;
	close(fd);
	return r;
}
