/* drives: what the store knows of each drive, by name and by number.  The number is the store's (1 and up),
 * given once. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "store/index.h"

enum { DRIVE_NAME_MAX = 63, DRIVE_VOLUME_BYTES = 16 };
enum drives_answer { DRIVES_NONE = 1 };

struct drive_row {
	uint32_t drive;
	char name[DRIVE_NAME_MAX + 1];
	uint64_t root; /* node of the root; always there */
	bool indexed;  /* the first index is complete: from here on every difference is a change */
	bool has_root; /* root_id is known */
	struct identity root_id;
	struct node_time root_birth;
	uint64_t last_run;                  /* number of the last run given; 0: none */
	bool has_volume;                    /* `volume` is known */
	uint8_t volume[DRIVE_VOLUME_BYTES]; /* which file system it lay on: its UUID, or what there is instead
					     */
	uint64_t rules;                     /* checksum of the rules by which the rows' `hidden` was set */
	int64_t scrubbed_ns; /* unix time at which the last run of the whole drive ended; 0: never */
	uint64_t verified;   /* node up to which contents were compared in this round */
};

/* Find a drive by name, or DRIVES_NONE. */
int drives_find(struct store_txn *txn, const char *name, struct drive_row *out);
/* Add it: number, root node (no name, no parent, kind dir), not indexed.  -EEXIST. */
int drives_add(struct store_txn *txn, const char *name, struct drive_row *out);
int drives_update(struct store_txn *txn, const struct drive_row *row);
