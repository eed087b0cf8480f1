/* The order of the fields is part of the protocol's description: event, seq, at, drive, node, path, from,
 * kind, size, mtime, mode, uid, gid, mount, target, changed, hash, rev, origin, open, recursive; what
 * applies. */
#include "store/item.h"

#include <string.h>

static void add_key(struct text *t, const char *key)
{
	if (t->len > 0 && t->data[t->len - 1] != '{')
		text_add(t, ",", 1);
	text_add(t, "\"", 1);
	text_add_str(t, key);
	text_add(t, "\":", 2);
}

static void add_number(struct text *t, const char *key, uint64_t number)
{
	add_key(t, key);
	text_add_number(t, number);
}

static void add_flag(struct text *t, const char *key, bool set)
{
	if (!set)
		return;
	add_key(t, key);
	text_add(t, "true", 4);
}

static void add_bytes(struct text *t, const char *key, const char *bytes, size_t len)
{
	text_add(t, ",", 1);
	json_add_bytes(t, key, bytes, len);
}

static const char *kind_name(enum node_kind kind)
{
	switch (kind) {
	case NODE_FILE:
		return "file";
	case NODE_DIR:
		return "dir";
	case NODE_SYMLINK:
		return "symlink";
	}
	return "file";
}

static void add_head(struct text *t, const struct item *item)
{
	const char *name = event_name(item->event);

	if (name == NULL)
		return;
	add_key(t, "event");
	json_add_string(t, name, strlen(name));
	add_number(t, "seq", item->at_position.seq);
	add_key(t, "at");
	json_add_time(t, item->at_seconds, item->at_nanoseconds);
}

static void add_state(struct text *t, const struct item *item)
{
	const struct index_node *n = item->node;
	const struct node_state *s = &n->state;

	if (s->kind != NODE_DIR) {
		add_number(t, "size", s->size);
		add_key(t, "mtime");
		json_add_time(t, s->mtime.seconds, s->mtime.nanoseconds);
	}
	add_number(t, "mode", s->mode);
	add_number(t, "uid", s->uid);
	add_number(t, "gid", s->gid);
	add_flag(t, "mount", s->mount);
	if (s->kind == NODE_SYMLINK)
		add_bytes(t, "target", n->target, n->target_len);
}

static void add_changed(struct text *t, unsigned changed)
{
	static const struct {
		unsigned bit;
		const char *text;
	} words[] = {{ITEM_CONTENT, "\"content\""}, {ITEM_META, "\"meta\""}, {ITEM_MAYBE, "\"maybe\""}};
	const char *separator = "";

	add_key(t, "changed");
	text_add(t, "[", 1);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!(changed & words[i].bit))
			continue;
		text_add_str(t, separator);
		text_add_str(t, words[i].text);
		separator = ",";
	}
	text_add(t, "]", 1);
}

static void add_hash(struct text *t, const uint8_t hash[NODE_HASH_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	char hex[2 * NODE_HASH_BYTES];

	for (size_t i = 0; i < NODE_HASH_BYTES; i++) {
		hex[2 * i] = digits[hash[i] >> 4];
		hex[2 * i + 1] = digits[hash[i] & 15];
	}
	add_key(t, "hash");
	text_add_str(t, "\"sha256:");
	text_add(t, hex, sizeof(hex));
	text_add(t, "\"", 1);
}

static void add_rev(struct text *t, const struct item *item)
{
	char rev[POSITION_TEXT_MAX];
	size_t len;

	if (item->event == EVENT_NONE)
		len = position_format(item->node->rev_epoch, item->node->rev_seq, rev);
	else
		len = position_format(item->at_position.epoch, item->at_position.seq, rev);
	add_key(t, "rev");
	json_add_string(t, rev, len);
}

void item_encode(struct text *t, const struct item *item)
{
	const char *kind = kind_name(item->node->state.kind);

	text_add(t, "{", 1);
	add_head(t, item);
	add_key(t, "drive");
	json_add_string(t, item->drive, strlen(item->drive));
	add_number(t, "node", item->node->node);
	add_bytes(t, "path", item->path, item->path_len);
	if (item->from != NULL)
		add_bytes(t, "from", item->from, item->from_len);
	add_key(t, "kind");
	json_add_string(t, kind, strlen(kind));
	if (item->event != EVENT_FILE_DELETED) {
		add_state(t, item);
		if (item->event == EVENT_FILE_UPDATED)
			add_changed(t, item->changed);
		if (item->node->has_hash)
			add_hash(t, item->node->hash);
		add_rev(t, item);
	}
	if (item->event != EVENT_NONE) {
		add_key(t, "origin");
		text_add_str(t, "\"fs\"");
	}
	add_flag(t, "open", item->open);
	add_flag(t, "recursive", item->recursive);
	text_add(t, "}", 1);
}
