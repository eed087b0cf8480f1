/* mark: what the file system mark alone costs a writer.
 *
 *     bench_mark DIRECTORY [no-target] [no-modify] [unread] -- COMMAND ...
 *
 * Marks the file system of DIRECTORY as the watcher does, runs COMMAND, and meanwhile takes the events from
 * the queue every 2 ms and throws them away.  no-target: events do not tell which file they are about;
 * no-modify: writes raise none; unread: the events stay in the queue.  Needs CAP_SYS_ADMIN. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/sample.h"

enum { GATHER_MS = 2, READ_BYTES = 256 * 1024 };

struct choice {
	bool no_target, no_modify, unread;
};

/* Returns where the command begins, or 0. */
static int parse(int argc, char **argv, struct choice *c)
{
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0)
			return i + 1 < argc ? i + 1 : 0;
		if (strcmp(argv[i], "no-target") == 0)
			c->no_target = true;
		else if (strcmp(argv[i], "no-modify") == 0)
			c->no_modify = true;
		else if (strcmp(argv[i], "unread") == 0)
			c->unread = true;
		else
			return 0;
	}
	return 0;
}

static int mark(const char *directory, const struct choice *c)
{
	unsigned names = c->no_target ? FAN_REPORT_DFID_NAME : FAN_REPORT_DFID_NAME_TARGET;
	uint64_t mask = FAN_CREATE | FAN_DELETE | FAN_RENAME | FAN_CLOSE_WRITE | FAN_ATTRIB | FAN_ONDIR;
	int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_UNLIMITED_QUEUE | FAN_NONBLOCK | FAN_CLOEXEC | names,
			       O_RDONLY);

	if (!c->no_modify)
		mask |= FAN_MODIFY;
	if (fd < 0 || fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, mask, AT_FDCWD, directory) != 0)
		die(directory);
	return fd;
}

static pid_t start(char **command)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	execvp(command[0], command);
	die(command[0]);
}

int main(int argc, char **argv)
{
	static char events[READ_BYTES];
	struct choice choice = {0};
	int command = parse(argc, argv, &choice), fd, status = 0, ended;
	struct pollfd end = {.events = POLLIN};
	pid_t pid;

	if (command == 0) {
		fprintf(stderr,
			"usage: bench_mark DIRECTORY [no-target] [no-modify] [unread] -- COMMAND ...\n");
		return 2;
	}
	fd = mark(argv[1], &choice);
	pid = start(argv + command);
	end.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pid < 0 || end.fd < 0)
		die("pidfd_open");
	do {
		ended = poll(&end, 1, GATHER_MS);
		while (!choice.unread && read(fd, events, sizeof(events)) > 0) {
		}
	} while (ended == 0);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
