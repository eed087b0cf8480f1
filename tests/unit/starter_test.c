/* The starter and its watchers as processes: what they are given, what they keep, and that they end. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "watcher/starter.h"
#include "watcher_kit.h"

enum { PATIENCE_MS = 20000 };

static int open_pid(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	assert_true(fd >= 0);
	return fd;
}

/* Wait until the process has ended. */
static void await_end(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	close(pidfd);
}

static void read_proc(pid_t pid, const char *file, char *out, size_t room)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	n = read(fd, out, room - 1);
	assert_true(n >= 0);
	out[n] = 0;
	close(fd);
}

static unsigned long long status_bits(pid_t pid, const char *key)
{
	char text[8192], *line;

	read_proc(pid, "status", text, sizeof(text));
	line = strstr(text, key);
	assert_non_null(line);
	return strtoull(line + strlen(key), NULL, 16);
}

static unsigned count_fds(pid_t pid)
{
	char path[64];
	const struct dirent *e;
	unsigned count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL)
		count += e->d_name[0] != '.';
	closedir(dir);
	return count;
}

/* Ask for a drive that is not there: the answer shows that the process runs its loop. */
static void await_answer(int fd)
{
	uint8_t buf[OBSERVATION_FRAME_MAX];
	struct watch_request r = {.type = REQUEST_BARRIER, .request = 5};
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct observation o;
	int n = watch_request_encode(&r, buf, sizeof(buf));

	assert_int_equal(send(fd, buf, (size_t)n, 0), n);
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	n = (int)recv(fd, buf, sizeof(buf), 0);
	assert_true(n > 0 && observation_decode(&o, buf, (size_t)n) > 0);
	assert_int_equal(o.type, OBSERVED_BARRIER);
	assert_int_equal(o.request, 5);
}

static void test_watcher_is_handed_over_and_answers(void **state)
{
	struct starter *s;
	int fd, flags;
	pid_t pid;

	(void)state;
	assert_int_equal(starter_fork(&s), 0);
	assert_int_equal(starter_start(s, START_WATCHER, &fd, &pid), 0);
	flags = fcntl(fd, F_GETFL);
	assert_true(flags & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	await_answer(fd);
	close(fd);
	starter_free(s);
}

static void test_watcher_ends_with_its_socket_and_is_reaped(void **state)
{
	struct starter *s;
	int fd, pidfd;
	pid_t pid;

	(void)state;
	assert_int_equal(starter_fork(&s), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(starter_start(s, START_WATCHER, &fd, &pid), 0);
		pidfd = open_pid(pid);
		close(fd);
		await_end(pidfd);
	}
	starter_free(s);
}

static void test_watcher_keeps_no_descriptor_of_others(void **state)
{
	struct starter *s;
	int secret = open("/dev/null", O_RDONLY), first, second;
	pid_t pid;

	(void)state;
	assert_int_equal(starter_fork(&s), 0);
	assert_int_equal(starter_start(s, START_WATCHER, &first, &pid), 0);
	assert_int_equal(starter_start(s, START_WATCHER, &second, &pid), 0);
	await_answer(second);
	assert_true(count_fds(pid) <= 5); /* standard ones, its socket, mountinfo */
	close(first);
	close(second);
	close(secret);
	starter_free(s);
}

static void test_watcher_keeps_two_capabilities_at_most(void **state)
{
	const unsigned long long allowed = 1ULL << CAP_SYS_ADMIN | 1ULL << CAP_DAC_READ_SEARCH;
	struct starter *s;
	char name[64];
	pid_t pid;
	int fd;

	(void)state;
	assert_int_equal(starter_fork(&s), 0);
	assert_int_equal(starter_start(s, START_WATCHER, &fd, &pid), 0);
	await_answer(fd);
	assert_int_equal(status_bits(pid, "CapPrm:") & ~allowed, 0);
	assert_int_equal(status_bits(pid, "CapInh:"), 0);
	assert_int_equal(status_bits(pid, "CapAmb:"), 0);
	assert_int_equal(status_bits(pid, "NoNewPrivs:"), 1);
	if (kit_has_capabilities()) {
		assert_int_equal(status_bits(pid, "CapEff:"), allowed);
		assert_int_equal(status_bits(pid, "CapBnd:"), 0);
	}
	read_proc(pid, "comm", name, sizeof(name));
	assert_string_equal(name, "wakeline-watch\n");
	close(fd);
	starter_free(s);
}

static void test_terminal_signals_are_left_to_the_daemon(void **state)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
	struct starter *s;
	pid_t pid;
	int fd;

	(void)state;
	assert_int_equal(starter_fork(&s), 0);
	assert_int_equal(starter_start(s, START_WATCHER, &fd, &pid), 0);
	await_answer(fd);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		assert_int_equal(kill(pid, signals[i]), 0);
	await_answer(fd);
	close(fd);
	starter_free(s);
}

