#include "daemon/log_times.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* stdio hands over whole lines; a longer line than its buffer comes in pieces.  It does so under a lock of
 * its own, which no tool that looks for data races can see. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool inside_line;

bool log_times_is_journal(const char *journal_stream, dev_t device, ino_t inode)
{
	char own[48];

	snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)device, (uintmax_t)inode);
	return journal_stream != NULL && strcmp(journal_stream, own) == 0;
}

void log_times_format(const struct timespec *at, char out[LOG_TIME_MAX])
{
	struct tm tm;
	size_t len;

	if (gmtime_r(&at->tv_sec, &tm) == NULL) {
		out[0] = '\0';
		return;
	}
	len = strftime(out, LOG_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + len, LOG_TIME_MAX - len, ".%03uZ ", (unsigned)(at->tv_nsec / 1000000) % 1000);
}

static void write_all(const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* there is no other place to say so */
		bytes += n;
		len -= (size_t)n;
	}
}

/* At most BUFSIZ bytes.  One write: lines of several processes do not mix. */
static void write_line(const char *line, size_t len)
{
	char stamped[LOG_TIME_MAX + BUFSIZ];
	struct timespec now;
	size_t at;

	clock_gettime(CLOCK_REALTIME, &now);
	log_times_format(&now, stamped);
	at = inside_line ? 0 : strlen(stamped);
	memcpy(stamped + at, line, len);
	write_all(stamped, at + len);
	inside_line = line[len - 1] != '\n';
}

static ssize_t on_write(void *cookie, const char *bytes, size_t size)
{
	const char *end = bytes + size;

	(void)cookie;
	pthread_mutex_lock(&lock);
	while (bytes < end) {
		const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
		size_t len = newline != NULL ? (size_t)(newline - bytes) + 1 : (size_t)(end - bytes);

		if (len > BUFSIZ)
			len = BUFSIZ;
		write_line(bytes, len);
		bytes += len;
	}
	pthread_mutex_unlock(&lock);
	return (ssize_t)size;
}

void log_times_begin(void)
{
	struct stat st;
	FILE *stamped;

	if (fstat(STDERR_FILENO, &st) != 0 ||
	    log_times_is_journal(getenv("JOURNAL_STREAM"), st.st_dev, st.st_ino))
		return;
	stamped = fopencookie(NULL, "w", (cookie_io_functions_t){.write = on_write});
	if (stamped == NULL)
		return;
	setvbuf(stamped, NULL, _IOLBF, BUFSIZ);
	stderr = stamped;
}
