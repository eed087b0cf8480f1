/* engine_news: what the engine tells the rest of the daemon. */
#include "sync/engine_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void engine_news_free(struct engine_news *n)
{
	if (n == NULL)
		return;
	if (n->drive != NULL)
		free(n->drive->last_run);
	free(n->drive);
	free(n->text);
	free(n);
}

static struct engine_news *news_new(enum engine_news_type type, const char *stream)
{
	struct engine_news *n = calloc(1, sizeof(*n));

	if (n == NULL) {
		engine_log("out of memory: something that happened cannot be told");
		return NULL;
	}
	n->type = type;
	snprintf(n->stream, sizeof(n->stream), "%s", stream);
	return n;
}

static void post(struct engine *e, struct engine_news *n)
{
	if (n != NULL && !mailbox_post(e->options.news, &n->mail))
		engine_news_free(n);
}

void news_advanced(struct engine *e, const char *stream)
{
	post(e, news_new(NEWS_ADVANCED, stream));
}

void news_note(struct engine *e, const char *stream, enum event_type event, const struct text *json)
{
	struct engine_news *n = news_new(NEWS_NOTE, stream);

	if (n == NULL)
		return;
	n->event = event;
	n->text = strndup(json->data, json->len);
	post(e, n);
}

void news_failed(struct engine *e, int error, const char *text)
{
	struct engine_news *n = news_new(NEWS_FAILED, "");

	if (n == NULL)
		return;
	n->error = error;
	n->text = strdup(text);
	post(e, n);
}

void news_answer(struct engine *e, struct engine_request *request)
{
	struct engine_news *n = news_new(NEWS_ANSWER, "");

	if (n == NULL)
		return;
	n->request = request;
	post(e, n);
}

static struct drive_status *status_of(const struct watched *w)
{
	struct drive_status *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	snprintf(s->name, sizeof(s->name), "%s", w->row.name);
	snprintf(s->root, sizeof(s->root), "%s", w->config->path);
	snprintf(s->why, sizeof(s->why), "%s", w->why);
	s->queue_bytes = w->queue_bytes;
	s->lag_ms = w->lag_ms;
	s->mounts = w->mounts;
	snprintf(s->mounted_at, sizeof(s->mounted_at), "%s", w->mounted_at);
	s->backend = w->backend;
	s->state = w->state;
	s->weak_barrier = w->weak_barrier || pass_needed(w);
	s->entries = w->entries;
	s->pending = w->machine == NULL ? 0 : drive_pending(w->machine);
	if (w->last_run.run != 0) {
		s->last_run = malloc(sizeof(*s->last_run));
		if (s->last_run != NULL)
			*s->last_run = w->last_run;
	}
	return s;
}

void news_drive(struct watched *w)
{
	struct engine_news *n = news_new(NEWS_DRIVE, journal_name(w->journal));

	w->dirty = w->urgent = false;
	w->told_ms = engine_now_ms();
	if (n == NULL)
		return;
	n->drive = status_of(w);
	if (n->drive == NULL) {
		engine_news_free(n);
		return;
	}
	post(w->engine, n);
}

const char *drive_state_name(enum drive_state s)
{
	switch (s) {
	case DRIVE_INDEXING:
		return "indexing";
	case DRIVE_LIVE:
		return "live";
	case DRIVE_RECONCILING:
		return "reconciling";
	case DRIVE_DEGRADED:
		return "degraded";
	case DRIVE_OFFLINE:
		return "offline";
	}
	return "offline";
}
