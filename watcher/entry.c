/* A name is pinned by O_PATH first and everything is then asked of that descriptor: two calls by name could
 * speak of two files, and an identity with another file's state would be journalled as a change that never
 * was.
 *
 * A list has many names that nobody touches, and there a pin costs as much as all the rest.  Every way to put
 * another inode at a name (creation, rename, exchange, link) sets that inode's ctime, so when the ctime that
 * was read last is older than the first of two calls by name, and the mount is the same, both spoke of one
 * inode.
 *
 * Most of a list is known to who asked for it, and for that a handle is too much: one more call for each
 * file. The inode number and the birth time say as much, unless the number was given to another file before
 * the file system's clock had moved on (a handle has the inode's generation for that).  So of a file that is
 * no older than that clock is coarse no birth time is told at all: nobody remembers one that two files could
 * have, and it is found to be another one, which costs a look, until somebody sees it again. */
#include "watcher/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

enum { LOOK_MASK = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID };
enum { UNTOUCHED_S = 1 }; /* ctime and birth time come from a coarse clock */
#define MOUNT_BIT (UINT64_C(1) << 63)

union handle_buffer {
	struct file_handle handle;
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

static struct entry_time time_of(const struct statx_timestamp *t)
{
	return (struct entry_time){.seconds = t->tv_sec, .nanoseconds = t->tv_nsec};
}

/* What statx(2) says, and the clock before it did. */
struct stat_look {
	struct timespec since;
	struct statx x;
};

static bool kind_of(uint16_t mode, enum entry_kind *kind)
{
	if (S_ISREG(mode))
		*kind = ENTRY_FILE;
	else if (S_ISDIR(mode))
		*kind = ENTRY_DIR;
	else if (S_ISLNK(mode))
		*kind = ENTRY_SYMLINK;
	else
		return false;
	return true;
}

static bool is_mount(const struct statx *x, const struct entry_rule *rule)
{
	if (x->stx_attributes_mask & x->stx_attributes & STATX_ATTR_MOUNT_ROOT)
		return true;
	return S_ISDIR(x->stx_mode) && makedev(x->stx_dev_major, x->stx_dev_minor) != rule->device;
}

static bool has_birth(const struct statx *x)
{
	return x->stx_mask & STATX_BTIME && (x->stx_btime.tv_sec != 0 || x->stx_btime.tv_nsec != 0);
}

static int id_by_handle(int fd, uint64_t inode, struct file_id *id)
{
	union handle_buffer h;
	int mount;

	h.handle.handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(fd, "", &h.handle, &mount, AT_EMPTY_PATH) != 0)
		return -errno;
	return file_id_from_handle(id, inode, &h.handle);
}

static int id_of(int fd, const struct statx *x, const struct entry_rule *rule, struct file_id *id)
{
	int r;

	if (rule->form == FILE_ID_HANDLE) {
		r = id_by_handle(fd, x->stx_ino, id);
		if (r != -EOPNOTSUPP && r != -EOVERFLOW)
			return r;
	}
	if (rule->form != FILE_ID_INODE && has_birth(x))
		file_id_from_birth(id, x->stx_ino, x->stx_btime.tv_sec, x->stx_btime.tv_nsec);
	else
		file_id_from_inode(id, x->stx_ino);
	return 0;
}

static int look_by_name(int dir_fd, const char *name, int flags, struct stat_look *l)
{
	if (clock_gettime(CLOCK_REALTIME_COARSE, &l->since) != 0)
		return -errno;
	return statx(dir_fd, name, flags | AT_NO_AUTOMOUNT, LOOK_MASK, &l->x) == 0 ? 0 : -errno;
}

static int look_by_fd(int fd, struct stat_look *l)
{
	return look_by_name(fd, "", AT_EMPTY_PATH, l);
}

/* May its inode number be given to another file that would have the same birth time? */
static bool is_young(const struct stat_look *l)
{
	return S_ISREG(l->x.stx_mode) && l->x.stx_btime.tv_sec >= l->since.tv_sec - UNTOUCHED_S;
}

static int state_of(const struct stat_look *l, const struct entry_rule *rule, struct entry_state *state)
{
	const struct statx *x = &l->x;

	if (!kind_of(x->stx_mode, &state->kind))
		return ENTRY_ABSENT;
	state->mount = is_mount(x, rule);
	state->mode = x->stx_mode & 07777;
	state->uid = x->stx_uid;
	state->gid = x->stx_gid;
	state->links = x->stx_nlink;
	state->size = x->stx_size;
	state->mtime = time_of(&x->stx_mtime);
	state->ctime = time_of(&x->stx_ctime);
	state->birth = has_birth(x) && !is_young(l) ? time_of(&x->stx_btime) : (struct entry_time){0};
	return 0;
}

int entry_of_fd(int fd, const struct entry_rule *rule, struct file_id *id, struct entry_state *state)
{
	struct stat_look l;
	int r = look_by_fd(fd, &l);

	if (r == 0)
		r = state_of(&l, rule, state);
	return r == 0 ? id_of(fd, &l.x, rule, id) : r;
}

