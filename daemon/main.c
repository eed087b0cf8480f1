/* wakelined: parse, build each part, run the loop, take the parts down in reverse.
 *
 *   config.c        the configuration file
 *   check_drive.c   comparing a drive with its index, offline; index_difference.c: two states of an index
 *   log_times.c     times in the log
 *   privileges.c    giving up capabilities
 *   store_guard.c   opening the store with care
 *   ../watcher      what the kernel says (processes of their own)
 *   ../sync         observations become changes (a thread of its own, the only writer)
 *   ../store        journal and index
 *   ../net          everything clients reach (this thread's loop)
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

#include "daemon/check_drive.h"
#include "daemon/config.h"
#include "daemon/log_times.h"
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
	COMMAND_CHECK_DRIVE,
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
	bool has_loop;
	bool stopping; /* the server is going down */
	bool asked;    /* to end, by a signal */
	int failure;   /* of the engine */
};

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "wakelined: %s%s%s\n", what, why[0] ? ": " : "", why);
	return -1;
}

static void print_help(void)
{
	printf("Usage: wakelined [--config FILE] [--check | --check-config | --check-drive NAME]\n"
	       "Watch drives and tell every connected client what changed.\n\n"
	       "  --config FILE    configuration to read (default %s)\n"
	       "  --check          verify the whole store, print what was found, and exit\n"
	       "  --check-config   read the configuration, say what is wrong with it, and exit\n"
	       "  --check-drive NAME   compare the index of a drive with what is on it, print each "
	       "difference\n"
	       "  --version        print the version and exit\n"
	       "  --help           print this and exit\n\n"
	       "It runs in the foreground and stops on SIGTERM or SIGINT.\n",
	       default_config);
}

/* getopt_long() takes any beginning of a name that fits one alone. */
static bool spelled_out(char **argv, const struct option *option)
{
	const char *last = argv[optind - 1];
	bool apart = option->has_arg == required_argument && optarg == last;
	const char *typed = apart ? argv[optind - 2] : last;
	size_t len = strcspn(typed + 2, "=");

	if (strlen(option->name) == len && strncmp(typed + 2, option->name, len) == 0)
		return true;
	fprintf(stderr, "wakelined: there is no option %.*s; write --%s\n", (int)len + 2, typed,
		option->name);
	return false;
}

