#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/client.h"
#include "client/escape.h"

void complain(const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	fputs("wakeline: ", stderr);
	/* A server's words may hold a file's name; a wrong command line anything at all. */
	escape_print_str(stderr, text != NULL ? text : "out of memory");
	fputc('\n', stderr);
	free(text);
}

void json_print(const struct json_t *value)
{
	json_dumpf(value, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
	putchar('\n');
}
