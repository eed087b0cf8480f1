/* lines: one item of the stream as one line for people.
 *
 *   2026-05-01 14:03:22.120  moved     a/b -> c/d
 * Local time; directories end in a slash; names are escaped (client/escape.h). */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum lines_style { LINES_PLAIN, LINES_COLOUR };

void lines_print(FILE *out, const json_t *item, enum lines_style style);
/* "1.2 KiB", for people. */
void lines_print_size(FILE *out, json_int_t bytes);
/* Colours belong on a terminal, and there only when NO_COLOR is not set and TERM is not "dumb". */
enum lines_style lines_style_for(FILE *out);
