/* entry: what one name is now, as the file system tells it under a directory's descriptor. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watcher/observation.h"

struct statx;

enum { ENTRY_TARGET_ROOM = 4096 };

/* What identifies files on a file system, the best first. */
struct entry_rule {
	enum file_id_form form;
	uint64_t device; /* a directory on another one is a mount point */
};

enum entry_answer { ENTRY_ABSENT = 1 };

/* Fill o->id, o->state and o->target of what `name` (NUL-terminated) under dir_fd is now.  All of it is of
 * one inode, also when the name is replaced meanwhile.  ENTRY_ABSENT: there is nothing of that name, or a
 * socket, FIFO or device; -errno: nothing is known.  `target` backs o->target. */
int entry_look(int dir_fd, const char *name, const struct entry_rule *rule, struct observation *o,
	       char target[ENTRY_TARGET_ROOM]);
/* The same, faster where the name has stood for the same inode for a while: for lists. */
int entry_look_listed(int dir_fd, const char *name, const struct entry_rule *rule, struct observation *o,
		      char target[ENTRY_TARGET_ROOM]);
/* The same of what is likely a file that is known: BRIEF where that tells enough. */
int entry_look_known(int dir_fd, const char *name, const struct entry_rule *rule, struct observation *o,
		     char target[ENTRY_TARGET_ROOM]);
/* The same of an open descriptor (O_PATH will do). */
int entry_of_fd(int fd, const struct entry_rule *rule, struct file_id *id, struct entry_state *state);
/* Its id alone. */
int entry_id_of_fd(int fd, const struct entry_rule *rule, struct file_id *id);
