/* fanotify_event: one record of a fanotify group (FAN_REPORT_DFID_NAME_TARGET), taken apart.
 *
 * Info records come in any number and order, and are trusted in nothing: each length is checked.  Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "watcher/file_id.h"

struct fanotify_name {
	struct file_id dir; /* with inode 0: the kernel gives the handle alone; len 0: not in this record */
	const char *name;   /* borrowed from the buffer; NULL: none */
	size_t len;
};

struct fanotify_event {
	uint64_t mask;
	struct fanotify_name at, from, to; /* `from` and `to` of a rename; either may be missing */
	struct file_id child;              /* what the name stood for; len 0: not told */
};

/* Read one record from the start of buf.  Returns its length; 0: buf is at its end; -EPROTO: malformed. */
int fanotify_event_parse(struct fanotify_event *out, const uint8_t *buf, size_t len);
