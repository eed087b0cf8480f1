/* item: one change, or one entry of a snapshot, as the JSON object that clients read (docs/protocol.md). */
#pragma once

#include "store/event.h"
#include "store/index.h"
#include "store/position.h"
#include "store/text.h"

enum { ITEM_CONTENT = 1 << 0, ITEM_META = 1 << 1, ITEM_MAYBE = 1 << 2 };

struct item {
	enum event_type event;       /* EVENT_NONE: an entry of a snapshot, without event, seq and at */
	struct position at_position; /* its own seq and epoch; of a snapshot's entry unused */
	int64_t at_seconds;          /* wall clock, for people */
	uint32_t at_nanoseconds;
	const char *drive;
	const struct index_node *node; /* state, id and rev; a `deleted` sends its kind alone */
	const char *path, *from;       /* relative to the drive; from NULL when there is none */
	size_t path_len, from_len;
	unsigned changed; /* ITEM_* of an `updated` */
	bool open, recursive;
};

/* Append the object to t. */
void item_encode(struct text *t, const struct item *item);
