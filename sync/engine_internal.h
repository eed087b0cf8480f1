/* engine_internal: the parts of the engine, all on its one thread.
 *
 *   engine.c           the thread, its loop, and a turn: steps, one commit, then telling
 *   engine_requests.c  what the rest of the daemon asks: trigger, barrier, tokens
 *   engine_news.c      what the rest of the daemon is told
 *   watched.c          one drive: its machine, its journal, its state
 *   adopt.c            another directory takes the place of a drive's root
 *   run.c              reconcile passes and their history
 *   pass.c             drives that are compared again and again
 *   rules_walk.c       rules that are others than before
 *   storm.c            how soon a run may follow lost events
 *   queue_alarm.c      when to warn of events that wait
 *   sync_item.c        the JSON of sync.* events
 *   unread.c           which directories could not be read
 *   watch.c            one watcher process: frames in, requests out
 *   helper.c           one drive's file helper process: requests out, answers in
 *   epoch.c            the epoch that the drive holds
 *   listen.c           the self-probe of the watcher
 *   verify.c           the slow pass over all contents
 */
#pragma once

#include <sys/types.h>
#include <uv.h>

#include "store/drives.h"
#include "store/journal.h"
#include "store/store.h"
#include "store/text.h"
#include "sync/drive.h"
#include "sync/engine.h"
#include "sync/hash.h" /* container_of */
#include "sync/probe.h"
#include "sync/queue_alarm.h"
#include "sync/rules.h"
#include "sync/storm.h"
#include "watcher/helper_message.h"

enum {
	OFFLINE_RETRY_MS = 5000,
	WATCHER_RETRY_MS = 1000,
	STATUS_INTERVAL_MS = 100,
	PROGRESS_INTERVAL_MS = 1000,
	LOG_INTERVAL_MS = 10000,
	BULK_COMMIT_MS = 100, /* a first index commits this often, nobody waits for it */
	PRUNE_LIMIT = 1000,
	SWEEP_LIMIT = 2000,
	RUNS_KEPT = 1000,
	UNREAD_PATH_MAX = 112,
	UNREAD_TEXT_MAX = RUN_ERROR_MAX + 1,
};

struct helper;
struct watched;

/* One watcher process and the drives it serves. */
struct watch {
	struct engine *engine;
	struct watch *next;
	struct watched **drives;
	size_t drive_count;
	int fd; /* -1: dead, started again when the timer says so */
	pid_t pid;
	bool polling, in_batch;
	uv_poll_t poll;
	uint64_t restart_ms; /* when, while dead */
	unsigned deaths;
	uint8_t *in;
	size_t in_len, in_room;
	struct text out;               /* requests not written yet */
	uint32_t barriers;             /* last number given */
	struct watch_barrier *pending; /* oldest first */
};

/* A barrier that the watcher has not answered. */
struct watch_barrier {
	struct watch_barrier *next;
	uint32_t number;
	struct watched *watched;
	uint32_t request; /* the machine's own; 0: the clients' of that drive; LISTEN_BARRIER: the probe's */
};

/* A client's barrier on its way: asked of the watcher, then released, then in the journal. */
struct waiting_barrier {
	struct waiting_barrier *next;
	struct engine_request *request;
	uint64_t pass;   /* asked only after this one, where passes are needed */
	uint32_t number; /* of the watcher's answer that counts; 0: not asked yet */
	bool answered;
	uint64_t mark;
};

/* Directories that could not be read. */
struct unread {
	char path[UNREAD_PATH_MAX]; /* of the first, for people */
	uint64_t count;
	int error; /* of the first */
};

struct run {
	struct run_row row; /* run 0: none */
	struct unread unread;
	char *path;    /* NULL: the whole drive */
	uint64_t node; /* of the path */
	bool loss;     /* events may have been missed: until it completes nobody knows the truth */
};

