/* A directory holds one inode number for each of the names there are; nothing is allocated. */
#include "tests/simulation/file_system.h"

#include <errno.h>
#include <string.h>

void fs_init(struct file_system *fs, void *context,
	     void (*on_event)(void *context, const struct fs_event *event))
{
	unsigned top = fs->top > FS_OUTSIDE ? fs->top : FS_OUTSIDE;

	memset(fs->inodes, 0, (top + 1) * sizeof(fs->inodes[0])); /* those above were never touched */
	memset(fs->writers, 0, sizeof(fs->writers));
	fs->unused_count = 0;
	fs->top = FS_OUTSIDE;
	fs->operation = 1;
	fs->contents = 0;
	fs->now = 1000000000000000000;
	fs->process = 0;
	fs->context = context;
	fs->on_event = on_event;
	for (unsigned i = FS_ROOT; i <= FS_OUTSIDE; i++)
		fs->inodes[i] = (struct fs_inode){.kind = FS_DIR, .generation = 1, .names = 1, .mode = 0755};
}

struct fs_ref fs_ref(const struct file_system *fs, uint16_t inode)
{
	return (struct fs_ref){.inode = inode, .generation = fs->inodes[inode].generation};
}

uint16_t fs_at(const struct file_system *fs, struct fs_place at)
{
	return fs->inodes[at.dir].entry[at.slot];
}

bool fs_in_drive(const struct file_system *fs, uint16_t dir)
{
	while (dir > FS_OUTSIDE)
		dir = fs->inodes[dir].at.dir;
	return dir == FS_ROOT;
}

bool fs_is_shown(const struct file_system *fs, uint16_t dir)
{
	for (; dir > FS_OUTSIDE; dir = fs->inodes[dir].at.dir)
		if (name_is_reserved(fs->inodes[dir].at.slot, fs->inodes[dir].at.dir == FS_ROOT))
			return false;
	return dir == FS_ROOT;
}

uint16_t fs_resolve(const struct file_system *fs, struct fs_ref ref)
{
	const struct fs_inode *i = &fs->inodes[ref.inode];

	return i->kind != FS_FREE && i->generation == ref.generation ? ref.inode : 0;
}

static bool is_below(const struct file_system *fs, uint16_t dir, uint16_t above)
{
	for (; dir != 0; dir = fs->inodes[dir].at.dir)
		if (dir == above)
			return true;
	return false;
}

static void tell(struct file_system *fs, enum fs_event_type type, struct fs_place at, uint16_t child)
{
	struct fs_event e = {.type = type,
			     .process = fs->process,
			     .on_dir = fs->inodes[child].kind == FS_DIR,
			     .dir = fs_ref(fs, at.dir),
			     .slot = at.slot,
			     .child = fs_ref(fs, child)};

	fs->on_event(fs->context, &e);
}

static void tell_rename(struct file_system *fs, struct fs_place from, struct fs_place to, uint16_t child)
{
	struct fs_event e = {.type = FS_RENAME,
			     .process = fs->process,
			     .on_dir = fs->inodes[child].kind == FS_DIR,
			     .dir = fs_ref(fs, from.dir),
			     .slot = from.slot,
			     .to_dir = fs_ref(fs, to.dir),
			     .to_slot = to.slot,
			     .child = fs_ref(fs, child)};

	fs->on_event(fs->context, &e);
}

static void touch(struct file_system *fs, uint16_t inode, bool content)
{
	struct fs_inode *i = &fs->inodes[inode];

	i->touched = fs->operation;
	i->ctime = fs->now;
	if (!content)
		return;
	i->mtime = fs->now;
	i->content = ++fs->contents;
}

static void set_entry(struct file_system *fs, struct fs_place at, uint16_t inode)
{
	struct fs_inode *dir = &fs->inodes[at.dir];

	dir->entry[at.slot] = inode;
	dir->entry_touched[at.slot] = fs->operation;
	if (inode != 0 && fs->inodes[inode].kind == FS_DIR)
		fs->inodes[inode].at = at;
}

static void release(struct file_system *fs, uint16_t inode)
{
	struct fs_inode *i = &fs->inodes[inode];

	if (i->names != 0 || i->writers != 0)
		return;
	i->kind = FS_FREE;
	fs->unused[fs->unused_count++] = inode;
}