int entry_id_of_fd(int fd, const struct entry_rule *rule, struct file_id *id)
{
	struct entry_state state;

	return entry_of_fd(fd, rule, id, &state);
}

/* What is mounted here may have the identity of something that is on the drive as well (all roots of ext4
 * look alike, a bind mount shows one directory twice), and the kernel gives a mount's number to the next one.
 * So a mount point is identified by its place, as a weak id, whatever is mounted there. */
static int id_of_mount(int dir_fd, const char *name, struct file_id *id)
{
	struct stat_look dir;
	int r = look_by_fd(dir_fd, &dir);

	if (r == 0)
		file_id_from_inode(id, MOUNT_BIT | XXH3_64bits_withSeed(name, strlen(name), dir.x.stx_ino));
	return r;
}

static int read_target(int fd, struct observation *o, char *target)
{
	ssize_t n = readlinkat(fd, "", target, ENTRY_TARGET_ROOM - 1);

	if (n < 0)
		return -errno;
	o->target_len = (size_t)n;
	return 0;
}

static int look_at_fd(int fd, int dir_fd, const char *name, const struct entry_rule *rule,
		      struct observation *o, char *target)
{
	struct stat_look l;
	int r = look_by_fd(fd, &l);

	o->target = target;
	o->target_len = 0;
	if (r == 0)
		r = state_of(&l, rule, &o->state);
	if (r == 0 && o->state.mount)
		r = id_of_mount(dir_fd, name, &o->id);
	else if (r == 0)
		r = id_of(fd, &l.x, rule, &o->id);
	if (r == 0 && o->state.kind == ENTRY_SYMLINK)
		r = read_target(fd, o, target);
	return r;
}

int entry_look(int dir_fd, const char *name, const struct entry_rule *rule, struct observation *o,
	       char target[ENTRY_TARGET_ROOM])
{
	int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0)
		return errno == ENOENT ? ENTRY_ABSENT : -errno;
	r = look_at_fd(fd, dir_fd, name, rule, o, target);
	close(fd);
	return r;
}

static bool is_untouched(const struct statx *x, const struct timespec *since, int mount)
{
	return x->stx_mask & STATX_MNT_ID && x->stx_mnt_id == (uint64_t)mount &&
	       x->stx_ctime.tv_sec < since->tv_sec - UNTOUCHED_S;
}

/* A file or directory that has been at its name for a while.  False: nothing is known, pin it. */
static bool look_at_untouched(int dir_fd, const char *name, const struct entry_rule *rule,
			      struct observation *o)
{
	union handle_buffer h = {.handle.handle_bytes = MAX_HANDLE_SZ};
	struct timespec since;
	struct stat_look l;
	int mount;

	if (clock_gettime(CLOCK_REALTIME_COARSE, &since) != 0 ||
	    name_to_handle_at(dir_fd, name, &h.handle, &mount, 0) != 0 ||
	    look_by_name(dir_fd, name, AT_SYMLINK_NOFOLLOW, &l) != 0)
		return false;
	if (!is_untouched(&l.x, &since, mount) || state_of(&l, rule, &o->state) != 0)
		return false;
	if (o->state.mount || o->state.kind == ENTRY_SYMLINK)
		return false;
	return file_id_from_handle(&o->id, l.x.stx_ino, &h.handle) == 0;
}

int entry_look_listed(int dir_fd, const char *name, const struct entry_rule *rule, struct observation *o,
		      char target[ENTRY_TARGET_ROOM])
{
	o->target = target;
	o->target_len = 0;
	if (rule->form == FILE_ID_HANDLE && look_at_untouched(dir_fd, name, rule, o))
		return 0;
	return entry_look(dir_fd, name, rule, o, target);
}

/* One call, so all that it says is of one inode. */
static bool look_briefly(int dir_fd, const char *name, const struct entry_rule *rule, struct observation *o)
{
	const struct statx *x;
	struct stat_look l;

	if (look_by_name(dir_fd, name, AT_SYMLINK_NOFOLLOW, &l) != 0)
		return false;
	x = &l.x;
	if (!S_ISREG(x->stx_mode) || !has_birth(x) || is_young(&l) || state_of(&l, rule, &o->state) != 0 ||
	    o->state.mount)
		return false;
	file_id_from_birth(&o->id, x->stx_ino, x->stx_btime.tv_sec, x->stx_btime.tv_nsec);
	o->flags |= OBSERVED_BRIEF;
	return true;
}

int entry_look_known(int dir_fd, const char *name, const struct entry_rule *rule, struct observation *o,
		     char target[ENTRY_TARGET_ROOM])
{
	o->target = target;
	o->target_len = 0;
	if (rule->form == FILE_ID_HANDLE && look_briefly(dir_fd, name, rule, o))
		return 0;
	return entry_look_listed(dir_fd, name, rule, o, target);
}
