/* drive_internal: the parts of the machine behind sync/drive.h, as its own files see them.
 *
 *   drive.c     observations in, the order of a step's work, barriers
 *   debounce.c  what is held and when it is due
 *   detector.c  which of it belongs together, and which node a name's identity comes from
 *   order.c     makes it so in the index, in an order in which every prefix is a valid tree
 *   outcome.c   what becomes of one name; row.c  its row; removal.c  what goes
 *   emit.c      paths, revisions, the changes that are handed out
 *   hashing.c   what only its ctime gives away
 *   closed.c    directories that may not be read
 *   walk.c      subtrees that are compared: reconcile, and what arrived as one
 *   listing.c   what a reconcile listed: most of it is what the index says
 */
#pragma once

#include "sync/debounce.h"
#include "sync/drive.h"
#include "sync/open_files.h"
#include "sync/rules.h"

enum {
	STEP_HELD_MAX = 4096, /* names a step begins with; those that belong to them come along */
	SCANS_IN_FLIGHT = 256,
	LOOKS_IN_FLIGHT = 64,
	CHILDREN_AT_ONCE =
		8192, /* of a listed directory: a million of them must not keep other drives waiting */
	RETRIES_MAX = 3,
	HASHES_IN_FLIGHT = 1024,
};

/* What a request was made for; found again by its number when the answer comes. */
enum ask_kind { ASK_SOURCE, ASK_AGAIN, ASK_UNSEEN, ASK_LISTED, ASK_HASH };
struct ask {
	struct hash_link by_request;
	enum ask_kind kind;
	bool answered; /* AGAIN: kept until the step that applies the answer */
	uint32_t request;
	unsigned retries;         /* AGAIN */
	uint64_t held, arrival;   /* SOURCE, HASH: first_arrival and arrival of the element that waits */
	struct walk *walk;        /* UNSEEN, LISTED */
	uint32_t scan;            /* LISTED: it waits for the answer */
	uint64_t until_ms;        /* HASH: when it is given up */
	TAILQ_ENTRY(ask) by_time; /* HASH */
};
TAILQ_HEAD(ask_list, ask);

struct scan {
	struct scan *next;
	struct walk *walk;
	uint32_t request;
	struct file_id dir;
	bool compare; /* the index may hold children that are not there any more; a first index spares itself
			 the look */
	bool known;   /* the index knows most of what is there: see listing.c */
	bool brief;   /* and files may be listed without their handles */
	bool crowded; /* more of it is unknown than may be looked at: list it again, not brief … */
	bool again;   /* … which is this list */
	uint64_t entries; /* that were counted to the walk */
	bool ended, unwatched;
	bool known_closed; /* it could not be read before this scan either */
	int error;
	uint64_t began;     /* arrivals when it began */
	size_t outstanding; /* entries that are still to be compared, looked at, or held */
	uint64_t *seen;     /* nodes that stand at listed names */
	size_t seen_count, seen_room;
	bool sorted;                  /* `seen` is: its comparison with the index has begun … */
	char compared[NODE_NAME_MAX]; /* … and has come to this name */
	size_t compared_len;
};

struct todo_dir {
	struct file_id dir;
	bool compare;
};

enum walk_phase { WALK_SCANNING, WALK_BARRIER, WALK_UNSEEN, WALK_SETTLING };
struct walk {
	struct walk *next;
	bool whole;     /* of the whole drive */
	bool reconcile; /* one that drive_reconcile() began; else a subtree that arrived */
	bool shallow;   /* it does not descend into what the index knows */
	enum walk_phase phase;
	struct todo_dir *todo; /* a stack: depth first keeps it short */
	size_t todo_count, todo_room;
	unsigned scans, looks; /* in flight */
	uint64_t *unseen;      /* nodes that a scan did not list */
	size_t unseen_count, unseen_room, unseen_done;
	uint32_t barrier;
	uint64_t mark;  /* a run, SCANNING: arrivals up to here are waited for; SETTLING: what must be in the
			   index */
	uint64_t began; /* the arrival that it belongs to, for drive_passed() */
	uint64_t entries, changes;
	int error;
	bool other;       /* not only directories that are remembered as closed */
	unsigned rate;    /* entries a second; 0: as fast as it goes */
	bool resting;     /* it is ahead of its rate, and asks for nothing until `paid_ms` */
	uint64_t paid_ms; /* at its rate what it took lasts until then */
	uint64_t owed;    /* and so much more: entries, times 1000 */
};

