/* names: the few names and link targets that exist in a simulated file system.
 *
 * A directory is then an array with one place per name, and histories collide as often as they should. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { NAMES = 16, TARGETS = 5 };

struct name {
	const char *bytes;
	size_t len;
	const char *label; /* how scripts write it */
};

const struct name *name_at(unsigned slot);
/* -1: none of ours. */
int name_find(const char *bytes, size_t len);
int name_by_label(const char *label, size_t len);
/* A name that belongs to the daemon and is never in the stream. */
bool name_is_reserved(unsigned slot, bool in_root);
bool name_bytes_reserved(const char *name, size_t len, bool in_root);

const char *target_at(unsigned target, size_t *len);
