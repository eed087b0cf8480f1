/* latency: one change at a time, from the return of the system call that made it until the client has its
 * line.
 *
 *     bench_latency PORT TOKEN DRIVE DIRECTORY COUNT
 *
 * The program that makes the change is the client that waits for it, so one clock does.  Prints p50, p95, p99
 * and the worst, in microseconds, for each kind of change. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/sample.h"
#include "tests/bench/ws.h"

enum change { CHANGE_CLOSE, CHANGE_RENAME, CHANGE_DELETE, CHANGES };

static const char *const change_names[] = {"close", "rename", "delete"};
static const char *const event_names[] = {"\"drive.file.created\"", "\"drive.file.moved\"",
					  "\"drive.file.deleted\""};
static const char updated[] = "\"drive.file.updated\"";

struct expected {
	const char *event, *or_event, *path;
	int seen;
};

static int contains(const char *text, size_t len, const char *key, const char *value)
{
	char pattern[128];
	int n = snprintf(pattern, sizeof(pattern), "\"%s\":%s", key, value);

	return memmem(text, len, pattern, (size_t)n) != NULL;
}

/* An item that still says `open` is not yet the closed file; the one that follows it is an update. */
static void on_item(void *context, const char *item, size_t len)
{
	struct expected *e = context;
	char path[64];

	snprintf(path, sizeof(path), "\"%s\"", e->path);
	if (contains(item, len, "path", path) && !contains(item, len, "open", "true") &&
	    (contains(item, len, "event", e->event) || contains(item, len, "event", e->or_event)))
		e->seen = 1;
}

static void make_change(enum change change, const char *old, const char *new)
{
	static const char text[100] = "a line of music\n";
	int fd;

	switch (change) {
	case CHANGE_CLOSE:
		fd = open(new, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
		if (fd < 0 || write(fd, text, sizeof(text)) != (ssize_t)sizeof(text) || close(fd) != 0)
			die(new);
		break;
	case CHANGE_RENAME:
		if (rename(old, new) != 0)
			die(new);
		break;
	case CHANGE_DELETE:
		if (unlink(new) != 0)
			die(new);
		break;
	case CHANGES:
		break;
	}
}

static uint64_t measure(struct ws *w, enum change change, const char *old, const char *new)
{
	struct expected expected = {
		.event = event_names[change], .or_event = event_names[change], .path = new};
	uint64_t began;

	if (change == CHANGE_CLOSE)
		expected.or_event = updated;
	rest();
	make_change(change, old, new);
	began = monotonic_ns();
	while (!expected.seen) {
		size_t len;
		const char *message = ws_receive(w, &len);

		ws_each_item(message, len, on_item, &expected);
	}
	return monotonic_ns() - began;
}

int main(int argc, char **argv)
{
	size_t count = argc == 6 ? strtoul(argv[5], NULL, 10) : 0;
	uint64_t *ns = calloc(CHANGES * (count + 1), sizeof(*ns));
	char subscribe[160], first[32], second[32];
	struct ws w;

	if (count == 0) {
		fprintf(stderr, "usage: bench_latency PORT TOKEN DRIVE DIRECTORY COUNT\n");
		return 2;
	}
	if (ns == NULL || chdir(argv[4]) != 0)
		die(argv[4]);
	ws_open(&w, (unsigned)strtoul(argv[1], NULL, 10), argv[2]);
	snprintf(subscribe, sizeof(subscribe),
		 "{\"type\":\"subscribe\",\"id\":\"1\",\"stream\":\"drive:%s\"}", argv[3]);
	ws_send(&w, subscribe);
	ws_await(&w, "\"type\":\"subscribed\"");
	for (size_t i = 0; i < count; i++) {
		snprintf(first, sizeof(first), "first-%zu", i);
		snprintf(second, sizeof(second), "second-%zu", i);
		ns[CHANGE_CLOSE * count + i] = measure(&w, CHANGE_CLOSE, NULL, first);
		ns[CHANGE_RENAME * count + i] = measure(&w, CHANGE_RENAME, first, second);
		ns[CHANGE_DELETE * count + i] = measure(&w, CHANGE_DELETE, NULL, second);
	}
	for (size_t change = 0; change < CHANGES; change++)
		print_percentiles(change_names[change], ns + change * count, count);
	ws_close(&w);
	free(ns);
	return 0;
}
