/* stream: keeps a WebSocket to the server and carries a feed's frames over it, by libwebsockets.
 *
 * The first attempt has to succeed; from then on a lost connection is made again for as long as it takes,
 * with client/backoff.h between attempts.  SIGINT, SIGTERM and SIGHUP end it as DONE. */
#pragma once

#include <stdbool.h>

#include "client/endpoint.h"
#include "client/feed.h"

struct stream_options {
	const struct endpoint *endpoint; /* borrowed */
	struct feed *feed;               /* borrowed */
	void *context;
	/* After each frame: what was handed out is complete.  False: stop, nobody takes it any more. */
	bool (*on_frame)(void *context);
	void (*notice)(void *context, const char *text);
};

/* Returns an enum client_exit; what went wrong has been said by `notice`.  One at a time in a process. */
int stream_run(const struct stream_options *options);
