/* helper: one drive's file helper process, as the engine sees it: requests out, answers in.
 *
 * When it dies whatever it was asked comes back with -EPIPE, and another one is started; no event is lost by
 * it. What is done with the answers is in epoch.c, listen.c (the probe) and verify.c; hashes that the machine
 * asked for go straight back to it. */
#include "sync/engine_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "watcher/starter.h"

enum { HELPER_RETRY_MS = 1000, HELPER_RETRY_MAX_MS = 60000, IN_ROOM = 64 * 1024 };

/* One question that has no answer yet. */
struct helper_ask {
	struct hash_link by_request;
	struct helper_request request; /* without its path */
	struct entry_state state;
	helper_answered *answered;
	uint64_t context;
};

struct helper {
	struct watched *watched;
	int fd; /* -1: there is none */
	pid_t pid;
	bool polling, opened;
	uv_poll_t poll;
	uint64_t restart_ms; /* UINT64_MAX: not wanted */
	unsigned deaths;
	uint32_t requests;
	struct hash asks;
	struct text out;
	size_t in_len;
	uint8_t in[IN_ROOM];
};

int helper_new(struct helper **out, struct watched *w)
{
	struct helper *h = calloc(1, sizeof(*h));

	*out = h;
	if (h == NULL)
		return -ENOMEM;
	h->watched = w;
	h->fd = -1;
	h->restart_ms = UINT64_MAX;
	return 0;
}

/* Questions. */

static struct helper_ask *find_ask(struct helper *h, uint32_t request)
{
	struct hash_link *l = hash_next(&h->asks, NULL, request);

	return l == NULL ? NULL : container_of(l, struct helper_ask, by_request);
}

static void finish_ask(struct helper *h, struct helper_ask *a, const struct helper_answer *answer)
{
	struct helper_asked asked = {.request = &a->request, .state = &a->state, .context = a->context};

	hash_remove(&h->asks, &a->by_request);
	a->answered(h->watched, &asked, answer);
	free(a);
}

static void fail_asks(struct helper *h)
{
	struct helper_answer lost = {.error = -EPIPE};

	for (size_t i = 0; h->asks.buckets != NULL && i <= h->asks.mask; i++) {
		while (h->asks.buckets[i] != NULL)
			finish_ask(h, container_of(h->asks.buckets[i], struct helper_ask, by_request), &lost);
	}
}

bool helper_is_ready(const struct watched *w)
{
	return w->helper->fd >= 0 && w->helper->opened;
}

static bool put(struct helper *h, const struct helper_request *q)
{
	uint8_t frame[HELPER_FRAME_MAX];
	int len = helper_request_encode(q, frame, sizeof(frame));

	if (len > 0)
		text_add(&h->out, frame, (size_t)len);
	return len > 0 && !h->out.failed;
}

uint32_t helper_ask(struct watched *w, struct helper_request *q, const struct entry_state *state,
		    helper_answered *answered, uint64_t context)
{
	struct helper *h = w->helper;
	struct helper_ask *a;

	if (h->fd < 0)
		return 0; /* else the drive is opened before all that is asked from now on */
	if (++h->requests == 0)
		h->requests = 1;
	q->request = h->requests;
	a = calloc(1, sizeof(*a));
	if (a == NULL || !hash_reserve(&h->asks) || !put(h, q)) {
		free(a);
		return 0;
	}
	a->request = *q;
	a->request.path = NULL;
	if (state != NULL)
		a->state = *state;
	a->answered = answered;
	a->context = context;
	hash_add(&h->asks, &a->by_request, q->request);
	return q->request;
}

uint32_t helper_ask_hash(struct watched *w, uint64_t node, const struct helper_request *what,
			 const struct entry_state *state, helper_answered *answered, uint64_t context)
{
	struct helper_request q = *what;
	struct text path = {0};
	uint32_t request = 0;

	q.type = HELPER_HASH;
	q.size = state->size;
	q.mtime = state->mtime;
	q.ctime = state->ctime;
	if (w->helper->fd >= 0 && helper_path(w, node, &path) == 0) {
		q.path = path.data;
		q.path_len = path.len;
		request = helper_ask(w, &q, state, answered, context);
	}
	text_deinit(&path);
	return request;
}

