/* The client's side of the protocol, frame by frame: the cursor never passes what was not handed out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/feed.h"

struct fixture {
	struct feed_options options;
	struct feed *feed;
	char items[512]; /* "path" or "path@cursor", one after the other */
	char notices[1024];
};

static void on_item(void *context, const json_t *item, const char *cursor)
{
	struct fixture *f = context;
	size_t len = strlen(f->items);

	snprintf(f->items + len, sizeof(f->items) - len, "%s%s%s ",
		 json_string_value(json_object_get(item, "path")), cursor != NULL ? "@" : "",
		 cursor != NULL ? cursor : "");
}

static void on_notice(void *context, const char *text)
{
	struct fixture *f = context;
	size_t len = strlen(f->notices);

	snprintf(f->notices + len, sizeof(f->notices) - len, "%s\n", text);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->options = (struct feed_options){
		.stream = "drive:x",
		.context = f,
		.item = on_item,
		.notice = on_notice,
	};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	feed_free(f->feed);
	free(f);
	return 0;
}

static void expect_sent(struct fixture *f, const char *expected)
{
	char *frame = feed_next(f->feed);

	if (expected == NULL) {
		assert_null(frame);
		return;
	}
	assert_non_null(frame);
	assert_string_equal(frame, expected);
	free(frame);
}

/* Connect for the first time, with the first frames out of the way. */
static void start(struct fixture *f)
{
	char *frame;

	assert_int_equal(feed_new(&f->feed, &f->options), 0);
	feed_connected(f->feed);
	while ((frame = feed_next(f->feed)) != NULL)
		free(frame);
}

static enum feed_answer give(struct fixture *f, const char *frame)
{
	return feed_frame(f->feed, frame, strlen(frame));
}

static void test_the_first_frames_ask_for_what_was_wanted(void **state)
{
	struct fixture *f = *state;

	f->options.token = "t";
	f->options.client = "me";
	f->options.events = "a.b,,sync.*,";
	f->options.until_barrier = true;
	assert_int_equal(feed_new(&f->feed, &f->options), 0);
	expect_sent(f, NULL);
	feed_connected(f->feed);
	expect_sent(f, "{\"type\":\"hello\",\"token\":\"t\",\"client\":\"me\",\"name\":\"wakeline tail\"}");
	expect_sent(f, "{\"type\":\"subscribe\",\"id\":\"tail\",\"stream\":\"drive:x\",\"from\":\"now\","
		       "\"events\":[\"a.b\",\"sync.*\"]}");
	expect_sent(f, "{\"type\":\"barrier\",\"id\":\"until\",\"stream\":\"drive:x\"}");
	expect_sent(f, NULL);
}

static void test_the_cursor_follows_the_frames(void **state)
{
	struct fixture *f = *state;

	start(f);
	assert_null(feed_cursor(f->feed));
	assert_int_equal(give(f, "{\"type\":\"welcome\"}"), FEED_GO_ON);
	assert_int_equal(give(f, "{\"type\":\"subscribed\",\"cursor\":\"7-1~a\"}"), FEED_GO_ON);
	assert_string_equal(feed_cursor(f->feed), "7-1~a");
	assert_int_equal(
		give(f,
		     "{\"type\":\"ev\",\"prev\":\"7-1~a\",\"cursor\":\"7-3~c\",\"items\":[{\"path\":\"p\"},"
		     "{\"path\":\"q\"}]}"),
		FEED_GO_ON);
	assert_int_equal(give(f, "{\"type\":\"mark\",\"prev\":\"7-3~c\",\"cursor\":\"7-9~d\"}"), FEED_GO_ON);
	assert_string_equal(f->items, "p q@7-3~c ");
	assert_string_equal(feed_cursor(f->feed), "7-9~d");
	assert_string_equal(f->notices, "");
}

