/* sync_item: the JSON of sync.* events. */
#include "sync/engine_internal.h"

#include <stdio.h>
#include <string.h>

static void add_key(struct text *t, const char *key)
{
	text_add_str(t, ",\"");
	text_add_str(t, key);
	text_add_str(t, "\":");
}

static void add_number(struct text *t, const char *key, uint64_t n)
{
	add_key(t, key);
	text_add_number(t, n);
}

static void add_string(struct text *t, const char *key, const char *s)
{
	add_key(t, key);
	json_add_string(t, s, strlen(s));
}

/* Seconds with three decimals. */
static void add_seconds(struct text *t, int64_t ns)
{
	char digits[32];

	snprintf(digits, sizeof(digits), "%lld.%03lld", (long long)(ns / 1000000000),
		 (long long)(ns / 1000000 % 1000));
	add_key(t, "seconds");
	text_add_str(t, digits);
}

void sync_item_encode(struct text *t, enum event_type event, const struct watched *w,
		      const struct run_row *run, uint64_t seq)
{
	int64_t now = engine_wall_ns();
	const char *name = event_name(event);

	text_add_str(t, "{\"event\":");
	json_add_string(t, name, strlen(name));
	if (seq != 0)
		add_number(t, "seq", seq);
	add_key(t, "at");
	json_add_time(t, now / 1000000000, (uint32_t)(now % 1000000000));
	add_string(t, "drive", w->row.name);
	add_number(t, "run", run->run);
	add_string(t, "trigger", run_trigger_name(run->trigger));
	text_add_str(t, ",");
	json_add_bytes(t, "path", run->path, strlen(run->path));
	if (event != EVENT_SYNC_STARTED) {
		add_number(t, "entries", run->entries);
		if (event == EVENT_SYNC_PROGRESS && run->total != 0)
			add_number(t, "total", run->total);
		add_number(t, "changes", run->changes);
		add_seconds(t, (run->ended_ns != 0 ? run->ended_ns : now) - run->started_ns);
	}
	if (run->error[0] != '\0')
		add_string(t, "error", run->error);
	text_add_str(t, "}");
}
