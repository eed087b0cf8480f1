/* open_files: nodes that were announced with "open": a writer is known to be active, and a last `updated`
 * without it is owed.
 *
 * Each further announcement while the file stays open waits longer (0.5, 1, 2, 5 s by default).  Some writes
 * have no close that the kernel would tell (truncate(2) by path): after OPEN_FILES_QUIET_MS without a write
 * the debt is paid anyway.  Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sync/hash.h"

enum { OPEN_FILES_QUIET_MS = 5000 };

struct open_file;
struct open_files {
	struct hash nodes;
};

void open_files_deinit(struct open_files *f); /* also clears */
/* `node` was announced as open at now_ms. */
int open_files_note(struct open_files *f, uint64_t node, uint64_t now_ms);
bool open_files_has(const struct open_files *f, uint64_t node);
/* How long the next announcement may wait, given the drive's max_wait. */
unsigned open_files_wait_ms(const struct open_files *f, uint64_t node, unsigned max_wait_ms);
void open_files_forget(struct open_files *f, uint64_t node);
/* One node whose last write is too long ago, or 0; and when the next one is due (UINT64_MAX: none). */
uint64_t open_files_quiet(const struct open_files *f, uint64_t now_ms);
uint64_t open_files_deadline(const struct open_files *f);
