/* A class turns its stream's records into frames once, for all its members.
 *
 * The frames chain: each begins at the cursor where the one before ended, whatever was filtered out between.
 * Those cursors are the class's borders, and they are the same for everybody; a member whose own cursor lies
 * between two borders gets a frame of its own up to the next one (deliver.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/internal.h"
#include "net/wire.h"

static int class_new(struct stream *st, const struct filter *filter, struct class **out)
{
	struct class *c = calloc(1, sizeof(*c));
	struct server *s = st->server;

	if (c == NULL)
		return -ENOMEM;
	if (prefixes_copy(&c->filter.prefixes, &filter->prefixes) != 0) {
		free(c);
		return -ENOMEM;
	}
	c->stream = st;
	c->filter.events = filter->events;
	c->filter.changed = filter->changed;
	c->number = ++s->classes_made;
	snprintf(c->name, sizeof(c->name), "s%llu", (unsigned long long)c->number);
	TAILQ_INIT(&c->members);
	if (TAILQ_EMPTY(&st->classes))
		st->read =
			(struct position){0}; /* nobody was told anything: stream_advance() finds the tail */
	ring_init(&c->ring, &st->read, s->limits.ring_bytes);
	TAILQ_INSERT_TAIL(&st->classes, c, link);
	s->class_count++;
	*out = c;
	return 0;
}

bool class_is(const struct class *c, const struct filter *filter)
{
	return c->filter.events == filter->events && c->filter.changed == filter->changed &&
	       prefixes_equal(&c->filter.prefixes, &filter->prefixes);
}

int class_get(struct stream *st, const struct filter *filter, struct class **out)
{
	struct class *c;

	TAILQ_FOREACH(c, &st->classes, link)
	{
		if (class_is(c, filter)) {
			*out = c;
			return 0;
		}
	}
	return class_new(st, filter, out);
}

void class_release(struct class *c)
{
	if (!TAILQ_EMPTY(&c->members))
		return;
	TAILQ_REMOVE(&c->stream->classes, c, link);
	c->stream->server->class_count--;
	ring_deinit(&c->ring);
	text_deinit(&c->items);
	prefixes_deinit(&c->filter.prefixes);
	free(c);
}

void class_offer(struct class *c, struct filter_record *record)
{
	if (c->broken || filter_apply(&c->filter, record, &c->items) != FILTER_CAME_IN)
		return;
	c->broken = true;
	stream_came_in(c->stream, record->record->seq);
}

static void wake_members(struct class *c)
{
	struct subscription *sub;

	TAILQ_FOREACH(sub, &c->members, of_class)
	{
		if (sub->state == SUBSCRIPTION_LIVE)
			pump_live(sub->connection);
		else if (sub->state == SUBSCRIPTION_BEHIND)
			pump_behind(sub->connection);
	}
}

/* All rings share a bound: the more classes there are, the less each may keep. */
static void limit_ring(struct class *c)
{
	struct server *s = c->stream->server;
	size_t bytes = RINGS_MAX_BYTES / s->class_count;

	if (bytes > s->limits.ring_bytes)
		bytes = s->limits.ring_bytes;
	else if (bytes < RING_MIN_BYTES)
		bytes = RING_MIN_BYTES;
	c->ring.max_bytes = bytes;
	if (c->ring.room > 2 * bytes)
		ring_clear(&c->ring);
}

/* Put the WebSocket header in front of what `head` holds, and both with `body` into the ring. */
static int append(struct class *c, const struct text *head, const void *body, size_t body_len,
		  const struct position *cursor)
{
	struct text *out = &c->stream->server->scratch_out;
	uint8_t header[WIRE_HEADER_MAX];
	int e;

	text_clear(out);
	text_add(out, header, wire_header(header, head->len + body_len));
	text_add(out, head->data, head->len);
	if (out->failed || head->failed)
		return -ENOMEM;
	limit_ring(c);
	e = ring_append(&c->ring, out->data, out->len, body, body_len, cursor);
	if (e == 0) {
		c->silent_since_ms = 0;
		c->used_ms = now_ms(c->stream->server);
		tick_need(c->stream->server);
		wake_members(c);
	}
	return e;
}

int class_mark(struct class *c)
{
	struct text *head = &c->stream->server->scratch_head;
	const struct position *read = &c->stream->read;

	if (read->seq <= ring_tail(&c->ring)->seq)
		return 0;
	text_clear(head);
	encode_mark(head, c->name, c->stream->name, ring_tail(&c->ring), read);
	return append(c, head, "", 0, read);
}

static int close_items(struct class *c, const struct position *cursor)
{
	struct text *head = &c->stream->server->scratch_head;
	int e;

	text_clear(head);
	encode_ev_head(head, c->name, c->stream->name, ring_tail(&c->ring), cursor);
	text_add(&c->items, "]}", ENCODE_EV_TAIL_LEN);
	e = c->items.failed ? -ENOMEM : append(c, head, c->items.data, c->items.len, cursor);
	text_deinit(&c->items); /* idle classes keep nothing */
	return e;
}

/* A frame that cannot be had makes a hole in the chain.  The members read it from the journal instead. */
static void start_over(struct class *c, const struct position *cursor)
{
	struct subscription *sub;

	ring_clear(&c->ring);
	c->ring.begin = *cursor;
	TAILQ_FOREACH(sub, &c->members, of_class)
	{
		if (sub->state == SUBSCRIPTION_LIVE) {
			sub->read = sub->sent;
			sub->state = SUBSCRIPTION_BEHIND;
			pump_behind(sub->connection);
		}
	}
}

int class_close(struct class *c, const struct position *cursor)
{
	int e = 0;

	if (c->broken) { /* each member reads up to there by itself, and is reset */
		c->broken = false;
		text_deinit(&c->items);
		start_over(c, cursor);
		return 0;
	}
	if (c->items.len > 0 || c->items.failed) {
		e = close_items(c, cursor);
		if (e != 0)
			start_over(c, cursor);
		return e;
	}
	if (cursor->seq <= ring_tail(&c->ring)->seq)
		return 0;
	if (ring_tail(&c->ring)->seq < c->mark_at && cursor->seq >= c->mark_at)
		return class_mark(c);
	if (c->silent_since_ms == 0) {
		c->silent_since_ms = now_ms(c->stream->server) | 1; /* never 0 */
		tick_need(c->stream->server);
	}
	return 0;
}
