/* net_fake: a server with a real store in a fresh directory, an engine that answers what it is asked, and a
 * loop that tests turn themselves.  Include after cmocka.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "net/internal.h"
#include "net_client.h"
#include "store/drives.h"
#include "store/runs.h"
#include "sync/engine.h"

struct engine {
	struct engine_request *asked[256]; /* not answered yet */
	unsigned count;
	bool stopping;
};

struct net_fixture {
	char directory[64];
	uv_loop_t loop;
	uv_timer_t watchdog;
	struct store *store;
	struct server *server;
	struct engine engine;
	bool hold; /* questions to the engine wait for net_answer() */
	bool stopped;
	unsigned appended;
	char token[TOKEN_TEXT_LEN + 1]; /* read + admin, every drive */
};

/* Drives "music" (indexed) and "later" (not yet). */
int net_setup(void **state);
int net_teardown(void **state);

/* Turn the loop once; waits until something happens. */
void net_turn(struct net_fixture *f);
/* Turn it until nothing more is to be done at once. */
void net_settle(struct net_fixture *f);
void net_answer(struct net_fixture *f);

uint64_t net_add_token(struct net_fixture *f, unsigned scopes, const char *drives, int64_t expires,
		       char out[TOKEN_TEXT_LEN + 1]);
/* Append n created items (numbered through, `padding` bytes more each) to a stream, with the event; tell the
 * server. */
void net_append(struct net_fixture *f, const char *stream, enum event_type event, unsigned n,
		unsigned padding);
void net_append_flags(struct net_fixture *f, const char *stream, enum event_type event, unsigned flags);
void net_advanced(struct net_fixture *f, const char *stream);
void net_note(struct net_fixture *f, const char *stream, enum event_type event, const char *item);
void net_drive(struct net_fixture *f, const char *drive, enum drive_state state);
/* Mark it indexed in the store. */
void net_indexed(struct net_fixture *f, const char *drive);
void net_add_files(struct net_fixture *f, const char *drive, unsigned n);
void net_tail(struct net_fixture *f, const char *stream, char out[POSITION_TEXT_MAX]);
void net_prune(struct net_fixture *f, const char *stream, uint64_t keep);
void net_new_epoch(struct net_fixture *f, const char *stream);

/* A client that has said hello; `welcome` was read. */
struct net_client *net_hello(struct net_fixture *f, const char *token, const char *client);
