/* Request bodies in, times out. */
#include <stdio.h>
#include <string.h>

#include "net/internal.h"

static bool is_allowed(const char *key, const char *const *allowed)
{
	for (; *allowed != NULL; allowed++)
		if (strcmp(key, *allowed) == 0)
			return true;
	return false;
}

static bool members_known(struct exchange *x, json_t *object, const char *const *allowed)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		char message[128];

		if (is_allowed(key, allowed))
			continue;
		snprintf(message, sizeof(message),
			 "the body has a member `%.40s` that this request does not know", key);
		exchange_error(x, 400, "bad_request", message);
		return false;
	}
	return true;
}

json_t *exchange_object(struct exchange *x, const char *const *allowed)
{
	json_error_t error;
	json_t *object = json_loadb(x->body.data != NULL ? x->body.data : "", x->body.len,
				    JSON_REJECT_DUPLICATES, &error);
	char message[200];

	if (object == NULL) {
		snprintf(message, sizeof(message), "the body is not JSON: byte %d: %.100s", error.position,
			 error.text);
		exchange_error(x, 400, "bad_request", message);
		return NULL;
	}
	if (!json_is_object(object))
		exchange_error(x, 400, "bad_request", "the body is not a JSON object");
	else if (members_known(x, object, allowed))
		return object;
	json_decref(object);
	return NULL;
}

json_t *exchange_time(int64_t ns)
{
	struct text t = {0};
	json_t *time = NULL;
	int64_t seconds = ns / 1000000000, rest = ns % 1000000000;

	if (ns == 0)
		return json_null();
	if (rest < 0) {
		rest += 1000000000;
		seconds--;
	}
	json_add_time(&t, seconds, (uint32_t)rest);
	if (!t.failed)
		time = json_stringn(t.data + 1, t.len - 2); /* without its quotes */
	text_deinit(&t);
	return time;
}
