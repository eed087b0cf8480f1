#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/internal.h"

/* A message of which a part is out must be ended before anything else is sent: hand the rest to the replies,
 * in front. */
void subscription_finish_message(struct subscription *sub)
{
	struct connection *c = sub->connection;
	struct text whole = {0};
	const char *bytes;
	size_t len;

	c->mid_message = NULL;
	if (c->state == CONNECTION_CLOSED)
		return;
	if (snapshots_page(c->server, sub, &bytes, &len) == 0) {
		text_add(&whole, bytes + sub->page_at, len - sub->page_at);
		text_add(&whole, c->control.data, c->control.len);
	} else {
		whole.failed = true;
	}
	text_deinit(&c->control);
	c->control = whole;
	c->control_extra = whole.len;
	if (whole.failed)
		peer_kill(c->peer);
}

void subscription_free(struct subscription *sub)
{
	struct connection *c = sub->connection;

	if (c->mid_message == sub)
		subscription_finish_message(sub);
	TAILQ_REMOVE(&c->subscriptions, sub, of_connection);
	c->subscription_count--;
	if (sub->state == SUBSCRIPTION_WAITING)
		sub->class->stream->waiting--;
	TAILQ_REMOVE(&sub->class->members, sub, of_class);
	class_release(sub->class);
	spool_unref(sub->spool);
	free(sub->id);
	free(sub);
}

void subscription_reset(struct subscription *sub, const char *reason)
{
	struct connection *c = sub->connection;
	bool answered = sub->state != SUBSCRIPTION_WAITING && sub->state != SUBSCRIPTION_SPOOLING;
	struct text said = {0};

	encode_reset(&said, answered ? NULL : sub->id, answered ? sub->class->name : NULL,
		     sub->class->stream->name, reason);
	subscription_free(sub); /* first: it may have to end a message */
	text_add(connection_say(c), said.data, said.len);
	if (said.failed)
		connection_say(c)->failed = true;
	text_deinit(&said);
	connection_said(c);
}

bool subscription_reached(const struct subscription *sub, const struct position *cursor)
{
	switch (sub->state) {
	case SUBSCRIPTION_WAITING:
	case SUBSCRIPTION_SPOOLING:
	case SUBSCRIPTION_SNAPSHOT:
		return false;
	case SUBSCRIPTION_BEHIND:
	case SUBSCRIPTION_LIVE:
		break;
	}
	if (sub->sent.epoch != cursor->epoch)
		return sub->sent.epoch > cursor->epoch;
	return sub->sent.seq >= cursor->seq;
}

void subscription_settle(struct subscription *sub)
{
	uint64_t number;

	if (ring_find(&sub->class->ring, sub->sent.seq, &number) != RING_AT) {
		sub->state = SUBSCRIPTION_BEHIND;
		return;
	}
	sub->state = SUBSCRIPTION_LIVE;
	sub->frame = number;
	sub->read = sub->sent;
}
