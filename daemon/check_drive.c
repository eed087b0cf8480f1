#include "daemon/check_drive.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "daemon/index_difference.h"
#include "store/drives.h"
#include "store/store.h"
#include "store/text.h"
#include "sync/drive.h"
#include "watcher/starter.h"

enum { IN_BYTES = 256 * 1024, STEPS_MAX = 64, DRIVE_NUMBER = 1 };

struct checker {
	const struct engine_drive *config;
	struct drive_row row;
	struct store_txn *txn; /* what the machine does; never committed */
	struct drive *machine; /* NULL: the watcher is not ready */
	int fd;
	struct text out; /* requests not written yet */
	uint8_t *in;
	size_t in_len;
	bool in_batch, again, ended;
	int error;      /* of the walk */
	char why[4400]; /* it cannot go on; empty: it can */
};

static void say(struct checker *c, const char *what, int error)
{
	if (c->why[0] == '\0')
		snprintf(c->why, sizeof(c->why), "%s%s%s", what, error != 0 ? ": " : "",
			 error != 0 ? strerror(-error) : "");
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* What the machine asks and hands out. */

static void request(struct checker *c, struct watch_request r)
{
	uint8_t frame[OBSERVATION_FRAME_MAX];
	int len;

	r.drive = r.type == REQUEST_BARRIER ? 0 : DRIVE_NUMBER;
	len = watch_request_encode(&r, frame, sizeof(frame));
	if (len > 0)
		text_add(&c->out, frame, (size_t)len);
	if (len <= 0 || c->out.failed)
		say(c, "a request to the watcher", len < 0 ? len : -ENOMEM);
}

static void on_look(void *context, uint32_t number, const struct file_id *dir, const char *name, size_t len)
{
	request(context,
		(struct watch_request){
			.type = REQUEST_LOOK, .request = number, .dir = *dir, .name = name, .name_len = len});
}

static void on_scan(void *context, uint32_t number, uint16_t flags, const struct file_id *dir)
{
	request(context,
		(struct watch_request){.type = REQUEST_SCAN, .flags = flags, .request = number, .dir = *dir});
}

static void on_barrier(void *context, uint32_t number)
{
	request(context, (struct watch_request){.type = REQUEST_BARRIER, .request = number});
}

static int on_change(void *context, const struct change *change)
{
	(void)context;
	(void)change;
	return 0; /* it is in the index, where it is found afterwards */
}

static void on_next_rev(void *context, uint64_t *epoch, uint64_t *seq)
{
	(void)context;
	*epoch = *seq = 1;
}

static void on_reconciled(void *context, uint64_t entries, uint64_t changes, int error)
{
	struct checker *c = context;

	(void)entries;
	(void)changes;
	c->ended = true;
	c->error = error;
}

static void on_missed(void *context, int error)
{
	struct checker *c = context;

	c->error = c->error == 0 ? error : c->error;
}

static int make_machine(struct checker *c, bool weak_ids)
{
	struct drive_options options = {.drive = c->row.drive,
					.root = c->row.root,
					.weak_ids = weak_ids,
					.output = {.context = c,
						   .look = on_look,
						   .scan = on_scan,
						   .barrier = on_barrier,
						   .change = on_change,
						   .next_rev = on_next_rev,
						   .reconciled = on_reconciled,
						   .missed = on_missed}};
	int r = drive_new(&c->machine, &options);

	return r == 0 ? drive_reconcile(c->machine, c->txn, 0) : r;
}

/* What the watcher says. */

static bool is_known_root(const struct checker *c, const struct observation *o)
{
	struct file_id known;

	memcpy(&known, &c->row.root_id, sizeof(known));
	return (o->flags & WATCH_WEAK_IDS) != 0 || file_id_equal(&known, &o->id);
}

static void on_ready(struct checker *c, const struct observation *o)
{
	struct index_node root;
	int r;

	if (!is_known_root(c, o)) {
		say(c,
		    "another directory is mounted or was made at its path; compare it with `wakeline drive "
		    "adopt`",
		    0);
		return;
	}
	r = index_get(c->txn, c->row.root, &root);
	if (r == 0) {
		memcpy(&root.id, &o->id, sizeof(root.id));
		r = index_update(c->txn, &root);
	}
	if (r == 0)
		r = make_machine(c, (o->flags & WATCH_WEAK_IDS) != 0);
	if (r != 0)
		say(c, "beginning to compare", r < 0 ? r : -EILSEQ);
}

static void observe(struct checker *c, const struct observation *o)
{
	int r;

	if (o->type == OBSERVED_READY) {
		on_ready(c, o);
	} else if (o->type == OBSERVED_FAILED) {
		snprintf(c->why, sizeof(c->why), "%.*s", (int)o->text_len, o->text);
	} else if (o->type == OBSERVED_ROOT_GONE) {
		say(c, "its directory went away meanwhile", 0);
	} else if (o->type == OBSERVED_OVERFLOW) {
		c->again = true;
	} else if (c->machine != NULL) {
		r = drive_observe(c->machine, o, now_ms());
		if (r != 0)
			say(c, "taking what the watcher saw", r);
	}
	if (o->type == OBSERVED_BATCH_END)
		c->in_batch = false;
	else if ((o->type == OBSERVED_ENTRY || o->type == OBSERVED_GONE || o->type == OBSERVED_FILE) &&
		 (o->flags & OBSERVED_LISTED) == 0)
		c->in_batch = true;
}

static void receive(struct checker *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, IN_BYTES - c->in_len, MSG_DONTWAIT);
	struct observation o;
	size_t at = 0;
	int len = 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		say(c, "the watcher ended", 0);
		return;
	}
	c->in_len += (size_t)n;
	while (c->why[0] == '\0' && (len = observation_decode(&o, c->in + at, c->in_len - at)) > 0) {
		at += (size_t)len;
		observe(c, &o);
	}
	if (len < 0)
		say(c, "the watcher sent a malformed frame", 0);
	memmove(c->in, c->in + at, c->in_len - at);
	c->in_len -= at;
}

