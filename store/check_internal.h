/* check_internal: what the parts of store/check.h share.  Private to store/check*.c. */
#pragma once

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/check.h"
#include "store/internal.h"

struct checked_stream {
	struct stream_row row;
	struct position next; /* the seq that must come next, and the chain before it */
	struct position past; /* the last record seen of a past epoch; seq 0: none */
};

struct checked_drive {
	struct drive_row row;
	uint64_t counted; /* nodes found, the root not counted */
	bool root_found;
};

/* Numbers of directories that are known to lead up to a root. */
struct node_set {
	uint64_t *slots; /* 0: free */
	size_t room, used;
};

struct page_map {
	size_t page_size;
	uint64_t page_count;
	uintptr_t base;   /* where page 0 is mapped; 0: not known yet */
	uint8_t *claimed; /* a bit for each page */
};

struct check {
	struct store *store; /* the one to read, which in a forked child is not the one given */
	struct store_txn *txn;
	struct store_counters counters;
	struct store_report *report;
	void (*say)(void *context, const char *line);
	void *context;
	struct checked_stream *streams;
	size_t stream_count;
	struct checked_drive *drives;
	size_t drive_count;
	struct node_set rooted;
	bool cycle_found;
	struct page_map pages;
};

void check_fault(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Visit each entry of a table with a cursor of its own, so that `visit` may look up what it likes, and check
 * on the way that keys ascend and that each is found from the root.  -errno from `visit` ends it. */
typedef int check_visit(struct check *c, const MDB_val *key, const MDB_val *value);
int check_scan(struct check *c, enum table table, check_visit *visit);

/* store/check_pages.c: LMDB's own records and its list of free pages. */
int check_pages_begin(struct check *c);
int check_pages_end(struct check *c);
/* One page belongs to whoever claims it first. */
void check_claim_entry(struct check *c, const char *table, const MDB_val *key, const MDB_val *value,
		       bool new_leaf);
bool check_same_page(const struct check *c, const MDB_val *a, const MDB_val *b);

/* store/check_index.c */
int check_index(struct check *c);
struct checked_drive *check_find_drive(struct check *c, uint32_t drive);
struct checked_stream *check_find_drive_stream(struct check *c, const char *drive);
