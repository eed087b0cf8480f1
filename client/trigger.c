/* wakeline trigger and wakeline sync: have a drive compared with its index; wait until all that was done is
 * journalled. */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/client.h"
#include "client/http.h"
#include "client/options.h"
#include "client/runs.h"

enum { POLL_FIRST_MS = 20, POLL_MAX_MS = 1000, SHOW_AFTER_MS = 320 };

/* How far it is, on the last line of a terminal; who reads a file or a pipe wants the outcome only. */
static void show_progress(const json_t *run)
{
	long long total = (long long)json_integer_value(json_object_get(run, "total"));
	long long entries = (long long)json_integer_value(json_object_get(run, "entries"));

	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\rrun %lld: %lld", (long long)json_integer_value(json_object_get(run, "run")),
		entries);
	if (total > 0)
		fprintf(stderr, " of about %lld", total);
	fputs(" entries", stderr);
	fflush(stderr);
}

static void end_progress(void)
{
	if (isatty(STDERR_FILENO))
		fputc('\n', stderr);
}

static void pause_ms(unsigned ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000}, NULL);
}

/* Ask for the run until it has ended; *run is then the caller's. */
static int wait_for_run(const struct http *h, const char *drive, uint64_t number, json_t **run)
{
	unsigned wait_ms = POLL_FIRST_MS;
	bool shown = false;

	for (;; wait_ms = wait_ms * 2 < POLL_MAX_MS ? wait_ms * 2 : POLL_MAX_MS) {
		json_t *answer = NULL, *found;
		const char *state;
		int r = runs_page(h, drive, 1, number + 1, &answer);

		if (r != CLIENT_OK)
			return r;
		found = json_array_get(json_object_get(answer, "runs"), 0);
		state = json_string_value(json_object_get(found, "state"));
		if (state == NULL || (uint64_t)json_integer_value(json_object_get(found, "run")) != number) {
			json_decref(answer);
			complain("run %llu is not in the history of `%s`", (unsigned long long)number, drive);
			return CLIENT_REFUSED;
		}
		if (strcmp(state, "running") != 0 && strcmp(state, "queued") != 0) {
			if (shown)
				end_progress();
			*run = json_incref(found);
			json_decref(answer);
			return CLIENT_OK;
		}
		if (wait_ms >= SHOW_AFTER_MS) {
			show_progress(found);
			shown = true;
		}
		json_decref(answer);
		pause_ms(wait_ms);
	}
}

/* The outcome of a run that has ended is ours too. */
static int report_run(const json_t *run, bool json)
{
	const char *state = json_string_value(json_object_get(run, "state"));
	const char *error = json_string_value(json_object_get(run, "error"));
	bool completed = strcmp(state, "completed") == 0;

	if (json)
		json_print(run);
	else if (completed)
		printf("run %lld completed: %lld entries seen, %lld changes\n",
		       (long long)json_integer_value(json_object_get(run, "run")),
		       (long long)json_integer_value(json_object_get(run, "entries")),
		       (long long)json_integer_value(json_object_get(run, "changes")));
	if (completed)
		return CLIENT_OK;
	complain("run %lld %s%s%s", (long long)json_integer_value(json_object_get(run, "run")), state,
		 error != NULL && *error != '\0' ? ": " : "", error != NULL ? error : "");
	return CLIENT_REFUSED;
}

static int trigger(const struct http *h, const struct options *o)
{
	bool json = (o->given & OPTION_JSON) != 0;
	json_t *body = json_pack("{s:s}", "drive", o->args[1]), *answer = NULL, *run = NULL;
	uint64_t number;
	int r;

	if (o->arg_count > 2)
		json_object_set_new(body, "path", json_string(o->args[2]));
	r = http_call(h, "POST", "/api/sync/trigger", body, &answer);
	json_decref(body);
	if (r != CLIENT_OK)
		return r;
	number = (uint64_t)json_integer_value(json_object_get(answer, "run"));
	if ((o->given & OPTION_WAIT) == 0) {
		if (json)
			json_print(answer);
		else
			printf("run %llu\n", (unsigned long long)number);
	} else {
		r = wait_for_run(h, o->args[1], number, &run);
		if (r == CLIENT_OK)
			r = report_run(run, json);
		json_decref(run);
	}
	json_decref(answer);
	return r;
}

int command_trigger(const struct options *o)
{
	struct http h;
	int r;

	if (o->arg_count > 2 && *o->args[2] == '/') {
		complain("the path is relative to the drive: write it without the slash in front");
		return CLIENT_USAGE;
	}
	r = http_open(&h, o, ENDPOINT_ANY);
	if (r != CLIENT_OK)
		return r;
	r = trigger(&h, o);
	http_close(&h);
	return r;
}

static int barrier(const struct http *h, const struct options *o)
{
	json_t *body = json_pack("{s:s+}", "stream", "drive:", o->args[1]), *answer = NULL;
	const char *cursor;
	int r;

	r = http_call(h, "POST", "/api/sync/barrier", body, &answer);
	json_decref(body);
	cursor = json_string_value(json_object_get(answer, "cursor"));
	if (r == CLIENT_OK && cursor == NULL) {
		complain("the server's answer has no cursor in it");
		r = CLIENT_REFUSED;
	} else if (r == CLIENT_OK && (o->given & OPTION_JSON) != 0) {
		json_print(answer);
	} else if (r == CLIENT_OK) {
		puts(cursor);
	}
	json_decref(answer);
	return r;
}

int command_sync(const struct options *o)
{
	struct http h;
	int r;

	r = http_open(&h, o, ENDPOINT_ANY);
	if (r != CLIENT_OK)
		return r;
	h.patient = true; /* while a run after lost events goes on, nobody knows the truth yet */
	r = barrier(&h, o);
	http_close(&h);
	return r;
}
