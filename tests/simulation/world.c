#include "tests/simulation/world.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulation/memory_index.h"
#include "tests/simulation/operate.h"
#include "tests/simulation/random.h"

enum { REST_ROUNDS = 100000, STEPS_AT_ONCE = 1000, SWEEP_AT_ONCE = 3, OUR_REQUESTS = 0x40000000 };

/* ---- what the machine asks and tells ---- */

static void on_look(void *context, uint32_t request, const struct file_id *dir, const char *name,
		    size_t name_len)
{
	struct world *w = context;

	if (w->trace != NULL)
		fprintf(w->trace, "    asks: look %u at %s in inode %u\n", request, printable(name, name_len),
			watcher_parse_id(w->watcher, dir).inode);
	if (watcher_is_alive(w->watcher) && !watcher_ask_look(w->watcher, request, dir, name, name_len))
		failure_set(&w->failure, "ASK", "a look at %s, a name or directory that was never told",
			    printable(name, name_len));
}

static void on_scan(void *context, uint32_t request, uint16_t flags, const struct file_id *dir)
{
	struct world *w = context;

	if (w->trace != NULL)
		fprintf(w->trace, "    asks: scan %u%s of inode %u\n", request,
			flags & SCAN_KNOWN ? " (known)" : "", watcher_parse_id(w->watcher, dir).inode);
	if (watcher_is_alive(w->watcher) && !watcher_ask_scan(w->watcher, request, flags, dir))
		failure_set(&w->failure, "ASK", "a scan of a directory that was never told");
}

static void on_barrier(void *context, uint32_t request)
{
	struct world *w = context;

	if (w->trace != NULL)
		fprintf(w->trace, "    asks: barrier %u\n", request);
	if (watcher_is_alive(w->watcher))
		watcher_ask_barrier(w->watcher, request);
}

/* At rest a reconcile may only tell what no watcher could see: a file's other names. */
static void check_explained(struct world *w, const struct change *c)
{
	struct file_id id;
	struct fs_ref ref;

	memcpy(&id, &c->node->id, sizeof(id));
	ref = watcher_parse_id(w->watcher, &id);
	if (c->event == EVENT_FILE_UPDATED && ref.inode != 0 && w->fs.inodes[ref.inode].linked)
		return;
	failure_set(&w->failure, "INVENTED", "a reconcile at rest gave %s of %s", event_name(c->event),
		    printable(c->path, c->path_len));
}

static int on_change(void *context, const struct change *change)
{
	struct world *w = context;

	if (w->crash_at > 0 && --w->crash_at == 0) {
		w->crashed = true;
		return -EINTR;
	}
	w->seq++;
	w->change_count++;
	if (change->event <= EVENT_FILE_DELETED)
		w->expectation.seen[change->event]++;
	if (w->trace != NULL) {
		fprintf(w->trace, "  %llu: ", (unsigned long long)w->seq);
		change_print(change, w->trace);
	}
	if (change->node->rev_seq != w->seq && change->event != EVENT_FILE_DELETED)
		failure_set(&w->failure, "REV", "change %llu carries revision %llu",
			    (unsigned long long)w->seq, (unsigned long long)change->node->rev_seq);
	if (!w->indexed)
		failure_set(&w->failure, "SILENT", "a change in the first index");
	if (w->only_links)
		check_explained(w, change);
	oracle_apply(w->oracle, w->txn, change);
	return 0;
}

static void on_next_rev(void *context, uint64_t *epoch, uint64_t *seq)
{
	struct world *w = context;

	*epoch = w->epoch;
	*seq = w->seq + 1;
}

/* So few that directories are listed again. */
enum { LISTED_LOOKS = 2 };

static void on_reconciled(void *context, uint64_t entries, uint64_t changes, int error)
{
	struct world *w = context;

	if (w->trace != NULL)
		fprintf(w->trace, "    reconciled: %llu entries, %llu changes, error %d\n",
			(unsigned long long)entries, (unsigned long long)changes, error);
	if (!w->walking)
		failure_set(&w->failure, "WALK", "a walk ended that nobody began");
	w->walk_ended = true;
	w->walk_error = error;
	w->unread = w->walk_heals ? error != 0 : w->unread;
	w->walk_entries = entries;
	w->walk_changes = changes;
}

