/* wakeline history: a drive's reconcile runs, the newest first. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "client/http.h"
#include "client/moment.h"
#include "client/options.h"
#include "client/runs.h"
#include "client/table.h"

enum { LIMIT_DEFAULT = 20, PAGE_MAX = 100 };

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

static void add_duration(struct table *t, const json_t *run)
{
	time_t started, ended;
	unsigned started_ms, ended_ms;

	if (!moment_parse(text_of(run, "started"), &started, &started_ms) ||
	    !moment_parse(text_of(run, "ended"), &ended, &ended_ms))
		table_add(t, "-"); /* it has not ended */
	else
		table_addf(t, "%.3f s",
			   (double)(ended - started) + ((double)ended_ms - (double)started_ms) / 1000);
}

static void add_run(struct table *t, const json_t *run)
{
	char started[MOMENT_TEXT_MAX] = "-";
	const char *path = text_of(run, "path");
	time_t seconds;
	unsigned ms;

	if (moment_parse(text_of(run, "started"), &seconds, &ms))
		moment_local_minutes(seconds, started);
	table_addf(t, "%lld", (long long)json_integer_value(json_object_get(run, "run")));
	table_add(t, text_of(run, "trigger"));
	table_add(t, text_of(run, "state"));
	table_add(t, started);
	add_duration(t, run);
	table_addf(t, "%lld", (long long)json_integer_value(json_object_get(run, "entries")));
	table_addf(t, "%lld", (long long)json_integer_value(json_object_get(run, "changes")));
	table_addf(t, "%s%s%s", *path != '\0' ? path : "the whole drive",
		   *text_of(run, "error") != '\0' ? ": " : "", text_of(run, "error"));
}

static void print_table(const json_t *runs)
{
	static const char *const headings[] = {"RUN",  "TRIGGER", "STATE",   "STARTED",
					       "TOOK", "ENTRIES", "CHANGES", "WHAT"};
	struct table t = {.columns = sizeof(headings) / sizeof(headings[0])};
	const json_t *run;
	size_t i;

	t.align[0] = t.align[4] = t.align[5] = t.align[6] = TABLE_RIGHT;
	for (i = 0; i < t.columns; i++)
		table_add(&t, headings[i]);
	json_array_foreach(runs, i, run) add_run(&t, run);
	table_print(&t, stdout);
	table_deinit(&t);
}

int runs_page(const struct http *h, const char *drive, uint64_t limit, uint64_t before, json_t **answer)
{
	char number[24];
	char *base, *path = NULL;
	int r = CLIENT_UNREACHABLE;

	base = http_query("/api/sync/history", "drive", drive);
	snprintf(number, sizeof(number), "%" PRIu64, limit);
	if (base != NULL)
		path = http_query(base, "limit", number);
	free(base);
	if (path != NULL && before != 0) {
		base = path;
		snprintf(number, sizeof(number), "%" PRIu64, before);
		path = http_query(base, "before", number);
		free(base);
	}
	if (path != NULL)
		r = http_call(h, "GET", path, NULL, answer);
	else
		complain("out of memory");
	free(path);
	return r;
}

/* Page by page until there are `limit`, or no more. */
static int collect(const struct http *h, const char *drive, uint64_t limit, json_t *runs)
{
	uint64_t before = 0;
	int r = CLIENT_OK;

	while (r == CLIENT_OK && json_array_size(runs) < limit) {
		uint64_t want = limit - json_array_size(runs);
		json_t *answer = NULL;

		r = runs_page(h, drive, want < PAGE_MAX ? want : PAGE_MAX, before, &answer);
		if (r == CLIENT_OK) {
			json_array_extend(runs, json_object_get(answer, "runs"));
			before = (uint64_t)json_integer_value(json_object_get(answer, "next"));
		}
		json_decref(answer);
		if (before == 0)
			break;
	}
	return r;
}

static void print_lines(const json_t *runs)
{
	const json_t *run;
	size_t i;

	json_array_foreach(runs, i, run) json_print(run);
}

int command_history(const struct options *o)
{
	uint64_t limit = o->limit != 0 ? o->limit : LIMIT_DEFAULT;
	json_t *runs = json_array();
	struct http h;
	int r;

	r = http_open(&h, o, ENDPOINT_ANY);
	if (r == CLIENT_OK) {
		r = collect(&h, o->args[1], limit, runs);
		http_close(&h);
	}
	if (r == CLIENT_OK && (o->given & OPTION_JSON) != 0)
		print_lines(runs);
	else if (r == CLIENT_OK)
		print_table(runs);
	json_decref(runs);
	return r;
}
