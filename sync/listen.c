/* listen: the self-probe of a drive's watcher (probe.h), between the file helper that touches and the watcher
 * that is to tell of it. */
#include "sync/engine_internal.h"

#include <string.h>

static const char own_name[] = ".wakeline", probe_name[] = "probe";

static bool can_probe(const struct watched *w)
{
	return w->machine != NULL && w->own.len != 0 &&
	       (w->backend == WATCH_FANOTIFY || w->backend == WATCH_INOTIFY);
}

void listen_begin(struct watched *w)
{
	probe_begin(&w->probe, can_probe(w) ? w->config->probe_ms : 0, engine_now_ms());
	w->probe_seq = w->tail.seq;
}

static bool is_named(const struct observation *o, const char *name)
{
	return o->name_len == strlen(name) && memcmp(o->name, name, o->name_len) == 0;
}

/* inotify watches the root and not what lies in `.wakeline`. */
bool listen_hears(struct watched *w, const struct observation *o)
{
	struct file_id root;

	if (o->type != OBSERVED_ENTRY || (o->flags & OBSERVED_LISTED) != 0 || w->own.len == 0)
		return false;
	memcpy(&root, &w->row.root_id, sizeof(root));
	if (!(file_id_equal(&o->dir, &w->own) && is_named(o, probe_name)) &&
	    !(file_id_equal(&o->dir, &root) && is_named(o, own_name)))
		return false;
	probe_heard(&w->probe, engine_now_ms());
	return true;
}

static void on_probed(struct watched *w, const struct helper_asked *asked, const struct helper_answer *a)
{
	(void)asked;
	if (a->error == 0)
		w->own = a->id;
	if (probe_touched(&w->probe, a->error == 0 && w->machine != NULL, engine_now_ms()))
		watch_ask_barrier(w->watch, w, LISTEN_BARRIER);
}

void listen_passed(struct watched *w)
{
	probe_passed(&w->probe, engine_now_ms());
}

/* A run compares without hearing anything, so its changes are no sign. */
static void note_changes(struct watched *w, uint64_t now_ms)
{
	if (w->tail.seq != w->probe_seq && w->run.row.run == 0)
		probe_alive(&w->probe, now_ms);
	w->probe_seq = w->tail.seq;
}

void listen_tick(struct watched *w, uint64_t now_ms)
{
	struct helper_request q = {.type = HELPER_PROBE};

	if (w->machine == NULL)
		return;
	note_changes(w, now_ms);
	switch (probe_tick(&w->probe, now_ms)) {
	case PROBE_NOTHING:
		return;
	case PROBE_TOUCH:
		if (helper_ask(w, &q, NULL, on_probed, 0) == 0)
			probe_touched(&w->probe, false, now_ms);
		return;
	case PROBE_DEAF:
		watch_deaf(w->watch, w);
		return;
	}
}

uint64_t listen_deadline(const struct watched *w)
{
	return w->machine == NULL ? UINT64_MAX : probe_deadline(&w->probe);
}
