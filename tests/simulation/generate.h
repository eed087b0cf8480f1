/* generate: what happens next in a history, chosen so that things collide.  Looks at the world, changes
 * nothing. */
#pragma once

#include "tests/simulation/random.h"
#include "tests/simulation/world.h"

/* How one history goes: drawn once, from its seed. */
struct style {
	struct script_options options;
	unsigned setup, length; /* actions before the first start, and after it */
	unsigned operations;    /* of 100 actions */
	unsigned trouble;       /* of 1000: stops, overflows, faults */
	bool patient;           /* comes to rest after every operation */
};

/* What the command line fixes for every history; -1: drawn. */
struct fixed {
	int weak, inotify, shuffle, lenient, trouble, rules;
};

void generate_style(struct style *s, struct random *r, const struct fixed *fixed);
void generate_action(struct action *a, const struct style *s, const struct world *w, struct random *r,
		     unsigned at);
