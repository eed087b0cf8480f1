/* Whatever a client sends is a frame or a fault with a sentence; an id that is echoed is JSON again. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/frame.h"
#include "net/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_id(const char *id)
{
	json_t *json;

	if (*id == '\0')
		return;
	json = json_loads(id, JSON_DECODE_ANY, NULL);
	assert(json_is_string(json) || json_is_integer(json));
	json_decref(json);
}

static void check_error(const char *id, enum net_error code, const char *message)
{
	struct text t = {0};
	json_t *json;
	size_t head;

	encode_error(&t, id, code, message);
	assert(!t.failed && t.len > 2);
	head = (uint8_t)t.data[1] < 126 ? 2 : 4;
	json = json_loadb(t.data + head, t.len - head, 0, NULL);
	assert(json != NULL);
	json_decref(json);
	text_deinit(&t);
}

/* None has another, each has itself, and the set meets itself in itself. */
static void check_prefixes(const struct prefixes *p)
{
	struct prefixes both;

	assert(p->count <= PREFIXES_MAX);
	for (size_t i = 0; i < p->count; i++) {
		assert(prefixes_have(p, p->list[i].bytes, p->list[i].len));
		assert(!prefixes_below(p, p->list[i].bytes, p->list[i].len));
	}
	assert(prefixes_meet(&both, p, p) == 0 && prefixes_equal(&both, p));
	prefixes_deinit(&both);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_fault fault;
	struct frame f;

	if (frame_parse(&f, (const char *)data, size, &fault) != 0) {
		assert(f.root == NULL && fault.message[0] != '\0');
		check_id(fault.id);
		check_error(fault.id, fault.code, fault.message);
		return 0;
	}
	check_id(f.id);
	assert(f.stream == NULL || strlen(f.stream) <= FRAME_STREAM_MAX);
	assert(f.client == NULL || strlen(f.client) <= FRAME_CLIENT_MAX);
	check_prefixes(&f.prefixes);
	frame_deinit(&f);
	return 0;
}
