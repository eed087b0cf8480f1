/* journal: the ordered, durable log of one stream's changes.
 *
 * A change receives its sequence number when it is appended; that number is the only order clients may rely
 * on, and wall-clock times are for people.  Sequence numbers have no holes within an epoch and start at 1.
 * Each record carries a checksum chained to the one before it: check(n) = XXH64(header and JSON of n, seed
 * check(n-1)), check(0) is drawn from the epoch.  A record holds a small fixed header and the JSON object
 * that goes on the wire, so replay is a copy. One writer thread, any number of readers.  Returns 0; -errno
 * when storage fails: pass it up; a positive journal_answer: handle each one here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/event.h"
#include "store/position.h"

struct journal; /* opaque: a stream's name and number; holds no position, that is in the store */
struct store;
struct store_txn;

enum journal_answer {
	JOURNAL_END = 1,      /* nothing after this number yet */
	JOURNAL_PRUNED = 2,   /* older than the floor: the client gets a reset */
	JOURNAL_FUTURE = 3,   /* a seq this epoch has not reached */
	JOURNAL_MISMATCH = 4, /* the check is not ours */
	JOURNAL_EPOCH = 5,    /* another epoch */
	JOURNAL_ABSENT = 6,   /* no such stream in this store */
};

enum { JOURNAL_NAME_MAX = 80 };

enum {
	JOURNAL_CONTINUED =
		1 << 0, /* the next record belongs into the same frame: a swap is seen whole or not at all */
};

struct journal_record {
	uint64_t seq;   /* out of journal_read(); journal_append() sets it */
	uint64_t check; /* the chain after this record; likewise */
	enum event_type event;
	uint8_t flags;
	const char *json; /* one JSON object, no line breaks; borrowed: from journal_read() it lies in the map
			   * and is valid until the transaction ends */
	size_t json_len;
};

/* Open the stream `name` ("drive:x" or "bus"), creating it with a first epoch when absent and txn may write
 * (else JOURNAL_ABSENT).  *out is the caller's until journal_close(). */
int journal_open(struct journal **out, struct store_txn *txn, const char *name);
void journal_close(struct journal *j); /* NULL is allowed */
const char *journal_name(const struct journal *j);

/* Where the stream ends: epoch, last seq (0 when empty) and its check. */
int journal_tail(struct journal *j, struct store_txn *txn, struct position *out);
/* The oldest seq kept; tail.seq + 1 when none is.  A cursor at floor - 1 can still be served. */
int journal_floor(struct journal *j, struct store_txn *txn, uint64_t *seq);
/* Begin a new epoch, greater than every one this store has seen in any stream and greater than `above` (0:
 * there is none): seq starts again, older records are gone for readers at once and removed by
 * journal_prune().  -EOVERFLOW: there is none greater. */
int journal_new_epoch(struct journal *j, struct store_txn *txn, uint64_t now_seconds, uint64_t above);

/* Append one record inside txn, beside the index rows it belongs to; borrows json, fills seq and check.
 * Durable, and may be told to anyone, only when store_commit(txn) has returned 0.  Writer thread only. */
int journal_append(struct journal *j, struct store_txn *txn, struct journal_record *record);

/* Can a reader go on from this cursor?  0, or PRUNED, FUTURE, MISMATCH, EPOCH. */
int journal_locate(struct journal *j, struct store_txn *txn, const struct position *cursor);
/* The check at seq (floor - 1 to the tail), for a cursor to give out. */
int journal_check_at(struct journal *j, struct store_txn *txn, uint64_t seq, uint64_t *check);
/* Visit the records after `after` in order until `visit` returns non-zero (which is returned), or JOURNAL_END
 * at the tail; JOURNAL_PRUNED when after + 1 is below the floor. */
typedef int journal_visit(void *context, const struct journal_record *record);
int journal_read(struct journal *j, struct store_txn *txn, uint64_t after, journal_visit *visit,
		 void *context);

/* Keep the newest `keep` records; remove at most `limit` (also of past epochs) in this transaction and say in
 * *left whether there is more to do.  The floor moves only past what is gone. */
int journal_prune(struct journal *j, struct store_txn *txn, uint64_t keep, unsigned limit, bool *left);