/* Directories that may not be read. */
struct closed {
	struct file_id *dirs;
	size_t count;
	bool told;  /* that not everything could be read */
	bool fewer; /* than were told */
	bool other; /* something else was missed as well, which only a run makes good */
	bool doubt; /* one of them may be deleted */
};

/* A node that stands at its swap name for a moment. */
struct swapped {
	uint64_t node;
	bool told;    /* clients see it there */
	bool reached; /* a rule could tell apart what is below it by where it was */
};

struct drive {
	struct drive_options options;
	struct debounce debounce;
	struct open_files open;
	struct hash asks;
	struct ask_list hash_asks; /* those of the kind HASH, oldest first */
	unsigned hash_ask_count;
	struct hash sources; /* of the batch: node -> the element it moves to */
	struct scan *scans;
	struct walk *walks;
	struct todo_dir *unwatched; /* directories in which changes are not seen; perhaps twice the same */
	size_t unwatched_count, unwatched_room;
	struct closed closed;
	struct walk *arrivals; /* takes what arrives in the step that runs */
	bool walk_ready;       /* an answer came in: walk_step() has something to do */
	struct file_id
		*lost; /* inodes with several names, last seen through one that is something else by now */
	size_t lost_count, lost_room;
	uint32_t listing;      /* the scan whose entries are coming in */
	struct text listed;    /* entries of `known` scans, for the next step */
	unsigned listed_looks; /* in flight */
	uint32_t requests;     /* last number given */
	bool silent;

	/* While a step runs. */
	struct store_txn *txn;
	uint64_t now_ms;
	unsigned swaps; /* nodes that clients see at a swap name: the changes belong into one frame */
	struct swapped *swapped;
	size_t swapped_count, swapped_room;
	bool walked;               /* what is being applied came from a walk */
	struct file_id parent_dir; /* the last directory looked up, and its node */
	uint64_t parent_node;
	struct text path, from, prefix; /* prefix: of prefix_node's children, with its slash */
	uint64_t prefix_node;
	bool prefix_hidden; /* clients do not see what is in prefix_node */
};

/* drive.c */
struct ask *drive_find_ask(struct drive *d, uint32_t request);
void drive_drop_ask(struct drive *d, struct ask *a);
/* Hold an ENTRY or GONE; `scan`: the one that listed it, or 0. */
int drive_hold(struct drive *d, const struct observation *o, uint32_t scan, uint64_t now_ms);
/* h stands for an entry of this scan, which waits for it from now on; no if an arrival's scan does. */
void drive_claim(struct drive *d, struct held *h, uint32_t scan);
/* Ask for a look.  `held`: for whom (SOURCE), or what was not to be applied (AGAIN); else NULL. */
int drive_ask(struct drive *d, enum ask_kind kind, const struct file_id *dir, const char *name,
	      size_t name_len, struct held *held, struct walk *walk);
static inline void identity_of(struct identity *out, const struct file_id *id)
{
	_Static_assert(sizeof(struct identity) == sizeof(struct file_id), "one is copied into the other");
	*out = *(const struct identity *)(const void *)id;
}
static inline void file_id_of(struct file_id *out, const struct identity *id)
{
	*out = *(const struct file_id *)(const void *)id;
}
/* Node of a directory by its identity, or INDEX_NONE. */
int drive_dir_node(struct drive *d, const struct file_id *dir, uint64_t *node);
/* Forget the remembered directories: identities or nodes changed. */
void drive_forget_dir(struct drive *d);
/* Identity of a node; INDEX_NONE when there is no such node. */
int drive_node_id(struct drive *d, uint64_t node, struct file_id *out);
/* 0 when the node is in the tree with this identity, INDEX_NONE when it (or a directory above it) was cut
 * off. */
