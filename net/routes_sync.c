#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/internal.h"
#include "store/drives.h"
#include "store/runs.h"

enum { HISTORY_DEFAULT = 20, HISTORY_MAX = 100 };

static json_t *run_object(const char *drive, const struct run_row *r)
{
	json_t *seconds =
		r->ended_ns != 0 ? json_real((double)(r->ended_ns - r->started_ns) / 1e9) : json_null();
	json_t *total = r->total != 0 ? json_integer((json_int_t)r->total) : json_null();

	return json_pack("{s:s,s:I,s:s,s:s,s:s,s:o,s:o,s:o,s:I,s:I,s:o,s:o}", "drive", drive, "run",
			 (json_int_t)r->run, "trigger", run_trigger_name(r->trigger), "state",
			 run_state_name(r->state), "path", "", "started", exchange_time(r->started_ns),
			 "ended", exchange_time(r->ended_ns), "seconds", seconds, "entries",
			 (json_int_t)r->entries, "changes", (json_int_t)r->changes, "total", total, "error",
			 r->error[0] != '\0' ? json_string(r->error) : json_null());
}

/* A path need not be UTF-8: then U+FFFD stands in it, as everywhere else. */
static json_t *path_string(const char *path)
{
	struct text t = {0};
	json_t *string;

	if (utf8_valid(path, strlen(path)))
		return json_string(path);
	json_add_string(&t, path, strlen(path));
	string = t.failed ? NULL : json_loadb(t.data, t.len, JSON_DECODE_ANY, NULL);
	text_deinit(&t);
	return string;
}

static json_t *run_json(const char *drive, const struct run_row *r)
{
	json_t *run = run_object(drive, r);

	if (run != NULL && r->path[0] != '\0')
		json_object_set_new(run, "path", path_string(r->path));
	return run;
}

/* ---- status */

static const char *backend_name(enum watch_backend b)
{
	switch (b) {
	case WATCH_AUTO:
		return "auto";
	case WATCH_FANOTIFY:
		return "fanotify";
	case WATCH_INOTIFY:
		return "inotify";
	case WATCH_POLL:
		return "poll";
	}
	return "auto";
}

struct place {
	struct position tail;
	uint64_t floor;
};

static int read_place(struct stream *st, struct store_txn *txn, struct place *out)
{
	int e = stream_tail(st, txn, &out->tail);

	if (e == 0)
		e = journal_floor(st->journal, txn, &out->floor);
	return e;
}

static json_t *last_run(struct stream *st, struct store_txn *txn)
{
	struct drive_row drive;
	struct run_row *run;
	json_t *json = json_null();

	if (st->status != NULL && st->status->last_run != NULL)
		return run_json(st->drive, st->status->last_run);
	run = malloc(sizeof(*run));
	if (run != NULL && drives_find(txn, st->drive, &drive) == 0 &&
	    runs_before(txn, drive.drive, 0, run) == 0)
		json = run_json(st->drive, run);
	free(run);
	return json;
}

/* What an administrator should know although the drive is well. */
static json_t *warnings(const struct drive_status *status)
{
	json_t *list = json_array();
	char text[512];

	if (status == NULL || status->mounts == 0)
		return list;
	snprintf(text, sizeof(text),
		 status->mounts == 1
			 ? "another file system is mounted at %s: its content is not seen; make it a "
			   "drive of its own if it should be"
			 : "other file systems are mounted at %s and in %u more places: their "
			   "content is not seen; make them drives of their own if it should be",
		 status->mounted_at, status->mounts - 1);
	json_array_append_new(list, path_string(text));
	return list;
}

/* Until the engine has told of the drive the store is asked; one that it does not know yet has none. */
static int count_entries(const struct stream *st, struct store_txn *txn, uint64_t *out)
{
	struct drive_row drive;
	int r;

	*out = st->status != NULL ? st->status->entries : 0;
	if (st->status != NULL)
		return 0;
	r = drives_find(txn, st->drive, &drive);
	return r == 0 ? index_count(txn, drive.drive, out) : r == DRIVES_NONE ? 0 : r;
}

