/* storm: how soon a run may follow lost events, so that losses which come faster than a drive can be compared
 * do not make it compare itself for ever.
 *
 * The first loss is answered at once.  A loss that comes while its run is going, or soon after, is one of a
 * storm: its run waits 1 s after the end of the last one, the next 2 s, 4 s and so on up to a minute.  All
 * losses meanwhile share that run.  Once no loss came for a while after a run (at least a second, and ten
 * times as long as the run took) the storm is over.  Pure; milliseconds of any monotonic clock. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { STORM_WAIT_MS = 1000, STORM_WAIT_MAX_MS = 60000, STORM_QUIET_MS = 1000, STORM_QUIET_RUNS = 10 };

struct storm { /* zeroed before */
	bool owed, running;
	unsigned losses; /* in a row, each soon after the run for the one before */
	uint64_t began_ms, ended_ms, quiet_ms;
};

void storm_lost(struct storm *s, uint64_t now_ms);
/* When the run that is owed may begin; UINT64_MAX: not before the one that is going has ended. */
uint64_t storm_due(const struct storm *s);
/* A run that answers all losses so far begins; it ends, or comes to nothing. */
void storm_began(struct storm *s, uint64_t now_ms);
void storm_ended(struct storm *s, uint64_t now_ms);
