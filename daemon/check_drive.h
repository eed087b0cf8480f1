/* check_drive: `wakelined --check-drive NAME`: does the index tell what is on the drive?
 *
 * With the daemon stopped.  The same machine that keeps the index up to date compares it with the drive,
 * through a watcher, inside a transaction that is never committed; then the index as it was and as it would
 * be are gone through side by side, and each difference is one line on standard output.  The store stays as
 * it was. */
#pragma once

#include "sync/engine.h"

enum check_drive_exit { CHECK_DRIVE_SAME = 0, CHECK_DRIVE_DIFFERS = 1, CHECK_DRIVE_FAILED = 2 };

/* Both borrowed; the store is open for writing. */
enum check_drive_exit check_drive(struct store *store, struct starter *starter,
				  const struct engine_drive *drive);
