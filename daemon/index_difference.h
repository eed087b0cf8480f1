/* index_difference: two states of one drive's index, gone through side by side.
 *
 * One line for each difference, sorted by path within a directory:
 *     missing in index: PATH          missing on drive: PATH
 *     moved: PATH -> PATH             differs: PATH: size 3 -> 4, mode 0644 -> 0600
 * Control characters, backslashes and bytes that are not ASCII text stand as \xNN. */
#pragma once

#include <stdint.h>
#include <stdio.h>

struct store_txn;

struct index_report {
	uint64_t entries, differences;
};

/* `before` is the index, `after` as it would be if it told what is on the drive; the node of the root is the
 * same in both.  0 or what the store answered. */
int index_difference(struct store_txn *before, struct store_txn *after, uint64_t root, FILE *out,
		     struct index_report *report);
