#include "client/endpoint.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_STATE "/var/lib/wakeline"

static const char *or_environment(const char *given, char *(*environment)(const char *), const char *name)
{
	const char *value = given != NULL ? given : environment(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

/* A WebSocket URL, as quickstart prints it, names the same server. */
static const char *http_scheme(const char *scheme)
{
	if (strcmp(scheme, "ws") == 0 || strcmp(scheme, "http") == 0)
		return "http";
	if (strcmp(scheme, "wss") == 0 || strcmp(scheme, "https") == 0)
		return "https";
	return NULL;
}

static char *without_end(const char *path, const char *end)
{
	size_t len = strlen(path), end_len = strlen(end);

	if (len >= end_len && strcmp(path + len - end_len, end) == 0)
		len -= end_len;
	while (len > 0 && path[len - 1] == '/')
		len--;
	return strndup(path, len);
}

static char *strip_brackets(const char *host)
{
	size_t len = strlen(host);

	if (len > 2 && host[0] == '[' && host[len - 1] == ']')
		return strndup(host + 1, len - 2);
	return strdup(host);
}

static bool fill_url(struct endpoint *e, const char *scheme, const char *host, const char *port,
		     const char *path)
{
	bool tls = strcmp(scheme, "https") == 0;

	e->tls = tls;
	e->port = (uint16_t)strtoul(port, NULL, 10);
	e->host = strip_brackets(host);
	e->prefix = without_end(path, "/ws");
	if (e->host == NULL || e->prefix == NULL)
		return false;
	if (asprintf(&e->url, "%s://%s:%s%s", scheme, host, port, e->prefix) < 0)
		e->url = NULL;
	return e->url != NULL;
}

static bool take_parts(struct endpoint *e, CURLU *url)
{
	char *scheme = NULL, *host = NULL, *port = NULL, *path = NULL;
	bool good = false;

	if (curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK && *host != '\0' &&
	    curl_url_get(url, CURLUPART_PATH, &path, 0) == CURLUE_OK && http_scheme(scheme) != NULL) {
		const char *http = http_scheme(scheme);

		curl_url_set(url, CURLUPART_SCHEME, http, 0);
		good = curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
		       fill_url(e, http, host, port, path);
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_free(path);
	return good;
}

static bool parse_url(struct endpoint *e, const char *text, char *error)
{
	CURLU *url = curl_url();
	bool good = url != NULL &&
		    curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
		    take_parts(e, url);

	curl_url_cleanup(url);
	if (!good)
		snprintf(error, ENDPOINT_ERROR_MAX,
			 "`%.200s` is no URL of a server; write it as http://host:7420 or https://host",
			 text);
	return good;
}

static bool read_token(struct endpoint *e, const char *path, char *error)
{
	FILE *file = fopen(path, "re");
	char line[4096];
	bool good;

	if (file == NULL) {
		snprintf(error, ENDPOINT_ERROR_MAX, "cannot read the token in %.200s: %s", path,
			 strerror(errno));
		return false;
	}
	good = fgets(line, sizeof(line), file) != NULL;
	fclose(file);
	if (good)
		line[strcspn(line, " \t\r\n")] = '\0';
	if (!good || line[0] == '\0') {
		snprintf(error, ENDPOINT_ERROR_MAX, "there is no token in the first line of %.200s", path);
		return false;
	}
	e->token = strdup(line);
	return e->token != NULL;
}

static bool take_token(struct endpoint *e, const struct options *o, char *(*environment)(const char *),
		       char *error)
{
	const char *token;

	if (o->token_file != NULL)
		return read_token(e, o->token_file, error);
	token = or_environment(o->token, environment, "WAKELINE_TOKEN");
	if (token == NULL)
		return true;
	if (token[strcspn(token, " \t\r\n")] != '\0') {
		snprintf(error, ENDPOINT_ERROR_MAX,
			 "the token has a space or a line break in it; copy it again");
		return false;
	}
	e->token = strdup(token);
	return e->token != NULL;
}

static bool use_socket(struct endpoint *e, const char *state, char *error)
{
	struct sockaddr_un address;

	if (asprintf(&e->socket, "%s/control", state) < 0) {
		e->socket = NULL;
		return false;
	}
	e->url = strdup("http://localhost");
	e->host = strdup("localhost");
	e->prefix = strdup("");
	e->port = 80;
	if (strlen(e->socket) >= sizeof(address.sun_path)) {
		snprintf(error, ENDPOINT_ERROR_MAX,
			 "the state directory's path is too long for a socket: %.200s", state);
		return false;
	}
	return e->url != NULL && e->host != NULL && e->prefix != NULL;
}

bool endpoint_init(struct endpoint *out, const struct options *o, enum endpoint_use use,
		   char *(*environment)(const char *name), char error[ENDPOINT_ERROR_MAX])
{
	const char *url =
		use == ENDPOINT_LOCAL ? o->url : or_environment(o->url, environment, "WAKELINE_URL");
	const char *state = or_environment(o->state, environment, "WAKELINE_STATE");
	bool good;

	*out = (struct endpoint){0};
	snprintf(error, ENDPOINT_ERROR_MAX, "out of memory");
	if (o->url != NULL && o->state != NULL) {
		snprintf(error, ENDPOINT_ERROR_MAX, "--url and --state name two servers; give one of them");
		return false;
	}
	if ((url == NULL || o->state != NULL) && (o->token != NULL || o->token_file != NULL)) {
		snprintf(error, ENDPOINT_ERROR_MAX,
			 "a token is for a server on the network: name it by --url; the socket needs none");
		return false;
	}
	if (url != NULL && o->state == NULL)
		good = parse_url(out, url, error) && take_token(out, o, environment, error);
	else
		good = use_socket(out, state != NULL ? state : DEFAULT_STATE, error);
	if (!good)
		endpoint_deinit(out);
	return good;
}

void endpoint_deinit(struct endpoint *e)
{
	free(e->url);
	free(e->host);
	free(e->prefix);
	free(e->socket);
	free(e->token);
	*e = (struct endpoint){0};
}

const char *endpoint_name(const struct endpoint *e)
{
	return e->socket != NULL ? e->socket : e->url;
}

/* The transports do not tell errno of a Unix socket, so ask the kernel once more. */
static int socket_error(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return errno;
	strcpy(address.sun_path, path); /* fits: use_socket() */
	r = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : errno;
	close(fd);
	return r;
}

static void explain_socket(const char *path, const char *reason, char *out)
{
	int error = socket_error(path);

	if (error == EACCES || error == EPERM)
		snprintf(out, ENDPOINT_ERROR_MAX,
			 "may not use %.200s: run this as root or as wakelined's user, or use --url with a "
			 "token",
			 path);
	else if (error == ENOENT || error == ENOTDIR)
		snprintf(out, ENDPOINT_ERROR_MAX,
			 "there is no %.200s: is wakelined running here with this state directory (--state)? "
			 "A server elsewhere is reached by --url",
			 path);
	else if (error == ECONNREFUSED)
		snprintf(out, ENDPOINT_ERROR_MAX, "nobody listens on %.200s: start wakelined", path);
	else
		snprintf(out, ENDPOINT_ERROR_MAX, "cannot reach %.200s: %s; see wakelined's log", path,
			 error != 0 ? strerror(error) : reason);
}

void endpoint_explain(const struct endpoint *e, const char *reason, char out[ENDPOINT_ERROR_MAX])
{
	if (e->socket != NULL)
		explain_socket(e->socket, reason, out);
	else
		snprintf(out, ENDPOINT_ERROR_MAX,
			 "cannot reach %.200s: %.150s; is wakelined running there, is this its address, and "
			 "does a firewall let it through?",
			 e->url, reason);
}
