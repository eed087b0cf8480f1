/* config_paths: do the configured paths make sense together on this machine?
 *
 * Where a directory lies is found by climbing from it through `..` and comparing inodes, which sees through
 * symlinks and through bind mounts of a drive's root, and needs only the right to search.  Nothing is opened
 * for reading. */
#include "daemon/config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef CONFIGFS_MAGIC
#define CONFIGFS_MAGIC 0x62656570
#endif
#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202
#endif
#ifndef FUSECTL_MAGIC
#define FUSECTL_MAGIC 0x65735543
#endif
#ifndef RPC_PIPEFS_MAGIC
#define RPC_PIPEFS_MAGIC 0x67596969
#endif

struct root {
	int fd; /* O_PATH; -1: not there */
	bool readable;
	dev_t dev;
	ino_t ino;
};

__attribute__((format(printf, 2, 3))) static int fail(char error[CONFIG_ERROR_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, CONFIG_ERROR_MAX, format, args);
	va_end(args);
	return -EINVAL;
}

/* File systems that the kernel makes up: their files change without anybody writing to them. */
static const char *pseudo_name(long type)
{
	switch ((unsigned)type) {
	case PROC_SUPER_MAGIC:
		return "proc";
	case SYSFS_MAGIC:
		return "sysfs";
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
		return "cgroup";
	case DEBUGFS_MAGIC:
		return "debugfs";
	case TRACEFS_MAGIC:
		return "tracefs";
	case DEVPTS_SUPER_MAGIC:
		return "devpts";
	case BPF_FS_MAGIC:
		return "bpf";
	case SECURITYFS_MAGIC:
		return "securityfs";
	case SELINUX_MAGIC:
		return "selinuxfs";
	case PSTOREFS_MAGIC:
		return "pstore";
	case EFIVARFS_MAGIC:
		return "efivarfs";
	case CONFIGFS_MAGIC:
		return "configfs";
	case MQUEUE_MAGIC:
		return "mqueue";
	case FUSECTL_MAGIC:
		return "fusectl";
	case RPC_PIPEFS_MAGIC:
		return "rpc_pipefs";
	case BINFMTFS_MAGIC:
		return "binfmt_misc";
	case HUGETLBFS_MAGIC:
		return "hugetlbfs";
	case NSFS_MAGIC:
		return "nsfs";
	}
	return NULL;
}

