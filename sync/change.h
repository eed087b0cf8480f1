/* change: one difference between what a watcher saw and what the index said, as it goes into the journal. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "store/event.h"
#include "store/index.h"
#include "store/item.h"

struct change {
	enum event_type event;         /* EVENT_FILE_* */
	const struct index_node *node; /* after the change; of a `deleted` the row as it was */
	const char *path, *from;       /* relative to the drive, no leading slash; from of a `moved` only */
	size_t path_len, from_len;
	unsigned changed; /* ITEM_* of an `updated` */
	bool open;        /* a writer is known to be active; an `updated` without it follows */
	bool recursive;   /* `deleted` of a directory with all that it still held */
	bool continued;   /* the next change belongs into the same frame */
};
