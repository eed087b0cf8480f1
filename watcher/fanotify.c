/* One fanotify group per file system, one mark on all of it.
 *
 * The mark reports the whole volume, so each event's directory, of which only the handle is told, is routed:
 * `known` says which drive it lies in, `outside` which ones lie in none.  A directory in neither is opened
 * and its ancestors are walked by "..", which knows no path length and cannot be misled by names.  Both sets
 * are only caches: what a rename may have made wrong is dropped and found again.  A directory that left its
 * drive stays in `known` without harm, since the daemon no longer knows its id and drops what is said of it.
 *
 * A wake-up gathers names first and looks at them after its events have left the queue: whatever happens
 * later queues a new event.  While it looks it goes on to empty the queue into `ahead`, for the next one.
 * When the directory cannot be opened any more it was deleted, and its parent's event tells that.
 *
 * An event also tells which file it was about.  Where a name that was written to shows another file, or none,
 * when it is looked at, the file is opened by its handle: if it lives on it has other names, and none of them
 * had an event. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "watcher/backend.h"
#include "watcher/batch.h"
#include "watcher/fanotify_event.h"
#include "watcher/known.h"
#include "watcher/orphans.h"
#include "watcher/place.h"
#include "watcher/read_ahead.h"

enum {
	BATCH_EVENTS = 8192, /* of one wake-up */
	LOOKS_A_FILL = 256,  /* after so many the kernel's queue is emptied again */
	OPEN_DIRS = 256,     /* descriptors kept during a batch */
	OUTSIDE_MAX = 8192,  /* directories remembered to lie in no drive */
	HANDLE_TRIES = 100,  /* to open a handle whose inode's number is being reused */
};

enum { /* batch_name.seen */
       SEEN_MODIFY = 1 << 0,
       SEEN_CLOSE = 1 << 1,
       SEEN_RENAMED = 1 << 2,
       SEEN_CREATED = 1 << 3, /* a directory */
       SEEN_ATTRIB = 1 << 4,
       SEEN_CHANGED = SEEN_MODIFY | SEEN_CLOSE | SEEN_ATTRIB,
       SEEN_OF_CHILD = SEEN_CHANGED | SEEN_CREATED,
};

#define GROUP_FLAGS                                                                                          \
	(FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME_TARGET | FAN_UNLIMITED_MARKS | FAN_NONBLOCK | FAN_CLOEXEC)
#define MARK_MASK                                                                                            \
	(FAN_CREATE | FAN_DELETE | FAN_RENAME | FAN_MODIFY | FAN_CLOSE_WRITE | FAN_ATTRIB | FAN_ONDIR)
#ifndef FAN_MARK_IGNORE_SURV /* since Linux 6.0 */
#define FAN_MARK_IGNORE_SURV (0x00000400 | FAN_MARK_IGNORED_SURV_MODIFY)
#endif
#define MARK_ADD (FAN_MARK_ADD | FAN_MARK_FILESYSTEM)

