/* net/: HTTP: routes, rights, bodies, errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "net_fake.h"

/* One request on a connection of its own. */
static int request(struct net_fixture *f, const char *method, const char *path, const char *token,
		   const char *json, json_t **body)
{
	struct net_client *c = token == NULL ? net_connect_control(f) : net_connect(f);
	char text[4096];
	int n = snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: t\r\n", method, path), status;

	if (token != NULL && *token != '\0')
		n += snprintf(text + n, sizeof(text) - (size_t)n, "Authorization: Bearer %s\r\n", token);
	if (json != NULL)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(json));
	snprintf(text + n, sizeof(text) - (size_t)n, "\r\n%s", json != NULL ? json : "");
	status = net_http(c, text, NULL, body);
	net_client_free(c);
	return status;
}

static void expect_error(struct net_fixture *f, int status, const char *code, const char *method,
			 const char *path, const char *token, const char *json)
{
	json_t *body = NULL;

	assert_int_equal(request(f, method, path, token, json, &body), status);
	assert_string_equal(net_field(json_object_get(body, "error"), "code"), code);
	assert_true(net_field(json_object_get(body, "error"), "message")[0] != '\0');
	json_decref(body);
}

static void test_health_and_root_need_no_token(void **state)
{
	struct net_fixture *f = *state;

	assert_int_equal(request(f, "GET", "/healthz", "", NULL, NULL), 200);
	assert_int_equal(request(f, "HEAD", "/healthz", "", NULL, NULL), 200);
	assert_int_equal(request(f, "GET", "/", "", NULL, NULL), 200);
}

