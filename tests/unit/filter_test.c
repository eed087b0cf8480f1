/* net/filter.h: what of a record is told to who sees a part of the paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "net/events.h"
#include "net/filter.h"
#include "store/item.h"

#define HEAD(event) "{\"event\":\"" event "\",\"seq\":4,\"drive\":\"d\",\"node\":7,"

struct fixture {
	struct filter filter;
	struct text items;
};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){.filter.events = EVENTS_ALL};
	assert_int_equal(prefixes_add(&f.filter.prefixes, "in", 2), 0);
	assert_int_equal(prefixes_add(&f.filter.prefixes, "up/on", 5), 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	prefixes_deinit(&f->filter.prefixes);
	text_deinit(&f->items);
	return 0;
}

static enum filter_answer apply(struct fixture *f, enum event_type event, const char *json)
{
	struct journal_record record = {.seq = 4, .event = event, .json = json, .json_len = strlen(json)};
	struct filter_record r = {&record, NULL};
	enum filter_answer answer;

	text_clear(&f->items);
	answer = filter_apply(&f->filter, &r, &f->items);
	assert_false(f->items.failed);
	assert_true((f->items.len > 0) == (answer == FILTER_ADDED));
	filter_record_deinit(&r);
	return answer;
}

static void assert_items(struct fixture *f, const char *json)
{
	assert_int_equal(f->items.len, strlen(json));
	assert_memory_equal(f->items.data, json, f->items.len);
}

static void test_what_is_seen_is_told_as_it_was(void **state)
{
	static const char seen[] = HEAD("drive.file.created") "\"path\":\"in/x\",\"kind\":\"file\"}";

	assert_int_equal(apply(*state, EVENT_FILE_CREATED, seen), FILTER_ADDED);
	assert_items(*state, seen);
	assert_int_equal(apply(*state, EVENT_FILE_CREATED,
			       HEAD("drive.file.created") "\"path\":\"inner/x\",\"kind\":\"file\"}"),
			 FILTER_DROPPED);
}

static void test_the_base64_twin_is_the_name(void **state)
{
	/* The plain field shows what could be another name; `aW7p` is "in\xe9". */
	assert_int_equal(
		apply(*state, EVENT_FILE_CREATED,
		      HEAD("drive.file.created") "\"path\":\"in\",\"path_b64\":\"aW7p\",\"kind\":\"file\"}"),
		FILTER_DROPPED);
}

static void test_a_move_out_is_a_deletion_without_the_target(void **state)
{
	assert_int_equal(
		apply(*state, EVENT_FILE_MOVED,
		      HEAD("drive.file.moved") "\"path\":\"secret/x\",\"from\":\"in/x\",\"kind\":\"file\","
					       "\"size\":3,\"rev\":\"1-4\",\"origin\":\"fs\"}"),
		FILTER_ADDED);
	assert_items(*state,
		     HEAD("drive.file.deleted") "\"path\":\"in/x\",\"kind\":\"file\",\"origin\":\"fs\"}");
	assert_int_equal(
		apply(*state, EVENT_FILE_MOVED,
		      HEAD("drive.file.moved") "\"path\":\"secret/x\",\"from\":\"in/x\",\"kind\":\"dir\"}"),
		FILTER_ADDED);
	assert_items(*state,
		     HEAD("drive.file.deleted") "\"path\":\"in/x\",\"kind\":\"dir\",\"recursive\":true}");
}

static void test_a_file_that_comes_in_is_created(void **state)
{
	assert_int_equal(
		apply(*state, EVENT_FILE_MOVED,
		      HEAD("drive.file.moved") "\"path\":\"in/x\",\"from\":\"secret\xef\xbf\xbd\","
					       "\"from_b64\":\"c2VjcmV06Q==\",\"kind\":\"file\",\"size\":3}"),
		FILTER_ADDED);
	assert_items(*state, HEAD("drive.file.created") "\"path\":\"in/x\",\"kind\":\"file\",\"size\":3}");
}

static void test_a_move_inside_or_between_two_prefixes_is_one(void **state)
{
	static const char move[] =
		HEAD("drive.file.moved") "\"path\":\"up/on/x\",\"from\":\"in/x\",\"kind\":\"dir\"}";

	assert_int_equal(apply(*state, EVENT_FILE_MOVED, move), FILTER_ADDED);
	assert_items(*state, move);
}

static void test_a_directory_that_comes_needs_a_snapshot(void **state)
{
	static const char *const moves[][2] = {{"in/x", "a"}, {"up", "a"}, {"a", "up"}, {"up", "in/x"}};
	char json[200];

	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		snprintf(json, sizeof(json),
			 HEAD("drive.file.moved") "\"path\":\"%s\",\"from\":\"%s\",\"kind\":\"dir\"}",
			 moves[i][0], moves[i][1]);
		assert_int_equal(apply(*state, EVENT_FILE_MOVED, json), FILTER_CAME_IN);
	}
}

static void test_what_goes_with_its_parents_needs_a_snapshot(void **state)
{
	assert_int_equal(
		apply(*state, EVENT_FILE_DELETED,
		      HEAD("drive.file.deleted") "\"path\":\"up\",\"kind\":\"dir\",\"recursive\":true}"),
		FILTER_CAME_IN);
	assert_int_equal(apply(*state, EVENT_FILE_DELETED,
			       HEAD("drive.file.deleted") "\"path\":\"up\",\"kind\":\"dir\"}"),
			 FILTER_DROPPED);
}