int drive_is_attached(struct drive *d, uint64_t node, const struct identity *id);
/* Is `node` equal to or below `above`? */
int drive_is_below(struct drive *d, uint64_t node, uint64_t above, bool *yes);
/* A name of ours: never in the index. */
bool drive_is_reserved(struct drive *d, const struct held *h);
bool drive_same_id(const struct file_id *a, const struct identity *b);

static inline bool held_is_dir(const struct held *h)
{
	return h->state.kind == ENTRY_DIR;
}
static inline bool held_is_weak(const struct drive *d, const struct held *h)
{
	return d->options.weak_ids || file_id_is_weak(&h->id);
}

/* detector.c: from `due` and what belongs to it to `batched`, with sources set; what must ask first goes to
 * `asking`. */
int detector_gather(struct drive *d);
/* The element that this node is about to move to, or NULL. */
struct held *detector_taker(const struct drive *d, uint64_t node);
void detector_release(struct drive *d, struct held *h); /* h gives up its source */
/* One inode has one name: a dir always, a file whose link count says so. */
bool detector_exclusive(const struct drive *d, const struct held *h);

/* hashing.c: h, whose name stands for the node n as before: if its ctime alone moved and the hash of its
 * content was known, ask for that of today, and let h wait for the answer. */
int hashing_ask(struct drive *d, struct held *h, const struct index_node *n);
void hashing_expire(struct drive *d);

/* order.c: apply all of `batched` and drop it. */
int order_apply(struct drive *d);
/* BLOCKED: something that is being placed already stands in the way.  IMPOSSIBLE: what was seen cannot be
 * true as a whole any more (a directory below itself); a later look is under way, and one more is asked for.
 * Both apart from the positive answers of the index. */
enum { ORDER_BLOCKED = 100, ORDER_IMPOSSIBLE = 101, ORDER_DEPTH_MAX = 500 };
int order_place(struct drive *d, struct held *h, unsigned depth);
int order_look_again(struct drive *d, struct held *h);

/* row.c: the row that describes `id` in this state, and that of h (name and numbers apart), and the ITEM_* of
 * what clients are told of a difference. */
void row_of(struct drive *d, const struct file_id *id, const struct entry_state *s, struct index_node *n);
void row_of_held(struct drive *d, const struct held *h, struct index_node *n);
unsigned row_difference(const struct index_node *was, const struct index_node *is);
/* The birth time of a file that is what it was is told for the first time, or better than before; clients are
 * told nothing of it. */
bool row_learns_birth(const struct index_node *was, const struct index_node *is);

/* outcome.c: what becomes of the name h; its directory is in the index and the name is free, or has the node
 * to keep. */
int outcome_same(struct drive *d, struct held *h, const struct index_node *n);
int outcome_replaced(struct drive *d, struct held *h, uint64_t occupant, unsigned depth);
int outcome_created(struct drive *d, struct held *h, uint64_t parent);
int outcome_moved(struct drive *d, struct held *h, uint64_t parent);
/* The name is not in the tree (it is ours, or its directory left), but the file may have other names that
 * are. */
int outcome_elsewhere(struct drive *d, struct held *h);

/* removal.c: a node and what is below it; names of the batch that were seen to be gone, alone or in one
 * directory; other nodes with the identity of a directory (but `keep`). */
int removal_of(struct drive *d, uint64_t node, unsigned depth);
int removal_of_gone(struct drive *d, struct held *h, unsigned depth);
int removal_of_children(struct drive *d, const struct identity *dir, unsigned depth);
int removal_of_namesakes(struct drive *d, const struct held *h, uint64_t keep, uint64_t parent,
			 unsigned depth);
/* Look at some names of this inode: what is new of it is told for all. */
int removal_look_at_links(struct drive *d, const struct identity *id);

