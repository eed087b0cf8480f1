#include "client/feed.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"

enum { CURSOR_MAX = 128, CLOSE_BAD_TOKEN = 4401, CLOSE_REVOKED = 4403 };

struct feed {
	struct feed_options options;
	json_t *outbox;           /* array of frames */
	char cursor[CURSOR_MAX];  /* empty: none yet */
	char barrier[CURSOR_MAX]; /* the answer to ours; empty: not here yet */
	bool subscribed;
	bool in_snapshot; /* pages have been handed out, the last one has not come */
	unsigned wait_ms;
};

__attribute__((format(printf, 2, 3))) static void notice(struct feed *f, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	f->options.notice(f->options.context, text);
}

int feed_new(struct feed **out, const struct feed_options *options)
{
	struct feed *f = calloc(1, sizeof(*f));

	*out = NULL;
	if (f == NULL)
		return -ENOMEM;
	f->options = *options;
	f->outbox = json_array();
	if (f->outbox == NULL) {
		free(f);
		return -ENOMEM;
	}
	if (options->after != NULL)
		snprintf(f->cursor, sizeof(f->cursor), "%s", options->after);
	*out = f;
	return 0;
}

void feed_free(struct feed *f)
{
	if (f == NULL)
		return;
	json_decref(f->outbox);
	free(f);
}

static void set_string(json_t *frame, const char *key, const char *value)
{
	if (value != NULL)
		json_object_set_new(frame, key, json_string(value));
}

static json_t *event_list(const char *names)
{
	json_t *list = json_array();

	while (*names != '\0') {
		size_t len = strcspn(names, ",");

		if (len > 0)
			json_array_append_new(list, json_stringn(names, len));
		names += len;
		names += *names == ',';
	}
	return list;
}

static json_t *hello_frame(const struct feed *f)
{
	json_t *frame = json_pack("{s:s}", "type", "hello");

	set_string(frame, "token", f->options.token);
	set_string(frame, "client", f->options.client);
	set_string(frame, "name", "wakeline tail");
	return frame;
}

static json_t *subscribe_frame(const struct feed *f)
{
	const char *from = f->cursor[0] != '\0' ? f->cursor : f->options.from_snapshot ? "snapshot" : "now";
	json_t *frame = json_pack("{s:s,s:s,s:s,s:s}", "type", "subscribe", "id", "tail", "stream",
				  f->options.stream, "from", from);

	if (f->options.events != NULL)
		json_object_set_new(frame, "events", event_list(f->options.events));
	return frame;
}

void feed_connected(struct feed *f)
{
	json_array_clear(f->outbox);
	f->subscribed = false;
	f->barrier[0] = '\0';
	f->wait_ms = 0;
	json_array_append_new(f->outbox, hello_frame(f));
	json_array_append_new(f->outbox, subscribe_frame(f));
	if (f->options.until_barrier)
		json_array_append_new(f->outbox, json_pack("{s:s,s:s,s:s}", "type", "barrier", "id", "until",
							   "stream", f->options.stream));
}

char *feed_next(struct feed *f)
{
	json_t *frame = json_array_get(f->outbox, 0);
	char *text;

	if (frame == NULL)
		return NULL;
	text = json_dumps(frame, JSON_COMPACT);
	json_array_remove(f->outbox, 0);
	return text;
}

unsigned feed_wait_ms(const struct feed *f)
{
	return f->wait_ms;
}

const char *feed_cursor(const struct feed *f)
{
	return f->cursor[0] != '\0' ? f->cursor : NULL;
}

/* Is the position in cursor a at or after that in b?  Both came from the server: <epoch>-<seq>~<check>. */
static bool at_or_after(const char *a, const char *b)
{
	char *a_end, *b_end;
	uint64_t a_epoch = strtoull(a, &a_end, 10), b_epoch = strtoull(b, &b_end, 10);

	if (*a_end != '-' || *b_end != '-' || a_epoch != b_epoch)
		return a_epoch > b_epoch;
	return strtoull(a_end + 1, NULL, 10) >= strtoull(b_end + 1, NULL, 10);
}

static enum feed_answer go_on_or_done(const struct feed *f)
{
	bool done = f->options.until_barrier && f->barrier[0] != '\0' && f->subscribed &&
		    f->cursor[0] != '\0' && !f->in_snapshot && at_or_after(f->cursor, f->barrier);

	return done ? FEED_DONE : FEED_GO_ON;
}

static enum feed_answer bad_frame(struct feed *f, const char *what)
{
	notice(f, "the server sent %s: its version does not fit this command's", what);
	return FEED_REFUSED;
}

static bool take_cursor(struct feed *f, const char *cursor)
{
	if (cursor == NULL || *cursor == '\0' || strlen(cursor) >= sizeof(f->cursor))
		return false;
	strcpy(f->cursor, cursor);
	return true;
}

static void hand_out(struct feed *f, const json_t *items, const char *cursor)
{
	size_t count = json_array_size(items);

	for (size_t i = 0; i < count; i++)
		f->options.item(f->options.context, json_array_get(items, i), i + 1 == count ? cursor : NULL);
}

static enum feed_answer on_subscribed(struct feed *f, const json_t *frame)
{
	const char *cursor = json_string_value(json_object_get(frame, "cursor"));

	f->subscribed = true;
	if (cursor != NULL && !take_cursor(f, cursor))
		return bad_frame(f, "a cursor that is none");
	return go_on_or_done(f);
}

static enum feed_answer on_snap(struct feed *f, const json_t *frame)
{
	bool last = json_is_true(json_object_get(frame, "last"));
	const char *cursor = json_string_value(json_object_get(frame, "cursor"));

