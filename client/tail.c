/* wakeline tail: follows one drive.
 *
 * On stdout stand the items alone, one a line; all else goes to stderr.  With --json the last item of each
 * frame carries the `cursor` behind that frame: whoever has handled that line may later resume with --after.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "client/feed.h"
#include "client/lines.h"
#include "client/options.h"
#include "client/stream.h"
#include "client/words.h"

struct tail {
	bool json;
	bool failed; /* what was handed out last did not get out */
	enum lines_style style;
};

static void print_json(const json_t *item, const char *cursor)
{
	json_t *line = json_copy((json_t *)(uintptr_t)item); /* shallow, and the original stays as it is */

	if (line != NULL && cursor != NULL)
		json_object_set_new(line, "cursor", json_string(cursor));
	if (line != NULL)
		json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
	putchar('\n');
	json_decref(line);
}

static void on_item(void *context, const json_t *item, const char *cursor)
{
	const struct tail *t = context;

	if (t->json)
		print_json(item, cursor);
	else
		lines_print(stdout, item, t->style);
}

static bool on_frame(void *context)
{
	struct tail *t = context;

	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	t->failed = true;
	complain("cannot write to standard output: %s", strerror(errno));
	return false;
}

static void on_notice(void *context, const char *text)
{
	(void)context;
	complain("%s", text);
}

/* Without --url the socket speaks for us: the daemon sees which user we are. */
static int follow(const struct endpoint *e, const struct options *o, const char *stream)
{
	struct tail t = {.json = (o->given & OPTION_JSON) != 0, .style = lines_style_for(stdout)};
	struct feed_options options = {
		.stream = stream,
		.token = e->token,
		.client = o->client,
		.after = o->after,
		.from_snapshot = (o->given & OPTION_FROM_SNAPSHOT) != 0,
		.events = o->events,
		.until_barrier = (o->given & OPTION_UNTIL_BARRIER) != 0,
		.context = &t,
		.item = on_item,
		.notice = on_notice,
	};
	struct feed *feed;
	const char *cursor;
	int r;

	if (feed_new(&feed, &options) != 0) {
		complain("out of memory");
		return CLIENT_UNREACHABLE;
	}
	r = stream_run(&(struct stream_options){
		.endpoint = e,
		.feed = feed,
		.context = &t,
		.on_frame = on_frame,
		.notice = on_notice,
	});
	cursor = feed_cursor(feed);
	if (cursor != NULL && !t.failed && (o->after == NULL || strcmp(cursor, o->after) != 0))
		complain("resume with --after %s", cursor);
	feed_free(feed);
	return r;
}

static bool arguments_good(const struct options *o, const char *stream)
{
	char error[WORDS_ERROR_MAX];

	if (o->after != NULL && (o->given & OPTION_FROM_SNAPSHOT) != 0) {
		complain("--after and --from-snapshot begin at two places; give one of them");
		return false;
	}
	if (o->after != NULL && !words_are_cursor(o->after)) {
		complain("--after %.80s: this is no cursor; an earlier tail, or `wakeline sync`, prints one",
			 o->after);
		return false;
	}
	if (o->events != NULL && !words_are_events(o->events, stream, error)) {
		complain("%s", error);
		return false;
	}
	return true;
}

static int follow_stream(const struct options *o, const char *stream)
{
	char error[ENDPOINT_ERROR_MAX];
	struct endpoint e;
	int r;

	if (!arguments_good(o, stream))
		return CLIENT_USAGE;
	if (!endpoint_init(&e, o, ENDPOINT_ANY, getenv, error)) {
		complain("%s", error);
		return CLIENT_USAGE;
	}
	r = follow(&e, o, stream);
	endpoint_deinit(&e);
	return r;
}

int command_tail(const struct options *o)
{
	char *stream;
	int r;

	/* `bus` is the one stream that is no drive's; a drive of that name is `drive:bus`. */
	if (asprintf(&stream, "%s%s",
		     strcmp(o->args[1], "bus") == 0 || strchr(o->args[1], ':') != NULL ? "" : "drive:",
		     o->args[1]) < 0) {
		complain("out of memory");
		return CLIENT_UNREACHABLE;
	}
	r = follow_stream(o, stream);
	free(stream);
	return r;
}
