/* A watcher process: one thread, one loop.
 *
 *     socket ── channel ──► urgent: drive, look, barrier ─┐
 *                      └──► scans, one piece a turn ──────┼──► channel ── socket
 *     fanotify group or inotify instances ── batches ─────┘
 *     mountinfo ── are the roots still there?
 *
 * Each turn takes at most one batch from every backend, serves what is urgent, and lists one piece of a
 * directory.  What is emitted is in the order of the looks, so nothing needs to be compared or sorted.  The
 * process ends when its socket does.
 *
 * To read each event as it comes makes a busy writer pay for a wake-up per system call.  So after some
 * wake-ups in quick succession the loop lets events gather for a moment before it reads them, until a moment
 * brings next to nothing. */
#include "watcher/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "watcher/backend.h"
#include "watcher/crawl.h"
#include "watcher/ignored.h"
#include "watcher/io_priority.h"
#include "watcher/starter.h"
#include "watcher/watch_limit.h"

enum {
	WHY_ROOM = 448,
	SCAN_PIECE = 512,   /* names looked at between two looks at the event queue */
	SCAN_OPEN_COST = 4, /* opening and closing a directory costs as much as that many names */
	UNSETTLED_MS = 50,  /* how long a backend waits that is unsettled */
	ROOT_CHECK_MS =
		10000,   /* an ancestor of a root may be renamed on another file system: no event tells */
	GAUGE_MS = 1000, /* when a report is owed */
	BUSY_GAP_NS = 2000000,  /* wake-ups closer together than this are a burst … */
	BUSY_WAKES = 8,         /* … when there are as many in a row; a saved file makes three or four */
	GATHER_MS = 2,          /* how long a burst may gather */
	GATHER_FEW_BYTES = 480, /* a burst that brings less in that time is over */
	POLL_FIXED = 2,         /* socket and mountinfo; the backends follow */
};

struct watcher {
	struct channel *channel;
	int socket, mountinfo;
	struct watch_drive_list drives;
	struct backend_list backends;
	size_t backend_count;
	struct pollfd *polls;
	size_t poll_count;
	bool check;     /* a root may have gone */
	bool remounted; /* mounts changed */
	unsigned wakes; /* in quick succession */
	uint64_t last_read_ns;
	struct ignored ignored;
	struct crawl crawl;
	struct io_priority io_priority;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct watch_drive *find_drive(struct watcher *w, uint16_t number)
{
	struct watch_drive *d;

	TAILQ_FOREACH(d, &w->drives, link)
	{
		if (d->number == number)
			return d;
	}
	return NULL;
}

/* Backends. */

static void drop_backend(struct watcher *w, struct backend *b)
{
	TAILQ_REMOVE(&w->backends, b, link);
	w->backend_count--;
	b->ops->free(b);
}

static bool register_backend(struct watcher *w, struct backend *b)
{
	struct pollfd *polls = realloc(w->polls, (POLL_FIXED + w->backend_count + 1) * sizeof(*polls));

	if (polls == NULL)
		return false;
	w->polls = polls;
	w->backend_count++;
	gauge_empty(&b->gauge, now_ns());
	TAILQ_INSERT_TAIL(&w->backends, b, link);
	return true;
}

static struct backend *find_group(struct watcher *w, uint64_t device)
{
	struct backend *b;

	TAILQ_FOREACH(b, &w->backends, link)
	{
		if (b->kind == WATCH_FANOTIFY && b->device == device)
			return b;
	}
	return NULL;
}

static int open_backend(struct watcher *w, struct watch_drive *d, enum watch_backend kind,
			struct backend **out, const char **why)
{
	int r;

