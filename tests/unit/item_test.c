#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/item.h"

static struct index_node node_of_kind(enum node_kind kind)
{
	struct index_node n = {.node = 77, .parent = 1, .drive = 1, .rev_epoch = 5, .rev_seq = 6};

	n.state = (struct node_state){.kind = kind,
				      .mode = 0640,
				      .uid = 1000,
				      .gid = 100,
				      .links = 1,
				      .size = 4096,
				      .mtime = {1700000000, 123456789}};
	n.target = "over/there";
	n.target_len = 10;
	return n;
}

static struct item item_of(enum event_type event, const struct index_node *n)
{
	return (struct item){.event = event,
			     .at_position = {9, 12, 0},
			     .at_seconds = 1700000001,
			     .drive = "music",
			     .node = n,
			     .path = "a/b",
			     .path_len = 3};
}

static void assert_item(const struct item *item, const char *expected)
{
	struct text t = {0};

	item_encode(&t, item);
	assert_false(t.failed);
	text_add(&t, "", 1);
	assert_string_equal(t.data, expected);
	text_deinit(&t);
}

#define HEAD(name) "{\"event\":\"drive.file." name "\",\"seq\":12,\"at\":\"2023-11-14T22:13:21.000000000Z\","
#define WHAT       "\"drive\":\"music\",\"node\":77,\"path\":\"a/b\","
#define FILE_STATE                                                                                           \
	"\"size\":4096,\"mtime\":\"2023-11-14T22:13:20.123456789Z\",\"mode\":416,\"uid\":1000,\"gid\":100,"

static void test_created_file_carries_its_whole_state(void **state)
{
	struct index_node n = node_of_kind(NODE_FILE);
	struct item item = item_of(EVENT_FILE_CREATED, &n);

	(void)state;
	assert_item(&item, HEAD("created") WHAT "\"kind\":\"file\"," FILE_STATE
						"\"rev\":\"9-12\",\"origin\":\"fs\"}");
}

static void test_updated_says_what_changed(void **state)
{
	struct index_node n = node_of_kind(NODE_FILE);
	struct item item = item_of(EVENT_FILE_UPDATED, &n);

	(void)state;
	item.changed = ITEM_CONTENT | ITEM_META | ITEM_MAYBE;
	item.open = true;
	assert_item(&item,
		    HEAD("updated") WHAT "\"kind\":\"file\"," FILE_STATE
					 "\"changed\":[\"content\",\"meta\",\"maybe\"],\"rev\":\"9-12\","
					 "\"origin\":\"fs\",\"open\":true}");
	item.changed = ITEM_META;
	item.open = false;
	assert_item(&item, HEAD("updated") WHAT "\"kind\":\"file\"," FILE_STATE
						"\"changed\":[\"meta\"],\"rev\":\"9-12\",\"origin\":\"fs\"}");
}

static void test_a_hash_that_is_known_is_told(void **state)
{
	struct index_node n = node_of_kind(NODE_FILE);
	struct item item = item_of(EVENT_FILE_UPDATED, &n);

	(void)state;
	n.has_hash = true;
	memset(n.hash, 0xa0, sizeof(n.hash));
	n.hash[31] = 0x0f;
	item.changed = ITEM_META;
	assert_item(&item, HEAD("updated") WHAT
		    "\"kind\":\"file\"," FILE_STATE
		    "\"changed\":[\"meta\"],\"hash\":\"sha256:a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0"
		    "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a00f\",\"rev\":\"9-12\",\"origin\":\"fs\"}");
}

static void test_directory_has_no_size_and_no_time(void **state)
{
	struct index_node n = node_of_kind(NODE_DIR);
	struct item item = item_of(EVENT_FILE_MOVED, &n);

	(void)state;
	n.state.mount = true;
	item.from = "old";
	item.from_len = 3;
	assert_item(&item,
		    HEAD("moved") WHAT "\"from\":\"old\",\"kind\":\"dir\",\"mode\":416,\"uid\":1000,"
				       "\"gid\":100,\"mount\":true,\"rev\":\"9-12\",\"origin\":\"fs\"}");
}

