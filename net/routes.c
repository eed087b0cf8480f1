#include <stdio.h>
#include <string.h>

#include "net/internal.h"

static void serve_health(struct exchange *x)
{
	exchange_text(x, 200, "ok\n");
}

static void serve_root(struct exchange *x)
{
	exchange_text(x, 200,
		      "This is wakelined: it tells clients what changes on this server's drives.\n"
		      "Events: WebSocket at /ws.  State: GET /api/sync/status.  Both need a token: `wakeline "
		      "token create`.\n");
}

static void serve_ws(struct exchange *x)
{
	x->headers = "Upgrade: websocket\r\n";
	exchange_error(x, 426, "bad_request", "open a WebSocket here");
}

const struct route net_routes[] = {
	{METHOD_GET, "/", 0, serve_root},
	{METHOD_GET, "/healthz", 0, serve_health},
	{METHOD_GET, "/readyz", 0, serve_ready},
	{METHOD_GET, "/ws", 0, serve_ws},
	{METHOD_GET, "/api/sync/status", TOKEN_READ, serve_status},
	{METHOD_GET, "/api/sync/history", TOKEN_READ, serve_history},
	{METHOD_POST, "/api/sync/trigger", TOKEN_ADMIN, serve_trigger},
	{METHOD_POST, "/api/sync/barrier", TOKEN_READ, serve_barrier},
	{METHOD_POST, "/api/drives/{}/adopt", TOKEN_ADMIN, serve_adopt},
	{METHOD_GET, "/api/tokens", TOKEN_ADMIN, serve_tokens},
	{METHOD_POST, "/api/tokens", TOKEN_ADMIN, serve_token_create},
	{METHOD_DELETE, "/api/tokens/{}", TOKEN_ADMIN, serve_token_revoke},
};
const size_t net_route_count = sizeof(net_routes) / sizeof(net_routes[0]);

/* Does the path fit?  What stands for {} goes to `argument`. */
static bool fits(const struct route *r, const char *path, char argument[64])
{
	const char *hole = strstr(r->path, "{}");
	size_t before = hole != NULL ? (size_t)(hole - r->path) : 0, len;

	if (hole == NULL)
		return strcmp(r->path, path) == 0;
	if (strncmp(r->path, path, before) != 0)
		return false;
	len = strcspn(path + before, "/");
	if (len == 0 || strcmp(path + before + len, hole + 2) != 0)
		return false;
	snprintf(argument, 64, "%.*s", (int)len, path + before);
	return true;
}

static bool fits_method(const struct route *r, enum method method)
{
	return r->method == method || (r->method == METHOD_GET && method == METHOD_HEAD);
}

/* Nobody needs an unbounded number of Allow headers: GET and POST are all that one path ever has together. */
static const char *allow_header(unsigned methods)
{
	if (methods == (1u << METHOD_GET | 1u << METHOD_POST))
		return "Allow: GET, HEAD, POST\r\n";
	if (methods == 1u << METHOD_GET)
		return "Allow: GET, HEAD\r\n";
	if (methods == 1u << METHOD_POST)
		return "Allow: POST\r\n";
	return "Allow: DELETE\r\n";
}

bool route_find(struct exchange *x)
{
	unsigned methods = 0;

	for (size_t i = 0; i < net_route_count; i++) {
		if (!fits(&net_routes[i], x->path, x->argument))
			continue;
		methods |= 1u << net_routes[i].method;
		if (fits_method(&net_routes[i], x->method))
			x->route = &net_routes[i];
	}
	if (x->route != NULL)
		return true;
	if (methods == 0) {
		exchange_error(x, 404, "not_found", "there is nothing at this path");
	} else {
		x->headers = allow_header(methods);
		exchange_error(x, 405, "method_not_allowed", "this path does not take this method");
	}
	return false;
}

bool route_admit(struct exchange *x)
{
	if (!route_find(x))
		return false;
	if (x->route->scope == 0)
		return true;
	if (x->peer->refused) {
		exchange_error(x, 403, "forbidden", "only root and the daemon's user may use this socket");
	} else if (x->principal == NULL) {
		x->headers = "WWW-Authenticate: Bearer\r\n";
		exchange_error(x, 401, "unauthorized", "send a valid token: Authorization: Bearer …");
	} else if (principal_limited(x->principal)) {
		/* None of these is made for it: runs name paths and errors, states count what is hidden. */
		exchange_error(x, 403, "forbidden",
			       "a token for a part of the paths may open a WebSocket alone");
	} else if (!principal_may(x->principal, x->route->scope)) {
		exchange_error(x, 403, "forbidden", "this token's scopes do not allow that");
	} else {
		return true;
	}
	return false;
}

void route_serve(struct exchange *x)
{
	x->route->serve(x);
}
