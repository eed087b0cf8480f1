/* net/: who is served on /ws, and how a session begins and ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "net_fake.h"

static void test_hello_is_answered_by_welcome(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_websocket(f, NULL);
	char hello[200];
	json_t *w;

	snprintf(hello, sizeof(hello), "{\"type\":\"hello\",\"token\":\"%s\",\"client\":\"me\"}", f->token);
	net_send(c, hello);
	w = net_expect(c, "welcome");
	assert_string_equal(net_field(w, "client"), "me");
	assert_string_equal(net_field(w, "version"), "test");
	assert_true(net_field(w, "session")[0] != '\0' && net_field(w, "server")[0] != '\0');
	assert_int_equal(json_integer_value(json_object_get(w, "online")), 1);
	assert_true(json_is_object(json_object_get(w, "mids")));
	json_decref(w);
	net_client_free(c);
}

static void test_a_client_without_a_name_is_given_one(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_websocket(f, NULL);
	char hello[200];
	json_t *w;

	snprintf(hello, sizeof(hello), "{\"type\":\"hello\",\"token\":\"%s\"}", f->token);
	net_send(c, hello);
	w = net_expect(c, "welcome");
	assert_true(strlen(net_field(w, "client")) > 8);
	json_decref(w);
	net_client_free(c);
}

static void test_the_token_may_come_in_a_header(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c;
	char header[128];

	snprintf(header, sizeof(header),
		 "Authorization: Bearer %s\r\nSec-WebSocket-Protocol: wakeline.v1\r\n", f->token);
	c = net_websocket(f, header);
	net_send(c, "{\"type\":\"hello\"}");
	json_decref(net_expect(c, "welcome"));
	net_client_free(c);
}

static void test_a_bad_token_closes_with_4401(void **state)
{
	static const char *const bad[] = {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "short", "",
					  "a.b.c"};
	struct net_fixture *f = *state;

	for (size_t i = 0; i < 4; i++) {
		struct net_client *c = net_websocket(f, NULL);
		char hello[200];

		snprintf(hello, sizeof(hello), "{\"type\":\"hello\",\"token\":\"%s\"}", bad[i]);
		net_send(c, hello);
		net_expect_error(c, "unauthorized");
		assert_int_equal(net_expect_closed(c), 4401);
		net_client_free(c);
	}
}

static void test_a_bad_token_in_the_header_is_refused_with_401(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_connect(f);
	char *head;

	assert_int_equal(
		net_http(c,
			 "GET /ws HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
			 "Authorization: Bearer AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n\r\n",
			 &head, NULL),
		401);
	assert_non_null(strstr(head, "WWW-Authenticate: Bearer"));
	free(head);
	net_client_free(c);
}

static void test_websockets_open_at_ws_alone(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_connect(f);

	assert_int_equal(
		net_http(c,
			 "GET /other HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
			 NULL, NULL),
		404);
	net_client_free(c);
}

static void test_nothing_is_served_before_hello(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_websocket(f, NULL);

	net_send(c, "{\"type\":\"ping\"}");
	net_expect_error(c, "unauthorized");
	net_send(c, "{\"type\":\"mutate\"}");
	net_expect_error(c, "unauthorized");
	net_send(c, "{\"type\":\"subscribe\",\"id\":\"a\",\"stream\":\"drive:music\"}");
	net_expect_error(c, "unauthorized");
	net_client_free(c);
}

static void test_silence_is_closed_with_4408(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c;

	f->server->limits.hello_ms = 50;
	f->server->limits.tick_ms = 10;
	c = net_websocket(f, NULL);
	assert_int_equal(net_expect_closed(c), 4408);
	net_client_free(c);
}

static void test_a_socket_that_never_asks_is_closed(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c;

	f->server->limits.hello_ms = 50;
	f->server->limits.tick_ms = 10;
	c = net_connect(f);
	assert_int_equal(net_expect_closed(c), 0);
	net_client_free(c);
}

static void test_an_expired_token_closes_with_4403(void **state)
{
	struct net_fixture *f = *state;
	char token[TOKEN_TEXT_LEN + 1];
	struct net_client *c;

	f->server->limits.tick_ms = 20;
	net_add_token(f, TOKEN_READ, "*", time(NULL) + 1, token);
	c = net_hello(f, token, "a");
	assert_int_equal(net_expect_closed(c), 4403);
	net_client_free(c);
}

static void test_nothing_is_sent_after_the_expiry(void **state)
{
	struct net_fixture *f = *state;
	char token[TOKEN_TEXT_LEN + 1];
	struct net_client *c;

	f->server->limits.tick_ms = 100000; /* nobody looks at the clock but the sending itself */
	net_add_token(f, TOKEN_READ, "*", time(NULL) + 1000, token);
	c = net_hello(f, token, "a");
	net_send(c, "{\"type\":\"subscribe\",\"id\":\"a\",\"stream\":\"drive:music\"}");
	json_decref(net_expect(c, "subscribed"));
	TAILQ_FIRST(&f->server->peers)->connection->principal->row.expires = time(NULL) - 1;
	net_append(f, "drive:music", EVENT_FILE_CREATED, 1, 0);
	net_expect_error(c, "unauthorized");
	assert_int_equal(net_expect_closed(c), 4403);
	net_client_free(c);
}

