/* One inotify instance per drive, one watch per directory.
 *
 * A directory gets its watch before it is listed, at each scan; what happens in it afterwards raises events,
 * so nothing falls between.  A directory that is created or moved in is reported without FRESH: the daemon
 * scans it, and its subdirectories, and each scan places a watch first.  That may be a while from now, so the
 * first look at a new directory watches it too, and looks at what is in it as if there had been events: what
 * was moved there is found before its old name counts as gone.
 *
 * Directories are opened by walking from the root along the tree, one component at a time, and what is found
 * must have the id that was asked for.  The tree may be behind the file system; then the walk fails, the
 * events that say so are waiting already, and looking at the names they carry repairs the tree.  So names
 * whose directory cannot be opened are looked at again after the others, and after more events.
 *
 * A directory that leaves the drive loses its watches.  Should it come back, the daemon may take it for one
 * that only moved, and what happened to it outside was not seen: then everything must be compared, and
 * OVERFLOW says so.
 *
 * A directory that may not be read any more, or lies where nobody gets to, loses its watch: what happens in
 * it cannot be looked at.  OVERFLOW says so once, and the daemon scans it again when its rights change, which
 * places a watch first.
 *
 * When the kernel allows no more watches, the directories without one are counted and the daemon is told: it
 * then scans everything again and again, and each scan tries to place the watch. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "watcher/backend.h"
#include "watcher/batch.h"
#include "watcher/inotify_tree.h"
#include "watcher/known.h"
#include "watcher/recent.h"
#include "watcher/tree_walk.h"
#include "watcher/watch_limit.h"

enum {
	READ_BYTES = 64 * 1024,
	BATCH_BYTES = 512 * 1024,
	OPEN_DIRS = 256,
	HALF_WAIT_MS = 2, /* for the other half of a rename */
	RETRIES = 20,     /* milliseconds to wait for what explains why a directory cannot be opened */
	DETACHED_MS =
		5000, /* how long a directory may be nowhere before it counts as gone from the drive … */
	DETACHED_QUIETS = 4, /* … or for how many reads in a row that come because nothing happens at all */
	WAITING_MAX = 4096,  /* names in such directories */
	LEFT_MAX = 65536,    /* directories remembered that left the drive, or that are no more */
};

enum { /* batch_name.seen */
       SEEN_MODIFY = 1 << 0,
       SEEN_CLOSE = 1 << 1,
       SEEN_MOVED_TO = 1 << 2,
       SEEN_MOVED_FROM = 1 << 3,
       SEEN_DELETE = 1 << 4,
       SEEN_DONE = 1 << 5, /* looked at, or not worth it */
       SEEN_CREATE = 1 << 6,
};

/* Without IN_EXCL_UNLINK: FUSE drops a name from the kernel's cache when it is looked up at a bad moment, and
 * what is written to a file that was open then would count as written to an unlinked one. */
#define WATCH_MASK                                                                                           \
	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB |      \
	 IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct inotify_instance {
	struct backend base;
	struct watch_drive *drive;
	struct inotify_tree tree;
	struct batch batch, waiting; /* `waiting`: names whose directory is detached, for the next read */
	struct known left;           /* directories that left the drive */
	struct recent deleted;       /* directories that are no more */
	struct tree_walk walk;
	size_t told_refused; /* directories without a watch, as the daemon knows */
	bool lost;     /* the queue was full: told behind what was in it, half of which may be missing */
	uint32_t half; /* cookie of a rename whose new name has not come yet; 0: none */
	unsigned open_dirs;
	char target[ENTRY_TARGET_ROOM];
	_Alignas(struct inotify_event) char buf[READ_BYTES];
};

static struct inotify_instance *instance_of(struct backend *b)
{
	return (struct inotify_instance *)b; /* base is its first member */
}

/* Something was not seen: all is to be compared, and with that the past is settled. */
static void say_overflow(struct inotify_instance *in)
{
	channel_emit(in->base.channel,
		     &(struct observation){.type = OBSERVED_OVERFLOW, .drive = in->drive->number});
	known_clear(&in->left);
}

/* Opening directories. */

/* -ESTALE: it is not where it was seen last. */
static int open_node(struct inotify_instance *in, struct tree_node *n)
{
	return tree_walk_open(&in->walk, &in->tree, in->drive, n);
}

