/* recent: the directories that were forgotten last, by the hashes of their ids.
 *
 * At least the last `limit` are remembered and at most twice as many: when the young are `limit` they become
 * the old, and the old before them are dropped. */
#pragma once

#include <stdbool.h>

#include "watcher/known.h"

struct recent { /* zeroed before */
	struct known young, old;
};

void recent_put(struct recent *r, uint64_t hash, size_t limit);
void recent_forget(struct recent *r, uint64_t hash);
bool recent_has(const struct recent *r, uint64_t hash);
void recent_deinit(struct recent *r);