static bool may_read(int path_fd)
{
	int fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int check_drive(const struct config_drive *d, struct root *root, char error[CONFIG_ERROR_MAX])
{
	struct statfs fs;
	struct stat st;

	if (d->path[0] != '/')
		return fail(error, "path of drive \"%s\" is not absolute: %.300s; begin it with a slash",
			    d->name, d->path);
	root->fd = open(d->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (root->fd < 0)
		return 0;
	if (fstat(root->fd, &st) != 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return fail(error,
			    "path of drive \"%s\" is a symlink: %.300s; write the directory that it leads to",
			    d->name, d->path);
	if (!S_ISDIR(st.st_mode))
		return fail(error,
			    "path of drive \"%s\" is not a directory: %.300s; a drive is a whole directory",
			    d->name, d->path);
	if (fstatfs(root->fd, &fs) == 0 && pseudo_name(fs.f_type) != NULL)
		return fail(error,
			    "path of drive \"%s\" is on %s, which the kernel makes up: %.300s; choose a "
			    "directory on a disk",
			    d->name, pseudo_name(fs.f_type), d->path);
	root->dev = st.st_dev;
	root->ino = st.st_ino;
	root->readable = may_read(root->fd);
	return 0;
}

/* Is `root` the directory `fd`, or above it?  Takes fd.  1, 0 or -errno. */
static int lies_within(int fd, const struct root *root)
{
	dev_t dev = 0;
	ino_t ino = 0;
	struct stat st;
	int r, parent;

	for (bool first = true;; first = false) {
		if (fstat(fd, &st) != 0) {
			r = -errno;
			break;
		}
		r = st.st_dev == root->dev && st.st_ino == root->ino;
		if (r == 1 || (!first && st.st_dev == dev && st.st_ino == ino))
			break; /* found, or `/`, which is its own parent */
		dev = st.st_dev;
		ino = st.st_ino;
		parent = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (parent < 0) {
			r = -errno;
			break;
		}
		close(fd);
		fd = parent;
	}
	close(fd);
	return r;
}

/* Opens the directory, or the nearest above it that exists: what is made later will lie there. */
static int open_nearest(const char *path)
{
	char *copy = strdup(path);
	int fd;

	if (copy == NULL)
		return -ENOMEM;
	for (;;) {
		char *slash = strrchr(copy, '/');

		fd = open(*copy != '\0' ? copy : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 || errno != ENOENT || slash == NULL)
			break;
		*slash = '\0';
	}
	if (fd < 0)
		fd = -errno;
	free(copy);
	return fd;
}

static int check_state_dir(const struct config *c, const struct root *roots, char error[CONFIG_ERROR_MAX])
{
	for (size_t i = 0; i < c->drive_count; i++) {
		int fd, r;

		if (roots[i].fd < 0)
			continue;
		fd = open_nearest(c->state_dir);
		if (fd < 0)
			return fail(error,
				    "state_dir %.300s cannot be used: %s; correct `state_dir` in [server]",
				    c->state_dir, strerror(-fd));
		r = lies_within(fd, &roots[i]);
		if (r < 0)
			return fail(error,
				    "state_dir %.300s cannot be used: %s; correct `state_dir` in [server]",
				    c->state_dir, strerror(-r));
		if (r == 1)
			return fail(error,
				    "state_dir %.150s lies inside drive \"%s\" (%.150s); choose a directory "
				    "outside of every drive",
				    c->state_dir, c->drives[i].name, c->drives[i].path);
	}
	return 0;
}

static int check_pair(const struct config_drive *outer, const struct root *outer_root,
		      const struct config_drive *inner, const struct root *inner_root,
		      char error[CONFIG_ERROR_MAX])
{
	int fd, r;

	if (outer_root->fd < 0 || inner_root->fd < 0 || outer_root->dev != inner_root->dev)
		return 0;
	fd = openat(inner_root->fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 0; /* it may not be entered: the watcher will say so */
	r = lies_within(fd, outer_root);
	if (r != 1)
		return 0;
	if (outer_root->ino == inner_root->ino)
		return fail(error,
			    "drives \"%s\" (%.130s) and \"%s\" (%.130s) are the same directory; remove one",
			    outer->name, outer->path, inner->name, inner->path);
	return fail(
		error,
		"drive \"%s\" (%.130s) lies inside drive \"%s\" (%.130s) on the same file system; remove one",
		inner->name, inner->path, outer->name, outer->path);
}

static int check_pairs(const struct config *c, const struct root *roots, char error[CONFIG_ERROR_MAX])
{
	int r = 0;

	for (size_t i = 0; i < c->drive_count; i++)
		for (size_t j = 0; j < c->drive_count && r == 0; j++)
			if (i != j)
				r = check_pair(&c->drives[i], &roots[i], &c->drives[j], &roots[j], error);
	return r;
}

static int check_all(const struct config *c, struct root *roots, char error[CONFIG_ERROR_MAX])
{
	int r = 0;

	for (size_t i = 0; i < c->drive_count && r == 0; i++)
		r = check_drive(&c->drives[i], &roots[i], error);
	if (r == 0)
		r = check_state_dir(c, roots, error);
	if (r == 0)
		r = check_pairs(c, roots, error);
	return r;
}

int config_check_paths(const struct config *c, uint64_t *devices, char error[CONFIG_ERROR_MAX])
{
	struct root *roots = calloc(c->drive_count + 1, sizeof(*roots));
	int r;

	error[0] = '\0';
	if (roots == NULL)
		return fail(error, "out of memory");
	for (size_t i = 0; i < c->drive_count; i++)
		roots[i].fd = -1;
	r = check_all(c, roots, error);
	for (size_t i = 0; i < c->drive_count; i++) {
		devices[i] = roots[i].readable ? (uint64_t)roots[i].dev : 0;
		if (roots[i].fd >= 0)
			close(roots[i].fd);
	}
	free(roots);
	return r;
}
