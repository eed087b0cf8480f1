/* wakelined: parse, build each part, run the loop, take the parts down in reverse.
 *
 *   config.c        the configuration file          store_guard.c   opening the store with care
 *   privileges.c    giving up capabilities          ../watcher      what the kernel says (processes of their
 * own)
 *   ../sync         observations become changes (a thread of its own, the only writer)
 *   ../store        journal and index               ../net          everything clients reach (this thread's
 * loop)
 *
 * The order is a security matter: the starter is forked before anything else is opened, then capabilities go,
 * and only then the store and the port are opened. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/config.h"
#include "daemon/privileges.h"
#include "daemon/store_guard.h"
#include "net/server.h"
#include "store/drives.h"
#include "store/store.h"
#include "sync/engine.h"
#include "sync/hash.h"
#include "sync/rules.h"
#include "watcher/starter.h"

static const char default_config[] = "/etc/wakeline/wakelined.conf";

enum command {
	COMMAND_RUN,
	COMMAND_CHECK,
	COMMAND_CHECK_CONFIG,
	COMMAND_HELP,
	COMMAND_VERSION,
	COMMAND_NONE
};

struct daemon {
	struct config config;
	struct engine_drive *drives;
	struct rules **rules; /* of each drive */
	const char **names;
	struct starter *starter;
	struct store *store;
	uv_loop_t loop;
	struct mailbox news;
	uv_signal_t sigterm, sigint;
	struct server *server;
	struct engine *engine;
	bool stopping;
	int status;
};

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "wakelined: %s%s%s\n", what, why[0] ? ": " : "", why);
	return -1;
}

static void print_help(void)
{
	printf("Usage: wakelined [--config FILE] [--check | --check-config]\n"
	       "Watch drives and tell every connected client what changed.\n\n"
	       "  --config FILE    configuration to read (default %s)\n"
	       "  --check          verify the whole store, print what was found, and exit\n"
	       "  --check-config   read the configuration, say what is wrong with it, and exit\n"
	       "  --version        print the version and exit\n"
	       "  --help           print this and exit\n\n"
	       "It runs in the foreground and stops on SIGTERM or SIGINT.\n",
	       default_config);
}

static enum command parse(int argc, char **argv, const char **config)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'},
		{"check-config", no_argument, NULL, 'n'}, {"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},         {0}};
	enum command command = COMMAND_RUN;
	int c;

	while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (c == 'c')
			*config = optarg;
		else if (c == 'k')
			command = COMMAND_CHECK;
		else if (c == 'n')
			command = COMMAND_CHECK_CONFIG;
		else if (c == 'v')
			return COMMAND_VERSION;
		else if (c == 'h')
			return COMMAND_HELP;
		else
			return COMMAND_NONE;
	}
	if (optind < argc) {
		complain(argv[optind], "not understood; see wakelined --help");
		return COMMAND_NONE;
	}
	return command;
}

/* Configuration. */

static int make_drives(struct daemon *d, const uint64_t *devices)
{
	d->drives = calloc(d->config.drive_count, sizeof(*d->drives));
	d->names = calloc(d->config.drive_count, sizeof(*d->names));
	d->rules = calloc(d->config.drive_count, sizeof(*d->rules));
	if (d->drives == NULL || d->names == NULL || d->rules == NULL)
		return complain("out of memory", "");
	for (size_t i = 0; i < d->config.drive_count; i++) {
		const struct config_drive *c = &d->config.drives[i];

		d->names[i] = c->name;
		d->drives[i] =
			(struct engine_drive){.name = c->name,
					      .path = c->path,
					      .device = devices[i],
					      .backend = c->backend,
					      .poll_interval_ms = c->poll_interval_ms,
					      .settle_ms = c->settle_ms,
					      .max_wait_ms = c->max_wait_ms,
					      .retain_changes = c->retain_changes,
					      .read_only = c->read_only,
					      .probe_ms = c->self_probe_ms,
					      .verify_seconds = c->verify_hash ? c->verify_seconds : 0};
		if (config_rules_make(&c->rules, &d->rules[i]) != 0)
			return complain("out of memory", "");
		d->drives[i].rules = d->rules[i];
	}
	return 0;
}

