#include "watcher/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { OPEN_PARENT = O_PATH | O_DIRECTORY | O_CLOEXEC };

static bool is_on(int fd, uint64_t device, uint64_t mount, uint64_t *inode)
{
	struct statx x;

	if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_INO | STATX_MNT_ID, &x) != 0)
		return false;
	*inode = x.stx_ino;
	return makedev(x.stx_dev_major, x.stx_dev_minor) == device &&
	       (mount == 0 || (x.stx_mask & STATX_MNT_ID && x.stx_mnt_id == mount));
}

int place_inside(int dir_fd, uint64_t root_inode, uint64_t device, uint64_t mount)
{
	int fd = openat(dir_fd, ".", OPEN_PARENT), up;
	uint64_t inode, below = 0;
	int inside = 0;

	while (fd >= 0 && is_on(fd, device, mount, &inode)) {
		inside = inode == root_inode;
		if (inside || inode == below) /* arrived, or ".." leads no further up */
			break;
		below = inode;
		up = openat(fd, "..", OPEN_PARENT);
		close(fd);
		fd = up;
	}
	if (fd < 0)
		return -errno;
	close(fd);
	return inside;
}

static bool is_named(int parent, const char *name, const struct stat *self)
{
	struct stat st;

	return fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == self->st_ino &&
	       st.st_dev == self->st_dev;
}

/* The kernel knows the whole path unless it is too long; its last component may carry " (deleted)". */
static bool name_from_path(int dir_fd, int parent, const struct stat *self, char *name)
{
	char link[64], path[PATH_MAX];
	const char *last;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir_fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return false;
	path[n] = 0;
	last = strrchr(path, '/');
	if (last == NULL || last[1] == 0 || strlen(last + 1) >= PLACE_NAME_ROOM)
		return false;
	strcpy(name, last + 1);
	return is_named(parent, name, self);
}

static bool name_from_listing(int parent, const struct stat *self, char *name)
{
	int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	bool found = false;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (!found && (e = readdir(dir)) != NULL) {
		found = e->d_ino == self->st_ino && strcmp(e->d_name, ".") != 0 &&
			strcmp(e->d_name, "..") != 0 && is_named(parent, e->d_name, self);
		if (found)
			snprintf(name, PLACE_NAME_ROOM, "%s", e->d_name);
	}
	closedir(dir);
	return found;
}

int place_of_dir(int dir_fd, char name[PLACE_NAME_ROOM])
{
	struct stat self;
	int parent;

	if (fstat(dir_fd, &self) != 0)
		return -errno;
	parent = openat(dir_fd, "..", OPEN_PARENT);
	if (parent < 0)
		return -errno;
	if (name_from_path(dir_fd, parent, &self, name) || name_from_listing(parent, &self, name))
		return parent;
	close(parent);
	return -ENOENT;
}
