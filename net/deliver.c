/* From a subscription's place to its socket.
 *
 * LIVE: the class's frames, as they lie in its ring, as many at once as one write may hold.  BEHIND: frames
 * made for this client alone out of the journal, each ending no later than the next border of the class, from
 * where it is LIVE.  The place moves with what was handed to the socket, so there is no queue and no window
 * between the two. At most one write's bytes wait in libwebsockets for a socket that took only a part. */
#include <errno.h>

#include "net/internal.h"
#include "net/log.h"
#include "net/wire.h"

enum deliver_answer deliver_live(struct subscription *sub)
{
	struct ring *ring = &sub->class->ring;
	uint64_t count;
	const char *bytes;
	size_t len;

	if (sub->frame < ring->first) { /* too slow: what it needs is in the journal alone */
		sub->state = SUBSCRIPTION_BEHIND;
		sub->read = sub->sent;
		return DELIVER_MORE;
	}
	if (sub->frame == ring->next)
		return DELIVER_DONE;
	bytes = ring_run(ring, sub->frame, WRITE_BYTES, &len, &count);
	sub->frame += count;
	sub->sent = sub->read = *ring_border(ring, sub->frame);
	connection_write(sub->connection, bytes, len);
	return sub->frame < ring->next ? DELIVER_MORE : DELIVER_DONE;
}

/* Up to which border may its own frames go?  False: it is ahead of the class and waits. */
static bool next_border(const struct subscription *sub, struct position *until)
{
	const struct ring *ring = &sub->class->ring;
	uint64_t number;

	switch (ring_find(ring, sub->sent.seq, &number)) {
	case RING_INSIDE:
		*until = *ring_border(ring, number + 1);
		return true;
	case RING_BEFORE:
		*until = ring->begin;
		return true;
	case RING_AT:
	case RING_AFTER:
		break;
	}
	return false;
}

static void write_message(struct subscription *sub, const struct text *head, const struct text *items)
{
	struct text *out = &sub->connection->server->scratch_out;
	size_t items_len = items == NULL ? 0 : items->len + ENCODE_EV_TAIL_LEN;
	uint8_t header[WIRE_HEADER_MAX];

	text_clear(out);
	text_add(out, header, wire_header(header, head->len + items_len));
	text_add(out, head->data, head->len);
	if (items != NULL) {
		text_add(out, items->data, items->len);
		text_add(out, "]}", ENCODE_EV_TAIL_LEN);
	}
	if (out->failed || head->failed)
		peer_kill(sub->connection->peer);
	else
		connection_write(sub->connection, out->data, out->len);
}

static void write_own_frame(struct subscription *sub, const struct position *cursor, const struct text *items)
{
	struct text *head = &sub->connection->server->scratch_head;
	const char *stream = sub->class->stream->name;

	text_clear(head);
	if (items != NULL)
		encode_ev_head(head, sub->class->name, stream, &sub->sent, cursor);
	else
		encode_mark(head, sub->class->name, stream, &sub->sent, cursor);
	write_message(sub, head, items);
	sub->sent = sub->read = *cursor;
}

static int read_own(struct subscription *sub, const struct position *until, struct reader_batch *batch,
		    struct text *items)
{
	struct stream *st = sub->class->stream;
	struct store_txn *txn;
	int e = store_begin(st->server->store, STORE_READ, &txn);

	if (e != 0)
		return e;
	e = reader_read(st, txn, &sub->class->filter, until->seq, batch, items);
	store_abort(txn);
	return e;
}

static enum deliver_answer own_step(struct subscription *sub, const struct position *until)
{
	struct text *items = &sub->connection->server->scratch_items;
	struct reader_batch batch = {.read = sub->read};
	int e;

	text_clear(items);
	e = read_own(sub, until, &batch, items);
	if (e == JOURNAL_PRUNED) {
		subscription_reset(sub, "pruned");
		return DELIVER_DONE;
	}
	if (e == READER_CAME_IN) {
		stream_came_in(sub->class->stream, batch.read.seq + 1);
		subscription_reset(sub, "moved");
		return DELIVER_DONE;
	}
	if (e != 0) {
		net_log(NET_LOG_ERROR, "stream %s cannot be read for a client: %d", sub->class->stream->name,
			e);
		connection_fail(sub->connection, CLOSE_INTERNAL, NET_INTERNAL, "the journal cannot be read");
		return DELIVER_DONE;
	}
	sub->read = batch.read;
	if (batch.items)
		write_own_frame(sub, &batch.read, items);
	else if (batch.read.seq >= until->seq || batch.read.seq - sub->sent.seq >= 4 * CATCH_UP_RECORDS)
		write_own_frame(sub, &batch.read,
				NULL); /* long stretches without an event move the cursor too */
	return DELIVER_MORE;
}

enum deliver_answer deliver_behind(struct subscription *sub)
{
	struct position until;

	subscription_settle(sub);
	if (sub->state == SUBSCRIPTION_LIVE)
		return deliver_live(sub);
	return next_border(sub, &until) ? own_step(sub, &until) : DELIVER_DONE;
}

static enum deliver_answer page_done(struct subscription *sub)
{
	const struct snapshot *s = sub->spool->snapshot;

	sub->connection->mid_message = NULL;
	sub->page_at = 0;
	if (++sub->page < snapshot_pages(s))
		return DELIVER_MORE;
	sub->sent = sub->read = *snapshot_position(s);
	spool_unref(sub->spool);
	sub->spool = NULL;
	if (sub->sent.epoch != sub->class->stream->read.epoch) {
		sub->state = SUBSCRIPTION_BEHIND;
		subscription_reset(sub, "epoch"); /* a new one began while the pages were being sent */
		return DELIVER_DONE;
	}
	subscription_settle(sub);
	return DELIVER_MORE;
}

enum deliver_answer deliver_page(struct subscription *sub)
{
	struct connection *c = sub->connection;
	const char *bytes;
	size_t len;
	int e = snapshots_page(c->server, sub, &bytes, &len);

	if (e != 0) {
		net_log(NET_LOG_ERROR, "a snapshot of %s cannot be read: %d", sub->class->stream->name, e);
		if (sub->page_at > 0)
			peer_kill(c->peer); /* in the middle of a message there is nothing left to say */
		else
			connection_fail(c, CLOSE_INTERNAL, NET_INTERNAL, "the snapshot cannot be read");
		return DELIVER_DONE;
	}
	while (sub->page_at < len) {
		size_t piece = wire_frame_length(bytes + sub->page_at, len - sub->page_at);

		connection_write(c, bytes + sub->page_at, piece);
		sub->page_at += piece;
		if (!connection_can_write(c) && sub->page_at < len) {
			c->mid_message = sub;
			return DELIVER_MORE;
		}
	}
	return page_done(sub);
}
