#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "net_fake.h"
#include "store/item.h"

/* ---- what sync/engine.h says, as far as net/ uses it */

bool engine_ask(struct engine *e, struct engine_request *request)
{
	if (e->stopping)
		return false;
	assert_true(e->count < sizeof(e->asked) / sizeof(e->asked[0]));
	e->asked[e->count++] = request;
	return true;
}

void engine_news_free(struct engine_news *n)
{
	if (n == NULL)
		return;
	if (n->drive != NULL)
		free(n->drive->last_run);
	free(n->drive);
	free(n->text);
	free(n);
}

const char *drive_state_name(enum drive_state s)
{
	static const char *const names[] = {"indexing", "live", "reconciling", "degraded", "offline"};

	return names[s];
}

/* ---- the store */

static struct store_txn *begin(struct net_fixture *f)
{
	struct store_txn *txn;

	assert_int_equal(store_begin(f->store, STORE_WRITE, &txn), 0);
	return txn;
}

static struct journal *open_journal(struct store_txn *txn, const char *stream)
{
	struct journal *j;

	assert_int_equal(journal_open(&j, txn, stream), 0);
	return j;
}

static struct engine_news *news_new(enum engine_news_type type, const char *stream)
{
	struct engine_news *n = calloc(1, sizeof(*n));

	assert_non_null(n);
	n->type = type;
	snprintf(n->stream, sizeof(n->stream), "%s", stream);
	return n;
}

void net_advanced(struct net_fixture *f, const char *stream)
{
	server_news(f->server, news_new(NEWS_ADVANCED, stream));
}

static void append(struct net_fixture *f, struct journal *j, struct store_txn *txn, enum event_type event,
		   unsigned padding, unsigned flags)
{
	char *json = malloc(256 + padding);
	struct journal_record record = {.event = event, .flags = (uint8_t)flags, .json = json};

	record.json_len = (size_t)sprintf(json, "{\"event\":\"%s\",\"n\":%u,\"pad\":\"\"}", event_name(event),
					  f->appended++);
	if (padding > 0) {
		memset(json + record.json_len - 2, 'x', padding);
		memcpy(json + record.json_len - 2 + padding, "\"}", 2);
		record.json_len += padding;
	}
	assert_int_equal(journal_append(j, txn, &record), 0);
	free(json);
}

void net_append(struct net_fixture *f, const char *stream, enum event_type event, unsigned n,
		unsigned padding)
{
	struct store_txn *txn = begin(f);
	struct journal *j = open_journal(txn, stream);

	while (n-- > 0)
		append(f, j, txn, event, padding, 0);
	assert_int_equal(store_commit(txn), 0);
	journal_close(j);
	net_advanced(f, stream);
}

void net_append_flags(struct net_fixture *f, const char *stream, enum event_type event, unsigned flags)
{
	struct store_txn *txn = begin(f);
	struct journal *j = open_journal(txn, stream);

	append(f, j, txn, event, 0, flags);
	assert_int_equal(store_commit(txn), 0);
	journal_close(j);
}

void net_note(struct net_fixture *f, const char *stream, enum event_type event, const char *item)
{
	struct engine_news *n = news_new(NEWS_NOTE, stream);

	n->event = event;
	n->text = strdup(item);
	server_news(f->server, n);
}

void net_drive(struct net_fixture *f, const char *drive, enum drive_state state)
{
	struct engine_news *n = news_new(NEWS_DRIVE, "");

	n->drive = calloc(1, sizeof(*n->drive));
	assert_non_null(n->drive);
	snprintf(n->drive->name, sizeof(n->drive->name), "%s", drive);
	snprintf(n->drive->root, sizeof(n->drive->root), "/srv/%s", drive);
	n->drive->backend = WATCH_FANOTIFY;
	n->drive->state = state;
	n->drive->entries = 3;
	server_news(f->server, n);
}

void net_indexed(struct net_fixture *f, const char *drive)
{
	struct store_txn *txn = begin(f);
	struct drive_row row;

	assert_int_equal(drives_find(txn, drive, &row), 0);
	row.indexed = true;
	assert_int_equal(drives_update(txn, &row), 0);
	assert_int_equal(store_commit(txn), 0);
}

