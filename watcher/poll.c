/* Drives that no kernel events tell of, such as network file systems: the daemon scans them at an interval.
 *
 * So there is nothing to watch; all this keeps is where each directory was seen last, in order to open it.
 * With no events to repair that, only a scan can: a directory that is not where it was is nowhere until it is
 * seen again.  To scan it is put off until then; once nothing more comes it is as good as gone, and whatever
 * else happened the next pass finds.  A look must not say that, since names in it would count as deleted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "watcher/backend.h"
#include "watcher/inotify_tree.h"
#include "watcher/tree_walk.h"

enum { NOWHERE_QUIETS = 4 }; /* how often nothing came before a directory counts as gone */

struct poll_instance {
	struct backend base;
	struct watch_drive *drive;
	struct inotify_tree tree;
	struct tree_walk walk;
	unsigned quiets;
};

static struct poll_instance *instance_of(struct backend *b)
{
	return (struct poll_instance *)b; /* base is its first member */
}

static int instance_add(struct backend *b, struct watch_drive *d, const char **why)
{
	struct poll_instance *p = instance_of(b);
	int r = inotify_tree_init(&p->tree, &d->root);

	p->drive = d;
	if (r != 0)
		*why = strerror(-r);
	return r;
}

static void instance_remove(struct backend *b, struct watch_drive *d)
{
	(void)b;
	(void)d; /* it was the only one, so the instance goes too */
}

/* No event tells that the root went away, so each pass looks. */
static int open_root_to_scan(struct poll_instance *p)
{
	int fd = watch_drive_check(p->drive);

	if (fd == 0)
		fd = tree_walk_open(&p->walk, &p->tree, p->drive, p->tree.root);
	if (fd >= 0)
		return tree_walk_readable(fd);
	p->base.check = true;
	return -ENODEV;
}

static int open_to_scan(struct poll_instance *p, struct tree_node *n)
{
	int fd = inotify_tree_depth(&p->tree, n) < 0 ? -EAGAIN
						     : tree_walk_open(&p->walk, &p->tree, p->drive, n);

	if (fd >= 0)
		return tree_walk_readable(fd);
	if (fd == -ESTALE) {
		inotify_tree_vacate(&p->tree, n->parent, n->name);
		fd = -EAGAIN;
	}
	p->base.unsettled |= fd == -EAGAIN;
	return fd;
}

static int instance_open_dir(struct backend *b, struct watch_drive *d, const struct file_id *dir,
			     enum open_purpose purpose)
{
	struct poll_instance *p = instance_of(b);
	struct tree_node *n = inotify_tree_by_id(&p->tree, dir);
	int fd;

	if (n == NULL)
		return purpose == OPEN_TO_SCAN ? -ESTALE : -EBUSY;
	if (purpose == OPEN_TO_SCAN)
		return n == p->tree.root ? open_root_to_scan(p) : open_to_scan(p, n);
	fd = tree_walk_open(&p->walk, &p->tree, d, n);
	return fd == -ESTALE ? -EBUSY : fd;
}

static int instance_watch_dir(struct backend *b, struct watch_drive *d, const struct file_id *dir, int fd)
{
	(void)b;
	(void)d;
	(void)dir;
	(void)fd;
	return 0;
}

/* Without memory the directory is not known, and not scanned before the next pass. */
static void instance_saw(struct backend *b, struct watch_drive *d, const struct observation *o)
{
	struct poll_instance *p = instance_of(b);
	struct tree_node *parent = inotify_tree_by_id(&p->tree, &o->dir), *n;

	(void)d;
	if (parent == NULL)
		return;
	if (o->type != OBSERVED_ENTRY || o->state.kind != ENTRY_DIR || o->state.mount) {
		inotify_tree_vacate(&p->tree, parent, o->name);
	} else {
		n = inotify_tree_by_id(&p->tree, &o->id);
		b->found |= n != NULL && n->parent == NULL;
		inotify_tree_place(&p->tree, parent, o->name, &o->id);
	}
	p->quiets = 0;
	b->unsettled = !LIST_EMPTY(&p->tree.detached);
}

/* Nothing to read; those that were not seen again are dropped. */
static ssize_t instance_read(struct backend *b)
{
	struct poll_instance *p = instance_of(b);

	p->quiets += b->quiet;
	b->quiet = false;
	if (p->quiets < NOWHERE_QUIETS)
		return 0;
	p->quiets = 0;
	while (!LIST_EMPTY(&p->tree.detached))
		inotify_tree_drop(&p->tree, LIST_FIRST(&p->tree.detached), NULL, NULL);
	b->unsettled = false;
	b->found = true; /* who waits for them waits in vain */
	return 0;
}

static bool instance_alive(struct backend *b, struct watch_drive *d)
{
	(void)b;
	(void)d; /* as long as its root is there */
	return true;
}

static void instance_free(struct backend *b)
{
	struct poll_instance *p = instance_of(b);

	inotify_tree_deinit(&p->tree);
	tree_walk_deinit(&p->walk);
	free(p);
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

int poll_backend_new(struct backend **out, struct channel *channel, const struct watch_drive_list *drives,
		     const char **why)
{
	struct poll_instance *p = calloc(1, sizeof(*p));

	*out = NULL;
	if (p == NULL) {
		*why = strerror(ENOMEM);
		return -ENOMEM;
	}
	p->base = (struct backend){
		.ops = &instance_ops, .kind = WATCH_POLL, .channel = channel, .fd = -1, .all = drives};
	LIST_INIT(&p->tree.detached);
	*out = &p->base;
	return 0;
}
