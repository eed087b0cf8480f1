/* ignored: the daemon's own directory, in which it writes with every commit.
 *
 * Where it lies on the file system of a drive, its events would wake the watcher for nothing.  To ignore it
 * only spares work: whatever fails here changes nothing that is told. */
#pragma once

#include <stddef.h>

struct backend;

struct ignored {
	char *path; /* NULL: none */
};

int ignored_set(struct ignored *i, const char *path, size_t len);
/* The directory, and those right below it. */
void ignored_apply(const struct ignored *i, struct backend *b);
void ignored_deinit(struct ignored *i);
