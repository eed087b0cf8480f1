/* file_system: one small file system with a drive and a place outside of it, and the events that a kernel
 * would queue.
 *
 * Inode numbers are reused as soon as they are free, each time with another generation.  Every change is
 * stamped with the number of the operation that made it, so that a check can tell what had happened before a
 * given moment. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/simulation/names.h"

enum { FS_INODES = 160, FS_WRITERS = 4, FS_ROOT = 1, FS_OUTSIDE = 2 };

/* The first three are those of entry_kind and node_kind. */
enum fs_kind { FS_FREE = 0, FS_FILE = 1, FS_DIR = 2, FS_SYMLINK = 3, FS_PIPE = 4 };

struct fs_ref {         /* which inode; its number may have been given to another one since */
	uint16_t inode; /* 0: none */
	uint32_t generation;
};

struct fs_place {
	uint16_t dir;
	uint8_t slot;
};

struct fs_inode {
	enum fs_kind kind;
	uint32_t generation;
	uint16_t names, writers, mode;
	uint32_t uid, gid;
	uint64_t size;
	int64_t mtime, ctime, birth; /* nanoseconds */
	uint8_t target;
	uint32_t content;   /* which content: each one there ever was has its number */
	bool shut;          /* a directory that may not be listed */
	bool linked;        /* has, or had, more than one name */
	bool blind;         /* changed under a name that was gone when it was looked at; see watcher.c */
	bool was_blind;     /* … or has ever been */
	bool unclosed;      /* the last write is one that no close follows (truncate(2)) */
	uint32_t touched;   /* operation that last changed its state */
	struct fs_place at; /* of a directory */
	uint16_t entry[NAMES];
	uint32_t entry_touched[NAMES];
};

enum fs_event_type {
	FS_CREATE = 1 << 0,
	FS_DELETE = 1 << 1,
	FS_MODIFY = 1 << 2,
	FS_CLOSE = 1 << 3,
	FS_ATTRIB = 1 << 4,
	FS_RENAME = 1 << 5, /* `from` and `to` */
};

struct fs_event {
	enum fs_event_type type;
	uint8_t process;
	bool on_dir;
	struct fs_ref dir, to_dir, child;
	uint8_t slot, to_slot;
};

struct fs_writer {
	bool open, unlinked;
	uint16_t inode;
	struct fs_place at; /* the name it knows itself by; stays the last one when that is unlinked */
	struct fs_ref dir;
};

struct file_system {
	struct fs_inode inodes[FS_INODES];
	uint16_t unused[FS_INODES];
	unsigned unused_count, top;
	struct fs_writer writers[FS_WRITERS];
	uint32_t operation, contents;
	int64_t now;     /* nanoseconds, already rounded to what the file system stores */
	uint8_t process; /* who makes the next change */
	void *context;
	void (*on_event)(void *context, const struct fs_event *event);
};

void fs_init(struct file_system *fs, void *context,
	     void (*on_event)(void *context, const struct fs_event *event));
struct fs_ref fs_ref(const struct file_system *fs, uint16_t inode);
/* The inode at a place, 0 when there is none. */
uint16_t fs_at(const struct file_system *fs, struct fs_place at);
/* Below the drive's root, or the root itself. */
bool fs_in_drive(const struct file_system *fs, uint16_t dir);
/* No name on the way from the root is one of the daemon's. */
bool fs_is_shown(const struct file_system *fs, uint16_t dir);
/* The inode, or 0 when the reference is stale. */
uint16_t fs_resolve(const struct file_system *fs, struct fs_ref ref);

/* All return 0 or -errno as the system calls do. */
int fs_create(struct file_system *fs, struct fs_place at, uint64_t size);
int fs_write(struct file_system *fs, struct fs_place at, uint64_t size);
int fs_append(struct file_system *fs, struct fs_place at, uint64_t size);
int fs_truncate(struct file_system *fs, struct fs_place at, uint64_t size);
int fs_chmod(struct file_system *fs, struct fs_place at, uint16_t mode);
int fs_shut(struct file_system *fs, struct fs_place at);
int fs_chown(struct file_system *fs, struct fs_place at, uint32_t uid);
int fs_utime(struct file_system *fs, struct fs_place at, int64_t seconds);
int fs_forge(struct file_system *fs, struct fs_place at);
int fs_acl(struct file_system *fs, struct fs_place at);
int fs_mkdir(struct file_system *fs, struct fs_place at);
int fs_rmdir(struct file_system *fs, struct fs_place at);
int fs_unlink(struct file_system *fs, struct fs_place at);
int fs_rename(struct file_system *fs, struct fs_place from, struct fs_place to);
int fs_exchange(struct file_system *fs, struct fs_place a, struct fs_place b);
int fs_link(struct file_system *fs, struct fs_place from, struct fs_place to);
int fs_symlink(struct file_system *fs, struct fs_place at, uint8_t target);
int fs_mkfifo(struct file_system *fs, struct fs_place at);
int fs_remove_tree(struct file_system *fs, struct fs_place at);
/* A writer that stays open; creates the file when there is none. */
int fs_open(struct file_system *fs, struct fs_place at, unsigned writer);
int fs_feed(struct file_system *fs, unsigned writer, uint64_t size);
int fs_close(struct file_system *fs, unsigned writer);
/* Everything may be listed again. */
void fs_open_all(struct file_system *fs);
bool fs_any_shut(const struct file_system *fs);