struct pass {
	bool walking, wanted;  /* wanted: at once */
	bool unwatched;        /* some directories have no watch: `why` */
	bool complete;         /* the last comparison of all, and what followed, left nothing out */
	bool recovered;        /* they have one now, but the pass that gave it to them is still going */
	uint64_t begun, ended; /* how many */
	uint64_t began_ms, due_ms;
	char why[256];
};

struct watched {
	struct engine *engine;
	struct watch *watch;
	const struct engine_drive *config;
	uint16_t number; /* on the watcher's socket */
	struct drive_row row;
	struct journal *journal;
	struct position tail; /* as of the transaction that is open */
	uint64_t floor;
	struct drive *machine; /* NULL: offline */
	enum drive_state state;
	char why[256];           /* of the state */
	char note[256];          /* what is worth knowing while nothing is wrong */
	enum drive_state logged; /* of what was logged last, and when */
	uint64_t logged_ms;
	enum watch_backend backend;
	bool weak_barrier, had_ready;
	bool incomplete; /* something could not be read: until a run of all completes nobody knows the truth
			  */
	char incomplete_why[256];
	struct unread unread; /* what makes it incomplete */
	uint64_t queue_bytes; /* of events that wait in the kernel */
	uint32_t lag_ms;
	struct queue_alarm queue_alarm;
	unsigned mounts; /* other file systems that are mounted inside, one of them there: */
	char mounted_at[256];
	uint64_t retry_ms; /* offline: when to try again */
	struct run run, queued;
	struct pass pass;
	struct storm storm;
	struct adopt *adopt;           /* its root is being adopted */
	char adoptable[17];            /* what confirms it; empty: nothing was counted yet */
	struct file_id adoptable_root; /* of which root the count was */
	struct run_row last_run;
	struct waiting_barrier *barriers;
	bool advanced;      /* records were appended in this transaction */
	bool sweep;         /* rows of deleted directories are left */
	bool prune;         /* more records are left than are to be kept */
	bool rules;         /* the rows are marked by other rules than those that hold now */
	bool dirty, urgent; /* status to tell, at once */
	struct helper *helper;
	uint32_t machine_life; /* tells one machine's questions from those of the one before */
	struct file_id own;    /* `.wakeline`, when it can be written; len 0: it cannot */
	struct probe probe;
	uint64_t probe_seq; /* the journal's when that was last looked at */
	uint64_t verify_ms, verify_saved_ms;
	bool verify_asked;
	uint64_t told_ms, progress_ms;
	uint64_t scrub_ms; /* when the whole drive is due to be compared again; UINT64_MAX: never */
	uint64_t entries;  /* of the index, as last counted */
};

struct engine {
	struct engine_options options;
	struct engine_drive *drive_configs;
	struct watched *watched;
	struct watch *watches;
	struct watched *scrubbing; /* the drive whose scrub is going */
	struct journal *bus;
	uv_loop_t loop;
	uv_thread_t thread;
	struct mailbox requests;
	uv_async_t stop;
	struct engine_request *answers, **answers_end; /* to be sent when the transaction is on disk */
	uv_timer_t timer;
	uv_prepare_t prepare;  /* runs a turn before the loop waits */
	struct store_txn *txn; /* open write transaction, NULL between */
	uint64_t txn_ms;
	bool stopping, failed;
	struct text json;
};

/* engine.c */
uint64_t engine_now_ms(void);
int64_t engine_wall_ns(void);
/* The write transaction of this turn, opened when needed; NULL: the store failed, and that was told. */
struct store_txn *engine_txn(struct engine *e);
/* Commit what is open, now; then tell. */
int engine_commit(struct engine *e);
void engine_fail(struct engine *e, int error, const char *what);
void engine_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* engine_news.c */
void news_advanced(struct engine *e, const char *stream);
void news_note(struct engine *e, const char *stream, enum event_type event, const struct text *json);
void news_drive(struct watched *w);
void news_answer(struct engine *e, struct engine_request *request);
void news_failed(struct engine *e, int error, const char *text);

