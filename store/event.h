/* event: the names of what a journal records and of what is only noted, as codes. */
#pragma once

#include <stddef.h>

enum event_type {
	EVENT_NONE = 0,
	EVENT_FILE_CREATED = 1,
	EVENT_FILE_UPDATED = 2,
	EVENT_FILE_MOVED = 3,
	EVENT_FILE_DELETED = 4,
	EVENT_SYNC_STARTED = 16,
	EVENT_SYNC_COMPLETED = 17,
	EVENT_SYNC_ERROR = 18,
	EVENT_SYNC_CONFLICT = 19,
	EVENT_SYNC_PROGRESS = 20,       /* a note: never journalled */
	EVENT_CLIENT_CONNECTED = 32,    /* a note */
	EVENT_CLIENT_DISCONNECTED = 33, /* a note */
	EVENT_TYPE_END = 64,            /* codes fit a 64-bit mask */
};

/* "drive.file.created" and so on; NULL for a code that is none. */
const char *event_name(enum event_type type);
/* EVENT_NONE for a name that is none of the above. */
enum event_type event_by_name(const char *name, size_t len);
