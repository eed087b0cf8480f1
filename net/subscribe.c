/* A subscribe frame and its answer.  A subscription takes its place from the journal in one loop turn and is
 * a member of its class from before that: what is appended later is either in the ring or in the journal
 * after its place. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/internal.h"

static const char *locate_reason(int answer)
{
	switch ((enum journal_answer)answer) {
	case JOURNAL_PRUNED:
		return "pruned";
	case JOURNAL_FUTURE:
		return "future";
	case JOURNAL_MISMATCH:
		return "mismatch";
	case JOURNAL_EPOCH:
		return "epoch";
	case JOURNAL_END:
	case JOURNAL_ABSENT:
		break;
	}
	return "gone";
}

static void refuse(struct subscription *sub, enum net_error e, const char *message)
{
	struct connection *c = sub->connection;

	connection_error(c, sub->id, e, message);
	subscription_free(sub);
}

/* An error before the subscription had a place; what went wrong below is logged where it happened. */
static void refuse_for(struct subscription *sub, int e)
{
	if (e == -EBUSY)
		refuse(sub, NET_BUSY, "too many snapshots are being read; try again later");
	else if (e == -ENOSPC)
		refuse(sub, NET_BUSY, "there is no space to write the snapshot to; try again later");
	else
		refuse(sub, NET_INTERNAL, "the stream cannot be read");
}

static void place_at(struct subscription *sub, const struct position *cursor)
{
	struct connection *c = sub->connection;

	sub->class->stream->waiting--;
	sub->sent = sub->read = *cursor;
	subscription_settle(sub);
	encode_subscribed(connection_say(c), sub->id, sub->class->name, sub->class->stream->name, cursor);
	connection_said(c);
	pump_stream(sub->class->stream);
	pump_behind(c);
}

static void start_snapshot(struct subscription *sub)
{
	int e;

	sub->class->stream->waiting--;
	sub->state = SUBSCRIPTION_SPOOLING;
	e = snapshots_ask(sub->connection->server, sub);
	if (e != 0)
		refuse_for(sub, e);
}

static void start_at_cursor(struct subscription *sub, struct store_txn *txn)
{
	struct position cursor = sub->sent;
	int e = journal_locate(sub->class->stream->journal, txn, &cursor);

	if (e == 0)
		place_at(sub, &cursor);
	else if (e > 0)
		subscription_reset(sub, locate_reason(e)); /* still WAITING: answered by its id */
	else
		refuse_for(sub, e);
}

static void start_with(struct subscription *sub, struct store_txn *txn)
{
	struct position tail;
	int e;

	switch (sub->from) {
	case FROM_NOW:
		e = stream_tail(sub->class->stream, txn, &tail);
		if (e == 0)
			place_at(sub, &tail);
		else
			refuse_for(sub, e);
		return;
	case FROM_CURSOR:
		start_at_cursor(sub, txn);
		return;
	case FROM_SNAPSHOT:
		start_snapshot(sub);
		return;
	}
}

/* Give all that wait their place, or leave them waiting for the first index. */
static void start_waiting(struct stream *st, struct store_txn *txn)
{
	struct class *c = TAILQ_FIRST(&st->classes), *next_class;

	for (; c != NULL; c = next_class) {
		struct subscription *sub = TAILQ_FIRST(&c->members), *next;

		next_class = TAILQ_NEXT(c, link);
		for (; sub != NULL; sub = next) {
			next = TAILQ_NEXT(sub, of_class);
			if (sub->state == SUBSCRIPTION_WAITING)
				start_with(sub, txn);
		}
	}
}

void subscribe_waiting(struct stream *st)
{
	struct store_txn *txn;

	if (st->waiting == 0 || store_begin(st->server->store, STORE_READ, &txn) != 0)
		return; /* the next news tries again */
	/* Locating may end subscriptions, so it comes before the loop over them. */
	if (stream_ready(st, txn) && stream_locate(st, txn) == 0)
		start_waiting(st, txn);
	store_abort(txn);
}