void net_add_files(struct net_fixture *f, const char *drive, unsigned n)
{
	struct store_txn *txn = begin(f);
	struct drive_row row;

	assert_int_equal(drives_find(txn, drive, &row), 0);
	for (unsigned i = 0; i < n; i++) {
		char name[64];
		struct index_node node = {
			.parent = row.root, .drive = row.drive, .rev_epoch = 1, .name = name};

		node.name_len = (size_t)snprintf(name, sizeof(name), "file-%06u-of-a-rather-long-name", i);
		node.state.kind = NODE_FILE;
		node.state.mode = 0644;
		node.state.links = 1;
		node.id.len = 8;
		memcpy(node.id.bytes, &i, sizeof(i));
		assert_int_equal(index_add(txn, &node), 0);
	}
	assert_int_equal(store_commit(txn), 0);
}

static void position_of(struct net_fixture *f, const char *stream, struct position *out)
{
	struct store_txn *txn = begin(f);
	struct journal *j = open_journal(txn, stream);

	assert_int_equal(journal_tail(j, txn, out), 0);
	journal_close(j);
	store_abort(txn);
}

void net_tail(struct net_fixture *f, const char *stream, char out[POSITION_TEXT_MAX])
{
	struct position p;

	position_of(f, stream, &p);
	cursor_format(&p, out);
}

void net_prune(struct net_fixture *f, const char *stream, uint64_t keep)
{
	struct store_txn *txn = begin(f);
	struct journal *j = open_journal(txn, stream);
	bool left = true;

	while (left)
		assert_int_equal(journal_prune(j, txn, keep, 1000000, &left), 0);
	assert_int_equal(store_commit(txn), 0);
	journal_close(j);
}

void net_new_epoch(struct net_fixture *f, const char *stream)
{
	struct store_txn *txn = begin(f);
	struct journal *j = open_journal(txn, stream);

	assert_int_equal(journal_new_epoch(j, txn, (uint64_t)time(NULL), 0), 0);
	assert_int_equal(store_commit(txn), 0);
	journal_close(j);
	net_advanced(f, stream);
}

uint64_t net_add_token(struct net_fixture *f, unsigned scopes, const char *drives, int64_t expires,
		       char out[TOKEN_TEXT_LEN + 1])
{
	struct token_row row = {.scopes = scopes, .name = "test", .created = time(NULL), .expires = expires};
	struct store_txn *txn = begin(f);

	snprintf(row.drives, sizeof(row.drives), "%s", drives);
	assert_int_equal(token_generate(out), 0);
	assert_int_equal(token_hash(out, TOKEN_TEXT_LEN, row.hash), 0);
	assert_int_equal(tokens_add(txn, &row), 0);
	assert_int_equal(store_commit(txn), 0);
	return row.id;
}

/* ---- the engine's answers */

static void do_token(struct net_fixture *f, struct engine_request *r)
{
	struct store_txn *txn = begin(f);

	if (r->type == ENGINE_TOKEN_ADD) {
		r->error = tokens_add(txn, &r->token);
	} else {
		r->error = tokens_get(txn, r->token.id, &r->token) == 0 ? 0 : -ENOENT;
		r->token.revoked = time(NULL);
		if (r->error == 0)
			r->error = tokens_update(txn, &r->token);
	}
	assert_int_equal(store_commit(txn), 0);
}

static void answer(struct net_fixture *f, struct engine_request *r)
{
	struct engine_news *n = news_new(NEWS_ANSWER, "");
	char stream[80];

	n->request = r;
	snprintf(stream, sizeof(stream), "drive:%s", r->drive);
	switch (r->type) {
	case ENGINE_TRIGGER:
		r->run = 7;
		r->error = r->path != NULL && strcmp(r->path, "nothing") == 0 ? -ENOENT : 0;
		free(r->path);
		r->path = NULL;
		break;
	case ENGINE_BARRIER:
		position_of(f, stream, &r->cursor);
		break;
	case ENGINE_ADOPT:
		r->counts = (struct adopt_counts){
			.entries = 3, .found = 4, .kept = 1, .changed = 1, .created = 2, .missing = 1};
		if (r->confirm[0] == '\0')
			strcpy(r->confirm, "0123456789abcdef");
		else if (strcmp(r->confirm, "0123456789abcdef") == 0)
			r->run = 8;
		else
			r->error = -ESTALE;
		break;
	case ENGINE_TOKEN_ADD:
	case ENGINE_TOKEN_REVOKE:
		do_token(f, r);
		break;
	}
	server_news(f->server, n);
}

