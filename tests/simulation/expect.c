#include "tests/simulation/expect.h"

#include <string.h>

void expectation_reset(struct expectation *x)
{
	memset(x, 0, sizeof(*x));
}

static bool is_shown(const struct file_system *fs, struct fs_place at)
{
	return fs_is_shown(fs, at.dir) && !name_is_reserved(at.slot, at.dir == FS_ROOT);
}

/* An entry of the drive. */
static bool is_entry(const struct file_system *fs, struct fs_place at)
{
	uint16_t inode = fs_at(fs, at);

	return inode != 0 && is_shown(fs, at) && fs->inodes[inode].kind != FS_PIPE;
}

static bool is_kind(const struct file_system *fs, struct fs_place at, enum fs_kind kind)
{
	return is_entry(fs, at) && fs->inodes[fs_at(fs, at)].kind == kind;
}

/* Several names of one file, and files that stay open, have rules of their own. */
static bool is_plain(const struct file_system *fs)
{
	for (unsigned i = FS_ROOT; i <= fs->top; i++)
		if (fs->inodes[i].kind != FS_FREE && (fs->inodes[i].linked || fs->inodes[i].unclosed))
			return false;
	for (unsigned i = 0; i < FS_WRITERS; i++)
		if (fs->writers[i].open)
			return false;
	return true;
}

static void expect(struct expectation *x, enum event_type event, unsigned count)
{
	x->known = true;
	x->expected[event] = count;
}

static void note_rename(struct expectation *x, const struct file_system *fs, struct fs_place from,
			struct fs_place to)
{
	if (!is_entry(fs, from) || fs_at(fs, to) != 0)
		return;
	if (is_shown(fs, to))
		expect(x, EVENT_FILE_MOVED, 1);
	else
		expect(x, EVENT_FILE_DELETED, 1);
}

static void note_save(struct expectation *x, const struct file_system *fs, struct fs_place at)
{
	struct fs_place beside = {.dir = at.dir, .slot = (uint8_t)name_find("a.tmp", 5)};

	if (fs_at(fs, beside) == 0 && at.slot != beside.slot && is_kind(fs, at, FS_FILE))
		expect(x, EVENT_FILE_UPDATED, 1);
}

void expectation_note(struct expectation *x, const struct file_system *fs, const struct action *a,
		      struct fs_place at, struct fs_place to)
{
	bool free_name = is_shown(fs, at) && fs_at(fs, at) == 0;

	x->known = false;
	if (++x->operations > 1 || at.dir == 0 || !is_plain(fs))
		return;
	if (free_name && (a->type == ACT_CREATE || a->type == ACT_MKDIR || a->type == ACT_SYMLINK))
		expect(x, EVENT_FILE_CREATED, 1);
	else if (free_name && a->type == ACT_TREE)
		expect(x, EVENT_FILE_CREATED, 4);
	else if (a->type == ACT_RENAME)
		note_rename(x, fs, at, to);
	else if (a->type == ACT_EXCHANGE && is_entry(fs, at) && is_entry(fs, to) &&
		 fs_at(fs, at) != fs_at(fs, to))
		expect(x, EVENT_FILE_MOVED, 3);
	else if (a->type == ACT_SAVE)
		note_save(x, fs, at);
	else if (a->type == ACT_UNLINK && is_entry(fs, at) && !is_kind(fs, at, FS_DIR))
		expect(x, EVENT_FILE_DELETED, 1);
	else if ((a->type == ACT_WRITE && is_kind(fs, at, FS_FILE)) ||
		 (a->type == ACT_CHMOD && is_entry(fs, at)))
		expect(x, EVENT_FILE_UPDATED, 1);
	x->at_most = a->type == ACT_WRITE || a->type == ACT_CHMOD;
}

void expectation_check(const struct expectation *x, struct failure *failure)
{
	if (!x->known)
		return;
	for (unsigned event = EVENT_FILE_CREATED; event <= EVENT_FILE_DELETED; event++)
		if (x->seen[event] > x->expected[event] ||
		    (x->seen[event] < x->expected[event] && !x->at_most))
			failure_set(failure, "EXPECTED", "one operation at rest: %s %u times, not %u",
				    event_name((enum event_type)event), x->seen[event], x->expected[event]);
}
