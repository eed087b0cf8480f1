/* starter: the process that may still make privileged ones.
 *
 * main() forks it first of all: before threads, network and store, and before the daemon gives up its
 * capabilities.  It keeps them, and does nothing but fork watchers and file helpers on request, hand over
 * their sockets, and reap them.  It ends when the daemon's end of its socket closes, and each of them ends
 * when the daemon's end of *its* socket closes, so nothing outlives a killed daemon.  Requests and answers
 * are single SOCK_SEQPACKET messages, versioned and length-checked. */
#pragma once

#include <sys/types.h>

struct starter;

enum starter_kind {
	START_WATCHER = 1,
	START_HELPER = 2, /* a file helper (helper.h) that may write */
	START_READER = 3, /* one that can only read */
};

/* Fork the starter.  Call while the process has one thread.  Returns in the daemon only; *out is freed by
 * starter_free(), which closes the socket and reaps the process. */
int starter_fork(struct starter **out);
/* Ask for a process.  On success *fd is the caller's end of its socket (non-blocking, close-on-exec),
 * *pid is for log lines.  Waits for the answer, which needs one fork.  -EPIPE: the starter is dead, so the
 * daemon must stop. One thread at a time. */
int starter_start(struct starter *s, enum starter_kind kind, int *fd, pid_t *pid);
void starter_free(struct starter *s); /* NULL is allowed */
