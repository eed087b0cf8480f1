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

/* What is as small as this is read whole at each start: that takes some hundredths of a second. */
enum { SMALL_BYTES = 8 << 20 };

static void say_line(void *context, const char *line)
{
	(void)context;
	fprintf(stderr, "store: %s\n", line);
}

static void store_path(char out[PATH_MAX], const char *state_dir)
{
	snprintf(out, PATH_MAX, "%s/store", state_dir);
}

/* Open it the way the daemon will, and close it again.  What that only reads, and what its first commit
 * changes, may lie on a damaged page in a store that was closed in order, too. */
static int try_to_write(const char *directory)
{
	struct store_options options = {.directory = directory};
	struct store *store;
	int r = store_open(&store, &options);

	if (r == 0)
		store_close(store);
	return r == STORE_BROKEN ? 1 : 0;
}

static int read_whole(struct store *store)
{
	struct store_report report;

	if (store_was_unclean(store))
		fprintf(stderr, "store: it was not closed in order; reading all of it first\n");
	return store_check(store, &report, say_line, NULL) == -EILSEQ ? 1 : 0;
}

/* In a child: 0 when there is nothing to fear. */
static int try_to_open(const char *directory)
{
	struct store_options options = {.directory = directory, .read_only = true};
	struct store *store;
	int r = store_open(&store, &options);

	if (r == STORE_EMPTY)
		fprintf(stderr, "store: %s/store.mdb is empty; a new store begins\n", directory);
	if (r != 0)
		return r == STORE_BROKEN ? 1 : 0; /* absent, locked, newer: the daemon's own open tells */
	if (store_was_unclean(store))
		return read_whole(store);
	if (store_used_bytes(store) <= SMALL_BYTES && read_whole(store) != 0)
		return 1;
	store_close(store);
	return try_to_write(directory);
}

/* Only what the store itself did counts: a child that was killed, or had no memory, proves nothing. */
static bool died_of_damage(int status)
{
	return WIFSIGNALED(status) &&
	       (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS || WTERMSIG(status) == SIGABRT);
}

/* A damaged page can end the process that reads it, so that is done by a child.  Its wait status, or -errno.
 */
static int in_child(int (*job)(const char *directory), const char *directory)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(job(directory));
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return status;
}

static int try_in_child(const char *directory)
{
	int status = in_child(try_to_open, directory);

	if (status < 0)
		return status;
	return died_of_damage(status) || (WIFEXITED(status) && WEXITSTATUS(status) != 0) ? STORE_BROKEN : 0;
}

static int set_aside(const char *state_dir, const char *directory)
{
	char broken[PATH_MAX];

	snprintf(broken, sizeof(broken), "%s/broken-%lld", state_dir, (long long)time(NULL));
	if (rename(directory, broken) != 0)
		return -errno;
	fprintf(stderr,
		"store: it is damaged; it was set aside as %s and a new one begins: clients begin with a "
		"snapshot, and tokens have to be made again\n",
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
	else if (r == STORE_EMPTY)
		snprintf(error, STORE_GUARD_ERROR_MAX,
			 "%s: nothing was written to this store yet; wakelined fills it when it starts",
			 directory);
	else if (r == -ENOENT)
		snprintf(error, STORE_GUARD_ERROR_MAX,
			 "%s: there is no store yet; wakelined makes it when it starts", directory);
	else if (r == -EACCES || r == -EPERM || r == -EROFS)
		snprintf(error, STORE_GUARD_ERROR_MAX,
			 "%s: the store cannot be opened: %s; run wakelined as the user that it belongs to, "
			 "or give this one another state_dir",
			 directory, strerror(-r));
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
	if (r == 0)
		r = store_open(out, &options);
	if (r == STORE_BROKEN) {
		r = set_aside(state_dir, directory);
		if (r == 0)
			r = store_open(out, &options);
	}
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

static void advise(const char *directory)
{
	fprintf(stderr,
		"wakelined: %s is damaged; put a backup in its place, or move it out of the way and start "
		"wakelined: a new one then begins, clients begin with a snapshot, and tokens have to be made "
		"again\n",
		directory);
}

/* In a child: an exit status. */
static int check(const char *directory)
{
	char error[STORE_GUARD_ERROR_MAX];
	struct store_options options = {.directory = directory, .read_only = true};
	struct store_report report;
	struct store *store;
	int r = store_open(&store, &options);

	if (r == STORE_BROKEN)
		advise(directory);
	if (r != 0 && r != STORE_BROKEN) {
		explain(error, r, directory);
		fprintf(stderr, "wakelined: %s\n", error);
	}
	if (r != 0)
		return EXIT_FAILURE;
	r = store_check(store, &report, say_line, NULL);
	printf("%s: %" PRIu64 " streams, %" PRIu64 " records, %" PRIu64 " drives, %" PRIu64 " nodes, %" PRIu64
	       " identities, %" PRIu64 " detached, %" PRIu64 " runs, %" PRIu64 " tokens: %" PRIu64
	       " faults\n",
	       directory, report.streams, report.records, report.drives, report.nodes, report.identities,
	       report.detached, report.runs, report.tokens, report.faults);
	fflush(stdout);
	if (r == -EILSEQ)
		advise(directory);
	else if (r != 0)
		fprintf(stderr, "wakelined: %s cannot be read: %s\n", directory, strerror(-r));
	store_close(store);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int store_guard_check(const char *state_dir)
{
	char directory[PATH_MAX];
	int status;

	store_path(directory, state_dir);
	status = in_child(check, directory);
	if (status >= 0 && WIFEXITED(status))
		return WEXITSTATUS(status);
	if (status < 0)
		fprintf(stderr, "wakelined: %s cannot be read: %s\n", directory, strerror(-status));
	else if (died_of_damage(status))
		advise(directory);
	else
		fprintf(stderr, "wakelined: reading %s was ended by a signal (%s)\n", directory,
			strsignal(WTERMSIG(status)));
	return EXIT_FAILURE;
}