void on_spool_ready(struct subscription *sub, int error)
{
	struct connection *c = sub->connection;

	if (error != 0) {
		refuse_for(sub, error);
		return;
	}
	sub->state = SUBSCRIPTION_SNAPSHOT;
	sub->page = sub->page_at = 0;
	encode_subscribed(connection_say(c), sub->id, sub->class->name, sub->class->stream->name, NULL);
	connection_said(c);
	pump_behind(c);
}

static const char *find_conflict(struct connection *c, const struct frame *f, const struct stream *st,
				 const struct filter *filter)
{
	struct subscription *sub;

	TAILQ_FOREACH(sub, &c->subscriptions, of_connection)
	{
		if (strcmp(sub->id, f->id) == 0)
			return "this `id` names a subscription of this connection already";
		if (sub->class->stream == st && class_is(sub->class, filter))
			return "this connection has the same subscription already";
	}
	return NULL;
}

static struct subscription *subscription_new(struct connection *c, const struct frame *f, struct stream *st,
					     const struct filter *filter)
{
	struct subscription *sub = calloc(1, sizeof(*sub));

	if (sub == NULL)
		return NULL;
	sub->id = strdup(f->id);
	if (sub->id == NULL || class_get(st, filter, &sub->class) != 0) {
		free(sub->id);
		free(sub);
		return NULL;
	}
	sub->connection = c;
	sub->state = SUBSCRIPTION_WAITING;
	sub->from = f->from;
	sub->sent = f->cursor;
	TAILQ_INSERT_TAIL(&c->subscriptions, sub, of_connection);
	c->subscription_count++;
	st->waiting++;
	TAILQ_INSERT_TAIL(&sub->class->members, sub, of_class);
	return sub;
}

static void subscribe_with(struct connection *c, const struct frame *f, struct stream *st,
			   const struct filter *filter)
{
	const char *conflict = find_conflict(c, f, st, filter);

	if (conflict != NULL) {
		connection_error(c, f->id, NET_ALREADY, conflict);
		return;
	}
	if (c->subscription_count >= SUBSCRIPTIONS_MAX) {
		connection_error(c, f->id, NET_LIMIT, "a connection has at most 64 subscriptions");
		return;
	}
	if (subscription_new(c, f, st, filter) == NULL) {
		connection_error(c, f->id, NET_INTERNAL, "out of memory");
		return;
	}
	subscribe_waiting(st);
}

void subscribe(struct connection *c, const struct frame *f)
{
	struct filter filter = {.events = f->events, .changed = f->changed};
	struct stream *st;
	enum net_error error;
	int e;

	if (stream_look_up(c->server, c->principal, TOKEN_READ, f->stream, &st, &error) != 0) {
		connection_error(c, f->id, error, "there is no such stream for you");
		return;
	}
	if (st->drive == NULL && f->from == FROM_SNAPSHOT) {
		connection_error(c, f->id, NET_UNSUPPORTED, "the bus has no snapshot");
		return;
	}
	e = prefixes_meet(&filter.prefixes, &f->prefixes, &c->principal->prefixes);
	if (e == 0)
		subscribe_with(c, f, st, &filter);
	else if (e == -EACCES)
		connection_error(c, f->id, NET_FORBIDDEN, "there is nothing in these prefixes for you");
	else
		connection_error(c, f->id, NET_INTERNAL, "out of memory");
	prefixes_deinit(&filter.prefixes);
}

void unsubscribe(struct connection *c, const struct frame *f)
{
	struct subscription *sub;

	TAILQ_FOREACH(sub, &c->subscriptions, of_connection)
	{
		char name[24];

		if (strcmp(sub->id, f->id) != 0)
			continue;
		strcpy(name, sub->class->name);
		subscription_free(sub);
		encode_unsubscribed(connection_say(c), f->id, name);
		connection_said(c);
		return;
	}
	connection_error(c, f->id, NET_NOT_FOUND, "there is no subscription with this `id`");
}
