#include "net/frame.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "net/events.h"
#include "net/filter.h"
#include "store/text.h"

static int fault_set(struct frame_fault *fault, enum net_error code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fault_set(struct frame_fault *fault, enum net_error code, const char *format, ...)
{
	va_list args;

	fault->code = code;
	va_start(args, format);
	vsnprintf(fault->message, sizeof(fault->message), format, args);
	va_end(args);
	return -EINVAL;
}

/* A member's name in a message: cut, so that a long one does not hide the sentence. */
#define SHOWN(key) (int)strnlen(key, 40), (key)

static int parse_id(struct frame *f, json_t *value, struct frame_fault *fault)
{
	struct text t = {0};

	if (json_is_integer(value)) {
		snprintf(f->id, sizeof(f->id), "%lld", (long long)json_integer_value(value));
		memcpy(fault->id, f->id, sizeof(fault->id));
		return 0;
	}
	if (!json_is_string(value) || json_string_length(value) == 0 ||
	    json_string_length(value) > FRAME_ID_MAX)
		return fault_set(fault, NET_BAD_FRAME, "`id` is a number or a string of 1 to %d bytes",
				 FRAME_ID_MAX);
	json_add_string(&t, json_string_value(value), json_string_length(value));
	if (t.failed || t.len >= sizeof(f->id)) {
		text_deinit(&t);
		return fault_set(fault, NET_INTERNAL, "out of memory");
	}
	memcpy(f->id, t.data, t.len);
	f->id[t.len] = '\0';
	text_deinit(&t);
	memcpy(fault->id, f->id, sizeof(fault->id));
	return 0;
}

static int parse_token(struct frame *f, json_t *value, struct frame_fault *fault)
{
	if (!json_is_string(value))
		return fault_set(fault, NET_BAD_FRAME, "`token` is a string");
	f->token = json_string_value(value);
	f->token_len = json_string_length(value);
	return 0;
}

static int parse_client(struct frame *f, json_t *value, struct frame_fault *fault)
{
	const char *s = json_string_value(value);

	if (s == NULL || *s == '\0' || strlen(s) > FRAME_CLIENT_MAX)
		return fault_set(fault, NET_BAD_FRAME, "`client` is 1 to %d of A-Z a-z 0-9 . _ -",
				 FRAME_CLIENT_MAX);
	for (const char *c = s; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && strchr("._-", *c) == NULL)
			return fault_set(fault, NET_BAD_FRAME, "`client` is 1 to %d of A-Z a-z 0-9 . _ -",
					 FRAME_CLIENT_MAX);
	f->client = s;
	return 0;
}

static int parse_name(struct frame *f, json_t *value, struct frame_fault *fault)
{
	if (!json_is_string(value) || json_string_length(value) > FRAME_NAME_MAX)
		return fault_set(fault, NET_BAD_FRAME, "`name` is a string of at most %d bytes",
				 FRAME_NAME_MAX);
	f->name = json_string_value(value);
	return 0;
}

static int parse_stream(struct frame *f, json_t *value, struct frame_fault *fault)
{
	if (!json_is_string(value) || json_string_length(value) > FRAME_STREAM_MAX)
		return fault_set(fault, NET_BAD_FRAME, "`stream` is `bus` or `drive:` and a drive's name");
	f->stream = json_string_value(value);
	return 0;
}

static int parse_from(struct frame *f, json_t *value, struct frame_fault *fault)
{
	const char *s = json_string_value(value);

	if (s != NULL && strcmp(s, "now") == 0) {
		f->from = FROM_NOW;
	} else if (s != NULL && strcmp(s, "snapshot") == 0) {
		f->from = FROM_SNAPSHOT;
	} else {
		if (s == NULL || !cursor_parse(s, strlen(s), &f->cursor))
			return fault_set(fault, NET_BAD_FRAME, "`from` is \"now\", \"snapshot\" or a cursor");
		f->from = FROM_CURSOR;
	}
	return 0;
}

static int parse_events(struct frame *f, json_t *value, struct frame_fault *fault)
{
	uint64_t mask = 0;
	json_t *entry;
	size_t i;

	if (!json_is_array(value))
		return fault_set(fault, NET_BAD_FRAME, "`events` is an array of event names");
	json_array_foreach(
		value, i, entry) if (!json_is_string(entry) ||
				     events_add(&mask, json_string_value(entry), json_string_length(entry)) !=
					     0) return fault_set(fault, NET_BAD_FRAME,
								 "`events` has entry %zu that is no event "
								 "name, nor one with `.*` at its end",
								 i);
	f->events = i == 0 ? EVENTS_ALL : mask;
	return 0;
}

static int parse_changed(struct frame *f, json_t *value, struct frame_fault *fault)
{
	json_t *word;
	size_t i;

	if (!json_is_array(value))
		return fault_set(fault, NET_BAD_FRAME, "`changed` is an array of `content`, `meta`, `maybe`");
	json_array_foreach(value, i, word)
	{
		unsigned bit = filter_changed_word(json_string_value(word));

		if (bit == 0)
			return fault_set(fault, NET_BAD_FRAME,
					 "`changed` has entry %zu that is none of `content`, `meta`, `maybe`",
					 i);
		f->changed |= bit;
	}
	return 0;
}

static int add_prefixes(struct frame *f, json_t *value, const char *member,
			int (*add)(struct prefixes *, const char *, size_t), struct frame_fault *fault)
{
	json_t *entry;
	size_t i;

	if (!json_is_array(value))
		return fault_set(fault, NET_BAD_FRAME, "`%s` is an array of paths", member);
	json_array_foreach(value, i, entry)
	{
		int e = !json_is_string(entry)
				? -EINVAL
				: add(&f->prefixes, json_string_value(entry), json_string_length(entry));

		if (e == -EINVAL)
			return fault_set(fault, NET_BAD_FRAME,
					 "`%s` has entry %zu that is no path: names with a slash between",
					 member, i);
		if (e == -E2BIG)
			return fault_set(fault, NET_LIMIT,
					 "a subscription has at most %d prefixes, %d bytes together",
					 PREFIXES_MAX, PREFIXES_MAX_BYTES);
		if (e != 0)
			return fault_set(fault, NET_INTERNAL, "out of memory");
	}
	return 0;
}

static int parse_prefix(struct frame *f, json_t *value, struct frame_fault *fault)
{
	return add_prefixes(f, value, "prefix", prefixes_add, fault);
}

static int parse_prefix_base64(struct frame *f, json_t *value, struct frame_fault *fault)
{
	return add_prefixes(f, value, "prefix_b64", prefixes_add_base64, fault);
}

struct member {
	const char *name;
	unsigned types; /* bits of frame_type that may have it */
	int (*parse)(struct frame *f, json_t *value, struct frame_fault *fault);
};

static const struct member members[] = {
	{"id", 1 << FRAME_SUBSCRIBE | 1 << FRAME_UNSUBSCRIBE | 1 << FRAME_BARRIER | 1 << FRAME_PING,
	 parse_id},
	{"token", 1 << FRAME_HELLO, parse_token},
	{"client", 1 << FRAME_HELLO, parse_client},
	{"name", 1 << FRAME_HELLO, parse_name},
	{"stream", 1 << FRAME_SUBSCRIBE | 1 << FRAME_BARRIER, parse_stream},
	{"from", 1 << FRAME_SUBSCRIBE, parse_from},
	{"events", 1 << FRAME_SUBSCRIBE, parse_events},
	{"changed", 1 << FRAME_SUBSCRIBE, parse_changed},
	{"prefix", 1 << FRAME_SUBSCRIBE, parse_prefix},
	{"prefix_b64", 1 << FRAME_SUBSCRIBE, parse_prefix_base64},
};

static int parse_member(struct frame *f, const char *key, json_t *value, struct frame_fault *fault)
{
	if (strcmp(key, "type") == 0)
		return 0;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (strcmp(members[i].name, key) == 0 && (members[i].types & 1u << f->type) != 0)
			return members[i].parse(f, value, fault);
	return fault_set(fault, NET_BAD_FRAME, "this type of frame has no member `%.*s`", SHOWN(key));
}

static int parse_type(struct frame *f, struct frame_fault *fault)
{
	static const struct {
		const char *name;
		enum frame_type type;
	} types[] = {
		{"hello", FRAME_HELLO},
		{"subscribe", FRAME_SUBSCRIBE},
		{"unsubscribe", FRAME_UNSUBSCRIBE},
		{"barrier", FRAME_BARRIER},
		{"ping", FRAME_PING},
		{"ack", FRAME_UNSUPPORTED},
		{"refresh", FRAME_UNSUPPORTED},
		{"mutate", FRAME_UNSUPPORTED},
	};
	const char *type = json_string_value(json_object_get(f->root, "type"));

	if (type == NULL)
		return fault_set(fault, NET_BAD_FRAME, "a frame has a `type`, a string");
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i].name, type) == 0) {
			f->type = types[i].type;
			return 0;
		}
	}
	return fault_set(fault, NET_UNKNOWN_TYPE, "there is no frame of type `%.*s`", SHOWN(type));
}