static int new_inode(struct file_system *fs, enum fs_kind kind, struct fs_place at, uint16_t mode)
{
	uint32_t generation;
	uint16_t inode;

	if (fs_at(fs, at) != 0)
		return -EEXIST;
	if (fs->unused_count == 0 && fs->top + 1 == FS_INODES)
		return -ENOSPC;
	inode = fs->unused_count > 0 ? fs->unused[--fs->unused_count] : (uint16_t)++fs->top;
	generation = fs->inodes[inode].generation + 1;
	fs->inodes[inode] = (struct fs_inode){.kind = kind,
					      .generation = generation,
					      .names = 1,
					      .mode = mode,
					      .uid = 1000,
					      .gid = 100,
					      .birth = fs->now};
	touch(fs, inode, true);
	set_entry(fs, at, inode);
	tell(fs, FS_CREATE, at, inode);
	return inode;
}

static int file_at(const struct file_system *fs, struct fs_place at)
{
	uint16_t inode = fs_at(fs, at);

	if (inode == 0)
		return -ENOENT;
	return fs->inodes[inode].kind == FS_FILE ? inode : -EINVAL;
}

static void set_size(struct file_system *fs, struct fs_place at, uint16_t inode, uint64_t size)
{
	fs->inodes[inode].size = size;
	touch(fs, inode, true);
	tell(fs, FS_MODIFY, at, inode);
}

int fs_create(struct file_system *fs, struct fs_place at, uint64_t size)
{
	int inode = new_inode(fs, FS_FILE, at, 0644);

	if (inode < 0)
		return inode;
	if (size > 0)
		set_size(fs, at, (uint16_t)inode, size);
	tell(fs, FS_CLOSE, at, (uint16_t)inode);
	return 0;
}

int fs_write(struct file_system *fs, struct fs_place at, uint64_t size)
{
	int inode = file_at(fs, at);

	if (inode < 0)
		return inode;
	set_size(fs, at, (uint16_t)inode, size);
	fs->inodes[inode].unclosed = false;
	tell(fs, FS_CLOSE, at, (uint16_t)inode);
	return 0;
}

int fs_append(struct file_system *fs, struct fs_place at, uint64_t size)
{
	int inode = file_at(fs, at);

	return inode < 0 ? inode : fs_write(fs, at, fs->inodes[inode].size + size);
}

int fs_truncate(struct file_system *fs, struct fs_place at, uint64_t size)
{
	int inode = file_at(fs, at);

	if (inode < 0)
		return inode;
	fs->inodes[inode].unclosed = true;
	set_size(fs, at, (uint16_t)inode, size);
	return 0;
}

int fs_chmod(struct file_system *fs, struct fs_place at, uint16_t mode)
{
	uint16_t inode = fs_at(fs, at);

	if (inode == 0)
		return -ENOENT;
	if (fs->inodes[inode].kind == FS_SYMLINK)
		return -EOPNOTSUPP;
	fs->inodes[inode].mode = mode;
	fs->inodes[inode].shut = false;
	touch(fs, inode, false);
	tell(fs, FS_ATTRIB, at, inode);
	return 0;
}

int fs_shut(struct file_system *fs, struct fs_place at)
{
	uint16_t inode = fs_at(fs, at);
	int r = inode != 0 && fs->inodes[inode].kind != FS_DIR ? -ENOTDIR : fs_chmod(fs, at, 0);

	if (r == 0)
		fs->inodes[inode].shut = true;
	return r;
}

bool fs_any_shut(const struct file_system *fs)
{
	for (unsigned i = FS_ROOT; i <= fs->top; i++) {
		if (fs->inodes[i].kind == FS_DIR && fs->inodes[i].shut)
			return true;
	}
	return false;
}

void fs_open_all(struct file_system *fs)
{
	for (unsigned i = FS_ROOT; i <= fs->top; i++) {
		if (fs->inodes[i].kind == FS_DIR && fs->inodes[i].shut)
			fs_chmod(fs, fs->inodes[i].at, 0755);
	}
}

int fs_chown(struct file_system *fs, struct fs_place at, uint32_t uid)
{
	uint16_t inode = fs_at(fs, at);

	if (inode == 0)
		return -ENOENT;
	fs->inodes[inode].uid = uid;
	touch(fs, inode, false);
	tell(fs, FS_ATTRIB, at, inode);
	return 0;
}

