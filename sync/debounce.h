/* debounce: holds the newest observation of each name until the name has been quiet for `settle` or has
 * waited `max_wait`.
 *
 * A name is (directory's identity, name).  A newer observation replaces the older one and starts its quiet
 * time again; the waiting time counts from the first.  What the caller forces (a barrier, an answer to a
 * question) is due at once. Pure: no I/O, the time is the caller's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "sync/hash.h"
#include "watcher/observation.h"

enum held_place {
	HELD_QUIET,   /* counting down */
	HELD_PATIENT, /* quiet, but something that belongs to it is likely to follow */
	HELD_DUE,     /* to be released by the next step */
	HELD_ASKING,  /* due, but waits for the answers to looks that it needs */
	HELD_BATCHED, /* being worked on by the step that runs */
};

struct held {
	struct file_id dir, id;
	struct entry_state state;
	unsigned flags; /* OBSERVED_*; FRESH, RENAMED, CREATED, WRITING, CLOSED and LISTED survive a newer
			   observation */
	bool gone;
	bool hash_asked; /* its content's hash was asked for, and answered or not */
	bool has_hash;   /* the answer, for `state` */
	uint8_t hash[32];
	bool asked;       /* its looks were made and answered: what is still unknown counts as being there */
	bool forced;      /* due whatever the time, also while it is open for writing */
	bool walked;      /* a walk or one of its looks brought it: its changes are counted to the run */
	unsigned answers; /* looks still to come in */
	unsigned retries; /* how often it was looked at again because it could not be applied */
	uint32_t scan;    /* the scan that listed it; 0: none */
	uint64_t first_arrival, arrival; /* numbers of its first and its newest observation */
	uint64_t first_ms, last_ms;
	uint64_t wait_until_ms; /* 0, or a later end of its waiting time: it stays open for writing, or is
				 * PATIENT
				 */

	/* Set by detector and order while BATCHED. */
	uint64_t source;            /* node that moves here; 0: none */
	struct hash_link by_source; /* among the batch's sources */
	enum held_progress { HELD_WAITING, HELD_PLACING, HELD_DONE } progress;
	bool occupied; /* the index has another identity at its name */
	bool stale;    /* its identity was seen elsewhere later */

	enum held_place place;
	TAILQ_ENTRY(held) queue, age, all;
	struct hash_link by_name, by_dir, by_id;
	char *target;
	size_t target_len, name_len;
	char name[];
};
TAILQ_HEAD(held_list, held);

struct debounce {
	unsigned settle_ms, max_wait_ms;
	uint64_t arrivals, count;
	struct held_list quiet, patient, due, asking, batched; /* by place */
	struct held_list age;                                  /* QUIET ones, oldest first */
	struct held_list extended;                             /* QUIET ones with wait_until_ms */
	struct held_list all;                                  /* by first_arrival */
	struct hash by_name, by_dir, by_id;
};

void debounce_init(struct debounce *d, unsigned settle_ms, unsigned max_wait_ms);
void debounce_deinit(struct debounce *d);
void debounce_clear(struct debounce *d);

/* Hold an ENTRY or GONE.  A name that was BATCHED or ASKING starts to count again with what is new.  *out is
 * the element, borrowed until it is dropped.  -ENOMEM. */
int debounce_put(struct debounce *d, const struct observation *o, uint64_t now_ms, struct held **out);
void debounce_drop(struct debounce *d, struct held *h);

/* Move what is due at now_ms to the list `due`. */
void debounce_release(struct debounce *d, uint64_t now_ms);
/* Due at once, whatever the time. */
void debounce_force(struct debounce *d, struct held *h);
void debounce_force_all(struct debounce *d);
void debounce_place(struct debounce *d, struct held *h, enum held_place place);
/* Let it wait until then while it does not become quiet. */
void debounce_extend(struct debounce *d, struct held *h, uint64_t until_ms);
/* Let it wait until then although it is quiet, unless something new is seen of it. */
void debounce_be_patient(struct debounce *d, struct held *h, uint64_t until_ms);
/* When something becomes due; 0: something is; UINT64_MAX: never. */
uint64_t debounce_deadline(const struct debounce *d);

struct held *debounce_find(const struct debounce *d, const struct file_id *dir, const char *name,
			   size_t name_len);
/* Elements that say: this identity is at my name; and elements in a directory.  NULL starts, NULL ends. */
struct held *debounce_next_by_id(const struct debounce *d, const struct file_id *id,
				 const struct held *after);
struct held *debounce_next_by_dir(const struct debounce *d, const struct file_id *dir,
				  const struct held *after);
