/* Transactions.  A write transaction collects what changes with every record (counters, nodes per drive, the
 * tails of streams) and puts it once, at commit.  Read transactions are reset and pooled: a slot in LMDB's
 * reader table costs a process-wide lock, a reset one only two stores. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

enum { POOL_MAX = 8 };

/* LMDB frees the cursors of a write transaction with it; those of a read transaction are the caller's. */
void store_txn_free(struct store_txn *txn)
{
	for (unsigned i = 0; !txn->write && i < TABLE_COUNT; i++) {
		if (txn->cursors[i] != NULL)
			mdb_cursor_close(txn->cursors[i]);
	}
	if (txn->txn != NULL)
		mdb_txn_abort(txn->txn);
	free(txn->counts);
	free(txn->streams);
	free(txn);
}

static struct store_txn *pool_take(struct store *s)
{
	struct store_txn *txn;

	pthread_mutex_lock(&s->pool_lock);
	txn = s->pool;
	if (txn != NULL) {
		s->pool = txn->next;
		s->pooled--;
	}
	pthread_mutex_unlock(&s->pool_lock);
	return txn;
}

static void pool_give(struct store *s, struct store_txn *txn)
{
	bool kept;

	mdb_txn_reset(txn->txn);
	memset(txn->stale, true, sizeof(txn->stale));
	pthread_mutex_lock(&s->pool_lock);
	kept = s->pooled < POOL_MAX;
	if (kept) {
		txn->next = s->pool;
		s->pool = txn;
		s->pooled++;
	}
	pthread_mutex_unlock(&s->pool_lock);
	if (!kept)
		store_txn_free(txn);
}

int store_begin(struct store *s, enum store_access access, struct store_txn **out)
{
	struct store_txn *txn = NULL;
	int r;

	*out = NULL;
	if (access == STORE_READ)
		txn = pool_take(s);
	if (txn != NULL) {
		r = mdb_txn_renew(txn->txn);
	} else {
		txn = calloc(1, sizeof(*txn));
		if (txn == NULL)
			return -ENOMEM;
		txn->store = s;
		txn->write = access == STORE_WRITE;
		r = mdb_txn_begin(s->env, NULL, txn->write ? 0 : MDB_RDONLY, &txn->txn);
	}
	if (r != 0) {
		store_txn_free(txn);
		return store_error(r);
	}
	if (txn->write)
		txn->counters = s->counters;
	*out = txn;
	return 0;
}

static int flush(struct store_txn *txn)
{
	int r = journal_flush(txn);

	if (r == 0)
		r = meta_flush_counts(txn);
	if (r == 0 && txn->counters_changed)
		r = meta_put_counters(txn);
	return r;
}

int store_commit(struct store_txn *txn)
{
	struct store *s = txn->store;
	int r;

	if (!txn->write) {
		pool_give(s, txn);
		return 0;
	}
	r = flush(txn);
	if (r == 0) {
		r = store_error(mdb_txn_commit(txn->txn));
		txn->txn = NULL;
		s->failed |= r != 0 && r != -ENOSPC;
	}
	if (r == 0) {
		s->counters = txn->counters;
		s->written = true;
	}
	store_txn_free(txn);
	return r;
}

void store_abort(struct store_txn *txn)
{
	if (txn == NULL)
		return;
	if (txn->write)
		store_txn_free(txn);
	else
		pool_give(txn->store, txn);
}