static int check_required(const struct frame *f, struct frame_fault *fault)
{
	bool needs_id =
		f->type == FRAME_SUBSCRIBE || f->type == FRAME_UNSUBSCRIBE || f->type == FRAME_BARRIER;

	if (needs_id && f->id[0] == '\0')
		return fault_set(fault, NET_BAD_FRAME, "`id` is missing");
	if ((f->type == FRAME_SUBSCRIBE || f->type == FRAME_BARRIER) && f->stream == NULL)
		return fault_set(fault, NET_BAD_FRAME, "`stream` is missing");
	return 0;
}

static int parse_object(struct frame *f, struct frame_fault *fault)
{
	json_t *id, *value;
	const char *key;
	int e;

	if (!json_is_object(f->root))
		return fault_set(fault, NET_BAD_FRAME, "a frame is a JSON object");
	id = json_object_get(f->root, "id"); /* first, so that any later fault can name it */
	if (id != NULL) {
		e = parse_id(f, id, fault);
		if (e != 0)
			return e;
	}
	e = parse_type(f, fault);
	if (e != 0)
		return e;
	if (f->type == FRAME_UNSUPPORTED)
		return fault_set(fault, NET_UNSUPPORTED, "this version does not support `%s`",
				 json_string_value(json_object_get(f->root, "type")));
	json_object_foreach(f->root, key, value)
	{
		e = parse_member(f, key, value, fault);
		if (e != 0)
			return e;
	}
	return check_required(f, fault);
}

int frame_parse(struct frame *out, const char *bytes, size_t len, struct frame_fault *fault)
{
	json_error_t error;
	int e;

	memset(out, 0, sizeof(*out));
	memset(fault, 0, sizeof(*fault));
	out->events = EVENTS_ALL;
	if (len > FRAME_MAX_BYTES)
		return fault_set(fault, NET_TOO_LARGE, "a frame has at most %d bytes", FRAME_MAX_BYTES);
	out->root = json_loadb(bytes, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (out->root == NULL)
		return fault_set(fault, NET_BAD_FRAME, "not JSON: byte %d: %.100s", error.position,
				 error.text);
	e = parse_object(out, fault);
	if (e != 0)
		frame_deinit(out);
	return e;
}

void frame_deinit(struct frame *f)
{
	prefixes_deinit(&f->prefixes);
	json_decref(f->root);
	f->root = NULL;
}