	*out = kind == WATCH_FANOTIFY ? find_group(w, d->rule.device) : NULL;
	if (*out != NULL)
		return 0;
	if (kind == WATCH_FANOTIFY)
		r = fanotify_backend_new(out, w->channel, &w->drives, why);
	else if (kind == WATCH_POLL)
		r = poll_backend_new(out, w->channel, &w->drives, why);
	else
		r = inotify_backend_new(out, w->channel, &w->drives, why);
	if (r != 0)
		return r;
	(*out)->device = d->rule.device;
	if (register_backend(w, *out)) {
		ignored_apply(&w->ignored, *out);
		return 0;
	}
	(*out)->ops->free(*out);
	*why = strerror(ENOMEM);
	return -ENOMEM;
}

static int attach(struct watcher *w, struct watch_drive *d, enum watch_backend kind, const char **why)
{
	struct backend *b;
	int r = open_backend(w, d, kind, &b, why);

	if (r != 0)
		return r;
	r = b->ops->add(b, d, why);
	if (r == 0) {
		d->backend = b;
		b->drives++;
	} else if (b->drives == 0) {
		drop_backend(w, b);
	}
	return r;
}

static void drop_drive(struct watcher *w, struct watch_drive *d)
{
	struct backend *b = d->backend;

	TAILQ_REMOVE(&w->drives, d, link);
	if (b != NULL) {
		b->ops->remove(b, d);
		if (--b->drives == 0)
			drop_backend(w, b);
	}
	watch_drive_free(d);
}

/* Drives that come and go. */

static void emit_failed(struct watcher *w, uint16_t drive, int error, const char *text)
{
	channel_emit(w->channel, &(struct observation){.type = OBSERVED_FAILED,
						       .drive = drive,
						       .error = error,
						       .text = text,
						       .text_len = strlen(text)});
}

static void emit_ready(struct watcher *w, struct watch_drive *d, const char *why)
{
	char text[WHY_ROOM + sizeof(d->fs_type)];
	int n = snprintf(text, sizeof(text), "%s%s%s", d->fs_type, why[0] == '\0' ? "" : ", ", why);

	struct observation o = {.type = OBSERVED_READY,
				.drive = d->number,
				.flags = (uint16_t)d->flags,
				.backend = d->backend->kind,
				.id = d->root,
				.state = d->state,
				.text = text,
				.has_volume = d->has_volume};

	o.text_len = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
	memcpy(o.volume, d->volume, sizeof(o.volume));
	channel_emit(w->channel, &o);
}

static int attach_saying(struct watcher *w, struct watch_drive *d, enum watch_backend kind,
			 char why[WHY_ROOM])
{
	const char *reason = NULL;
	int r = attach(w, d, kind, &reason);

	if (r == -EMFILE && kind == WATCH_INOTIFY)
		watch_limit_explain_instances(why, WHY_ROOM);
	else
		snprintf(why, WHY_ROOM, "%s", r == 0 ? "" : reason == NULL ? strerror(-r) : reason);
	return r;
}

static int attach_to_poll(struct watcher *w, struct watch_drive *d, const char *not_fanotify,
			  char why[WHY_ROOM])
{
	char not_inotify[WHY_ROOM];
	int r;

	snprintf(not_inotify, sizeof(not_inotify), "%s", why);
	r = attach_saying(w, d, WATCH_POLL, why);
	if (r != 0)
		return r;
	d->flags |= WATCH_WEAK_BARRIER;
	snprintf(why, WHY_ROOM, "not by fanotify: %.200s; and not by inotify: %.200s", not_fanotify,
		 not_inotify);
	return 0;
}

/* The best that can be had of what is allowed.  `why` it is not a better one; of an error, what it is. */
static int attach_best(struct watcher *w, struct watch_drive *d, enum watch_backend wanted,
		       char why[WHY_ROOM])
{
	char not_fanotify[WHY_ROOM] = "inotify is configured";
	int r;

	if (wanted == WATCH_POLL || wanted == WATCH_FANOTIFY)
		return attach_saying(w, d, wanted, why);
	if (wanted == WATCH_AUTO && attach_saying(w, d, WATCH_FANOTIFY, not_fanotify) == 0) {
		why[0] = '\0';
		return 0;
	}
	r = attach_saying(w, d, WATCH_INOTIFY, why);
	if (r == -EMFILE && wanted == WATCH_AUTO)
		return attach_to_poll(w, d, not_fanotify, why);
	if (r == 0)
		snprintf(why, WHY_ROOM, "not by fanotify: %.400s", not_fanotify);
	return r;
}

static void fail_open(struct watcher *w, uint16_t drive, const char *path, int error)
{
	char text[4096 + 256];

	if (error == -EOPNOTSUPP)
		snprintf(text, sizeof(text),
			 "%s lies on a network file system: changes made on other hosts would never "
			 "be seen; run the daemon where the disk is, or set `watch = poll` for this drive",
			 path);
	else
		snprintf(text, sizeof(text), "cannot open %s: %s", path, strerror(-error));
	emit_failed(w, drive, error, text);
}

static void fail_attach(struct watcher *w, const struct watch_drive *d, enum watch_backend wanted, int error,
			const char *why)
{
	char text[4096 + 256];

	snprintf(text, sizeof(text), "cannot watch %s with %s: %s", d->path,
		 watch_backend_name(wanted == WATCH_AUTO ? WATCH_INOTIFY : wanted), why);
	emit_failed(w, d->number, error, text);
}

static void emit_mounts(struct watcher *w, struct watch_drive *d)
{
	const char *first = d->nested.count == 0 ? "" : d->nested.at[0].path;

	channel_emit(w->channel, &(struct observation){.type = OBSERVED_MOUNTS,
						       .drive = d->number,
						       .count = (uint32_t)d->nested.count,
						       .text = first,
						       .text_len = strlen(first)});
}

static void serve_drive(struct watcher *w, const struct watch_request *q)
{
	struct watch_drive *d = find_drive(w, q->drive);
	char path[4096];
	char why[WHY_ROOM];
	int r;

	if (d != NULL)
		drop_drive(w, d);
	snprintf(path, sizeof(path), "%.*s", (int)q->name_len, q->name);
	r = watch_drive_new(&d, q->drive, path, q->backend);
	if (r != 0) {
		fail_open(w, q->drive, path, r);
		return;
	}
	TAILQ_INSERT_TAIL(&w->drives, d, link);
	r = attach_best(w, d, q->backend, why);
	if (r != 0) {
		fail_attach(w, d, q->backend, r, why);
		drop_drive(w, d);
		return;
	}
	r = watch_drive_refresh(d);
	if (r == 0)
		r = mounts_refresh(d, NULL, NULL); /* before any scan, so that later ones are noticed */
	if (r < 0) {
		fail_attach(w, d, q->backend, r, strerror(-r));
		drop_drive(w, d);
		return;
	}
	emit_ready(w, d, why);
	if (d->nested.count > 0)
		emit_mounts(w, d);
}

/* Called with what may have taken a root away, and now and then. */
static void check_roots(struct watcher *w)
{
	struct watch_drive *d, *next;

	for (d = TAILQ_FIRST(&w->drives); d != NULL; d = next) {
		int r = watch_drive_check(d);

		next = TAILQ_NEXT(d, link);
		if (r == 0 && !d->backend->ops->alive(d->backend, d))
			r = -ENODEV;
		if (r == 0 && d->lost) {
			d->lost = false;
			channel_emit(w->channel,
				     &(struct observation){.type = OBSERVED_OVERFLOW, .drive = d->number});
		}
		if (r == 0 || r == -ENOMEM || r == -EMFILE || r == -ENFILE)
			continue;
		channel_emit(w->channel, &(struct observation){
						 .type = OBSERVED_ROOT_GONE, .drive = d->number, .error = r});
		drop_drive(w, d);
	}
}

/* Look, and tell it.  Returns as entry_look(). */
static int look(struct watcher *w, struct watch_drive *d, struct observation *o)
{
	char target[ENTRY_TARGET_ROOM];
	int fd = -ENODEV, r;

	if (d != NULL)
		fd = d->backend->ops->open_dir(d->backend, d, &o->dir, OPEN_TO_LOOK);
	r = fd < 0 ? fd : entry_look(fd, o->name, &d->rule, o, target);
	if (r >= 0) {
		o->type = r == 0 ? OBSERVED_ENTRY : OBSERVED_GONE;
		d->backend->ops->saw(d->backend, d, o);
		channel_emit(w->channel, o);
	}
	if (fd >= 0)
		close(fd);
	return r;
}

static void on_mount_change(void *context, struct watch_drive *d, const struct file_id *dir, const char *name)
{
	struct observation o = {.drive = d->number, .dir = *dir, .name = name, .name_len = strlen(name)};
	int r = look(context, d, &o);

	if (r < 0 && r != -ESTALE)
		d->lost = d->backend->check = true;
}

/* After the roots were checked: what is told of a drive that went comes first. */
static void notice_mounts(struct watcher *w)
{
	struct watch_drive *d;

	w->remounted = false;
	TAILQ_FOREACH(d, &w->drives, link)
	{
		int changes = mounts_refresh(d, on_mount_change, w);

		if (changes < 0)
			d->lost = w->check = true;
		if (changes <= 0)
			continue;
		if (d->backend->ops->mounts_changed != NULL)
			d->backend->ops->mounts_changed(d->backend, d);
		emit_mounts(w, d);
	}
	channel_end_batch(w->channel);
	channel_emit(w->channel, &(struct observation){.type = OBSERVED_REMOUNT});
}

/* Scans of directories that were nowhere may work when some were found. */
static void retry_deferred(struct watcher *w)
{
	struct backend *b;

	TAILQ_FOREACH(b, &w->backends, link)
	{
		if (b->found)
			channel_resume(w->channel);
		b->found = false;
	}
}

/* Has anything happened that may have taken a root away? */
static bool take_doubts(struct watcher *w)
{
	bool doubt = w->check;
	struct backend *b;

	w->check = false;
	TAILQ_FOREACH(b, &w->backends, link)
	{
		doubt |= b->check;
		b->check = false;
	}
	return doubt;
}

static void rest_drives(struct watcher *w)
{
	struct watch_drive *d;

	TAILQ_FOREACH(d, &w->drives, link)
	watch_drive_rest(d);
}

/* Events. */

static void fail_backend(struct watcher *w, struct backend *b, int error)
{
	struct watch_drive *d, *next;

	for (d = TAILQ_FIRST(&w->drives); d != NULL; d = next) {
		next = TAILQ_NEXT(d, link);
		if (d->backend != b)
			continue;
		channel_emit(w->channel, &(struct observation){.type = OBSERVED_ROOT_GONE,
							       .drive = d->number,
							       .error = error});
		drop_drive(w, d); /* the last one frees b */
	}
}

static void measure_queue(struct backend *b)
{
	uint64_t now = now_ns();
	int waiting;

	if (gauge_wants_sample(&b->gauge, now) && ioctl(b->fd, FIONREAD, &waiting) == 0)
		gauge_sample(&b->gauge, now, (uint64_t)waiting + b->ahead_bytes);
}

/* Returns the bytes read; 0 also when the backend broke and is no more. */
static size_t read_backend(struct watcher *w, struct backend *b)
{
	ssize_t n;

	measure_queue(b);
	n = b->ops->read(b);
	w->last_read_ns = now_ns();
	if (n < 0)
		fail_backend(w, b, (int)n);
	else
		gauge_read(&b->gauge, w->last_read_ns, (size_t)n);
	return n < 0 ? 0 : (size_t)n;
}

/* Backends may have gone since the poll; none was made. */
static struct backend *find_readable(struct watcher *w, size_t poll)
{
	struct backend *b;