/* Names from the node up to the root, each put in front of what is there. */
int helper_path(struct watched *w, uint64_t node, struct text *out)
{
	struct store_txn *txn = engine_txn(w->engine);
	char bytes[HELPER_PATH_MAX];
	size_t at = sizeof(bytes);
	struct index_node n;
	int r = txn == NULL ? -EIO : 0;

	for (; r == 0 && node != w->row.root; node = n.parent) {
		r = node == 0 ? -ENOENT : index_get(txn, node, &n);
		if (r == 0 && n.name_len + 1 > at)
			r = -ENAMETOOLONG;
		if (r != 0)
			return r < 0 ? r : -ENOENT;
		at -= n.name_len + 1;
		memcpy(bytes + at, n.name, n.name_len);
		bytes[at + n.name_len] = '/';
	}
	if (r == 0 && at == sizeof(bytes))
		r = -EINVAL;
	if (r != 0)
		return r;
	text_clear(out);
	text_add(out, bytes + at, sizeof(bytes) - at - 1);
	return out->failed ? -ENOMEM : 0;
}

/* The machine's hashes. */

static void machine_answered(struct watched *w, const struct helper_asked *asked,
			     const struct helper_answer *a)
{
	if (w->machine != NULL && asked->context >> 32 == w->machine_life)
		drive_hashed(w->machine, (uint32_t)asked->context, a->error == 0 ? a->hash : NULL);
}

bool helper_machine_hash(void *context, uint32_t request, uint64_t node, const struct file_id *id,
			 const struct entry_state *state)
{
	struct watched *w = context;
	struct helper_request q = {.id = *id};

	return helper_ask_hash(w, node, &q, state, machine_answered,
			       (uint64_t)w->machine_life << 32 | request) != 0;
}

void helper_machine_cancel(void *context, uint32_t request)
{
	struct watched *w = context;
	struct helper *h = w->helper;
	uint64_t wanted = (uint64_t)w->machine_life << 32 | request;

	for (size_t i = 0; h->asks.buckets != NULL && i <= h->asks.mask; i++) {
		for (struct hash_link *l = h->asks.buckets[i]; l != NULL; l = l->next) {
			struct helper_ask *a = container_of(l, struct helper_ask, by_request);

			if (a->answered != machine_answered || a->context != wanted)
				continue;
			put(h,
			    &(struct helper_request){.type = HELPER_CANCEL, .request = a->request.request});
			hash_remove(&h->asks, &a->by_request);
			free(a);
			return;
		}
	}
}

/* Answers. */

static void died(struct helper *h, const char *why);

static void take_frames(struct helper *h)
{
	struct helper_answer a;
	size_t at = 0;
	int len = 0;

	while (h->fd >= 0 && (len = helper_answer_decode(&a, h->in + at, h->in_len - at)) > 0) {
		struct helper_ask *ask = find_ask(h, a.request);

		at += (size_t)len;
		if (ask != NULL) /* else it was cancelled */
			finish_ask(h, ask, &a);
	}
	if (h->fd < 0)
		return;
	if (len < 0) {
		died(h, "it sent a malformed frame");
		return;
	}
	memmove(h->in, h->in + at, h->in_len - at);
	h->in_len -= at;
}

static void on_readable(struct helper *h)
{
	ssize_t n = recv(h->fd, h->in + h->in_len, sizeof(h->in) - h->in_len, MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		died(h, "it ended");
	} else if (n > 0) {
		h->in_len += (size_t)n;
		take_frames(h);
	}
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct helper *h = container_of(poll, struct helper, poll);

	if (status != 0) {
		died(h, uv_strerror(status));
		return;
	}
	if (events & UV_READABLE)
		on_readable(h);
	if (events & UV_WRITABLE)
		helper_flush(h->watched);
}

static void poll_for(struct helper *h, int events)
{
	int r = uv_poll_start(&h->poll, events, on_poll);

	if (r != 0)
		engine_fail(h->watched->engine, r, "waiting for a file helper");
}