static json_t *drive_json(struct stream *st, struct store_txn *txn)
{
	const struct drive_status *status = st->status;
	struct place place = {0};
	uint64_t entries;
	json_t *json;

	if (read_place(st, txn, &place) < 0 || count_entries(st, txn, &entries) < 0)
		return NULL;
	json = json_pack("{s:s,s:o,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:o}", "name", st->drive, "root",
			 status != NULL ? path_string(status->root) : json_null(), "backend",
			 backend_name(status != NULL ? status->backend : WATCH_AUTO), "state",
			 drive_state_name(status != NULL ? status->state : DRIVE_OFFLINE), "epoch",
			 (json_int_t)place.tail.epoch, "seq", (json_int_t)place.tail.seq, "floor",
			 (json_int_t)place.floor, "entries", (json_int_t)entries, "pending",
			 (json_int_t)(status != NULL ? status->pending : 0), "last_run", last_run(st, txn));
	if (json != NULL && status != NULL && status->why[0] != '\0')
		json_object_set_new(json, "why", path_string(status->why));
	if (json != NULL && status != NULL) {
		json_object_set_new(json, "queue_bytes", json_integer((json_int_t)status->queue_bytes));
		json_object_set_new(json, "lag_ms", json_integer(status->lag_ms));
	}
	if (json != NULL)
		json_object_set_new(json, "warnings", warnings(status));
	if (json != NULL && status != NULL && status->weak_barrier)
		json_object_set_new(json, "weak_barrier", json_true());
	return json;
}

static json_t *status_json(struct exchange *x, struct store_txn *txn)
{
	json_t *drives = json_array();
	struct stream *st;

	TAILQ_FOREACH(st, &x->server->streams, link)
	{
		if (st->drive == NULL || !principal_sees_drive(x->principal, st->drive))
			continue;
		if (json_array_append_new(drives, drive_json(st, txn)) != 0) {
			json_decref(drives);
			return NULL;
		}
	}
	return json_pack("{s:o}", "drives", drives);
}

void serve_status(struct exchange *x)
{
	struct store_txn *txn;
	json_t *json;

	if (store_begin(x->server->store, STORE_READ, &txn) != 0) {
		exchange_error(x, 500, "internal", "the store cannot be read");
		return;
	}
	json = status_json(x, txn);
	store_abort(txn);
	exchange_json(x, 200, json);
}

/* ---- readiness */

/* Indexing and offline drives serve nobody.  A degraded one does: it may stay so for long, and its clients
 * are told what they missed. */
static bool drive_ready(const struct stream *st)
{
	if (st->status == NULL)
		return false;
	switch (st->status->state) {
	case DRIVE_LIVE:
	case DRIVE_RECONCILING:
	case DRIVE_DEGRADED:
		return true;
	case DRIVE_INDEXING:
	case DRIVE_OFFLINE:
		return false;
	}
	return false;
}

/* Strangers may ask, so it names states alone: `why` in the status has paths. */
void serve_ready(struct exchange *x)
{
	json_t *waiting = json_array();
	struct stream *st;
	bool ready;

	TAILQ_FOREACH(st, &x->server->streams, link)
	{
		if (st->drive == NULL || drive_ready(st))
			continue;
		if (json_array_append_new(
			    waiting, json_pack("{s:s,s:s}", "name", st->drive, "state",
					       drive_state_name(st->status != NULL ? st->status->state
										   : DRIVE_OFFLINE))) != 0) {
			json_decref(waiting);
			exchange_error(x, 500, "internal", "out of memory");
			return;
		}
	}
	ready = json_array_size(waiting) == 0;
	exchange_json(x, ready ? 200 : 503, json_pack("{s:b,s:o}", "ready", ready, "drives", waiting));
}

/* ---- what names a drive or a stream */

static struct stream *look_up(struct exchange *x, const char *name)
{
	struct stream *st;
	enum net_error error;

	if (stream_look_up(x->server, x->principal, x->route->scope, name, &st, &error) == 0)
		return st;
	exchange_error(x, error == NET_FORBIDDEN ? 403 : 404, net_error_code(error),
		       "there is no such drive or stream for you");
	return NULL;
}

static struct stream *look_up_drive(struct exchange *x, const char *drive)
{
	char name[JOURNAL_NAME_MAX] = "drive:";

	if (strlen(drive) > DRIVE_NAME_MAX) {
		exchange_error(x, 400, "bad_request", "`drive` is a drive's name");
		return NULL;
	}
	strcat(name, drive);
	return look_up(x, name);
}

/* A string member, or NULL: answered. */
static const char *string_member(struct exchange *x, json_t *body, const char *key, const char *message)
{
	const char *value = json_string_value(json_object_get(body, key));

	if (value == NULL)
		exchange_error(x, 400, "bad_request", message);
	return value;
}

static void answer_engine_error(struct exchange *x, int error)
{
	if (error == -ENOENT)
		exchange_error(x, 404, "not_found", "there is no such drive or path");
	else if (error == -ENOTDIR)
		exchange_error(x, 400, "bad_request", "this path is not a directory");
	else if (error == -EAGAIN)
		exchange_error(x, 503, "busy", "the drive is offline, or the server is stopping");
	else
		exchange_error(x, 500, "internal", strerror(-error));
}

/* ---- trigger */

static void on_triggered(struct ask *ask)
{
	struct exchange *x = ask->owner;

	if (ask->request.error != 0)
		answer_engine_error(x, ask->request.error);
	else
		exchange_json(x, 202, json_pack("{s:I}", "run", (json_int_t)ask->request.run));
}

