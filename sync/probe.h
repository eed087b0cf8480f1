/* probe: is a watcher that answers also one that hears?
 *
 * Now and then something of ours is touched on the drive, and the watcher is asked for a barrier after it:
 * what it says before it answers must include what was touched.  A watcher that answers and has not told of
 * it a while later is deaf: its mark is gone, or its kernel has forgotten it.  While changes are heard
 * nothing is touched.  Pure: the time is the caller's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { PROBE_PATIENCE_MS = 5000 }; /* after the barrier was answered */

enum probe_state {
	PROBE_RESTING,  /* until due_ms */
	PROBE_TOUCHING, /* the helper was asked to touch it */
	PROBE_ASKING,   /* it is touched, the watcher was asked for a barrier */
	PROBE_WAITING,  /* the barrier is answered and nothing was heard; until due_ms */
};

struct probe {
	enum probe_state state;
	unsigned interval_ms; /* 0: never */
	uint64_t due_ms;
	bool heard;
};

enum probe_answer { PROBE_NOTHING, PROBE_TOUCH, PROBE_DEAF };

/* The drive is watched from now on (afresh). */
void probe_begin(struct probe *p, unsigned interval_ms, uint64_t now_ms);
/* TOUCH: do it, and say so with probe_touched(); DEAF: the watcher is to be replaced. */
enum probe_answer probe_tick(struct probe *p, uint64_t now_ms);
/* True: ask for a barrier now, and say so with probe_passed().  `ok` false: nothing could be touched, so
 * nothing can be said. */
bool probe_touched(struct probe *p, bool ok, uint64_t now_ms);
void probe_passed(struct probe *p, uint64_t now_ms);
/* The watcher told of what was touched. */
void probe_heard(struct probe *p, uint64_t now_ms);
/* It told of a change, so it hears. */
void probe_alive(struct probe *p, uint64_t now_ms);
/* When probe_tick() has something to say; UINT64_MAX: when something else happened. */
uint64_t probe_deadline(const struct probe *p);
