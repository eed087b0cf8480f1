#include "daemon/index_difference.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "store/index.h"
#include "store/text.h"

struct comparison {
	struct store_txn *before, *after;
	FILE *out;
	struct index_report *report;
	uint64_t *todo; /* directories that are in both */
	size_t todo_count, todo_room;
};

static int push(struct comparison *c, uint64_t node)
{
	if (c->todo_count == c->todo_room) {
		size_t room = c->todo_room * 2 + 64;
		uint64_t *grown = realloc(c->todo, room * sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		c->todo = grown;
		c->todo_room = room;
	}
	c->todo[c->todo_count++] = node;
	return 0;
}

/* Lines. */

static void print_bytes(FILE *out, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char b = (unsigned char)bytes[i];

		if (b < 0x20 || b >= 0x7f || b == '\\')
			fprintf(out, "\\x%02x", b);
		else
			fputc(b, out);
	}
}

/* From the root down: the names are found going up. */
static int print_path(FILE *out, struct store_txn *txn, uint64_t node)
{
	struct index_node n;
	int r = index_get(txn, node, &n);

	if (r != 0 || n.parent == 0)
		return r;
	r = print_path(out, txn, n.parent);
	if (r != 0)
		return r;
	r = index_get(txn, n.parent, &n);
	if (r == 0 && n.parent != 0)
		fputc('/', out);
	if (r == 0)
		r = index_get(txn, node, &n);
	if (r == 0)
		print_bytes(out, n.name, n.name_len);
	return r;
}

static int print_line(struct comparison *c, const char *what, struct store_txn *txn, uint64_t node)
{
	int r;

	c->report->differences++;
	fputs(what, c->out);
	r = print_path(c->out, txn, node);
	fputc('\n', c->out);
	return r;
}

/* It and all below. */
static int print_tree(struct comparison *c, const char *what, struct store_txn *txn, uint64_t node);

/* Rows. */

/* Is the node in the tree?  What was cut off has rows for a while. */
static int is_placed(struct store_txn *txn, uint64_t node, uint64_t *parent)
{
	struct index_node n;
	uint64_t found;
	int r = index_get(txn, node, &n);

	if (r == 0)
		*parent = n.parent;
	while (r == 0 && n.parent != 0) {
		r = index_lookup(txn, n.parent, n.name, n.name_len, &found);
		if (r == 0 && found != n.node)
			r = INDEX_NONE;
		if (r == 0)
			r = index_get(txn, n.parent, &n);
	}
	return r;
}

static const char *kind_name(enum node_kind kind)
{
	return kind == NODE_DIR ? "dir" : kind == NODE_SYMLINK ? "symlink" : "file";
}

static bool same_time(const struct node_time *a, const struct node_time *b)
{
	return a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *format, ...)
{
	char part[128];
	va_list args;

	va_start(args, format);
	vsnprintf(part, sizeof(part), format, args);
	va_end(args);
	text_add_str(t, t->len > 0 ? ", " : "");
	text_add_str(t, part);
}

static void add_time(struct text *t, const char *name, const struct node_time *a, const struct node_time *b)
{
	if (!same_time(a, b))
		add(t, "%s %lld.%09u -> %lld.%09u", name, (long long)a->seconds, a->nanoseconds,
		    (long long)b->seconds, b->nanoseconds);
}

/* What two rows of one name differ in; nothing: they do not. */
static void describe(struct text *t, const struct index_node *a, const struct index_node *b)
{
	const struct node_state *x = &a->state, *y = &b->state;

	if (x->kind != y->kind)
		add(t, "%s -> %s", kind_name(x->kind), kind_name(y->kind));
	if (x->size != y->size)
		add(t, "size %llu -> %llu", (unsigned long long)x->size, (unsigned long long)y->size);
	add_time(t, "mtime", &x->mtime, &y->mtime);
	if (a->target_len != b->target_len || memcmp(a->target, b->target, a->target_len) != 0)
		add(t, "target");
	if (x->mode != y->mode)
		add(t, "mode %04o -> %04o", x->mode, y->mode);
	if (x->uid != y->uid)
		add(t, "uid %u -> %u", x->uid, y->uid);
	if (x->gid != y->gid)
		add(t, "gid %u -> %u", x->gid, y->gid);
	if (x->links != y->links)
		add(t, "links %u -> %u", x->links, y->links);
	if (x->mount != y->mount)
		add(t, "%s", y->mount ? "something is mounted on it" : "nothing is mounted on it any more");
	if (t->len == 0)
		add_time(t, "ctime", &x->ctime, &y->ctime);
	if (t->len == 0 && (a->id.len != b->id.len || memcmp(a->id.bytes, b->id.bytes, a->id.len) != 0))
		add(t, "another file with the same attributes");
}

