#include "daemon/store_guard.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/check.h"
#include "store/store.h"

static void say_line(void *context, const char *line)
{
	(void)context;
	fprintf(stderr, "store: %s\n", line);
}

static void store_path(char out[PATH_MAX], const char *state_dir)
{
	snprintf(out, PATH_MAX, "%s/store", state_dir);
}

/* In a child: 0 when there is nothing to fear. */
static int read_whole(const char *directory)
{
	struct store_options options = {.directory = directory, .read_only = true};
	struct store_report report;
	struct store *store;
	int r = store_open(&store, &options);

	if (r == STORE_BROKEN)
		return 1;
	if (r != 0)
		return 0; /* absent, locked, newer: the daemon's own open tells */
	if (!store_was_unclean(store))
		return 0;
	fprintf(stderr, "store: it was not closed; reading all of it first\n");
	return store_check(store, &report, say_line, NULL) == -EILSEQ ? 1 : 0;
}

/* Only what the store itself did counts: a child that was killed, or had no memory, proves nothing. */
static bool is_damaged(int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status) != 0;
	return WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS || WTERMSIG(status) == SIGABRT;
}

static int try_in_child(const char *directory)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(read_whole(directory));
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return is_damaged(status) ? STORE_BROKEN : 0;
}

static int set_aside(const char *state_dir, const char *directory)
{
	char broken[PATH_MAX];

	snprintf(broken, sizeof(broken), "%s/broken-%lld", state_dir, (long long)time(NULL));
	if (rename(directory, broken) != 0)
		return -errno;
	fprintf(stderr,
		"store: it is damaged; it was set aside as %s and a new one begins: clients will be reset\n",
		broken);
	return 0;
}

static void explain(char error[STORE_GUARD_ERROR_MAX], int r, const char *directory)
{
	if (r == STORE_LOCKED)
		snprintf(error, STORE_GUARD_ERROR_MAX,
			 "%s: another wakelined (pid %d) has this store open; stop it, or give this one "
			 "another state_dir",
			 directory, store_lock_owner(directory));
	else if (r == STORE_NEWER)
		snprintf(error, STORE_GUARD_ERROR_MAX,
			 "%s: this store was written by a newer wakelined (this one knows format %d); "
			 "install that version "
			 "again, or give this one another state_dir",
			 directory, STORE_FORMAT);
	else
		snprintf(error, STORE_GUARD_ERROR_MAX, "%s: the store cannot be opened: %s", directory,
			 r < 0 ? strerror(-r) : "it is not a store");
}

int store_guard_open(struct store **out, const char *state_dir, char error[STORE_GUARD_ERROR_MAX])
{
	char directory[PATH_MAX];
	struct store_options options = {.directory = directory};
	int r;

	store_path(directory, state_dir);
	r = try_in_child(directory);
	if (r == STORE_BROKEN)
		r = set_aside(state_dir, directory);
	if (r == 0)
		r = store_open(out, &options);
	if (r != 0)
		explain(error, r, directory);
	return r;
}

int store_guard_open_whole(struct store **out, const char *state_dir, char error[STORE_GUARD_ERROR_MAX])
{
	char directory[PATH_MAX];
	struct store_options options = {.directory = directory};
	int r;

	store_path(directory, state_dir);
	r = access(directory, F_OK) != 0 ? -errno : try_in_child(directory);
	if (r == 0)
		r = store_open(out, &options);
	if (r == STORE_BROKEN)
		snprintf(error, STORE_GUARD_ERROR_MAX,
			 "%.400s: the store is damaged; `wakelined --check` tells more", directory);
	else if (r != 0)
		explain(error, r, directory);
	return r;
}

int store_guard_check(const char *state_dir)
{
	char directory[PATH_MAX], error[STORE_GUARD_ERROR_MAX];
	struct store_options options = {.directory = directory, .read_only = true};
	struct store_report report;
	struct store *store;
	int r;

	store_path(directory, state_dir);
	r = store_open(&store, &options);
	if (r != 0) {
		explain(error, r, directory);
		fprintf(stderr, "wakelined: %s\n", error);
		return EXIT_FAILURE;
	}
	r = store_check(store, &report, say_line, NULL);
	printf("%s: %" PRIu64 " streams, %" PRIu64 " records, %" PRIu64 " drives, %" PRIu64 " nodes, %" PRIu64
	       " identities, %" PRIu64 " detached, %" PRIu64 " runs, %" PRIu64 " tokens: %" PRIu64
	       " faults\n",
	       directory, report.streams, report.records, report.drives, report.nodes, report.identities,
	       report.detached, report.runs, report.tokens, report.faults);
	if (r < 0 && r != -EILSEQ)
		fprintf(stderr, "wakelined: %s: %s\n", directory, strerror(-r));
	store_close(store);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
