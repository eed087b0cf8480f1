/* net_client: a WebSocket and HTTP client small enough to see through, on the test's own loop. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct net_fixture;

struct net_client {
	struct net_fixture *fixture;
	int fd;
	uv_poll_t poll;
	bool readable, ended, paused;
	bool upgraded;
	char *in;
	size_t len, room;
	char *message; /* of fragments so far */
	size_t message_len;
	int close_code; /* of the close frame; 0: none yet */
	size_t fragments;
};

struct net_client *net_connect(struct net_fixture *f);
struct net_client *net_connect_control(struct net_fixture *f);
/* Connect to /ws; `headers` are further lines, each with CRLF, or NULL. */
struct net_client *net_websocket(struct net_fixture *f, const char *headers);
void net_client_free(struct net_client *c);

void net_send_raw(struct net_client *c, const void *bytes, size_t len);
void net_send(struct net_client *c, const char *text);
void net_send_frame(struct net_client *c, uint8_t first, const void *payload, size_t len);

/* The next message, parsed; turns the loop until it is there.  Fails the test when the connection ends
 * instead. */
json_t *net_next(struct net_client *c);
/* The next one, which must have this type. */
json_t *net_expect(struct net_client *c, const char *type);
/* An error with this code. */
void net_expect_error(struct net_client *c, const char *code);
/* Read on until the connection has ended; the close code. */
int net_expect_closed(struct net_client *c);
/* A message if one is there already. */
json_t *net_try(struct net_client *c);
const char *net_field(const json_t *object, const char *key);

/* An HTTP request; the answer's status, its body in *body (to be freed) when body is not NULL. */
int net_http(struct net_client *c, const char *request, char **head, json_t **body);
