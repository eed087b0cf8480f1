/* The starter is single-threaded and never executes anything: each watcher and each file helper is a fork of
 * it, small because the starter was forked before the daemon grew.
 *
 * Messages, one SOCK_SEQPACKET datagram each, little endian:
 *     request  u8 version | u8 type | u16 0
 *     answer   u8 version | u8 type | u16 0 | i32 error | i32 pid      and, without error, one descriptor
 * (SCM_RIGHTS)
 *
 * No process here relies on a signal to end: all of them end at the end of file on their socket, which the
 * kernel delivers however the daemon dies.  For that to work no process may hold a descriptor of another
 * one's socket. */
#include "watcher/starter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watcher/helper.h"
#include "watcher/privilege.h"
#include "watcher/process.h"
#include "watcher/wire.h"

enum { STARTER_VERSION = 1, REQUEST_LEN = 4, ANSWER_LEN = 12, OWN_SOCKET = 3 };

struct starter {
	int socket;
	pid_t pid;
};

union fd_control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int))];
};

/* The child's side. */

/* The terminal's signals are for the daemon, which then decides; SIGPIPE and SIGCHLD would be surprises. */
static void settle_signals(void)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
	sigset_t none;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Keep the socket (as OWN_SOCKET) and standard error; all other descriptors were the parent's. */
static int settle_descriptors(int socket)
{
	int null;

	/* First of all: it may stand where standard input would be. */
	if (socket != OWN_SOCKET && dup2(socket, OWN_SOCKET) < 0)
		return -errno;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		return -errno;
	if (close_range(OWN_SOCKET + 1, ~0U, 0) != 0 || chdir("/") != 0)
		return -errno;
	return 0;
}

static int shed(enum starter_kind kind)
{
	switch (kind) {
	case START_WATCHER:
		return privilege_shed_for_watcher();
	case START_HELPER:
		return privilege_shed_for_helper(PRIVILEGE_WRITE);
	case START_READER:
		return privilege_shed_for_helper(PRIVILEGE_READ);
	}
	return -EINVAL;
}

static _Noreturn void run_child(enum starter_kind kind, int socket)
{
	prctl(PR_SET_NAME, kind == START_WATCHER ? "wakeline-watch" : "wakeline-files");
	settle_signals();
	if (settle_descriptors(socket) != 0 || shed(kind) != 0)
		_exit(EXIT_FAILURE);
	_exit(kind == START_WATCHER ? watcher_main(OWN_SOCKET) : helper_main(OWN_SOCKET));
}

static int fork_child(enum starter_kind kind, int *fd, pid_t *pid)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	*pid = fork();
	if (*pid == 0)
		run_child(kind, pair[1]);
	r = *pid < 0 ? -errno : 0;
	close(pair[1]);
	*fd = pair[0];
	if (r != 0)
		close(pair[0]);
	return r;
}

static void attach_fd(struct msghdr *msg, union fd_control *control, int fd)
{
	struct cmsghdr *c;

	memset(control, 0, sizeof(*control));
	msg->msg_control = control->room;
	msg->msg_controllen = sizeof(control->room);
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
}

static bool answer(int socket, enum starter_kind kind, int error, pid_t pid, int fd)
{
	uint8_t bytes[ANSWER_LEN];
	struct wire_writer w = {.at = bytes, .end = bytes + sizeof(bytes)};
	struct iovec io = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	struct msghdr msg = {.msg_iov = &io, .msg_iovlen = 1};
	union fd_control control;

	wire_put(&w, STARTER_VERSION, 1);
	wire_put(&w, kind, 1);
	wire_put(&w, 0, 2);
	wire_put(&w, (uint32_t)error, 4);
	wire_put(&w, (uint32_t)pid, 4);
	if (error == 0)
		attach_fd(&msg, &control, fd);
	return sendmsg(socket, &msg, MSG_NOSIGNAL) == sizeof(bytes);
}

/* False: the daemon is gone, or is no daemon of ours. */
static bool serve(int socket)
{
	uint8_t bytes[REQUEST_LEN + 1];
	ssize_t n = recv(socket, bytes, sizeof(bytes), 0);
	enum starter_kind kind;
	pid_t pid = 0;
	bool sent;
	int fd = -1, r;

	if (n < 0)
		return errno == EINTR;
	if (n != REQUEST_LEN || bytes[0] != STARTER_VERSION || bytes[1] < START_WATCHER ||
	    bytes[1] > START_READER || bytes[2] != 0 || bytes[3] != 0)
		return false;
	kind = (enum starter_kind)bytes[1];
	r = fork_child(kind, &fd, &pid);
	sent = answer(socket, kind, r, pid, fd);
	if (fd >= 0 && r == 0)
		close(fd);
	return sent;
}

