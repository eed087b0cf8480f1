#include "net/filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/base64.h"
#include "net/events.h"
#include "store/item.h"

#define FILE_EVENTS                                                                                          \
	(event_bit(EVENT_FILE_CREATED) | event_bit(EVENT_FILE_UPDATED) | event_bit(EVENT_FILE_MOVED) |       \
	 event_bit(EVENT_FILE_DELETED))

#define RUN_EVENTS                                                                                           \
	(event_bit(EVENT_SYNC_STARTED) | event_bit(EVENT_SYNC_COMPLETED) | event_bit(EVENT_SYNC_ERROR))

void filter_record_deinit(struct filter_record *r)
{
	json_decref(r->item);
	r->item = NULL;
}

/* A name as bytes.  `decoded` is what the caller frees. */
struct name {
	const char *bytes; /* NULL: the item has none, or none that can be read */
	size_t len;
	char *decoded;
};

static struct name name_of(const json_t *item, const char *key, const char *key_base64)
{
	const json_t *value = json_object_get(item, key), *base64 = json_object_get(item, key_base64);
	struct name n = {json_string_value(value), json_string_length(value), NULL};

	if (base64 == NULL)
		return n;
	n.decoded = malloc(json_string_length(base64) + 1);
	n.bytes = n.decoded;
	if (n.decoded == NULL || !json_is_string(base64) ||
	    !base64_decode(json_string_value(base64), json_string_length(base64), n.decoded, &n.len))
		n.bytes = NULL;
	return n;
}

/* What cannot be read is not seen. */
static bool seen(const struct prefixes *p, const struct name *n)
{
	return n->bytes != NULL && prefixes_have(p, n->bytes, n->len);
}

static bool is_above(const struct prefixes *p, const struct name *n)
{
	return n->bytes != NULL && prefixes_below(p, n->bytes, n->len);
}

static bool is_directory(const json_t *item)
{
	const char *kind = json_string_value(json_object_get(item, "kind"));

	return kind != NULL && strcmp(kind, "dir") == 0;
}

static void add_bytes(struct text *t, const char *bytes, size_t len)
{
	if (t->len > 0)
		text_add(t, ",", 1);
	text_add(t, bytes, len);
}

static enum filter_answer add_item(struct text *t, const json_t *item)
{
	char *json = item == NULL ? NULL : json_dumps(item, JSON_COMPACT);

	if (json == NULL)
		t->failed = true;
	else
		add_bytes(t, json, strlen(json));
	free(json);
	return FILTER_ADDED;
}

static enum filter_answer add_record(struct text *t, const struct filter_record *r)
{
	add_bytes(t, r->record->json, r->record->json_len);
	return FILTER_ADDED;
}

/* The move, seen by who loses it: built from what may be told, so that nothing else can slip through. */
static enum filter_answer add_left(struct text *t, const json_t *item)
{
	static const char *const keys[][2] = {
		{"seq", "seq"},   {"at", "at"},         {"drive", "drive"},
		{"node", "node"}, {"path", "from"},     {"path_b64", "from_b64"},
		{"kind", "kind"}, {"origin", "origin"}, {"mid", "mid"}};
	json_t *left = json_pack("{s:s}", "event", event_name(EVENT_FILE_DELETED));
	enum filter_answer answer;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		json_t *value = json_object_get(item, keys[i][1]);

		if (value != NULL && json_object_set(left, keys[i][0], value) != 0)
			t->failed = true;
	}
	if (is_directory(item) && json_object_set_new(left, "recursive", json_true()) != 0)
		t->failed = true;
	answer = add_item(t, left);
	json_decref(left);
	return answer;
}

static enum filter_answer add_came(struct text *t, const json_t *item)
{
	json_t *came = json_copy((json_t *)item);
	enum filter_answer answer;

	if (came == NULL ||
	    json_object_set_new(came, "event", json_string(event_name(EVENT_FILE_CREATED))) != 0)
		t->failed = true;
	json_object_del(came, "from");
	json_object_del(came, "from_b64");
	answer = add_item(t, came);
	json_decref(came);
	return answer;
}

static enum filter_answer apply_move(const struct filter *f, struct filter_record *r, struct text *t)
{
	struct name path = name_of(r->item, "path", "path_b64"), from = name_of(r->item, "from", "from_b64");
	bool is = seen(&f->prefixes, &path), was = seen(&f->prefixes, &from);
	bool tells_more = is_directory(r->item) &&
			  ((is && !was) || is_above(&f->prefixes, &path) || is_above(&f->prefixes, &from));
	enum filter_answer answer = FILTER_DROPPED;

	free(path.decoded);
	free(from.decoded);
	if (tells_more)
		return FILTER_CAME_IN;
	if (is && was && (f->events & event_bit(EVENT_FILE_MOVED)) != 0)
		answer = add_record(t, r);
	else if (was && !is && (f->events & event_bit(EVENT_FILE_DELETED)) != 0)
		answer = add_left(t, r->item);
	else if (is && !was && (f->events & event_bit(EVENT_FILE_CREATED)) != 0)
		answer = add_came(t, r->item);
	return answer;
}

