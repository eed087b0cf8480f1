#include "watcher/crawl.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct linux_dirent64 {
	uint64_t d_ino;
	int64_t d_off;
	uint16_t d_reclen;
	uint8_t d_type;
	char d_name[];
};

bool crawl_begin(struct crawl *c, struct channel *channel, struct watch_drive *d,
		 const struct watch_request *r)
{
	int fd = d == NULL ? -ENODEV : d->backend->ops->open_dir(d->backend, d, &r->dir, OPEN_TO_SCAN);

	if (fd == -EAGAIN)
		return false;
	c->active = true;
	c->drive = r->drive;
	c->idle = (r->flags & SCAN_IDLE) != 0;
	c->known = (r->flags & SCAN_KNOWN) != 0;
	c->request = r->request;
	c->dir = r->dir;
	c->fd = fd < 0 ? -1 : fd;
	c->error = fd < 0 ? fd : d->backend->ops->watch_dir(d->backend, d, &r->dir, fd);
	c->unwatched = c->error == BACKEND_UNWATCHED;
	if (c->unwatched)
		c->error = 0;
	c->pos = c->len = 0;
	channel_emit(channel, &(struct observation){.type = OBSERVED_SCAN_BEGIN,
						    .drive = c->drive,
						    .request = c->request,
						    .dir = c->dir});
	return true;
}

void crawl_stop(struct crawl *c)
{
	if (c->active && c->fd >= 0)
		close(c->fd);
	c->active = false;
}

/* What this list made visible is told before its end: who waits for the scan knows all then. */
static void finish(struct crawl *c, struct channel *channel, struct watch_drive *d)
{
	if (d != NULL && d->backend->unsettled)
		d->backend->ops->read(d->backend);
	channel_emit(channel,
		     &(struct observation){.type = OBSERVED_SCAN_END,
					   .drive = c->drive,
					   .request = c->request,
					   .dir = c->dir,
					   .error = c->error == 0 && c->unwatched ? -ENOSPC : c->error});
	channel_end_batch(channel);
	crawl_stop(c);
}

static bool may_be_known_file(const struct crawl *c, const struct linux_dirent64 *e)
{
	return c->known && (e->d_type == DT_REG || e->d_type == DT_UNKNOWN);
}

static bool may_be_entry(const struct linux_dirent64 *e)
{
	if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
		return false;
	return e->d_type == DT_UNKNOWN || e->d_type == DT_REG || e->d_type == DT_DIR || e->d_type == DT_LNK;
}

/* Between listing and looking a name may vanish: then it is no part of the list.  A directory that was itself
 * removed while it is listed says ENOENT of all that it had. */
static void list_one(struct crawl *c, struct channel *channel, struct watch_drive *d,
		     const struct linux_dirent64 *e)
{
	struct observation o = {.type = OBSERVED_ENTRY,
				.drive = c->drive,
				.flags = OBSERVED_LISTED,
				.dir = c->dir,
				.name = e->d_name,
				.name_len = strlen(e->d_name)};
	int r = (may_be_known_file(c, e) ? entry_look_known : entry_look_listed)(c->fd, e->d_name, &d->rule,
										 &o, c->target);

	if (r == 0) {
		d->backend->ops->saw(d->backend, d, &o);
		channel_emit(channel, &o);
	} else if (r != ENTRY_ABSENT && c->error == 0) {
		c->error = r;
	}
}

/* 1: there is more in the buffer; 0: the end; -errno. */
static int fill(struct crawl *c)
{
	long n = syscall(SYS_getdents64, c->fd, c->buf, sizeof(c->buf));

	if (n < 0)
		return -errno;
	c->pos = 0;
	c->len = (size_t)n;
	return n > 0;
}

unsigned crawl_step(struct crawl *c, struct channel *channel, struct watch_drive *d, unsigned limit)
{
	unsigned looked = 0;
	int r = 1;

	if (d == NULL && c->error == 0)
		c->error = -ENODEV;
	for (; c->fd >= 0 && d != NULL && looked < limit; looked++) {
		const struct linux_dirent64 *e;

		if (c->pos >= c->len && (r = fill(c)) != 1)
			break;
		e = (const struct linux_dirent64 *)(c->buf + c->pos);
		c->pos += e->d_reclen;
		if (may_be_entry(e))
			list_one(c, channel, d, e);
	}
	if (r < 0 && c->error == 0)
		c->error = r;
	if (r != 1 || c->fd < 0 || d == NULL)
		finish(c, channel, d);
	return looked;
}