static void test_after_a_break_the_stream_is_asked_for_from_the_cursor(void **state)
{
	struct fixture *f = *state;

	start(f);
	give(f, "{\"type\":\"subscribed\",\"cursor\":\"7-1~a\"}");
	assert_int_equal(feed_lost(f->feed), FEED_RECONNECT);
	feed_connected(f->feed);
	expect_sent(f, "{\"type\":\"hello\",\"name\":\"wakeline tail\"}");
	expect_sent(f, "{\"type\":\"subscribe\",\"id\":\"tail\",\"stream\":\"drive:x\",\"from\":\"7-1~a\"}");
}

static void test_a_frame_that_does_not_follow_is_not_handed_out(void **state)
{
	struct fixture *f = *state;

	start(f);
	give(f, "{\"type\":\"subscribed\",\"cursor\":\"7-1~a\"}");
	assert_int_equal(give(f, "{\"type\":\"ev\",\"prev\":\"7-2~b\",\"cursor\":\"7-3~c\",\"items\":[{"
				 "\"path\":\"p\"}]}"),
			 FEED_RECONNECT);
	assert_string_equal(f->items, "");
	assert_string_equal(feed_cursor(f->feed), "7-1~a");
	assert_string_equal(f->notices,
			    "gap: expected what follows 7-1~a, got what follows 7-2~b; asking again\n");
}

static void test_notes_have_no_place_in_the_stream(void **state)
{
	struct fixture *f = *state;

	start(f);
	give(f, "{\"type\":\"subscribed\",\"cursor\":\"7-1~a\"}");
	assert_int_equal(give(f, "{\"type\":\"note\",\"stream\":\"drive:x\",\"items\":[{\"path\":\"n\"}]}"),
			 FEED_GO_ON);
	assert_string_equal(f->items, "n ");
	assert_string_equal(feed_cursor(f->feed), "7-1~a");
}

static void test_a_snapshot_has_a_cursor_once_it_is_whole(void **state)
{
	struct fixture *f = *state;

	f->options.from_snapshot = true;
	start(f);
	give(f, "{\"type\":\"subscribed\"}");
	assert_int_equal(give(f, "{\"type\":\"snap\",\"items\":[{\"path\":\"a\"}]}"), FEED_GO_ON);
	assert_null(feed_cursor(f->feed));
	assert_int_equal(
		give(f,
		     "{\"type\":\"snap\",\"last\":true,\"cursor\":\"7-5~e\",\"items\":[{\"path\":\"b\"}]}"),
		FEED_GO_ON);
	assert_string_equal(f->items, "a b@7-5~e ");
	assert_int_equal(feed_lost(f->feed), FEED_RECONNECT);
}

static void test_half_a_snapshot_cannot_be_resumed(void **state)
{
	struct fixture *f = *state;

	f->options.from_snapshot = true;
	start(f);
	give(f, "{\"type\":\"snap\",\"items\":[{\"path\":\"a\"}]}");
	assert_int_equal(feed_lost(f->feed), FEED_REFUSED);
	assert_int_equal(give(f, "{\"type\":\"bye\",\"code\":1001,\"reason\":\"r\",\"retry_ms\":5}"),
			 FEED_REFUSED);
}

static void test_the_barrier_is_reached_at_its_position_or_behind_it(void **state)
{
	struct fixture *f = *state;

	f->options.until_barrier = true;
	start(f);
	assert_int_equal(give(f, "{\"type\":\"barrier\",\"cursor\":\"7-10~x\"}"), FEED_GO_ON);
	assert_int_equal(give(f, "{\"type\":\"subscribed\",\"cursor\":\"7-9~a\"}"), FEED_GO_ON);
	assert_int_equal(give(f, "{\"type\":\"mark\",\"prev\":\"7-9~a\",\"cursor\":\"7-10~x\"}"), FEED_DONE);
}

static void test_an_idle_stream_is_at_the_barrier_already(void **state)
{
	struct fixture *f = *state;

	f->options.until_barrier = true;
	start(f);
	assert_int_equal(give(f, "{\"type\":\"subscribed\",\"cursor\":\"7-9~a\"}"), FEED_GO_ON);
	assert_int_equal(give(f, "{\"type\":\"barrier\",\"cursor\":\"7-9~a\"}"), FEED_DONE);
}

