/* oracle: knows what must hold, and says which rule was broken.
 *
 * It keeps a replica that is built from nothing but the changes handed out, as a client would, and compares
 * it with the index and with the file system.  The first failure is kept; later ones are ignored. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/index.h"
#include "sync/change.h"
#include "sync/rules.h"
#include "tests/simulation/failure.h"
#include "tests/simulation/file_system.h"
#include "tests/simulation/watcher.h"

struct oracle;

struct oracle *oracle_new(void);
void oracle_free(struct oracle *o); /* NULL is allowed */
/* `rules` (borrowed; may be NULL): what they hide is in the index and not in the replica. */
void oracle_reset(struct oracle *o, struct failure *failure, bool weak_ids, const struct rules *rules);
/* The replica becomes a copy of the index: what a snapshot would be. */
void oracle_take_snapshot(struct oracle *o, struct store_txn *txn);
/* Apply one change, and assert TREE and that the index says the same already. */
void oracle_apply(struct oracle *o, struct store_txn *txn, const struct change *change);
/* The index knows now which content a node has. */
void oracle_learn(struct oracle *o, const struct index_node *n);
/* A step ended: nothing may be left between two frames. */
void oracle_end_step(struct oracle *o);
void oracle_save(struct oracle *o);
void oracle_restore(struct oracle *o);
uint64_t oracle_digest(const struct oracle *o); /* of every change so far, for DET */

struct comparison {
	const struct file_system *fs;
	const struct watcher *watcher; /* for identities */
	struct store_txn *txn;
	uint32_t since; /* compare only what no operation after this one touched; UINT32_MAX: all */
	bool replica;   /* the replica too */
	bool blind;     /* also what the watcher could not see */
	bool links;     /* also files with several names */
	bool settled;   /* no writer is open: nothing may still be marked so */
	const char *rule;
};
void oracle_compare(struct oracle *o, const struct comparison *c);
