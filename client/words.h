/* words: the protocol's words as they come from a command line.  A mistake in them would otherwise be told
 * late, or never: a server takes the name of an event that it does not know, since later ones may have more.
 */
#pragma once

#include <stdbool.h>

enum { WORDS_ERROR_MAX = 384 };

/* Names separated by commas, each an event of this stream ("bus" or "drive:…") or a beginning and `.*` that
 * fits one.  False: `error` says what is wrong, for people. */
bool words_are_events(const char *list, const char *stream, char error[WORDS_ERROR_MAX]);
/* <epoch>-<seq>~<check>, as tail and sync print it. */
bool words_are_cursor(const char *text);