static void test_symlink_carries_its_target(void **state)
{
	struct index_node n = node_of_kind(NODE_SYMLINK);
	struct item item = item_of(EVENT_FILE_CREATED, &n);

	(void)state;
	assert_item(&item,
		    HEAD("created") WHAT "\"kind\":\"symlink\"," FILE_STATE
					 "\"target\":\"over/there\",\"rev\":\"9-12\",\"origin\":\"fs\"}");
}

static void test_deleted_carries_its_kind_alone(void **state)
{
	struct index_node n = node_of_kind(NODE_DIR);
	struct item item = item_of(EVENT_FILE_DELETED, &n);

	(void)state;
	item.recursive = true;
	assert_item(&item, HEAD("deleted") WHAT "\"kind\":\"dir\",\"origin\":\"fs\",\"recursive\":true}");
}

static void test_entry_of_a_snapshot_has_its_own_revision_and_no_event(void **state)
{
	struct index_node n = node_of_kind(NODE_FILE);
	struct item item = item_of(EVENT_NONE, &n);

	(void)state;
	assert_item(&item, "{" WHAT "\"kind\":\"file\"," FILE_STATE "\"rev\":\"5-6\"}");
}

static void test_all_names_may_be_other_bytes(void **state)
{
	struct index_node n = node_of_kind(NODE_SYMLINK);
	struct item item = item_of(EVENT_FILE_MOVED, &n);

	(void)state;
	item.path = "\xff";
	item.path_len = 1;
	item.from = "\xfe";
	item.from_len = 1;
	n.target = "\xfd";
	n.target_len = 1;
	assert_item(&item,
		    HEAD("moved") "\"drive\":\"music\",\"node\":77,\"path\":\"\xef\xbf\xbd\",\"path_b64\":\"/"
				  "w==\","
				  "\"from\":\"\xef\xbf\xbd\",\"from_b64\":\"/"
				  "g==\",\"kind\":\"symlink\"," FILE_STATE
				  "\"target\":\"\xef\xbf\xbd\",\"target_b64\":\"/Q==\",\"rev\":\"9-12\","
				  "\"origin\":\"fs\"}");
}

static void test_items_follow_one_another_in_one_buffer(void **state)
{
	struct index_node n = node_of_kind(NODE_FILE);
	struct item item = item_of(EVENT_FILE_DELETED, &n);
	struct text t = {0};

	(void)state;
	text_add_str(&t, "[");
	item_encode(&t, &item);
	text_add_str(&t, ",");
	item_encode(&t, &item);
	assert_false(t.failed);
	assert_memory_equal(t.data, "[{\"event\"", 9);
	text_deinit(&t);
}

static void test_event_names_and_codes_are_each_others_inverse(void **state)
{
	unsigned named = 0;

	(void)state;
	for (unsigned i = 0; i < EVENT_TYPE_END + 10; i++) {
		const char *name = event_name((enum event_type)i);

		if (name == NULL)
			continue;
		named++;
		assert_int_equal(event_by_name(name, strlen(name)), i);
	}
	assert_int_equal(named, 11);
	assert_int_equal(event_by_name("drive.file.create", 17), EVENT_NONE);
	assert_int_equal(event_by_name("", 0), EVENT_NONE);
	assert_string_equal(event_name(EVENT_SYNC_COMPLETED), "sync.completed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_created_file_carries_its_whole_state),
		cmocka_unit_test(test_updated_says_what_changed),
		cmocka_unit_test(test_a_hash_that_is_known_is_told),
		cmocka_unit_test(test_directory_has_no_size_and_no_time),
		cmocka_unit_test(test_symlink_carries_its_target),
		cmocka_unit_test(test_deleted_carries_its_kind_alone),
		cmocka_unit_test(test_entry_of_a_snapshot_has_its_own_revision_and_no_event),
		cmocka_unit_test(test_all_names_may_be_other_bytes),
		cmocka_unit_test(test_items_follow_one_another_in_one_buffer),
		cmocka_unit_test(test_event_names_and_codes_are_each_others_inverse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