static void flush(struct checker *c)
{
	ssize_t n = c->out.len == 0 ? 0 : send(c->fd, c->out.data, c->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n <= 0)
		return; /* a dead watcher is found by reading */
	memmove(c->out.data, c->out.data + n, c->out.len - (size_t)n);
	c->out.len -= (size_t)n;
}

/* Until nothing is due; what has to wait for the watcher waits in poll(2). */
static void step(struct checker *c)
{
	bool more = true;
	int r = 0;

	for (int i = 0; i < STEPS_MAX && more && r == 0 && drive_deadline(c->machine) <= now_ms(); i++)
		r = drive_step(c->machine, c->txn, now_ms(), &more);
	if (r == 0 && c->ended && c->again) {
		c->ended = c->again = false;
		r = drive_reconcile(c->machine, c->txn, 0);
	}
	if (r != 0)
		say(c, "comparing", r < 0 ? r : -EILSEQ);
}

static int wait_ms(const struct checker *c)
{
	uint64_t deadline = c->machine == NULL || c->in_batch ? UINT64_MAX : drive_deadline(c->machine);
	uint64_t now = now_ms();

	if (deadline == UINT64_MAX)
		return -1;
	return deadline <= now ? 0 : (int)(deadline - now < 1000 ? deadline - now : 1000);
}

static void compare(struct checker *c)
{
	request(c, (struct watch_request){.type = REQUEST_DRIVE,
					  .backend = c->config->backend,
					  .name = c->config->path,
					  .name_len = strlen(c->config->path)});
	while (c->why[0] == '\0' && !c->ended) {
		struct pollfd p = {.fd = c->fd, .events = (short)(POLLIN | (c->out.len > 0 ? POLLOUT : 0))};

		poll(&p, 1, wait_ms(c));
		receive(c);
		if (c->machine != NULL && !c->in_batch && c->why[0] == '\0')
			step(c);
		flush(c);
	}
}

/* The whole. */

static int open_all(struct checker *c, struct store *store, struct starter *starter)
{
	pid_t pid;
	int r = store_begin(store, STORE_WRITE, &c->txn);

	if (r == 0)
		r = drives_find(c->txn, c->config->name, &c->row);
	if (r == DRIVES_NONE || (r == 0 && !c->row.indexed)) {
		say(c, "the store has no complete index of it: start the daemon once", 0);
		return -ENOENT;
	}
	c->in = malloc(IN_BYTES);
	if (r == 0 && c->in == NULL)
		r = -ENOMEM;
	if (r == 0)
		r = starter_start(starter, START_WATCHER, &c->fd, &pid);
	if (r != 0)
		say(c, "beginning", r);
	return r;
}

static void close_all(struct checker *c)
{
	drive_free(c->machine);
	store_abort(c->txn);
	if (c->fd >= 0)
		close(c->fd);
	text_deinit(&c->out);
	free(c->in);
}

/* The index as it was against the index as it would be. */
static int report(struct checker *c, struct store *store, uint64_t *differences)
{
	struct index_report total = {0};
	struct store_txn *before;
	int r = store_begin(store, STORE_READ, &before);

	if (r == 0) {
		r = index_difference(before, c->txn, c->row.root, stdout, &total);
		store_abort(before);
	}
	if (r != 0) {
		say(c, "reading the index", r < 0 ? r : -EILSEQ);
		return -1;
	}
	printf("%s: %llu entries compared, %llu differences\n", c->config->name,
	       (unsigned long long)total.entries, (unsigned long long)total.differences);
	*differences = total.differences;
	return 0;
}

enum check_drive_exit check_drive(struct store *store, struct starter *starter,
				  const struct engine_drive *drive)
{
	struct checker c = {.config = drive, .fd = -1};
	uint64_t differences = 0;

	if (open_all(&c, store, starter) == 0)
		compare(&c);
	if (c.why[0] == '\0')
		report(&c, store, &differences);
	if (c.why[0] == '\0' && c.error != 0)
		say(&c, "not everything could be read", c.error);
	if (c.why[0] != '\0')
		fprintf(stderr, "wakelined: drive %s: %s\n", drive->name, c.why);
	close_all(&c);
	if (c.why[0] != '\0')
		return CHECK_DRIVE_FAILED;
	return differences > 0 ? CHECK_DRIVE_DIFFERS : CHECK_DRIVE_SAME;
}
