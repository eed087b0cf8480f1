/* helper_internal: the parts of a file helper process. */
#pragma once

#include <sys/queue.h>

#include "watcher/drive.h"
#include "watcher/helper_message.h"

/* helper_beneath.c */
/* Open a relative path of any length beneath `root`, never through a link and never on another mount.
 * `flags` as for openat2(2). */
int helper_open_beneath(int root, const char *path, size_t len, int flags);
/* Open what the O_PATH descriptor stands for, for reading. */
int helper_reopen(int path_fd);

/* helper_own.c: `.wakeline` in the root.  A descriptor of it, made when it is missing and `make` says so;
 * -ENOENT, -EROFS, -EPERM: it belongs to somebody else. */
int helper_own_open(int root, bool make);
/* *epoch is 0 when there is none.  -EINVAL: the file holds something else. */
int helper_own_read_epoch(int own, uint64_t *epoch);
int helper_own_write_epoch(int own, uint64_t epoch);
int helper_own_probe(int own);

/* helper_hash.c: files that are hashed, a piece of each at a time. */
enum { HELPER_HASHES_MAX = 4096 }; /* that wait; more are refused with -EBUSY */
struct hash_job;
TAILQ_HEAD(hash_job_list, hash_job);
struct hash_queue {
	struct hash_job_list open;            /* begun */
	struct hash_job_list waiting, idling; /* not begun: somebody waits for it, or nobody */
	unsigned open_count, count;
	bool idle_priority;
	uint8_t *buf;
};
void hash_queue_init(struct hash_queue *q);
void hash_queue_clear(struct hash_queue *q);
int hash_queue_add(struct hash_queue *q, const struct helper_request *r);
void hash_queue_cancel(struct hash_queue *q, uint32_t request);
static inline bool hash_queue_busy(const struct hash_queue *q)
{
	return q->count > 0;
}
/* Read and hash one piece of one file.  True: *out is the answer to one request. */
bool hash_queue_step(struct hash_queue *q, struct watch_drive *d, struct helper_answer *out);
