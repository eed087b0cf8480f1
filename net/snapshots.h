/* snapshots: one spool for all who ask at about the same time, taken on worker threads, a bounded number at
 * once.
 *
 * A spool is shared by everybody who asks for the drive while it is being taken and within a second after.
 * When as many spools are held as allowed (slow clients keep theirs until they have read it), the newest one
 * of the drive is given again, however old: the journal bridges the time since, as long as it reaches back
 * that far.  Loop thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "store/snapshot.h"
#include "store/text.h"

struct server;
struct store;
struct stream;
struct subscription;

enum { SPOOLS_MAX = 8, SPOOLS_AT_ONCE = 2, SPOOL_SHARED_MS = 1000 };

struct spool {
	TAILQ_ENTRY(spool) link;
	struct server *server;
	struct stream *stream;
	unsigned references; /* subscriptions; and one while it is taken or given to newcomers */
	bool queued, taking, ready, shared;
	int error;
	uint64_t ready_ms;
	struct snapshot *snapshot;
	uv_work_t work;
};

struct snapshots {
	TAILQ_HEAD(spool_list, spool) spools;
	unsigned taking;
	/* The page sent last, as a message: clients in step share it. */
	struct spool *page_spool;
	uint64_t page_class;
	size_t page_number;
	struct text page;
};

void snapshots_init(struct snapshots *s);
void snapshots_deinit(struct snapshots *s);
/* Give sub a spool; on_spool_ready() comes at once or later.  -EBUSY: none can be had now. */
int snapshots_ask(struct server *server, struct subscription *sub);
void spool_unref(struct spool *s); /* NULL is allowed */
/* Page `page` as a message in fragments, for members of sub's class: bytes valid until the next call. -errno.
 */
int snapshots_page(struct server *server, struct subscription *sub, const char **bytes, size_t *len);
/* Stop giving old spools to newcomers; true while there are any to come back for. */
bool snapshots_tick(struct server *server);
bool snapshots_busy(const struct snapshots *s); /* a worker is still writing one */