static void test_a_revoked_token_closes_at_once_with_4403(void **state)
{
	struct net_fixture *f = *state;
	char token[TOKEN_TEXT_LEN + 1], request[300];
	uint64_t id = net_add_token(f, TOKEN_READ, "*", 0, token);
	struct net_client *live = net_hello(f, token, "a"), *other = net_hello(f, f->token, "b"),
			  *admin = net_connect(f);

	snprintf(request, sizeof(request),
		 "DELETE /api/tokens/%llu HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer %s\r\n\r\n",
		 (unsigned long long)id, f->token);
	assert_int_equal(net_http(admin, request, NULL, NULL), 200);
	net_expect_error(live, "unauthorized");
	assert_int_equal(net_expect_closed(live), 4403);
	net_send(other, "{\"type\":\"ping\"}");
	json_decref(net_expect(other, "pong"));
	net_client_free(live);
	net_client_free(other);
	net_client_free(admin);
}

static void test_frames_may_be_pipelined_and_cut_anywhere(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_websocket(f, NULL);
	static const char sub[] = "{\"type\":\"subscribe\",\"id\":\"a\",\"stream\":\"drive:music\"}";
	char hello[200];

	snprintf(hello, sizeof(hello), "{\"type\":\"hello\",\"token\":\"%s\"}", f->token);
	net_send(c, hello);
	net_send_frame(c, 0x01, sub, 10); /* fragments of one message */
	net_send_frame(c, 0x00, sub + 10, 20);
	net_send_frame(c, 0x80, sub + 30, strlen(sub) - 30);
	json_decref(net_expect(c, "welcome"));
	json_decref(net_expect(c, "subscribed"));
	net_client_free(c);
}

static void test_bad_frames_are_answered_and_survived(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_hello(f, f->token, "a");

	net_send(c, "");
	net_expect_error(c, "bad_frame");
	net_send(c, "[1,2");
	net_expect_error(c, "bad_frame");
	net_send(c, "{\"type\":\"jump\"}");
	net_expect_error(c, "unknown_type");
	net_send(c, "{\"type\":\"ack\",\"stream\":\"bus\"}");
	net_expect_error(c, "unsupported");
	net_send_frame(c, 0x82, "{\"type\":\"ping\"}", 15);
	net_expect_error(c, "bad_frame");
	net_send(c, "{\"type\":\"hello\"}");
	net_expect_error(c, "already");
	net_send(c, "{\"type\":\"ping\"}");
	json_decref(net_expect(c, "pong"));
	net_client_free(c);
}

static void test_an_oversized_frame_is_named_and_closed_with_1009(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_hello(f, f->token, "a");
	size_t len = FRAME_MAX_BYTES + 1;
	char *frame = malloc(len);

	memset(frame, ' ', len);
	net_send_frame(c, 0x81, frame, len);
	net_expect_error(c, "too_large");
	assert_int_equal(net_expect_closed(c), 1009);
	free(frame);
	net_client_free(c);
}

static void test_the_largest_frame_is_read(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_hello(f, f->token, "a");
	char *frame = malloc(FRAME_MAX_BYTES);

	memset(frame, ' ', FRAME_MAX_BYTES);
	memcpy(frame, "{\"type\":\"ping\"}", 15);
	net_send_frame(c, 0x81, frame, FRAME_MAX_BYTES);
	json_decref(net_expect(c, "pong"));
	free(frame);
	net_client_free(c);
}

static void test_rights_look_the_same_whether_a_drive_exists(void **state)
{
	struct net_fixture *f = *state;
	char token[TOKEN_TEXT_LEN + 1];
	struct net_client *c;

	net_add_token(f, TOKEN_READ, "films,later", 0, token);
	c = net_hello(f, token, "a");
	net_send(c, "{\"type\":\"subscribe\",\"id\":\"a\",\"stream\":\"drive:music\"}");
	net_expect_error(c, "forbidden");
	net_send(c, "{\"type\":\"subscribe\",\"id\":\"a\",\"stream\":\"drive:nothing\"}");
	net_expect_error(c, "forbidden");
	net_send(c, "{\"type\":\"barrier\",\"id\":\"a\",\"stream\":\"drive:music\"}");
	net_expect_error(c, "forbidden");
	net_send(c, "{\"type\":\"subscribe\",\"id\":\"a\",\"stream\":\"drive:films\"}");
	net_expect_error(c, "not_found");
	net_client_free(c);
	net_add_token(f, TOKEN_WRITE, "*", 0, token);
	c = net_hello(f, token, "a");
	net_send(c, "{\"type\":\"subscribe\",\"id\":\"a\",\"stream\":\"drive:music\"}");
	net_expect_error(c, "forbidden");
	net_client_free(c);
}

