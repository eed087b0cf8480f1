/* watch: one watcher process, as the engine sees it: frames in, requests out.
 *
 * When it dies every drive that it serves may have missed events: they keep their tree, say so in their
 * status, and are reconciled once another watcher is ready. */
#include "sync/engine_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "watcher/starter.h"

enum { READ_BYTES = 256 * 1024, READS_PER_TURN = 4, RETRY_MAX_MS = 30000 };

static void died(struct watch *w, const char *why);

static struct watched *find_drive(const struct watch *w, uint16_t number)
{
	for (size_t i = 0; i < w->drive_count; i++) {
		if (w->drives[i]->number == number)
			return w->drives[i];
	}
	return NULL;
}

/* Barriers. */

uint32_t watch_ask_barrier(struct watch *w, struct watched *drive, uint32_t request)
{
	struct watch_barrier *b = calloc(1, sizeof(*b)), **last = &w->pending;
	struct watch_request r = {.type = REQUEST_BARRIER};

	if (b == NULL) {
		engine_fail(w->engine, -ENOMEM, "a barrier");
		return 0;
	}
	b->number = r.request = ++w->barriers;
	b->watched = drive;
	b->request = request;
	while (*last != NULL)
		last = &(*last)->next;
	*last = b;
	watch_request(w, &r);
	return b->number;
}

static void barrier_answered(struct watch *w, const struct observation *o)
{
	struct watch_barrier *b = w->pending;
	struct observation answer = *o;

	if (b == NULL || b->number != o->request) {
		died(w, "it answered a barrier that was not asked for");
		return;
	}
	w->pending = b->next;
	answer.request = b->request;
	if (b->request == LISTEN_BARRIER)
		listen_passed(b->watched);
	else if (b->request == 0)
		barriers_answered(b->watched, b->number);
	else if (b->watched->machine != NULL)
		watched_observe(b->watched, &answer);
	free(b);
}

static void drop_barriers(struct watch *w)
{
	struct watch_barrier *b;

	while ((b = w->pending) != NULL) {
		w->pending = b->next;
		free(b);
	}
}

/* Frames in. */

static void observed(struct watch *w, const struct observation *o)
{
	struct watched *drive;

	if (o->type == OBSERVED_BATCH_END)
		w->in_batch = false;
	else if ((o->type == OBSERVED_ENTRY || o->type == OBSERVED_GONE || o->type == OBSERVED_FILE) &&
		 (o->flags & OBSERVED_LISTED) == 0)
		w->in_batch = true; /* the other side of a rename may be still to come */
	switch (o->type) {
	case OBSERVED_BARRIER:
		barrier_answered(w, o);
		return;
	case OBSERVED_OVERFLOW:
		for (size_t i = 0; o->drive == 0 && i < w->drive_count; i++)
			watched_observe(w->drives[i], o);
		if (o->drive == 0)
			return;
		break;
	case OBSERVED_BATCH_END:
		return;
	case OBSERVED_REMOUNT:
		for (size_t i = 0; i < w->drive_count; i++)
			watched_observe(w->drives[i], o);
		return;
	case OBSERVED_READY:
	case OBSERVED_ENTRY:
	case OBSERVED_GONE:
	case OBSERVED_SCAN_BEGIN:
	case OBSERVED_SCAN_END:
	case OBSERVED_LOOKED:
	case OBSERVED_ROOT_GONE:
	case OBSERVED_FAILED:
	case OBSERVED_FILE:
	case OBSERVED_MOUNTS:
	case OBSERVED_GAUGES:
	case OBSERVED_UNWATCHED:
		break;
	}
	drive = find_drive(w, o->drive);
	if (drive == NULL)
		died(w, "it spoke of a drive that it does not serve");
	else
		watched_observe(drive, o);
}

static void take_frames(struct watch *w)
{
	struct observation o;
	size_t at = 0;
	int len = 0;

	while (w->fd >= 0 && (len = observation_decode(&o, w->in + at, w->in_len - at)) > 0) {
		at += (size_t)len;
		observed(w, &o);
	}
	if (w->fd < 0)
		return;
	if (len < 0) {
		died(w, "it sent a malformed frame");
		return;
	}
	memmove(w->in, w->in + at, w->in_len - at);
	w->in_len -= at;
}

static void on_readable(struct watch *w)
{
	ssize_t n = 1;

	for (int i = 0; i < READS_PER_TURN && w->fd >= 0 && n > 0; i++) {
		n = recv(w->fd, w->in + w->in_len, w->in_room - w->in_len, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			died(w, "it ended");
			return;
		}
		if (n > 0) {
			w->in_len += (size_t)n;
			take_frames(w);
		}
	}
}

/* Requests out. */

static void on_poll(uv_poll_t *poll, int status, int events);

