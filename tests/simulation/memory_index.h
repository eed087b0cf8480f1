/* memory_index: store/index.h in memory, made for millions of short lives.
 *
 * One struct store_txn is a whole store with one drive; it is reset, not freed.  It is linked in place of the
 * index on LMDB.  What the header forbids it asserts, and strings it handed out are overwritten at the next
 * write, so that whoever keeps them is found out. */
#pragma once

#include "store/index.h"

enum { MEMORY_DRIVE = 1, MEMORY_ROOT = 1 };

struct store_txn *memory_index_new(void);
void memory_index_free(struct store_txn *txn); /* NULL is allowed */
/* Empty but for the root, whose identity is given. */
void memory_index_reset(struct store_txn *txn, const struct identity *root);
/* What handed-out strings point to is void from here on: a transaction ended. */
void memory_index_commit(struct store_txn *txn);
/* Remember the present state, and go back to it: an aborted transaction. */
void memory_index_save(struct store_txn *txn);
void memory_index_restore(struct store_txn *txn);
/* The node is one that lookups can reach. */
bool memory_index_is_attached(const struct store_txn *txn, uint64_t node);
