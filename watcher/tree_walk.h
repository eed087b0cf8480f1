/* tree_walk: opens the directories of an inotify_tree, where nothing opens them by identity: from the root
 * along the tree, one component at a time, so that no path is too long. */
#pragma once

#include <stddef.h>

#include "watcher/drive.h"
#include "watcher/inotify_tree.h"

struct tree_walk { /* zeroed before */
	struct tree_node **path;
	size_t room;
};

/* An O_PATH descriptor of n, for the caller to close.  What is found has n's id: -ESTALE: it is not where the
 * tree has it; other -errno: it cannot be reached. */
int tree_walk_open(struct tree_walk *w, const struct inotify_tree *t, struct watch_drive *d,
		   struct tree_node *n);
/* The same directory, to be listed; closes path_fd. */
int tree_walk_readable(int path_fd);
void tree_walk_deinit(struct tree_walk *w);