	if (w->polls[poll].revents == 0)
		return NULL;
	TAILQ_FOREACH(b, &w->backends, link)
	{
		if (b->fd == w->polls[poll].fd)
			return b;
	}
	return NULL;
}

static bool any_readable(struct watcher *w)
{
	for (size_t i = POLL_FIXED; i < w->poll_count; i++) {
		if (find_readable(w, i) != NULL)
			return true;
	}
	return false;
}

/* In a burst: wait a moment, but not when somebody asks for something. */
static void let_gather(struct watcher *w)
{
	struct pollfd p = {.fd = w->socket, .events = POLLIN};

	if (now_ns() - w->last_read_ns > BUSY_GAP_NS)
		w->wakes = 0;
	if (++w->wakes > BUSY_WAKES && !channel_has(w->channel, CHANNEL_SCANS) && !w->crawl.active)
		poll(&p, 1, GATHER_MS);
}

static void read_backends(struct watcher *w)
{
	size_t total = 0;

	if (!any_readable(w))
		return;
	let_gather(w);
	for (size_t i = POLL_FIXED; i < w->poll_count; i++) {
		struct backend *b = find_readable(w, i);

		if (b != NULL)
			total += read_backend(w, b);
	}
	if (w->wakes > BUSY_WAKES && total < GATHER_FEW_BYTES)
		w->wakes = 0;
	channel_flush(w->channel);
}

static bool any_unsettled(const struct watcher *w)
{
	const struct backend *b;

	TAILQ_FOREACH(b, &w->backends, link)
	{
		if (b->unsettled)
			return true;
	}
	return false;
}

static void read_unsettled(struct watcher *w)
{
	struct backend *b, *next;

	channel_resume(w->channel);
	for (b = TAILQ_FIRST(&w->backends); b != NULL; b = next) {
		next = TAILQ_NEXT(b, link);
		if (!b->unsettled)
			continue;
		b->quiet = true; /* until that read is over, which may free b */
		read_backend(w, b);
	}
}

/* Requests. */

static void serve_look(struct watcher *w, const struct watch_request *q)
{
	struct watch_drive *d = find_drive(w, q->drive);
	struct observation o = {.drive = q->drive, .dir = q->dir, .name_len = q->name_len};
	char name[256];
	int r;

	memcpy(name, q->name, q->name_len);
	name[q->name_len] = 0;
	o.name = name;
	r = look(w, d, &o);
	o.type = OBSERVED_LOOKED;
	o.request = q->request;
	o.error = r < 0 ? r : 0;
	channel_emit(w->channel, &o);
}

/* Every event is in the queue before the system call that caused it returns: what waits now is all there is
 * to see. */
static void serve_barrier(struct watcher *w, const struct watch_request *q)
{
	struct backend *b, *next;

	for (b = TAILQ_FIRST(&w->backends); b != NULL; b = next) {
		size_t due, done = 0, n = 1;
		int waiting;

		next = TAILQ_NEXT(b, link);
		if (ioctl(b->fd, FIONREAD, &waiting) != 0)
			waiting = 0;
		due = (size_t)waiting + b->ahead_bytes;
		while (n > 0 && done < due)
			done += n = read_backend(w, b);
	}
	channel_end_batch(w->channel);
	channel_emit(w->channel, &(struct observation){.type = OBSERVED_BARRIER, .request = q->request});
}

static void serve_ignore(struct watcher *w, const struct watch_request *q)
{
	struct backend *b;

	if (ignored_set(&w->ignored, q->name, q->name_len) != 0)
		return; /* it only costs us time */
	TAILQ_FOREACH(b, &w->backends, link)
	ignored_apply(&w->ignored, b);
}

static void serve_urgent(struct watcher *w)
{
	struct watch_request q;
	bool any = false;

	while (!channel_closed(w->channel) && channel_next(w->channel, CHANNEL_URGENT, &q)) {
		any = true;
		if (q.type == REQUEST_DRIVE)
			serve_drive(w, &q);
		else if (q.type == REQUEST_LOOK)
			serve_look(w, &q);
		else if (q.type == REQUEST_BARRIER)
			serve_barrier(w, &q);
		else if (q.type == REQUEST_IGNORE)
			serve_ignore(w, &q);
	}
	if (!any)
		return;
	channel_end_batch(w->channel);
	channel_flush(w->channel);
}

static void list_some(struct watcher *w)
{
	struct watch_request q;
	unsigned left = SCAN_PIECE;

	while (left > 0 && !channel_closed(w->channel)) {
		unsigned looked;

		if (!w->crawl.active) {
			if (!channel_next(w->channel, CHANNEL_SCANS, &q))
				return;
			io_priority_set(&w->io_priority, (q.flags & SCAN_IDLE) != 0);
			if (!crawl_begin(&w->crawl, w->channel, find_drive(w, q.drive), &q)) {
				channel_defer(w->channel, &q);
				continue;
			}
		}
		io_priority_set(&w->io_priority, w->crawl.idle);
		looked = crawl_step(&w->crawl, w->channel, find_drive(w, w->crawl.drive), left) +
			 SCAN_OPEN_COST;
		left -= looked < left ? looked : left;
	}
}

/* All but listing is done at normal priority: somebody waits for it. */
static void serve_scans(struct watcher *w)
{
	list_some(w);
	io_priority_set(&w->io_priority, false);
}

/* The loop. */

/* FIONREAD counts only the fixed part of fanotify's events; with its name and handles one holds about as much
 * kernel memory as this. */
static uint64_t kernel_bytes(const struct backend *b, const struct gauge_report *r)
{
	enum { FIXED_BYTES = 24, MEMORY_BYTES = 128 };

	return b->kind == WATCH_FANOTIFY ? r->queue_bytes / FIXED_BYTES * MEMORY_BYTES : r->queue_bytes;
}

static void report_gauges(struct watcher *w)
{
	uint64_t now = now_ns();
	struct gauge_report r;
	struct watch_drive *d;
	struct backend *b;

	TAILQ_FOREACH(b, &w->backends, link)
	{
		if (!gauge_report(&b->gauge, now, &r))
			continue;
		TAILQ_FOREACH(d, &w->drives, link)
		{
			if (d->backend == b)
				channel_emit(w->channel,
					     &(struct observation){.type = OBSERVED_GAUGES,
								   .drive = d->number,
								   .queue_bytes = kernel_bytes(b, &r),
								   .lag_ms = r.lag_ms});
		}
	}
}

/* Whatever was not readable a moment ago holds nothing older than that. */
static void note_empty(struct watcher *w, bool waited)
{
	uint64_t now = now_ns();
	size_t i = POLL_FIXED;
	struct backend *b;

	TAILQ_FOREACH(b, &w->backends, link)
	{
		if (waited || w->polls[i].revents == 0)
			gauge_empty(&b->gauge, now);
		i++;
	}
}

static int idle_ms(const struct watcher *w)
{
	const struct backend *b;

	if (any_unsettled(w) || channel_has(w->channel, CHANNEL_DEFERRED))
		return UNSETTLED_MS;
	TAILQ_FOREACH(b, &w->backends, link)
	{
		if (gauge_owes(&b->gauge))
			return GAUGE_MS;
	}
	return ROOT_CHECK_MS;
}

static void prepare_polls(struct watcher *w)
{
	struct backend *b;

	w->polls[0] = (struct pollfd){.fd = w->socket, .events = POLLIN};
	w->polls[1] = (struct pollfd){.fd = w->mountinfo, .events = POLLPRI};
	w->poll_count = POLL_FIXED;
	TAILQ_FOREACH(b, &w->backends, link)
	w->polls[w->poll_count++] = (struct pollfd){.fd = b->fd, .events = POLLIN};
}

static bool has_requests(const struct watcher *w)
{
	return w->crawl.active || channel_has(w->channel, CHANNEL_SCANS) ||
	       channel_has(w->channel, CHANNEL_URGENT);
}

/* What a backend has read already is as good as readable.  Returns how many of them poll(2) did not count. */
static int mark_ahead(struct watcher *w)
{
	size_t i = POLL_FIXED;
	struct backend *b;
	int more = 0;

	TAILQ_FOREACH(b, &w->backends, link)
	{
		if (b->ahead_bytes > 0 && w->polls[i].revents == 0) {
			w->polls[i].revents = POLLIN;
			more++;
		}
		i++;
	}
	return more;
}

/* Returns how poll(2) ended: 0 when nothing came in ROOT_CHECK_MS. */
static int wait_for_work(struct watcher *w)
{
	int r;

	prepare_polls(w);
	r = poll(w->polls, w->poll_count, 0);
	r = r < 0 ? r : r + mark_ahead(w);
	note_empty(w, false);
	report_gauges(w);
	if (r == 0 && !has_requests(w)) {
		channel_end_batch(w->channel);
		channel_flush(w->channel); /* which may take requests in */
	}
	if (r != 0 || has_requests(w) || channel_closed(w->channel))
		return r == 0 ? 1 : r;
	rest_drives(w);
	r = poll(w->polls, w->poll_count, idle_ms(w));
	note_empty(w, true);
	return r;
}

static int run(struct watcher *w)
{
	while (!channel_closed(w->channel)) {
		int r = wait_for_work(w);

		if (r < 0 && errno != EINTR)
			return EXIT_FAILURE;
		if (r < 0)
			continue;
		if (w->polls[0].revents != 0)
			channel_receive(w->channel);
		w->remounted |= w->polls[1].revents != 0;
		if (r == 0 || w->remounted)
			w->check = true;
		read_backends(w);
		if (r == 0)
			read_unsettled(w);
		if (take_doubts(w)) /* before a look: where the root is gone nothing else is */
			check_roots(w);
		if (w->remounted)
			notice_mounts(w);
		serve_urgent(w);
		if (take_doubts(w))
			check_roots(w);
		serve_scans(w);
		if (take_doubts(w))
			check_roots(w);
		retry_deferred(w);
	}
	return EXIT_SUCCESS;
}

static struct watcher *watcher_new(int socket)
{
	struct watcher *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	TAILQ_INIT(&w->drives);
	TAILQ_INIT(&w->backends);
	w->socket = socket;
	w->mountinfo = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	w->polls = calloc(POLL_FIXED, sizeof(*w->polls));
	if (w->polls == NULL || channel_new(&w->channel, socket) != 0) {
		free(w->polls);
		free(w);
		return NULL;
	}
	return w;
}

static void watcher_free(struct watcher *w)
{
	while (!TAILQ_EMPTY(&w->drives))
		drop_drive(w, TAILQ_FIRST(&w->drives));
	crawl_stop(&w->crawl);
	ignored_deinit(&w->ignored);
	channel_free(w->channel);
	if (w->mountinfo >= 0)
		close(w->mountinfo);
	free(w->polls);
	free(w);
}

int watcher_main(int socket)
{
	struct watcher *w = watcher_new(socket);
	int status = EXIT_FAILURE;

	if (w != NULL) {
		status = run(w);
		watcher_free(w);
	}
	close(socket);
	return status;
}
