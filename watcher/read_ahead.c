#include "watcher/read_ahead.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024 };

void read_ahead_deinit(struct read_ahead *a)
{
	free(a->bytes);
	*a = (struct read_ahead){0};
}

/* Room for one more read behind the end.  0; -ENOBUFS: there is as much as there may be, or as memory allows:
 * what waits here has to be taken first; -ENOMEM: there is none at all. */
static int make_room(struct read_ahead *a)
{
	size_t len = a->end - a->start, room = a->room;
	uint8_t *bytes;

	if (a->room - a->end >= READ_BYTES)
		return 0;
	if (a->start >= len) { /* moves no byte more than once for each that was taken */
		if (len > 0)
			memcpy(a->bytes, a->bytes + a->start, len);
		a->start = 0;
		a->end = len;
		if (a->room - a->end >= READ_BYTES)
			return 0;
	}
	if (room >= READ_AHEAD_BYTES)
		return -ENOBUFS;
	room = room == 0 ? (size_t)2 * READ_BYTES : 2 * room;
	bytes = realloc(a->bytes, room);
	if (bytes == NULL)
		return len > 0 ? -ENOBUFS : -ENOMEM;
	a->bytes = bytes;
	a->room = room;
	return 0;
}

/* The kernel gives whole events. */
static int count_events(struct read_ahead *a, size_t at)
{
	struct fanotify_event_metadata meta;

	while (at < a->end) {
		if (a->end - at < sizeof(meta))
			return -EPROTO;
		memcpy(&meta, a->bytes + at, sizeof(meta));
		if (meta.event_len < sizeof(meta) || meta.event_len > a->end - at)
			return -EPROTO;
		at += meta.event_len;
		a->events++;
	}
	return 0;
}

int read_ahead_fill(struct read_ahead *a, int fd)
{
	for (;;) {
		int r = make_room(a);
		size_t before = a->end;
		ssize_t n;

		if (r != 0)
			return r == -ENOBUFS ? 0 : r;
		n = read(fd, a->bytes + a->end, READ_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (n == 0)
			return -EIO;
		a->end += (size_t)n;
		r = count_events(a, before);
		if (r != 0)
			return r;
	}
}

int read_ahead_next(struct read_ahead *a, struct fanotify_event *out)
{
	int n = fanotify_event_parse(out, a->bytes + a->start, a->end - a->start);

	if (n <= 0)
		return n;
	a->start += (size_t)n;
	a->events--;
	if (a->start == a->end)
		a->start = a->end = 0; /* its bytes stay where they are until the next fill */
	return 1;
}

size_t read_ahead_waiting(const struct read_ahead *a)
{
	return a->events * FAN_EVENT_METADATA_LEN;
}
