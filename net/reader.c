#include <errno.h>

#include "net/internal.h"

struct reading {
	struct reader_batch *batch;
	struct text *items;
	uint64_t events, until;
	unsigned records;
};

static int on_record(void *context, const struct journal_record *record)
{
	struct reading *r = context;

	r->batch->read.seq = record->seq;
	r->batch->read.check = record->check;
	r->records++;
	if ((r->events & event_bit(record->event)) != 0) {
		if (r->batch->items)
			text_add(r->items, ",", 1);
		text_add(r->items, record->json, record->json_len);
		r->batch->items = true;
	}
	if ((record->flags & JOURNAL_CONTINUED) != 0)
		return 0; /* what belongs together stays together */
	return record->seq >= r->until || r->items->len >= WRITE_BYTES || r->records >= CATCH_UP_RECORDS;
}

int reader_read(struct stream *st, struct store_txn *txn, uint64_t events, uint64_t until,
		struct reader_batch *batch, struct text *t)
{
	struct reading r = {.batch = batch, .items = t, .events = events, .until = until};
	int e = stream_journal(st, txn);

	batch->items = false;
	if (e != 0)
		return e;
	if (batch->read.seq >= until)
		return 0;
	e = journal_read(st->journal, txn, batch->read.seq, on_record, &r);
	if (t->failed)
		return -ENOMEM;
	/* 1 is also what the visitor returns when it has enough. */
	return e == JOURNAL_END ? 0 : e;
}
