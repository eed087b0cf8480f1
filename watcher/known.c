#include "watcher/known.h"

#include <stdbool.h>
#include <stdlib.h>

enum { KNOWN_FIRST = 256 };

void known_deinit(struct known *k)
{
	free(k->slots);
	*k = (struct known){0};
}

void known_clear(struct known *k)
{
	known_deinit(k);
}

static uint64_t key_of(uint64_t hash)
{
	return hash == 0 ? 1 : hash;
}

/* The slot of key, or the free one where it would go.  There always is a free one. */
static size_t find(const struct known *k, uint64_t key)
{
	size_t i = key & k->mask;

	while (k->slots[i].hash != 0 && k->slots[i].hash != key)
		i = (i + 1) & k->mask;
	return i;
}

static bool grow(struct known *k)
{
	struct known bigger = {.mask = k->slots == NULL ? KNOWN_FIRST - 1 : k->mask * 2 + 1};

	bigger.slots = calloc(bigger.mask + 1, sizeof(*bigger.slots));
	if (bigger.slots == NULL)
		return false;
	for (size_t i = 0; k->slots != NULL && i <= k->mask; i++) {
		if (k->slots[i].hash != 0)
			bigger.slots[find(&bigger, k->slots[i].hash)] = k->slots[i];
	}
	bigger.count = k->count;
	free(k->slots);
	*k = bigger;
	return true;
}

void known_put(struct known *k, uint64_t hash, uint16_t drive)
{
	struct known_slot *slot;

	if ((k->slots == NULL || k->count >= (k->mask + 1) / 4 * 3) && !grow(k))
		return;
	slot = &k->slots[find(k, key_of(hash))];
	if (slot->hash == 0)
		k->count++;
	*slot = (struct known_slot){.hash = key_of(hash), .drive = drive};
}

/* Close the hole by moving back what was pushed over it. */
static void close_hole(struct known *k, size_t hole)
{
	for (size_t i = (hole + 1) & k->mask; k->slots[i].hash != 0; i = (i + 1) & k->mask) {
		size_t home = k->slots[i].hash & k->mask;

		if (((i - home) & k->mask) >= ((i - hole) & k->mask)) {
			k->slots[hole] = k->slots[i];
			hole = i;
		}
	}
	k->slots[hole] = (struct known_slot){0};
}

void known_forget(struct known *k, uint64_t hash)
{
	size_t i;

	if (k->slots == NULL)
		return;
	i = find(k, key_of(hash));
	if (k->slots[i].hash == 0)
		return;
	k->count--;
	close_hole(k, i);
}

int known_get(const struct known *k, uint64_t hash)
{
	size_t i;

	if (k->slots == NULL)
		return KNOWN_NOT;
	i = find(k, key_of(hash));
	return k->slots[i].hash == 0 ? KNOWN_NOT : k->slots[i].drive;
}
