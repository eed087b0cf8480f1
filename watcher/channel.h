/* channel: the watcher's end of its socket.  Observations go out in the order in which they were emitted;
 * requests come in and wait in two queues, because what somebody waits for (a look, a barrier, a new drive)
 * must not stand behind a thousand scans.
 *
 * A full socket blocks channel_flush(), and nothing else is then observed, but requests are still taken in:
 * the daemon may be busy writing them.  Once the peer is gone the channel is closed: emitting does nothing
 * any more. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watcher/observation.h"

struct channel;

enum channel_queue { CHANNEL_URGENT, CHANNEL_SCANS, CHANNEL_DEFERRED };

/* Borrows the socket, which becomes non-blocking. */
int channel_new(struct channel **out, int socket);
void channel_free(struct channel *c); /* NULL is allowed */

/* Append; what is buffered goes out when it is much.  The fields that o borrows are copied. */
void channel_emit(struct channel *c, const struct observation *o);
/* End the batch if anything was emitted since the last end. */
void channel_end_batch(struct channel *c);
/* Write all that is buffered; waits for the peer. */
void channel_flush(struct channel *c);

/* Read what the socket holds into the queues. */
void channel_receive(struct channel *c);
/* Take the oldest request of a queue; false when there is none.  What it borrows is valid until the next call
 * of channel_next() for that queue. */
bool channel_next(struct channel *c, enum channel_queue queue, struct watch_request *out);
bool channel_has(const struct channel *c, enum channel_queue queue);
/* Put a request aside; all that were are requests again, in their order, after channel_resume(). */
void channel_defer(struct channel *c, const struct watch_request *r);
void channel_resume(struct channel *c);
/* The peer is gone, or spoke nonsense, or there is no memory: the process ends. */
bool channel_closed(const struct channel *c);
