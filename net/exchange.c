/* One HTTP request and its answer, after which the connection is closed: libwebsockets 4.1 takes the head of
 * a request with a body that was sent behind another one for that body, and then never comes to an end with
 * it.  The answer is prepared wherever it becomes known (at once, or when the engine has answered) and
 * written when libwebsockets says that the socket takes it, as plain HTTP/1.1. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/internal.h"

static const char *status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
		{200, "OK"},
		{201, "Created"},
		{202, "Accepted"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{411, "Length Required"},
		{413, "Content Too Large"},
		{414, "URI Too Long"},
		{415, "Unsupported Media Type"},
		{426, "Upgrade Required"},
		{500, "Internal Server Error"},
		{503, "Service Unavailable"},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "Error";
}

static void ready(struct exchange *x, int status, const char *content_type)
{
	x->status = status;
	snprintf(x->content_type, sizeof(x->content_type), "%s", content_type);
	x->answered = true;
	if (x->peer->wsi != NULL && (x->complete || x->unread))
		lws_callback_on_writable(x->peer->wsi);
}

void exchange_text(struct exchange *x, int status, const char *text)
{
	if (x->answered)
		return;
	text_clear(&x->answer);
	text_add_str(&x->answer, text);
	ready(x, status, "text/plain; charset=utf-8");
}

void exchange_json(struct exchange *x, int status, json_t *object)
{
	char *body = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	if (x->answered) {
		free(body);
		return;
	}
	text_clear(&x->answer);
	if (body == NULL) {
		status = 500;
		text_add_str(&x->answer, "{\"error\":{\"code\":\"internal\",\"message\":\"out of memory\"}}");
	} else {
		text_add_str(&x->answer, body);
	}
	free(body);
	text_add_str(&x->answer, "\n");
	ready(x, status, "application/json");
}

void exchange_error(struct exchange *x, int status, const char *code, const char *message)
{
	exchange_json(x, status, json_pack("{s:{s:s,s:s}}", "error", "code", code, "message", message));
}

/* ---- writing */

static void compose(struct exchange *x, struct text *out)
{
	char head[512];
	int n = snprintf(
		head, sizeof(head),
		"HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
		"X-Content-Type-Options: nosniff\r\nConnection: close\r\n%s%s\r\n",
		x->status, status_text(x->status), x->content_type, x->answer.len,
		x->headers != NULL ? x->headers : "", x->status == 503 ? "Retry-After: 1\r\n" : "");

	text_add(out, head, (size_t)n < sizeof(head) ? (size_t)n : sizeof(head) - 1);
	if (x->method != METHOD_HEAD)
		text_add(out, x->answer.data, x->answer.len);
}

static int write_answer(struct exchange *x)
{
	struct text out = {0};
	int r = -1;

	compose(x, &out);
	x->sent = true;
	if (!out.failed)
		r = lws_write(x->peer->wsi, (unsigned char *)out.data, out.len, LWS_WRITE_HTTP) < 0 ? -1 : 0;
	text_deinit(&out);
	return r;
}

int exchange_writable(struct peer *p)
{
	struct exchange *x = p->exchange;

	if (x == NULL || !x->answered || x->sent || !(x->complete || x->unread))
		return 0;
	if (write_answer(x) == 0)
		exchange_free(p);
	return -1; /* what is buffered still goes out */
}

void exchange_free(struct peer *p)
{
	struct exchange *x = p->exchange;

	if (x == NULL)
		return;
	ask_forget(p->server, x);
	text_deinit(&x->body);
	text_deinit(&x->answer);
	free(x);
	p->exchange = NULL;
}

/* ---- reading */

static enum method method_of(int lws_method)
{
	switch (lws_method) {
	case LWSHUMETH_GET:
		return METHOD_GET;
	case LWSHUMETH_HEAD:
		return METHOD_HEAD;
	case LWSHUMETH_POST:
		return METHOD_POST;
	case LWSHUMETH_DELETE:
		return METHOD_DELETE;
	default: /* of libwebsockets' many */
		return METHOD_OTHER;
	}
}

static bool has_header(struct exchange *x, enum lws_token_indexes token)
{
	return lws_hdr_total_length(x->peer->wsi, token) > 0;
}