static bool wait_events(struct inotify_instance *in, int ms)
{
	struct pollfd p = {.fd = in->base.fd, .events = POLLIN};

	return poll(&p, 1, ms) > 0;
}

static ssize_t instance_read(struct backend *b);

static int try_open(struct inotify_instance *in, const struct file_id *dir)
{
	struct tree_node *n = inotify_tree_by_id(&in->tree, dir);

	if (n == NULL)
		return !recent_has(&in->deleted, file_id_hash(dir)) &&
				       known_get(&in->left, file_id_hash(dir)) == KNOWN_NOT
			       ? -EBUSY
			       : -ESTALE;
	if (n->deleted)
		return -ESTALE;
	return inotify_tree_depth(&in->tree, n) < 0 ? -EAGAIN : open_node(in, n);
}

/* When it is not where the tree has it, the events that tell where it is are waiting. */
static int instance_open_dir(struct backend *b, struct watch_drive *d, const struct file_id *dir,
			     enum open_purpose purpose)
{
	struct inotify_instance *in = instance_of(b);
	int fd = try_open(in, dir);

	(void)d;
	for (unsigned silent_ms = 0; fd == -ESTALE && silent_ms < RETRIES; fd = try_open(in, dir)) {
		struct tree_node *n = inotify_tree_by_id(&in->tree, dir);

		if (n == NULL || n->deleted)
			return -ESTALE;
		silent_ms = wait_events(in, 1) ? 0 : silent_ms + 1;
		if (instance_read(b) < 0)
			break;
	}
	if (fd == -ESTALE) /* it exists, as far as anybody said */
		return -EBUSY;
	return fd >= 0 && purpose == OPEN_TO_SCAN ? tree_walk_readable(fd) : fd;
}

static int add_watch(struct inotify_instance *in, struct tree_node *n, int fd)
{
	char path[64];
	int wd;

	/* The link leads to the very directory that is open, whatever its name is by now. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	wd = inotify_add_watch(in->base.fd, path, WATCH_MASK);
	if (wd < 0)
		return -errno;
	inotify_tree_watch(&in->tree, n, wd);
	return 0;
}

/* Nothing to give up for: the daemon is told, and scans again what may have changed unseen. */
static int watch_or_note(struct inotify_instance *in, struct tree_node *n, int fd)
{
	int r = add_watch(in, n, fd);

	if (r == -ENOSPC) {
		inotify_tree_refuse(&in->tree, n);
		r = BACKEND_UNWATCHED;
	}
	in->base.unsettled |= in->tree.refused != in->told_refused;
	return r;
}

static int instance_watch_dir(struct backend *b, struct watch_drive *d, const struct file_id *dir, int fd)
{
	struct inotify_instance *in = instance_of(b);
	struct tree_node *n = inotify_tree_by_id(&in->tree, dir);

	(void)d;
	return n == NULL ? -ESTALE : watch_or_note(in, n, fd);
}

/* What looks teach the tree. */

static void instance_saw(struct backend *b, struct watch_drive *d, const struct observation *o)
{
	struct inotify_instance *in = instance_of(b);
	struct tree_node *parent = inotify_tree_by_id(&in->tree, &o->dir), *n;

	(void)d;
	if (parent == NULL)
		return;
	if (o->type != OBSERVED_ENTRY || o->state.kind != ENTRY_DIR || o->state.mount) {
		inotify_tree_vacate(&in->tree, parent, o->name);
		return;
	}
	n = inotify_tree_by_id(&in->tree, &o->id);
	b->found |= n != NULL && n->parent == NULL;
	recent_forget(&in->deleted, file_id_hash(&o->id));
	if (inotify_tree_place(&in->tree, parent, o->name, &o->id) == NULL)
		say_overflow(in);
	if (known_get(&in->left, file_id_hash(&o->id)) != KNOWN_NOT)
		say_overflow(in);
}

static void leave(void *context, const struct tree_node *n)
{
	struct inotify_instance *in = context;

	if (n->wd != TREE_UNWATCHED)
		inotify_rm_watch(in->base.fd, n->wd);
	if (n->deleted)
		recent_put(&in->deleted, file_id_hash(&n->id), LEFT_MAX);
	else
		known_put(&in->left, file_id_hash(&n->id), 0);
}

static void forget_deleted(struct inotify_instance *in)
{
	struct tree_node *n = LIST_FIRST(&in->tree.detached);

	while (n != NULL) {
		struct tree_node *next = LIST_NEXT(n, sibling);

		if (n->deleted) {
			leave(in, n);
			inotify_tree_forget(&in->tree, n);
		}
		n = next;
	}
}

static uint32_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint32_t)((uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000) | 1;
}

