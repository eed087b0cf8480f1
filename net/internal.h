/* internal: the parts of net/ as they know each other.  One thread, one loop, no locks.
 *
 *   listener ─► peer (an accepted socket) ─► exchange (HTTP: routes*) or connection (WebSocket)
 *   connection ─► subscription ─► class ─► stream ─► the store's journal
 *   pump moves what streams have to the classes' rings and from there, or from the journal, to the sockets
 *
 * Ownership goes from left to right, downwards: the server owns peers and streams, a connection its
 * subscriptions, a stream its classes (which live as long as they have members). */
#pragma once

#include <libwebsockets.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "net/auth.h"
#include "net/encode.h"
#include "net/events.h"
#include "net/filter.h"
#include "net/frame.h"
#include "net/listener.h"
#include "net/ring.h"
#include "net/server.h"
#include "net/snapshots.h"
#include "store/journal.h"
#include "store/store.h"
#include "store/text.h"

struct ask;
struct class;
struct connection;
struct exchange;
struct peer;
struct stream;
struct subscription;

enum {
	CONTROL_MAX_BYTES = 64 * 1024,   /* of replies and notes that wait for one connection */
	CONTROL_NOTES_BYTES = 32 * 1024, /* beyond this, notes are dropped */
	SUBSCRIPTIONS_MAX = 64,
	BARRIERS_MAX = 16,
	WRITE_BYTES = 64 * 1024,             /* aim of one write, and of one frame of events */
	ADVANCE_BYTES = 256 * 1024,          /* of records that one turn reads for a stream's classes */
	CATCH_UP_RECORDS = 16384,            /* that one turn looks at for one subscription */
	RING_MAX_BYTES = 8 * 1024 * 1024,    /* of one class */
	RING_MIN_BYTES = 64 * 1024,          /* however many classes there are */
	RINGS_MAX_BYTES = 128 * 1024 * 1024, /* of all together, the minimum apart */
	SEND_BUFFER_BYTES = 256 * 1024,
	PACKET_BYTES = 512 * 1024,
};

enum close_code {
	CLOSE_GOING_AWAY = 1001,
	CLOSE_TOO_LARGE = 1009,
	CLOSE_INTERNAL = 1011,
	CLOSE_UNAUTHORIZED = 4401,
	CLOSE_FORBIDDEN = 4403,
	CLOSE_NO_HELLO = 4408,
	CLOSE_LIMIT = 4409,
};

TAILQ_HEAD(stream_list, stream);
TAILQ_HEAD(class_list, class);
TAILQ_HEAD(subscription_list, subscription);
TAILQ_HEAD(connection_list, connection);
TAILQ_HEAD(peer_list, peer);
TAILQ_HEAD(ask_list, ask);
TAILQ_HEAD(barrier_list, barrier);

/* What the tests make shorter. */
struct server_limits {
	unsigned tick_ms, hello_ms, mark_ms, close_ms, stop_ms, idle_ring_ms;
	size_t ring_bytes;
};

struct server {
	uv_loop_t *loop;
	struct store *store;
	struct engine *engine;
	char *state_dir, *version;
	char instance[17]; /* `server` in welcome: differs from start to start */
	struct server_limits limits;
	struct lws_context *lws;
	struct lws_vhost *vhost;
	struct listener tcp, control;
	struct auth auth;
	struct snapshots snapshots;
	struct stream_list streams;
	struct peer_list peers;
	size_t sessions; /* connections that said hello */
	uint64_t classes_made;
	unsigned class_count;
	struct ask_list asks;
	/* pump.c */
	uv_idle_t idle;
	struct connection_list live, behind;
	/* tick.c */
	uv_timer_t tick;
	bool ticking;
	/* server.c */
	bool stopping, destroying;
	uv_timer_t stop_timer;
	uint64_t stop_at_ms;
	unsigned handles; /* of ours that the loop still has */
	void (*on_stopped)(void *context);
	void *stopped_context;
	struct text scratch_items, scratch_head,
		scratch_out; /* for whoever encodes, within one function call */
	struct text unsaid;  /* what is said to a connection that is closing */
	uint64_t notes_told;
};

/* ---- peer.c: an accepted socket, until libwebsockets is done with it */

struct peer {
	TAILQ_ENTRY(peer) link;
	struct server *server;
	struct lws *wsi;
	bool local;                  /* on the control socket */
	bool refused;                /* … and of a user who is nobody there */
	uint64_t since_ms;           /* accepted, or the last request ended */
	struct principal *principal; /* of the request being served, or of the upgrade; NULL: none */
	struct exchange *exchange;
	struct connection *connection;
};