static enum filter_answer apply_entry(const struct filter *f, struct filter_record *r, struct text *t)
{
	struct name path = name_of(r->item, "path", "path_b64");
	bool is = seen(&f->prefixes, &path), above = is_above(&f->prefixes, &path);

	free(path.decoded);
	if (r->record->event == EVENT_FILE_DELETED && above &&
	    json_is_true(json_object_get(r->item, "recursive")))
		return FILTER_CAME_IN; /* what was seen of it went along, unnamed */
	if (!is || (f->events & event_bit(r->record->event)) == 0)
		return FILTER_DROPPED;
	return add_record(t, r);
}

/* Built from what may be told, as add_left(): an error's text may name any path. */
static enum filter_answer apply_sync(const struct filter *f, struct filter_record *r, struct text *t)
{
	static const char *const keys[] = {"event", "seq",      "at",      "drive",   "run",    "trigger",
					   "path",  "path_b64", "entries", "changes", "seconds"};
	struct name path = name_of(r->item, "path", "path_b64");
	bool is = seen(&f->prefixes, &path);
	json_t *item = json_object();
	enum filter_answer answer;

	free(path.decoded);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		json_t *value = json_object_get(r->item, keys[i]);

		if (value == NULL || (!is && strncmp(keys[i], "path", 4) == 0))
			continue;
		if (json_object_set(item, keys[i], value) != 0)
			t->failed = true;
	}
	answer = add_item(t, item);
	json_decref(item);
	return answer;
}

/* What has no path has a topic, or is not for who may see a part. */
static enum filter_answer apply_topic(const struct filter *f, struct filter_record *r, struct text *t)
{
	struct name topic = name_of(r->item, "topic", "topic_b64");
	bool is = seen(&f->prefixes, &topic);

	free(topic.decoded);
	return is ? add_record(t, r) : FILTER_DROPPED;
}

static bool changed_fits(const struct filter *f, const json_t *item)
{
	const json_t *list = json_object_get(item, "changed"), *word;
	size_t i;

	json_array_foreach(list, i, word)
	{
		if ((filter_changed_word(json_string_value(word)) & f->changed) != 0)
			return true;
	}
	return false;
}

enum filter_answer filter_apply(const struct filter *f, struct filter_record *r, struct text *items)
{
	uint64_t bit = event_bit(r->record->event);
	/* A move may look like another event, so for file events all of them count. */
	uint64_t of_interest = (bit & FILE_EVENTS) != 0 ? FILE_EVENTS : bit;

	bool asks_changed = f->changed != 0 && r->record->event == EVENT_FILE_UPDATED;

	if (f->prefixes.count == 0 && !asks_changed)
		return (f->events & bit) != 0 ? add_record(items, r) : FILTER_DROPPED;
	if ((f->events & of_interest) == 0)
		return FILTER_DROPPED;
	if (r->item == NULL)
		r->item = json_loadb(r->record->json, r->record->json_len, 0, NULL);
	if (r->item == NULL) {
		items->failed = true;
		return FILTER_DROPPED;
	}
	if (asks_changed && !changed_fits(f, r->item))
		return FILTER_DROPPED;
	if (r->record->event == EVENT_FILE_MOVED)
		return apply_move(f, r, items);
	if ((bit & FILE_EVENTS) != 0)
		return apply_entry(f, r, items);
	return (bit & RUN_EVENTS) != 0 ? apply_sync(f, r, items) : apply_topic(f, r, items);
}

unsigned filter_changed_word(const char *word)
{
	static const char *const words[] = {"content", "meta", "maybe"};
	static const unsigned bits[] = {ITEM_CONTENT, ITEM_META, ITEM_MAYBE};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (word != NULL && strcmp(word, words[i]) == 0)
			return bits[i];
	return 0;
}

static json_t *parse_page(const struct text *page)
{
	struct text whole = {0};
	json_t *items = NULL;

	text_add(&whole, "[", 1);
	text_add(&whole, page->data, page->len);
	text_add(&whole, "]", 1);
	if (!whole.failed)
		items = json_loadb(whole.data, whole.len, 0, NULL);
	text_deinit(&whole);
	return items;
}

int filter_page(const struct prefixes *p, struct text *page)
{
	json_t *items, *item;
	size_t i;

	if (p->count == 0 || page->len == 0)
		return 0;
	items = parse_page(page);
	if (items == NULL)
		return -EILSEQ;
	text_clear(page);
	json_array_foreach(items, i, item)
	{
		struct name path = name_of(item, "path", "path_b64");

		if (seen(p, &path))
			add_item(page, item);
		free(path.decoded);
	}
	json_decref(items);
	return page->failed ? -ENOMEM : 0;
}
