#include "watcher/inotify_tree.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define node_of(link, member) ((struct tree_node *)((char *)(link)-offsetof(struct tree_node, member)))

enum { FIRST_BUCKETS = 64 };

/* Tables of links inside the nodes. */

static bool table_init(struct tree_table *t)
{
	t->buckets = calloc(FIRST_BUCKETS, sizeof(struct tree_link *));
	t->mask = FIRST_BUCKETS - 1;
	t->count = 0;
	return t->buckets != NULL;
}

static void table_push(struct tree_link **buckets, size_t mask, struct tree_link *l)
{
	l->next = buckets[l->hash & mask];
	buckets[l->hash & mask] = l;
}

/* Without memory the chains become longer, and nothing else. */
static void table_grow(struct tree_table *t)
{
	size_t mask = t->mask * 2 + 1;
	struct tree_link **buckets = calloc(mask + 1, sizeof(struct tree_link *));

	if (buckets == NULL)
		return;
	for (size_t i = 0; i <= t->mask; i++) {
		for (struct tree_link *l = t->buckets[i], *next; l != NULL; l = next) {
			next = l->next;
			table_push(buckets, mask, l);
		}
	}
	free(t->buckets);
	t->buckets = buckets;
	t->mask = mask;
}

static void table_add(struct tree_table *t, struct tree_link *l, uint64_t hash)
{
	if (t->count > t->mask)
		table_grow(t);
	l->hash = hash;
	table_push(t->buckets, t->mask, l);
	t->count++;
}

static void table_remove(struct tree_table *t, struct tree_link *l)
{
	struct tree_link **at = &t->buckets[l->hash & t->mask];

	while (*at != NULL && *at != l)
		at = &(*at)->next;
	assert(*at == l);
	*at = l->next;
	t->count--;
}

static struct tree_link *table_first(const struct tree_table *t, uint64_t hash)
{
	return t->buckets[hash & t->mask];
}

/* Keys. */

static uint64_t wd_hash(int wd)
{
	return XXH3_64bits(&wd, sizeof(wd));
}

static uint64_t place_hash(const struct tree_node *parent, const char *name)
{
	return XXH3_64bits_withSeed(name, strlen(name), (uint64_t)(uintptr_t)parent);
}

struct tree_node *inotify_tree_by_id(const struct inotify_tree *t, const struct file_id *id)
{
	uint64_t hash = file_id_hash(id);

	for (struct tree_link *l = table_first(&t->ids, hash); l != NULL; l = l->next) {
		if (l->hash == hash && file_id_equal(&node_of(l, by_id)->id, id))
			return node_of(l, by_id);
	}
	return NULL;
}

struct tree_node *inotify_tree_by_wd(const struct inotify_tree *t, int wd)
{
	uint64_t hash = wd_hash(wd);

	for (struct tree_link *l = table_first(&t->wds, hash); l != NULL; l = l->next) {
		if (node_of(l, by_wd)->wd == wd)
			return node_of(l, by_wd);
	}
	return NULL;
}

struct tree_node *inotify_tree_child(const struct inotify_tree *t, const struct tree_node *parent,
				     const char *name)
{
	uint64_t hash = place_hash(parent, name);

	for (struct tree_link *l = table_first(&t->places, hash); l != NULL; l = l->next) {
		struct tree_node *n = node_of(l, by_place);

		if (l->hash == hash && n->parent == parent && strcmp(n->name, name) == 0)
			return n;
	}
	return NULL;
}

/* Nodes. */

static struct tree_node *node_new(struct inotify_tree *t, const struct file_id *id)
{
	struct tree_node *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->id = *id;
	n->wd = TREE_UNWATCHED;
	LIST_INIT(&n->children);
	table_add(&t->ids, &n->by_id, file_id_hash(id));
	return n;
}

int inotify_tree_init(struct inotify_tree *t, const struct file_id *root)
{
	*t = (struct inotify_tree){0};
	LIST_INIT(&t->detached);
	if (!table_init(&t->ids) || !table_init(&t->wds) || !table_init(&t->places))
		return -ENOMEM;
	t->root = node_new(t, root);
	return t->root == NULL ? -ENOMEM : 0;
}

static void unlink_node(struct inotify_tree *t, struct tree_node *n)
{
	if (n->parent != NULL)
		table_remove(&t->places, &n->by_place);
	LIST_REMOVE(n, sibling);
	n->parent = NULL;
	free(n->name);
	n->name = NULL;
}

static void detach(struct inotify_tree *t, struct tree_node *n)
{
	unlink_node(t, n);
	n->detached_ms = 0;
	n->detached_quiets = 0;
	LIST_INSERT_HEAD(&t->detached, n, sibling);
}

