/* net/wire.h: messages as bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/encode.h"
#include "net/wire.h"

static void test_the_header_has_two_four_or_ten_bytes(void **state)
{
	uint8_t h[WIRE_HEADER_MAX];

	(void)state;
	assert_int_equal(wire_header(h, 0), 2);
	assert_int_equal(wire_header(h, 125), 2);
	assert_int_equal(h[0], 0x81);
	assert_int_equal(h[1], 125);
	assert_int_equal(wire_header(h, 126), 4);
	assert_int_equal(h[1], 126);
	assert_int_equal(h[3], 126);
	assert_int_equal(wire_header(h, 65535), 4);
	assert_int_equal(wire_header(h, 65536), 10);
	assert_int_equal(h[1], 127);
	assert_int_equal(h[7], 1);
	assert_int_equal(h[8], 0);
}

/* Take a message apart again, frame by frame, as a client does. */
static size_t reassemble(const struct text *t, char *out, unsigned *frames)
{
	size_t at = 0, len = 0;

	for (*frames = 0; at < t->len; (*frames)++) {
		size_t frame = wire_frame_length(t->data + at, t->len - at);
		size_t head = (uint8_t)t->data[at + 1] < 126 ? 2 : 4;
		bool last = at + frame == t->len;

		assert_true(frame > 0);
		assert_int_equal((uint8_t)t->data[at], (last ? 0x80 : 0) | (at == 0 ? 1 : 0));
		memcpy(out + len, t->data + at + head, frame - head);
		len += frame - head;
		at += frame;
	}
	return len;
}

static void test_fragments_make_up_the_message(void **state)
{
	static const size_t sizes[] = {
		0,     1, 125, 126, WIRE_FRAGMENT_BYTES - 1, WIRE_FRAGMENT_BYTES, WIRE_FRAGMENT_BYTES + 1,
		300000};
	char *payload = malloc(300000), *got = malloc(300000);

	(void)state;
	for (size_t i = 0; i < 300000; i++)
		payload[i] = (char)(i * 7 % 251);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct text t = {0};
		unsigned frames;

		wire_add_fragments(&t, payload, sizes[i]);
		assert_int_equal(reassemble(&t, got, &frames), sizes[i]);
		assert_memory_equal(got, payload, sizes[i]);
		assert_int_equal(frames, sizes[i] <= WIRE_FRAGMENT_BYTES
						 ? 1
						 : (sizes[i] - 1) / WIRE_FRAGMENT_BYTES + 1);
		text_deinit(&t);
	}
	free(payload);
	free(got);
}

static void test_a_piece_of_a_frame_has_no_length(void **state)
{
	struct text t = {0};
	char payload[200] = "";

	(void)state;
	wire_add(&t, payload, sizeof(payload));
	for (size_t len = 0; len < t.len; len++)
		assert_int_equal(wire_frame_length(t.data, len), 0);
	assert_int_equal(wire_frame_length(t.data, t.len), t.len);
	text_deinit(&t);
}

static void assert_message(struct text *t, const char *json)
{
	size_t head = (uint8_t)t->data[1] < 126 ? 2 : 4;

	assert_int_equal(t->len - head, strlen(json));
	assert_memory_equal(t->data + head, json, strlen(json));
	text_deinit(t);
	*t = (struct text){0};
}

static void test_replies_look_as_documented(void **state)
{
	struct position p = {.epoch = 7, .seq = 3, .check = 0xab};
	struct text t = {0};

	(void)state;
	encode_subscribed(&t, "\"a\"", "s1", "drive:x", &p);
	assert_message(&t, "{\"type\":\"subscribed\",\"id\":\"a\",\"sub\":\"s1\",\"stream\":\"drive:x\","
			   "\"cursor\":\"7-3~00000000000000ab\"}");
	encode_subscribed(&t, "5", "s1", "drive:x", NULL);
	assert_message(&t, "{\"type\":\"subscribed\",\"id\":5,\"sub\":\"s1\",\"stream\":\"drive:x\"}");
	encode_error(&t, NULL, NET_BUSY, "later");
	assert_message(&t, "{\"type\":\"error\",\"code\":\"busy\",\"message\":\"later\",\"retry\":true}");
	encode_reset(&t, "\"a\"", NULL, "drive:x", "pruned");
	assert_message(&t, "{\"type\":\"reset\",\"id\":\"a\",\"stream\":\"drive:x\",\"reason\":\"pruned\"}");
	encode_bye(&t, 1001, "stopping", 700);
	assert_message(&t, "{\"type\":\"bye\",\"code\":1001,\"reason\":\"stopping\",\"retry_ms\":700}");
	encode_pong(&t);
	assert_message(&t, "{\"type\":\"pong\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_header_has_two_four_or_ten_bytes),
		cmocka_unit_test(test_fragments_make_up_the_message),
		cmocka_unit_test(test_a_piece_of_a_frame_has_no_length),
		cmocka_unit_test(test_replies_look_as_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
