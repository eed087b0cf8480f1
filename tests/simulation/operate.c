/* How an action of a script changes the file system. */
#include "tests/simulation/operate.h"

#include <errno.h>

static bool find_place(const struct file_system *fs, const struct path *p, struct fs_place *out)
{
	uint16_t dir = p->outside ? FS_OUTSIDE : FS_ROOT;

	if (p->depth == 0)
		return false;
	for (unsigned i = 0; i + 1 < p->depth; i++) {
		dir = fs->inodes[dir].entry[p->slots[i]];
		if (dir == 0 || fs->inodes[dir].kind != FS_DIR)
			return false;
	}
	*out = (struct fs_place){.dir = dir, .slot = p->slots[p->depth - 1]};
	return true;
}

/* An editor's atomic save: a new file beside, then renamed over. */
static int save(struct file_system *fs, struct fs_place at, uint64_t size)
{
	struct fs_place beside = {.dir = at.dir, .slot = (uint8_t)name_find("a.tmp", 5)};
	int r = fs_create(fs, beside, size);

	return r == 0 ? fs_rename(fs, beside, at) : r;
}

static int make_tree(struct file_system *fs, struct fs_place at)
{
	uint16_t dir;
	int r = fs_mkdir(fs, at);

	if (r != 0)
		return r;
	dir = fs_at(fs, at);
	fs_create(fs, (struct fs_place){dir, 0}, 3);
	if (fs_mkdir(fs, (struct fs_place){dir, 1}) == 0)
		fs_create(fs, (struct fs_place){fs_at(fs, (struct fs_place){dir, 1}), 0}, 4);
	return 0;
}

static int operate_at(struct file_system *fs, const struct action *a, struct fs_place at, struct fs_place to)
{
	switch (a->type) {
	case ACT_CREATE:
		return fs_create(fs, at, a->number);
	case ACT_WRITE:
		return fs_write(fs, at, a->number);
	case ACT_APPEND:
		return fs_append(fs, at, a->number);
	case ACT_TRUNCATE:
		return fs_truncate(fs, at, a->number);
	case ACT_CHMOD:
		return fs_chmod(fs, at, a->number & 07777);
	case ACT_CHOWN:
		return fs_chown(fs, at, a->number);
	case ACT_UTIME:
		return fs_utime(fs, at, a->number);
	case ACT_FORGE:
		return fs_forge(fs, at);
	case ACT_ACL:
		return fs_acl(fs, at);
	case ACT_SHUT:
		return fs_shut(fs, at);
	case ACT_MKDIR:
		return fs_mkdir(fs, at);
	case ACT_RMDIR:
		return fs_rmdir(fs, at);
	case ACT_UNLINK:
		return fs_unlink(fs, at);
	case ACT_RENAME:
		return fs_rename(fs, at, to);
	case ACT_EXCHANGE:
		return fs_exchange(fs, at, to);
	case ACT_LINK:
		return fs_link(fs, at, to);
	case ACT_SYMLINK:
		return fs_symlink(fs, at, (uint8_t)(a->number % TARGETS));
	case ACT_FIFO:
		return fs_mkfifo(fs, at);
	case ACT_REMOVE:
		return fs_remove_tree(fs, at);
	case ACT_SAVE:
		return save(fs, at, a->number);
	case ACT_TREE:
		return make_tree(fs, at);
	case ACT_OPEN:
		return fs_open(fs, at, a->number % FS_WRITERS);
	case ACT_FEED:
		return fs_feed(fs, a->number % FS_WRITERS, 10);
	case ACT_CLOSE:
		return fs_close(fs, a->number % FS_WRITERS);
	case ACT_START:
	case ACT_STOP:
	case ACT_CRASH:
	case ACT_OVERFLOW:
	case ACT_FAULT:
	case ACT_WATCH:
	case ACT_CORE:
	case ACT_TICK:
	case ACT_BARRIER:
	case ACT_RECONCILE:
	case ACT_REST:
	case ACTION_TYPES:
		break;
	}
	return -ENOSYS;
}

static bool needs_place(enum action_type type)
{
	return type != ACT_FEED && type != ACT_CLOSE;
}

static bool needs_two(enum action_type type)
{
	return type == ACT_RENAME || type == ACT_EXCHANGE || type == ACT_LINK;
}

int operate(struct file_system *fs, const struct action *a, struct expectation *x)
{
	struct fs_place at = {0}, to = {0};
	int r = -ENOENT;

	if ((!needs_place(a->type) || find_place(fs, &a->a, &at)) &&
	    (!needs_two(a->type) || find_place(fs, &a->b, &to))) {
		expectation_note(x, fs, a, at, to);
		r = operate_at(fs, a, at, to);
	}
	if (r != 0)
		x->known = false;
	return r;
}
