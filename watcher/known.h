/* known: which directories belong to which drive, 16 bytes each.
 *
 * A file system mark reports the whole volume, so each event's directory is looked up here first.  Only
 * hashes are kept: a false match (one in 2^64) would report a foreign name, which the daemon drops, since it
 * does not know its directory. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct known_slot {
	uint64_t hash; /* 0: free */
	uint16_t drive;
};

struct known {
	struct known_slot *slots;
	size_t count, mask;
};

enum { KNOWN_NOT = -1 };

void known_deinit(struct known *k);
void known_clear(struct known *k);
/* Without memory it is just not remembered: such a directory is asked for again. */
void known_put(struct known *k, uint64_t hash, uint16_t drive);
void known_forget(struct known *k, uint64_t hash);
/* The drive's number or KNOWN_NOT. */
int known_get(const struct known *k, uint64_t hash);
