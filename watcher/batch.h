/* batch: the names that the events of one wake-up touched, each once, in the order of their first mention.
 *
 * Kernel events merge and lose parity, so they are only hints: what a name is now is read once, after all of
 * the wake-up's events were taken from the queue.  Directories are known by an id that the backend chooses.
 * Pure memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watcher/file_id.h"

enum { BATCH_NAMES = 4096 }; /* a wake-up stops to read when it has gathered this many */

struct batch_dir {
	struct file_id id;
	int fd;    /* the backend's: -1, or open while the batch is looked at */
	int error; /* why it could not be opened */
	void *drive;
};

struct batch_name {
	uint32_t dir; /* index into dirs */
	uint32_t at;  /* NUL-terminated, in bytes */
	uint8_t len;
	uint16_t seen;        /* the backend's bits, ORed together */
	struct file_id child; /* which file the bits are about; len 0: the kernel did not tell */
};

struct batch {
	struct batch_dir *dirs;
	struct batch_name *names;
	char *bytes;
	size_t dir_count, name_count, byte_count;
	size_t dir_room, name_room, byte_room;
	uint32_t *dir_slots, *name_slots; /* index + 1, open addressing */
	size_t dir_mask, name_mask;
};

void batch_deinit(struct batch *b);
void batch_clear(struct batch *b);
/* The element for this directory and name, new or already there, or NULL: no memory.  Valid until the next
 * batch_add(). */
struct batch_name *batch_add(struct batch *b, const struct file_id *dir, const char *name, size_t len);