/* Who is detached may have been renamed after the events were read, or into a new directory that the daemon
 * has not asked to scan yet, and is seen again soon: while nothing happens and nothing is asked, nothing can
 * show it.  Who is not has left the drive; should it come back all the same, everything is compared. */
static void drop_detached(struct inotify_instance *in)
{
	struct tree_node *n, *next;
	uint32_t now;

	forget_deleted(in);
	if (LIST_EMPTY(&in->tree.detached))
		return;
	now = now_ms();
	for (n = LIST_FIRST(&in->tree.detached); n != NULL; n = next) {
		next = LIST_NEXT(n, sibling);
		if (n->detached_ms == 0)
			n->detached_ms = now;
		n->detached_quiets += in->base.quiet;
		if (now - n->detached_ms > DETACHED_MS || n->detached_quiets >= DETACHED_QUIETS)
			inotify_tree_drop(&in->tree, n, leave, in);
	}
	if (in->left.count > LEFT_MAX)
		say_overflow(in);
}

/* Gathering. */

static unsigned seen_of(const struct inotify_event *e)
{
	static const struct {
		uint32_t mask;
		unsigned seen;
	} bits[] = {
		{IN_MODIFY, SEEN_MODIFY},         {IN_CLOSE_WRITE, SEEN_CLOSE}, {IN_MOVED_TO, SEEN_MOVED_TO},
		{IN_MOVED_FROM, SEEN_MOVED_FROM}, {IN_DELETE, SEEN_DELETE},     {IN_CREATE, SEEN_CREATE},
	};
	unsigned seen = 0;

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		if (e->mask & bits[i].mask)
			seen |= bits[i].seen;
	}
	return seen;
}

static void gather_self(struct inotify_instance *in, const struct inotify_event *e, struct tree_node *n)
{
	if (n == in->tree.root && e->mask & (IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF))
		in->base.check = true;
	if (e->mask & IN_DELETE_SELF)
		n->deleted = true;
	if (e->mask & IN_IGNORED)
		inotify_tree_watch(&in->tree, n, TREE_UNWATCHED);
}

static void gather(struct inotify_instance *in, const struct inotify_event *e)
{
	struct tree_node *n = inotify_tree_by_wd(&in->tree, e->wd);
	struct batch_name *name;

	in->lost |= (e->mask & IN_Q_OVERFLOW) != 0;
	if (n == NULL) /* of a watch that was removed, or the overflow */
		return;
	if (e->len == 0) {
		gather_self(in, e, n);
		return;
	}
	name = batch_add(&in->batch, &n->id, e->name, strnlen(e->name, e->len));
	if (name == NULL) {
		say_overflow(in);
		return;
	}
	name->seen = (uint16_t)((name->seen | seen_of(e)) & ~SEEN_DONE);
	if (e->mask & IN_MOVED_FROM)
		in->half = e->cookie;
	else if (e->mask & IN_MOVED_TO && e->cookie == in->half)
		in->half = 0;
}

static void gather_buffer(struct inotify_instance *in, size_t len)
{
	size_t at = 0;

	while (len - at >= sizeof(struct inotify_event)) {
		const struct inotify_event *e = (const struct inotify_event *)(in->buf + at);

		gather(in, e);
		at += sizeof(*e) + e->len;
	}
}

static ssize_t read_events(struct inotify_instance *in)
{
	size_t total = 0;

	in->half = 0;
	while (total < BATCH_BYTES && in->batch.name_count < BATCH_NAMES) {
		ssize_t n = read(in->base.fd, in->buf, sizeof(in->buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && in->half != 0) {
			if (wait_events(in, HALF_WAIT_MS))
				continue;
			in->half = 0; /* the other half lies outside the drive */
		}
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0)
			return n == 0 ? -EIO : -errno;
		total += (size_t)n;
		gather_buffer(in, (size_t)n);
	}
	return (ssize_t)total;
}

