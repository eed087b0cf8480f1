/* paths: a client that prints the path of each change on a line of its own, as the other watchers do.
 *
 *     bench_paths PORT TOKEN DRIVE
 *
 * A line without a path (`ready`) comes first, when it is subscribed; a moved entry has two lines, the old
 * path and the new one.  Ends with the server. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/sample.h"
#include "tests/bench/ws.h"

/* The benchmark's own names need no escape in JSON. */
static void print_value(const char *item, size_t len, const char *key)
{
	const char *at = memmem(item, len, key, strlen(key)), *end;

	if (at == NULL)
		return;
	at += strlen(key);
	end = memchr(at, '"', len - (size_t)(at - item));
	if (end != NULL)
		printf("%.*s\n", (int)(end - at), at);
}

static void on_item(void *context, const char *item, size_t len)
{
	static const char ours[] = "{\"event\":\"drive.file.";

	(void)context;
	if (len < sizeof(ours) - 1 || memcmp(item, ours, sizeof(ours) - 1) != 0)
		return;
	print_value(item, len, "\"from\":\"");
	print_value(item, len, "\"path\":\"");
}

int main(int argc, char **argv)
{
	char subscribe[160];
	struct ws w;

	if (argc != 4) {
		fprintf(stderr, "usage: bench_paths PORT TOKEN DRIVE\n");
		return 2;
	}
	ws_open(&w, (unsigned)strtoul(argv[1], NULL, 10), argv[2]);
	snprintf(subscribe, sizeof(subscribe),
		 "{\"type\":\"subscribe\",\"id\":\"1\",\"stream\":\"drive:%s\"}", argv[3]);
	ws_send(&w, subscribe);
	ws_await(&w, "\"type\":\"subscribed\"");
	printf("ready\n");
	for (;;) {
		const char *message;
		size_t len;

		fflush(stdout);
		message = ws_receive(&w, &len);
		ws_each_item(message, len, on_item, NULL);
	}
}
