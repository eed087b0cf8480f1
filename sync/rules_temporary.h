/* rules_temporary: the names of files that programs make only to make another one.
 *
 * Each group is one kind of program; wakelined.conf(5) lists them and what they match, and `hide_temporary`
 * there chooses among them.  A name that could as well be somebody's document is not here: what a group
 * cannot tell apart by the name's shape is left to debounce. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct temporary_rule {
	const char *pattern;
	/* Also needed, where a pattern says too little; such a rule is for files only. */
	bool (*fits)(const char *name, size_t len);
};

struct temporary_group {
	const char *name;
	const struct temporary_rule *rules; /* the last has no pattern */
};

extern const struct temporary_group temporary_groups[]; /* the last has no name */