static void reap(int signals)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == sizeof(info)) {
	}
	while (waitpid(-1, NULL, WNOHANG) > 0) {
	}
}

static int open_child_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return -1;
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static _Noreturn void run_starter(int socket)
{
	struct pollfd polls[2] = {{.fd = OWN_SOCKET, .events = POLLIN}, {.events = POLLIN}};

	prctl(PR_SET_NAME, "wakeline-start");
	settle_signals();
	if (settle_descriptors(socket) != 0 || privilege_shed_for_starter() != 0)
		_exit(EXIT_FAILURE);
	polls[1].fd = open_child_signals();
	if (polls[1].fd < 0)
		_exit(EXIT_FAILURE);
	for (;;) {
		if (poll(polls, 2, -1) < 0 && errno != EINTR)
			_exit(EXIT_FAILURE);
		if (polls[1].revents != 0)
			reap(polls[1].fd);
		if (polls[0].revents != 0 && !serve(OWN_SOCKET))
			_exit(EXIT_SUCCESS);
	}
}

/* The daemon's side. */

int starter_fork(struct starter **out)
{
	struct starter *s = calloc(1, sizeof(*s));
	int pair[2], r;

	*out = NULL;
	if (s == NULL)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		r = -errno;
		free(s);
		return r;
	}
	s->pid = fork();
	if (s->pid == 0)
		run_starter(pair[1]);
	r = s->pid < 0 ? -errno : 0;
	close(pair[1]);
	s->socket = pair[0];
	if (r == 0) {
		*out = s;
		return 0;
	}
	close(pair[0]);
	free(s);
	return r;
}

static int send_request(struct starter *s, enum starter_kind kind)
{
	const uint8_t bytes[REQUEST_LEN] = {STARTER_VERSION, (uint8_t)kind};
	ssize_t n;

	do
		n = send(s->socket, bytes, sizeof(bytes), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(bytes) ? 0 : -EPIPE;
}

static int take_fd(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int fd = -1;

	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static int parse_answer(const uint8_t *bytes, size_t len, enum starter_kind kind, int fd, pid_t *pid)
{
	struct wire_reader r = {.at = bytes, .end = bytes + len};
	unsigned version = (unsigned)wire_get(&r, 1), type = (unsigned)wire_get(&r, 1);
	uint64_t reserved = wire_get(&r, 2);
	int error = (int32_t)(uint32_t)wire_get(&r, 4);

	*pid = (int32_t)(uint32_t)wire_get(&r, 4);
	if (r.failed || r.at != r.end || version != STARTER_VERSION || type != (unsigned)kind ||
	    reserved != 0 || error > 0)
		return -EPROTO;
	if (error == 0 && (fd < 0 || *pid <= 0))
		return -EPROTO;
	return error;
}

static int receive_answer(struct starter *s, enum starter_kind kind, int *fd, pid_t *pid)
{
	uint8_t bytes[ANSWER_LEN + 1];
	union fd_control control;
	struct iovec io = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	struct msghdr msg = {.msg_iov = &io,
			     .msg_iovlen = 1,
			     .msg_control = control.room,
			     .msg_controllen = sizeof(control.room)};
	ssize_t n;
	int r;

	do
		n = recvmsg(s->socket, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return -EPIPE;
	*fd = take_fd(&msg);
	r = parse_answer(bytes, (size_t)n, kind, *fd, pid);
	if (r == 0 && fcntl(*fd, F_SETFL, O_RDWR | O_NONBLOCK) != 0)
		r = -errno;
	if (r != 0 && *fd >= 0) {
		close(*fd);
		*fd = -1;
	}
	return r;
}

int starter_start(struct starter *s, enum starter_kind kind, int *fd, pid_t *pid)
{
	int r = send_request(s, kind);

	*fd = -1;
	*pid = 0;
	return r != 0 ? r : receive_answer(s, kind, fd, pid);
}

void starter_free(struct starter *s)
{
	if (s == NULL)
		return;
	close(s->socket);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR) {
	}
	free(s);
}
