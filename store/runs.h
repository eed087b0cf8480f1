/* runs: the history of each drive's reconcile passes.  Numbers count from 1 per drive. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct store_txn;

enum runs_answer { RUNS_NONE = 1 };
enum run_trigger {
	RUN_FIRST_INDEX = 1,
	RUN_START = 2,
	RUN_OVERFLOW = 3,
	RUN_WATCHER = 4,
	RUN_MANUAL = 5,
	RUN_SCRUB = 6, /* a whole drive was due to be compared */
	RUN_ADOPT = 7, /* another directory took the place of the drive's root, and that is meant */
};
enum run_state {
	RUN_RUNNING = 1,
	RUN_COMPLETED = 2,
	RUN_FAILED = 3,
	RUN_INTERRUPTED = 4,
	RUN_QUEUED = 5, /* it waits for another one, or for the drive; `started_ns` is 0 */
};
enum { RUN_PATH_MAX = 4095, RUN_ERROR_MAX = 255 };

struct run_row {
	uint32_t drive;
	uint64_t run;
	enum run_trigger trigger;
	enum run_state state;
	int64_t started_ns, ended_ns; /* unix time; ended 0 while running */
	uint64_t entries, changes;    /* entries seen; changes journalled because of it */
	uint64_t total;               /* entries that the index had when it began; 0: not known */
	char path[RUN_PATH_MAX + 1];  /* below which it ran; empty: the whole drive */
	char error[RUN_ERROR_MAX + 1];
};

int runs_put(struct store_txn *txn, const struct run_row *row);
int runs_get(struct store_txn *txn, uint32_t drive, uint64_t run, struct run_row *out);
/* The newest run with a number below `before` (0: the newest of all). */
int runs_before(struct store_txn *txn, uint32_t drive, uint64_t before, struct run_row *out);
/* Keep the newest `keep` of a drive. */
int runs_prune(struct store_txn *txn, uint32_t drive, unsigned keep);
const char *run_trigger_name(enum run_trigger t); /* "first_index", "start", … */
const char *run_state_name(enum run_state s);     /* "running", "completed", … */
