/* follow: a client that waits until it has every one of many new files in its final state.
 *
 *     bench_follow PORT TOKEN DRIVE FILES BYTES
 *
 * Prints `ready` when it is subscribed, and then when it had the last one, in nanoseconds of the monotonic
 * clock, with how many items came.  Final is: not `open`, and as large as it will be. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/sample.h"
#include "tests/bench/ws.h"

struct counts {
	unsigned char *final; /* by node */
	size_t nodes;
	unsigned long files, items;
	char size[48];
};

static int contains(const char *text, size_t len, const char *word)
{
	return memmem(text, len, word, strlen(word)) != NULL;
}

static size_t node_of(const char *item, size_t len)
{
	const char *at = memmem(item, len, "\"node\":", 7);

	return at != NULL ? strtoul(at + 7, NULL, 10) : 0;
}

static unsigned char *node_slot(struct counts *c, size_t node)
{
	if (node >= c->nodes) {
		size_t nodes = 2 * node + 1;

		c->final = realloc(c->final, nodes);
		if (c->final == NULL)
			die("realloc");
		memset(c->final + c->nodes, 0, nodes - c->nodes);
		c->nodes = nodes;
	}
	return &c->final[node];
}

static void on_item(void *context, const char *item, size_t len)
{
	struct counts *c = context;
	unsigned char *slot;

	c->items++;
	if (!contains(item, len, "\"kind\":\"file\"") || contains(item, len, "\"open\":true") ||
	    !contains(item, len, c->size))
		return;
	slot = node_slot(c, node_of(item, len));
	c->files += *slot == 0;
	*slot = 1;
}

int main(int argc, char **argv)
{
	unsigned long files = argc == 6 ? strtoul(argv[4], NULL, 10) : 0;
	struct counts counts = {0};
	char subscribe[160];
	struct ws w;

	if (files == 0) {
		fprintf(stderr, "usage: bench_follow PORT TOKEN DRIVE FILES BYTES\n");
		return 2;
	}
	snprintf(counts.size, sizeof(counts.size), "\"size\":%lu,", strtoul(argv[5], NULL, 10));
	ws_open(&w, (unsigned)strtoul(argv[1], NULL, 10), argv[2]);
	snprintf(subscribe, sizeof(subscribe),
		 "{\"type\":\"subscribe\",\"id\":\"1\",\"stream\":\"drive:%s\"}", argv[3]);
	ws_send(&w, subscribe);
	ws_await(&w, "\"type\":\"subscribed\"");
	printf("ready\n");
	fflush(stdout);
	while (counts.files < files) {
		size_t len;
		const char *message = ws_receive(&w, &len);

		ws_each_item(message, len, on_item, &counts);
	}
	printf("%" PRIu64 " %lu\n", monotonic_ns(), counts.items);
	ws_close(&w);
	free(counts.final);
	return 0;
}