void net_answer(struct net_fixture *f)
{
	unsigned count = f->engine.count;

	for (unsigned i = 0; i < count; i++)
		answer(f, f->engine.asked[i]);
	memmove(f->engine.asked, f->engine.asked + count,
		(f->engine.count - count) * sizeof(f->engine.asked[0]));
	f->engine.count -= count;
}

/* ---- the loop */

void net_turn(struct net_fixture *f)
{
	uv_run(&f->loop, UV_RUN_ONCE);
	if (!f->hold)
		net_answer(f);
}

void net_settle(struct net_fixture *f)
{
	for (int quiet = 0; quiet < 20; quiet++) {
		uv_run(&f->loop, UV_RUN_NOWAIT);
		if (!f->hold)
			net_answer(f);
		if (uv_is_active((uv_handle_t *)&f->server->idle))
			quiet = 0;
	}
}

static void on_watchdog(uv_timer_t *timer)
{
	(void)timer;
	fprintf(stderr, "the test has waited for 60 s\n");
	abort();
}

static void make_drive(struct net_fixture *f, const char *name)
{
	struct store_txn *txn = begin(f);
	struct drive_row row;
	char stream[80];

	assert_int_equal(drives_add(txn, name, &row), 0);
	snprintf(stream, sizeof(stream), "drive:%s", name);
	journal_close(open_journal(txn, stream));
	assert_int_equal(store_commit(txn), 0);
}

static void make_store(struct net_fixture *f)
{
	struct store_options options = {.directory = f->directory, .no_sync = true};
	struct store_txn *txn;

	assert_int_equal(store_open(&f->store, &options), 0);
	txn = begin(f);
	journal_close(open_journal(txn, "bus"));
	assert_int_equal(store_commit(txn), 0);
	make_drive(f, "music");
	make_drive(f, "later");
	net_indexed(f, "music");
	net_add_token(f, TOKEN_READ | TOKEN_ADMIN, "*", 0, f->token);
}

int net_setup(void **state)
{
	static const char *const drives[] = {"music", "later"};
	struct net_fixture *f = calloc(1, sizeof(*f));
	struct server_options options = {
		.address = "127.0.0.1", .version = "test", .drives = drives, .drive_count = 2};

	assert_non_null(f);
	snprintf(f->directory, sizeof(f->directory), "/tmp/wakeline-net-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	uv_loop_init(&f->loop);
	uv_timer_init(&f->loop, &f->watchdog);
	uv_timer_start(&f->watchdog, on_watchdog, 60000, 0);
	make_store(f);
	options.loop = &f->loop;
	options.store = f->store;
	options.state_dir = f->directory;
	assert_int_equal(server_open(&f->server, &options), 0);
	f->server->limits.stop_ms = 200;
	server_attach(f->server, &f->engine);
	net_drive(f, "music", DRIVE_LIVE);
	net_drive(f, "later", DRIVE_INDEXING);
	*state = f;
	return 0;
}

static void on_stopped(void *context)
{
	struct net_fixture *f = context;

	f->stopped = true;
}

static void remove_directory(struct net_fixture *f)
{
	static const char *const names[] = {"store.mdb", "store.mdb-lock", "lock"};
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->directory, names[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(f->directory), 0); /* nothing of ours is left */
}

int net_teardown(void **state)
{
	struct net_fixture *f = *state;

	if (!f->stopped)
		server_stop(f->server, on_stopped, f);
	while (!f->stopped)
		net_turn(f);
	f->hold = false;
	net_answer(f);
	server_free(f->server);
	store_close(f->store);
	uv_close((uv_handle_t *)&f->watchdog, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	remove_directory(f);
	free(f);
	return 0;
}

struct net_client *net_hello(struct net_fixture *f, const char *token, const char *client)
{
	struct net_client *c = net_websocket(f, NULL);
	char hello[256];

	snprintf(hello, sizeof(hello),
		 "{\"type\":\"hello\",\"token\":\"%s\",\"client\":\"%s\",\"name\":\"N\"}", token, client);
	net_send(c, hello);
	json_decref(net_expect(c, "welcome"));
	return c;
}