static void on_missed(void *context, int error)
{
	struct world *w = context;

	if (w->trace != NULL)
		fprintf(w->trace, "    missed: error %d\n", error);
	w->unread |= error == -EACCES;
	if (!w->faulty)
		failure_set(&w->failure, "WALK",
			    "a subtree could not be read, and nothing was wrong with it");
}

static void on_mended(void *context, uint64_t left, uint64_t node)
{
	struct world *w = context;

	if (w->trace != NULL)
		fprintf(w->trace, "    mended: %llu left\n", (unsigned long long)left);
	if ((left == 0) != (node == 0))
		failure_set(&w->failure, "WALK", "%llu directories are left, one of them is node %llu",
			    (unsigned long long)left, (unsigned long long)node);
	w->unread &= left > 0;
}

/* ---- lives ---- */

/* By name, by kind, and by place. */
static int make_rules(struct rules **out)
{
	static const char *const patterns[] = {"*.tmp", "e/", "/c/b", "d/**/f", "!A.tmp", "a/d/e"};
	int r = rules_new(out);

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]) && r == 0; i++)
		r = rules_add(*out, patterns[i]);
	return r;
}

int world_init(struct world *w)
{
	w->watcher = watcher_new(&w->fs);
	w->txn = memory_index_new();
	w->oracle = oracle_new();
	if (w->watcher == NULL || w->txn == NULL || w->oracle == NULL)
		return -ENOMEM;
	return make_rules(&w->rules);
}

void world_deinit(struct world *w)
{
	drive_free(w->drive);
	watcher_free(w->watcher);
	memory_index_free(w->txn);
	oracle_free(w->oracle);
	rules_free(w->rules);
}

void world_begin(struct world *w, const struct script_options *options)
{
	struct watcher_options watching = {
		.inotify = options->inotify, .weak = options->weak_ids, .shuffle = options->shuffle};
	struct file_id root_id;
	struct identity root;

	drive_free(w->drive);
	w->drive = NULL;
	w->options = *options;
	w->failure.rule[0] = '\0';
	w->now_ms = 1000;
	w->seq = 0;
	w->epoch = 7;
	w->indexed = w->walking = w->walk_ended = w->only_links = w->crashed = w->mid_batch = false;
	w->lost = true;
	w->ever_lost = w->unread = false;
	w->crash_at = 0;
	w->faulty = true;
	expectation_reset(&w->expectation);
	w->requests = OUR_REQUESTS;
	hashes_forget(w);
	w->change_count = 0;
	memset(w->barriers, 0, sizeof(w->barriers));
	fs_init(&w->fs, w->watcher, watcher_on_event);
	watcher_reset(w->watcher, &watching);
	watcher_make_id(w->watcher, fs_ref(&w->fs, FS_ROOT), &root_id);
	memcpy(&root, &root_id, sizeof(root));
	memory_index_reset(w->txn, &root);
	oracle_reset(w->oracle, &w->failure, options->weak_ids, options->rules ? w->rules : NULL);
}

static void start_daemon(struct world *w)
{
	struct drive_options options = {
		.drive = MEMORY_DRIVE,
		.root = MEMORY_ROOT,
		.settle_ms = w->options.settle_ms,
		.max_wait_ms = w->options.max_wait_ms,
		.weak_ids = w->options.weak_ids,
		.listed_looks = LISTED_LOOKS,
		.rules = w->options.rules ? w->rules : NULL,
		.output = {.context = w,
			   .look = on_look,
			   .scan = on_scan,
			   .barrier = on_barrier,
			   .hash = w->options.hashes ? hashes_ask : NULL,
			   .hash_cancel = hashes_cancel,
			   .change = on_change,
			   .next_rev = on_next_rev,
			   .reconciled = on_reconciled,
			   .missed = on_missed,
			   .mended = on_mended},
	};
	int r = drive_new(&w->drive, &options);

	if (r != 0)
		failure_set(&w->failure, "STEP", "drive_new: %s", strerror(-r));
	else
		drive_set_silent(w->drive, !w->indexed);
}