static void test_presence_is_told_on_the_bus(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *watching = net_hello(f, f->token, "watching"),
			  *deaf = net_hello(f, f->token, "deaf"), *c;
	json_t *note, *item;

	net_send(watching,
		 "{\"type\":\"subscribe\",\"id\":\"a\",\"stream\":\"bus\",\"events\":[\"client.*\"]}");
	json_decref(net_expect(watching, "subscribed"));
	net_send(deaf, "{\"type\":\"subscribe\",\"id\":\"a\",\"stream\":\"bus\",\"events\":[\"sync.*\"]}");
	json_decref(net_expect(deaf, "subscribed"));
	c = net_hello(f, f->token, "visitor");
	note = net_expect(watching, "note");
	item = json_array_get(json_object_get(note, "items"), 0);
	assert_string_equal(net_field(note, "stream"), "bus");
	assert_string_equal(net_field(item, "event"), "client.connected");
	assert_string_equal(net_field(item, "client"), "visitor");
	assert_string_equal(net_field(item, "name"), "N");
	json_decref(note);
	net_client_free(c);
	note = net_expect(watching, "note");
	item = json_array_get(json_object_get(note, "items"), 0);
	assert_string_equal(net_field(item, "event"), "client.disconnected");
	json_decref(note);
	net_settle(f);
	assert_null(net_try(deaf));
	net_client_free(watching);
	net_client_free(deaf);
}

static void test_a_client_that_asks_and_never_reads_is_cut_off(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_hello(f, f->token, "a"), *other = net_hello(f, f->token, "b");

	c->paused = true;
	f->server->limits.close_ms = 50;
	f->server->limits.tick_ms = 10;
	while (f->server->sessions == 2) {
		for (int i = 0; i < 500; i++)
			net_send(c, "{\"type\":\"jump\"}");
		uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	net_send(other, "{\"type\":\"ping\"}");
	json_decref(net_expect(other, "pong"));
	net_client_free(c);
	net_client_free(other);
}

static void test_subscriptions_are_limited(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_hello(f, f->token, "a");
	json_t *answer;

	for (int i = 0; i < SUBSCRIPTIONS_MAX + 1; i++) {
		char frame[300] = "";
		int n = snprintf(frame, sizeof(frame),
				 "{\"type\":\"subscribe\",\"id\":%d,\"stream\":\"drive:music\",\"events\":[",
				 i);

		for (int bit = 0; bit < 7; bit++) { /* a filter of its own for each */
			static const enum event_type types[] = {EVENT_FILE_CREATED, EVENT_FILE_UPDATED,
								EVENT_FILE_MOVED,   EVENT_FILE_DELETED,
								EVENT_SYNC_STARTED, EVENT_SYNC_COMPLETED,
								EVENT_SYNC_ERROR};

			if ((i + 1) >> bit & 1)
				n += snprintf(frame + n, sizeof(frame) - (size_t)n, "\"%s\",",
					      event_name(types[bit]));
		}
		snprintf(frame + n - 1, sizeof(frame) - (size_t)n, "]}");
		net_send(c, frame);
	}
	for (int i = 0; i < SUBSCRIPTIONS_MAX; i++)
		json_decref(net_expect(c, "subscribed"));
	net_expect_error(c, "limit");
	net_send(c, "{\"type\":\"unsubscribe\",\"id\":3}");
	answer = net_expect(c, "unsubscribed");
	assert_int_equal(json_integer_value(json_object_get(answer, "id")), 3);
	json_decref(answer);
	net_client_free(c);
}

int main(void)
{
#define SESSION_TEST(t) cmocka_unit_test_setup_teardown(t, net_setup, net_teardown)
	const struct CMUnitTest tests[] = {
		SESSION_TEST(test_hello_is_answered_by_welcome),
		SESSION_TEST(test_a_client_without_a_name_is_given_one),
		SESSION_TEST(test_the_token_may_come_in_a_header),
		SESSION_TEST(test_a_bad_token_closes_with_4401),
		SESSION_TEST(test_a_bad_token_in_the_header_is_refused_with_401),
		SESSION_TEST(test_websockets_open_at_ws_alone),
		SESSION_TEST(test_nothing_is_served_before_hello),
		SESSION_TEST(test_silence_is_closed_with_4408),
		SESSION_TEST(test_a_socket_that_never_asks_is_closed),
		SESSION_TEST(test_an_expired_token_closes_with_4403),
		SESSION_TEST(test_nothing_is_sent_after_the_expiry),
		SESSION_TEST(test_a_revoked_token_closes_at_once_with_4403),
		SESSION_TEST(test_frames_may_be_pipelined_and_cut_anywhere),
		SESSION_TEST(test_bad_frames_are_answered_and_survived),
		SESSION_TEST(test_an_oversized_frame_is_named_and_closed_with_1009),
		SESSION_TEST(test_the_largest_frame_is_read),
		SESSION_TEST(test_rights_look_the_same_whether_a_drive_exists),
		SESSION_TEST(test_presence_is_told_on_the_bus),
		SESSION_TEST(test_a_client_that_asks_and_never_reads_is_cut_off),
		SESSION_TEST(test_subscriptions_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
