/* escape: names from a drive, safe to show on a terminal.  Anybody who may create a file chooses these bytes.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

/* Control characters (C0, DEL, C1, line and direction marks) and bytes that are not UTF-8 become \n, \t, \x1b
 * or \u{202e}; a backslash becomes two. */
void escape_print(FILE *out, const char *bytes, size_t len);
void escape_print_str(FILE *out, const char *s);