/* Looking. */

static void close_dirs(struct inotify_instance *in)
{
	for (size_t i = 0; i < in->batch.dir_count; i++) {
		if (in->batch.dirs[i].fd >= 0)
			close(in->batch.dirs[i].fd);
		in->batch.dirs[i].fd = -1;
		in->batch.dirs[i].error = 0;
	}
	in->open_dirs = 0;
}

/* 0, or -ESTALE: perhaps later; other -errno: in vain. */
static int open_batch_dir(struct inotify_instance *in, struct batch_dir *dir)
{
	struct tree_node *n;

	if (dir->fd >= 0 || dir->error != 0)
		return dir->error;
	n = inotify_tree_by_id(&in->tree, &dir->id);
	if (n == NULL)
		return -ENOENT; /* it left, and its names with it */
	if (in->open_dirs >= OPEN_DIRS)
		close_dirs(in);
	dir->fd = open_node(in, n);
	if (dir->fd >= 0) {
		in->open_dirs++;
		return 0;
	}
	if (dir->fd != -ESTALE)
		dir->error = dir->fd;
	return dir->fd;
}

static unsigned flags_of(const struct batch_name *n, const struct observation *o)
{
	unsigned flags = n->seen & SEEN_MOVED_TO ? OBSERVED_RENAMED : 0;

	if (n->seen & SEEN_CREATE)
		flags |= OBSERVED_CREATED;
	if (o->state.kind == ENTRY_DIR)
		return flags;
	if (n->seen & SEEN_CLOSE)
		flags |= OBSERVED_CLOSED;
	else if (n->seen & SEEN_MODIFY)
		flags |= OBSERVED_WRITING;
	return flags;
}

/* A directory that was only deleted, and not moved away as well, need not be remembered. */
static void note_deleted(struct inotify_instance *in, const struct batch_name *n, const struct observation *o)
{
	struct tree_node *parent = inotify_tree_by_id(&in->tree, &o->dir), *child;

	if (parent == NULL || (n->seen & (SEEN_DELETE | SEEN_MOVED_FROM)) != SEEN_DELETE)
		return;
	child = inotify_tree_child(&in->tree, parent, o->name);
	if (child != NULL)
		child->deleted = true;
}

