/* crawl: answers one REQUEST_SCAN, a bounded piece at a time, so that live events do not wait for a huge
 * directory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watcher/backend.h"

enum { CRAWL_BUFFER = 128 * 1024 };

struct crawl {
	bool active;
	uint16_t drive; /* by number: the drive may go while it is listed */
	bool idle;      /* at idle I/O priority */
	bool known;     /* most of it is known to who asked */
	uint32_t request;
	struct file_id dir;
	bool unwatched; /* what changes in it from now on is not seen */
	int fd;         /* -1: it could not be opened */
	int error;      /* the first; the list is then not complete */
	size_t pos, len;
	char target[ENTRY_TARGET_ROOM];
	_Alignas(8) char buf[CRAWL_BUFFER];
};

/* Begin with a request; d is NULL when there is no such drive.  crawl_step() must follow until it is not
 * active.  False: the directory is being moved, ask again later. */
bool crawl_begin(struct crawl *c, struct channel *channel, struct watch_drive *d,
		 const struct watch_request *r);
/* Look at up to `limit` more names; ends with SCAN_END and BATCH_END.  d as above: NULL when it has gone
 * meanwhile. Returns how many names it took. */
unsigned crawl_step(struct crawl *c, struct channel *channel, struct watch_drive *d, unsigned limit);
void crawl_stop(struct crawl *c);
