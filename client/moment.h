/* moment: the protocol's times (RFC 3339 UTC, nine decimals, Z) for people. */
#pragma once

#include <stdbool.h>
#include <time.h>

enum { MOMENT_TEXT_MAX = 32 };

/* Seconds and milliseconds since 1970; false: text is no such time. */
bool moment_parse(const char *text, time_t *seconds, unsigned *ms);
/* "2026-05-01 14:03:22.120" in the local time zone. */
bool moment_local(const char *text, char out[MOMENT_TEXT_MAX]);
/* "2026-05-01 14:03" in the local time zone. */
void moment_local_minutes(time_t seconds, char out[MOMENT_TEXT_MAX]);
/* How long ago: "3 s", "5 min", "2 h", "12 d". */
void moment_ago(time_t seconds, time_t now, char out[MOMENT_TEXT_MAX]);
