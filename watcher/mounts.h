/* mounts: other file systems that are mounted inside a drive.
 *
 * What is mounted on a directory hides it, and no event tells when that begins or ends: only
 * /proc/self/mountinfo does.  So the list of a drive's mount points is kept, and each that comes or goes is a
 * name to look at again. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watcher/file_id.h"

struct watch_drive;

struct nested_mount {
	uint64_t mount;     /* its id */
	char *path;         /* relative to the root, as it was when it was mounted */
	struct file_id dir; /* the directory it lies in, also when that is renamed; len 0: not known, since
			     * another mount hides it */
	bool kept;
};

struct nested_mounts {
	struct nested_mount *at;
	size_t count;
};

/* Called for a directory that became a mount point or ceased to be one: look at `name` in `dir`. */
typedef void mounts_on_change(void *context, struct watch_drive *d, const struct file_id *dir,
			      const char *name);

/* Read the table again and tell what differs (on_change NULL: nothing is told).  Returns how many points came
 * or went, or -errno: the list is as it was. */
int mounts_refresh(struct watch_drive *d, mounts_on_change *on_change, void *context);
void mounts_clear(struct nested_mounts *m);
