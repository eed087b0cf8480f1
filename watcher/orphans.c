#include "watcher/orphans.h"

#include <errno.h>
#include <stdlib.h>

void orphans_deinit(struct orphans *o)
{
	orphans_clear(o);
	free(o->ids);
	*o = (struct orphans){0};
}

void orphans_clear(struct orphans *o)
{
	o->count = 0;
	known_clear(&o->noted);
	known_clear(&o->placed);
}

int orphans_add(struct orphans *o, const struct file_id *id, uint64_t hash)
{
	if (known_get(&o->noted, hash) != KNOWN_NOT)
		return 0;
	if (o->count == o->room) {
		size_t room = o->room * 2 + 64;
		struct file_id *ids = realloc(o->ids, room * sizeof(*ids));

		if (ids == NULL)
			return -ENOMEM;
		o->ids = ids;
		o->room = room;
	}
	o->ids[o->count++] = *id;
	known_put(&o->noted, hash, 0);
	return 0;
}

void orphans_placed(struct orphans *o, uint64_t hash)
{
	known_put(&o->placed, hash, 0);
}

bool orphans_is_placed(const struct orphans *o, uint64_t hash)
{
	return known_get(&o->placed, hash) != KNOWN_NOT;
}
