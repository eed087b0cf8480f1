/* A barrier frame's answer waits for two things: the engine's cursor, and this connection's own subscriptions
 * of the stream to have been sent everything up to it.  A client that reads in order has then seen what it
 * asked about. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/internal.h"

static void barrier_free(struct barrier *b)
{
	TAILQ_REMOVE(&b->connection->barriers, b, link);
	b->connection->barrier_count--;
	ask_forget(b->connection->server, b);
	free(b);
}

void barrier_free_all(struct connection *c)
{
	struct barrier *b;

	while ((b = TAILQ_FIRST(&c->barriers)) != NULL)
		barrier_free(b);
}

static void fail(struct barrier *b, int error)
{
	struct connection *c = b->connection;

	if (error == -ENOENT)
		connection_error(c, b->id, NET_NOT_FOUND, "there is no such drive");
	else if (error == -EAGAIN)
		connection_error(c, b->id, NET_BUSY, "the drive is offline, or the server is stopping");
	else
		connection_error(c, b->id, NET_INTERNAL, "the barrier could not be taken");
	barrier_free(b);
}

/* Subscriptions whose filter hides the last changes learn the cursor by a mark, without waiting for its time.
 */
static void ask_for_marks(struct barrier *b)
{
	struct subscription *sub;

	TAILQ_FOREACH(sub, &b->connection->subscriptions, of_connection)
	if (sub->class->stream == b->stream && sub->class->mark_at < b->cursor.seq)
		sub->class->mark_at = b->cursor.seq;
	pump_stream(b->stream);
}

static void on_cursor(struct barrier *b, const struct position *cursor)
{
	b->answered = true;
	b->cursor = *cursor;
	ask_for_marks(b);
	pump_live(b->connection);
}

static void on_answer(struct ask *ask)
{
	struct barrier *b = ask->owner;

	ask->owner = NULL;
	if (ask->request.error != 0)
		fail(b, ask->request.error);
	else
		on_cursor(b, &ask->request.cursor);
}

static int ask_drive(struct barrier *b)
{
	struct engine_request request = {.type = ENGINE_BARRIER};

	strncpy(request.drive, b->stream->drive, sizeof(request.drive) - 1);
	return ask_engine(b->connection->server, &request, b, on_answer);
}

static int ask_bus(struct barrier *b)
{
	struct position tail;
	struct store_txn *txn;
	int e = store_begin(b->connection->server->store, STORE_READ, &txn);

	if (e != 0)
		return e;
	e = stream_tail(b->stream, txn, &tail);
	store_abort(txn);
	if (e == 0)
		on_cursor(b, &tail);
	return e;
}

void barrier_request(struct connection *c, const struct frame *f)
{
	struct stream *st;
	struct barrier *b;
	enum net_error error;
	int e;

	if (stream_look_up(c->server, c->principal, TOKEN_READ, f->stream, &st, &error) != 0) {
		connection_error(c, f->id, error, "there is no such stream for you");
		return;
	}
	if (c->barrier_count >= BARRIERS_MAX) {
		connection_error(c, f->id, NET_LIMIT, "at most 16 barriers of a connection can wait");
		return;
	}
	b = calloc(1, sizeof(*b) + strlen(f->id) + 1);
	if (b == NULL) {
		connection_error(c, f->id, NET_INTERNAL, "out of memory");
		return;
	}
	b->connection = c;
	b->stream = st;
	strcpy(b->id, f->id);
	TAILQ_INSERT_TAIL(&c->barriers, b, link);
	c->barrier_count++;
	e = st->drive != NULL ? ask_drive(b) : ask_bus(b);
	if (e != 0)
		fail(b, e);
}

static bool reached(const struct barrier *b)
{
	const struct subscription *sub;

	TAILQ_FOREACH(sub, &b->connection->subscriptions, of_connection)
	if (sub->class->stream == b->stream && !subscription_reached(sub, &b->cursor))
		return false;
	return true;
}

void barrier_flush(struct connection *c)
{
	struct barrier *b = TAILQ_FIRST(&c->barriers), *next;

	for (; b != NULL; b = next) {
		next = TAILQ_NEXT(b, link);
		if (!b->answered || !reached(b))
			continue;
		encode_barrier(connection_say(c), b->id, &b->cursor);
		barrier_free(b);
		connection_said(c);
	}
}
