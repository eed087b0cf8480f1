#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "client/endpoint.h"

static const char *env_url, *env_token, *env_state;

static char *environment(const char *name)
{
	const char *value = NULL;

	if (strcmp(name, "WAKELINE_URL") == 0)
		value = env_url;
	else if (strcmp(name, "WAKELINE_TOKEN") == 0)
		value = env_token;
	else if (strcmp(name, "WAKELINE_STATE") == 0)
		value = env_state;
	return (char *)(uintptr_t)value;
}

static int setup(void **state)
{
	(void)state;
	env_url = env_token = env_state = NULL;
	return 0;
}

static struct endpoint init(const struct options *o, enum endpoint_use use)
{
	char error[ENDPOINT_ERROR_MAX];
	struct endpoint e;

	if (!endpoint_init(&e, o, use, environment, error))
		fail_msg("refused: %s", error);
	return e;
}

static void expect_url(const char *given, const char *url, const char *host, int port, const char *prefix,
		       bool tls)
{
	struct endpoint e = init(&(struct options){.url = given}, ENDPOINT_ANY);

	assert_string_equal(e.url, url);
	assert_string_equal(e.host, host);
	assert_int_equal(e.port, port);
	assert_string_equal(e.prefix, prefix);
	assert_true(e.tls == tls);
	assert_null(e.socket);
	endpoint_deinit(&e);
}

static void test_urls_are_taken_apart(void **state)
{
	(void)state;
	expect_url("http://127.0.0.1:7420", "http://127.0.0.1:7420", "127.0.0.1", 7420, "", false);
	expect_url("http://h:1/", "http://h:1", "h", 1, "", false);
	expect_url("https://files.example/wakeline/", "https://files.example:443/wakeline", "files.example",
		   443, "/wakeline", true);
	expect_url("http://[::1]:7420", "http://[::1]:7420", "::1", 7420, "", false);
	expect_url("ws://h:1/ws", "http://h:1", "h", 1, "", false);
	expect_url("wss://h/a/ws", "https://h:443/a", "h", 443, "/a", true);
}

static void test_what_is_no_url_of_a_server_is_refused(void **state)
{
	static const char *const bad[] = {"127.0.0.1:7420", "ftp://h",           "http://",
					  "http://h:99999", "/var/lib/wakeline", "x"};
	char error[ENDPOINT_ERROR_MAX];
	struct endpoint e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(endpoint_init(&e, &(struct options){.url = bad[i]}, ENDPOINT_ANY, environment,
					   error));
		assert_non_null(
			strstr(error, "is no URL of a server; write it as http://host:7420 or https://host"));
	}
}

static void test_the_default_is_the_socket_of_the_state_directory(void **state)
{
	struct endpoint e = init(&(struct options){0}, ENDPOINT_ANY);

	(void)state;
	assert_string_equal(e.socket, "/var/lib/wakeline/control");
	assert_string_equal(endpoint_name(&e), "/var/lib/wakeline/control");
	endpoint_deinit(&e);
	env_state = "/s";
	e = init(&(struct options){0}, ENDPOINT_ANY);
	assert_string_equal(e.socket, "/s/control");
	endpoint_deinit(&e);
	e = init(&(struct options){.state = "/t"}, ENDPOINT_ANY);
	assert_string_equal(e.socket, "/t/control");
	endpoint_deinit(&e);
}

static void test_the_command_line_goes_before_the_environment(void **state)
{
	struct endpoint e;

	(void)state;
	env_url = "http://env:1";
	env_token = "t1";
	e = init(&(struct options){0}, ENDPOINT_ANY);
	assert_string_equal(e.url, "http://env:1");
	assert_string_equal(e.token, "t1");
	endpoint_deinit(&e);
	e = init(&(struct options){.url = "http://line:2", .token = "t2"}, ENDPOINT_ANY);
	assert_string_equal(e.url, "http://line:2");
	assert_string_equal(e.token, "t2");
	endpoint_deinit(&e);
	e = init(&(struct options){.state = "/t"}, ENDPOINT_ANY);
	assert_string_equal(e.socket, "/t/control");
	endpoint_deinit(&e);
}

static void test_local_commands_do_not_follow_the_environment_away(void **state)
{
	struct endpoint e;

	(void)state;
	env_url = "http://env:1";
	e = init(&(struct options){0}, ENDPOINT_LOCAL);
	assert_string_equal(e.socket, "/var/lib/wakeline/control");
	endpoint_deinit(&e);
	e = init(&(struct options){.url = "http://line:2"}, ENDPOINT_LOCAL);
	assert_null(e.socket);
	endpoint_deinit(&e);
}

static void test_empty_variables_count_as_none(void **state)
{
	struct endpoint e;

	(void)state;
	env_url = env_state = env_token = "";
	e = init(&(struct options){0}, ENDPOINT_ANY);
	assert_string_equal(e.socket, "/var/lib/wakeline/control");
	endpoint_deinit(&e);
}

static void test_a_token_without_a_url_is_refused(void **state)
{
	char error[ENDPOINT_ERROR_MAX];
	struct endpoint e;

	(void)state;
	assert_false(endpoint_init(&e, &(struct options){.token = "t"}, ENDPOINT_ANY, environment, error));
	assert_string_equal(
		error, "a token is for a server on the network: name it by --url; the socket needs none");
}

static void test_a_token_on_two_lines_is_refused(void **state)
{
	char error[ENDPOINT_ERROR_MAX];
	struct endpoint e;

	(void)state;
	env_token = "a\r\nX-Evil: 1";
	assert_false(
		endpoint_init(&e, &(struct options){.url = "http://h"}, ENDPOINT_ANY, environment, error));
	assert_string_equal(error, "the token has a space or a line break in it; copy it again");
}

static void test_a_state_directory_too_long_for_a_socket_is_refused(void **state)
{
	char error[ENDPOINT_ERROR_MAX], path[120];
	struct endpoint e;

	(void)state;
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_false(endpoint_init(&e, &(struct options){.state = path}, ENDPOINT_ANY, environment, error));
	assert_non_null(strstr(error, "too long for a socket"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_urls_are_taken_apart, setup),
		cmocka_unit_test_setup(test_what_is_no_url_of_a_server_is_refused, setup),
		cmocka_unit_test_setup(test_the_default_is_the_socket_of_the_state_directory, setup),
		cmocka_unit_test_setup(test_the_command_line_goes_before_the_environment, setup),
		cmocka_unit_test_setup(test_local_commands_do_not_follow_the_environment_away, setup),
		cmocka_unit_test_setup(test_empty_variables_count_as_none, setup),
		cmocka_unit_test_setup(test_a_token_without_a_url_is_refused, setup),
		cmocka_unit_test_setup(test_a_token_on_two_lines_is_refused, setup),
		cmocka_unit_test_setup(test_a_state_directory_too_long_for_a_socket_is_refused, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