static void lose(struct world *w)
{
	w->lost = w->ever_lost = true;
	w->walk_heals = false;
	memset(w->barriers, 0, sizeof(w->barriers));
	if (w->drive != NULL)
		drive_pace(w->drive, 0); /* a run that somebody waits for hurries */
}

static void stop(struct world *w, bool daemon)
{
	if (w->drive == NULL)
		return;
	watcher_stop(w->watcher);
	w->mid_batch = false;
	w->walking = w->walk_ended = false;
	hashes_forget(w);
	lose(w);
	if (!daemon) {
		drive_reset(w->drive);
		return;
	}
	drive_free(w->drive);
	w->drive = NULL;
}

static bool is_up(const struct world *w)
{
	return w->drive != NULL && watcher_is_alive(w->watcher);
}

static void begin_walk(struct world *w, uint64_t node)
{
	int r = drive_reconcile(w->drive, w->txn, node);

	memory_index_commit(w->txn);
	if (r != 0)
		failure_set(&w->failure, "WALK", "drive_reconcile of node %llu: %s", (unsigned long long)node,
			    strerror(-r));
	w->walking = true;
	w->walk_heals = node == 0;
}

static void heal(struct world *w)
{
	if (is_up(w) && w->lost && !w->walking)
		begin_walk(w, 0);
}

static void start(struct world *w)
{
	if (w->drive == NULL)
		start_daemon(w);
	if (world_failed(w) || watcher_is_alive(w->watcher))
		return;
	watcher_start(w->watcher);
	heal(w);
}

/* ---- observations ---- */

static void print_observation(const struct world *w, const struct observation *o)
{
	static const char *const types[] = {"?",          "READY",    "ENTRY",     "GONE",
					    "SCAN_BEGIN", "SCAN_END", "LOOKED",    "BATCH_END",
					    "BARRIER",    "OVERFLOW", "ROOT_GONE", "FAILED"};

	fprintf(w->trace, "    told: %s", types[o->type]);
	if (o->dir.len > 0)
		fprintf(w->trace, " in inode %u", watcher_parse_id(w->watcher, &o->dir).inode);
	if (o->name != NULL)
		fprintf(w->trace, " %s", printable(o->name, o->name_len));
	if (o->type == OBSERVED_ENTRY)
		fprintf(w->trace,
			" inode %u.%u kind %d mode %o uid %u size %llu mtime %lld.%09u links %u%s%s%s%s%s",
			watcher_parse_id(w->watcher, &o->id).inode,
			watcher_parse_id(w->watcher, &o->id).generation, (int)o->state.kind, o->state.mode,
			o->state.uid, (unsigned long long)o->state.size, (long long)o->state.mtime.seconds,
			o->state.mtime.nanoseconds, o->state.links, o->flags & OBSERVED_FRESH ? " FRESH" : "",
			o->flags & OBSERVED_RENAMED ? " RENAMED" : "",
			o->flags & OBSERVED_WRITING ? " WRITING" : "",
			o->flags & OBSERVED_CLOSED ? " CLOSED" : "",
			o->flags & OBSERVED_LISTED ? " LISTED" : "");
	if (o->request != 0)
		fprintf(w->trace, " request %u", o->request);
	if (o->error != 0)
		fprintf(w->trace, " error %d", o->error);
	fputc('\n', w->trace);
}

static void on_barrier_told(struct world *w, uint32_t request)
{
	for (unsigned i = 0; i < WORLD_BARRIERS; i++) {
		struct world_barrier *b = &w->barriers[i];

		if (!b->used || b->request != request)
			continue;
		b->marked = true;
		b->mark = drive_mark(w->drive);
	}
}

/* The machine only borrows: what it was given is destroyed right after. */
static void observe(struct world *w, struct observation *o)
{
	char name[NODE_NAME_MAX], target[NODE_TARGET_MAX];
	int r;

	if (o->name != NULL)
		o->name = memcpy(name, o->name, o->name_len);
	if (o->target != NULL)
		o->target = memcpy(target, o->target, o->target_len);
	r = drive_observe(w->drive, o, w->now_ms);
	memset(name, '!', o->name_len);
	memset(target, '!', o->target_len);
	if (r != 0)
		failure_set(&w->failure, "STEP", "drive_observe: %s", strerror(-r));
}