static void test_a_cursor_given_by_the_user_is_no_proof_of_having_arrived(void **state)
{
	struct fixture *f = *state;

	f->options.until_barrier = true;
	f->options.after = "7-99~z";
	start(f);
	assert_int_equal(give(f, "{\"type\":\"barrier\",\"cursor\":\"7-9~a\"}"), FEED_GO_ON);
	assert_int_equal(
		give(f, "{\"type\":\"reset\",\"id\":\"tail\",\"stream\":\"drive:x\",\"reason\":\"future\"}"),
		FEED_REFUSED);
}

static void test_errors_that_may_pass_are_tried_again(void **state)
{
	struct fixture *f = *state;

	start(f);
	assert_int_equal(give(f, "{\"type\":\"error\",\"code\":\"busy\",\"message\":\"m\",\"retry\":true}"),
			 FEED_RECONNECT);
	assert_int_equal(
		give(f, "{\"type\":\"error\",\"code\":\"forbidden\",\"message\":\"m\",\"retry\":false}"),
		FEED_REFUSED);
	assert_string_equal(f->notices,
			    "the server cannot at the moment: m (busy)\nthe server refused: m (forbidden)\n");
}

static void test_a_barrier_that_cannot_be_had_is_not_waited_for(void **state)
{
	struct fixture *f = *state;

	f->options.until_barrier = true;
	start(f);
	assert_int_equal(
		give(f, "{\"type\":\"error\",\"id\":\"until\",\"code\":\"busy\",\"message\":\"offline\","
			"\"retry\":true}"),
		FEED_REFUSED);
}

static void test_goodbye_says_how_long_to_stay_away(void **state)
{
	struct fixture *f = *state;

	start(f);
	assert_int_equal(
		give(f, "{\"type\":\"bye\",\"code\":1001,\"reason\":\"stopping\",\"retry_ms\":1500}"),
		FEED_RECONNECT);
	assert_int_equal(feed_wait_ms(f->feed), 1500);
	feed_connected(f->feed);
	assert_int_equal(feed_wait_ms(f->feed), 0);
	assert_int_equal(give(f, "{\"type\":\"bye\",\"code\":4401,\"reason\":\"token\",\"retry_ms\":1}"),
			 FEED_REFUSED);
}

static void test_frames_of_later_versions_are_passed_over(void **state)
{
	struct fixture *f = *state;

	start(f);
	assert_int_equal(give(f, "{\"type\":\"sparkle\",\"items\":[{\"path\":\"p\"}]}"), FEED_GO_ON);
	assert_string_equal(f->items, "");
}

static void test_what_is_no_frame_is_refused(void **state)
{
	static const char *const bad[] = {"",
					  "[]",
					  "{}",
					  "{\"type\":7}",
					  "{\"type\":\"ev\"}",
					  "{\"type\":\"subscribed\",\"cursor\":\"\"}",
					  "{\"type\":\"snap\",\"last\":true,\"items\":[]}",
					  "{\"type\":\"barrier\"}"};
	struct fixture *f = *state;

	start(f);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(give(f, bad[i]), FEED_REFUSED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_first_frames_ask_for_what_was_wanted),
		TEST(test_the_cursor_follows_the_frames),
		TEST(test_after_a_break_the_stream_is_asked_for_from_the_cursor),
		TEST(test_a_frame_that_does_not_follow_is_not_handed_out),
		TEST(test_notes_have_no_place_in_the_stream),
		TEST(test_a_snapshot_has_a_cursor_once_it_is_whole),
		TEST(test_half_a_snapshot_cannot_be_resumed),
		TEST(test_the_barrier_is_reached_at_its_position_or_behind_it),
		TEST(test_an_idle_stream_is_at_the_barrier_already),
		TEST(test_a_cursor_given_by_the_user_is_no_proof_of_having_arrived),
		TEST(test_errors_that_may_pass_are_tried_again),
		TEST(test_a_barrier_that_cannot_be_had_is_not_waited_for),
		TEST(test_goodbye_says_how_long_to_stay_away),
		TEST(test_frames_of_later_versions_are_passed_over),
		TEST(test_what_is_no_frame_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
