/* config_value: the values of the configuration file, from text.  Pure functions, any thread.
 *
 * Each parser returns NULL, or what the value should have been, to be put behind "is not": a phrase for
 * people. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watcher/observation.h"

/* `20ms`, `5s`, or `0`; at most a minute. */
const char *config_duration(const char *text, unsigned *ms);
/* `500ms`, `10s`, `5m`, `1h`; from 100 ms to a day. */
const char *config_interval(const char *text, uint64_t *ms);
/* `90s`, `30m`, `24h`, `7d`, at most ten years; 0 for `0` and `off`. */
const char *config_period(const char *text, uint64_t *seconds);
const char *config_yes_no(const char *text, bool *yes);
/* Decimal digits, from 1 up to what 63 bits hold. */
const char *config_count(const char *text, uint64_t *count);
/* `127.0.0.1:7420` or `[::1]:7420`; the address comes out without brackets. */
const char *config_listen(const char *text, char *address, size_t room, uint16_t *port);
const char *config_backend(const char *text, enum watch_backend *backend);
/* Absolute, without `.` and `..`; *out is allocated, without slashes at its end. */
const char *config_path(const char *text, char **out);
bool config_drive_name_valid(const char *name);

/* The one of `words` that somebody who wrote `word` most likely meant, or NULL. */
const char *config_suggest(const char *word, const char *const *words, size_t count);
