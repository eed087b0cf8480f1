/* table: the named databases of the environment, and what store_txn holds while open.  Private to store/.
 *
 * Each table has one cursor per transaction, and everything goes through it: LMDB then finds a key near the
 * last one without descending from the root, and no other cursor has to be kept in step.  All answers are 0,
 * TABLE_NONE or -errno.
 *
 *   meta          name -> sealed row: format, the file, clean flag, counters, nodes per drive
 *   streams       stream name -> sealed row: number, epoch, tail, floor
 *   nodes         node u64 -> sealed row
 *   names         parent u64 | name -> node u64
 *   ids           drive u32 | length u8 | identity | node u64 -> nothing
 *   detached      node u64 -> nothing
 *   drives        drive name -> sealed row
 *   runs          drive u32 | run u64 -> sealed row
 *   tokens        id u64 -> sealed row
 *   token_hashes  hash -> id u64
 *   journal00 …   stream u32 | epoch u64 | seq u64 -> record
 *
 * A stream's records lie in the journal table of its number modulo their count.  Appending fills pages only
 * at the end of a table (elsewhere LMDB leaves each one half empty), so streams share a table only when there
 * are many. */
#pragma once

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/pack.h"
#include "store/position.h"

enum table {
	TABLE_META,
	TABLE_STREAMS,
	TABLE_NODES,
	TABLE_NAMES,
	TABLE_IDS,
	TABLE_DETACHED,
	TABLE_DRIVES,
	TABLE_RUNS,
	TABLE_TOKENS,
	TABLE_TOKEN_HASHES,
	TABLE_JOURNAL, /* the first of JOURNAL_TABLES */
	TABLE_COUNT = TABLE_JOURNAL + 32,
};

enum { JOURNAL_TABLES = TABLE_COUNT - TABLE_JOURNAL };

enum table_answer { TABLE_NONE = 1 };
enum table_put { TABLE_REPLACE, TABLE_ADD, TABLE_APPEND };

struct store;

/* What numbers have been given; written back once, at commit. */
struct store_counters {
	uint64_t next_node, next_token, greatest_epoch;
	uint32_t next_drive, next_stream;
};

struct drive_count {
	uint32_t drive;
	bool changed;
	uint64_t count;
};

struct stream_row {
	uint32_t number;
	bool changed;
	bool inside; /* its tail is not the end of its journal table */
	struct position tail;
	uint64_t floor, floor_check; /* floor_check: the chain before the floor */
	char name[81];
};

struct store_txn {
	struct store *store;
	MDB_txn *txn;
	bool write;
	MDB_cursor *cursors[TABLE_COUNT];
	bool stale[TABLE_COUNT]; /* a pooled read transaction's cursor, to be renewed before use */
	struct store_txn *next;  /* in the pool */
	/* Of a write transaction: */
	struct store_counters counters;
	bool counters_changed;
	uint64_t good_parent; /* known to be a directory of good_drive */
	uint32_t good_drive;
	struct drive_count *counts;
	size_t count_count;
	struct stream_row *streams;
	size_t stream_count;
};

const char *table_name(enum table table);
enum table journal_table(uint32_t stream);
MDB_dbi table_dbi(const struct store *s, enum table table);

int table_get(struct store_txn *txn, enum table table, const void *key, size_t key_len, MDB_val *value);
/* The first entry at or after *key, which becomes its key. */
int table_seek(struct store_txn *txn, enum table table, MDB_val *key, MDB_val *value);
int table_next(struct store_txn *txn, enum table table, MDB_val *key, MDB_val *value);
int table_before(struct store_txn *txn, enum table table, MDB_val *key, MDB_val *value);
/* -EEXIST when ADD finds the key, or when APPEND finds that it does not sort after all others. */
int table_put(struct store_txn *txn, enum table table, const void *key, size_t key_len, const void *data,
	      size_t len, enum table_put how);
/* Make room for a value, to be filled in before anything else is done with the transaction. */
int table_reserve(struct store_txn *txn, enum table table, const void *key, size_t key_len, size_t len,
		  enum table_put how, void **room);
int table_delete(struct store_txn *txn, enum table table, const void *key, size_t key_len);
uint64_t table_entries(struct store_txn *txn, enum table table);

/* Seal what was packed and put it. */
int row_put(struct store_txn *txn, enum table table, const void *key, size_t key_len, struct packer *row,
	    enum table_put how);
/* Begin to read a sealed row: -EILSEQ when the seal is broken. */
int row_open(const void *key, size_t key_len, const MDB_val *value, struct unpacker *out);
int row_get(struct store_txn *txn, enum table table, const void *key, size_t key_len, struct unpacker *out);
/* 0 when the whole row was read and no more, else -EILSEQ. */
int row_done(const struct unpacker *row);