static _Noreturn void pretend_to_be_a_daemon(int tell)
{
	struct starter *s;
	pid_t pids[2];
	int fd;

	if (starter_fork(&s) != 0 || starter_start(s, START_WATCHER, &fd, &pids[0]) != 0 ||
	    starter_start(s, START_WATCHER, &fd, &pids[1]) != 0)
		_exit(1);
	if (write(tell, pids, sizeof(pids)) != sizeof(pids))
		_exit(1);
	for (;;)
		pause();
}

static pid_t parent_of(pid_t pid)
{
	char text[4096];
	int parent = 0;

	read_proc(pid, "stat", text, sizeof(text));
	assert_int_equal(sscanf(strrchr(text, ')'), ") %*c %d", &parent), 1);
	return parent;
}

static void test_killed_daemon_leaves_nothing_behind(void **state)
{
	int pipes[2], ends[3];
	pid_t pid, pids[2];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0)
		pretend_to_be_a_daemon(pipes[1]);
	assert_int_equal(read(pipes[0], pids, sizeof(pids)), sizeof(pids));
	ends[0] = open_pid(pids[0]);
	ends[1] = open_pid(pids[1]);
	ends[2] = open_pid(parent_of(pids[0])); /* the starter */
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	for (size_t i = 0; i < 3; i++)
		await_end(ends[i]);
	close(pipes[0]);
	close(pipes[1]);
}

static void test_dead_starter_is_noticed(void **state)
{
	struct starter *s;
	pid_t pid, starter;
	int fd, end;

	(void)state;
	assert_int_equal(starter_fork(&s), 0);
	assert_int_equal(starter_start(s, START_WATCHER, &fd, &pid), 0);
	starter = parent_of(pid);
	end = open_pid(starter);
	assert_int_equal(kill(starter, SIGKILL), 0);
	await_end(end);
	await_answer(fd); /* a watcher does not need it */
	close(fd);
	assert_int_equal(starter_start(s, START_WATCHER, &fd, &pid), -EPIPE);
	starter_free(s);
}

static void test_starter_works_without_capabilities(void **state)
{
	int status;
	pid_t child;

	(void)state;
	child = fork();
	if (child == 0) {
		cap_t none = cap_init();
		struct starter *s;
		pid_t pid;
		int fd;

		if (cap_set_proc(none) != 0 || starter_fork(&s) != 0 || starter_start(s, START_WATCHER, &fd, &pid) != 0)
			_exit(1);
		await_answer(fd);
		close(fd);
		starter_free(s);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_watcher_is_handed_over_and_answers),
		cmocka_unit_test(test_watcher_ends_with_its_socket_and_is_reaped),
		cmocka_unit_test(test_watcher_keeps_no_descriptor_of_others),
		cmocka_unit_test(test_watcher_keeps_two_capabilities_at_most),
		cmocka_unit_test(test_terminal_signals_are_left_to_the_daemon),
		cmocka_unit_test(test_killed_daemon_leaves_nothing_behind),
		cmocka_unit_test(test_dead_starter_is_noticed),
		cmocka_unit_test(test_starter_works_without_capabilities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
