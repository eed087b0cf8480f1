/* expect: what one operation between two rests must look like to clients: a rename is one `moved`, an atomic
 * save one `updated`, and so on.  Where histories overlap there is no such rule, so nothing is expected then.
 */
#pragma once

#include <stdbool.h>

#include "store/event.h"
#include "tests/simulation/failure.h"
#include "tests/simulation/file_system.h"
#include "tests/simulation/script.h"

struct expectation {
	unsigned operations; /* since the last rest */
	bool known;          /* of the only one of them */
	unsigned expected[EVENT_FILE_DELETED + 1], seen[EVENT_FILE_DELETED + 1];
	bool at_most; /* fewer are fine: what changed may be the same as before */
};

/* After a rest. */
void expectation_reset(struct expectation *x);
/* Before an operation is made at these places. */
void expectation_note(struct expectation *x, const struct file_system *fs, const struct action *a,
		      struct fs_place at, struct fs_place to);
/* At the next rest. */
void expectation_check(const struct expectation *x, struct failure *failure);
