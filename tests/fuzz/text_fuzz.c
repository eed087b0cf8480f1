/* Names of any bytes become JSON that a strict parser accepts, and cursors of clients are read exactly as
 * they are written. */
#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "store/position.h"
#include "store/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_json(const char *bytes, size_t len)
{
	struct text t = {0};
	json_t *root, *path;

	text_add_str(&t, "{");
	json_add_bytes(&t, "path", bytes, len);
	text_add_str(&t, "}");
	assert(!t.failed && utf8_valid(t.data, t.len));
	root = json_loadb(t.data, t.len, JSON_ALLOW_NUL, NULL);
	assert(root != NULL);
	path = json_object_get(root, "path");
	if (utf8_valid(bytes, len)) {
		assert(json_string_length(path) == len && memcmp(json_string_value(path), bytes, len) == 0);
		assert(json_object_get(root, "path_b64") == NULL);
	} else {
		assert(json_string_length(json_object_get(root, "path_b64")) == (len + 2) / 3 * 4);
	}
	json_decref(root);
	text_deinit(&t);
}

static void check_cursor(const char *bytes, size_t len)
{
	char again[POSITION_TEXT_MAX];
	struct position p;

	if (!cursor_parse(bytes, len, &p))
		return;
	assert(cursor_format(&p, again) == len);
	assert(memcmp(again, bytes, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_json((const char *)data, size);
	check_cursor((const char *)data, size);
	return 0;
}
