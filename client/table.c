#include "client/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "client/escape.h"

static char *escaped(const char *text)
{
	char *out = NULL;
	size_t len;
	FILE *memory = open_memstream(&out, &len);

	if (memory == NULL)
		return NULL;
	escape_print_str(memory, text);
	if (fclose(memory) == 0)
		return out;
	free(out);
	return NULL;
}

void table_add(struct table *t, const char *text)
{
	char **more = reallocarray(t->cells, t->count + 1, sizeof(*more));

	if (more == NULL)
		return;
	t->cells = more;
	more[t->count++] = escaped(text);
}

void table_addf(struct table *t, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	table_add(t, text != NULL ? text : "");
	free(text);
}

/* Columns on the screen, as far as code points tell: names of drives are ASCII, and roots stand last. */
static size_t width(const char *text)
{
	size_t n = 0;

	for (; text != NULL && *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void print_cell(const char *text, size_t pad, enum table_align align, FILE *out)
{
	if (align == TABLE_RIGHT)
		fprintf(out, "%*s", (int)pad, "");
	fputs(text != NULL ? text : "", out);
	if (align == TABLE_LEFT)
		fprintf(out, "%*s", (int)pad, "");
}

void table_print(const struct table *t, FILE *out)
{
	size_t widths[TABLE_COLUMNS_MAX] = {0};

	for (size_t i = 0; i < t->count; i++)
		if (width(t->cells[i]) > widths[i % t->columns])
			widths[i % t->columns] = width(t->cells[i]);
	for (size_t i = 0; i < t->count; i++) {
		size_t column = i % t->columns;
		bool last = column + 1 == t->columns;
		size_t pad = last && t->align[column] == TABLE_LEFT ? 0 : widths[column] - width(t->cells[i]);

		print_cell(t->cells[i], pad, t->align[column], out);
		fputs(last ? "\n" : "  ", out);
	}
}

void table_deinit(struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i]);
	free(t->cells);
	t->cells = NULL;
	t->count = 0;
}