void on_peer_accepted(void *server, struct listener *l, int fd);
void peer_free(struct peer *p);
/* Drop the socket soon, from anywhere. */
void peer_kill(struct peer *p);
/* Find out whose request this is, by its Authorization header or the socket it came on: sets p->principal.
 * 0; -EACCES: nobody's; -EPERM: refused on the control socket; -ENOENT: nothing was shown; other -errno. */
int peer_identify(struct peer *p);

/* ---- protocol.c: what libwebsockets calls */

extern const struct lws_protocols net_protocols[];

/* ---- ask.c: requests to the engine that wait for its answer */

struct ask {
	TAILQ_ENTRY(ask) link;
	struct engine_request request;
	struct server *server;
	void *owner; /* NULL: nobody waits any more */
	void (*on_answer)(struct ask *ask);
};

/* Send it: 0, -EAGAIN when the engine is stopping, -ENOMEM.  on_answer runs once, unless ask_forget() came
 * first. */
int ask_engine(struct server *s, const struct engine_request *request, void *owner,
	       void (*on_answer)(struct ask *ask));
void ask_forget(struct server *s, const void *owner);
void ask_answered(struct server *s, struct engine_request *request);
void ask_free_all(struct server *s);

/* ---- stream.c: a stream that somebody may subscribe to */

struct stream {
	TAILQ_ENTRY(stream) link;
	struct server *server;
	char name[JOURNAL_NAME_MAX + 1];
	const char *drive;           /* inside name; NULL: the bus */
	struct journal *journal;     /* NULL until the store has it */
	struct drive_status *status; /* NULL until the engine told it */
	struct position read;        /* all classes have seen the records up to here */
	struct position came_in;     /* the last record that made a class need a snapshot of it or later */
	struct class_list classes;
	unsigned waiting; /* subscriptions that wait for the first index */
	bool dirty;       /* the journal has, or may have, more than `read` */
};

int stream_new(struct server *s, const char *name, struct stream **out);
void stream_free(struct stream *st);
struct stream *stream_find(struct server *s, const char *name);
struct stream *stream_of_drive(struct server *s, const char *drive);
/* The stream that somebody means and may use in this way: 0, or the error to answer; never tells whether a
 * drive exists that his token does not cover. */
int stream_look_up(struct server *s, const struct principal *p, unsigned scope, const char *name,
		   struct stream **out, enum net_error *error);
/* The journal, opened at need: 0, JOURNAL_ABSENT, -errno. */
int stream_journal(struct stream *st, struct store_txn *txn);
int stream_tail(struct stream *st, struct store_txn *txn, struct position *tail);
/* Its first index is complete: cursors and snapshots of it mean something. */
bool stream_ready(struct stream *st, struct store_txn *txn);
/* Know the epoch and, with no class told anything yet, where to begin.  Ends subscriptions of an epoch that
 * is over. 0, JOURNAL_ABSENT, -errno. */
int stream_locate(struct stream *st, struct store_txn *txn);
/* Give the classes what the journal has, a bounded amount; clears `dirty` at the tail. */
void stream_advance(struct stream *st);
/* A snapshot from before this record is no good for a class with prefixes any more. */
void stream_came_in(struct stream *st, uint64_t seq);
/* End every subscription of the stream. */
void stream_reset(struct stream *st, const char *reason);

/* ---- class.c: all subscribers with the same stream and filter */

struct class
{
	TAILQ_ENTRY(class) link;
	struct stream *stream;
	struct filter filter; /* its own */
	bool broken;          /* what comes next cannot be told by records */
	uint64_t number;      /* never used twice */
	char name[24];        /* "s" and the number */
	struct subscription_list members;
	struct ring ring;         /* its tail is where the next frame begins */
	struct text items;        /* of the frame being built */
	uint64_t silent_since_ms; /* the cursor has moved without a frame since; 0: it has not */
	uint64_t mark_at;         /* a barrier waits for this seq */
	uint64_t used_ms;         /* the last frame */
};

/* Copies the filter of a new one. */
int class_get(struct stream *st, const struct filter *filter, struct class **out);
bool class_is(const struct class *c, const struct filter *filter);
void class_release(struct class *c); /* frees it when it has no member */
/* One record of the journal, which the stream's classes parse at most once. */
void class_offer(struct class *c, struct filter_record *record);
/* Everything up to `cursor` has been offered: close the frame if it holds anything (or is due).  -ENOMEM. */
int class_close(struct class *c, const struct position *cursor);
/* Tell the members a cursor that moved without events. */
int class_mark(struct class *c);

/* ---- reader.c: frames for one subscription alone, out of the journal */

struct reader_batch {
	struct position read; /* in: after which record to go on; out: the last one looked at */
	bool items;           /* something was found */
};
/* Read at most up to `until` (a seq, a border), about WRITE_BYTES of items or CATCH_UP_RECORDS records: the
 * items, with commas between, are appended to t.  0, JOURNAL_PRUNED, READER_CAME_IN: no record can tell what
 * comes next (net/filter.h); -errno. */
