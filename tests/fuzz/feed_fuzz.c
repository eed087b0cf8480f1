/* Any bytes as frames of a server, one a line: no crash, every item printable, and the cursor only moves by a
 * frame that follows it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/feed.h"
#include "client/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_item(void *context, const json_t *item, const char *cursor)
{
	FILE *out = context;

	(void)cursor;
	lines_print(out, item, LINES_PLAIN);
}

static void on_notice(void *context, const char *text)
{
	fputs(text, context);
}

static enum feed_answer give_lines(struct feed *f, const char *data, size_t size)
{
	enum feed_answer answer = FEED_GO_ON;

	while (size > 0 && answer == FEED_GO_ON) {
		const char *end = memchr(data, '\n', size);
		size_t len = end != NULL ? (size_t)(end - data) : size;

		answer = feed_frame(f, data, len);
		len += end != NULL;
		data += len;
		size -= len;
	}
	return answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FILE *out = fopen("/dev/null", "w");
	struct feed_options options = {
		.stream = "drive:x",
		.until_barrier = true,
		.context = out,
		.item = on_item,
		.notice = on_notice,
	};
	struct feed *f;
	char *frame;

	if (out == NULL || feed_new(&f, &options) != 0)
		abort();
	feed_connected(f);
	if (give_lines(f, (const char *)data, size) == FEED_RECONNECT)
		feed_connected(f);
	while ((frame = feed_next(f)) != NULL)
		free(frame);
	feed_free(f);
	fclose(out);
	return 0;
}