int fs_utime(struct file_system *fs, struct fs_place at, int64_t seconds)
{
	uint16_t inode = fs_at(fs, at);

	if (inode == 0)
		return -ENOENT;
	touch(fs, inode, false);
	fs->inodes[inode].mtime = seconds * 1000000000;
	tell(fs, FS_ATTRIB, at, inode);
	return 0;
}

int fs_forge(struct file_system *fs, struct fs_place at)
{
	int inode = file_at(fs, at);
	int64_t mtime;

	if (inode < 0)
		return inode;
	mtime = fs->inodes[inode].mtime;
	touch(fs, (uint16_t)inode, true);
	fs->inodes[inode].mtime = mtime;
	fs->inodes[inode].unclosed = false;
	tell(fs, FS_MODIFY, at, (uint16_t)inode);
	tell(fs, FS_CLOSE, at, (uint16_t)inode);
	tell(fs, FS_ATTRIB, at, (uint16_t)inode);
	return 0;
}

int fs_acl(struct file_system *fs, struct fs_place at)
{
	uint16_t inode = fs_at(fs, at);

	if (inode == 0)
		return -ENOENT;
	touch(fs, inode, false);
	tell(fs, FS_ATTRIB, at, inode);
	return 0;
}

int fs_mkdir(struct file_system *fs, struct fs_place at)
{
	int inode = new_inode(fs, FS_DIR, at, 0755);

	return inode < 0 ? inode : 0;
}

static bool is_empty(const struct fs_inode *dir)
{
	for (unsigned i = 0; i < NAMES; i++)
		if (dir->entry[i] != 0)
			return false;
	return true;
}

/* Take a name away; who writes to the file through it keeps writing. */
static void drop_name(struct file_system *fs, struct fs_place at, uint16_t inode)
{
	for (unsigned i = 0; i < FS_WRITERS; i++)
		if (fs->writers[i].open && fs->writers[i].inode == inode && fs->writers[i].at.dir == at.dir &&
		    fs->writers[i].at.slot == at.slot)
			fs->writers[i].unlinked = true;
	fs->inodes[inode].names--;
	touch(fs, inode, false);
}

int fs_rmdir(struct file_system *fs, struct fs_place at)
{
	uint16_t inode = fs_at(fs, at);

	if (inode == 0)
		return -ENOENT;
	if (fs->inodes[inode].kind != FS_DIR)
		return -ENOTDIR;
	if (!is_empty(&fs->inodes[inode]))
		return -ENOTEMPTY;
	drop_name(fs, at, inode);
	set_entry(fs, at, 0);
	tell(fs, FS_DELETE, at, inode);
	release(fs, inode);
	return 0;
}

int fs_unlink(struct file_system *fs, struct fs_place at)
{
	uint16_t inode = fs_at(fs, at);

	if (inode == 0)
		return -ENOENT;
	if (fs->inodes[inode].kind == FS_DIR)
		return -EISDIR;
	drop_name(fs, at, inode);
	set_entry(fs, at, 0);
	tell(fs, FS_DELETE, at, inode);
	release(fs, inode);
	return 0;
}

static void follow_rename(struct file_system *fs, struct fs_place from, struct fs_place to, uint16_t inode)
{
	for (unsigned i = 0; i < FS_WRITERS; i++) {
		struct fs_writer *w = &fs->writers[i];

		if (w->open && !w->unlinked && w->inode == inode && w->at.dir == from.dir &&
		    w->at.slot == from.slot) {
			w->at = to;
			w->dir = fs_ref(fs, to.dir);
		}
	}
}

static int may_replace(const struct file_system *fs, uint16_t moved, uint16_t victim)
{
	bool dir = fs->inodes[moved].kind == FS_DIR;

	if (victim == 0)
		return 0;
	if (dir != (fs->inodes[victim].kind == FS_DIR))
		return dir ? -ENOTDIR : -EISDIR;
	return !dir || is_empty(&fs->inodes[victim]) ? 0 : -ENOTEMPTY;
}

int fs_rename(struct file_system *fs, struct fs_place from, struct fs_place to)
{
	uint16_t inode = fs_at(fs, from), victim = fs_at(fs, to);
	int r;

	if (inode == 0)
		return -ENOENT;
	if (inode == victim)
		return 0; /* rename(2): two names of one file stay as they are */
	if (is_below(fs, to.dir, inode))
		return -EINVAL;
	r = may_replace(fs, inode, victim);
	if (r != 0)
		return r;
	if (victim != 0)
		drop_name(fs, to, victim);
	set_entry(fs, from, 0);
	set_entry(fs, to, inode);
	follow_rename(fs, from, to, inode);
	fs->inodes[inode].ctime = fs->now;
	tell_rename(fs, from, to, inode);
	if (victim != 0)
		release(fs, victim);
	return 0;
}

