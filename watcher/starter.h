/* starter: the process that may still make privileged ones.
 *
 * main() forks it first of all: before threads, network and store, and before the daemon gives up its
 * capabilities.  It keeps them, and does nothing but fork watchers on request, hand over their sockets, and
 * reap them.  It ends when the daemon's end of its socket closes, and every watcher ends when the daemon's
 * end of *its* socket closes, so nothing outlives a killed daemon.  Requests and answers are single
 * SOCK_SEQPACKET messages, versioned and length-checked. */
#pragma once

#include <sys/types.h>

struct starter;

/* Fork the starter.  Call while the process has one thread.  Returns in the daemon only; *out is freed by
 * starter_free(), which closes the socket and reaps the process. */
int starter_fork(struct starter **out);
/* Ask for a watcher process.  On success *fd is the caller's end of its socket (non-blocking, close-on-exec),
 * *pid is for log lines.  Waits for the answer, which needs one fork.  -EPIPE: the starter is dead, so the
 * daemon must stop. One thread at a time. */
int starter_watcher(struct starter *s, int *fd, pid_t *pid);
void starter_free(struct starter *s); /* NULL is allowed */