static void gather_names(struct inotify_instance *in, const struct file_id *dir, int fd)
{
	DIR *list = fdopendir(fd);
	const struct dirent *e;

	if (list == NULL) {
		close(fd);
		return;
	}
	while (in->batch.name_count < BATCH_NAMES && (e = readdir(list)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (batch_add(&in->batch, dir, e->d_name, strlen(e->d_name)) == NULL) {
			say_overflow(in);
			break;
		}
	}
	closedir(list);
}

/* What fails here, or is too much, is made good by the scan that the daemon asks for.  Moves the batch. */
static void enter_new_dir(struct inotify_instance *in, int parent_fd, const struct observation *o)
{
	struct tree_node *n = inotify_tree_by_id(&in->tree, &o->id);
	struct file_id dir = o->id, id;
	int fd;

	if (n == NULL || n->wd != TREE_UNWATCHED ||
	    n->refused) /* a scan places its watch, when there is room */
		return;
	fd = openat(parent_fd, o->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	if (entry_id_of_fd(fd, &in->drive->rule, &id) == 0 && file_id_equal(&id, &dir) &&
	    add_watch(in, n, fd) == 0)
		gather_names(in, &dir, fd);
	else
		close(fd);
}

/* n and all other parts of the batch may have moved afterwards. */
static int look_at(struct inotify_instance *in, const struct batch_name *n)
{
	struct batch_dir *dir = &in->batch.dirs[n->dir];
	struct observation o = {.drive = in->drive->number,
				.dir = dir->id,
				.name = in->batch.bytes + n->at,
				.name_len = n->len};
	int r = open_batch_dir(in, dir);

	if (r != 0)
		return r;
	r = entry_look(dir->fd, o.name, &in->drive->rule, &o, in->target);
	if (r < 0)
		return r;
	o.type = r == 0 ? OBSERVED_ENTRY : OBSERVED_GONE;
	if (r == 0)
		o.flags = (uint16_t)flags_of(n, &o);
	else if (n->seen & SEEN_CLOSE)
		o.flags = OBSERVED_CLOSED;
	note_deleted(in, n, &o);
	instance_saw(&in->base, in->drive, &o);
	channel_emit(in->base.channel, &o);
	if (o.type == OBSERVED_ENTRY && o.state.kind == ENTRY_DIR && !o.state.mount)
		enter_new_dir(in, dir->fd, &o);
	return 0;
}

/* The name's directory may not be searched. */
static void give_up(struct inotify_instance *in, const struct batch_name *name)
{
	struct tree_node *n = inotify_tree_by_id(&in->tree, &in->batch.dirs[name->dir].id);

	if (n == in->tree.root)
		in->base.check = true;
	if (n == NULL || n == in->tree.root || n->wd == TREE_UNWATCHED)
		return;
	inotify_rm_watch(in->base.fd, n->wd);
	inotify_tree_watch(&in->tree, n, TREE_UNWATCHED);
	say_overflow(in);
}

/* Look at all names that still wait.  Returns how many must wait on; *progress: something was found. */
static size_t look_at_all(struct inotify_instance *in, bool *progress)
{
	size_t waiting = 0;

	*progress = false;
	for (size_t i = 0; i < in->batch.name_count && !channel_closed(in->base.channel); i++) {
		int r;

		if (in->batch.names[i].seen & SEEN_DONE)
			continue;
		r = look_at(in, &in->batch.names[i]);
		if (r == -ESTALE) {
			waiting++;
			continue;
		}
		in->batch.names[i].seen |= SEEN_DONE;
		*progress |= r == 0;
		if (r == -EIO || r == -ENOMEM || r == -EMFILE || r == -ENFILE)
			say_overflow(in);
		if (r == -EACCES)
			give_up(in, &in->batch.names[i]);
	}
	close_dirs(in); /* what could be opened may lie elsewhere in the next round */
	return waiting;
}

enum waiting {
	WAITING_NOT,
	WAITING_OUTSIDE, /* in directories that are detached: perhaps gone from the drive */
	WAITING_INSIDE,  /* in directories that the tree has */
};

static enum waiting find_waiting(struct inotify_instance *in)
{
	enum waiting worst = WAITING_NOT;

	for (size_t i = 0; i < in->batch.name_count && worst != WAITING_INSIDE; i++) {
		const struct batch_name *n = &in->batch.names[i];
		const struct tree_node *dir;

		if (n->seen & SEEN_DONE)
			continue;
		dir = inotify_tree_by_id(&in->tree, &in->batch.dirs[n->dir].id);
		if (dir != NULL && !dir->deleted)
			worst = inotify_tree_depth(&in->tree, dir) < 0 ? WAITING_OUTSIDE : WAITING_INSIDE;
	}
	return worst;
}

/* Look until nothing waits any more inside, or nothing more comes that could help, or too much.  Returns the
 * bytes read on the way, or -errno. */
static ssize_t settle(struct inotify_instance *in)
{
	size_t total = 0;
	unsigned silent_ms = 0;
	bool progress;

	while (look_at_all(in, &progress) > 0 && !channel_closed(in->base.channel)) {
		ssize_t n;

		if (progress)
			continue;
		if (silent_ms == RETRIES || total > BATCH_BYTES || find_waiting(in) != WAITING_INSIDE)
			break;
		silent_ms = wait_events(in, 1) ? 0 : silent_ms + 1;
		n = read_events(in);
		if (n < 0)
			return n;
		total += (size_t)n;
	}
	return (ssize_t)total;
}

/* Names in directories that are detached are taken along: should these be seen again, nothing is missing. */
static void keep_waiting(struct inotify_instance *in)
{
	batch_clear(&in->waiting);
	for (size_t i = 0; i < in->batch.name_count; i++) {
		const struct batch_name *n = &in->batch.names[i];
		const struct batch_dir *dir = &in->batch.dirs[n->dir];
		struct batch_name *kept;

		if (n->seen & SEEN_DONE || inotify_tree_by_id(&in->tree, &dir->id) == NULL)
			continue;
		kept = in->waiting.name_count >= WAITING_MAX
			       ? NULL
			       : batch_add(&in->waiting, &dir->id, in->batch.bytes + n->at, n->len);
		if (kept == NULL) {
			batch_clear(&in->waiting);
			say_overflow(in);
			return;
		}
		kept->seen = n->seen;
	}
}

static void take_waiting(struct inotify_instance *in)
{
	struct batch before = in->batch;

	batch_clear(&before);
	in->batch = in->waiting;
	in->waiting = before;
}

/* The number matters to people only, so it is told when it has come to rest. */
static void tell_refused(struct inotify_instance *in)
{
	bool any = in->tree.refused > 0;
	char text[WATCH_LIMIT_TEXT];

	if (in->tree.refused == in->told_refused || (any && in->told_refused > 0 && !in->base.quiet))
		return;
	in->told_refused = in->tree.refused;
	if (any)
		watch_limit_explain(text, in->tree.refused, in->tree.ids.count);
	channel_emit(in->base.channel, &(struct observation){.type = OBSERVED_UNWATCHED,
							     .drive = in->drive->number,
							     .error = any ? -ENOSPC : 0,
							     .text = text,
							     .text_len = any ? strlen(text) : 0});
}

static ssize_t instance_read(struct backend *b)
{
	struct inotify_instance *in = instance_of(b);
	ssize_t n, more;

	take_waiting(in);
	n = read_events(in);
	if (n < 0)
		return n;
	more = settle(in);
	if (more < 0)
		return more;
	if (find_waiting(in) == WAITING_INSIDE) {
		say_overflow(in);
		batch_clear(&in->batch);
	}
	drop_detached(in);
	if (in->lost)
		say_overflow(in);
	in->lost = false;
	tell_refused(in);
	b->quiet = false;
	keep_waiting(in);
	b->unsettled = in->waiting.name_count > 0 || !LIST_EMPTY(&in->tree.detached) ||
		       in->tree.refused != in->told_refused;
	channel_end_batch(b->channel);
	return n + more;
}

/* The drive. */

static int instance_add(struct backend *b, struct watch_drive *d, const char **why)
{
	struct inotify_instance *in = instance_of(b);
	int fd = watch_drive_fd(d), r;

	in->drive = d;
	r = fd < 0 ? fd : inotify_tree_init(&in->tree, &d->root);
	if (r == 0)
		r = watch_or_note(in, in->tree.root, fd);
	if (r == BACKEND_UNWATCHED)
		r = 0;
	if (r != 0)
		*why = strerror(-r);
	return r;
}

static void instance_remove(struct backend *b, struct watch_drive *d)
{
	(void)b;
	(void)d; /* it was the only one, so the instance goes too */
}

static bool instance_alive(struct backend *b, struct watch_drive *d)
{
	(void)d;
	return instance_of(b)->tree.root->wd != TREE_UNWATCHED || instance_of(b)->tree.root->refused;
}

static void instance_free(struct backend *b)
{
	struct inotify_instance *in = instance_of(b);

	if (b->fd >= 0)
		close(b->fd); /* and with it all watches */
	inotify_tree_deinit(&in->tree);
	batch_deinit(&in->batch);
	batch_deinit(&in->waiting);
	known_deinit(&in->left);
	recent_deinit(&in->deleted);
	tree_walk_deinit(&in->walk);
	free(in);
}

static const struct backend_ops instance_ops = {
	.add = instance_add,
	.remove = instance_remove,
	.open_dir = instance_open_dir,
	.watch_dir = instance_watch_dir,
	.saw = instance_saw,
	.read = instance_read,
	.alive = instance_alive,
	.free = instance_free,
};

int inotify_backend_new(struct backend **out, struct channel *channel, const struct watch_drive_list *drives,
			const char **why)
{
	struct inotify_instance *in = calloc(1, sizeof(*in));
	int r = -ENOMEM;

	*out = NULL;
	*why = strerror(ENOMEM);
	if (in == NULL)
		return r;
	in->base = (struct backend){
		.ops = &instance_ops, .kind = WATCH_INOTIFY, .channel = channel, .all = drives};
	in->base.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (in->base.fd < 0) {
		r = -errno;
		*why = strerror(-r);
		instance_free(&in->base);
		return r;
	}
	*out = &in->base;
	return 0;
}