union handle_buffer {
	struct file_handle handle;
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

struct fanotify_group {
	struct backend base;
	struct read_ahead ahead;
	struct known known, outside;
	struct batch batch;
	struct orphans orphans;
	unsigned open_dirs;
	bool overflow;
	bool left;   /* a directory left its drive … */
	bool forgot; /* … and `known` was cleared, both since the last overflow */
	char target[ENTRY_TARGET_ROOM];
};

static struct fanotify_group *group_of(struct backend *b)
{
	return (struct fanotify_group *)b; /* base is its first member */
}

/* Of form and handle only: events do not tell the inode number. */
static uint64_t handle_hash(const struct file_id *id)
{
	return XXH3_64bits(id->bytes + 8, id->len - 8);
}

/* Trouble of ours, after which nobody knows what was there. */
static bool is_shortage(int error)
{
	return error == -ENOMEM || error == -EMFILE || error == -ENFILE || error == -EIO;
}

/* While an inode's number is being given to a new file, ext4 answers ENOMEM for the old one's handle
 * (iget_locked() finds an inode that is being created, and ext4_iget() takes that for no memory): a moment
 * later it is ESTALE. */
static int open_handle(int mount_fd, struct file_handle *handle, int flags)
{
	const struct timespec moment = {.tv_nsec = 100000};
	int fd = open_by_handle_at(mount_fd, handle, flags);

	for (int i = 0; fd < 0 && errno == ENOMEM && i < HANDLE_TRIES; i++) {
		nanosleep(&moment, NULL);
		fd = open_by_handle_at(mount_fd, handle, flags);
	}
	return fd < 0 ? -errno : fd;
}

static int open_by_id(struct watch_drive *d, const struct file_id *id, int flags)
{
	int mount_fd = watch_drive_fd(d), r;
	union handle_buffer h;

	if (mount_fd < 0) { /* says nothing of what is looked for: that must not count as gone */
		if (d->backend != NULL)
			d->backend->check = true;
		return is_shortage(mount_fd) ? mount_fd : -ENODEV;
	}
	r = file_id_to_handle(id, &h.handle);
	if (r != 0)
		return r;
	return open_handle(mount_fd, &h.handle, flags | O_CLOEXEC);
}

/* An event could not be looked into.  A root that is not there concerns its own drive alone; whatever else is
 * wrong may concern all. */
static void note_trouble(struct fanotify_group *g, struct watch_drive *d, int error)
{
	g->overflow |= is_shortage(error);
	d->lost |= error == -ENODEV;
}

static int open_dir_by_id(struct watch_drive *d, const struct file_id *id, int flags)
{
	return open_by_id(d, id, flags | O_DIRECTORY);
}

/* An unlinked directory that somebody keeps open can still be opened, but it is nowhere. */
static int refuse_unlinked(int fd, struct stat *st)
{
	if (fstat(fd, st) != 0)
		return -errno;
	return st->st_nlink == 0 ? -ESTALE : 0;
}

static int group_open_dir(struct backend *b, struct watch_drive *d, const struct file_id *dir,
			  enum open_purpose purpose)
{
	int fd = open_dir_by_id(d, dir, purpose == OPEN_TO_SCAN ? O_RDONLY : O_PATH), r;
	struct stat st;

	(void)b;
	if (fd < 0)
		return fd;
	r = refuse_unlinked(fd, &st);
	if (r != 0) {
		close(fd);
		return r;
	}
	return fd;
}

/* The mark is there already; a directory that somebody scans lies in his drive, whatever was thought before.
 */
static int group_watch_dir(struct backend *b, struct watch_drive *d, const struct file_id *dir, int fd)
{
	struct fanotify_group *g = group_of(b);

	(void)fd;
	known_put(&g->known, handle_hash(dir), d->number);
	known_forget(&g->outside, handle_hash(dir));
	return 0;
}

static void group_saw(struct backend *b, struct watch_drive *d, const struct observation *o)
{
	struct fanotify_group *g = group_of(b);

	if (o->type != OBSERVED_ENTRY || o->state.kind != ENTRY_DIR || o->state.mount)
		return;
	known_put(&g->known, handle_hash(&o->id), d->number);
	known_forget(&g->outside, handle_hash(&o->id));
}

static void forget_known(struct fanotify_group *g)
{
	g->forgot |= g->known.count > 0;
	known_clear(&g->known);
}

/* Routing: which drive does an unknown directory lie in? */

static struct watch_drive *find_drive(struct fanotify_group *g, uint16_t number)
{
	struct watch_drive *d;

	TAILQ_FOREACH(d, g->base.all, link)
	{
		if (d->number == number && d->backend == &g->base)
			return d;
	}
	return NULL;
}

/* Opened under each drive's own root: a bind mount cannot walk out of what it shows.  NULL: it lies in none,
 * unless *unsure: something was in the way of finding out. */
static struct watch_drive *discover(struct fanotify_group *g, const struct file_id *dir, bool *unsure)
{
	struct watch_drive *d;