/* One node, in both trees. */
static int compare_node(struct comparison *c, uint64_t node)
{
	struct index_node a, b;
	struct text t = {0};
	int r = index_get(c->before, node, &a);

	if (r == 0)
		r = index_get(c->after, node, &b);
	if (r != 0)
		return r;
	describe(&t, &a, &b);
	if (t.failed)
		r = -ENOMEM;
	if (r == 0 && t.len > 0) {
		c->report->differences++;
		fputs("differs: ", c->out);
		r = print_path(c->out, c->after, node);
		fprintf(c->out, ": %.*s\n", (int)t.len, t.data);
	}
	text_deinit(&t);
	if (r == 0 && b.state.kind == NODE_DIR)
		r = push(c, node);
	return r;
}

/* A name that only the index has: the node may stand elsewhere by now, and is told there. */
static int only_before(struct comparison *c, uint64_t node)
{
	uint64_t parent;
	int r = is_placed(c->after, node, &parent);

	return r == INDEX_NONE ? print_tree(c, "missing on drive: ", c->before, node) : r;
}

static int only_after(struct comparison *c, uint64_t node)
{
	uint64_t parent;
	int r = is_placed(c->before, node, &parent);

	c->report->entries++;
	if (r == INDEX_NONE)
		return print_tree(c, "missing in index: ", c->after, node);
	if (r != 0)
		return r;
	c->report->differences++;
	fputs("moved: ", c->out);
	r = print_path(c->out, c->before, node);
	fputs(" -> ", c->out);
	if (r == 0)
		r = print_path(c->out, c->after, node);
	fputc('\n', c->out);
	return r == 0 ? compare_node(c, node) : r;
}

/* Directories. */

struct children {
	struct store_txn *txn;
	uint64_t dir;
	struct index_node at;
	char name[NODE_NAME_MAX];
	size_t len;
	bool end;
};

static int next(struct children *c)
{
	int r = index_next_child(c->txn, c->dir, c->len == 0 ? NULL : c->name, c->len, &c->at);

	c->end = r == INDEX_NONE;
	if (r != 0)
		return r < 0 ? r : 0;
	c->len = c->at.name_len;
	memcpy(c->name, c->at.name, c->len);
	return 0;
}

static int print_tree(struct comparison *c, const char *what, struct store_txn *txn, uint64_t node)
{
	struct children below = {.txn = txn, .dir = node};
	bool before = txn == c->before;
	int r = print_line(c, what, txn, node);

	if (r == 0)
		r = next(&below);
	while (r == 0 && !below.end) {
		r = before ? only_before(c, below.at.node) : only_after(c, below.at.node);
		if (r == 0)
			r = next(&below);
	}
	return r;
}

static int order_of(const struct children *a, const struct children *b)
{
	size_t len = a->len < b->len ? a->len : b->len;
	int order;

	if (a->end || b->end)
		return a->end ? 1 : -1;
	order = memcmp(a->name, b->name, len);
	return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

static int compare_dir(struct comparison *c, uint64_t dir)
{
	struct children a = {.txn = c->before, .dir = dir}, b = {.txn = c->after, .dir = dir};
	int r = next(&a);

	if (r == 0)
		r = next(&b);
	while (r == 0 && (!a.end || !b.end)) {
		int order = order_of(&a, &b);
		uint64_t old = a.at.node, new = b.at.node;

		if (order == 0 && old == new) {
			c->report->entries++;
			r = compare_node(c, old);
		} else {
			r = order <= 0 ? only_before(c, old) : 0;
			if (r == 0 && order >= 0)
				r = only_after(c, new);
		}
		if (r == 0 && order <= 0)
			r = next(&a);
		if (r == 0 && order >= 0)
			r = next(&b);
	}
	return r;
}

int index_difference(struct store_txn *before, struct store_txn *after, uint64_t root, FILE *out,
		     struct index_report *report)
{
	struct comparison c = {.before = before, .after = after, .out = out, .report = report};
	int r = push(&c, root);

	while (r == 0 && c.todo_count > 0)
		r = compare_dir(&c, c.todo[--c.todo_count]);
	free(c.todo);
	return r;
}