	if (last && cursor == NULL)
		return bad_frame(f, "the end of a snapshot without a cursor");
	f->in_snapshot = true;
	hand_out(f, json_object_get(frame, "items"), last ? cursor : NULL);
	if (!last)
		return FEED_GO_ON;
	f->in_snapshot = false;
	if (!take_cursor(f, cursor))
		return bad_frame(f, "a cursor that is none");
	return go_on_or_done(f);
}

/* `ev` and `mark` */
static enum feed_answer on_chained(struct feed *f, const json_t *frame)
{
	const char *prev = json_string_value(json_object_get(frame, "prev"));
	const char *cursor = json_string_value(json_object_get(frame, "cursor"));

	if (prev == NULL || cursor == NULL)
		return bad_frame(f, "a frame without its place in the stream");
	if (strcmp(prev, f->cursor) != 0) {
		notice(f, "gap: expected what follows %.60s, got what follows %.60s; asking again", f->cursor,
		       prev);
		return FEED_RECONNECT;
	}
	hand_out(f, json_object_get(frame, "items"), cursor);
	if (!take_cursor(f, cursor))
		return bad_frame(f, "a cursor that is none");
	return go_on_or_done(f);
}

static const char *reset_meaning(const char *reason)
{
	static const struct {
		const char *reason, *meaning;
	} meanings[] = {
		{"pruned", "older changes than the server keeps would be needed"},
		{"future",
		 "the cursor is ahead of the server: its store was restored from a backup or made anew"},
		{"mismatch", "the cursor is not from this server's store"},
		{"epoch", "the server began a new epoch: its store was replaced or restored"},
		{"rights", "the token's rights changed"},
		{"gone", "the stream is no longer there"},
	};

	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (strcmp(meanings[i].reason, reason) == 0)
			return meanings[i].meaning;
	return "the server does not serve it any more";
}

static enum feed_answer on_reset(struct feed *f, const json_t *frame)
{
	const char *reason = json_string_value(json_object_get(frame, "reason"));

	if (reason == NULL)
		reason = "";
	notice(f, "%s cannot be followed from here (%.40s): %s; begin anew with --from-snapshot",
	       f->options.stream, reason, reset_meaning(reason));
	return FEED_REFUSED;
}

static enum feed_answer on_barrier(struct feed *f, const json_t *frame)
{
	const char *cursor = json_string_value(json_object_get(frame, "cursor"));

	if (cursor == NULL || strlen(cursor) >= sizeof(f->barrier))
		return bad_frame(f, "a barrier without a cursor");
	strcpy(f->barrier, cursor);
	return go_on_or_done(f);
}

static enum feed_answer on_error(struct feed *f, const json_t *frame)
{
	const char *code = json_string_value(json_object_get(frame, "code"));
	const char *message = json_string_value(json_object_get(frame, "message"));
	const char *id = json_string_value(json_object_get(frame, "id"));
	/* Whoever waits for a barrier wants an end: an offline drive may stay so for days. */
	bool retry =
		json_is_true(json_object_get(frame, "retry")) && (id == NULL || strcmp(id, "until") != 0);

	if (code != NULL && strcmp(code, "unauthorized") == 0 && f->options.token == NULL) {
		notice(f, "%s", CLIENT_TOKEN_WANTED);
		return FEED_REFUSED;
	}
	notice(f, "the server %s: %.300s (%.40s)", retry ? "cannot at the moment" : "refused",
	       message != NULL ? message : "no reason given", code != NULL ? code : "no code");
	return retry ? FEED_RECONNECT : FEED_REFUSED;
}

static enum feed_answer on_bye(struct feed *f, const json_t *frame)
{
	json_int_t code = json_integer_value(json_object_get(frame, "code"));
	json_int_t wait = json_integer_value(json_object_get(frame, "retry_ms"));
	const char *reason = json_string_value(json_object_get(frame, "reason"));

	f->wait_ms = wait > 0 && wait < 600000 ? (unsigned)wait : 0;
	notice(f, "the server said goodbye: %.200s", reason != NULL ? reason : "no reason given");
	return code == CLOSE_BAD_TOKEN || code == CLOSE_REVOKED ? FEED_REFUSED : feed_lost(f);
}

enum feed_answer feed_lost(struct feed *f)
{
	if (!f->in_snapshot)
		return FEED_RECONNECT;
	/* Half of one snapshot and the whole of another are not one state of the drive. */
	notice(f, "the connection broke in the middle of the snapshot, so what was printed is not whole: "
		  "run this again");
	return FEED_REFUSED;
}

static enum feed_answer dispatch(struct feed *f, const char *type, const json_t *frame)
{
	static const struct {
		const char *type;
		enum feed_answer (*handle)(struct feed *f, const json_t *frame);
	} handlers[] = {
		{"ev", on_chained},      {"mark", on_chained},
		{"snap", on_snap},       {"subscribed", on_subscribed},
		{"reset", on_reset},     {"error", on_error},
		{"barrier", on_barrier}, {"bye", on_bye},
	};

	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++)
		if (strcmp(handlers[i].type, type) == 0)
			return handlers[i].handle(f, frame);
	if (strcmp(type, "note") == 0)
		hand_out(f, json_object_get(frame, "items"), NULL);
	return FEED_GO_ON; /* welcome, pong, and what later versions may add */
}

enum feed_answer feed_frame(struct feed *f, const char *bytes, size_t len)
{
	json_t *frame = json_loadb(bytes, len, 0, NULL);
	const char *type = json_string_value(json_object_get(frame, "type"));
	enum feed_answer answer;

	answer = type != NULL ? dispatch(f, type, frame) : bad_frame(f, "a frame that is none");
	json_decref(frame);
	/* A gap in the middle of a snapshot, or an error there, breaks it too. */
	return answer == FEED_RECONNECT ? feed_lost(f) : answer;
}
