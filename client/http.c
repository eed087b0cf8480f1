#include "client/http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"

enum { CONNECT_SECONDS = 5, ANSWER_SECONDS = 60, ANSWER_MAX_BYTES = 64 << 20 };

struct body {
	char *data;
	size_t len;
};

int http_open(struct http *h, const struct options *o, enum endpoint_use use)
{
	char error[ENDPOINT_ERROR_MAX];

	h->patient = h->quiet = false;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
		complain("libcurl cannot start");
		return CLIENT_UNREACHABLE;
	}
	if (endpoint_init(&h->endpoint, o, use, getenv, error))
		return CLIENT_OK;
	complain("%s", error);
	return CLIENT_USAGE;
}

void http_close(struct http *h)
{
	endpoint_deinit(&h->endpoint);
	curl_global_cleanup();
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
	struct body *b = context;
	size_t len = size * count;
	char *more;

	if (len > ANSWER_MAX_BYTES - b->len)
		return 0;
	more = realloc(b->data, b->len + len + 1);
	if (more == NULL)
		return 0;
	memcpy(more + b->len, data, len);
	b->data = more;
	b->len += len;
	b->data[b->len] = '\0';
	return len;
}

static bool add_header(struct curl_slist **headers, const char *line)
{
	struct curl_slist *more = curl_slist_append(*headers, line);

	if (more != NULL)
		*headers = more;
	return more != NULL;
}

static bool make_headers(const struct endpoint *e, bool body, struct curl_slist **headers)
{
	char *line = NULL;
	bool good = add_header(headers, "Accept: application/json") && add_header(headers, "Expect:");

	if (good && body)
		good = add_header(headers, "Content-Type: application/json");
	if (good && e->token != NULL) {
		good = asprintf(&line, "Authorization: Bearer %s", e->token) >= 0 &&
		       add_header(headers, line);
		free(line);
	}
	return good;
}

/* The server's {"error":{"code","message"}}, or what came instead of it. */
static void say_refusal(const struct http *h, long status, const struct body *b)
{
	json_t *answer = b->data != NULL ? json_loadb(b->data, b->len, 0, NULL) : NULL;
	const char *code = NULL, *message = NULL;

	json_unpack(answer, "{s:{s?s,s?s}}", "error", "code", &code, "message", &message);
	if (message != NULL)
		complain("the server refused: %s (%s)", message, code != NULL ? code : "no code");
	else
		complain("the server at %s answered with HTTP status %ld and no explanation",
			 endpoint_name(&h->endpoint), status);
	if (status == 401)
		complain("the token is unknown, expired or revoked: see `wakeline token list` on the server");
	json_decref(answer);
}

static int refused(const struct http *h, long status, const struct body *b)
{
	if (h->quiet)
		return CLIENT_REFUSED;
	if (status == 401 && h->endpoint.token == NULL)
		complain("%s", CLIENT_TOKEN_WANTED);
	else
		say_refusal(h, status, b);
	return CLIENT_REFUSED;
}

static int unreachable(const struct http *h, const char *reason)
{
	char text[ENDPOINT_ERROR_MAX];

	endpoint_explain(&h->endpoint, reason, text);
	complain("%s", text);
	return CLIENT_UNREACHABLE;
}

static int read_answer(const struct http *h, long status, const struct body *b, json_t **answer)
{
	json_error_t error;

	if (status < 200 || status > 299)
		return refused(h, status, b);
	if (answer == NULL)
		return CLIENT_OK;
	*answer = NULL;
	if (b->len == 0)
		return CLIENT_OK;
	*answer = json_loadb(b->data, b->len, 0, &error);
	if (*answer != NULL)
		return CLIENT_OK;
	complain("%s did not answer in JSON (%s): is this a wakelined?", endpoint_name(&h->endpoint),
		 error.text);
	return CLIENT_REFUSED;
}

static void set_options(CURL *curl, const struct http *h, const char *method, const char *body)
{
	const struct endpoint *e = &h->endpoint;

	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, h->patient ? 0L : (long)ANSWER_SECONDS);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	if (e->socket != NULL) {
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, e->socket);
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
	}
	if (body != NULL)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	else if (strcmp(method, "POST") == 0)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
}

/* -1: out of memory; else curl's code. */
static int perform(const struct http *h, CURL *curl, const char *method, const char *path, const char *body,
		   char *reason)
{
	struct curl_slist *headers = NULL;
	char *url = NULL;
	int code = -1;

	if (asprintf(&url, "%s%s", h->endpoint.url, path) < 0)
		return -1;
	if (make_headers(&h->endpoint, body != NULL, &headers)) {
		set_options(curl, h, method, body);
		curl_easy_setopt(curl, CURLOPT_URL, url);
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
		code = (int)curl_easy_perform(curl);
	}
	curl_slist_free_all(headers);
	free(url);
	return code;
}

int http_call(const struct http *h, const char *method, const char *path, const json_t *body, json_t **answer)
{
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	char reason[CURL_ERROR_SIZE] = "";
	CURL *curl = curl_easy_init();
	struct body got = {0};
	long status = 0;
	int code = -1, r;

	if (curl != NULL && (body == NULL || text != NULL)) {
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
		curl_easy_setopt(curl, CURLOPT_WRITEDATA, &got);
		code = perform(h, curl, method, path, text, reason);
	}
	if (code == CURLE_OK) {
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
		r = read_answer(h, status, &got, answer);
	} else if (code < 0) {
		complain("out of memory");
		r = CLIENT_UNREACHABLE;
	} else {
		r = unreachable(h, reason[0] != '\0' ? reason : curl_easy_strerror((CURLcode)code));
	}
	curl_easy_cleanup(curl);
	free(text);
	free(got.data);
	return r;
}

char *http_query(const char *path, const char *name, const char *value)
{
	char *escaped = curl_easy_escape(NULL, value, 0);
	char *out = NULL;

	if (escaped != NULL &&
	    asprintf(&out, "%s%c%s=%s", path, strchr(path, '?') != NULL ? '&' : '?', name, escaped) < 0)
		out = NULL;
	curl_free(escaped);
	return out;
}
