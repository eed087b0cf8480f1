#include "watcher/drive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "watcher/volume.h"

/* <linux/magic.h> lacks some of these in older headers. */
enum { MAGIC_FUSE = 0x65735546, MAGIC_NFS = 0x6969, MAGIC_SMB = 0x517B, MAGIC_9P = 0x01021997 };
static const unsigned magic_cifs = 0xFF534D42, magic_smb2 = 0xFE534D42;

static int open_root(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

static int mount_of(int fd, uint64_t *mount, uint64_t *device)
{
	struct statx x;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) != 0)
		return -errno;
	*mount = x.stx_mask & STATX_MNT_ID ? x.stx_mnt_id : 0;
	*device = makedev(x.stx_dev_major, x.stx_dev_minor);
	return 0;
}

/* A line of mountinfo is "id parent dev root point options [tags] - type source options". */
static bool type_in_line(const char *line, uint64_t mount, char *type, size_t room)
{
	const char *sep = strstr(line, " - ");

	if (strtoull(line, NULL, 10) != mount || sep == NULL)
		return false;
	sep += 3;
	snprintf(type, room, "%.*s", (int)strcspn(sep, " "), sep);
	return true;
}

static void find_type(uint64_t mount, char *type, size_t room)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;

	snprintf(type, room, "unknown");
	while (f != NULL && getline(&line, &size, f) > 0) {
		if (type_in_line(line, mount, type, room))
			break;
	}
	free(line);
	if (f != NULL)
		fclose(f);
}

static bool is_remote(unsigned long magic)
{
	return magic == MAGIC_NFS || magic == MAGIC_SMB || magic == magic_cifs || magic == magic_smb2;
}

/* Handles are borrowed and reused on FUSE, and its birth time is 0: there only the inode number is left. What
 * a server far away calls a handle or a birth time is no better known. */
static int choose_rule(struct watch_drive *d, unsigned long magic, enum watch_backend wanted)
{
	if (is_remote(magic) && wanted != WATCH_POLL)
		return -EOPNOTSUPP;
	d->rule.form = FILE_ID_HANDLE;
	if (wanted == WATCH_POLL)
		d->flags |= WATCH_WEAK_BARRIER;
	if (magic == MAGIC_FUSE || magic == MAGIC_9P || is_remote(magic)) {
		d->rule.form = FILE_ID_INODE;
		d->flags |= WATCH_WEAK_BARRIER;
	}
	return 0;
}

static int learn(struct watch_drive *d, enum watch_backend wanted)
{
	struct statfs fs;
	int r = mount_of(d->fd, &d->mount, &d->rule.device);

	if (r == 0 && fstatfs(d->fd, &fs) != 0)
		r = -errno;
	if (r == 0)
		find_type(d->mount, d->fs_type, sizeof(d->fs_type));
	if (r == 0)
		r = choose_rule(d, (unsigned long)fs.f_type, wanted);
	if (r == 0)
		r = entry_id_of_fd(d->fd, &d->rule, &d->root);
	if (r != 0)
		return r;
	d->has_volume = volume_of_fd(d->fd, d->volume) == 0;
	if (d->root.bytes[8] <
	    d->rule.form) /* no handles, or no birth times: all files are identified that way */
		d->rule.form = (enum file_id_form)d->root.bytes[8];
	if (file_id_is_weak(&d->root))
		d->flags |= WATCH_WEAK_IDS;
	return 0;
}

int watch_drive_new(struct watch_drive **out, uint16_t number, const char *path, enum watch_backend wanted)
{
	struct watch_drive *d = calloc(1, sizeof(*d));
	int r = -ENOMEM;

	*out = NULL;
	if (d == NULL)
		return r;
	d->number = number;
	d->fd = -1;
	d->path = strdup(path);
	if (d->path == NULL)
		goto fail;
	r = open_root(path);
	if (r < 0)
		goto fail;
	d->fd = r;
	r = learn(d, wanted);
	if (r != 0)
		goto fail;
	*out = d;
	return 0;
fail:
	watch_drive_free(d);
	return r;
}

void watch_drive_free(struct watch_drive *d)
{
	if (d == NULL)
		return;
	watch_drive_rest(d);
	mounts_clear(&d->nested);
	free(d->path);
	free(d);
}

void watch_drive_rest(struct watch_drive *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

int watch_drive_fd(struct watch_drive *d)
{
	uint64_t mount, device;
	struct file_id id;
	int fd, r;

	if (d->fd >= 0)
		return d->fd;
	fd = open_root(d->path);
	if (fd < 0)
		return fd;
	r = mount_of(fd, &mount, &device);
	if (r == 0)
		r = entry_id_of_fd(fd, &d->rule, &id);
	if (r == 0 && (mount != d->mount || device != d->rule.device || !file_id_equal(&id, &d->root)))
		r = -ESTALE;
	if (r != 0) {
		close(fd);
		return r;
	}
	d->fd = fd;
	return fd;
}

int watch_drive_check(struct watch_drive *d)
{
	int r;

	watch_drive_rest(d);
	r = watch_drive_fd(d);
	return r < 0 ? r : 0;
}

int watch_drive_refresh(struct watch_drive *d)
{
	int fd = watch_drive_fd(d), r;

	if (fd < 0)
		return fd;
	r = entry_of_fd(fd, &d->rule, &d->root, &d->state);
	d->state.mount = false; /* the root may well be a mount point, but its content is what is watched */
	return r;
}