static void test_everything_else_needs_one(void **state)
{
	static const char *const paths[] = {"/api/sync/status", "/api/sync/history?drive=music",
					    "/api/tokens"};
	struct net_fixture *f = *state;
	char token[TOKEN_TEXT_LEN + 1];

	for (size_t i = 0; i < 3; i++) {
		expect_error(f, 401, "unauthorized", "GET", paths[i], "", NULL);
		expect_error(f, 401, "unauthorized", "GET", paths[i], "a.b.c", NULL);
		expect_error(f, 401, "unauthorized", "GET", paths[i],
			     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", NULL);
	}
	net_add_token(f, TOKEN_READ, "*", 1, token); /* expired long ago */
	expect_error(f, 401, "unauthorized", "GET", paths[0], token, NULL);
	net_add_token(f, TOKEN_READ, "*", 0, token);
	expect_error(f, 403, "forbidden", "GET", "/api/tokens", token, NULL);
	expect_error(f, 403, "forbidden", "POST", "/api/sync/trigger", token, "{\"drive\":\"music\"}");
}

static void test_status_tells_each_drive_one_may_see(void **state)
{
	struct net_fixture *f = *state;
	char token[TOKEN_TEXT_LEN + 1];
	json_t *body, *drive;

	net_append(f, "drive:music", EVENT_FILE_CREATED, 4, 0);
	assert_int_equal(request(f, "GET", "/api/sync/status", f->token, NULL, &body), 200);
	assert_int_equal(json_array_size(json_object_get(body, "drives")), 2);
	drive = json_array_get(json_object_get(body, "drives"), 0);
	assert_string_equal(net_field(drive, "name"), "music");
	assert_string_equal(net_field(drive, "root"), "/srv/music");
	assert_string_equal(net_field(drive, "backend"), "fanotify");
	assert_string_equal(net_field(drive, "state"), "live");
	assert_int_equal(json_integer_value(json_object_get(drive, "seq")), 4);
	assert_int_equal(json_integer_value(json_object_get(drive, "floor")), 1);
	assert_int_equal(json_integer_value(json_object_get(drive, "entries")), 3);
	assert_true(json_integer_value(json_object_get(drive, "epoch")) > 0);
	assert_true(json_is_null(json_object_get(drive, "last_run")));
	json_decref(body);
	net_add_token(f, TOKEN_READ, "later", 0, token);
	assert_int_equal(request(f, "GET", "/api/sync/status", token, NULL, &body), 200);
	assert_int_equal(json_array_size(json_object_get(body, "drives")), 1);
	json_decref(body);
}

/* As if the engine had told nothing of any drive. */
static void forget_news(struct net_fixture *f)
{
	struct stream *st;

	TAILQ_FOREACH(st, &f->server->streams, link)
	{
		if (st->status != NULL)
			free(st->status->last_run);
		free(st->status);
		st->status = NULL;
	}
}

static void test_status_counts_entries_of_which_no_news_came_yet(void **state)
{
	struct net_fixture *f = *state;
	json_t *body, *drive;

	net_add_files(f, "later", 5);
	forget_news(f);
	assert_int_equal(request(f, "GET", "/api/sync/status", f->token, NULL, &body), 200);
	drive = json_array_get(json_object_get(body, "drives"), 1);
	assert_string_equal(net_field(drive, "name"), "later");
	assert_true(json_is_null(json_object_get(drive, "root"))); /* there was no news indeed */
	assert_int_equal(json_integer_value(json_object_get(drive, "entries")), 5);
	json_decref(body);
}

static void test_a_root_is_counted_and_then_adopted(void **state)
{
	struct net_fixture *f = *state;
	json_t *answer;

	assert_int_equal(request(f, "POST", "/api/drives/music/adopt", f->token, "{}", &answer), 200);
	assert_int_equal(json_integer_value(json_object_get(answer, "kept")), 1);
	assert_int_equal(json_integer_value(json_object_get(answer, "new")), 2);
	assert_string_equal(net_field(answer, "confirm"), "0123456789abcdef");
	json_decref(answer);
	assert_int_equal(request(f, "POST", "/api/drives/music/adopt", f->token,
				 "{\"confirm\":\"0123456789abcdef\"}", &answer),
			 202);
	assert_int_equal(json_integer_value(json_object_get(answer, "run")), 8);
	assert_null(json_object_get(answer, "confirm"));
	json_decref(answer);
	expect_error(f, 409, "mismatch", "POST", "/api/drives/music/adopt", f->token,
		     "{\"confirm\":\"fedcba9876543210\"}");
	expect_error(f, 400, "bad_request", "POST", "/api/drives/music/adopt", f->token, "{\"confirm\":7}");
	expect_error(f, 404, "not_found", "POST", "/api/drives/nothing/adopt", f->token, "{}");
	expect_error(f, 404, "not_found", "POST", "/api/drives//adopt", f->token, "{}");
	expect_error(f, 404, "not_found", "POST", "/api/drives/music/adopt/", f->token, "{}");
	expect_error(f, 404, "not_found", "POST", "/api/drives/music", f->token, "{}");
}

static void test_a_trigger_is_answered_with_its_run(void **state)
{
	struct net_fixture *f = *state;
	json_t *body;

	assert_int_equal(request(f, "POST", "/api/sync/trigger", f->token,
				 "{\"drive\":\"music\",\"path\":\"a/b/\"}", &body),
			 202);
	assert_int_equal(json_integer_value(json_object_get(body, "run")), 7);
	json_decref(body);
	expect_error(f, 404, "not_found", "POST", "/api/sync/trigger", f->token, "{\"drive\":\"nothing\"}");
	expect_error(f, 404, "not_found", "POST", "/api/sync/trigger", f->token,
		     "{\"drive\":\"music\",\"path\":\"nothing\"}");
}

static void test_a_barrier_is_answered_with_its_cursor(void **state)
{
	struct net_fixture *f = *state;
	char tail[POSITION_TEXT_MAX];
	json_t *body;

	net_append(f, "drive:music", EVENT_FILE_CREATED, 4, 0);
	net_tail(f, "drive:music", tail);
	assert_int_equal(
		request(f, "POST", "/api/sync/barrier", f->token, "{\"stream\":\"drive:music\"}", &body),
		200);
	assert_string_equal(net_field(body, "cursor"), tail);
	json_decref(body);
	net_tail(f, "bus", tail);
	assert_int_equal(request(f, "POST", "/api/sync/barrier", f->token, "{\"stream\":\"bus\"}", &body),
			 200);
	assert_string_equal(net_field(body, "cursor"), tail);
	json_decref(body);
}

static void test_bodies_are_checked(void **state)
{
	static const char *const bodies[] = {"",
					     "{",
					     "[]",
					     "7",
					     "{}",
					     "{\"drive\":7}",
					     "{\"drive\":\"music\",\"more\":1}",
					     "{\"drive\":\"music\",\"path\":7}",
					     "{\"drive\":\"music\",\"path\":\"/a\"}",
					     "{\"drive\":\"music\",\"path\":\"a/../b\"}",
					     "{\"drive\":\"music\",\"path\":\"\"}",
					     "{\"drive\":\"music\",\"drive\":\"music\"}"};
	struct net_fixture *f = *state;

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		expect_error(f, 400, "bad_request", "POST", "/api/sync/trigger", f->token, bodies[i]);
	expect_error(f, 400, "bad_request", "POST", "/api/sync/barrier", f->token, "{\"stream\":[]}");
	expect_error(f, 400, "bad_request", "GET", "/api/sync/history", f->token, NULL);
	expect_error(f, 400, "bad_request", "GET", "/api/sync/history?drive=music&limit=0", f->token, NULL);
	expect_error(f, 400, "bad_request", "GET", "/api/sync/history?drive=music&limit=x", f->token, NULL);
	expect_error(f, 400, "bad_request", "GET", "/api/sync/history?drive=music&more=1", f->token, NULL);
}

/* A request as it is, on a connection of its own: the status. */
static int raw(struct net_fixture *f, const char *text, char **head)
{
	struct net_client *c = net_connect(f);
	int status = net_http(c, text, head, NULL);

	net_client_free(c);
	return status;
}

static void test_paths_and_methods_are_checked(void **state)
{
	struct net_fixture *f = *state;
	char *head;

	expect_error(f, 404, "not_found", "GET", "/api/nothing", f->token, NULL);
	expect_error(f, 404, "not_found", "DELETE", "/api/tokens/0", f->token, NULL);
	expect_error(f, 404, "not_found", "DELETE", "/api/tokens/x", f->token, NULL);
	expect_error(f, 404, "not_found", "DELETE", "/api/tokens/99", f->token, NULL);
	expect_error(f, 404, "not_found", "DELETE", "/api/tokens/1/2", f->token, NULL);
	assert_int_equal(raw(f, "DELETE /api/sync/status HTTP/1.1\r\nHost: t\r\n\r\n", &head), 405);
	assert_non_null(strstr(head, "\r\nAllow: GET, HEAD\r\n"));
	free(head);
	assert_int_equal(raw(f, "GET /ws HTTP/1.1\r\nHost: t\r\n\r\n", NULL), 426);
}

static void test_framing_of_bodies_is_checked(void **state)
{
	struct net_fixture *f = *state;
	char text[512];

	assert_int_equal(
		raw(f, "POST /api/sync/barrier HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n",
		    NULL),
		411);
	assert_int_equal(raw(f, "POST /api/sync/barrier HTTP/1.1\r\nHost: t\r\n\r\n", NULL), 411);
	assert_int_equal(
		raw(f, "POST /api/sync/barrier HTTP/1.1\r\nHost: t\r\nContent-Length: x\r\n\r\n", NULL), 400);
	assert_int_equal(
		raw(f, "POST /api/sync/barrier HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n", NULL),
		400);
	assert_int_equal(
		raw(f, "POST /api/sync/barrier HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999\r\n\r\n",
		    NULL),
		413);
	assert_int_equal(raw(f, "GET /healthz HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello", NULL),
			 400);
	snprintf(text, sizeof(text),
		 "POST /api/sync/barrier HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer %s\r\n"
		 "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
		 f->token);
	assert_int_equal(raw(f, text, NULL), 415);
}

static void test_a_large_body_is_read_and_refused(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_connect(f);
	char text[512], *body = malloc(BODY_MAX_BYTES + 1);

	memset(body, ' ', BODY_MAX_BYTES + 1);
	snprintf(text, sizeof(text),
		 "POST /api/sync/barrier HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer %s\r\n"
		 "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		 f->token, BODY_MAX_BYTES + 1);
	net_send_raw(c, text, strlen(text));
	net_send_raw(c, body, BODY_MAX_BYTES + 1);
	assert_int_equal(net_http(c, "", NULL, NULL), 413);
	free(body);
	net_client_free(c);
}

static void test_an_expectation_is_answered(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_connect(f);
	char text[512], *head;

	snprintf(text, sizeof(text),
		 "POST /api/sync/barrier HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer %s\r\n"
		 "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 16\r\n\r\n",
		 f->token);
	assert_int_equal(net_http(c, text, &head, NULL), 100);
	free(head);
	assert_int_equal(net_http(c, "{\"stream\":\"bus\"}", NULL, NULL), 200);
	net_client_free(c);
	assert_int_equal(raw(f,
			     "POST /api/sync/barrier HTTP/1.1\r\nHost: t\r\nExpect: "
			     "100-continue\r\nContent-Length: 9\r\n\r\n",
			     NULL),
			 401);
	assert_int_equal(raw(f,
			     "POST /api/sync/barrier HTTP/1.1\r\nHost: t\r\nExpect: "
			     "100-continue\r\nContent-Length: 100000\r\n\r\n",
			     NULL),
			 413);
}

static void test_what_is_pipelined_behind_a_request_is_not_served(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_connect(f);
	char text[600];

	f->hold = true;
	snprintf(text, sizeof(text),
		 "POST /api/sync/barrier HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer %s\r\n"
		 "Content-Type: application/json\r\nContent-Length: 24\r\n\r\n{\"stream\":\"drive:music\"}"
		 "POST /healthz HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}",
		 f->token);
	net_send_raw(c, text, strlen(text));
	while (f->engine.count == 0)
		net_turn(f);
	for (int i = 0; i < 100; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->engine.count, 1);
	f->hold = false;
	assert_int_equal(net_http(c, "", NULL, NULL), 200);
	net_client_free(c);
}

/* libwebsockets never came to an end with the second one. */
static void test_a_body_behind_a_request_without_one_hurts_nobody(void **state)
{
	static const char text[] = "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n"
				   "POST /healthz HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}";
	struct net_fixture *f = *state;
	struct net_client *c = net_connect(f);

	net_send_raw(c, text, strlen(text));
	assert_int_equal(net_http(c, "", NULL, NULL), 200);
	net_client_free(c);
	assert_int_equal(raw(f, "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n", NULL), 200);
}

static void test_what_is_no_http_is_closed(void **state)
{
	static const char *const texts[] = {
		"\x16\x03\x01\x02garbage\r\n\r\n",
		"CONNECT example.org:443 HTTP/1.1\r\nHost: t\r\n\r\n",
		"BREW /pot HTTP/1.1\r\nHost: t\r\n\r\n",
		"GET nothing HTTP/1.1\r\nHost: t\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"GET /ws HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
		"GET /ws HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Protocol: other\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"};
	struct net_fixture *f = *state;

	f->server->limits.hello_ms = 100;
	f->server->limits.tick_ms = 10;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct net_client *c = net_connect(f);

		net_send_raw(c, texts[i], strlen(texts[i]));
		while (!c->ended) {
			net_turn(f);
			json_decref(net_try(c));
			c->len = 0;
		}
		net_client_free(c);
	}
	assert_int_equal(request(f, "GET", "/healthz", "", NULL, NULL), 200);
}

static void test_a_body_that_never_ends_is_closed(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_connect(f);
	char text[300];

	f->server->limits.hello_ms = 20;
	f->server->limits.tick_ms = 10;
	snprintf(text, sizeof(text),
		 "POST /api/sync/barrier HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer %s\r\n"
		 "Content-Type: application/json\r\nContent-Length: 24\r\n\r\n{",
		 f->token);
	net_send_raw(c, text, strlen(text));
	assert_int_equal(net_expect_closed(c), 0);
	net_client_free(c);
}

static void test_a_token_in_a_long_header_section_is_read(void **state)
{
	struct net_fixture *f = *state;
	char *text = malloc(16384);
	int n = sprintf(
		text,
		"GET /api/sync/status HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer %s\r\nCookie: ", f->token);

	memset(text + n, 'c', 10000);
	strcpy(text + n + 10000, "\r\n\r\n");
	assert_int_equal(raw(f, text, NULL), 200);
	free(text);
}

static void add_run(struct net_fixture *f, uint64_t number)
{
	static struct run_row row = {
		.trigger = RUN_MANUAL, .state = RUN_COMPLETED, .entries = 5, .changes = 2};
	struct store_txn *txn;
	struct drive_row drive;

	assert_int_equal(store_begin(f->store, STORE_WRITE, &txn), 0);
	assert_int_equal(drives_find(txn, "music", &drive), 0);
	row.drive = drive.drive;
	row.run = number;
	row.started_ns = 1700000000000000000 + (int64_t)number;
	row.ended_ns = row.started_ns + 1500000000;
	assert_int_equal(runs_put(txn, &row), 0);
	assert_int_equal(store_commit(txn), 0);
}

static void test_history_is_paged_from_the_newest(void **state)
{
	struct net_fixture *f = *state;
	json_t *body, *run;
	char path[100];
	uint64_t expected = 7;

	for (uint64_t n = 1; n <= 7; n++)
		add_run(f, n);
	strcpy(path, "/api/sync/history?drive=music&limit=3");
	for (;;) {
		size_t i;

		assert_int_equal(request(f, "GET", path, f->token, NULL, &body), 200);
		json_array_foreach(json_object_get(body, "runs"), i, run)
			assert_int_equal(json_integer_value(json_object_get(run, "run")), expected--);
		if (json_is_null(json_object_get(body, "next")))
			break;
		snprintf(path, sizeof(path), "/api/sync/history?drive=music&limit=3&before=%lld",
			 (long long)json_integer_value(json_object_get(body, "next")));
		json_decref(body);
	}
	assert_int_equal(expected, 0);
	run = json_array_get(json_object_get(body, "runs"), 0);
	assert_string_equal(net_field(run, "trigger"), "manual");
	assert_string_equal(net_field(run, "state"), "completed");
	assert_string_equal(net_field(run, "started"), "2023-11-14T22:13:20.000000001Z");
	assert_true(json_real_value(json_object_get(run, "seconds")) == 1.5);
	assert_true(json_is_null(json_object_get(run, "error")));
	json_decref(body);
}

static void test_tokens_are_made_listed_and_revoked_on_the_control_socket(void **state)
{
	struct net_fixture *f = *state;
	char path[64], token[TOKEN_TEXT_LEN + 1];
	json_t *body, *entry;
	long long id;

	assert_int_equal(request(f, "POST", "/api/tokens", NULL,
				 "{\"name\":\"phone\",\"scopes\":[\"read\"],\"drives\":[\"music\",\"later\"],"
				 "\"expires_in\":60}",
				 &body),
			 201);
	id = json_integer_value(json_object_get(body, "id"));
	assert_int_equal(strlen(net_field(body, "token")), TOKEN_TEXT_LEN);
	strcpy(token, net_field(body, "token"));
	json_decref(body);
	assert_int_equal(request(f, "GET", "/api/sync/status", token, NULL, NULL), 200);
	assert_int_equal(request(f, "GET", "/api/tokens", NULL, NULL, &body), 200);
	entry = json_array_get(json_object_get(body, "tokens"), 1);
	assert_int_equal(json_integer_value(json_object_get(entry, "id")), id);
	assert_null(json_object_get(entry, "token"));
	assert_null(json_object_get(entry, "hash"));
	assert_string_equal(net_field(entry, "name"), "phone");
	assert_true(json_is_string(json_object_get(entry, "expires")) &&
		    json_is_null(json_object_get(entry, "revoked")));
	json_decref(body);
	snprintf(path, sizeof(path), "/api/tokens/%lld", id);
	assert_int_equal(request(f, "DELETE", path, NULL, NULL, &body), 200);
	assert_true(json_is_string(json_object_get(body, "revoked")));
	json_decref(body);
	assert_int_equal(request(f, "GET", "/api/sync/status", token, NULL, NULL), 401);
}

static void test_a_limited_administrator_makes_no_tokens(void **state)
{
	struct net_fixture *f = *state;
	char token[TOKEN_TEXT_LEN + 1];

	net_add_token(f, TOKEN_READ | TOKEN_ADMIN, "music", 0, token);
	expect_error(f, 403, "forbidden", "POST", "/api/tokens", token,
		     "{\"name\":\"x\",\"scopes\":[\"read\"],\"drives\":[\"*\"]}");
	expect_error(f, 403, "forbidden", "GET", "/api/tokens", token, NULL);
	expect_error(f, 403, "forbidden", "DELETE", "/api/tokens/1", token, NULL);
	assert_int_equal(request(f, "POST", "/api/sync/trigger", token, "{\"drive\":\"music\"}", NULL), 202);
	expect_error(f, 403, "forbidden", "POST", "/api/sync/trigger", token, "{\"drive\":\"later\"}");
}

static void test_what_a_token_may_be_is_checked(void **state)
{
	static const char *const wrong[] = {
		"{\"scopes\":[\"read\"],\"drives\":[\"*\"]}",
		"{\"name\":\"\",\"scopes\":[\"read\"],\"drives\":[\"*\"]}",
		"{\"name\":\"x\",\"scopes\":[],\"drives\":[\"*\"]}",
		"{\"name\":\"x\",\"scopes\":[\"rule\"],\"drives\":[\"*\"]}",
		"{\"name\":\"x\",\"scopes\":[\"read\"],\"drives\":[]}",
		"{\"name\":\"x\",\"scopes\":[\"read\"],\"drives\":[\"*\",\"a\"]}",
		"{\"name\":\"x\",\"scopes\":[\"read\"],\"drives\":[\"a,b\"]}",
		"{\"name\":\"x\",\"scopes\":[\"read\"],\"drives\":[\"A\"]}",
		"{\"name\":\"x\",\"scopes\":[\"read\"],\"drives\":\"*\"}",
		"{\"name\":\"x\",\"scopes\":[\"read\"],\"drives\":[\"*\"],\"expires_in\":0}",
		"{\"name\":\"x\",\"scopes\":[\"read\"],\"drives\":[\"*\"],\"expires_in\":\"1h\"}",
	};
	struct net_fixture *f = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		expect_error(f, 400, "bad_request", "POST", "/api/tokens", f->token, wrong[i]);
}

static void test_the_control_socket_is_for_its_owner(void **state)
{
	struct net_fixture *f = *state;
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/control", f->directory);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(request(f, "GET", "/api/sync/status", NULL, NULL, NULL), 200);
}

int main(void)
{
#define HTTP_TEST(t) cmocka_unit_test_setup_teardown(t, net_setup, net_teardown)
	const struct CMUnitTest tests[] = {
		HTTP_TEST(test_health_and_root_need_no_token),
		HTTP_TEST(test_everything_else_needs_one),
		HTTP_TEST(test_status_tells_each_drive_one_may_see),
		HTTP_TEST(test_status_counts_entries_of_which_no_news_came_yet),
		HTTP_TEST(test_a_root_is_counted_and_then_adopted),
		HTTP_TEST(test_a_trigger_is_answered_with_its_run),
		HTTP_TEST(test_a_barrier_is_answered_with_its_cursor),
		HTTP_TEST(test_bodies_are_checked),
		HTTP_TEST(test_paths_and_methods_are_checked),
		HTTP_TEST(test_framing_of_bodies_is_checked),
		HTTP_TEST(test_a_large_body_is_read_and_refused),
		HTTP_TEST(test_an_expectation_is_answered),
		HTTP_TEST(test_what_is_pipelined_behind_a_request_is_not_served),
		HTTP_TEST(test_a_body_behind_a_request_without_one_hurts_nobody),
		HTTP_TEST(test_what_is_no_http_is_closed),
		HTTP_TEST(test_a_body_that_never_ends_is_closed),
		HTTP_TEST(test_a_token_in_a_long_header_section_is_read),
		HTTP_TEST(test_history_is_paged_from_the_newest),
		HTTP_TEST(test_tokens_are_made_listed_and_revoked_on_the_control_socket),
		HTTP_TEST(test_a_limited_administrator_makes_no_tokens),
		HTTP_TEST(test_what_a_token_may_be_is_checked),
		HTTP_TEST(test_the_control_socket_is_for_its_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
