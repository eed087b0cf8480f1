/* net/: opening and stopping. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "net_fake.h"

static void on_stopped(void *context)
{
	((struct net_fixture *)context)->stopped = true;
}

static void test_stopping_says_bye_with_a_time_to_come_back(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *a = net_hello(f, f->token, "a"), *b = net_hello(f, f->token, "b"),
			  *idle = net_connect(f);
	json_t *bye, *other;

	server_stop(f->server, on_stopped, f);
	bye = net_expect(a, "bye");
	other = net_expect(b, "bye");
	assert_int_equal(json_integer_value(json_object_get(bye, "code")), 1001);
	assert_true(json_integer_value(json_object_get(bye, "retry_ms")) >= 500);
	assert_true(json_integer_value(json_object_get(bye, "retry_ms")) !=
		    json_integer_value(json_object_get(other, "retry_ms")));
	json_decref(bye);
	json_decref(other);
	assert_int_equal(net_expect_closed(a), 1001);
	assert_int_equal(net_expect_closed(b), 1001);
	net_expect_closed(idle);
	while (!f->stopped)
		net_turn(f);
	net_client_free(a);
	net_client_free(b);
	net_client_free(idle);
}

static void test_stopping_does_not_wait_for_the_deaf(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *deaf = net_hello(f, f->token, "a"), *asking = net_connect(f);
	char text[300];

	deaf->paused = true;
	net_send(deaf, "{\"type\":\"subscribe\",\"id\":\"a\",\"stream\":\"drive:music\"}");
	net_settle(f);
	for (int i = 0; i < 20; i++) {
		net_append(f, "drive:music", EVENT_FILE_CREATED, 1000, 300);
		net_settle(f);
	}
	f->hold = true; /* a request that is not answered */
	snprintf(text, sizeof(text),
		 "POST /api/sync/barrier HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer %s\r\n"
		 "Content-Type: application/json\r\nContent-Length: 24\r\n\r\n{\"stream\":\"drive:music\"}",
		 f->token);
	net_send_raw(asking, text, strlen(text));
	while (f->engine.count == 0)
		net_turn(f);
	server_stop(f->server, on_stopped, f);
	assert_int_equal(net_http(asking, "", NULL, NULL), 503);
	while (!f->stopped)
		net_turn(f);
	net_client_free(deaf);
	net_client_free(asking);
}

static void test_stopping_waits_for_a_snapshot_being_written(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_hello(f, f->token, "a");

	net_add_files(f, "music", 30000);
	net_send(c, "{\"type\":\"subscribe\",\"id\":\"a\",\"stream\":\"drive:music\",\"from\":\"snapshot\"}");
	while (!snapshots_busy(&f->server->snapshots))
		net_turn(f);
	server_stop(f->server, on_stopped, f);
	while (!f->stopped)
		net_turn(f);
	assert_false(snapshots_busy(&f->server->snapshots));
	net_client_free(c);
}

static int open_second(struct net_fixture *f, const char *directory, uint16_t port, struct server **out)
{
	static const char *const drives[] = {"music"};
	struct server_options options = {.loop = &f->loop,
					 .store = f->store,
					 .address = "127.0.0.1",
					 .port = port,
					 .state_dir = directory,
					 .version = "test",
					 .drives = drives,
					 .drive_count = 1};

	return server_open(out, &options);
}

static void test_a_port_in_use_is_told(void **state)
{
	struct net_fixture *f = *state;
	struct server *s;

	assert_int_equal(open_second(f, "/tmp", server_port(f->server), &s), -EADDRINUSE);
	assert_null(s);
}

static void test_a_control_socket_in_use_is_told(void **state)
{
	struct net_fixture *f = *state;
	struct server *s;

	assert_int_equal(open_second(f, f->directory, 0, &s), -EEXIST);
	assert_null(s);
}

static void test_a_stale_control_socket_is_replaced(void **state)
{
	struct net_fixture *f = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char directory[] = "/tmp/wakeline-stale-XXXXXX";
	struct server *s;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_non_null(mkdtemp(directory));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/control", directory);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(open_second(f, directory, 0, &s), 0);
	assert_true(server_port(s) != 0);
	server_free(s); /* never attached */
	assert_int_equal(rmdir(directory), 0);
}

static void test_an_address_that_is_none_is_refused(void **state)
{
	struct net_fixture *f = *state;
	static const char *const drives[] = {"music"};
	struct server_options options = {.loop = &f->loop,
					 .store = f->store,
					 .address = "localhost",
					 .state_dir = f->directory,
					 .version = "test",
					 .drives = drives,
					 .drive_count = 1};
	struct server *s;

	assert_int_equal(server_open(&s, &options), -EINVAL);
}

int main(void)
{
#define STOP_TEST(t) cmocka_unit_test_setup_teardown(t, net_setup, net_teardown)
	const struct CMUnitTest tests[] = {
		STOP_TEST(test_stopping_says_bye_with_a_time_to_come_back),
		STOP_TEST(test_stopping_does_not_wait_for_the_deaf),
		STOP_TEST(test_stopping_waits_for_a_snapshot_being_written),
		STOP_TEST(test_a_port_in_use_is_told),
		STOP_TEST(test_a_control_socket_in_use_is_told),
		STOP_TEST(test_a_stale_control_socket_is_replaced),
		STOP_TEST(test_an_address_that_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