	TAILQ_FOREACH(d, g->base.all, link)
	{
		int fd, inside;

		if (d->backend != &g->base)
			continue;
		fd = inside = open_dir_by_id(d, dir, O_PATH);
		if (fd >= 0) {
			inside = place_inside(fd, file_id_inode(&d->root), d->rule.device, d->mount);
			close(fd);
		}
		if (inside == 1)
			return d;
		note_trouble(g, d, inside);
		*unsure |= inside < 0 && inside != -ESTALE;
	}
	return NULL;
}

/* While events are gathered nothing may be remembered as outside: a directory that was created a few events
 * ago, and is on a trip, would have its names dropped and then be told as FRESH. */
static struct watch_drive *route_unremembered(struct fanotify_group *g, const struct file_id *dir,
					      bool *unsure)
{
	uint64_t hash = handle_hash(dir);
	int number = known_get(&g->known, hash);
	struct watch_drive *d = number == KNOWN_NOT ? NULL : find_drive(g, (uint16_t)number);

	if (d != NULL || known_get(&g->outside, hash) != KNOWN_NOT)
		return d;
	d = discover(g, dir, unsure);
	if (d != NULL)
		known_put(&g->known, hash, d->number);
	return d;
}

static struct watch_drive *route(struct fanotify_group *g, const struct file_id *dir)
{
	bool unsure = false;
	struct watch_drive *d = route_unremembered(g, dir, &unsure);