enum { READER_CAME_IN = 100 /* beside journal_answer */ };
int reader_read(struct stream *st, struct store_txn *txn, const struct filter *filter, uint64_t until,
		struct reader_batch *batch, struct text *t);

/* ---- subscription.c / deliver.c: one client's place in a class */

enum subscription_state {
	SUBSCRIPTION_WAITING,  /* for the drive's first index */
	SUBSCRIPTION_SPOOLING, /* for its snapshot to be taken */
	SUBSCRIPTION_SNAPSHOT, /* pages are being sent */
	SUBSCRIPTION_BEHIND,   /* its next frame is its own */
	SUBSCRIPTION_LIVE,     /* its next frame is the class's frame number `frame` */
};

struct subscription {
	TAILQ_ENTRY(subscription) of_connection, of_class;
	struct connection *connection;
	struct class *class;
	enum subscription_state state;
	enum frame_from from;
	struct position sent; /* the cursor of the last frame; WAITING: the one asked for */
	struct position read; /* BEHIND: looked at up to here, nothing to send since `sent` */
	uint64_t frame;       /* LIVE */
	struct spool *spool;  /* SPOOLING, SNAPSHOT */
	size_t page, page_at; /* SNAPSHOT: bytes of this page's message that are out */
	char *id;             /* the client's, as JSON */
};

/* Answer a subscribe frame: everything up to `subscribed`, `reset` or `error` happens here or when the index
 * is done. */
void subscribe(struct connection *c, const struct frame *f);
void unsubscribe(struct connection *c, const struct frame *f);
/* A drive may have become ready. */
void subscribe_waiting(struct stream *st);
void on_spool_ready(struct subscription *sub, int error);
void subscription_free(struct subscription *sub);
/* End it with a reset (`id` as long as it was not answered, else `sub`). */
void subscription_reset(struct subscription *sub, const char *reason);
/* Everything up to `cursor` has been written to the socket (or handed to it). */
bool subscription_reached(const struct subscription *sub, const struct position *cursor);

enum deliver_answer { DELIVER_DONE, DELIVER_MORE };
/* Send the class's frames; only when the connection can be written to. */
enum deliver_answer deliver_live(struct subscription *sub);
/* One step of catching up; likewise.  May free sub (a reset). */
enum deliver_answer deliver_behind(struct subscription *sub);
/* The rest of a message of which a part is out already; nothing else may be sent meanwhile. */
enum deliver_answer deliver_page(struct subscription *sub);
/* Where does it stand: LIVE or BEHIND? */
void subscription_settle(struct subscription *sub);
/* It is the one of which a part of a message is out: hand the rest to the connection's replies. */
void subscription_finish_message(struct subscription *sub);

/* ---- barrier.c */

struct barrier {
	TAILQ_ENTRY(barrier) link;
	struct connection *connection;
	struct stream *stream;
	bool answered;
	struct position cursor;
	char id[];
};

void barrier_request(struct connection *c, const struct frame *f);
/* Send those whose cursor this connection's subscriptions have reached. */
void barrier_flush(struct connection *c);
void barrier_free_all(struct connection *c);

/* ---- connection.c: a WebSocket session */

enum connection_state {
	CONNECTION_NEW, /* no hello yet */
	CONNECTION_READY,
	CONNECTION_CLOSING, /* the last words and the close frame are being sent, the peer's is awaited */
	CONNECTION_CLOSED,  /* the peer has closed, or is to be dropped */
};

struct connection {
	TAILQ_ENTRY(connection) on_live, on_behind;
	bool is_live, is_behind; /* on the pump's lists */
	struct peer *peer;
	struct server *server;
	enum connection_state state;
	uint64_t since_ms; /* of the state */
	struct principal *principal;
	struct subscription_list subscriptions;
	unsigned subscription_count, barrier_count;
	struct barrier_list barriers;
	struct text received;             /* of a frame that came in pieces */
	struct text control;              /* replies not written yet, whole messages */
	size_t control_extra;             /* bytes in it that do not count: the rest of a page */
	struct subscription *mid_message; /* a part of its page is out */
	uint64_t noted;                   /* server.notes_told of the note it got last */
	char *client, *name;
	char session[23];
};

int connection_new(struct peer *p);
/* libwebsockets has closed it. */
void connection_free(struct connection *c);
void connection_receive(struct connection *c, const char *bytes, size_t len, bool last, bool binary);
/* Nothing more is to be sent: the peer said close, or is gone. */
void connection_ended(struct connection *c);
/* The peer's close frame.  0: libwebsockets answers it; -1: it was the answer to ours, hang up. */
int connection_peer_closes(struct connection *c);

