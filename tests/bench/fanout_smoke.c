/* fanout_smoke [CLIENTS [RECORDS]]: how fast the network side hands one drive's records to many WebSocket
 * clients.
 *
 * Two processes: the server, its loop pinned to one processor, with a thread that appends to the journal as
 * the engine does (without syncing: the disk is not what is measured), and the clients, on one epoll, on
 * another processor.  Records carry the time at which they were appended.  Phases: connect and idle; 100
 * records a second; flat out; one client that comes back far behind; all clients that come back at once. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "net/server.h"
#include "store/drives.h"
#include "store/journal.h"
#include "store/store.h"
#include "store/tokens.h"

enum { RECORD_BYTES = 250, PACED_RECORDS = 500, BEHIND_RECORDS = 100000, IN_BYTES = 256 * 1024 };

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static void pin(int processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	sched_setaffinity(0, sizeof(set), &set); /* on a machine with one: wherever there is room */
}

/* ---- the server's process */

struct engine {
	uv_loop_t loop;
	uv_async_t advanced;
	struct store *store;
	struct server *server;
	int commands; /* from the clients' process */
	int answers;
};

struct command {
	char what; /* 'p' paced, 'f' flat out, 'u' usage, 'q' quit */
	unsigned records;
};

struct usage {
	double cpu_s;
	long rss_kib;
};

bool engine_ask(struct engine *e, struct engine_request *request)
{
	(void)e;
	(void)request;
	return false; /* nobody asks here */
}

void engine_news_free(struct engine_news *n)
{
	free(n);
}

const char *drive_state_name(enum drive_state s)
{
	(void)s;
	return "live";
}

static void on_advanced(uv_async_t *async)
{
	struct engine *e = async->data;
	struct engine_news *n = calloc(1, sizeof(*n));

	n->type = NEWS_ADVANCED;
	strcpy(n->stream, "drive:x");
	server_news(e->server, n);
}

static void append(struct engine *e, unsigned count)
{
	struct store_txn *txn;
	struct journal *j;

	if (store_begin(e->store, STORE_WRITE, &txn) != 0 || journal_open(&j, txn, "drive:x") != 0)
		die("append");
	for (unsigned i = 0; i < count; i++) {
		char json[RECORD_BYTES + 1];
		struct journal_record r = {
			.event = EVENT_FILE_UPDATED, .json = json, .json_len = RECORD_BYTES};
		int n = snprintf(json, sizeof(json),
				 "{\"event\":\"drive.file.updated\",\"t\":%.6f,\"pad\":\"", now_s());

		memset(json + n, 'x', (size_t)(RECORD_BYTES - n));
		memcpy(json + RECORD_BYTES - 2, "\"}", 2);
		if (journal_append(j, txn, &r) != 0)
			die("append");
	}
	if (store_commit(txn) != 0)
		die("commit");
	journal_close(j);
	uv_async_send(&e->advanced);
}

static void append_paced(struct engine *e, unsigned records)
{
	double begin = now_s();

	for (unsigned i = 0; i < records; i++) {
		double wait = begin + i / 100.0 - now_s();

		if (wait > 0)
			usleep((useconds_t)(wait * 1e6));
		append(e, 1);
	}
}

