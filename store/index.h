/* index: a replica of every drive's namespace.
 *
 * A node is one *name*: (parent node, exact name bytes) -> node, node -> row, identity -> nodes (hard links
 * are several nodes with one identity).  Node numbers are never reused in a store and grow as they are given.
 * Moving a directory rewrites its own row and name, whatever lies below. Everything happens inside a
 * transaction that the caller opened; reads see the transaction's own writes.  Rows point into the map: valid
 * until the next write in the same transaction or its end. 0, -errno, or INDEX_NONE.  tests/simulation/ has a
 * second implementation of this header, in memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_txn;

enum index_answer { INDEX_NONE = 1 };

enum node_kind { NODE_FILE = 1, NODE_DIR = 2, NODE_SYMLINK = 3 };

enum { IDENTITY_MAX = 47, NODE_NAME_MAX = 255, NODE_TARGET_MAX = 4095, NODE_HASH_BYTES = 32 };

struct identity { /* the watcher's file id, opaque here; big-endian inode first */
	uint8_t len;
	uint8_t bytes[IDENTITY_MAX];
};

struct node_time {
	int64_t seconds;
	uint32_t nanoseconds;
};

struct node_state {
	enum node_kind kind;
	bool mount;
	uint16_t mode; /* the bits 07777 */
	uint32_t uid, gid, links;
	uint64_t size;
	struct node_time mtime, ctime, birth;
};

struct index_node {
	uint64_t node;
	uint64_t parent; /* 0: a drive's root */
	uint32_t drive;
	uint64_t rev_epoch, rev_seq; /* position of the last change; seq 0 from a first index */
	struct identity id;
	struct node_state state;
	bool hidden;   /* a rule hides this name, and all below it, from clients */
	bool open;     /* it was last announced as open for writing */
	bool has_hash; /* `hash` is the SHA-256 of its content as `state` describes it */
	uint8_t hash[NODE_HASH_BYTES];
	const char *name; /* 1 to 255 bytes; empty for a root */
	size_t name_len;
	const char *target; /* of a symlink */
	size_t target_len;
};

int index_get(struct store_txn *txn, uint64_t node, struct index_node *out);
int index_lookup(struct store_txn *txn, uint64_t parent, const char *name, size_t name_len, uint64_t *node);
/* The lowest attached node > after that has this identity on this drive: call with after = 0, then with the
 * last answer. What index_detach() cut off is never found. */
int index_by_identity(struct store_txn *txn, uint32_t drive, const struct identity *id, uint64_t after,
		      uint64_t *node);
/* The first child of parent whose name sorts (bytewise) after the given one; NULL starts.  *out is its whole
 * row. */
int index_next_child(struct store_txn *txn, uint64_t parent, const char *after, size_t after_len,
		     struct index_node *out);

/* The attached or detached node of this drive with the lowest number > after.  Looks at `limit` nodes at
 * most, of any drive: -EAGAIN when none of them was, with the last one's number in out->node to go on from.
 */
int index_next_node(struct store_txn *txn, uint32_t drive, uint64_t after, unsigned limit,
		    struct index_node *out);

/* Up to `room` children of parent in the order of their names, beginning after the given one, without their
 * rows; fewer are the last.  -errno. */
struct index_child {
	uint64_t node;
	const char *name; /* lies in the map */
	size_t name_len;
};
int index_children(struct store_txn *txn, uint64_t parent, const char *after, size_t after_len,
		   struct index_child *out, size_t room, size_t *count);

/* Add n->name under n->parent; gives it a number, in n->node.  -EEXIST when the name is taken.  Borrows all.
 */
int index_add(struct store_txn *txn, struct index_node *n);
/* Rewrite a node's id, state, flags, hash, target and rev; name and parent are left alone. */
int index_update(struct store_txn *txn, const struct index_node *n);
/* Give a node another name and / or parent, and a rev.  -EEXIST when the name is taken.  The caller has made
 * sure that the new parent does not lie below the node. */
int index_move(struct store_txn *txn, uint64_t node, uint64_t parent, const char *name, size_t name_len,
	       uint64_t rev_epoch, uint64_t rev_seq);
/* Remove a node without children (-ENOTEMPTY otherwise). */
int index_remove(struct store_txn *txn, uint64_t node);
/* Cut a directory off with all below it: its name is free and nothing below is found by identity, at once;
 * the rows are removed behind it by index_sweep(). */
int index_detach(struct store_txn *txn, uint64_t node);
/* Remove at most `limit` rows that index_detach() left, of any drive; *left says whether there are more. */
int index_sweep(struct store_txn *txn, unsigned limit, bool *left);
/* Number of attached nodes of the drive, its root not counted (detached rows still count until swept). */
int index_count(struct store_txn *txn, uint32_t drive, uint64_t *count);
