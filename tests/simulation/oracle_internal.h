/* oracle_internal: the replica, as oracle.c builds it and truth.c reads it.
 *
 * It is a tree of entries in an array, emptied by setting its count to 0.  Entries are never reused within a
 * history, so saving and restoring it copies the used part. */
#pragma once

#include <string.h>

#include "tests/simulation/oracle.h"

enum { ENTRIES = 4096, ODD_NAMES = 1 << 17, SEEN_NODES = 4096, KNOWN_NODES = 2048 };

struct entry {
	uint16_t parent, first_child, next_sibling; /* 0: none; 1 is the root */
	bool gone, open;
	uint64_t node;
	struct identity id;
	struct node_state state;
	const char *name, *target;
	size_t name_len, target_len;
};

struct image {
	unsigned count;
	size_t odd_used;
	unsigned swaps; /* entries that stand at a swap name */
	uint16_t moved; /* the change before was a move of this entry … */
	bool continued;
	uint64_t digest;
	uint32_t known[KNOWN_NODES];  /* by node: of which content the index has the hash; 0: of none */
	uint8_t seen[SEEN_NODES / 8]; /* node numbers that were ever given */
};

struct oracle {
	struct failure *failure;
	bool weak_ids;
	const struct rules *rules;
	struct image now, saved;
	struct entry before; /* … which was this until then: a move carries the new state, an update after it
				says why */
	struct entry entries[ENTRIES], saved_entries[ENTRIES];
	char odd_names[ODD_NAMES]; /* names and targets that are not in the tables */
};

static inline uint16_t number(const struct oracle *o, const struct entry *e)
{
	return (uint16_t)(e - o->entries);
}

static inline bool same_bytes(const void *a, size_t a_len, const void *b, size_t b_len)
{
	return a_len == b_len && memcmp(a, b, a_len) == 0;
}

/* NULL when there is none of that name. */
struct entry *oracle_child(struct oracle *o, uint16_t parent, const char *name, size_t len);