static bool deliver(struct world *w)
{
	struct observation o;

	if (!is_up(w) || !watcher_next(w->watcher, &o))
		return false;
	w->observations++;
	if (w->trace != NULL)
		print_observation(w, &o);
	w->mid_batch = (o.type == OBSERVED_ENTRY || o.type == OBSERVED_GONE || o.type == OBSERVED_FILE) &&
		       !(o.flags & OBSERVED_LISTED);
	if (o.type == OBSERVED_OVERFLOW) {
		lose(w);
		drive_lost(w->drive);
	} else if (o.type == OBSERVED_BARRIER && o.request >= OUR_REQUESTS)
		on_barrier_told(w, o.request);
	else
		observe(w, &o);
	if (watcher_took_fault(w->watcher)) {
		w->faulty = true;
		lose(w); /* what could not be read is owed */
	}
	heal(w);
	return true;
}

/* ---- steps ---- */

static void end_walk(struct world *w)
{
	w->walking = w->walk_ended = false;
	if (!w->walk_heals || (w->walk_error != 0 && w->walk_error != -EACCES))
		return;
	w->lost = false;
	if (w->indexed)
		return;
	w->indexed = true;
	drive_set_silent(w->drive, false);
	oracle_take_snapshot(w->oracle, w->txn);
}

static void check_barriers(struct world *w)
{
	for (unsigned i = 0; i < WORLD_BARRIERS; i++) {
		struct world_barrier *b = &w->barriers[i];
		struct comparison c = {.fs = &w->fs,
				       .watcher = w->watcher,
				       .txn = w->txn,
				       .since = b->since,
				       .replica = true,
				       .links = !w->options.lenient_links,
				       .rule = "BARRIER"};

		if (!b->used || !b->marked || !drive_passed(w->drive, b->mark))
			continue;
		b->used = false;
		if (w->trace != NULL)
			fprintf(w->trace, "    barrier %u passed\n", b->request);
		oracle_compare(w->oracle, &c);
	}
}

static bool step_once(struct world *w)
{
	bool more = false, left;
	int r = drive_step(w->drive, w->txn, w->now_ms, &more);

	memory_index_commit(w->txn);
	if (w->crashed)
		return false;
	if (r != 0) {
		failure_set(&w->failure, "STEP", "drive_step: %s (%d)", r < 0 ? strerror(-r) : "an answer",
			    r);
		return false;
	}
	oracle_end_step(w->oracle);
	if (w->walk_ended)
		end_walk(w);
	check_barriers(w);
	heal(w);
	index_sweep(w->txn, SWEEP_AT_ONCE, &left);
	return more;
}

static void step(struct world *w)
{
	unsigned steps = 0;

	if (!is_up(w) || w->mid_batch || drive_deadline(w->drive) > w->now_ms)
		return;
	while (!world_failed(w) && step_once(w))
		if (++steps == STEPS_AT_ONCE)
			failure_set(&w->failure, "REST", "drive_step() always has more to do");
}

/* The machine is stepped only where a batch ended, or between the entries of a scan. */
static void core(struct world *w, unsigned count)
{
	for (unsigned i = 0; (count == 0 || i < count || w->mid_batch) && !world_failed(w); i++)
		if (!deliver(w))
			break;
	if (is_up(w) && count == 0)
		hashes_answer_all(w);
	step(w);
	if (is_up(w) && !w->mid_batch)
		check_barriers(w);
}

/* The daemon is killed while a step's transaction is open. */
static void crash(struct world *w, unsigned at)
{
	struct expectation expectation = w->expectation;
	uint64_t seq = w->seq;

	if (!is_up(w))
		return;
	memory_index_save(w->txn);
	oracle_save(w->oracle);
	while (deliver(w))
		;
	w->crash_at = at + 1;
	if (!world_failed(w) && !w->mid_batch)
		step_once(w);
	w->crash_at = 0;
	if (w->crashed) {
		memory_index_restore(w->txn);
		oracle_restore(w->oracle);
		w->seq = seq;
		w->expectation = expectation;
		w->crashed = false;
	}
	stop(w, true);
}

/* ---- rest ---- */

