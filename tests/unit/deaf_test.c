/* The engine finds out a watcher that answers all it is asked and tells of nothing that happens.
 *
 * The engine, the store and the file helper are the real ones; the helper and the watcher run on threads of
 * this process, since starter_start() is ours. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/store.h"
#include "sync/engine.h"
#include "sync/hash.h"
#include "watcher/drive.h"
#include "watcher/helper.h"
#include "watcher/starter.h"

enum { PATIENCE_MS = 30000, THREADS_MAX = 16 };

struct fixture {
	char directory[64], root[80], state[80];
	struct store *store;
	struct engine *engine;
	uv_loop_t loop;
	struct mailbox news;
	uv_timer_t timer;
	bool too_late;
	bool was_live; /* the first watcher was believed */
	char why[256]; /* … and then it was not */
	enum drive_state drive_state;
	struct run_row last_run;
};

/* What starter_start() hands out has no fixture; one test runs at a time. */
static struct {
	pthread_t ids[THREADS_MAX];
	atomic_uint count, watchers;
} threads;

/* The watcher. */

static void tell(int socket, struct observation o)
{
	uint8_t frame[OBSERVATION_FRAME_MAX];
	int len = observation_encode(&o, frame, sizeof(frame));

	if (len > 0)
		(void)!send(socket, frame, (size_t)len, MSG_NOSIGNAL);
}

static void tell_ready(int socket, const struct watch_request *q)
{
	char path[256];
	struct watch_drive *d;

	snprintf(path, sizeof(path), "%.*s", (int)q->name_len, q->name);
	if (watch_drive_new(&d, q->drive, path, WATCH_AUTO) != 0 || watch_drive_refresh(d) != 0)
		abort();
	tell(socket, (struct observation){.type = OBSERVED_READY,
					  .drive = q->drive,
					  .backend = WATCH_FANOTIFY,
					  .id = d->root,
					  .state = d->state,
					  .text = "deaf",
					  .text_len = 4});
	watch_drive_free(d);
}

static void serve(int socket, const struct watch_request *q)
{
	struct observation o = {.drive = q->drive, .request = q->request, .dir = q->dir};

	switch (q->type) {
	case REQUEST_DRIVE:
		tell_ready(socket, q);
		return;
	case REQUEST_SCAN:
		o.type = OBSERVED_SCAN_BEGIN;
		tell(socket, o);
		o.type = OBSERVED_SCAN_END;
		tell(socket, o);
		return;
	case REQUEST_LOOK:
		o.type = OBSERVED_LOOKED;
		o.error = -EIO;
		o.name = q->name;
		o.name_len = q->name_len;
		tell(socket, o);
		return;
	case REQUEST_BARRIER:
		tell(socket, (struct observation){.type = OBSERVED_BARRIER, .request = q->request});
		return;
	case REQUEST_IGNORE:
		return;
	}
}

static void *run_watcher(void *context)
{
	int socket = (int)(intptr_t)context, len;
	uint8_t in[OBSERVATION_FRAME_MAX * 2];
	struct watch_request q;
	size_t in_len = 0;
	ssize_t n;

	while ((n = recv(socket, in + in_len, sizeof(in) - in_len, 0)) > 0) {
		in_len += (size_t)n;
		while ((len = watch_request_decode(&q, in, in_len)) > 0) {
			serve(socket, &q);
			in_len -= (size_t)len;
			memmove(in, in + len, in_len);
		}
	}
	close(socket);
	return NULL;
}

static void *run_helper(void *context)
{
	helper_main((int)(intptr_t)context);
	return NULL;
}

int starter_start(struct starter *s, enum starter_kind kind, int *fd, pid_t *pid)
{
	int pair[2];
	unsigned n = atomic_fetch_add(&threads.count, 1);

	(void)s;
	*pid = 1;
	if (n >= THREADS_MAX || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		abort();
	*fd = pair[0];
	atomic_fetch_add(&threads.watchers, kind == START_WATCHER);
	if (pthread_create(&threads.ids[n], NULL, kind == START_WATCHER ? run_watcher : run_helper,
			   (void *)(intptr_t)pair[1]) != 0)
		abort();
	return 0;
}

/* The daemon. */

static void on_news(void *context, struct mail *mail)
{
	struct fixture *f = context;
	struct engine_news *n = container_of(mail, struct engine_news, mail);

	if (n->type == NEWS_FAILED)
		fail_msg("the engine failed: %s", n->text);
	if (n->type == NEWS_DRIVE) {
		f->drive_state = n->drive->state;
		if (n->drive->last_run != NULL)
			f->last_run = *n->drive->last_run;
		f->was_live |= n->drive->state == DRIVE_LIVE;
		if (f->was_live && n->drive->state == DRIVE_OFFLINE)
			memcpy(f->why, n->drive->why, sizeof(f->why));
	}
	engine_news_free(n);
}

static void on_timer(uv_timer_t *timer)
{
	((struct fixture *)timer->data)->too_late = true;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct store_options options = {.directory = f->state, .no_sync = true, .max_bytes = 1 << 28};

	strcpy(f->directory, "/tmp/wakeline-deaf-test-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->root, sizeof(f->root), "%s/root", f->directory);
	snprintf(f->state, sizeof(f->state), "%s/state", f->directory);
	assert_int_equal(mkdir(f->root, 0700), 0);
	assert_int_equal(mkdir(f->state, 0700), 0);
	assert_int_equal(store_open(&f->store, &options), 0);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(mailbox_init(&f->news, &f->loop, on_news, f), 0);
	assert_int_equal(uv_timer_init(&f->loop, &f->timer), 0);
	f->timer.data = f;
	atomic_store(&threads.count, 0);
	atomic_store(&threads.watchers, 0);
	*state = f;
	return 0;
}

static void start(struct fixture *f, unsigned probe_ms)
{
	struct engine_drive drive = {.name = "music",
				     .path = f->root,
				     .device = 1,
				     .settle_ms = 20,
				     .max_wait_ms = 500,
				     .retain_changes = 1000,
				     .probe_ms = probe_ms};
	struct engine_drive *kept = malloc(sizeof(*kept));
	struct engine_options options = {
		.store = f->store, .drives = kept, .drive_count = 1, .news = &f->news};

	*kept = drive;
	assert_int_equal(engine_start(&f->engine, &options), 0);
	f->loop.data = kept;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	engine_stop(f->engine);
	for (unsigned i = 0; i < atomic_load(&threads.count); i++)
		pthread_join(threads.ids[i], NULL);
	mailbox_close(&f->news);
	uv_close((uv_handle_t *)&f->timer, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	store_close(f->store);
	free(f->loop.data);
	snprintf(command, sizeof(command), "rm -rf %s", f->directory);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void test_a_watcher_that_hears_nothing_is_replaced_and_the_drive_compared(void **state)
{
	struct fixture *f = *state;

	start(f, 10);
	uv_timer_start(&f->timer, on_timer, PATIENCE_MS, 0);
	while (!f->too_late && !(f->why[0] != '\0' && f->drive_state == DRIVE_LIVE))
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_false(f->too_late);
	assert_true(f->was_live);
	assert_true(atomic_load(&threads.watchers) >= 2);
	assert_int_equal(f->last_run.trigger, RUN_WATCHER);
	assert_int_equal(f->last_run.state, RUN_COMPLETED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_a_watcher_that_hears_nothing_is_replaced_and_the_drive_compared, setup,
			teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