/* -1: absent; -2: no number. */
static long long content_length(struct exchange *x)
{
	char value[24], *end;
	long long n;

	if (!has_header(x, WSI_TOKEN_HTTP_CONTENT_LENGTH))
		return -1;
	if (lws_hdr_copy(x->peer->wsi, value, sizeof(value), WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0)
		return -2;
	errno = 0;
	n = strtoll(value, &end, 10);
	return *end != '\0' || value[0] < '0' || value[0] > '9' || errno != 0 ? -2 : n;
}

static void refuse(struct exchange *x, int status, const char *code, const char *message)
{
	x->unread = true; /* nobody knows where the next request would begin */
	exchange_error(x, status, code, message);
}

/* A body where none belongs.  That the path does not take the method, or is none, says more than that. */
static void refuse_body(struct exchange *x)
{
	x->unread = true;
	if (route_find(x))
		exchange_error(x, 400, "bad_request", "this request has no body");
}

/* How long is the body?  libwebsockets would hand over a chunked one with its framing inside, so none is
 * taken. */
static void measure_body(struct exchange *x)
{
	long long n = content_length(x);

	if (has_header(x, WSI_TOKEN_HTTP_TRANSFER_ENCODING))
		refuse(x, 411, "length_required", "send a Content-Length instead of a Transfer-Encoding");
	else if (n == -2)
		refuse(x, 400, "bad_request", "Content-Length is no number");
	else if (x->method == METHOD_POST && n == -1)
		refuse(x, 411, "length_required", "send a Content-Length");
	else if (x->method != METHOD_POST && n > 0)
		refuse_body(x);
	else if (n > BODY_DRAIN_BYTES)
		refuse(x, 413, "too_large", "a body has at most 65536 bytes");
	else if (n > BODY_MAX_BYTES)
		exchange_error(x, 413, "too_large",
			       "a body has at most 65536 bytes"); /* it is read, and thrown away */
	else if (n > 0)
		x->body_expected = (uint64_t)n;
}

static void check_content_type(struct exchange *x)
{
	char type[100];
	size_t len;

	if (x->method != METHOD_POST || x->answered)
		return;
	if (lws_hdr_copy(x->peer->wsi, type, sizeof(type), WSI_TOKEN_HTTP_CONTENT_TYPE) <= 0)
		type[0] = '\0';
	len = strcspn(type, "; \t");
	if (len != strlen("application/json") || strncasecmp(type, "application/json", len) != 0)
		exchange_error(x, 415, "unsupported_media_type", "send JSON: Content-Type: application/json");
}

static int answer_expectation(struct exchange *x)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (!has_header(x, WSI_TOKEN_HTTP_EXPECT) || content_length(x) <= 0)
		return 0;
	if (x->answered) {
		x->unread = true; /* it waits before it sends the body, which then never comes */
		return 0;
	}
	return lws_write(x->peer->wsi, (unsigned char *)go_on, sizeof(go_on) - 1, LWS_WRITE_HTTP) < 0 ? -1
												      : 0;
}

static void identify(struct exchange *x)
{
	int e = peer_identify(x->peer);

	if (e < 0 && e != -EPERM && e != -EACCES && e != -ENOENT)
		exchange_error(x, 500, "internal", "the store cannot be read");
	x->principal = x->peer->principal;
}

static struct exchange *exchange_new(struct peer *p, const char *uri)
{
	struct exchange *x = calloc(1, sizeof(*x));
	char *path = NULL;
	int path_len = 0;

	exchange_free(p);
	if (x == NULL)
		return NULL;
	x->peer = p;
	x->server = p->server;
	x->since_ms = now_ms(p->server);
	x->method = method_of(lws_http_get_uri_and_method(p->wsi, &path, &path_len));
	p->exchange = x;
	if (strlen(uri) >= sizeof(x->path) ||
	    lws_hdr_total_length(p->wsi, WSI_TOKEN_HTTP_URI_ARGS) > QUERY_MAX_BYTES)
		refuse(x, 414, "too_large", "there is no path or query that long");
	else
		strcpy(x->path, uri);
	return x;
}

int exchange_begin(struct peer *p, const char *uri)
{
	struct exchange *x = exchange_new(p, uri);

	if (x == NULL || p->server->stopping)
		return -1;
	if (!x->answered)
		measure_body(x);
	if (!x->answered)
		identify(x);
	if (!x->answered && route_admit(x))
		check_content_type(x);
	if (answer_expectation(x) != 0)
		return -1;
	if (x->unread)
		lws_callback_on_writable(p->wsi);
	else if (content_length(x) <= 0)
		return exchange_complete(p);
	return 0;
}

int exchange_body(struct peer *p, const char *bytes, size_t len)
{
	struct exchange *x = p->exchange;

	if (x == NULL)
		return -1;
	if (!x->answered)
		text_add(&x->body, bytes, len);
	return 0;
}

int exchange_complete(struct peer *p)
{
	struct exchange *x = p->exchange;

	if (x == NULL || x->complete)
		return 0;
	x->complete = true;
	if (x->body.failed)
		exchange_error(x, 500, "internal", "out of memory");
	if (x->answered)
		lws_callback_on_writable(p->wsi);
	else
		route_serve(x);
	return 0;
}

bool exchange_argument(struct exchange *x, const char *name, char *out, size_t room)
{
	char fragment[QUERY_MAX_BYTES + 1];
	size_t len = strlen(name);

	for (int i = 0;; i++) {
		/* exchange_new() saw that they fit: so this means that there are no more. */
		if (lws_hdr_copy_fragment(x->peer->wsi, fragment, sizeof(fragment), WSI_TOKEN_HTTP_URI_ARGS,
					  i) < 0)
			return false;
		if (strncmp(fragment, name, len) != 0 || fragment[len] != '=')
			continue;
		snprintf(out, room, "%s", fragment + len + 1);
		return true;
	}
}

int exchange_refuse_upgrade(struct peer *p, int error)
{
	struct exchange *x = exchange_new(p, "/ws");
	int r;

	if (x == NULL)
		return -1;
	x->unread = x->complete = true;
	if (error == -EACCES) {
		x->headers = "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n";
		exchange_error(x, 401, "unauthorized", "this token is not valid here");
	} else if (error == -EPERM) {
		exchange_error(x, 403, "forbidden", "only root and the daemon's user may use this socket");
	} else if (error == -ENOENT) {
		exchange_error(x, 404, "not_found", "WebSockets are served at /ws");
	} else {
		exchange_error(x, 500, "internal", "the store cannot be read");
	}
	r = write_answer(x);
	exchange_free(p);
	return r == 0 ? 1 : -1;
}
