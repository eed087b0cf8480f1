/* internal: what the files of store/ share about the environment.  Private to store/. */
#pragma once

#include <lmdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/drives.h"
#include "store/index.h"
#include "store/journal.h"
#include "store/store.h"
#include "store/table.h"

/* Which file the data lies in, as it recorded of itself. */
struct store_file {
	uint64_t inode;
	struct node_time birth;
};

struct store {
	MDB_env *env;
	MDB_dbi tables[TABLE_COUNT];
	char *path; /* of store.mdb */
	int lock_fd;
	pid_t pid; /* that opened it: LMDB must not be used across a fork */
	uint64_t max_bytes;
	bool read_only, no_sync;
	bool unclean, moved;
	struct store_file file; /* the present one */
	/* The writing thread's: */
	bool failed;                    /* a commit failed: closing does not mark the store clean */
	bool written;                   /* whoever opened it has committed something, so trusts it */
	struct store_counters counters; /* as last committed */
	/* Read transactions between two uses keep their slot in LMDB's reader table, and their cursors. */
	pthread_mutex_t pool_lock;
	struct store_txn *pool;
	unsigned pooled;
};

/* LMDB's code as 0 or -errno; MDB_NOTFOUND is the caller's to handle. */
int store_error(int code);

/* store/store.c: in a forked child, a store of its own on the same file, to read while the parent does not
 * write. */
int store_open_again(struct store **out, struct store *s);

/* store/env.c */
int store_env_open(struct store *s, unsigned extra_flags);
/* Open the tables inside an LMDB transaction, which must then be committed. */
int store_tables_open(struct store *s, MDB_txn *txn, unsigned flags);

/* store/txn.c */
void store_txn_free(struct store_txn *txn);

/* store/lock.c: 0, STORE_LOCKED or -errno. */
int store_lock_take(int *fd, const char *directory);
void store_lock_release(int fd);

/* store/meta.c */
enum { META_COUNT_KEY = 5 + 4 };
int meta_put_format(struct store_txn *txn);
int meta_put_file(struct store_txn *txn, const struct store_file *file);
int meta_put_clean(struct store_txn *txn, bool clean);
int meta_put_counters(struct store_txn *txn);
int meta_get_file(struct store_txn *txn, struct store_file *file);
int meta_get_clean(struct store_txn *txn, bool *clean);
int meta_get_counters(struct store_txn *txn, struct store_counters *counters);
/* Number of nodes of a drive; a write transaction keeps it and commits it once. */
int meta_count(struct store_txn *txn, uint32_t drive, uint64_t *count);
int meta_count_add(struct store_txn *txn, uint32_t drive, int64_t more);
int meta_flush_counts(struct store_txn *txn);

/* store/journal.c */
struct journal {
	uint32_t number;
	size_t name_len;
	char name[JOURNAL_NAME_MAX + 1];
};

/* The stream's row: in a write transaction the one that it keeps until commit, else *space. */
int stream_of(struct journal *j, struct store_txn *txn, struct stream_row *space, struct stream_row **out);
int journal_flush(struct store_txn *txn);
int stream_row_read(const void *name, size_t name_len, const MDB_val *value, struct stream_row *out);
/* An epoch greater than every one that this store has seen, and than `above`. */
int journal_draw_epoch(struct store_txn *txn, uint64_t now_seconds, uint64_t above, uint64_t *epoch);
uint64_t journal_first_check(uint64_t epoch);

enum { JOURNAL_KEY_BYTES = 4 + 8 + 8, RECORD_VERSION = 1, RECORD_HEADER_BYTES = 12 };
void journal_key(uint8_t key[JOURNAL_KEY_BYTES], uint32_t stream, uint64_t epoch, uint64_t seq);
/* Read one record's header; false when it is none. */
bool record_read(const MDB_val *value, struct journal_record *out);
/* The chain after this record. */
uint64_t record_check(const MDB_val *value, uint64_t before);

/* store/index.c */
/* Add a drive's root: no name, no parent. */
int index_add_root(struct store_txn *txn, uint32_t drive, uint64_t *node);
/* Remove a node's name, or its row and identity, and count it. */
int index_drop_name(struct store_txn *txn, const struct index_node *n);
int index_drop_row(struct store_txn *txn, const struct index_node *n);

/* store/index_detach.c: is this node, or one above it, cut off? */
int index_is_detached(struct store_txn *txn, uint64_t node, bool *detached);

/* Rows as check reads them. */
struct run_row;
struct token_row;
int drive_row_read(const void *name, size_t name_len, const MDB_val *value, struct drive_row *out);
int run_row_read(const MDB_val *key, const MDB_val *value, struct run_row *out);
int token_row_read(const MDB_val *key, const MDB_val *value, struct token_row *out);