/* emit.c: each makes the change in the index, with its revision, and hands it out. */
int emit_swapped_aside(struct drive *d, uint64_t node);
void emit_leave_swap(struct drive *d, uint64_t node);
bool emit_is_swapped(const struct drive *d, uint64_t node); /* it stands at its swap name */
int emit_created(struct drive *d, struct index_node *n, bool open);
int emit_updated(struct drive *d, struct index_node *n, unsigned changed, bool open);
/* The row that describes it after the move goes in as well, so that one change tells it all.  *as_move:
 * clients saw it before and after; else it was created or deleted for them, or they see nothing of it. */
int emit_moved(struct drive *d, uint64_t parent, const char *name, size_t name_len,
	       const struct index_node *state, bool open, bool *as_move);
int emit_deleted(struct drive *d, uint64_t node);
/* The row is as n says, and nobody needs to know. */
int emit_nothing(struct drive *d, struct index_node *n);
/* Do the rules hide the name h?  No where its directory is not in the index. */
int emit_hides(struct drive *d, const struct held *h, bool *hides);
/* Would a move of this directory to that place change whether clients see it, or anything below it? */
int emit_border(struct drive *d, uint64_t dir, uint64_t parent, const char *name, size_t name_len,
		bool *crosses);

/* closed.c */
/* This directory may not be read.  False: it cannot be remembered. */
bool closed_note(struct drive *d, const struct file_id *dir);
bool closed_has(const struct drive *d, const struct file_id *dir);
/* It was read, or is no more. */
void closed_forget(struct drive *d, const struct file_id *dir);
/* Tell when some of them have been read since.  Called at the end of a step. */
int closed_settle(struct drive *d);
void closed_clear(struct drive *d);

/* listing.c: take an entry of the scan s; compare those that were taken; the look at one was answered. */
int listing_put(struct drive *d, struct scan *s, const struct observation *o);
int listing_step(struct drive *d);
void listing_looked(struct drive *d, const struct ask *a, const struct observation *o);
void listing_clear(struct drive *d);

/* walk.c */
/* NULL: it is over. */
struct scan *walk_scan(struct drive *d, uint32_t request);
/* A name that the scan s listed is what the index says at `node`; nothing of it is held. */
int walk_confirmed(struct scan *s, const struct index_node *n);
/* A look at a listed name failed. */
void walk_failed(struct drive *d, struct walk *w, const struct file_id *dir, int error);
/* The directory at h came with what is in it. */
int walk_arrived(struct drive *d, const struct held *h);
int walk_begin(struct drive *d, const struct file_id *dir, bool whole);
/* One of the directories in which changes are not seen. */
int walk_begin_unwatched(struct drive *d);
void walk_pace(struct drive *d, unsigned rate);
/* When a walk that rests goes on; UINT64_MAX: none does. */
uint64_t walk_deadline(const struct drive *d);
bool walk_reconciling(const struct drive *d);
/* A name that a scan listed stands for this node now; a dir among them is walked too.  ARRIVED (another
 * identity) and NEW: it may be newer than the run, so that a barrier which is asked for now has to wait for
 * its content. */
enum walk_how { WALK_KNOWN, WALK_ARRIVED, WALK_NEW };
int walk_applied(struct drive *d, const struct held *h, uint64_t node, enum walk_how how);
/* Does the scan belong to a subtree that arrived?  Then its claim on a name counts more than a run's. */
bool walk_is_arrival(struct drive *d, uint32_t request);
/* The scan waits for one more entry; for one less (0: no scan does). */
void walk_awaits(struct drive *d, uint32_t request);
void walk_unlisted(struct drive *d, uint32_t request);
void walk_scan_began(struct drive *d, uint32_t request);
void walk_scan_ended(struct drive *d, uint32_t request, int error);
void walk_barrier(struct drive *d, uint32_t request);
void walk_looked(struct drive *d, struct walk *w, const struct observation *looked);
/* Go on: finished scans, next requests, phases. */
int walk_step(struct drive *d);
bool walk_passed(const struct drive *d, uint64_t mark);
void walk_clear(struct drive *d);