static int read_config(struct daemon *d, const char *path)
{
	char error[CONFIG_ERROR_MAX];
	uint64_t *devices;
	int r = config_read(&d->config, path, error);

	if (r != 0)
		return complain(error, "");
	devices = calloc(d->config.drive_count, sizeof(*devices));
	if (devices == NULL)
		return complain("out of memory", "");
	r = config_check_paths(&d->config, devices, error);
	r = r != 0 ? complain(error, "") : make_drives(d, devices);
	free(devices);
	return r;
}

static void free_config(struct daemon *d)
{
	for (size_t i = 0; d->rules != NULL && i < d->config.drive_count; i++)
		rules_free(d->rules[i]);
	free(d->rules);
	free(d->drives);
	free(d->names);
	config_deinit(&d->config);
}

/* Building the parts. */

static int make_state_dir(const char *path)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return complain(path, strerror(errno));
	return 0;
}

/* A drive whose root is not there can only be served when the store knows what was in it. */
static int check_known(struct daemon *d, struct store_txn *txn)
{
	struct drive_row row;

	for (size_t i = 0; i < d->config.drive_count; i++) {
		const char *path = d->drives[i].path;
		int r;

		if (d->drives[i].device != 0)
			continue;
		r = drives_find(txn, d->drives[i].name, &row);
		if (r < 0)
			return complain("reading the store", strerror(-r));
		if (r == 0 && row.indexed)
			continue;
		fprintf(stderr, "wakelined: drive %s: %s: %s; mount or make it, or correct `path`\n",
			d->drives[i].name, path,
			access(path, R_OK | X_OK) != 0 ? strerror(errno) : "not a directory");
		return -1;
	}
	return 0;
}

static int open_store(struct daemon *d)
{
	char error[STORE_GUARD_ERROR_MAX];
	struct store_txn *txn;
	int r = store_guard_open(&d->store, d->config.state_dir, error);

	if (r != 0)
		return complain(error, "");
	r = store_begin(d->store, STORE_READ, &txn);
	if (r != 0)
		return complain("reading the store", strerror(-r));
	r = check_known(d, txn);
	store_abort(txn);
	return r;
}

static void begin_stop(struct daemon *d);

static void on_news(void *context, struct mail *mail)
{
	struct daemon *d = context;
	struct engine_news *news = container_of(mail, struct engine_news, mail);

	if (news->type == NEWS_FAILED) {
		complain(news->text == NULL ? "the engine failed" : news->text, "");
		d->status = EXIT_FAILURE;
		engine_news_free(news);
		begin_stop(d);
		return;
	}
	server_news(d->server, news);
}

static void on_server_stopped(void *context)
{
	struct daemon *d = context;

	uv_stop(&d->loop);
}

static void begin_stop(struct daemon *d)
{
	if (d->stopping)
		return;
	d->stopping = true;
	server_stop(d->server, on_server_stopped, d);
}

static void on_signal(uv_signal_t *signal, int number)
{
	fprintf(stderr, "stopping (%s)\n", strsignal(number));
	begin_stop(signal->data);
}

static int watch_signals(struct daemon *d)
{
	int r = uv_signal_init(&d->loop, &d->sigterm);

	d->sigterm.data = d->sigint.data = d;
	if (r == 0)
		r = uv_signal_init(&d->loop, &d->sigint);
	if (r == 0)
		r = uv_signal_start(&d->sigterm, on_signal, SIGTERM);
	if (r == 0)
		r = uv_signal_start(&d->sigint, on_signal, SIGINT);
	return r == 0 ? 0 : complain("signals", uv_strerror(r));
}