static enum command parse(int argc, char **argv, const char **config, const char **drive)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
						{"check", no_argument, NULL, 'k'},
						{"check-config", no_argument, NULL, 'n'},
						{"version", no_argument, NULL, 'v'},
						{"check-drive", required_argument, NULL, 'd'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	enum command command = COMMAND_RUN;
	int c, named = -1;

	while ((c = getopt_long(argc, argv, "c:h", options, &named)) != -1) {
		if (named >= 0 && !spelled_out(argv, &options[named]))
			return COMMAND_NONE;
		named = -1;
		if (c == 'c')
			*config = optarg;
		else if (c == 'k')
			command = COMMAND_CHECK;
		else if (c == 'n')
			command = COMMAND_CHECK_CONFIG;
		else if (c == 'd') {
			command = COMMAND_CHECK_DRIVE;
			*drive = optarg;
		} else if (c == 'v')
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
					      .scrub_seconds = c->scrub_seconds,
					      .scrub_rate = c->scrub_rate,
					      .idle_first_index = c->idle_first_index,
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

/* A drive whose root is not there, or may not be read. */
static void complain_of_drive(const struct engine_drive *drive, const char *remedy)
{
	bool comment = strstr(drive->path, " #") != NULL || strstr(drive->path, " ;") != NULL;

	fprintf(stderr, "wakelined: drive %s: %s: %s; %s%s\n", drive->name, drive->path,
		access(drive->path, R_OK | X_OK) != 0 ? strerror(errno) : "not a directory", remedy,
		comment ? "; what stands behind a value belongs to it, also what looks like a comment" : "");
}

/* The daemon may start without it, as long as the store knows the drive: so it is no error here. */
static void warn_of_missing(const struct daemon *d)
{
	for (size_t i = 0; i < d->config.drive_count; i++) {
		if (d->drives[i].device == 0)
			complain_of_drive(
				&d->drives[i],
				"a drive that was served before starts offline, a new one not at all");
	}
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
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	fprintf(stderr, "wakelined: state_dir %s cannot be made: %s; %s\n", path, strerror(errno),
		errno == ENOENT ? "make the directory above it first, or correct `state_dir` in [server]"
				: "run wakelined as somebody who may write there, or choose another "
				  "`state_dir` in [server]");
	return -1;
}

/* A drive whose root is not there can only be served when the store knows what was in it.  0; -1: it was
 * told; other -errno. */
static int check_known(struct daemon *d, struct store_txn *txn)
{
	struct drive_row row;

	for (size_t i = 0; i < d->config.drive_count; i++) {
		int r;

		if (d->drives[i].device != 0)
			continue;
		r = drives_find(txn, d->drives[i].name, &row);
		if (r < 0)
			return r;
		if (r == 0 && row.indexed)
			continue;
		complain_of_drive(&d->drives[i], "mount or make it, or correct `path`");
		return -1;
	}
	return 0;
}

/* Also for what the engine tells: damage that is found when it is read. */
static bool is_damage(int error)
{
	return error == -EILSEQ || error > 0;
}

/* 0; -1: it was told; -EILSEQ: it is damaged. */
static int look_into_store(struct daemon *d)
{
	struct store_txn *txn;
	int r = store_begin(d->store, STORE_READ, &txn);

	if (r == 0) {
		r = check_known(d, txn);
		store_abort(txn);
	}
	if (r == 0 || r == -1 || is_damage(r))
		return r;
	return complain("reading the store", strerror(-r));
}

static int open_store(struct daemon *d)
{
	char error[STORE_GUARD_ERROR_MAX];

	if (store_guard_open(&d->store, d->config.state_dir, error) != 0)
		return complain(error, "");
	return look_into_store(d);
}

static void begin_stop(struct daemon *d);

static void on_news(void *context, struct mail *mail)
{
	struct daemon *d = context;
	struct engine_news *news = container_of(mail, struct engine_news, mail);

	if (news->type == NEWS_FAILED) {
		complain(news->text == NULL ? "the engine failed" : news->text, "");
		d->failure = news->error;
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
	struct daemon *d = signal->data;

	fprintf(stderr, "stopping (%s)\n", strsignal(number));
	d->asked = true;
	begin_stop(d);
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

static int complain_of_listening(const struct config *c, int error)
{
	bool v6 = strchr(c->address, ':') != NULL;
	const char *why = strerror(-error), *remedy = "see `listen` and `state_dir` in [server]";

	if (error == -EADDRINUSE) {
		why = "another program uses it";
		remedy = "stop that, or change `listen` in [server]";
	} else if (error == -EADDRNOTAVAIL) {
		why = "this machine has no such address";
		remedy = v6 ? "correct `listen` in [server]; [::] stands for all its addresses"
			    : "correct `listen` in [server]; 0.0.0.0 stands for all its addresses";
	} else if (error == -EACCES && c->port != 0 && c->port < 1024) {
		why = "ports below 1024 are privileged, and wakelined gives up its privileges first";
		remedy = "choose a higher one, or lower the sysctl net.ipv4.ip_unprivileged_port_start";
	}
	fprintf(stderr, "wakelined: cannot listen on %s%s%s:%u: %s; %s\n", v6 ? "[" : "", c->address,
		v6 ? "]" : "", c->port, why, remedy);
	return -1;
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

	return r == 0 || is_damage(r) ? r : complain_of_listening(&d->config, r);
}

static int start_engine(struct daemon *d)
{
	struct engine_options options = {.store = d->store,
					 .starter = d->starter,
					 .drives = d->drives,
					 .drive_count = d->config.drive_count,
					 .news = &d->news,
					 .state_dir = d->config.state_dir};
	int r = engine_start(&d->engine, &options);

	if (is_damage(r))
		return r;
	if (r != 0)
		return complain("starting the engine", strerror(-r));
	server_attach(d->server, d->engine);
	return 0;
}

/* All that may be taken down and built again.  0; -1: it was told; else the store is damaged. */
static int build_parts(struct daemon *d)
{
	int r = mailbox_init(&d->news, &d->loop, on_news, d);

	if (r != 0)
		return complain("the main loop", uv_strerror(r));
	r = open_store(d);
	if (r == 0)
		r = open_server(d);
	if (r == 0 && d->sigterm.data == NULL)
		r = watch_signals(d);
	return r == 0 ? start_engine(d) : r;
}

static void take_parts_down(struct daemon *d)
{
	engine_stop(d->engine);
	if (d->news.on_mail != NULL)
		mailbox_close(&d->news);
	server_free(d->server);
	uv_run(&d->loop, UV_RUN_NOWAIT);
	store_close(d->store);
	d->engine = NULL;
	d->server = NULL;
	d->store = NULL;
	d->news = (struct mailbox){0};
}

static int build_base(struct daemon *d)
{
	int r = starter_fork(&d->starter);

	if (r != 0)
		return complain("forking the starter", strerror(-r));
	r = privileges_drop();
	if (r != 0)
		return complain("dropping capabilities", strerror(-r));
	if (make_state_dir(d->config.state_dir) != 0)
		return -1;
	r = uv_loop_init(&d->loop);
	d->has_loop = r == 0;
	return r == 0 ? 0 : complain("the main loop", uv_strerror(r));
}

static void take_down(struct daemon *d)
{
	if (d->has_loop) {
		take_parts_down(d);
		if (d->sigterm.data != NULL) {
			uv_close((uv_handle_t *)&d->sigterm, NULL);
			uv_close((uv_handle_t *)&d->sigint, NULL);
		}
		uv_run(&d->loop, UV_RUN_NOWAIT);
		uv_loop_close(&d->loop);
	}
	starter_free(d->starter);
	free_config(d);
}

/* Until it is asked to stop.  Returns as build_parts() does, and what the engine failed of. */
static int serve(struct daemon *d)
{
	int r = build_parts(d);

	if (r != 0)
		return r;
	fprintf(stderr, "wakelined %s: serving on http://%s:%u\n", WAKELINE_VERSION, d->config.address,
		server_port(d->server));
	uv_run(&d->loop, UV_RUN_DEFAULT);
	return d->failure;
}

/* A store that was closed in order is not read whole at the start, so its damage may show later: then it is
 * opened once more, as one that was not. */
static int serve_or_mend(struct daemon *d)
{
	int r = serve(d);

	if (!is_damage(r) || d->asked)
		return r;
	if (d->store != NULL)
		store_distrust(d->store);
	take_parts_down(d);
	d->stopping = false;
	d->failure = 0;
	r = serve(d);
	if (is_damage(r))
		complain(d->config.state_dir,
			 "the store in it cannot be used, though all of it can be read; move "
			 "`store` out of the way and start again");
	return r;
}

static int run(const char *config)
{
	struct daemon d = {0};
	int r;

	signal(SIGPIPE, SIG_IGN);
	r = read_config(&d, config);
	if (r == 0) {
		log_times_begin();
		r = build_base(&d);
	}
	if (r == 0)
		r = serve_or_mend(&d);
	if (is_damage(r) && d.store != NULL)
		store_distrust(d.store);
	take_down(&d);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int check(const char *path, enum command command)
{
	struct daemon d = {0};
	char error[CONFIG_ERROR_MAX];
	int r, status = EXIT_SUCCESS;

	if (command == COMMAND_CHECK_CONFIG)
		r = read_config(&d, path);
	else
		r = config_read(&d.config, path, error) != 0 ? complain(error, "") : 0;
	if (r != 0)
		status = EXIT_FAILURE;
	else if (command == COMMAND_CHECK)
		status = store_guard_check(d.config.state_dir);
	else
		warn_of_missing(&d);
	free_config(&d);
	return status;
}

static const struct engine_drive *find_drive(const struct daemon *d, const char *name)
{
	for (size_t i = 0; i < d->config.drive_count; i++) {
		if (strcmp(d->drives[i].name, name) == 0)
			return &d->drives[i];
	}
	fprintf(stderr, "wakelined: the configuration has no drive `%s`\n", name);
	return NULL;
}

/* As the daemon begins: the starter keeps the capabilities, this process opens no path on a drive. */
static int run_check_drive(const char *config, const char *name)
{
	struct daemon d = {0};
	char error[STORE_GUARD_ERROR_MAX];
	const struct engine_drive *drive;
	int r, status = CHECK_DRIVE_FAILED;

	signal(SIGPIPE, SIG_IGN);
	drive = read_config(&d, config) == 0 ? find_drive(&d, name) : NULL;
	r = drive == NULL ? -ENOENT : starter_fork(&d.starter);
	if (r == 0)
		r = privileges_drop();
	if (drive != NULL && r != 0)
		complain("starting", strerror(-r));
	if (r == 0) {
		r = store_guard_open_whole(&d.store, d.config.state_dir, error);
		if (r != 0)
			complain(error, "");
	}
	if (r == 0)
		status = (int)check_drive(d.store, d.starter, drive);
	store_close(d.store);
	starter_free(d.starter);
	free_config(&d);
	return status;
}

int main(int argc, char **argv)
{
	const char *config = default_config, *drive = NULL;
	enum command command = parse(argc, argv, &config, &drive);

	switch (command) {
	case COMMAND_RUN:
		return run(config);
	case COMMAND_CHECK:
	case COMMAND_CHECK_CONFIG:
		return check(config, command);
	case COMMAND_CHECK_DRIVE:
		return run_check_drive(config, drive);
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
