/* engine: the one writer.  It turns the watchers' observations into journalled changes.
 *
 * It runs a libuv loop on a thread of its own, alone holds write transactions, and asks the starter for
 * watchers. The rest of the daemon speaks to it by messages: struct engine_request goes in (engine_ask(), any
 * thread), struct engine_news comes out to the mailbox given at start.  Nothing it tells is told before it is
 * on stable storage. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/event.h"
#include "store/position.h"
#include "store/runs.h"
#include "store/tokens.h"
#include "sync/mailbox.h"
#include "watcher/observation.h"

struct engine;
struct rules;
struct starter;
struct store;

struct engine_drive {
	const char *name;
	const char *path; /* absolute */
	uint64_t device;  /* st_dev of path: drives of one file system share a watcher */
	enum watch_backend backend;
	uint64_t poll_interval_ms; /* between two passes, where no events come */
	unsigned settle_ms, max_wait_ms;
	uint64_t retain_changes;
	bool read_only;            /* nothing is ever written on it */
	unsigned probe_ms;         /* how often its watcher is probed; 0: never */
	uint64_t verify_seconds;   /* in which all contents are compared; 0: they are not */
	const struct rules *rules; /* borrowed until engine_stop(); NULL: nothing is hidden */
};

enum drive_state { DRIVE_INDEXING, DRIVE_LIVE, DRIVE_RECONCILING, DRIVE_DEGRADED, DRIVE_OFFLINE };
const char *drive_state_name(enum drive_state s); /* "indexing", "live", … */

enum engine_request_type { ENGINE_TRIGGER, ENGINE_BARRIER, ENGINE_TOKEN_ADD, ENGINE_TOKEN_REVOKE };

struct engine_request {
	struct mail mail;
	enum engine_request_type type;
	char drive[64];
	char *path;             /* TRIGGER: relative, NULL for the whole drive; the engine frees it */
	struct token_row token; /* TOKEN_ADD: in, and out with its id; TOKEN_REVOKE: in the id, out the row */
	/* The answer. */
	int error;    /* 0; -ENOENT no such drive, path or token; -EAGAIN offline; -ENOTDIR; other -errno */
	uint64_t run; /* TRIGGER: also of a run that was already going and is joined */
	struct position cursor; /* BARRIER: what was done before the request is at or before it */
	void *context;          /* the asker's */
};

enum engine_news_type {
	NEWS_ADVANCED, /* `stream` has new records, durable already */
	NEWS_DRIVE,    /* something in a drive's status changed */
	NEWS_NOTE,     /* an event that is not journalled, for `stream` */
	NEWS_ANSWER,   /* a request comes back; it is the asker's again */
	NEWS_FAILED,   /* the engine cannot go on (the store fails): `error`, `text`; the daemon stops */
};

struct drive_status {
	char name[64];
	char root[4096];
	enum watch_backend backend; /* WATCH_AUTO until it is known */
	enum drive_state state;
	bool weak_barrier;
	char why[256]; /* for people, when degraded or offline, or why not fanotify; else empty */
	uint64_t entries, pending;
	struct run_row *last_run; /* NULL: none yet; freed with the news */
};

struct engine_news {
	struct mail mail;
	enum engine_news_type type;
	char stream[80];
	enum event_type event; /* NOTE */
	char *text;            /* NOTE: the item, one JSON object; FAILED: for people; NULL otherwise */
	int error;
	struct drive_status *drive;     /* DRIVE */
	struct engine_request *request; /* ANSWER */
};
void engine_news_free(struct engine_news *n); /* NULL is allowed; frees all but the request */

struct engine_options {
	struct store *store;     /* borrowed; the engine alone writes to it from here on */
	struct starter *starter; /* borrowed; used by the engine's thread alone */
	const struct engine_drive *drives;
	size_t drive_count;
	struct mailbox *news; /* borrowed; outlives the engine */
};

/* Opens streams and drives in the store (so an error here is told before anything is served), then starts the
 * thread. */
int engine_start(struct engine **out, const struct engine_options *options);
/* Any thread.  The answer comes as NEWS_ANSWER; false when the engine is stopping (the request stays the
 * caller's). */
bool engine_ask(struct engine *e, struct engine_request *request);
/* Journal what is pending, end the thread, free.  Blocks; call from the thread that started it. */
void engine_stop(struct engine *e);
