/* world: one history being lived: a file system, its watcher, the machine under test, an index and the
 * oracle.
 *
 * It does what the engine does around the machine: delivers observations, steps inside transactions,
 * reconciles after every sign of loss, passes barriers on.  All its memory is kept from one history to the
 * next. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "sync/drive.h"
#include "tests/simulation/expect.h"
#include "tests/simulation/file_system.h"
#include "tests/simulation/hashes.h"
#include "tests/simulation/oracle.h"
#include "tests/simulation/script.h"
#include "tests/simulation/watcher.h"

enum { WORLD_BARRIERS = 4 };

struct world_barrier {
	bool used, marked;
	uint32_t request, since;
	uint64_t mark;
};

struct world {
	struct script_options options;
	struct failure failure;
	FILE *trace; /* NULL: quiet */
	struct file_system fs;
	struct watcher *watcher;
	struct store_txn *txn;
	struct oracle *oracle;
	struct rules *rules; /* used where the options say so */
	struct drive *drive; /* NULL: the daemon is down */
	uint64_t now_ms;
	uint64_t seq, epoch;

	bool mid_batch; /* observations of a batch were delivered, and its end was not */
	bool indexed;   /* the first index is complete */
	bool lost;      /* a whole reconcile is owed */
	bool ever_lost;
	bool faulty; /* since the last rest something could not be read, or the first index was not complete
		      */
	bool unread; /* of all that is in the drive not everything could be read, for want of a right */
	bool walking, walk_heals;
	bool walk_ended;
	int walk_error;
	uint64_t walk_entries, walk_changes;

	struct hashes hashes;
	struct world_barrier barriers[WORLD_BARRIERS];
	uint32_t requests;

	uint64_t change_count; /* in all */
	unsigned crash_at;     /* 0: no; else the change in this step at which the step is aborted */
	bool crashed;
	struct expectation expectation;
	bool only_links; /* changes must be explained by names that the watcher could not see */
	uint64_t observations, operations;
};

int world_init(struct world *w); /* zeroed before */
void world_deinit(struct world *w);
void world_begin(struct world *w, const struct script_options *options);
void world_act(struct world *w, const struct action *a);
/* Close what is open, start what is down, come to rest, and check everything. */
void world_finish(struct world *w);

static inline bool world_failed(const struct world *w)
{
	return w->failure.rule[0] != '\0';
}
