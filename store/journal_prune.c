/* Retention.  Records are removed from the front in bounded steps, and the floor and the check before it move
 * with them in the same transaction, so a reader sees a record or the floor beyond it, never a hole. */
#include <assert.h>
#include <errno.h>

#include "store/internal.h"

/* Records of past epochs sort before all of the present one. */
static int prune_epochs(struct store_txn *txn, const struct stream_row *row, unsigned *limit)
{
	uint8_t first[JOURNAL_KEY_BYTES], end[JOURNAL_KEY_BYTES];
	MDB_val key, value;
	int r = 0;

	journal_key(end, row->number, row->tail.epoch, 0);
	while (*limit > 0) {
		journal_key(first, row->number, 0, 0);
		key = (MDB_val){sizeof(first), first};
		r = table_seek(txn, journal_table(row->number), &key, &value);
		if (r != 0 || key.mv_size != sizeof(end) || memcmp(key.mv_data, end, sizeof(end)) >= 0)
			break;
		memcpy(first, key.mv_data, sizeof(first));
		r = table_delete(txn, journal_table(row->number), first, sizeof(first));
		if (r != 0)
			break;
		(*limit)--;
	}
	return r < 0 ? r : 0;
}

static int prune_floor(struct store_txn *txn, struct stream_row *row)
{
	uint8_t key[JOURNAL_KEY_BYTES];
	struct journal_record record;
	MDB_val value;
	int r;

	journal_key(key, row->number, row->tail.epoch, row->floor);
	r = table_get(txn, journal_table(row->number), key, sizeof(key), &value);
	if (r < 0)
		return r;
	if (r == TABLE_NONE || !record_read(&value, &record))
		return -EILSEQ;
	r = table_delete(txn, journal_table(row->number), key, sizeof(key));
	if (r != 0)
		return r < 0 ? r : -EILSEQ;
	row->floor++;
	row->floor_check = record.check;
	row->changed = true;
	return 0;
}

int journal_prune(struct journal *j, struct store_txn *txn, uint64_t keep, unsigned limit, bool *left)
{
	struct stream_row space, *row;
	int r;

	assert(txn->write);
	*left = false;
	r = stream_of(j, txn, &space, &row);
	if (r == 0)
		r = prune_epochs(txn, row, &limit);
	while (r == 0 && row->tail.seq + 1 - row->floor > keep) {
		*left = limit == 0;
		if (limit-- == 0)
			return 0;
		r = prune_floor(txn, row);
	}
	if (r == 0 && limit == 0)
		*left = true; /* perhaps nothing: the next call finds out */
	return r;
}
