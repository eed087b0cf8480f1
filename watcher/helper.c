/* The loop: requests are taken as they come; between two of them one piece of one file is hashed. */
#include "watcher/helper.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "watcher/helper_internal.h"

enum { IN_ROOM = 64 * 1024 };

struct helper {
	int socket;
	bool closed;
	bool read_only;
	struct watch_drive *drive; /* NULL: not opened, or it was another */
	struct hash_queue hashes;
	size_t in_len;
	uint8_t in[IN_ROOM];
};

/* Waits for the daemon, which always reads. */
static void answer(struct helper *h, const struct helper_answer *a)
{
	uint8_t frame[HELPER_FRAME_MAX];
	int len = helper_answer_encode(a, frame, sizeof(frame));
	size_t done = 0;

	while (!h->closed && done < (size_t)len) {
		ssize_t n = send(h->socket, frame + done, (size_t)len - done, MSG_NOSIGNAL);

		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR)
			h->closed = true;
	}
}

/* A descriptor of `.wakeline`, or -errno. */
static int open_own(struct helper *h)
{
	int root = h->drive == NULL ? -ENODEV : watch_drive_fd(h->drive);

	return root < 0 ? root : helper_own_open(root, !h->read_only);
}

static void learn_own(struct helper *h, struct helper_answer *a)
{
	int own = open_own(h), r;

	if (own == -EROFS || own == -EACCES || own == -EPERM) {
		h->read_only = true; /* it can be read, perhaps */
		own = open_own(h);
	}
	if (own < 0)
		return;
	r = helper_own_read_epoch(own, &a->epoch);
	if (r == -EINVAL)
		a->flags |= HELPER_MALFORMED;
	if (!h->read_only && entry_id_of_fd(own, &h->drive->rule, &a->id) == 0)
		a->flags |= HELPER_WRITABLE;
	close(own);
}

static void serve_open(struct helper *h, const struct helper_request *q)
{
	struct helper_answer a = {.type = HELPER_OPENED, .request = q->request};
	char *path = strndup(q->path, q->path_len);

	watch_drive_free(h->drive);
	h->drive = NULL;
	h->read_only = (q->flags & HELPER_READ_ONLY) != 0;
	a.error = path == NULL ? -ENOMEM
			       : watch_drive_new(&h->drive, 0, path,
						 WATCH_POLL); /* on any file system: it watches nothing */
	free(path);
	if (a.error == 0 && !file_id_equal(&h->drive->root, &q->id)) {
		watch_drive_free(h->drive);
		h->drive = NULL;
		a.error = -ESTALE;
	}
	if (a.error == 0)
		learn_own(h, &a);
	answer(h, &a);
}

static void serve_epoch(struct helper *h, const struct helper_request *q)
{
	struct helper_answer a = {.type = HELPER_DONE, .request = q->request};
	int own = h->read_only ? -EROFS : open_own(h);

	a.error = own;
	if (own >= 0) {
		a.error = helper_own_write_epoch(own, q->epoch);
		close(own);
	}
	answer(h, &a);
}

static void serve_probe(struct helper *h, const struct helper_request *q)
{
	struct helper_answer a = {.type = HELPER_PROBED, .request = q->request};
	int own = h->read_only ? -EROFS : open_own(h);

	a.error = own;
	if (own >= 0) {
		a.error = entry_id_of_fd(own, &h->drive->rule, &a.id);
		if (a.error == 0)
			a.error = helper_own_probe(own);
		close(own);
	}
	answer(h, &a);
}

static void serve_hash(struct helper *h, const struct helper_request *q)
{
	struct helper_answer a = {.type = HELPER_HASHED, .request = q->request};

	a.error = hash_queue_add(&h->hashes, q);
	if (a.error != 0)
		answer(h, &a);
}

static void serve(struct helper *h, const struct helper_request *q)
{
	switch (q->type) {
	case HELPER_OPEN:
		serve_open(h, q);
		return;
	case HELPER_EPOCH:
		serve_epoch(h, q);
		return;
	case HELPER_PROBE:
		serve_probe(h, q);
		return;
	case HELPER_HASH:
		serve_hash(h, q);
		return;
	case HELPER_CANCEL:
		hash_queue_cancel(&h->hashes, q->request);
		return;
	}
}

static void receive(struct helper *h)
{
	ssize_t n = recv(h->socket, h->in + h->in_len, IN_ROOM - h->in_len, MSG_DONTWAIT);
	struct helper_request q;
	size_t done = 0;
	int len = 0;

	if (n <= 0) {
		h->closed = n == 0 || (errno != EAGAIN && errno != EINTR);
		return;
	}
	h->in_len += (size_t)n;
	while (!h->closed && (len = helper_request_decode(&q, h->in + done, h->in_len - done)) > 0) {
		serve(h, &q);
		done += (size_t)len;
	}
	if (len < 0)
		h->closed = true;
	h->in_len -= done;
	memmove(h->in, h->in + done, h->in_len);
}

static void run(struct helper *h)
{
	struct pollfd p = {.fd = h->socket, .events = POLLIN};
	struct helper_answer a;

	while (!h->closed) {
		bool busy = hash_queue_busy(&h->hashes);

		if (!busy && h->drive != NULL)
			watch_drive_rest(h->drive);
		if (poll(&p, 1, busy ? 0 : -1) < 0 && errno != EINTR)
			return;
		if (p.revents != 0)
			receive(h);
		if (!h->closed && hash_queue_busy(&h->hashes) && hash_queue_step(&h->hashes, h->drive, &a))
			answer(h, &a);
	}
}

int helper_main(int socket)
{
	struct helper *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return EXIT_FAILURE;
	h->socket = socket;
	hash_queue_init(&h->hashes);
	run(h);
	hash_queue_clear(&h->hashes);
	watch_drive_free(h->drive);
	close(socket);
	free(h);
	return EXIT_SUCCESS;
}
