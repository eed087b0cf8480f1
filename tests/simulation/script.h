/* script: a history as a list of actions, one a line, that can be cut down, printed, kept in a file and run
 * again.
 *
 *     options ids=strong backend=fanotify settle=20 max_wait=500 tick=1 links=strict shuffle=0 rules=0
 * hashes=0 mkdir a create a/b 5 start rename a ~/x watch 3 771 Paths are in the drive, or behind ~/ outside
 * of it; names are written as their labels (names.c). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/simulation/file_system.h"

enum { PATH_DEPTH = 6, SCRIPT_ACTIONS = 1024 };

struct path {
	bool outside;
	uint8_t depth;
	uint8_t slots[PATH_DEPTH];
};

enum action_type {
	ACT_CREATE,
	ACT_WRITE,
	ACT_APPEND,
	ACT_TRUNCATE,
	ACT_CHMOD,
	ACT_CHOWN,
	ACT_UTIME,
	ACT_FORGE, /* another content, with the old size and mtime */
	ACT_ACL,   /* only the ctime moves */
	ACT_SHUT, /* a directory: nobody may list it until its mode or owner changes, at the latest at rest */
	ACT_MKDIR,
	ACT_RMDIR,
	ACT_UNLINK,
	ACT_RENAME,
	ACT_EXCHANGE,
	ACT_LINK,
	ACT_SYMLINK,
	ACT_FIFO,
	ACT_REMOVE,
	ACT_SAVE,
	ACT_TREE,
	ACT_OPEN,
	ACT_FEED,
	ACT_CLOSE,
	ACT_LAST_OPERATION = ACT_CLOSE,
	ACT_START, /* the watcher (and daemon), after a stop or for the first time */
	ACT_STOP,  /* number 0: the watcher dies; 1: the daemon too */
	ACT_CRASH, /* the daemon dies within a step, at the change with that number */
	ACT_OVERFLOW,
	ACT_FAULT, /* the next scan or look fails */
	ACT_WATCH, /* the watcher moves on by so many micro steps */
	ACT_CORE,  /* deliver so many observations, then one step */
	ACT_TICK,  /* milliseconds pass */
	ACT_BARRIER,
	ACT_RECONCILE, /* of that path, at most `number` entries a second if that is not 0 */
	ACT_REST,      /* let everything come to rest and compare */
	ACTION_TYPES,
};

struct action {
	enum action_type type;
	struct path a, b;
	uint32_t number, salt;
};

struct script_options {
	bool weak_ids, inotify, shuffle;
	bool lenient_links; /* do not expect that a change through one hard link shows at the others */
	bool hashes;        /* those of the contents are asked for */
	bool rules;         /* some names are hidden from clients: world_rules[] */
	unsigned settle_ms, max_wait_ms;
	unsigned tick_ms; /* how finely the file system stores times */
};

struct script {
	struct script_options options;
	struct action actions[SCRIPT_ACTIONS];
	unsigned count;
};

bool action_is_operation(const struct action *a);
void action_print(const struct action *a, FILE *out);
void script_print(const struct script *s, FILE *out);
/* False, with the number of the line, when a line is not understood.  Lines that begin with '#' are skipped.
 */
bool script_read(struct script *s, FILE *in, unsigned *line);