/* Relative, no empty, `.` or `..` component; a slash at the end is forgiven. */
static bool path_good(const char *path)
{
	if (*path == '\0' || strlen(path) > RUN_PATH_MAX)
		return false;
	while (*path != '\0') {
		size_t len = strcspn(path, "/");

		if (len == 0 || (len == 1 && path[0] == '.') ||
		    (len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += len;
		if (*path == '/')
			path++;
	}
	return true;
}

static void trigger(struct exchange *x, struct stream *st, const char *path)
{
	struct engine_request request = {.type = ENGINE_TRIGGER};
	size_t len = path != NULL ? strlen(path) : 0;
	int e;

	strncpy(request.drive, st->drive, sizeof(request.drive) - 1);
	if (path != NULL) {
		if (path[len - 1] == '/')
			len--;
		request.path = strndup(path, len);
		if (request.path == NULL) {
			exchange_error(x, 500, "internal", "out of memory");
			return;
		}
	}
	e = ask_engine(x->server, &request, x, on_triggered);
	if (e != 0) {
		free(request.path);
		answer_engine_error(x, e);
	}
}

void serve_trigger(struct exchange *x)
{
	static const char *const members[] = {"drive", "path", NULL};
	json_t *body = exchange_object(x, members), *path;
	const char *drive;
	struct stream *st;

	if (body == NULL)
		return;
	path = json_object_get(body, "path");
	drive = string_member(x, body, "drive", "`drive` is a drive's name");
	if (drive != NULL && path != NULL && (!json_is_string(path) || !path_good(json_string_value(path)))) {
		exchange_error(x, 400, "bad_request",
			       "`path` is relative to the drive, without `.` and `..`");
		drive = NULL;
	}
	st = drive != NULL ? look_up_drive(x, drive) : NULL;
	if (st != NULL)
		trigger(x, st, json_string_value(path));
	json_decref(body);
}

/* ---- barrier */

static void answer_cursor(struct exchange *x, const struct position *cursor)
{
	char text[POSITION_TEXT_MAX];

	cursor_format(cursor, text);
	exchange_json(x, 200, json_pack("{s:s}", "cursor", text));
}

static void on_barrier(struct ask *ask)
{
	struct exchange *x = ask->owner;

	if (ask->request.error != 0)
		answer_engine_error(x, ask->request.error);
	else
		answer_cursor(x, &ask->request.cursor);
}

static void barrier_of_bus(struct exchange *x, struct stream *st)
{
	struct position tail;
	struct store_txn *txn;
	int e = store_begin(x->server->store, STORE_READ, &txn);

	if (e == 0) {
		e = stream_tail(st, txn, &tail);
		store_abort(txn);
	}
	if (e != 0)
		exchange_error(x, 500, "internal", "the stream cannot be read");
	else
		answer_cursor(x, &tail);
}

static void barrier_of(struct exchange *x, struct stream *st)
{
	struct engine_request request = {.type = ENGINE_BARRIER};
	int e;

	if (st->drive == NULL) {
		barrier_of_bus(x, st);
		return;
	}
	strncpy(request.drive, st->drive, sizeof(request.drive) - 1);
	e = ask_engine(x->server, &request, x, on_barrier);
	if (e != 0)
		answer_engine_error(x, e);
}

void serve_barrier(struct exchange *x)
{
	static const char *const members[] = {"stream", NULL};
	json_t *body = exchange_object(x, members);
	const char *name;
	struct stream *st;

	if (body == NULL)
		return;
	name = string_member(x, body, "stream", "`stream` is `bus` or `drive:` and a drive's name");
	st = name != NULL ? look_up(x, name) : NULL;
	if (st != NULL)
		barrier_of(x, st);
	json_decref(body);
}

/* ---- adopt */

static void answer_adopt_error(struct exchange *x, int error)
{
	if (error == -EALREADY)
		exchange_error(x, 409, "already", "the drive's root is its own: there is nothing to adopt");
	else if (error == -ESTALE)
		exchange_error(x, 409, "mismatch",
			       "this confirms another count, or the root is another one by now: count again");
	else if (error == -EBUSY)
		exchange_error(x, 409, "busy", "the root is being counted or adopted at this moment");
	else if (error == -EAGAIN)
		exchange_error(x, 503, "busy",
			       "there is no directory at the drive's path, or the server is stopping");
	else if (error == -EACCES || error == -EIO)
		exchange_error(x, 500, "internal",
			       "not all below the new root can be read: mend that, then count again");
	else
		answer_engine_error(x, error);
}

static void on_adopted(struct ask *ask)
{
	const struct engine_request *r = &ask->request;
	const struct adopt_counts *c = &r->counts;
	struct exchange *x = ask->owner;
	json_t *json;

	if (r->error != 0) {
		answer_adopt_error(x, r->error);
		return;
	}
	json = json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I}", "drive", r->drive, "entries",
			 (json_int_t)c->entries, "found", (json_int_t)c->found, "kept", (json_int_t)c->kept,
			 "changed", (json_int_t)c->changed, "new", (json_int_t)c->created, "missing",
			 (json_int_t)c->missing);
	if (json != NULL && r->run != 0)
		json_object_set_new(json, "run", json_integer((json_int_t)r->run));
	else if (json != NULL)
		json_object_set_new(json, "confirm", json_string(r->confirm));
	exchange_json(x, r->run != 0 ? 202 : 200, json);
}