static void test_the_mask_counts_for_what_is_told(void **state)
{
	static const char out[] =
		HEAD("drive.file.moved") "\"path\":\"x\",\"from\":\"in/x\",\"kind\":\"file\"}";
	struct fixture *f = *state;

	f->filter.events = event_bit(EVENT_FILE_MOVED);
	assert_int_equal(apply(f, EVENT_FILE_MOVED, out), FILTER_DROPPED);
	f->filter.events = event_bit(EVENT_FILE_DELETED);
	assert_int_equal(apply(f, EVENT_FILE_MOVED, out), FILTER_ADDED);
	f->filter.events = event_bit(EVENT_SYNC_ERROR);
	assert_int_equal(apply(f, EVENT_FILE_MOVED, out), FILTER_DROPPED);
}

static void test_runs_name_no_hidden_path(void **state)
{
	assert_int_equal(
		apply(*state, EVENT_SYNC_ERROR,
		      HEAD("sync.error") "\"run\":3,\"path\":\"secret\",\"error\":\"secret/x: no\"}"),
		FILTER_ADDED);
	assert_items(*state, "{\"event\":\"sync.error\",\"seq\":4,\"drive\":\"d\",\"run\":3}");
	assert_int_equal(apply(*state, EVENT_SYNC_COMPLETED, HEAD("sync.completed") "\"path\":\"in\"}"),
			 FILTER_ADDED);
	assert_items(*state, "{\"event\":\"sync.completed\",\"seq\":4,\"drive\":\"d\",\"path\":\"in\"}");
}

static void test_what_has_no_path_needs_a_topic(void **state)
{
	assert_int_equal(apply(*state, EVENT_CLIENT_CONNECTED, HEAD("x") "\"client\":\"in\"}"),
			 FILTER_DROPPED);
	assert_int_equal(apply(*state, EVENT_CLIENT_CONNECTED, HEAD("x") "\"topic\":\"inn/9\"}"),
			 FILTER_DROPPED);
	assert_int_equal(apply(*state, EVENT_CLIENT_CONNECTED, HEAD("x") "\"topic\":\"in/9\"}"),
			 FILTER_ADDED);
	assert_int_equal(apply(*state, EVENT_SYNC_CONFLICT, HEAD("sync.conflict") "\"path\":\"out\"}"),
			 FILTER_DROPPED);
}

static void test_an_update_has_one_of_the_changes_asked_for(void **state)
{
	struct fixture *f = *state;
	static const char both[] =
		HEAD("drive.file.updated") "\"path\":\"x\",\"changed\":[\"content\",\"meta\"]}",
			  meta[] = HEAD("drive.file.updated") "\"path\":\"in\",\"changed\":[\"meta\"]}";

	f->filter.changed = ITEM_CONTENT;
	assert_int_equal(apply(f, EVENT_FILE_UPDATED, meta), FILTER_DROPPED);
	assert_int_equal(apply(f, EVENT_FILE_UPDATED, both), FILTER_DROPPED); /* outside */
	prefixes_deinit(&f->filter.prefixes);
	assert_int_equal(apply(f, EVENT_FILE_UPDATED, both), FILTER_ADDED);
	assert_items(f, both);
	assert_int_equal(apply(f, EVENT_FILE_UPDATED, meta), FILTER_DROPPED);
	assert_int_equal(apply(f, EVENT_FILE_CREATED, HEAD("drive.file.created") "\"path\":\"x\"}"),
			 FILTER_ADDED);
	f->filter.events = event_bit(EVENT_FILE_CREATED);
	assert_int_equal(apply(f, EVENT_FILE_UPDATED, both), FILTER_DROPPED);
}

static void test_a_page_keeps_what_is_seen(void **state)
{
	struct fixture *f = *state;

	text_add_str(&f->items,
		     "{\"path\":\"a\",\"node\":1},{\"path\":\"in\",\"node\":2},{\"path\":\"up\",\"node\":3},"
		     "{\"path\":\"up/on\",\"node\":4}");
	assert_int_equal(filter_page(&f->filter.prefixes, &f->items), 0);
	assert_items(f, "{\"path\":\"in\",\"node\":2},{\"path\":\"up/on\",\"node\":4}");
}

int main(void)
{
#define filter_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		filter_test(test_what_is_seen_is_told_as_it_was),
		filter_test(test_the_base64_twin_is_the_name),
		filter_test(test_a_move_out_is_a_deletion_without_the_target),
		filter_test(test_a_file_that_comes_in_is_created),
		filter_test(test_a_move_inside_or_between_two_prefixes_is_one),
		filter_test(test_a_directory_that_comes_needs_a_snapshot),
		filter_test(test_what_goes_with_its_parents_needs_a_snapshot),
		filter_test(test_the_mask_counts_for_what_is_told),
		filter_test(test_runs_name_no_hidden_path),
		filter_test(test_what_has_no_path_needs_a_topic),
		filter_test(test_an_update_has_one_of_the_changes_asked_for),
		filter_test(test_a_page_keeps_what_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