static int open_server(struct daemon *d)
{
	struct server_options options = {.loop = &d->loop,
					 .store = d->store,
					 .address = d->config.address,
					 .port = d->config.port,
					 .state_dir = d->config.state_dir,
					 .version = WAKELINE_VERSION,
					 .drives = d->names,
					 .drive_count = d->config.drive_count};
	int r = server_open(&d->server, &options);

	if (r == -EADDRINUSE) {
		fprintf(stderr,
			"wakelined: %s:%u is in use by another program; stop it, or change `listen` in "
			"[server]\n",
			d->config.address, d->config.port);
		return -1;
	}
	return r == 0 ? 0 : complain("listening", strerror(-r));
}

static int start_engine(struct daemon *d)
{
	struct engine_options options = {.store = d->store,
					 .starter = d->starter,
					 .drives = d->drives,
					 .drive_count = d->config.drive_count,
					 .news = &d->news};
	int r = engine_start(&d->engine, &options);

	if (r != 0)
		return complain("starting the engine", strerror(-r));
	server_attach(d->server, d->engine);
	return 0;
}

static int build(struct daemon *d)
{
	int r = starter_fork(&d->starter);

	if (r != 0)
		return complain("forking the starter", strerror(-r));
	r = privileges_drop();
	if (r != 0)
		return complain("dropping capabilities", strerror(-r));
	if (make_state_dir(d->config.state_dir) != 0 || open_store(d) != 0)
		return -1;
	uv_loop_init(&d->loop);
	r = mailbox_init(&d->news, &d->loop, on_news, d);
	if (r != 0)
		return complain("the main loop", uv_strerror(r));
	if (open_server(d) != 0 || watch_signals(d) != 0)
		return -1;
	return start_engine(d);
}

static void take_down(struct daemon *d)
{
	engine_stop(d->engine);
	if (d->news.on_mail != NULL) {
		mailbox_close(&d->news);
		if (d->sigterm.data != NULL) {
			uv_close((uv_handle_t *)&d->sigterm, NULL);
			uv_close((uv_handle_t *)&d->sigint, NULL);
		}
		server_free(d->server);
		uv_run(&d->loop, UV_RUN_NOWAIT);
		uv_loop_close(&d->loop);
	}
	store_close(d->store);
	starter_free(d->starter);
	free_config(d);
}

static int run(const char *config)
{
	struct daemon d = {.status = EXIT_SUCCESS};

	signal(SIGPIPE, SIG_IGN);
	if (read_config(&d, config) != 0 || build(&d) != 0) {
		d.status = EXIT_FAILURE;
	} else {
		fprintf(stderr, "wakelined %s: serving on http://%s:%u\n", WAKELINE_VERSION, d.config.address,
			server_port(d.server));
		uv_run(&d.loop, UV_RUN_DEFAULT);
	}
	take_down(&d);
	return d.status;
}

static int check(const char *path, enum command command)
{
	struct daemon d = {.status = EXIT_SUCCESS};
	char error[CONFIG_ERROR_MAX];
	int r;

	if (command == COMMAND_CHECK_CONFIG)
		r = read_config(&d, path);
	else
		r = config_read(&d.config, path, error) != 0 ? complain(error, "") : 0;
	if (r != 0)
		d.status = EXIT_FAILURE;
	else if (command == COMMAND_CHECK)
		d.status = store_guard_check(d.config.state_dir);
	free_config(&d);
	return d.status;
}

int main(int argc, char **argv)
{
	const char *config = default_config;
	enum command command = parse(argc, argv, &config);

	switch (command) {
	case COMMAND_RUN:
		return run(config);
	case COMMAND_CHECK:
	case COMMAND_CHECK_CONFIG:
		return check(config, command);
	case COMMAND_HELP:
		print_help();
		return EXIT_SUCCESS;
	case COMMAND_VERSION:
		printf("wakelined %s\n", WAKELINE_VERSION);
		return EXIT_SUCCESS;
	case COMMAND_NONE:
		return 2;
	}
	return 2;
}
