/* inotify_tree: the directories of one drive as inotify needs them: which watch is which directory, and where
 * it lies.
 *
 * A node's identity is its file id; where it lies is where it was last *seen*, since move events tell halves
 * and lose parity.  A node whose place was taken or found empty is detached, with all below it, until it is
 * seen again; who still is detached when all events are read has left the drive.  Pure memory, one thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "watcher/file_id.h"

enum { TREE_UNWATCHED = -1 };

struct tree_link {
	struct tree_link *next;
	uint64_t hash;
};

struct tree_table {
	struct tree_link **buckets;
	size_t mask, count;
};

struct tree_node {
	struct tree_link by_id, by_wd, by_place;
	struct tree_node *parent; /* NULL: the root, or detached */
	LIST_HEAD(, tree_node) children;
	LIST_ENTRY(tree_node) sibling; /* in the parent's children, or in the tree's detached */
	struct file_id id;
	int wd;                  /* or TREE_UNWATCHED */
	uint32_t detached_ms;    /* the owner's: since when it is detached; 0: not noted yet */
	uint8_t detached_quiets; /* the owner's too: how often it was still detached when nothing happened */
	bool deleted;            /* a delete event named it: it will not come back */
	bool refused;            /* the kernel would not watch it */
	char *name;
};

struct inotify_tree {
	struct tree_table ids, wds, places;
	struct tree_node *root;
	size_t refused; /* how many nodes are */
	LIST_HEAD(, tree_node) detached;
};

int inotify_tree_init(struct inotify_tree *t, const struct file_id *root);
void inotify_tree_deinit(struct inotify_tree *t);

struct tree_node *inotify_tree_by_id(const struct inotify_tree *t, const struct file_id *id);
struct tree_node *inotify_tree_by_wd(const struct inotify_tree *t, int wd);
struct tree_node *inotify_tree_child(const struct inotify_tree *t, const struct tree_node *parent,
				     const char *name);

/* The directory `id` was seen there: it is made or moved; whoever was there is detached.  NULL: no memory. */
struct tree_node *inotify_tree_place(struct inotify_tree *t, struct tree_node *parent, const char *name,
				     const struct file_id *id);
/* No directory is there. */
void inotify_tree_vacate(struct inotify_tree *t, const struct tree_node *parent, const char *name);
/* Give the node a watch (or TREE_UNWATCHED).  A watch is of one inode, so who had it before loses it. */
void inotify_tree_watch(struct inotify_tree *t, struct tree_node *n, int wd);
/* The kernel would not watch it; inotify_tree_watch() takes that back. */
void inotify_tree_refuse(struct inotify_tree *t, struct tree_node *n);
/* Free a detached node alone: a directory can only be deleted when it is empty, so what the tree still has
 * below it is elsewhere by now, and detached until it is seen there. */
void inotify_tree_forget(struct inotify_tree *t, struct tree_node *n);
/* Free a detached node and all below it; `leave` is called with each before. */
void inotify_tree_drop(struct inotify_tree *t, struct tree_node *n,
		       void (*leave)(void *context, const struct tree_node *n), void *context);
/* How many steps below the root, 0 for the root; -1: detached. */
int inotify_tree_depth(const struct inotify_tree *t, const struct tree_node *n);
