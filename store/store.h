/* store: the LMDB environment that holds everything the daemon must not forget, and its transactions.
 *
 * One process has the store open for writing (a lock file beside it says so), one thread of it writes, any
 * number read. A write transaction that store_commit() answered with 0 is on stable storage.  Readers see one
 * commit, whole. All functions return 0 or -errno; LMDB's codes are mapped in store/store.c alone.  -ENOSPC:
 * the map or store_max_bytes is full.  A key that is not there is a positive answer of the module asked,
 * never an error. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STORE_FORMAT = 2, STORE_FORMAT_OLDEST = 1 };

struct store;
struct store_txn;

struct store_options {
	const char *directory; /* created 0700 when absent; holds `store.mdb` and `lock` */
	uint64_t max_bytes;    /* the map's size; 0: the default, 64 GiB of address space */
	bool read_only;        /* for --check beside nobody: still takes the lock */
	bool no_sync;          /* tests and simulations only */
};

/* What store_open() may find wrong, beside plain -errno. */
enum store_answer {
	STORE_LOCKED = 1, /* another daemon has it; store_lock_owner() tells the pid */
	STORE_NEWER = 2,  /* written by a later format; nothing was touched */
	STORE_BROKEN = 3, /* not a store, or LMDB says corrupted */
	STORE_EMPTY = 4,  /* to be read only, and nothing was written to it yet */
};

int store_open(struct store **out, const struct store_options *options);
void store_close(struct store *s); /* NULL is allowed; marks the store clean when all went well */
/* The pid written in the lock of the store in `directory`, or 0. */
int store_lock_owner(const char *directory);
/* The last user did not close it: read it whole (store/check.h) in a child before trusting it. */
bool store_was_unclean(const struct store *s);
/* What was read from it cannot be: store_close() will then not say that all was well, so that whoever opens
 * it next reads it whole. */
void store_distrust(struct store *s);
/* The data file is not the inode (and birth time) that it recorded of itself: a copy or a restored backup, so
 * every stream needs a new epoch.  store_adopt_file() records the present inode, in the transaction that
 * opened the epochs. */
bool store_was_moved(const struct store *s);
int store_adopt_file(struct store *s, struct store_txn *txn);
/* Bytes of the data file in use, for status and store_max_bytes. */
uint64_t store_used_bytes(const struct store *s);

enum store_access { STORE_READ, STORE_WRITE };
/* A read transaction may be used by any one thread at a time and must not outlive a loop turn. */
int store_begin(struct store *s, enum store_access access, struct store_txn **out);
int store_commit(struct store_txn *txn); /* frees txn, also on failure: then nothing was written */
void store_abort(struct store_txn *txn); /* NULL is allowed */
struct store *store_of(struct store_txn *txn);