	if (d != NULL || unsure)
		return d;
	if (g->outside.count >= OUTSIDE_MAX)
		known_clear(&g->outside);
	known_put(&g->outside, handle_hash(dir), 0);
	return NULL;
}

/* Gathering. */

static bool is_outside(const struct fanotify_group *g, const struct file_id *dir)
{
	return known_get(&g->outside, handle_hash(dir)) != KNOWN_NOT;
}

static void add_orphan(struct fanotify_group *g, const struct file_id *id)
{
	if (id->len > 0 && orphans_add(&g->orphans, id, handle_hash(id)) != 0)
		g->overflow = true;
}

/* What was changed under this name is not what stands there. */
static void note_orphan(struct fanotify_group *g, const struct batch_name *n)
{
	if (n->seen & SEEN_CHANGED)
		add_orphan(g, &n->child);
}

static void gather(struct fanotify_group *g, const struct fanotify_name *n, const struct file_id *child,
		   unsigned seen)
{
	struct batch_name *name;

	if (n->dir.len == 0 || n->name == NULL || n->len == 0 || n->len > UINT8_MAX || is_outside(g, &n->dir))
		return;
	name = batch_add(&g->batch, &n->dir, n->name, n->len);
	if (name == NULL) {
		g->overflow = true; /* no memory: something is lost */
		return;
	}
	/* A name may stand for several files within a batch; what is told of it is about the last one. */
	if (seen & SEEN_OF_CHILD && !file_id_equal(&name->child, child)) {
		note_orphan(g, name);
		name->seen &= (uint16_t)~SEEN_OF_CHILD;
		name->child = *child;
	}
	name->seen |= (uint16_t)seen;
}

/* A directory changes its place, and all below it with it: what the caches say of them may be wrong now.
 *
 * Of a directory that left its drive `known` goes on to report, so that nothing is missed should it come back
 * before the daemon took note.  Once `known` has been cleared that is not so, and all must be compared. */
static void note_moved(struct fanotify_group *g, const struct fanotify_event *e)
{
	bool unsure = false;
	struct watch_drive *from = e->from.dir.len == 0 ? NULL : route_unremembered(g, &e->from.dir, &unsure);
	struct watch_drive *to = e->to.dir.len == 0 ? NULL : route_unremembered(g, &e->to.dir, &unsure);

	g->base.check = true;
	if (to == NULL) {
		g->left |= from != NULL;
		return;
	}
	known_clear(&g->outside);
	if (from == to)
		return;
	if (from == NULL && g->left && g->forgot) {
		g->overflow = true;
		g->left = g->forgot = false;
	}
	if (g->base.drives > 1)
		forget_known(g);
}

static unsigned seen_of(uint64_t mask)
{
	unsigned seen = 0;

	if (mask & FAN_MODIFY)
		seen |= SEEN_MODIFY;
	if (mask & FAN_CLOSE_WRITE)
		seen |= SEEN_CLOSE;
	if (mask & FAN_ATTRIB && !(mask & FAN_ONDIR))
		seen |= SEEN_ATTRIB;
	if (mask & FAN_CREATE && mask & FAN_ONDIR)
		seen |= SEEN_CREATED;
	return seen;
}

static void gather_event(struct fanotify_group *g, const struct fanotify_event *e)
{
	if (e->mask & (FAN_Q_OVERFLOW | FAN_FS_ERROR)) {
		g->overflow = true;
		return;
	}
	if (e->mask & FAN_ONDIR && e->mask & FAN_RENAME)
		note_moved(g, e);
	if (e->mask & FAN_ONDIR && e->mask & FAN_DELETE) {
		g->base.check = true;
		if (e->child.len > 0)
			known_forget(&g->known, handle_hash(&e->child));
	}
	/* Only a link count changes under no name.  The name that came or went is told, unless it was outside
	 * or its directory is gone; the others are not. */
	if (e->mask & FAN_ATTRIB && !(e->mask & FAN_ONDIR) && e->at.dir.len == 0)
		add_orphan(g, &e->child);
	gather(g, &e->at, &e->child, seen_of(e->mask));
	gather(g, &e->from, &e->child, 0);
	gather(g, &e->to, &e->child, SEEN_RENAMED);
}

/* Looking. */

static void close_dirs(struct fanotify_group *g)
{
	for (size_t i = 0; i < g->batch.dir_count; i++) {
		if (g->batch.dirs[i].fd >= 0)
			close(g->batch.dirs[i].fd);
		g->batch.dirs[i].fd = -1;
	}
	g->open_dirs = 0;
}

/* Now that it is open its inode number is known too, and its id is whole. */
static int complete_id(int fd, struct file_id *id)
{
	union handle_buffer h;
	struct stat st;
	int r = refuse_unlinked(fd, &st);

	if (r == 0)
		r = file_id_to_handle(id, &h.handle);
	return r == 0 ? file_id_from_handle(id, st.st_ino, &h.handle) : r;
}

static bool open_batch_dir(struct fanotify_group *g, struct batch_dir *dir)
{
	int r;

	if (dir->fd >= 0)
		return true;
	if (dir->error != 0)
		return false;
	if (dir->drive == NULL)
		dir->drive = route(g, &dir->id);
	if (dir->drive == NULL) {
		dir->error = -EXDEV;
		return false;
	}
	if (g->open_dirs >= OPEN_DIRS)
		close_dirs(g);
	dir->fd = open_dir_by_id(dir->drive, &dir->id, O_PATH);
	r = dir->fd < 0 ? dir->fd : complete_id(dir->fd, &dir->id);
	if (r == 0) {
		g->open_dirs++;
		return true;
	}
	if (dir->fd >= 0)
		close(dir->fd);
	dir->fd = -1;
	dir->error = r;
	g->base.check = true; /* mostly it was deleted, but the root may be gone */
	note_trouble(g, dir->drive, r);
	return false;
}

/* By handle alone, as handle_hash(). */
static bool same_handle(const struct file_id *a, const struct file_id *b)
{
	return a->len == b->len && a->len > 8 && memcmp(a->bytes + 8, b->bytes + 8, a->len - 8) == 0;
}

/* A directory that was moved here after it was created may have been elsewhere meanwhile. */
static unsigned flags_of(const struct batch_name *n, const struct observation *o)
{
	unsigned flags = n->seen & SEEN_RENAMED ? OBSERVED_RENAMED : 0;

	if (o->state.mount || !same_handle(&n->child, &o->id))
		return flags;
	if (n->seen & SEEN_CREATED && o->state.kind == ENTRY_DIR && flags == 0)
		flags |= OBSERVED_FRESH;
	if (n->seen & SEEN_CLOSE)
		flags |= OBSERVED_CLOSED;
	else if (n->seen & SEEN_MODIFY)
		flags |= OBSERVED_WRITING;
	return flags;
}

static void look_under(struct fanotify_group *g, struct watch_drive *d, int dir_fd, struct observation *o,
		       const struct batch_name *n)
{
	int r = entry_look(dir_fd, o->name, &d->rule, o, g->target);

	o->drive = d->number;
	if (r == 0) {
		o->type = OBSERVED_ENTRY;
		o->flags = (uint16_t)flags_of(n, o);
	} else if (r == ENTRY_ABSENT) {
		o->type = OBSERVED_GONE;
		o->flags = n->seen & SEEN_CLOSE ? OBSERVED_CLOSED : 0;
	} else {
		g->overflow |= r != -ESTALE && r != -EACCES;
		return;
	}
	group_saw(&g->base, d, o);
	channel_emit(g->base.channel, o);
}

/* An event on the directory itself: look at its own name in its parent. */
static void look_at_self(struct fanotify_group *g, const struct batch_dir *dir, const struct batch_name *n)
{
	struct watch_drive *d = dir->drive;
	struct observation o = {0};
	char name[PLACE_NAME_ROOM];
	int parent;

	if (file_id_inode(&dir->id) == file_id_inode(&d->root))
		return; /* the root has no name */
	parent = place_of_dir(dir->fd, name);
	if (parent < 0)
		return; /* it is being moved or removed, which is an event of its own */
	o.name = name;
	o.name_len = strlen(name);
	if (entry_id_of_fd(parent, &d->rule, &o.dir) == 0)
		look_under(g, d, parent, &o, n);
	close(parent);
}

static void look_at(struct fanotify_group *g, const struct batch_name *n)
{
	struct batch_dir *dir = &g->batch.dirs[n->dir];
	struct observation o = {.name = g->batch.bytes + n->at, .name_len = n->len};

	if (!open_batch_dir(g, dir)) {
		note_orphan(g, n);
		return;
	}
	if (n->len == 1 && o.name[0] == '.') {
		look_at_self(g, dir, n);
		return;
	}
	o.dir = dir->id;
	look_under(g, dir->drive, dir->fd, &o, n);
	if (o.type != OBSERVED_ENTRY || !same_handle(&n->child, &o.id))
		note_orphan(g, n);
	if (o.type == OBSERVED_ENTRY && n->seen & SEEN_RENAMED)
		orphans_placed(&g->orphans, handle_hash(&o.id));
}

static int open_anywhere(struct fanotify_group *g, const struct file_id *id, struct watch_drive **drive)
{
	struct watch_drive *d;
	int fd = -ESTALE;

	TAILQ_FOREACH(d, g->base.all, link)
	{
		if (d->backend != &g->base)
			continue;
		fd = open_by_id(d, id, O_PATH);
		note_trouble(g, d, fd);
		*drive = d;
		if (fd >= 0)
			break;
	}
	return fd;
}

/* The daemon knows which of its drives have a name of this file. */
static void tell_orphan(struct fanotify_group *g, const struct file_id *id)
{
	struct observation o = {.type = OBSERVED_FILE};
	struct watch_drive *d = NULL;
	int fd = open_anywhere(g, id, &d), r;

	if (fd < 0)
		return;
	r = entry_of_fd(fd, &d->rule, &o.id, &o.state);
	close(fd);
	if (r != 0 || o.state.kind == ENTRY_DIR || o.state.links == 0)
		return;
	TAILQ_FOREACH(d, g->base.all, link)
	{
		o.drive = d->number;
		if (d->backend == &g->base)
			channel_emit(g->base.channel, &o);
	}
}

static void tell_orphans(struct fanotify_group *g)
{
	for (size_t i = 0; i < g->orphans.count && !channel_closed(g->base.channel); i++) {
		const struct file_id *id = &g->orphans.ids[i];

		if (!orphans_is_placed(&g->orphans, handle_hash(id)))
			tell_orphan(g, id);
	}
}

static int fill(struct fanotify_group *g)
{
	int r = read_ahead_fill(&g->ahead, g->base.fd);

	g->base.ahead_bytes = read_ahead_waiting(&g->ahead);
	return r;
}

/* FIONREAD counts of each event that waits its fixed part alone, so that is what is returned. */
static ssize_t gather_events(struct fanotify_group *g)
{
	size_t before = read_ahead_waiting(&g->ahead);
	struct fanotify_event e;

	for (size_t n = 0; n < BATCH_EVENTS && g->batch.name_count < BATCH_NAMES; n++) {
		int r = read_ahead_next(&g->ahead, &e);

		if (r < 0)
			return r;
		if (r == 0)
			break;
		gather_event(g, &e);
	}
	g->base.ahead_bytes = read_ahead_waiting(&g->ahead);
	return (ssize_t)(before - g->base.ahead_bytes);
}

static int look_at_names(struct fanotify_group *g)
{
	int r = 0;

	for (size_t i = 0; i < g->batch.name_count && !channel_closed(g->base.channel); i++) {
		look_at(g, &g->batch.names[i]);
		if (r == 0 && i % LOOKS_A_FILL == LOOKS_A_FILL - 1)
			r = fill(g);
	}
	return r;
}

static ssize_t group_read(struct backend *b)
{
	struct fanotify_group *g = group_of(b);
	ssize_t n;
	int r;

	batch_clear(&g->batch);
	orphans_clear(&g->orphans);
	g->overflow = false;
	r = fill(g);
	n = r == 0 ? gather_events(g) : r;
	if (n <= 0)
		return n;
	r = look_at_names(g);
	close_dirs(g);
	tell_orphans(g);
	if (g->overflow)
		channel_emit(b->channel, &(struct observation){.type = OBSERVED_OVERFLOW});
	channel_end_batch(b->channel);
	return r == 0 ? n : r;
}

/* Marks and drives. */

static int probe_handles(struct watch_drive *d)
{
	struct file_id id;
	int fd, r;

	if (d->rule.form != FILE_ID_HANDLE)
		return -EOPNOTSUPP;
	fd = open_dir_by_id(d, &d->root, O_PATH);
	if (fd < 0)
		return fd;
	r = entry_id_of_fd(fd, &d->rule, &id);
	close(fd);
	return r == 0 && !file_id_equal(&id, &d->root) ? -EOPNOTSUPP : r;
}

static const char *why_no_mark(int error)
{
	switch (error) {
	case -EXDEV:
		return "it is a btrfs subvolume, or events of it could not be told from others'";
	case -ENODEV:
		return "it has no file system id";
	case -EOPNOTSUPP:
		return "it has no file handles that can be opened";
	case -EPERM:
		return "the capabilities CAP_SYS_ADMIN and CAP_DAC_READ_SEARCH are needed";
	default:
		return strerror(-error);
	}
}

static int mark(struct fanotify_group *g, int root_fd)
{
	/* FS_ERROR is accepted where it exists, and missed nowhere else. */
	if (fanotify_mark(g->base.fd, MARK_ADD, MARK_MASK | FAN_FS_ERROR, root_fd, NULL) == 0)
		return 0;
	if (errno == EINVAL && fanotify_mark(g->base.fd, MARK_ADD, MARK_MASK, root_fd, NULL) == 0)
		return 0;
	return -errno;
}

static int group_add(struct backend *b, struct watch_drive *d, const char **why)
{
	struct fanotify_group *g = group_of(b);
	int fd = watch_drive_fd(d), r;

	r = fd < 0 ? fd : probe_handles(d);
	if (r == 0)
		r = mark(g, fd);
	if (r != 0) {
		*why = why_no_mark(r);
		return r;
	}
	forget_known(g); /* directories of the new drive may have been another's until now */
	known_clear(&g->outside);
	return 0;
}

/* The last drive of a group takes it along; until then the mark serves the others. */
static void group_remove(struct backend *b, struct watch_drive *d)
{
	(void)d;
	forget_known(group_of(b));
}

/* Unmounting takes the mark away without an event.  Removing a bit that was never set changes nothing, but
 * says ENOENT when there is no mark. */
static bool group_alive(struct backend *b, struct watch_drive *d)
{
	int fd = watch_drive_fd(d);

	return fd >= 0 &&
	       fanotify_mark(b->fd, FAN_MARK_REMOVE | FAN_MARK_FILESYSTEM, FAN_ACCESS, fd, NULL) == 0;
}

/* What lies below a mount point is not in the drive, as long as it is one. */
static void group_mounts_changed(struct backend *b, struct watch_drive *d)
{
	struct fanotify_group *g = group_of(b);

	(void)d;
	forget_known(g);
	known_clear(&g->outside);
}

/* The mark on the file system goes on to report the rest.  Neither a directory's mark nor its being ignored
 * reaches further than to what is right in it. */
static int group_ignore(struct backend *b, int dir_fd)
{
	return fanotify_mark(b->fd, FAN_MARK_ADD | FAN_MARK_IGNORE_SURV, MARK_MASK | FAN_EVENT_ON_CHILD,
			     dir_fd, NULL) == 0
		       ? 0
		       : -errno;
}

static void group_free(struct backend *b)
{
	struct fanotify_group *g = group_of(b);

	if (b->fd >= 0)
		close(b->fd);
	read_ahead_deinit(&g->ahead);
	known_deinit(&g->known);
	known_deinit(&g->outside);
	batch_deinit(&g->batch);
	orphans_deinit(&g->orphans);
	free(g);
}

static const struct backend_ops group_ops = {
	.add = group_add,
	.remove = group_remove,
	.open_dir = group_open_dir,
	.watch_dir = group_watch_dir,
	.saw = group_saw,
	.read = group_read,
	.alive = group_alive,
	.mounts_changed = group_mounts_changed,
	.ignore = group_ignore,
	.free = group_free,
};

/* Where a sandbox refuses the unlimited queue, fs.fanotify.max_queued_events bounds it: what it loses it
 * says. */
static int open_group(void)
{
	int fd = fanotify_init(GROUP_FLAGS | FAN_UNLIMITED_QUEUE, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == EPERM)
		fd = fanotify_init(GROUP_FLAGS, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int fanotify_backend_new(struct backend **out, struct channel *channel, const struct watch_drive_list *drives,
			 const char **why)
{
	struct fanotify_group *g = calloc(1, sizeof(*g));
	int r = -ENOMEM;

	*out = NULL;
	*why = "there is no memory";
	if (g == NULL)
		return r;
	g->base = (struct backend){
		.ops = &group_ops, .kind = WATCH_FANOTIFY, .channel = channel, .all = drives};
	g->base.fd = open_group();
	if (g->base.fd < 0) {
		r = g->base.fd;
		*why = r == -EINVAL || r == -ENOSYS ? "the kernel is older than 5.17" : why_no_mark(r);
		group_free(&g->base);
		return r;
	}
	*out = &g->base;
	return 0;
}
