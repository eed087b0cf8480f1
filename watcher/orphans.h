/* orphans: files of a batch that were changed under a name which is something else, or nothing, by the time
 * it is looked at.
 *
 * Such a file may live on under another name (hard links), and that name got no event.  Only handles are
 * kept, each once; a file that a rename of the same batch brought to a name is none, since it was looked at
 * there. Pure memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watcher/file_id.h"
#include "watcher/known.h"

struct orphans {
	struct file_id *ids; /* by handle alone: their inode number is 0 */
	size_t count, room;
	struct known noted, placed;
};

void orphans_deinit(struct orphans *o);
void orphans_clear(struct orphans *o);
/* `hash` is of the handle.  -ENOMEM. */
int orphans_add(struct orphans *o, const struct file_id *id, uint64_t hash);
/* It was looked at at the name that a rename gave it. */
void orphans_placed(struct orphans *o, uint64_t hash);
bool orphans_is_placed(const struct orphans *o, uint64_t hash);
