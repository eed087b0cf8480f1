/* prefixes: which paths somebody wants, or may see: those at or below one of some directories.
 *
 * A prefix is the bytes of a path without a slash at either end, and counts by whole components: `a/foo` has
 * `a/foo` and `a/foo/x`, never `a/foobar`.  A set keeps itself in one order and without what another member
 * has anyway, so that equal sets look equal.  The empty set, and the one with the empty prefix, have
 * everything; a set that has nothing cannot be written down.  Pure; any thread, one at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { PREFIXES_MAX = 64, PREFIX_MAX_BYTES = 4096, PREFIXES_MAX_BYTES = 16 * 1024 /* together */ };

struct prefix {
	char *bytes;
	size_t len;
};

struct prefixes {            /* all zero: everything */
	struct prefix *list; /* owned */
	size_t count;        /* 0: everything */
	bool whole;          /* the empty prefix was added: further ones change nothing */
};

/* Copies bytes.  -EINVAL: no path of an entry (slash at an end, an empty component, `.`, `..`, a NUL, too
 * long); -E2BIG: more than PREFIXES_MAX, or too long together; -ENOMEM.  A set that could not be completed is
 * not to be used. */
int prefixes_add(struct prefixes *p, const char *bytes, size_t len);
/* The same, of standard base64 with its padding.  -EINVAL also when it is not. */
int prefixes_add_base64(struct prefixes *p, const char *text, size_t len);
int prefixes_copy(struct prefixes *out, const struct prefixes *p);
/* What both have, into *out (all zero).  -EACCES: nothing. */
int prefixes_meet(struct prefixes *out, const struct prefixes *a, const struct prefixes *b);
void prefixes_deinit(struct prefixes *p); /* leaves it all zero */

bool prefixes_equal(const struct prefixes *a, const struct prefixes *b);
bool prefixes_have(const struct prefixes *p, const char *path, size_t len);
/* A part of the set, but not all of path, lies below path. */
bool prefixes_below(const struct prefixes *p, const char *path, size_t len);