static bool is_quiet(const struct world *w)
{
	return !watcher_is_busy(w->watcher) && !w->lost && !w->walking;
}

static void run_watcher(struct world *w)
{
	for (unsigned i = 0; watcher_is_busy(w->watcher) && i < 64; i++)
		watcher_step(w->watcher, w->now_ms * 31 + i);
}

static void run_to_rest(struct world *w)
{
	unsigned idle = 0;

	for (unsigned round = 0; round < REST_ROUNDS && !world_failed(w); round++) {
		uint64_t deadline;

		run_watcher(w);
		core(w, 0);
		if (watcher_is_busy(w->watcher))
			continue;
		deadline = drive_deadline(w->drive);
		if (deadline == UINT64_MAX && is_quiet(w))
			return;
		if (deadline == UINT64_MAX && ++idle > 8) {
			failure_set(&w->failure, "REST", "a walk does not end, and nothing is asked");
			return;
		}
		if (deadline != UINT64_MAX && deadline > w->now_ms)
			w->now_ms = deadline;
		else if (deadline != UINT64_MAX && ++idle > STEPS_AT_ONCE)
			break;
	}
	failure_set(&w->failure, "REST", "it does not come to rest: %llu held, deadline %lld, now %llu",
		    (unsigned long long)drive_pending(w->drive), (long long)drive_deadline(w->drive),
		    (unsigned long long)w->now_ms);
}

static bool has_writers(const struct world *w)
{
	for (unsigned i = 0; i < FS_WRITERS; i++)
		if (w->fs.writers[i].open)
			return true;
	return false;
}

static void compare(struct world *w, bool blind)
{
	struct comparison c = {.fs = &w->fs,
			       .watcher = w->watcher,
			       .txn = w->txn,
			       .since = UINT32_MAX,
			       .replica = true,
			       .blind = blind,
			       .links = blind || !w->options.lenient_links,
			       .settled = !has_writers(w),
			       .rule = "TRUTH"};

	if (!world_failed(w))
		oracle_compare(w->oracle, &c);
}

static void check_rest(struct world *w)
{
	if (world_failed(w))
		return;
	if (drive_pending(w->drive) != 0)
		failure_set(&w->failure, "REST", "%llu observations are held at rest",
			    (unsigned long long)drive_pending(w->drive));
	if (w->unread)
		failure_set(&w->failure, "MENDED", "everything may be read, and nobody said so");
	if (!drive_passed(w->drive, drive_mark(w->drive)))
		failure_set(&w->failure, "REST", "a mark at rest does not pass");
	for (unsigned i = 0; i < WORLD_BARRIERS; i++)
		if (w->barriers[i].used)
			failure_set(&w->failure, "REST", "barrier %u never passed", w->barriers[i].request);
}

static void rest(struct world *w)
{
	if (!is_up(w))
		return;
	w->fs.operation++;
	fs_open_all(&w->fs);
	run_to_rest(w);
	check_rest(w);
	compare(w, false);
	if (!world_failed(w))
		hashes_check(w);
	/* With two halves and no time to settle between them a rename need not be one. */
	if (!world_failed(w) && !w->options.weak_ids && !w->options.rules && !w->faulty &&
	    (!w->options.inotify || w->options.settle_ms > 0))
		expectation_check(&w->expectation, &w->failure);
	if (!world_failed(w) && w->options.hashes && w->indexed)
		hashes_verify(w);
	expectation_reset(&w->expectation);
	w->faulty = !w->indexed;
}

/* Reconcile at rest: what is found must be explained, and the second time there is nothing. */
static void reconcile_at_rest(struct world *w, bool links)
{
	uint64_t before = w->change_count, count;
	bool left;

	if (world_failed(w))
		return;
	w->only_links = true;
	begin_walk(w, 0);
	run_to_rest(w);
	w->only_links = false;
	if (world_failed(w))
		return;
	if (!links && w->change_count != before)
		failure_set(&w->failure, "INVENTED", "the second reconcile at rest gave %llu changes",
			    (unsigned long long)(w->change_count - before));
	if (w->walk_error != 0)
		failure_set(&w->failure, "WALK", "a reconcile at rest ended with %s",
			    strerror(-w->walk_error));
	index_sweep(w->txn, UINT32_MAX, &left);
	index_count(w->txn, MEMORY_DRIVE, &count);
	if (w->walk_entries != count)
		failure_set(&w->failure, "WALK", "a reconcile at rest saw %llu entries of %llu",
			    (unsigned long long)w->walk_entries, (unsigned long long)count);
	compare(w, true);
}

