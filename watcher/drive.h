/* drive: one watched root inside a watcher process.
 *
 * Its descriptor is held only while there is work: a descriptor that is kept open would make every unmount
 * fail with EBUSY.  Opening it again proves at the same time that the path still leads to the same directory
 * on the same mount. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "watcher/entry.h"
#include "watcher/mounts.h"
#include "watcher/observation.h"

struct backend;

struct watch_drive {
	TAILQ_ENTRY(watch_drive) link;
	uint16_t number;
	int fd; /* of the root while working, else -1 */
	char *path;
	uint64_t mount; /* id of the mount it lies on; 0: the kernel has none to tell */
	struct file_id root;
	struct entry_state state; /* of the root when it was opened */
	struct entry_rule rule;
	struct backend *backend;
	char fs_type[32];
	unsigned flags; /* WATCH_WEAK_* */
	struct nested_mounts nested;
	bool has_volume;
	uint8_t volume[VOLUME_BYTES]; /* UUID of its file system */
	bool lost; /* its root could not be opened when there were events: if it is there after all, some of
		    * them may have been its own */
};
TAILQ_HEAD(watch_drive_list, watch_drive);

/* Open the root at `path` and learn what its file system can do.  -EOPNOTSUPP: changes made on other hosts
 * would never be seen, unless WATCH_POLL is wanted.  Else -errno of opening it. */
int watch_drive_new(struct watch_drive **out, uint16_t number, const char *path, enum watch_backend wanted);
void watch_drive_free(struct watch_drive *d); /* NULL is allowed */

/* The root's descriptor.  -ESTALE: the path leads to something else now; -ENOENT and others: to nothing. */
int watch_drive_fd(struct watch_drive *d);
/* Is it still there?  Looks afresh.  0 or as above. */
int watch_drive_check(struct watch_drive *d);
/* Read the root's state again, once it is watched. */
int watch_drive_refresh(struct watch_drive *d);
void watch_drive_rest(struct watch_drive *d);