static void poll_for(struct watch *w, int events)
{
	int r = uv_poll_start(&w->poll, events, on_poll);

	if (r != 0)
		engine_fail(w->engine, r, "waiting for a watcher");
}

void watch_flush(struct watch *w)
{
	bool waited = w->out.len > 0;
	ssize_t n = 0;

	if (w->fd < 0 || w->out.len == 0)
		return;
	n = send(w->fd, w->out.data, w->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return; /* reading will find it dead */
	if (n > 0) {
		memmove(w->out.data, w->out.data + n, w->out.len - (size_t)n);
		w->out.len -= (size_t)n;
	}
	if (waited)
		poll_for(w, w->out.len > 0 ? UV_READABLE | UV_WRITABLE : UV_READABLE);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct watch *w = container_of(poll, struct watch, poll);

	if (status != 0) {
		died(w, uv_strerror(status));
		return;
	}
	if (events & UV_READABLE)
		on_readable(w);
	if (events & UV_WRITABLE)
		watch_flush(w);
}

void watch_request(struct watch *w, const struct watch_request *r)
{
	uint8_t frame[OBSERVATION_FRAME_MAX];
	int len = watch_request_encode(r, frame, sizeof(frame));

	if (w->fd < 0)
		return;
	if (len > 0)
		text_add(&w->out, frame, (size_t)len);
	if (len <= 0 || w->out.failed)
		engine_fail(w->engine, len < 0 ? len : -ENOMEM, "a request to a watcher");
}

void watch_ask_drive(struct watch *w, struct watched *drive)
{
	watch_request(w, &(struct watch_request){.type = REQUEST_DRIVE,
						 .drive = drive->number,
						 .backend = drive->config->backend,
						 .name = drive->config->path,
						 .name_len = strlen(drive->config->path)});
}

static void ask_ignore(struct watch *w)
{
	const char *path = w->engine->options.state_dir;

	if (path != NULL)
		watch_request(w, &(struct watch_request){
					 .type = REQUEST_IGNORE, .name = path, .name_len = strlen(path)});
}

/* Life and death. */

int watch_start(struct watch *w)
{
	int r = starter_start(w->engine->options.starter, START_WATCHER, &w->fd, &w->pid);

	if (r != 0) {
		w->fd = -1;
		return r;
	}
	if (w->in == NULL) {
		w->in_room = READ_BYTES;
		w->in = malloc(w->in_room);
		if (w->in == NULL)
			return -ENOMEM;
	}
	w->in_len = 0;
	text_clear(&w->out);
	r = uv_poll_init(&w->engine->loop, &w->poll, w->fd);
	if (r != 0)
		return r;
	w->polling = true;
	poll_for(w, UV_READABLE);
	ask_ignore(w);
	for (size_t i = 0; i < w->drive_count; i++)
		watch_ask_drive(w, w->drives[i]);
	watch_flush(w);
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct watch *w = container_of((uv_poll_t *)handle, struct watch, poll);

	w->polling = false;
}

static void hang_up(struct watch *w)
{
	if (w->fd < 0)
		return;
	uv_poll_stop(&w->poll);
	uv_close((uv_handle_t *)&w->poll, on_closed);
	close(w->fd);
	w->fd = -1;
	w->in_len = 0;
	w->in_batch = false;
	drop_barriers(w);
}

static void died(struct watch *w, const char *why)
{
	unsigned shift = w->deaths < 5 ? w->deaths : 5;
	uint64_t wait = (uint64_t)WATCHER_RETRY_MS << shift;

	engine_log("watcher %d is gone (%s); its drives are reconciled when the next one is ready",
		   (int)w->pid, why);
	hang_up(w);
	w->deaths++;
	w->restart_ms = engine_now_ms() + (w->deaths == 1 ? 0 : wait > RETRY_MAX_MS ? RETRY_MAX_MS : wait);
	for (size_t i = 0; i < w->drive_count; i++) {
		if (w->drives[i]->machine != NULL || w->drives[i]->adopt != NULL)
			watched_offline(w->drives[i],
					"the watcher process ended; another one is being started");
		w->drives[i]->retry_ms = UINT64_MAX;
	}
}

void watch_deaf(struct watch *w, const struct watched *drive)
{
	char why[128];

	snprintf(why, sizeof(why), "it does not hear what happens on drive %s", drive->row.name);
	died(w, why);
}

void watch_tick(struct watch *w, uint64_t now_ms)
{
	int r;

	if (w->fd >= 0 || w->polling || now_ms < w->restart_ms)
		return;
	r = watch_start(w);
	if (r != 0)
		engine_fail(w->engine, r, "starting a watcher");
}

void watch_stop(struct watch *w)
{
	hang_up(w);
	free(w->in);
	w->in = NULL;
	text_deinit(&w->out);
}
