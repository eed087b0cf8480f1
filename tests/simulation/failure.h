/* failure: which rule was broken first, and how, in words. */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "sync/change.h"

enum { FAILURE_MAX = 2048 };

struct failure {
	char rule[16]; /* empty: none.  TREE, TRUTH, BARRIER, … : the shrinker keeps to one */
	char text[FAILURE_MAX];
};

void failure_set(struct failure *f, const char *rule, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Bytes of a path for people: what does not print is escaped. */
const char *printable(const char *bytes, size_t len);
void change_print(const struct change *c, FILE *out);