/* engine_requests.c */
/* Give the answer once what it promises is durable. */
void requests_answer(struct engine *e, struct engine_request *request, int error);
void requests_committed(struct engine *e);
void requests_on_mail(void *context, struct mail *mail);
/* Barriers that can be answered now; called after each commit. */
void barriers_advance(struct watched *w);
void barriers_answered(struct watched *w, uint32_t number);
void barriers_fail(struct watched *w, int error);

/* watched.c */
int watched_open(struct watched *w, struct store_txn *txn, bool new_epoch);
void watched_close(struct watched *w);
void watched_observe(struct watched *w, const struct observation *o);
void watched_set_state(struct watched *w, enum drive_state state, const char *why);
void watched_offline(struct watched *w, const char *why);
/* The root is the drive's: watch it, and begin this run. */
int watched_begin(struct watched *w, const struct observation *ready, enum run_trigger trigger,
		  uint64_t *run);
/* The state that follows from its runs. */
void watched_settle_state(struct watched *w);
/* Step the machine if something is due. *more: it wants another turn at once. */
int watched_step(struct watched *w, bool *more);
void watched_tick(struct watched *w, uint64_t now_ms);
uint64_t watched_deadline(const struct watched *w);
/* Journal one change that was made in the transaction which is open; drive_output.change() */
int watched_change(void *context, const struct change *change);
int watched_append(struct watched *w, enum event_type event, unsigned flags, const struct text *json);

/* run.c */
/* Begin or queue a run; *run gets its number, also when it joins one.  `path` NULL: all.  Takes path. */
int run_request(struct watched *w, enum run_trigger trigger, char *path, uint64_t *run);
/* Is there such a directory?  -ENOENT, -ENOTDIR. */
int run_check_path(struct watched *w, const char *path);
/* A run that is going or waiting is needed before the index is known to be true. */
bool run_loss_pending(const struct watched *w);
/* Somebody waits behind the run that is going: a scrub becomes as fast as any. */
void run_hurry(struct watched *w);
/* Begin what waits, if it is due. */
int run_begin_queued(struct watched *w);
/* Begin what waits and is due, or else a scrub that is due. */
int run_tick(struct watched *w, uint64_t now_ms);
uint64_t run_deadline(const struct watched *w);
/* A run after lost events waits, since they are lost again and again. */
bool run_is_waiting(const struct watched *w);
/* From when the drive was last compared to when that is due again. */
void run_schedule_scrub(struct watched *w);
void run_ended(struct watched *w, uint64_t entries, uint64_t changes, int error);
void run_progress(struct watched *w, uint64_t now_ms);
/* The watcher or the root is gone: the run that was going comes to nothing. */
void run_interrupted(struct watched *w, const char *why);

/* pass.c */
bool pass_needed(const struct watched *w);
uint64_t pass_deadline(const struct watched *w);
/* Begin one if it is due. */
int pass_step(struct watched *w, struct store_txn *txn);
/* The number of the next pass to begin. */
uint64_t pass_next(const struct watched *w);
/* Has that pass ended, or is none needed?  Else one is made at once. */
bool pass_has_seen(struct watched *w, uint64_t pass);
/* The next one comes after poll_interval, or rest_ms if that is longer. */
void pass_schedule(struct watched *w, uint64_t rest_ms);
int pass_ended(struct watched *w, int error);
/* The watcher or the root is gone. */
void pass_interrupted(struct watched *w);
void pass_observe_unwatched(struct watched *w, const struct observation *o);

/* rules_walk.c: mark the rows by the drive's rules, and tell what changes for clients. */
int rules_walk(struct watched *watched, struct store_txn *txn);

