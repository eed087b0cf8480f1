/* watcher: a simulated kernel queue and the watcher process that reads it.
 *
 * The queue has the bad habits of the real ones (merging into the earlier record, renames that lose parity,
 * names that are gone).  The watcher moves in micro steps, between which anything may happen: it reads some
 * records, looks at each name once, lists a directory in chunks and looks at each entry later.  What it says
 * waits in a pipe until the test delivers it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/simulation/file_system.h"
#include "watcher/observation.h"

struct watcher;

struct watcher_options {
	bool inotify; /* renames are two events, no FRESH, a directory is watched from when it was seen */
	bool weak;    /* identities are inode numbers only */
	bool shuffle; /* the names of a batch are looked at in any order */
};

struct watcher *watcher_new(struct file_system *fs);
void watcher_free(struct watcher *w); /* NULL is allowed */
void watcher_reset(struct watcher *w, const struct watcher_options *options);

/* The file system's callback; context is the watcher. */
void watcher_on_event(void *context, const struct fs_event *event);
/* Dead: events are lost, requests and what was not delivered are dropped.  Started: as a new process, knowing
 * nothing. */
void watcher_start(struct watcher *w);
void watcher_stop(struct watcher *w);
bool watcher_is_alive(const struct watcher *w);
/* The kernel queue is full: no event gets in until the watcher has read that. */
void watcher_overflow(struct watcher *w);
/* The next scan or look, whichever comes first, fails with EIO. */
void watcher_fail_next(struct watcher *w);
void watcher_forgive(struct watcher *w);    /* it does not */
bool watcher_took_fault(struct watcher *w); /* it did fail, since the last call */

/* Requests.  False: the name or directory is none that any observation ever told. */
bool watcher_ask_look(struct watcher *w, uint32_t request, const struct file_id *dir, const char *name,
		      size_t len);
bool watcher_ask_scan(struct watcher *w, uint32_t request, uint16_t flags, const struct file_id *dir);
void watcher_ask_barrier(struct watcher *w, uint32_t request);

/* Something to do: records, requests, or in the middle of one. */
bool watcher_is_busy(const struct watcher *w);
void watcher_step(struct watcher *w, uint64_t salt);

/* The next observation in the pipe; false when it is empty.  Strings are static. */
bool watcher_next(struct watcher *w, struct observation *out);

void watcher_make_id(const struct watcher *w, struct fs_ref ref, struct file_id *out);
/* The reference behind an id that watcher_make_id() gave; .inode 0 when it is none. */
struct fs_ref watcher_parse_id(const struct watcher *w, const struct file_id *id);
