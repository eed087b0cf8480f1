/* The queues hold whole encoded frames, already found to be well formed, so a request costs what it costs on
 * the wire and is decoded where it is served.  They are not bounded here: the daemon bounds what it asks at a
 * time, and refusing to read would block a daemon that is itself blocked in writing. */
#include "watcher/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHANNEL_QUEUES = 3 };
enum { OUT_FLUSH_BYTES = 64 * 1024, OUT_ROOM = OUT_FLUSH_BYTES + OBSERVATION_FRAME_MAX, IN_ROOM = 64 * 1024 };

struct frame_queue {
	uint8_t *bytes;
	size_t head, len, room;                 /* [head, head + len) is queued */
	uint8_t current[OBSERVATION_FRAME_MAX]; /* the one handed out last: more may arrive while it is served
						 */
};

struct channel {
	int socket;
	bool closed, batch_open;
	size_t out_len, in_len;
	struct frame_queue queues[CHANNEL_QUEUES];
	uint8_t out[OUT_ROOM], in[IN_ROOM];
};

int channel_new(struct channel **out, int socket)
{
	int flags = fcntl(socket, F_GETFL);
	struct channel *c;

	*out = NULL;
	if (flags < 0 || fcntl(socket, F_SETFL, flags | O_NONBLOCK) != 0)
		return -errno;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	c->socket = socket;
	*out = c;
	return 0;
}

void channel_free(struct channel *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < CHANNEL_QUEUES; i++)
		free(c->queues[i].bytes);
	free(c);
}

bool channel_closed(const struct channel *c)
{
	return c->closed;
}

static void channel_wait_writable(struct channel *c)
{
	struct pollfd p = {.fd = c->socket, .events = POLLIN | POLLOUT};

	if (poll(&p, 1, -1) < 0 && errno != EINTR)
		c->closed = true;
	if (p.revents & POLLIN)
		channel_receive(c);
	else if (p.revents & (POLLERR | POLLHUP))
		c->closed = true;
}

void channel_flush(struct channel *c)
{
	size_t done = 0;

	while (!c->closed && done < c->out_len) {
		ssize_t n = send(c->socket, c->out + done, c->out_len - done, MSG_NOSIGNAL);

		if (n > 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			channel_wait_writable(c);
		else if (errno != EINTR)
			c->closed = true;
	}
	c->out_len = 0;
}

void channel_emit(struct channel *c, const struct observation *o)
{
	int n;

	if (c->out_len >= OUT_FLUSH_BYTES)
		channel_flush(c);
	n = observation_encode(o, c->out + c->out_len, OUT_ROOM - c->out_len);
	if (n < 0) { /* only a bug makes a frame too long; ending is better than a hole in what is told */
		c->closed = true;
		return;
	}
	c->out_len += (size_t)n;
	c->batch_open = o->type != OBSERVED_BATCH_END && o->type != OBSERVED_BARRIER;
}

void channel_end_batch(struct channel *c)
{
	if (c->batch_open)
		channel_emit(c, &(struct observation){.type = OBSERVED_BATCH_END});
}

static bool queue_put(struct frame_queue *q, const uint8_t *frame, size_t len)
{
	size_t room = q->room == 0 ? 4096 : q->room;
	uint8_t *bytes;

	if (q->head > 0 && q->head + q->len + len > q->room && q->head >= q->len) {
		memmove(q->bytes, q->bytes + q->head, q->len);
		q->head = 0;
	}
	while (room < q->head + q->len + len)
		room *= 2;
	if (room != q->room) {
		bytes = realloc(q->bytes, room);
		if (bytes == NULL)
			return false;
		q->bytes = bytes;
		q->room = room;
	}
	memcpy(q->bytes + q->head + q->len, frame, len);
	q->len += len;
	return true;
}

/* Give back the room of a queue that once was long. */
static void queue_shrink(struct frame_queue *q)
{
	if (q->len > 0)
		return;
	q->head = 0;
	if (q->room > IN_ROOM) {
		free(q->bytes);
		q->bytes = NULL;
		q->room = 0;
	}
}

bool channel_next(struct channel *c, enum channel_queue queue, struct watch_request *out)
{
	struct frame_queue *q = &c->queues[queue];
	int n;

	if (q->len == 0)
		return false;
	n = watch_request_decode(out, q->bytes + q->head, q->len);
	if (n > 0) {
		memcpy(q->current, q->bytes + q->head, (size_t)n);
		n = watch_request_decode(out, q->current, (size_t)n);
	}
	if (n <= 0) { /* what was put in was well formed */
		c->closed = true;
		return false;
	}
	q->head += (size_t)n;
	q->len -= (size_t)n;
	queue_shrink(q);
	return true;
}

bool channel_has(const struct channel *c, enum channel_queue queue)
{
	return c->queues[queue].len > 0;
}

void channel_defer(struct channel *c, const struct watch_request *r)
{
	uint8_t frame[OBSERVATION_FRAME_MAX];
	int n = watch_request_encode(r, frame, sizeof(frame));

	if (n < 0 || !queue_put(&c->queues[CHANNEL_DEFERRED], frame, (size_t)n))
		c->closed = true;
}

void channel_resume(struct channel *c)
{
	struct frame_queue *from = &c->queues[CHANNEL_DEFERRED];

	if (from->len == 0)
		return;
	if (!queue_put(&c->queues[CHANNEL_SCANS], from->bytes + from->head, from->len))
		c->closed = true;
	from->len = 0;
	queue_shrink(from);
}

static void channel_sort_frames(struct channel *c)
{
	struct watch_request r;
	size_t done = 0;
	int n = 0;

	while (!c->closed && (n = watch_request_decode(&r, c->in + done, c->in_len - done)) > 0) {
		enum channel_queue queue = r.type == REQUEST_SCAN ? CHANNEL_SCANS : CHANNEL_URGENT;

		c->closed = !queue_put(&c->queues[queue], c->in + done, (size_t)n);
		done += (size_t)n;
	}
	if (n < 0)
		c->closed = true;
	c->in_len -= done;
	memmove(c->in, c->in + done, c->in_len);
}

void channel_receive(struct channel *c)
{
	while (!c->closed) {
		ssize_t n = recv(c->socket, c->in + c->in_len, IN_ROOM - c->in_len, MSG_DONTWAIT);

		if (n > 0) {
			c->in_len += (size_t)n;
			channel_sort_frames(c);
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else {
			c->closed = n == 0 || errno != EAGAIN;
			return;
		}
	}
}
