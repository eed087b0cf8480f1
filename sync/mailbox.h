/* mailbox: hands messages to a libuv loop of another thread, in the order in which they were posted.
 *
 * Each loop is single-threaded and parts speak by messages; this is the only place where two threads meet.  A
 * message embeds a struct mail and belongs to the mailbox from mailbox_post() until on_mail gets it, which
 * owns it then. */
#pragma once

#include <stdbool.h>
#include <uv.h>

struct mail {
	struct mail *next;
};

struct mailbox {
	uv_async_t async;
	uv_mutex_t lock;
	struct mail *first, **last;
	bool closed;
	void *context;
	void (*on_mail)(void *context, struct mail *mail);
};

/* On the thread of `loop`, or before it runs. */
int mailbox_init(struct mailbox *m, uv_loop_t *loop, void (*on_mail)(void *context, struct mail *mail),
		 void *context);
/* Any thread.  False when the mailbox is closed: the message is then still the caller's. */
bool mailbox_post(struct mailbox *m, struct mail *mail);
/* On the loop's thread: what was posted before is still delivered, now; then the async handle is closed, on
 * the loop. */
void mailbox_close(struct mailbox *m);
