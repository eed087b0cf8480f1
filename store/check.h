/* check: read a whole store and say what is wrong with it.
 *
 * Verifies: every journal contiguous and its checksum chain whole; every row's name record points back at it;
 * every parent a live directory, no cycle, no orphan; identities and rows agree both ways; no node of a
 * number never given; counts, streams, drives, runs and tokens readable; no page used twice.  Nothing may
 * write to the store meanwhile. A damaged file can end the process that reads it: a forked child of the one
 * that opened the store may call this. */
#pragma once

#include <stdint.h>

struct store;

struct store_report {
	uint64_t streams, records, drives, nodes, identities, detached, runs, tokens;
	uint64_t faults;
};

/* `say` gets one line for people for each fault (and only the first 100).  0 when all is well, -EILSEQ when
 * there are faults, other -errno when it could not be read. */
int store_check(struct store *store, struct store_report *report,
		void (*say)(void *context, const char *line), void *context);
