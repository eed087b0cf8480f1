/* log_times: a time in front of each line of the log, where nobody else adds one.
 *
 * The service manager's journal keeps times of its own: it names its stream in JOURNAL_STREAM, and when that
 * is our standard error nothing is added. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

enum { LOG_TIME_MAX = 32 };

/* From here on stderr is a stream that puts RFC 3339 times (UTC) in front of lines; a fork's too.  Call once,
 * with one thread.  On failure nothing changes. */
void log_times_begin(void);

/* Is this the stream that JOURNAL_STREAM (NULL: not set) names, "device:inode"? */
bool log_times_is_journal(const char *journal_stream, dev_t device, ino_t inode);
/* "2026-05-01T14:03:22.120Z " */
void log_times_format(const struct timespec *at, char out[LOG_TIME_MAX]);