void serve_adopt(struct exchange *x)
{
	static const char *const members[] = {"confirm", NULL};
	struct engine_request request = {.type = ENGINE_ADOPT};
	json_t *body = exchange_object(x, members), *confirm;
	struct stream *st;
	int e;

	if (body == NULL)
		return;
	confirm = json_object_get(body, "confirm");
	if (confirm != NULL && json_string_length(confirm) != sizeof(request.confirm) - 1) {
		exchange_error(x, 400, "bad_request", "`confirm` is what a call without it answered");
	} else if ((st = look_up_drive(x, x->argument)) != NULL) {
		strncpy(request.drive, st->drive, sizeof(request.drive) - 1);
		if (confirm != NULL)
			memcpy(request.confirm, json_string_value(confirm), sizeof(request.confirm));
		e = ask_engine(x->server, &request, x, on_adopted);
		if (e != 0)
			answer_engine_error(x, e);
	}
	json_decref(body);
}

/* ---- history */

static bool number_argument(struct exchange *x, const char *name, uint64_t *out)
{
	char text[24], *end;

	if (!exchange_argument(x, name, text, sizeof(text)))
		return true;
	if (strlen(text) == sizeof(text) - 1) /* perhaps cut: what is left is another number */
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

/* Fill `runs` with at most `limit`, newest first; *next is 0 when nothing older is left. */
static int collect_runs(struct stream *st, struct store_txn *txn, uint64_t before, uint64_t limit,
			json_t *runs, uint64_t *next)
{
	struct drive_row drive;
	struct run_row *row = malloc(sizeof(*row));
	int e = row == NULL ? -ENOMEM : drives_find(txn, st->drive, &drive);

	*next = 0;
	while (e == 0) {
		e = runs_before(txn, drive.drive, before, row);
		if (e != 0 || json_array_size(runs) == limit)
			break;
		before = row->run;
		*next = before;
		if (json_array_append_new(runs, run_json(st->drive, row)) != 0)
			e = -ENOMEM;
	}
	if (e > 0) /* none older */
		*next = 0;
	free(row);
	return e < 0 ? e : 0;
}

static void answer_history(struct exchange *x, struct stream *st, uint64_t before, uint64_t limit)
{
	json_t *runs = json_array();
	struct store_txn *txn;
	uint64_t next = 0;
	int e = runs == NULL ? -ENOMEM : store_begin(x->server->store, STORE_READ, &txn);

	if (e == 0) {
		e = collect_runs(st, txn, before, limit, runs, &next);
		store_abort(txn);
	}
	if (e != 0) {
		json_decref(runs);
		exchange_error(x, 500, "internal", "the history cannot be read");
		return;
	}
	exchange_json(x, 200,
		      json_pack("{s:o,s:o}", "runs", runs, "next",
				next != 0 ? json_integer((json_int_t)next) : json_null()));
}

/* Each is known and stands there once: which of two was meant is not for us to guess. */
static bool arguments_good(struct exchange *x)
{
	static const char *const known[] = {"drive=", "limit=", "before="};
	char fragment[QUERY_MAX_BYTES + 1];
	unsigned seen = 0;
	int i = 0;

	while (lws_hdr_copy_fragment(x->peer->wsi, fragment, sizeof(fragment), WSI_TOKEN_HTTP_URI_ARGS,
				     i++) >= 0) {
		unsigned which = 0;

		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			if (strncmp(fragment, known[k], strlen(known[k])) == 0)
				which = 1u << k;
		if (which == 0 || (seen & which) != 0)
			return false;
		seen |= which;
	}
	return true;
}

void serve_history(struct exchange *x)
{
	uint64_t limit = HISTORY_DEFAULT, before = 0;
	char drive[80];
	struct stream *st;

	if (!arguments_good(x) || !exchange_argument(x, "drive", drive, sizeof(drive)) ||
	    !number_argument(x, "limit", &limit) || !number_argument(x, "before", &before) || limit == 0 ||
	    limit > HISTORY_MAX) {
		exchange_error(x, 400, "bad_request", "ask with drive=NAME, limit=1 to 100, before=RUN");
		return;
	}
	st = look_up_drive(x, drive);
	if (st != NULL)
		answer_history(x, st, before, limit);
}
