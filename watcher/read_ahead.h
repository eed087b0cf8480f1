/* read_ahead: fanotify events that were taken out of the kernel's queue before their turn.
 *
 * A long queue is paid for by whoever changes files: before fanotify queues an event it looks for one that it
 * can be merged with, through up to 128 of those that wait (fs/notify/fanotify/fanotify.c, fanotify_merge()).
 * So the queue is emptied also while names are being looked at, and what was read waits here instead, in
 * order and bounded.  One thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "watcher/fanotify_event.h"

enum { READ_AHEAD_BYTES = 8 * 1024 * 1024 }; /* beyond this, events wait in the kernel */

struct read_ahead {
	uint8_t *bytes;
	size_t start, end, room;
	size_t events; /* complete ones in [start, end) */
};

/* All zeros is an empty one. */
void read_ahead_deinit(struct read_ahead *a);
/* Read from the group's descriptor, which does not block, until its queue or the room here is exhausted.
 * -errno: it is broken, also -ENOMEM; what was read before stays.  -EPROTO: the kernel's records are no
 * records. */
int read_ahead_fill(struct read_ahead *a, int fd);
/* Take the oldest event; names in *out are borrowed until the next fill.  0: there is none; 1; -EPROTO:
 * malformed. */
int read_ahead_next(struct read_ahead *a, struct fanotify_event *out);
/* What waits here, counted as FIONREAD counts what waits in the kernel: the fixed part of each event. */
size_t read_ahead_waiting(const struct read_ahead *a);
