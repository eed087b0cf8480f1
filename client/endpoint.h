/* endpoint: where the server is and how we prove who we are.
 *
 * In this order: --url or WAKELINE_URL, over TCP with a token (--token, --token-file, WAKELINE_TOKEN); else
 * the Unix socket `control` in the state directory (--state, WAKELINE_STATE, /var/lib/wakeline), where the
 * kernel tells the daemon which user we are and no token is needed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client/options.h"

enum { ENDPOINT_ERROR_MAX = 512 };

struct endpoint {
	char *url;  /* what stands before "/api/…": scheme, host, port, maybe a path; no slash at its end */
	char *host; /* of the URL, IPv6 without brackets */
	char *prefix; /* the URL's path; empty or "/…" */
	uint16_t port;
	bool tls;
	char *socket; /* path of the Unix socket; NULL: TCP */
	char *token;  /* NULL: none */
};

enum endpoint_use {
	ENDPOINT_ANY,   /* as above */
	ENDPOINT_LOCAL, /* the Unix socket unless --url itself is given: WAKELINE_URL does not count */
};

/* `environment` is getenv() or a test's.  False: `error` says what is wrong, for people. */
bool endpoint_init(struct endpoint *out, const struct options *o, enum endpoint_use use,
		   char *(*environment)(const char *name), char error[ENDPOINT_ERROR_MAX]);
void endpoint_deinit(struct endpoint *e);
/* For messages: the socket's path or the URL. */
const char *endpoint_name(const struct endpoint *e);
/* Why nobody answers there and what to check, in one line; `reason` is what the transport said. */
void endpoint_explain(const struct endpoint *e, const char *reason, char out[ENDPOINT_ERROR_MAX]);