int fs_exchange(struct file_system *fs, struct fs_place a, struct fs_place b)
{
	uint16_t at_a = fs_at(fs, a), at_b = fs_at(fs, b);

	if (at_a == 0 || at_b == 0)
		return -ENOENT;
	if (at_a == at_b)
		return 0;
	if (is_below(fs, b.dir, at_a) || is_below(fs, a.dir, at_b))
		return -EINVAL;
	set_entry(fs, a, at_b);
	set_entry(fs, b, at_a);
	follow_rename(fs, a, b, at_a);
	follow_rename(fs, b, a, at_b);
	fs->inodes[at_a].ctime = fs->inodes[at_b].ctime = fs->now;
	tell_rename(fs, a, b, at_a);
	tell_rename(fs, b, a, at_b);
	return 0;
}

int fs_link(struct file_system *fs, struct fs_place from, struct fs_place to)
{
	uint16_t inode = fs_at(fs, from);

	if (inode == 0)
		return -ENOENT;
	if (fs->inodes[inode].kind == FS_DIR)
		return -EPERM;
	if (fs_at(fs, to) != 0)
		return -EEXIST;
	fs->inodes[inode].names++;
	fs->inodes[inode].linked = true;
	fs->inodes[inode].ctime = fs->now;
	set_entry(fs, to, inode);
	tell(fs, FS_CREATE, to, inode);
	return 0;
}

int fs_symlink(struct file_system *fs, struct fs_place at, uint8_t target)
{
	int inode = new_inode(fs, FS_SYMLINK, at, 0777);
	size_t len;

	if (inode < 0)
		return inode;
	target_at(target, &len);
	fs->inodes[inode].target = target;
	fs->inodes[inode].size = len;
	return 0;
}

int fs_mkfifo(struct file_system *fs, struct fs_place at)
{
	int inode = new_inode(fs, FS_PIPE, at, 0600);

	return inode < 0 ? inode : 0;
}

int fs_remove_tree(struct file_system *fs, struct fs_place at)
{
	uint16_t inode = fs_at(fs, at);

	if (inode == 0)
		return -ENOENT;
	if (fs->inodes[inode].kind != FS_DIR)
		return fs_unlink(fs, at);
	for (uint8_t i = 0; i < NAMES; i++)
		if (fs->inodes[inode].entry[i] != 0)
			fs_remove_tree(fs, (struct fs_place){inode, i});
	return fs_rmdir(fs, at);
}

int fs_open(struct file_system *fs, struct fs_place at, unsigned writer)
{
	struct fs_writer *w = &fs->writers[writer];
	int inode = file_at(fs, at);

	if (w->open)
		return -EBUSY;
	if (inode == -ENOENT)
		inode = new_inode(fs, FS_FILE, at, 0644);
	if (inode < 0)
		return inode;
	*w = (struct fs_writer){.open = true, .inode = (uint16_t)inode, .at = at, .dir = fs_ref(fs, at.dir)};
	fs->inodes[inode].writers++;
	return 0;
}

static void tell_writer(struct file_system *fs, const struct fs_writer *w, enum fs_event_type type)
{
	struct fs_event e = {.type = type,
			     .process = fs->process,
			     .dir = w->dir,
			     .slot = w->at.slot,
			     .child = fs_ref(fs, w->inode)};

	fs->on_event(fs->context, &e);
}

int fs_feed(struct file_system *fs, unsigned writer, uint64_t size)
{
	struct fs_writer *w = &fs->writers[writer];

	if (!w->open)
		return -EBADF;
	fs->inodes[w->inode].size += size;
	touch(fs, w->inode, true);
	tell_writer(fs, w, FS_MODIFY);
	return 0;
}

int fs_close(struct file_system *fs, unsigned writer)
{
	struct fs_writer *w = &fs->writers[writer];

	if (!w->open)
		return -EBADF;
	fs->inodes[w->inode].unclosed = false;
	tell_writer(fs, w, FS_CLOSE);
	w->open = false;
	fs->inodes[w->inode].writers--;
	release(fs, w->inode);
	return 0;
}
