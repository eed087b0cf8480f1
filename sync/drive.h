/* drive: the machine that turns one drive's observations into changes.  No I/O, no clock, no threads.
 *
 * drive_observe() takes what the watcher says and only remembers it; drive_step() works: it releases what
 * debounce no longer holds, decides what it means (detector), applies it to the index in an order in which
 * every prefix is a valid tree (order), and hands each change out.  Time is the caller's, in milliseconds of
 * any monotonic clock. What the machine wants to know it asks through the callbacks: a look, a scan, a
 * barrier; the answers come back as observations.  Names of ours (.wakeline in the root, .wakeline-stage-*,
 * .wakeline-swap-*) never get into the index.
 *
 * While it is silent (first index) differences go into the index with revision <epoch>-0 and no change is
 * handed out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sync/change.h"
#include "watcher/observation.h"

struct drive;
struct rules;
struct store_txn;

struct drive_output {
	void *context;
	/* Answered by the watcher: ENTRY or GONE for the name, then LOOKED with this number. */
	void (*look)(void *context, uint32_t request, const struct file_id *dir, const char *name,
		     size_t name_len);
	/* SCAN_BEGIN, ENTRYs flagged LISTED, SCAN_END, with this number.  One directory, not those below it.
	 * `flags`: SCAN_KNOWN or 0. */
	void (*scan)(void *context, uint32_t request, uint16_t flags, const struct file_id *dir);
	/* The SHA-256 of the file at this node, as long as it is `id` in this state; answered by
	 * drive_hashed(). NULL, or false: there is nobody to ask.  hash_cancel: the answer is not needed any
	 * more. */
	bool (*hash)(void *context, uint32_t request, uint64_t node, const struct file_id *id,
		     const struct entry_state *state);
	void (*hash_cancel)(void *context, uint32_t request);
	/* BARRIER with this number, after all that was done before it has been observed. */
	void (*barrier)(void *context, uint32_t request);
	/* One change, already made in the index inside the step's transaction.  The machine sets the node's
	 * revision to the one given by `next_rev` just before.  Non-zero aborts the step with that code. */
	int (*change)(void *context, const struct change *change);
	/* The position that the next change will have in the journal. */
	void (*next_rev)(void *context, uint64_t *epoch, uint64_t *seq);
	/* A walk that drive_reconcile() began has ended.  `error` 0, or the first -errno that made it
	 * incomplete. */
	void (*reconciled)(void *context, uint64_t entries, uint64_t changes, int error);
	/* This directory could not be read; the walk that wanted to goes on, and in the end tells that it is
	 * not complete.  NULL: nobody wants to know. */
	void (*unreadable)(void *context, uint64_t node, int error);
	/* A subtree that arrived could not be read as a whole, and no walk of drive_reconcile() is there to
	 * say so. */
	void (*missed)(void *context, int error);
	/* Of the directories that may not be read, and of which one of the above has told, only `left` are
	 * left, one of them `node`; with 0 nothing is missing any more.  NULL: nobody wants to know. */
	void (*mended)(void *context, uint64_t left, uint64_t node);
};

struct drive_options {
	uint32_t drive; /* the store's number */
	uint64_t root;  /* node */
	unsigned settle_ms, max_wait_ms;
	bool weak_ids;         /* identities on this file system may be reused: see design */
	unsigned listed_looks; /* in flight at a time, of listed names that need one; 0: as many as is good */
	const struct rules *
		rules; /* borrowed; what they hide is in the index, and no change is handed out; NULL: none */
	struct drive_output output;
};

int drive_new(struct drive **out, const struct drive_options *options);
void drive_free(struct drive *d); /* NULL is allowed */

/* ENTRY, GONE, FILE, SCAN_BEGIN, SCAN_END, LOOKED, BATCH_END, BARRIER (of a request this machine made).
 * Borrows.
 */
int drive_observe(struct drive *d, const struct observation *o, uint64_t now_ms);

/* The answer to output.hash(); NULL: it is not known (another file, unreadable, nobody left to ask).  What
 * comes HASH_WAIT_MS or later after the question is ignored. */
enum { HASH_WAIT_MS = 2000 };
void drive_hashed(struct drive *d, uint32_t request, const uint8_t *hash);
/* The file at this node had this hash while it was `id` in `state`, which somebody found out unasked.  If the
 * index says that this is what it is, it remembers the hash; if it knew another one, the content is
 * `updated`, although nothing else shows it. */
int drive_verified(struct drive *d, struct store_txn *txn, uint64_t node, const struct file_id *id,
		   const struct entry_state *state, const uint8_t *hash);

/* Do what is due at now_ms, inside a write transaction.  *more: call again at once, in another transaction
 * (the step stopped at its bound).  0 or what the store or a callback answered: the transaction must then be
 * aborted, and the machine is only good for drive_free(). */
int drive_step(struct drive *d, struct store_txn *txn, uint64_t now_ms, bool *more);
/* When drive_step() has something to do next; UINT64_MAX: nothing held; 0: at once. */
uint64_t drive_deadline(const struct drive *d);

/* Compare a directory (0: the root) and all below it with the drive.  One at a time: -EBUSY.  While a walk
 * runs, live observations are taken as ever. */
int drive_reconcile(struct drive *d, struct store_txn *txn, uint64_t node);
/* The same of those directories alone in which the watcher does not see changes, as the scans so far have
 * told; with weak ids of all. */
int drive_reconcile_unwatched(struct drive *d, struct store_txn *txn);
/* The walk that drive_reconcile() began takes at most so many entries a second from now on; 0: no limit. */
void drive_pace(struct drive *d, unsigned rate);
/* Forget everything held and asked (the watcher died, the root went away): no more answers will come. */
void drive_reset(struct drive *d);
void drive_set_silent(struct drive *d, bool silent);
/* Events were lost, and a walk of everything will follow.  What is held as gone may have moved, and the event
 * that told where to is among the lost ones: it is left to that walk, which looks at such names when it has
 * seen all others. */
void drive_lost(struct drive *d);

/* A barrier: everything observed so far is to be released without waiting.  drive_passed() is true once all
 * of it is in the index, looks and subtree scans that it made necessary included. */
uint64_t drive_mark(struct drive *d);
bool drive_passed(const struct drive *d, uint64_t mark);

uint64_t drive_pending(const struct drive *d); /* observations held */
void drive_progress(const struct drive *d, uint64_t *entries,
		    uint64_t *changes); /* of the reconcile that runs */
