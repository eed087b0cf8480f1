/* table: rows of text in aligned columns, for people. */
#pragma once

#include <stddef.h>
#include <stdio.h>

enum { TABLE_COLUMNS_MAX = 10 };

enum table_align { TABLE_LEFT, TABLE_RIGHT };

struct table {
	size_t columns, count; /* of cells */
	enum table_align align[TABLE_COLUMNS_MAX];
	char **cells; /* NULL is empty */
};

/* Copies `text` into the next cell, escaped; rows fill from left to right.  A failed allocation leaves it
 * empty. */
void table_add(struct table *t, const char *text);
__attribute__((format(printf, 2, 3))) void table_addf(struct table *t, const char *format, ...);
/* Columns are two spaces apart, the last one is not padded. */
void table_print(const struct table *t, FILE *out);
void table_deinit(struct table *t);