static struct usage usage_now(void)
{
	struct usage u = {0};
	struct rusage r;
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	getrusage(RUSAGE_SELF, &r);
	u.cpu_s = (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
		  (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
	if (f != NULL && fscanf(f, "%*d %ld", &pages) == 1)
		u.rss_kib = pages * (sysconf(_SC_PAGESIZE) / 1024);
	if (f != NULL)
		fclose(f);
	return u;
}

static void *writer(void *context)
{
	struct engine *e = context;
	struct command c;

	pin(1);
	while (read(e->commands, &c, sizeof(c)) == sizeof(c)) {
		struct usage u;

		if (c.what == 'p')
			append_paced(e, c.records);
		for (unsigned left = c.what == 'f' ? c.records : 0; left > 0; left -= left < 200 ? left : 200)
			append(e, left < 200 ? left : 200);
		u = usage_now();
		if (c.what == 'u' && write(e->answers, &u, sizeof(u)) < 0)
			die("answer");
		if (c.what == 'q')
			_exit(0);
	}
	_exit(0);
}

static void make_store(struct engine *e, const char *directory, const char *token)
{
	struct store_options options = {.directory = directory, .no_sync = true};
	struct token_row row = {.scopes = TOKEN_READ, .name = "bench", .drives = "*", .created = 1};
	struct store_txn *txn;
	struct drive_row drive;
	struct journal *j;

	if (store_open(&e->store, &options) != 0 || store_begin(e->store, STORE_WRITE, &txn) != 0 ||
	    drives_add(txn, "x", &drive) != 0 || journal_open(&j, txn, "drive:x") != 0)
		die("store");
	drive.indexed = true;
	journal_close(j);
	if (journal_open(&j, txn, "bus") != 0 || drives_update(txn, &drive) != 0 ||
	    token_hash(token, strlen(token), row.hash) != 0 || tokens_add(txn, &row) != 0 ||
	    store_commit(txn) != 0)
		die("store");
	journal_close(j);
}

static void serve(const char *directory, const char *token, int commands, int answers)
{
	static const char *const drives[] = {"x"};
	static struct engine e;
	struct server_options options = {.loop = &e.loop,
					 .address = "127.0.0.1",
					 .state_dir = directory,
					 .version = "bench",
					 .drives = drives,
					 .drive_count = 1};
	uint16_t port;
	pthread_t thread;

	e.commands = commands;
	e.answers = answers;
	make_store(&e, directory, token);
	uv_loop_init(&e.loop);
	uv_async_init(&e.loop, &e.advanced, on_advanced);
	e.advanced.data = &e;
	options.store = e.store;
	if (server_open(&e.server, &options) != 0)
		die("server");
	server_attach(e.server, &e);
	port = server_port(e.server);
	if (write(answers, &port, sizeof(port)) < 0 || pthread_create(&thread, NULL, writer, &e) != 0)
		die("start");
	pin(0);
	uv_run(&e.loop, UV_RUN_DEFAULT);
}

/* ---- the clients' process */

struct client {
	int fd;
	char *in;
	size_t len;
	char cursor[80];
	uint64_t seq;
	bool subscribed;
};

struct fleet {
	struct client *clients;
	unsigned count;
	int epoll, to_server, from_server;
	uint16_t port;
	const char *token;
	uint64_t received;
	double *delays;
	size_t delay_count, delay_room;
};

static void send_frame(int fd, const char *text)
{
	size_t len = strlen(text);
	uint8_t frame[600] = {0x81, 0x80 | 126, (uint8_t)(len >> 8), (uint8_t)len}; /* masked with zeros */

	memcpy(frame + 8, text, len);
	if (write(fd, frame, len + 8) < 0)
		die("write");
}

static void connect_client(struct fleet *f, struct client *c, const char *from)
{
	static const char upgrade[] =
		"GET /ws HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = htons(f->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	char text[400];

	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	c->len = 0;
	c->subscribed = false;
	if (c->in == NULL)
		c->in = malloc(IN_BYTES);
	if (connect(c->fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    write(c->fd, upgrade, sizeof(upgrade) - 1) < 0)
		die("connect");
	snprintf(text, sizeof(text), "{\"type\":\"hello\",\"token\":\"%s\"}", f->token);
	send_frame(c->fd, text);
	snprintf(text, sizeof(text),
		 "{\"type\":\"subscribe\",\"id\":1,\"stream\":\"drive:x\",\"from\":\"%s\"}", from);
	send_frame(c->fd, text);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	epoll_ctl(f->epoll, EPOLL_CTL_ADD, c->fd, &event);
}

static const char *find(const char *text, size_t len, const char *what)
{
	const char *at = memmem(text, len, what, strlen(what));

	return at != NULL ? at + strlen(what) : NULL;
}

static void on_message(struct fleet *f, struct client *c, const char *text, size_t len)
{
	const char *cursor = find(text, len < 300 ? len : 300, "\"cursor\":\""), *at;
	uint64_t seq;

	if (cursor == NULL)
		return; /* welcome */
	sscanf(cursor, "%79[^\"]", c->cursor);
	seq = strtoull(strchr(c->cursor, '-') + 1, NULL, 10);
	if (!c->subscribed) {
		c->subscribed = true;
		c->seq = seq;
		return;
	}
	f->received += seq - c->seq;
	c->seq = seq;
	at = f->delay_count < f->delay_room ? find(text, len < 600 ? len : 600, "\"t\":") : NULL;
	if (at != NULL)
		f->delays[f->delay_count++] = now_s() - strtod(at, NULL);
}

static void parse(struct fleet *f, struct client *c)
{
	size_t at = 0;

	while (c->len - at >= 10) {
		uint8_t *b = (uint8_t *)c->in + at;
		size_t head = 2, len = b[1];

		if (b[0] == 'H') { /* the upgrade's answer */
			const char *end = find(c->in + at, c->len - at, "\r\n\r\n");

			if (end == NULL)
				break;
			at = (size_t)(end - c->in);
			continue;
		}
		if (len == 126) {
			len = (size_t)b[2] << 8 | b[3];
			head = 4;
		} else if (len == 127) {
			len = (size_t)b[6] << 24 | (size_t)b[7] << 16 | (size_t)b[8] << 8 | b[9];
			head = 10;
		}
		if (c->len - at < head + len)
			break;
		on_message(f, c, c->in + at + head, len);
		at += head + len;
	}
	memmove(c->in, c->in + at, c->len - at);
	c->len -= at;
}

static void poll_once(struct fleet *f)
{
	struct epoll_event events[256];
	int n = epoll_wait(f->epoll, events, 256, 1000);

	for (int i = 0; i < n; i++) {
		struct client *c = events[i].data.ptr;
		ssize_t got = read(c->fd, c->in + c->len, IN_BYTES - c->len);

		if (got == 0 || (got < 0 && errno != EAGAIN))
			die("a connection has ended");
		if (got > 0)
			c->len += (size_t)got;
		parse(f, c);
	}
}

static void command(struct fleet *f, char what, unsigned records)
{
	struct command c = {.what = what, .records = records};

	if (write(f->to_server, &c, sizeof(c)) < 0)
		die("command");
}

static struct usage server_usage(struct fleet *f)
{
	struct usage u;

	command(f, 'u', 0);
	if (read(f->from_server, &u, sizeof(u)) != sizeof(u))
		die("usage");
	return u;
}

static void await_subscribed(struct fleet *f)
{
	for (unsigned i = 0; i < f->count; i++)
		while (!f->clients[i].subscribed)
			poll_once(f);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Run until every client has this many more. */
static double run(struct fleet *f, char what, unsigned records)
{
	double begin = now_s();

	f->received = 0;
	f->delay_count = 0;
	command(f, what, records);
	while (f->received < (uint64_t)records * f->count)
		poll_once(f);
	return now_s() - begin;
}

static void phase_idle(struct fleet *f)
{
	struct usage before = server_usage(f), after;
	double begin = now_s();

	for (unsigned i = 0; i < f->count; i++)
		connect_client(f, &f->clients[i], "now");
	await_subscribed(f);
	after = server_usage(f);
	printf("connected: %u in %.2f s, %.2f KiB of RSS each\n", f->count, now_s() - begin,
	       (double)(after.rss_kib - before.rss_kib) / f->count);
}

static void phase_paced(struct fleet *f)
{
	struct usage before, after;

	f->delay_room = (size_t)PACED_RECORDS * f->count;
	f->delays = calloc(f->delay_room, sizeof(*f->delays));
	before = server_usage(f);
	run(f, 'p', PACED_RECORDS);
	after = server_usage(f);
	qsort(f->delays, f->delay_count, sizeof(*f->delays), compare);
	printf("100 records/s to %u: p50 %.1f ms, p99 %.1f ms, CPU %.0f %%\n", f->count,
	       f->delays[f->delay_count / 2] * 1e3, f->delays[f->delay_count * 99 / 100] * 1e3,
	       (after.cpu_s - before.cpu_s) / (PACED_RECORDS / 100.0) * 100);
	f->delay_room = 0;
}

static void phase_flat_out(struct fleet *f, unsigned records)
{
	struct usage before = server_usage(f), after;
	double s = run(f, 'f', records), total = (double)records * f->count;

	after = server_usage(f);
	printf("flat out: %.2f million deliveries/s, %.2f CPU s per million, RSS %ld MiB\n", total / s / 1e6,
	       (after.cpu_s - before.cpu_s) / total * 1e6, after.rss_kib / 1024);
}

static void phase_behind(struct fleet *f)
{
	struct client *c = &f->clients[0];
	char cursor[80];
	double begin;

	strcpy(cursor, c->cursor);
	run(f, 'f', BEHIND_RECORDS);
	close(c->fd);
	f->received = 0;
	begin = now_s();
	connect_client(f, c, cursor);
	while (f->received < BEHIND_RECORDS)
		poll_once(f);
	printf("one client %d behind: %.2f million records/s\n", BEHIND_RECORDS,
	       BEHIND_RECORDS / (now_s() - begin) / 1e6);
}

static void phase_resume(struct fleet *f)
{
	enum { MISSED = 1000 };
	char(*cursors)[80] = calloc(f->count, sizeof(*cursors));
	double begin;

	for (unsigned i = 0; i < f->count; i++) {
		strcpy(cursors[i], f->clients[i].cursor);
		close(f->clients[i].fd);
	}
	command(f, 'f', MISSED);
	server_usage(f); /* answered after it */
	f->received = 0;
	begin = now_s();
	for (unsigned i = 0; i < f->count; i++)
		connect_client(f, &f->clients[i], cursors[i]);
	while (f->received < (uint64_t)MISSED * f->count)
		poll_once(f);
	printf("%u clients back at once, each %d behind: all caught up in %.2f s\n", f->count, MISSED,
	       now_s() - begin);
	free(cursors);
}

static void remove_store(const char *directory)
{
	static const char *const names[] = {"store.mdb", "store.mdb-lock", "lock", "control"};
	char path[200];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	rmdir(directory);
}

int main(int argc, char **argv)
{
	char directory[] = "/tmp/wakeline-fanout-XXXXXX", token[TOKEN_TEXT_LEN + 1];
	unsigned records = argc > 2 ? (unsigned)atoi(argv[2]) : 20000;
	struct fleet f = {.count = argc > 1 ? (unsigned)atoi(argv[1]) : 1000, .token = token};
	struct rlimit files = {.rlim_cur = 65536, .rlim_max = 65536};
	int to[2], from[2];
	pid_t server;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (setrlimit(RLIMIT_NOFILE, &files) != 0 && f.count > 400)
		fprintf(stderr, "the limit of open files stays as it is\n");
	if (mkdtemp(directory) == NULL || pipe(to) != 0 || pipe(from) != 0 || token_generate(token) != 0)
		die("setup");
	server = fork();
	if (server == 0) {
		close(to[1]); /* when the clients die, so do we */
		serve(directory, token, to[0], from[1]);
	}
	f.to_server = to[1];
	f.from_server = from[0];
	f.clients = calloc(f.count, sizeof(*f.clients));
	f.epoll = epoll_create1(0);
	if (server < 0 || read(from[0], &f.port, sizeof(f.port)) != sizeof(f.port))
		die("server");
	pin(1);
	phase_idle(&f);
	phase_paced(&f);
	phase_flat_out(&f, records);
	phase_behind(&f);
	phase_resume(&f);
	command(&f, 'q', 0);
	waitpid(server, NULL, 0);
	remove_store(directory);
	return 0;
}
