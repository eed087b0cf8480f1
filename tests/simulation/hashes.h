/* hashes: what a file helper would answer: the number of the content, as long as the file is what the machine
 * says.
 *
 * A file whose ctime is of this very moment can still change without a trace; its hash is not given, as a
 * helper would wait. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "watcher/observation.h"

struct world;

enum { HASHES_MAX = 2048 };

struct hashes {
	struct hash_question {
		uint32_t request;
		struct file_id id;
		struct entry_state state;
	} questions[HASHES_MAX];
	unsigned count;
};

/* drive_output.hash and .hash_cancel; the context is the world. */
bool hashes_ask(void *context, uint32_t request, uint64_t node, const struct file_id *id,
		const struct entry_state *state);
void hashes_cancel(void *context, uint32_t request);
void hashes_answer_all(struct world *w);
/* Which content a hash is of. */
uint32_t hashes_number(const uint8_t *hash);
/* The daemon or the helper died. */
void hashes_forget(struct world *w);
/* At rest: every hash that the index knows is the file's; then let it know all. */
void hashes_check(struct world *w);
void hashes_verify(struct world *w);