bool connection_can_write(const struct connection *c);
/* Whole messages, only after connection_can_write(). */
void connection_write(struct connection *c, const char *bytes, size_t len);
/* A reply: encode into this, then connection_said().  Never lost: a connection that does not read is closed.
 */
struct text *connection_say(struct connection *c);
void connection_said(struct connection *c);
void connection_error(struct connection *c, const char *id, enum net_error e, const char *message);
/* A message that may be dropped. */
void connection_note(struct connection *c, const char *bytes, size_t len);
/* Send what is queued, then close with the code. */
void connection_close(struct connection *c, enum close_code code);
/* As connection_close(), after an error. */
void connection_fail(struct connection *c, enum close_code code, enum net_error e, const char *message);
/* Write queued replies; false while they are not all out. */
bool connection_flush(struct connection *c);
/* If it said hello: its token no longer counts. */
void connection_check_principal(struct connection *c);

/* ---- notes (connection.c) */
void note_broadcast(struct server *s, struct stream *st, enum event_type event, const char *item);

/* ---- pump.c */

void pump_live(struct connection *c);   /* it may have something of a class to send */
void pump_behind(struct connection *c); /* … or something of its own */
void pump_remove(struct connection *c);
void pump_stream(struct stream *st); /* there may be new records */
void on_pump(uv_idle_t *idle);
/* Everything that can be sent at once. */
void pump_connection(struct connection *c);

/* ---- tick.c: what is due by the clock, looked at once a second while there is anything */

void tick_need(struct server *s);
void on_tick(uv_timer_t *timer);

/* ---- exchange.c / routes.c: one HTTP request and its answer */

enum method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_DELETE, METHOD_OTHER };

struct exchange {
	struct peer *peer;
	struct server *server;
	struct principal *principal; /* borrowed from the peer */
	enum method method;
	char path[256];
	const struct route *route;
	char argument[64]; /* what stands for {} in the route */
	struct text body;
	uint64_t since_ms;
	uint64_t body_expected;
	bool too_large, complete, answered, sent;
	bool unread; /* answered without waiting for its body */
	int status;
	const char *headers; /* further ones, each with CRLF */
	struct text answer;
	char content_type[40];
};

enum { BODY_MAX_BYTES = 64 * 1024, BODY_DRAIN_BYTES = 8 * 1024 * 1024, QUERY_MAX_BYTES = 1000 };

/* A request's headers are there.  Non-zero: close. */
int exchange_begin(struct peer *p, const char *uri);
int exchange_body(struct peer *p, const char *bytes, size_t len);
int exchange_complete(struct peer *p);
int exchange_writable(struct peer *p);
void exchange_free(struct peer *p);
/* The body as an object with no members but those allowed (a NULL-terminated list); NULL: answered with an
 * error.  The caller ends with json_decref(). */
json_t *exchange_object(struct exchange *x, const char *const *allowed);
/* RFC 3339 text of unix nanoseconds; null for 0. */
json_t *exchange_time(int64_t ns);
/* Answer with a JSON object (takes it) or with an error. */
void exchange_json(struct exchange *x, int status, json_t *object);
void exchange_text(struct exchange *x, int status, const char *text);
void exchange_error(struct exchange *x, int status, const char *code, const char *message);
/* The answer to an upgrade that is not granted. */
int exchange_refuse_upgrade(struct peer *p, int error);
/* Read an argument of the query; false when it is absent. */
bool exchange_argument(struct exchange *x, const char *name, char *out, size_t room);

struct route {
	enum method method;
	const char *path; /* one `{}` in it takes one component */
	unsigned scope;   /* of enum token_scope; 0: anybody, without a token */
	void (*serve)(struct exchange *x);
};
extern const struct route net_routes[];
extern const size_t net_route_count;
/* Find it, check rights, serve or answer an error. */
void route_serve(struct exchange *x);
/* Is there a route for this path and method?  False: answered, with 404 or 405. */
bool route_find(struct exchange *x);
/* Before the body is read: can this be served at all?  False: answered. */
bool route_admit(struct exchange *x);

void serve_status(struct exchange *x);
void serve_ready(struct exchange *x);
void serve_trigger(struct exchange *x);
void serve_barrier(struct exchange *x);
void serve_history(struct exchange *x);
void serve_adopt(struct exchange *x);
void serve_tokens(struct exchange *x);
void serve_token_create(struct exchange *x);
void serve_token_revoke(struct exchange *x);
/* routes_token.c: a token is no longer good; connections that came with it are closed. */
void token_revoked(struct server *s, uint64_t token);

static inline uint64_t now_ms(struct server *s)
{
	return uv_now(s->loop);
}
