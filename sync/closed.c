/* closed: directories that may not be read.
 *
 * A scan or a look that ends with EACCES leaves its directory here, and whoever changes the rights of a
 * directory raises an event of it: what is observed of one that is here makes it be scanned again.  Once none
 * is left, and nothing else was missed, the drive is known as a whole again without a run.  Only so many are
 * kept, and only a run finds the others. */
#include <errno.h>
#include <string.h>

#include "sync/drive_internal.h"

enum { CLOSED_MAX = 1024 };

static size_t find(const struct closed *c, const struct file_id *dir)
{
	size_t i = 0;

	while (i < c->count && !file_id_equal(&c->dirs[i], dir))
		i++;
	return i;
}

bool closed_has(const struct drive *d, const struct file_id *dir)
{
	return find(&d->closed, dir) < d->closed.count;
}

bool closed_note(struct drive *d, const struct file_id *dir)
{
	struct closed *c = &d->closed;

	if (closed_has(d, dir))
		return true;
	if (c->dirs == NULL)
		c->dirs = malloc(CLOSED_MAX * sizeof(*c->dirs));
	if (c->dirs == NULL || c->count == CLOSED_MAX)
		return false;
	c->dirs[c->count++] = *dir;
	c->doubt = true; /* it may have been deleted before its scan ended */
	return true;
}

static void drop(struct closed *c, size_t i)
{
	c->dirs[i] = c->dirs[--c->count];
	c->fewer = true;
}

void closed_forget(struct drive *d, const struct file_id *dir)
{
	size_t i = find(&d->closed, dir);

	if (i < d->closed.count)
		drop(&d->closed, i);
}

/* A directory that is not in the tree any more need not be read. */
static int drop_deleted(struct drive *d)
{
	struct closed *c = &d->closed;
	uint64_t node;

	for (size_t i = c->count; i-- > 0;) {
		int r = drive_dir_node(d, &c->dirs[i], &node);

		if (r < 0)
			return r;
		if (r != 0)
			drop(c, i);
	}
	c->doubt = false;
	return 0;
}

/* Something goes on that may find more, or has and will say so. */
static bool is_undecided(const struct drive *d)
{
	for (const struct walk *w = d->walks; w != NULL; w = w->next) {
		if (!w->reconcile || w->error != 0)
			return true;
	}
	return false;
}

int closed_settle(struct drive *d)
{
	struct closed *c = &d->closed;
	uint64_t node = 0;
	int r = c->doubt ? drop_deleted(d) : 0;

	if (r != 0 || !c->told || !(c->fewer || c->count == 0) || c->other || is_undecided(d))
		return r;
	if (c->count > 0)
		r = drive_dir_node(d, &c->dirs[0], &node);
	if (r != 0)
		return r < 0 ? r : 0;
	c->fewer = false;
	c->told = c->count > 0;
	if (d->options.output.mended != NULL)
		d->options.output.mended(d->options.output.context, c->count, node);
	return 0;
}

void closed_clear(struct drive *d)
{
	free(d->closed.dirs);
	d->closed = (struct closed){0};
}
