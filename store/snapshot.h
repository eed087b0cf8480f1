/* snapshot: the index of one drive at exactly one cursor, spooled to an unlinked file.
 *
 * snapshot_take() runs on a worker thread: one read transaction, parents before children, items as JSON
 * separated by commas and cut into pages; what a rule hides is left out with all below it.  Then any thread
 * reads pages; references are counted atomically. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "store/position.h"
#include "store/text.h"

struct snapshot;
struct store;

enum { SNAPSHOT_PAGE_BYTES = 256 * 1024 };

/* `directory`: where the unlinked spool file is made.  -ENOSPC when it would exceed max_bytes (0: no bound).
 * INDEX_NONE: no such drive.  Starts with one reference, the caller's. */
int snapshot_take(struct snapshot **out, struct store *store, const char *drive, const char *directory,
		  uint64_t max_bytes);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s); /* NULL is allowed */
const struct position *snapshot_position(const struct snapshot *s);
uint64_t snapshot_entries(const struct snapshot *s);
size_t snapshot_pages(const struct snapshot *s); /* at least 1; the only page of an empty drive is empty */
/* Append page `page` (the items, without brackets) to t. */
int snapshot_page(struct snapshot *s, size_t page, struct text *t);
