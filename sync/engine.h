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
	uint64_t scrub_seconds;    /* how long after a run of everything the next one is due; 0: never */
	unsigned scrub_rate;       /* entries a second that it takes then */
	bool idle_first_index;     /* its first index is made at idle I/O priority */
};

enum drive_state { DRIVE_INDEXING, DRIVE_LIVE, DRIVE_RECONCILING, DRIVE_DEGRADED, DRIVE_OFFLINE };
const char *drive_state_name(enum drive_state s); /* "indexing", "live", … */

enum engine_request_type {
	ENGINE_TRIGGER,
	ENGINE_BARRIER,
	ENGINE_TOKEN_ADD,
	ENGINE_TOKEN_REVOKE,
	ENGINE_ADOPT,
};

/* Of the index and of the root that may take its root's place. */
struct adopt_counts {
	uint64_t entries, found; /* in the index; below the new root */
	uint64_t kept;           /* the same path, kind, size and modification time */
	uint64_t changed, created, missing;
};

struct engine_request {
	struct mail mail;
	enum engine_request_type type;
	char drive[64];
	char *path;             /* TRIGGER: relative, NULL for the whole drive; the engine frees it */
	struct token_row token; /* TOKEN_ADD: in, and out with its id; TOKEN_REVOKE: in the id, out the row */
	char confirm[17];       /* ADOPT: empty to count; out: what to confirm with */
	/* The answer. */
	int error;    /* 0; -ENOENT no such drive, path or token; -EAGAIN offline; -ENOTDIR; other -errno.
		       * ADOPT: -EALREADY not offline; -EBUSY one is going; -ESTALE counted anew since */
	uint64_t run; /* TRIGGER: also of a run that was already going and is joined; ADOPT, confirmed */
	struct adopt_counts counts; /* ADOPT */
	struct position cursor;     /* BARRIER: what was done before the request is at or before it */
	void *context;              /* the asker's */
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
	char why[256];        /* for people, when degraded or offline, or why not fanotify; else empty */
	uint64_t queue_bytes; /* of events that waited in the kernel, at the worst of the last second … */
	uint32_t lag_ms;      /* … and for how long */
	unsigned mounts;      /* other file systems that are mounted inside, one of them at … */
	char mounted_at[256];
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
	struct mailbox *news;  /* borrowed; outlives the engine */
	const char *state_dir; /* absolute; borrowed.  Our own writes in it are to wake no watcher */
};

/* Opens streams and drives in the store (so an error here is told before anything is served), then starts the
 * thread. */
int engine_start(struct engine **out, const struct engine_options *options);
/* Any thread.  The answer comes as NEWS_ANSWER; false when the engine is stopping (the request stays the
 * caller's). */
bool engine_ask(struct engine *e, struct engine_request *request);
/* Journal what is pending, end the thread, free.  Blocks; call from the thread that started it. */
void engine_stop(struct engine *e);
