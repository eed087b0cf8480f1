/* The comparison: every name that is in the file system, or in the index, or in the replica is in all three,
 * and alike. */
#include "tests/simulation/memory_index.h"
#include "tests/simulation/names.h"
#include "tests/simulation/oracle_internal.h"

struct walk {
	struct oracle *o;
	const struct comparison *c;
	char path[4096];
	size_t len;
	bool hidden; /* what is looked at, or a directory above it */
};

#define WRONG(w, format, ...)                                                                                \
	failure_set((w)->o->failure, (w)->c->rule, "%s: " format, printable((w)->path, (w)->len),            \
		    ##__VA_ARGS__)

static size_t push(struct walk *w, const char *name, size_t len)
{
	size_t before = w->len;

	if (w->len > 0)
		w->path[w->len++] = '/';
	memcpy(w->path + w->len, name, len);
	w->len += len;
	return before;
}

static int64_t as_ns(struct node_time t)
{
	return t.seconds * 1000000000 + t.nanoseconds;
}

static void compare_content(struct walk *w, const struct fs_inode *i, const struct node_state *s,
			    const char *target, size_t target_len, const char *who)
{
	const char *expected;
	size_t len;

	if (s->mode != i->mode || s->uid != i->uid || s->gid != i->gid)
		WRONG(w, "%s has mode %o and uid %u, the file system %o and %u", who, s->mode, s->uid,
		      i->mode, i->uid);
	if (i->kind == FS_DIR)
		return;
	if (s->size != i->size)
		WRONG(w, "%s has size %llu, the file system %llu", who, (unsigned long long)s->size,
		      (unsigned long long)i->size);
	if (as_ns(s->mtime) != i->mtime)
		WRONG(w, "%s has mtime %lld, the file system %lld", who, (long long)as_ns(s->mtime),
		      (long long)i->mtime);
	if (i->kind != FS_SYMLINK)
		return;
	expected = target_at(i->target, &len);
	if (!same_bytes(target, target_len, expected, len))
		WRONG(w, "%s has another link target", who);
}

static void compare_dir(struct walk *w, uint16_t dir, uint64_t node, uint16_t entry);

/* By a rule about this very name. */
static bool is_hidden(const struct walk *w, uint16_t inode)
{
	return rules_hide(w->o->rules, w->path, w->len, w->c->fs->inodes[inode].kind == FS_DIR);
}

static void compare_entry(struct walk *w, uint16_t inode, const struct index_node *n, const struct entry *e)
{
	const struct fs_inode *i = &w->c->fs->inodes[inode];
	struct file_id id;
	bool blind;

	if ((int)n->state.kind != (int)i->kind) {
		WRONG(w, "the index has kind %d, the file system %d", (int)n->state.kind, (int)i->kind);
		return;
	}
	if (e != NULL && e->node != n->node)
		WRONG(w, "the replica has node %llu, the index %llu", (unsigned long long)e->node,
		      (unsigned long long)n->node);
	if (n->hidden != is_hidden(w, inode))
		WRONG(w, "the index says that it is %s", n->hidden ? "hidden" : "not hidden");
	watcher_make_id(w->c->watcher, fs_ref(w->c->fs, inode), &id);
	if (!w->o->weak_ids && !same_bytes(n->id.bytes, n->id.len, id.bytes, id.len))
		WRONG(w, "the index has another identity than the file system");
	/* What is told by now need not have been delivered at a barrier: then it is enough that it was ever
	 * blind. */
	blind = w->c->since == UINT32_MAX ? i->blind : i->was_blind;
	if (i->touched > w->c->since || (blind && !w->c->blind) || (i->linked && !w->c->links))
		return;
	compare_content(w, i, &n->state, n->target, n->target_len, "the index");
	if (e == NULL)
		return;
	compare_content(w, i, &e->state, e->target, e->target_len, "the replica");
	if (e->open && w->c->settled && !i->unclosed && !i->linked)
		WRONG(w, "still marked as open for writing, and no writer is");
}

static void compare_slot(struct walk *w, uint16_t dir, uint8_t slot, uint64_t node, uint16_t entry)
{
	const struct name *name = name_at(slot);
	uint16_t inode = w->c->fs->inodes[dir].entry[slot];
	struct entry *e = w->c->replica ? oracle_child(w->o, entry, name->bytes, name->len) : NULL;
	size_t before = push(w, name->bytes, name->len);
	struct index_node n;
	uint64_t child = 0;
	bool there = inode != 0 && w->c->fs->inodes[inode].kind != FS_PIPE, above = w->hidden;

	w->hidden |= there && is_hidden(w, inode);
	if (index_lookup(w->c->txn, node, name->bytes, name->len, &child) != 0)
		child = 0;
	if (there != (child != 0))
		WRONG(w, "%s", there ? "not in the index" : "in the index, but not in the file system");
	else if (w->c->replica && (there && !w->hidden) != (e != NULL))
		WRONG(w, "%s",
		      e == NULL ? "not in the replica"
				: "in the replica, but not in the file system, or hidden");
	else if (there && index_get(w->c->txn, child, &n) == 0)
		compare_entry(w, inode, &n, e);
	if (there && child != 0 && w->c->fs->inodes[inode].kind == FS_DIR && w->o->failure->rule[0] == '\0')
		compare_dir(w, inode, child, e == NULL ? 0 : number(w->o, e));
	w->len = before;
	w->hidden = above;
}

/* The index may hold no names but those of the table, and none of ours. */
static void compare_strangers(struct walk *w, uint16_t dir, uint64_t node)
{
	char after[NODE_NAME_MAX];
	size_t len = 0;
	struct index_node n;

	while (index_next_child(w->c->txn, node, len > 0 ? after : NULL, len, &n) == 0) {
		len = n.name_len;
		memcpy(after, n.name, len);
		if (name_find(after, len) < 0 || name_bytes_reserved(after, len, dir == FS_ROOT))
			WRONG(w, "the index has an entry %s", printable(after, len));
	}
}

static void compare_dir(struct walk *w, uint16_t dir, uint64_t node, uint16_t entry)
{
	const struct fs_inode *i = &w->c->fs->inodes[dir];

	compare_strangers(w, dir, node);
	for (uint8_t slot = 0; slot < NAMES; slot++)
		if (!name_is_reserved(slot, dir == FS_ROOT) && i->entry_touched[slot] <= w->c->since)
			compare_slot(w, dir, slot, node, entry);
}

void oracle_compare(struct oracle *o, const struct comparison *c)
{
	struct walk w = {.o = o, .c = c};

	compare_dir(&w, FS_ROOT, MEMORY_ROOT, 1);
}
