#include <errno.h>

#include "net/internal.h"

struct reading {
	struct reader_batch *batch;
	struct text *items;
	const struct filter *filter;
	uint64_t until;
	unsigned records;
};

static int on_record(void *context, const struct journal_record *record)
{
	struct reading *r = context;
	struct filter_record parsed = {record, NULL};
	enum filter_answer answer;

	answer = filter_apply(r->filter, &parsed, r->items);
	filter_record_deinit(&parsed);
	if (answer == FILTER_CAME_IN)
		return r->batch->items ? 1 : READER_CAME_IN; /* first what was before it */
	r->batch->items |= answer == FILTER_ADDED;
	r->batch->read.seq = record->seq;
	r->batch->read.check = record->check;
	r->records++;
	if ((record->flags & JOURNAL_CONTINUED) != 0)
		return 0; /* what belongs together stays together */
	return record->seq >= r->until || r->items->len >= WRITE_BYTES || r->records >= CATCH_UP_RECORDS;
}

int reader_read(struct stream *st, struct store_txn *txn, const struct filter *filter, uint64_t until,
		struct reader_batch *batch, struct text *t)
{
	struct reading r = {.batch = batch, .items = t, .filter = filter, .until = until};
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
