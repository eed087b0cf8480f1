#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/internal.h"
#include "net/log.h"

/* Only root and the daemon's own user are anybody on the control socket. */
static bool is_administrator(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return false;
	return cred.uid == 0 || cred.uid == geteuid();
}

static void set_options(int fd, bool local)
{
	int yes = 1, bytes = SEND_BUFFER_BYTES;

	/* Otherwise the kernel swallows megabytes for a client that reads nothing, and its lag shows late. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	if (local)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
}

static bool still_there(struct server *s, const struct peer *peer)
{
	struct peer *p;

	TAILQ_FOREACH(p, &s->peers, link)
	if (p == peer)
		return true;
	return false;
}

static void adopt(struct server *s, struct peer *p, int fd)
{
	lws_adopt_desc_t info = {
		.vh = s->vhost,
		.type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP | LWS_ADOPT_ALLOW_SSL,
		.fd.sockfd = fd,
		.opaque = p,
	};

	/* On failure it closes fd, and may or may not have told us with LWS_CALLBACK_WSI_DESTROY. */
	if (lws_adopt_descriptor_vhost_via_info(&info) == NULL) {
		net_log(NET_LOG_WARNING, "a connection could not be taken over");
		if (still_there(s, p))
			peer_free(p);
	}
	/* Timeouts set outside of its own callbacks are not seen before something else happens: make it look.
	 */
	lws_cancel_service(s->lws);
}

void on_peer_accepted(void *server, struct listener *l, int fd)
{
	struct server *s = server;
	struct peer *p = s->stopping ? NULL : calloc(1, sizeof(*p));

	if (p == NULL) {
		close(fd);
		return;
	}
	p->server = s;
	p->since_ms = now_ms(s);
	p->local = l == &s->control;
	p->refused = p->local && !is_administrator(fd);
	set_options(fd, p->local);
	TAILQ_INSERT_TAIL(&s->peers, p, link);
	tick_need(s);
	adopt(s, p, fd);
}

void peer_free(struct peer *p)
{
	if (p->connection != NULL)
		connection_free(p->connection);
	exchange_free(p);
	principal_unref(p->principal);
	TAILQ_REMOVE(&p->server->peers, p, link);
	free(p);
}

void peer_kill(struct peer *p)
{
	if (p->wsi == NULL)
		return;
	lws_set_timeout(p->wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_ASYNC);
	lws_cancel_service(p->server->lws);
}

static int identify_by_token(struct peer *p)
{
	char header[1024];
	int len = lws_hdr_copy(p->wsi, header, sizeof(header), WSI_TOKEN_HTTP_AUTHORIZATION);
	size_t at = strlen("Bearer ");

	if (len == 0)
		return -ENOENT;
	if (len < 0 || (size_t)len <= at || strncasecmp(header, "Bearer ", at) != 0)
		return -EACCES;
	while (header[at] == ' ')
		at++;
	return auth_token(&p->server->auth, header + at, (size_t)len - at, &p->principal);
}

int peer_identify(struct peer *p)
{
	principal_unref(p->principal);
	p->principal = NULL;
	if (p->refused)
		return -EPERM;
	if (p->local)
		return auth_local(&p->server->auth, &p->principal);
	return identify_by_token(p);
}
