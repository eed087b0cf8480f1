/* wakeline status: one line for each drive, and below it why one is not as it should be. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/client.h"
#include "client/escape.h"
#include "client/http.h"
#include "client/moment.h"
#include "client/options.h"
#include "client/table.h"

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "-";
}

static void add_number(struct table *t, const json_t *drive, const char *key)
{
	const json_t *n = json_object_get(drive, key);

	if (json_is_integer(n))
		table_addf(t, "%lld", (long long)json_integer_value(n));
	else
		table_add(t, "-");
}

static void add_progress(struct table *t, const json_t *run)
{
	long long entries = (long long)json_integer_value(json_object_get(run, "entries"));
	long long total = (long long)json_integer_value(json_object_get(run, "total"));

	if (total > 0)
		table_addf(t, "running, %lld of %lld", entries, total);
	else
		table_addf(t, "running, %lld so far", entries);
}

static void add_last_run(struct table *t, const json_t *run)
{
	const char *end = json_string_value(json_object_get(run, "ended"));
	char ago[MOMENT_TEXT_MAX];
	time_t seconds;
	unsigned ms;

	if (end == NULL)
		end = json_string_value(json_object_get(run, "started"));
	if (!json_is_object(run)) {
		table_add(t, "none yet");
		return;
	}
	if (strcmp(text_of(run, "state"), "running") == 0) {
		add_progress(t, run);
		return;
	}
	if (end == NULL || !moment_parse(end, &seconds, &ms)) {
		table_add(t, text_of(run, "state"));
		return;
	}
	moment_ago(seconds, time(NULL), ago);
	table_addf(t, "%s %s ago", text_of(run, "state"), ago);
}

static void add_drive(struct table *t, const json_t *drive)
{
	table_add(t, text_of(drive, "name"));
	table_add(t, text_of(drive, "state"));
	table_add(t, text_of(drive, "backend"));
	add_number(t, drive, "entries");
	add_number(t, drive, "pending");
	add_number(t, drive, "floor");
	add_number(t, drive, "seq");
	add_last_run(t, json_object_get(drive, "last_run"));
	table_add(t, text_of(drive, "root"));
}

static void print_reason(const json_t *drive, const json_t *reason)
{
	const char *text = json_string_value(reason);

	if (text == NULL || *text == '\0')
		return;
	escape_print_str(stdout, text_of(drive, "name"));
	fputs(": ", stdout);
	escape_print_str(stdout, text);
	putchar('\n');
}

static void print_reasons(const json_t *drives)
{
	const json_t *drive;
	size_t i;

	json_array_foreach(drives, i, drive)
	{
		const json_t *warnings = json_object_get(drive, "warnings");

		print_reason(drive, json_object_get(drive, "why"));
		for (size_t j = 0; j < json_array_size(warnings); j++)
			print_reason(drive, json_array_get(warnings, j));
	}
}

static void print_status(const json_t *drives)
{
	static const char *const headings[] = {"DRIVE", "STATE", "BACKEND",  "ENTRIES", "PENDING",
					       "FLOOR", "SEQ",   "LAST RUN", "ROOT"};
	struct table t = {.columns = sizeof(headings) / sizeof(headings[0])};
	const json_t *drive;
	size_t i;

	for (i = 3; i <= 6; i++)
		t.align[i] = TABLE_RIGHT;
	for (i = 0; i < t.columns; i++)
		table_add(&t, headings[i]);
	json_array_foreach(drives, i, drive) add_drive(&t, drive);
	table_print(&t, stdout);
	table_deinit(&t);
	print_reasons(drives);
}

int command_status(const struct options *o)
{
	json_t *answer = NULL;
	struct http h;
	int r;

	r = http_open(&h, o, ENDPOINT_ANY);
	if (r != CLIENT_OK)
		return r;
	r = http_call(&h, "GET", "/api/sync/status", NULL, &answer);
	if (r == CLIENT_OK && (o->given & OPTION_JSON) != 0)
		json_print(answer);
	else if (r == CLIENT_OK)
		print_status(json_object_get(answer, "drives"));
	json_decref(answer);
	http_close(&h);
	return r;
}