static void node_free(struct inotify_tree *t, struct tree_node *n)
{
	inotify_tree_watch(t, n, TREE_UNWATCHED);
	table_remove(&t->ids, &n->by_id);
	free(n->name);
	free(n);
}

void inotify_tree_watch(struct inotify_tree *t, struct tree_node *n, int wd)
{
	struct tree_node *other = wd == TREE_UNWATCHED ? NULL : inotify_tree_by_wd(t, wd);

	t->refused -= n->refused;
	n->refused = false;
	if (n->wd == wd)
		return;
	if (other != NULL)
		inotify_tree_watch(t, other, TREE_UNWATCHED);
	if (n->wd != TREE_UNWATCHED)
		table_remove(&t->wds, &n->by_wd);
	n->wd = wd;
	if (wd != TREE_UNWATCHED)
		table_add(&t->wds, &n->by_wd, wd_hash(wd));
}

void inotify_tree_refuse(struct inotify_tree *t, struct tree_node *n)
{
	inotify_tree_watch(t, n, TREE_UNWATCHED);
	n->refused = true;
	t->refused++;
}

int inotify_tree_depth(const struct inotify_tree *t, const struct tree_node *n)
{
	int depth = 0;

	for (; n->parent != NULL; n = n->parent)
		depth++;
	return n == t->root ? depth : -1;
}

/* Were n to hang below parent, would it hang below itself?  Then the tree is behind: what lies between is not
 * there any more, and is detached until it is seen again. */
static void break_cycle(struct inotify_tree *t, struct tree_node *n, struct tree_node *parent)
{
	for (struct tree_node *up = parent; up != NULL; up = up->parent) {
		if (up->parent != n)
			continue;
		detach(t, up);
		return;
	}
}

static struct tree_node *attach(struct inotify_tree *t, struct tree_node *n, struct tree_node *parent,
				char *name)
{
	n->name = name;
	n->parent = parent;
	LIST_INSERT_HEAD(&parent->children, n, sibling);
	table_add(&t->places, &n->by_place, place_hash(parent, name));
	return n;
}

struct tree_node *inotify_tree_place(struct inotify_tree *t, struct tree_node *parent, const char *name,
				     const struct file_id *id)
{
	struct tree_node *n = inotify_tree_by_id(t, id), *there = inotify_tree_child(t, parent, name);
	char *copy;

	if (n == t->root || n == parent) /* a bind mount of what is above; not descended */
		return n;
	if (n != NULL)
		n->deleted = false;
	if (n != NULL && there == n)
		return n;
	copy = strdup(name);
	if (copy == NULL)
		return NULL;
	if (there != NULL)
		detach(t, there);
	if (n == NULL) {
		n = node_new(t, id);
		if (n == NULL) {
			free(copy);
			return NULL;
		}
		return attach(t, n, parent, copy);
	}
	break_cycle(t, n, parent);
	unlink_node(t, n);
	return attach(t, n, parent, copy);
}

void inotify_tree_vacate(struct inotify_tree *t, const struct tree_node *parent, const char *name)
{
	struct tree_node *n = inotify_tree_child(t, parent, name);

	if (n != NULL)
		detach(t, n);
}

void inotify_tree_forget(struct inotify_tree *t, struct tree_node *n)
{
	while (!LIST_EMPTY(&n->children))
		detach(t, LIST_FIRST(&n->children));
	unlink_node(t, n);
	node_free(t, n);
}

void inotify_tree_drop(struct inotify_tree *t, struct tree_node *n,
		       void (*leave)(void *context, const struct tree_node *n), void *context)
{
	struct tree_node *top = n, *parent;

	unlink_node(t, top);
	while (n != NULL) { /* downwards to a leaf, free it, and on from its parent: depth needs no stack */
		if (!LIST_EMPTY(&n->children)) {
			n = LIST_FIRST(&n->children);
			continue;
		}
		parent = n == top ? NULL : n->parent;
		if (n != top)
			unlink_node(t, n);
		if (leave != NULL)
			leave(context, n);
		node_free(t, n);
		n = parent;
	}
}

void inotify_tree_deinit(struct inotify_tree *t)
{
	if (t->root != NULL) {
		LIST_INSERT_HEAD(&t->detached, t->root, sibling);
		t->root = NULL;
	}
	while (!LIST_EMPTY(&t->detached))
		inotify_tree_drop(t, LIST_FIRST(&t->detached), NULL, NULL);
	free(t->ids.buckets);
	free(t->wds.buckets);
	free(t->places.buckets);
	*t = (struct inotify_tree){0};
}