void helper_flush(struct watched *w)
{
	struct helper *h = w->helper;
	bool waited = h->out.len > 0;
	ssize_t n;

	if (h->fd < 0 || h->out.len == 0)
		return;
	n = send(h->fd, h->out.data, h->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return; /* reading will find it dead */
	if (n > 0) {
		memmove(h->out.data, h->out.data + n, h->out.len - (size_t)n);
		h->out.len -= (size_t)n;
	}
	if (waited)
		poll_for(h, h->out.len > 0 ? UV_READABLE | UV_WRITABLE : UV_READABLE);
}

/* Life and death. */

static void on_opened(struct watched *w, const struct helper_asked *asked, const struct helper_answer *a)
{
	struct helper *h = w->helper;

	(void)asked;
	if (a->error == -EPIPE)
		return;
	h->deaths = 0;
	h->opened = a->error == 0;
	if (a->error != 0)
		engine_log(
			"drive %s: its files cannot be opened (%s): no hashes, no epoch and no probe on it",
			w->row.name, strerror(-a->error));
	else
		epoch_opened(w, a);
}

static void ask_open(struct helper *h)
{
	struct watched *w = h->watched;
	struct helper_request q = {.type = HELPER_OPEN,
				   .flags = w->config->read_only ? HELPER_READ_ONLY : 0,
				   .path = w->config->path,
				   .path_len = strlen(w->config->path)};

	h->opened = false;
	memcpy(&q.id, &w->row.root_id, sizeof(q.id));
	helper_ask(w, &q, NULL, on_opened, 0);
}

static int start(struct helper *h)
{
	struct engine *e = h->watched->engine;
	enum starter_kind kind = h->watched->config->read_only ? START_READER : START_HELPER;
	int r = starter_start(e->options.starter, kind, &h->fd, &h->pid);

	if (r != 0) {
		h->fd = -1;
		return r;
	}
	h->restart_ms = UINT64_MAX;
	h->in_len = 0;
	text_clear(&h->out);
	r = uv_poll_init(&e->loop, &h->poll, h->fd);
	if (r != 0)
		return r;
	h->polling = true;
	poll_for(h, UV_READABLE);
	ask_open(h);
	return 0;
}

void helper_open(struct watched *w)
{
	struct helper *h = w->helper;

	if (h->fd >= 0)
		ask_open(h);
	else if (h->restart_ms == UINT64_MAX)
		h->restart_ms = 0;
}

void helper_tick(struct watched *w, uint64_t now_ms)
{
	struct helper *h = w->helper;
	int r;

	if (h->fd >= 0 || h->polling || now_ms < h->restart_ms)
		return;
	r = start(h);
	if (r != 0)
		engine_fail(w->engine, r, "starting a file helper");
}

uint64_t helper_deadline(const struct watched *w)
{
	return w->helper->fd < 0 && !w->helper->polling ? w->helper->restart_ms : UINT64_MAX;
}

static void on_closed(uv_handle_t *handle)
{
	struct helper *h = container_of((uv_poll_t *)handle, struct helper, poll);

	h->polling = false;
}

static void hang_up(struct helper *h)
{
	if (h->fd < 0)
		return;
	uv_poll_stop(&h->poll);
	uv_close((uv_handle_t *)&h->poll, on_closed);
	close(h->fd);
	h->fd = -1;
	h->opened = false;
	fail_asks(h);
}

static void died(struct helper *h, const char *why)
{
	unsigned shift = h->deaths < 6 ? h->deaths : 6;
	uint64_t wait = (uint64_t)HELPER_RETRY_MS << shift;

	engine_log("drive %s: its file helper %d is gone (%s); another one is started", h->watched->row.name,
		   (int)h->pid, why);
	hang_up(h);
	h->deaths++;
	h->restart_ms = engine_now_ms() + (wait > HELPER_RETRY_MAX_MS ? HELPER_RETRY_MAX_MS : wait);
}

void helper_stop(struct watched *w)
{
	hang_up(w->helper);
}

void helper_free(struct helper *h)
{
	if (h == NULL)
		return;
	fail_asks(h);
	hash_deinit(&h->asks);
	text_deinit(&h->out);
	free(h);
}
