/* net/frame.h: what clients send. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/events.h"
#include "net/frame.h"

static struct frame parse(const char *json)
{
	struct frame_fault fault;
	struct frame f;

	assert_int_equal(frame_parse(&f, json, strlen(json), &fault), 0);
	return f;
}

static void assert_fault(enum net_error code, const char *json)
{
	struct frame_fault fault;
	struct frame f;

	assert_int_equal(frame_parse(&f, json, strlen(json), &fault), -EINVAL);
	assert_int_equal(fault.code, code);
	assert_true(fault.message[0] != '\0');
}

static void test_hello_with_everything(void **state)
{
	struct frame f =
		parse("{\"type\":\"hello\",\"token\":\"abc\",\"client\":\"A.b_c-1\",\"name\":\"Zo\\u00eb\"}");

	(void)state;
	assert_int_equal(f.type, FRAME_HELLO);
	assert_string_equal(f.token, "abc");
	assert_int_equal(f.token_len, 3);
	assert_string_equal(f.client, "A.b_c-1");
	assert_string_equal(f.name, "Zo\xc3\xab");
	frame_deinit(&f);
}

static void test_subscribe_has_defaults(void **state)
{
	struct frame f = parse("{\"id\":\"x\",\"stream\":\"drive:m\",\"type\":\"subscribe\"}");

	(void)state;
	assert_int_equal(f.type, FRAME_SUBSCRIBE);
	assert_int_equal(f.from, FROM_NOW);
	assert_true(f.events == EVENTS_ALL);
	frame_deinit(&f);
	f = parse("{\"id\":1,\"stream\":\"bus\",\"type\":\"subscribe\",\"events\":[],\"prefix\":[]}");
	assert_true(f.events == EVENTS_ALL);
	frame_deinit(&f);
}

static void test_subscribe_from_a_cursor_with_a_filter(void **state)
{
	struct frame f =
		parse("{\"type\":\"subscribe\",\"id\":\"q\",\"stream\":\"drive:m\","
		      "\"from\":\"12-34~00000000000000ff\",\"events\":[\"drive.file.created\",\"sync.*\"]}");

	(void)state;
	assert_int_equal(f.from, FROM_CURSOR);
	assert_true(f.cursor.epoch == 12 && f.cursor.seq == 34 && f.cursor.check == 0xff);
	assert_true((f.events & event_bit(EVENT_FILE_CREATED)) != 0);
	assert_true((f.events & event_bit(EVENT_FILE_DELETED)) == 0);
	assert_true((f.events & event_bit(EVENT_SYNC_ERROR)) != 0);
	frame_deinit(&f);
}

static void test_prefixes_of_both_members_are_one_set(void **state)
{
	struct frame f = parse("{\"type\":\"subscribe\",\"id\":1,\"stream\":\"bus\","
			       "\"prefix\":[\"b\",\"a/\u00e9\"],\"prefix_b64\":[\"Y2Fm6Q==\"]}");

	(void)state;
	assert_int_equal(f.prefixes.count, 3);
	assert_true(prefixes_have(&f.prefixes, "a/\xc3\xa9/x", 6));
	assert_true(prefixes_have(&f.prefixes, "caf\xe9", 4));
	assert_false(prefixes_have(&f.prefixes, "a", 1));
	frame_deinit(&f);
	f = parse("{\"type\":\"subscribe\",\"id\":1,\"stream\":\"bus\",\"prefix\":[\"b\",\"\"]}");
	assert_true(prefixes_have(&f.prefixes, "a", 1));
	frame_deinit(&f);
}

static void test_too_many_prefixes_are_a_limit(void **state)
{
	struct text t = {0};
	struct frame_fault fault;
	struct frame f;

	(void)state;
	text_add_str(&t, "{\"type\":\"subscribe\",\"id\":1,\"stream\":\"bus\",\"prefix\":[\"p\"");
	for (unsigned i = 0; i < PREFIXES_MAX; i++) {
		text_add_str(&t, ",\"");
		text_add_number(&t, i);
		text_add_str(&t, "\"");
	}
	text_add_str(&t, "]}");
	assert_int_equal(frame_parse(&f, t.data, t.len, &fault), -EINVAL);
	assert_int_equal(fault.code, NET_LIMIT);
	text_deinit(&t);
}

static void test_the_id_comes_back_as_it_was(void **state)
{
	struct frame f = parse("{\"type\":\"unsubscribe\",\"id\":\"a\\\"\\u0001\\n\"}");

	(void)state;
	assert_string_equal(f.id, "\"a\\\"\\u0001\\n\"");
	frame_deinit(&f);
	f = parse("{\"type\":\"unsubscribe\",\"id\":-9223372036854775807}");
	assert_string_equal(f.id, "-9223372036854775807");
	frame_deinit(&f);
}

static void test_a_fault_carries_the_id(void **state)
{
	static const char json[] = "{\"stream\":7,\"type\":\"subscribe\",\"id\":\"mine\"}";
	struct frame_fault fault;
	struct frame f;

	(void)state;
	assert_int_equal(frame_parse(&f, json, strlen(json), &fault), -EINVAL);
	assert_string_equal(fault.id, "\"mine\"");
}

static void test_the_longest_id_fits_whatever_its_bytes(void **state)
{
	char json[FRAME_ID_MAX * 6 + 64] = "{\"type\":\"ping\",\"id\":\"";
	struct frame f;

	(void)state;
	for (int i = 0; i < FRAME_ID_MAX; i++)
		strcat(json, "\\u0001");
	strcat(json, "\"}");
	f = parse(json);
	assert_int_equal(strlen(f.id), FRAME_ID_MAX * 6 + 2);
	frame_deinit(&f);
}

static void test_what_is_not_supported_says_so(void **state)
{
	(void)state;
	assert_fault(NET_UNSUPPORTED,
		     "{\"type\":\"ack\",\"stream\":\"bus\",\"cursor\":\"1-1~0000000000000000\"}");
	assert_fault(NET_UNSUPPORTED, "{\"type\":\"mutate\"}");
	assert_fault(NET_UNSUPPORTED, "{\"type\":\"refresh\",\"token\":\"x\"}");
}

static void test_malformed_frames_are_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"{",
		"[]",
		"7",
		"null",
		"{}",
		"{\"type\":7}",
		"{\"type\":\"ping\"}x",
		"{\"type\":\"ping\",\"type\":\"ping\"}",
		"{\"type\":\"ping\",\"more\":1}",
		"{\"type\":\"hello\",\"client\":\"a b\"}",
		"{\"type\":\"hello\",\"client\":\"\"}",
		"{\"type\":\"hello\",\"token\":7}",
		"{\"type\":\"subscribe\",\"id\":\"x\"}",
		"{\"type\":\"subscribe\",\"stream\":\"bus\"}",
		"{\"type\":\"subscribe\",\"id\":\"\",\"stream\":\"bus\"}",
		"{\"type\":\"subscribe\",\"id\":1.5,\"stream\":\"bus\"}",
		"{\"type\":\"subscribe\",\"id\":\"x\",\"stream\":\"bus\",\"from\":\"then\"}",
		"{\"type\":\"subscribe\",\"id\":\"x\",\"stream\":\"bus\",\"events\":[7]}",
		"{\"type\":\"subscribe\",\"id\":\"x\",\"stream\":\"bus\",\"events\":\"sync.*\"}",
		"{\"type\":\"subscribe\",\"id\":\"x\",\"stream\":\"bus\",\"prefix\":\"a\"}",
		"{\"type\":\"subscribe\",\"id\":\"x\",\"stream\":\"bus\",\"prefix\":[7]}",
		"{\"type\":\"subscribe\",\"id\":\"x\",\"stream\":\"bus\",\"prefix\":[\"a/\"]}",
		"{\"type\":\"subscribe\",\"id\":\"x\",\"stream\":\"bus\",\"prefix\":[\"a\",\"b/../a\"]}",
		"{\"type\":\"subscribe\",\"id\":\"x\",\"stream\":\"bus\",\"prefix_b64\":[\"a\"]}",
		"{\"type\":\"subscribe\",\"id\":\"x\",\"stream\":\"bus\",\"changed\":[\"size\"]}",
		"{\"type\":\"subscribe\",\"id\":\"x\",\"stream\":\"bus\",\"changed\":\"meta\"}",
		"{\"type\":\"barrier\",\"id\":\"x\"}",
		"{\"type\":\"unsubscribe\"}",
		"{\"type\":\"pi\\u0000ng\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_fault(NET_BAD_FRAME, wrong[i]);
	assert_fault(NET_UNKNOWN_TYPE, "{\"type\":\"jump\"}");
}

static void test_a_frame_too_large_is_not_parsed(void **state)
{
	char *json = malloc(FRAME_MAX_BYTES + 1);
	struct frame_fault fault;
	struct frame f;

	(void)state;
	memset(json, ' ', FRAME_MAX_BYTES + 1);
	assert_int_equal(frame_parse(&f, json, FRAME_MAX_BYTES + 1, &fault), -EINVAL);
	assert_int_equal(fault.code, NET_TOO_LARGE);
	free(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello_with_everything),
		cmocka_unit_test(test_subscribe_has_defaults),
		cmocka_unit_test(test_subscribe_from_a_cursor_with_a_filter),
		cmocka_unit_test(test_prefixes_of_both_members_are_one_set),
		cmocka_unit_test(test_too_many_prefixes_are_a_limit),
		cmocka_unit_test(test_the_id_comes_back_as_it_was),
		cmocka_unit_test(test_a_fault_carries_the_id),
		cmocka_unit_test(test_the_longest_id_fits_whatever_its_bytes),
		cmocka_unit_test(test_what_is_not_supported_says_so),
		cmocka_unit_test(test_malformed_frames_are_refused),
		cmocka_unit_test(test_a_frame_too_large_is_not_parsed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
