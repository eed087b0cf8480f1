#include "net/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/log.h"

enum { BACKLOG = 4096, ACCEPTS_A_TURN = 64 };

void listener_init(struct listener *l, uv_loop_t *loop)
{
	memset(l, 0, sizeof(*l));
	l->loop = loop;
	l->fd = -1;
}

static int fail_bind(struct listener *l)
{
	int e = -errno;

	close(l->fd);
	l->fd = -1;
	return e;
}

static int bind_and_listen(struct listener *l, const struct sockaddr *address, socklen_t len)
{
	int yes = 1;

	l->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return -errno;
	if (address->sa_family != AF_UNIX &&
	    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0)
		return fail_bind(l);
	if (bind(l->fd, address, len) != 0 || listen(l->fd, BACKLOG) != 0)
		return fail_bind(l);
	return 0;
}

int listener_bind_tcp(struct listener *l, const char *address, uint16_t port)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (uv_ip4_addr(address, port, &v4) == 0)
		return bind_and_listen(l, (struct sockaddr *)&v4, sizeof(v4));
	if (uv_ip6_addr(address, port, &v6) == 0)
		return bind_and_listen(l, (struct sockaddr *)&v6, sizeof(v6));
	return -EINVAL;
}

/* Does anybody accept connections there?  A daemon that was killed leaves its socket behind. */
static bool somebody_listens(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return true;
	r = connect(fd, (const struct sockaddr *)address, sizeof(*address));
	if (r != 0)
		r = errno == EAGAIN ? 0 : -errno;
	close(fd);
	return r == 0;
}

int listener_bind_unix(struct listener *l, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat st;
	int e;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	if (lstat(path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode) || somebody_listens(&address))
			return -EADDRINUSE;
		if (unlink(path) != 0)
			return -errno;
	}
	e = bind_and_listen(l, (struct sockaddr *)&address, sizeof(address));
	if (e != 0)
		return e;
	l->path = strdup(path);
	/* SO_PEERCRED decides who is served; the mode says the same. */
	if (l->path == NULL || chmod(path, 0600) != 0) {
		e = l->path == NULL ? -ENOMEM : -errno;
		unlink(path);
		close(l->fd);
		l->fd = -1;
	}
	return e;
}

uint16_t listener_port(const struct listener *l)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	if (l->fd < 0 || getsockname(l->fd, (struct sockaddr *)&address, &len) != 0)
		return 0;
	if (address.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&address)->sin_port);
	if (address.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
	return 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;

	(void)events;
	if (status != 0)
		return;
	for (int i = 0; i < ACCEPTS_A_TURN && l->fd >= 0; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			l->on_accept(l->context, l, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			/* The connection stays in the queue: polling on would spin. */
			net_log(NET_LOG_ERROR,
				"cannot accept a connection: %s; raise the limit of open files",
				strerror(errno));
			uv_poll_stop(&l->poll);
			l->paused = true;
		}
		return;
	}
}

int listener_start(struct listener *l)
{
	int e;

	if (!l->has_handle) {
		e = uv_poll_init(l->loop, &l->poll, l->fd);
		if (e != 0)
			return e;
		l->poll.data = l;
		l->has_handle = true;
	}
	return uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

void listener_resume(struct listener *l)
{
	if (l->paused && l->fd >= 0) {
		l->paused = false;
		uv_poll_start(&l->poll, UV_READABLE, on_readable);
	}
}

bool listener_close(struct listener *l, uv_close_cb on_closed)
{
	bool had_handle = l->has_handle;

	if (l->fd < 0)
		return false;
	if (had_handle) {
		uv_close((uv_handle_t *)&l->poll, on_closed);
		l->has_handle = false;
	}
	close(l->fd);
	l->fd = -1;
	if (l->path != NULL)
		unlink(l->path);
	free(l->path);
	l->path = NULL;
	return had_handle;
}