void world_finish(struct world *w)
{
	for (unsigned i = 0; i < FS_WRITERS; i++)
		fs_close(&w->fs, i);
	watcher_forgive(w->watcher);
	if (w->trace != NULL)
		fprintf(w->trace, "finish\n");
	start(w);
	rest(w);
	reconcile_at_rest(w, true);
	reconcile_at_rest(w, false);
}

/* ---- actions ---- */

static void act_operation(struct world *w, const struct action *a)
{
	uint64_t tick = w->options.tick_ms;
	int r;

	w->operations++;
	w->fs.operation++;
	w->fs.process = a->type >= ACT_OPEN; /* who keeps files open is another program */
	w->fs.now = 1000000000000000000 + (int64_t)(w->now_ms / tick * tick) * 1000000;
	r = operate(&w->fs, a, &w->expectation);
	if (a->type == ACT_SHUT) {
		w->faulty = true;
		memset(w->barriers, 0, sizeof(w->barriers));
	}
	/* A run that is going takes what it lists without waiting for it to settle. */
	if (is_up(w) && (w->lost || w->walking))
		w->expectation.known = false;
	if (w->trace != NULL && r != 0)
		fprintf(w->trace, "    (%s)\n", strerror(-r));
}

static void act_barrier(struct world *w)
{
	if (!is_up(w) || w->lost || w->unread || fs_any_shut(&w->fs) ||
	    w->options.weak_ids) /* where ids are weak a barrier is best effort */
		return;
	for (unsigned i = 0; i < WORLD_BARRIERS; i++) {
		struct world_barrier *b = &w->barriers[i];

		if (b->used)
			continue;
		*b = (struct world_barrier){.used = true, .request = ++w->requests, .since = w->fs.operation};
		watcher_ask_barrier(w->watcher, b->request);
		return;
	}
}

static void act_reconcile(struct world *w, const struct path *p, unsigned rate)
{
	uint64_t node = MEMORY_ROOT;
	struct index_node n;

	if (!is_up(w) || w->lost || w->walking || p->outside)
		return;
	for (unsigned i = 0; i < p->depth; i++)
		if (index_lookup(w->txn, node, name_at(p->slots[i])->bytes, name_at(p->slots[i])->len,
				 &node) != 0)
			return;
	if (index_get(w->txn, node, &n) != 0 || n.state.kind != NODE_DIR)
		return;
	begin_walk(w, p->depth == 0 ? 0 : node);
	drive_pace(w->drive, rate);
}

static void act_control(struct world *w, const struct action *a)
{
	switch ((int)a->type) {
	case ACT_START:
		start(w);
		break;
	case ACT_STOP:
		stop(w, a->number != 0);
		break;
	case ACT_CRASH:
		crash(w, a->number);
		break;
	case ACT_OVERFLOW:
		watcher_overflow(w->watcher);
		break;
	case ACT_FAULT:
		watcher_fail_next(w->watcher);
		break;
	case ACT_WATCH:
		for (unsigned i = 0; i < a->number && watcher_is_busy(w->watcher); i++)
			watcher_step(w->watcher, a->salt * 1000 + i);
		break;
	case ACT_CORE:
		core(w, a->number);
		break;
	case ACT_TICK:
		w->now_ms += a->number;
		break;
	case ACT_BARRIER:
		act_barrier(w);
		break;
	case ACT_RECONCILE:
		act_reconcile(w, &a->a, a->number);
		break;
	case ACT_REST:
		rest(w);
		break;
	}
}

void world_act(struct world *w, const struct action *a)
{
	if (w->trace != NULL) {
		fprintf(w->trace, "%6llu ", (unsigned long long)w->now_ms);
		action_print(a, w->trace);
	}
	if (action_is_operation(a))
		act_operation(w, a);
	else
		act_control(w, a);
}
