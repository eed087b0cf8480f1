/* http: one request to the server's JSON API, by libcurl, over TCP or the Unix socket. */
#pragma once

#include <jansson.h>

#include "client/endpoint.h"

struct http {
	struct endpoint endpoint;
	bool patient; /* wait for the answer as long as it takes */
	bool quiet;   /* that the server refuses is not said */
};

/* Returns an enum client_exit, having said on stderr what was wrong. */
int http_open(struct http *h, const struct options *o, enum endpoint_use use);
void http_close(struct http *h);

/* `path` begins with "/api/"; `body` is borrowed, NULL for none.  On CLIENT_OK *answer (may be NULL: not
 * wanted) is the caller's; NULL when the server sent no body.  Else it has been said on stderr what was
 * wrong. */
int http_call(const struct http *h, const char *method, const char *path, const json_t *body,
	      json_t **answer);
/* "name=" with the value escaped, behind ? or &; to be freed.  NULL: out of memory. */
char *http_query(const char *path, const char *name, const char *value);
