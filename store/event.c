#include "store/event.h"

#include <string.h>

static const char *const names[EVENT_TYPE_END] = {
	[EVENT_FILE_CREATED] = "drive.file.created",
	[EVENT_FILE_UPDATED] = "drive.file.updated",
	[EVENT_FILE_MOVED] = "drive.file.moved",
	[EVENT_FILE_DELETED] = "drive.file.deleted",
	[EVENT_SYNC_STARTED] = "sync.started",
	[EVENT_SYNC_COMPLETED] = "sync.completed",
	[EVENT_SYNC_ERROR] = "sync.error",
	[EVENT_SYNC_CONFLICT] = "sync.conflict",
	[EVENT_SYNC_PROGRESS] = "sync.progress",
	[EVENT_CLIENT_CONNECTED] = "client.connected",
	[EVENT_CLIENT_DISCONNECTED] = "client.disconnected",
};

const char *event_name(enum event_type type)
{
	return (unsigned)type < EVENT_TYPE_END ? names[type] : NULL;
}

enum event_type event_by_name(const char *name, size_t len)
{
	for (unsigned i = 0; i < EVENT_TYPE_END; i++) {
		if (names[i] != NULL && strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return (enum event_type)i;
	}
	return EVENT_NONE;
}