/* adopt.c */
/* Count what adopting the root that stands at the drive's path would come to, or, with what that gave to
 * confirm, do it; the request is answered later.  -EALREADY: the drive is not offline; -EBUSY: one is going;
 * -ESTALE: not what the last count gave. */
int adopt_request(struct watched *w, struct engine_request *request);
/* The new root is watched: until then what is told of a root is of the one before. */
bool adopt_has_begun(const struct watched *w);
void adopt_ready(struct watched *w, const struct observation *o);
void adopt_observe(struct watched *w, const struct observation *o);
int adopt_step(struct watched *w, bool *more);
/* It comes to nothing, if one is going. */
void adopt_fail(struct watched *w, int error);

/* unread.c */
void unread_note(struct unread *u, struct store_txn *txn, uint64_t node, int error);
/* Which they are and what to do.  `error`: for when it is not known which. */
void unread_explain(const struct unread *u, int error, char out[UNREAD_TEXT_MAX]);

/* sync_item.c */
void sync_item_encode(struct text *t, enum event_type event, const struct watched *w,
		      const struct run_row *run, uint64_t seq);

/* helper.c */
/* What was asked, with what it was for, and its answer; `answer->error` is -EPIPE when the helper died. */
struct helper_asked {
	const struct helper_request *request; /* without its path */
	const struct entry_state *state;      /* HASH */
	uint64_t context;
};
typedef void helper_answered(struct watched *w, const struct helper_asked *asked,
			     const struct helper_answer *answer);
int helper_new(struct helper **out, struct watched *w);
/* The drive is there (again): start the helper if there is none, and let it open the drive. */
void helper_open(struct watched *w);
bool helper_is_ready(const struct watched *w);
/* Gives the request its number and returns it; 0: there is nobody to ask, and no answer comes. */
uint32_t helper_ask(struct watched *w, struct helper_request *q, const struct entry_state *state,
		    helper_answered *answered, uint64_t context);
/* Ask for the hash of a node's file; of `what` the flags and the id count. */
uint32_t helper_ask_hash(struct watched *w, uint64_t node, const struct helper_request *what,
			 const struct entry_state *state, helper_answered *answered, uint64_t context);
/* The path of a node, as the index has it. */
int helper_path(struct watched *w, uint64_t node, struct text *out);
/* drive_output.hash and .hash_cancel */
bool helper_machine_hash(void *context, uint32_t request, uint64_t node, const struct file_id *id,
			 const struct entry_state *state);
void helper_machine_cancel(void *context, uint32_t request);
void helper_tick(struct watched *w, uint64_t now_ms);
uint64_t helper_deadline(const struct watched *w);
void helper_flush(struct watched *w);
void helper_stop(struct watched *w);
void helper_free(struct helper *h);

/* epoch.c */
void epoch_opened(struct watched *w, const struct helper_answer *a);

/* listen.c */
enum { LISTEN_BARRIER = UINT32_MAX };
void listen_begin(struct watched *w);
/* Is it the probe?  Then it goes no further. */
bool listen_hears(struct watched *w, const struct observation *o);
void listen_passed(struct watched *w);
void listen_tick(struct watched *w, uint64_t now_ms);
uint64_t listen_deadline(const struct watched *w);

/* verify.c */
void verify_begin(struct watched *w);
void verify_tick(struct watched *w, uint64_t now_ms);
uint64_t verify_deadline(const struct watched *w);

/* watch.c */
/* It does not hear what happens on this drive: another one takes its place. */
void watch_deaf(struct watch *w, const struct watched *drive);
int watch_start(struct watch *w);
void watch_stop(struct watch *w);
void watch_request(struct watch *w, const struct watch_request *r);
void watch_ask_drive(struct watch *w, struct watched *drive);
/* Returns the number that barriers_answered() will get. */
uint32_t watch_ask_barrier(struct watch *w, struct watched *drive, uint32_t request);
void watch_flush(struct watch *w);
void watch_tick(struct watch *w, uint64_t now_ms);
