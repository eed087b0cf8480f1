/* net/: BOOT: a snapshot in pages, then the tail, at the snapshot's cursor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net_fake.h"

#define MUSIC "drive:music"

static void ask(struct net_client *c, const char *id)
{
	char frame[200];

	snprintf(frame, sizeof(frame),
		 "{\"type\":\"subscribe\",\"id\":\"%s\",\"stream\":\"" MUSIC "\",\"from\":\"snapshot\"}", id);
	net_send(c, frame);
}

/* Read pages up to the last; the number of items, and the cursor. */
static size_t read_pages(struct net_client *c, char cursor[POSITION_TEXT_MAX], unsigned *pages)
{
	size_t items = 0;
	json_t *frame = net_expect(c, "subscribed");
	bool last = false;

	assert_null(json_object_get(frame, "cursor"));
	json_decref(frame);
	for (*pages = 0; !last; (*pages)++) {
		frame = net_expect(c, "snap");
		last = json_is_true(json_object_get(frame, "last"));
		items += json_array_size(json_object_get(frame, "items"));
		strcpy(cursor, net_field(frame, "cursor"));
		assert_true(last == (cursor[0] != '\0'));
		json_decref(frame);
	}
	return items;
}

static void expect_ev(struct net_client *c, const char *prev, size_t items)
{
	json_t *frame = net_expect(c, "ev");

	assert_string_equal(net_field(frame, "prev"), prev);
	assert_int_equal(json_array_size(json_object_get(frame, "items")), items);
	json_decref(frame);
}

static void test_an_empty_drive_is_one_empty_page(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_hello(f, f->token, "a");
	char cursor[POSITION_TEXT_MAX], tail[POSITION_TEXT_MAX];
	unsigned pages;

	net_tail(f, MUSIC, tail);
	ask(c, "a");
	assert_int_equal(read_pages(c, cursor, &pages), 0);
	assert_int_equal(pages, 1);
	assert_string_equal(cursor, tail);
	net_append(f, MUSIC, EVENT_FILE_CREATED, 1, 0);
	expect_ev(c, cursor, 1);
	net_client_free(c);
}

static void test_pages_then_the_tail(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_hello(f, f->token, "a");
	char cursor[POSITION_TEXT_MAX], tail[POSITION_TEXT_MAX];
	unsigned pages;

	net_add_files(f, "music", 5000);
	ask(c, "a");
	while (!snapshots_busy(&f->server->snapshots))
		net_turn(f);
	net_append(f, MUSIC, EVENT_FILE_CREATED, 3, 0); /* before it, after it, or meanwhile */
	assert_int_equal(read_pages(c, cursor, &pages), 5000);
	assert_true(pages > 2);
	net_append(f, MUSIC, EVENT_FILE_CREATED, 3, 0);
	net_tail(f, MUSIC, tail);
	while (strcmp(cursor, tail) != 0) {
		json_t *frame = net_expect(c, "ev");

		assert_string_equal(net_field(frame, "prev"), cursor);
		strcpy(cursor, net_field(frame, "cursor"));
		json_decref(frame);
	}
	net_client_free(c);
}

static void test_all_who_ask_at_once_share_one_spool(void **state)
{
	enum { CLIENTS = 20 };
	struct net_fixture *f = *state;
	struct net_client *c[CLIENTS];
	char first[POSITION_TEXT_MAX], cursor[POSITION_TEXT_MAX];
	unsigned pages;

	net_add_files(f, "music", 3000);
	for (int i = 0; i < CLIENTS; i++) {
		c[i] = net_hello(f, f->token, "a");
		ask(c[i], "a");
	}
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(read_pages(c[i], cursor, &pages), 3000);
		if (i == 0)
			strcpy(first, cursor);
		assert_string_equal(cursor, first);
		assert_true(TAILQ_FIRST(&f->server->snapshots.spools) ==
			    TAILQ_LAST(&f->server->snapshots.spools, spool_list));
	}
	for (int i = 0; i < CLIENTS; i++)
		net_client_free(c[i]);
}

static void test_a_reader_in_the_middle_of_a_page_may_unsubscribe(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_hello(f, f->token, "a");
	const char *type = "";

	net_add_files(f, "music", 20000);
	c->paused = true;
	ask(c, "a");
	while (TAILQ_EMPTY(&f->server->peers) ||
	       TAILQ_FIRST(&f->server->peers)->connection->mid_message == NULL)
		net_turn(f);
	net_send(c, "{\"type\":\"unsubscribe\",\"id\":\"a\"}");
	net_send(c, "{\"type\":\"ping\"}");
	while (TAILQ_FIRST(&f->server->peers)->connection->subscription_count > 0)
		net_turn(f);
	c->paused = false;
	c->readable = true;
	while (strcmp(type, "pong") != 0) { /* every message is whole, and the order is kept */
		json_t *frame = net_next(c);

		type = strcmp(net_field(frame, "type"), "pong") == 0 ? "pong" : "";
		json_decref(frame);
	}
	net_client_free(c);
}

static void test_a_slow_reader_of_pages_does_not_hold_up_a_fast_one(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *slow = net_hello(f, f->token, "a"), *fast = net_hello(f, f->token, "b");
	char cursor[POSITION_TEXT_MAX], other[POSITION_TEXT_MAX];
	unsigned pages;

	net_add_files(f, "music", 20000);
	slow->paused = true;
	ask(slow, "a");
	ask(fast, "b");
	assert_int_equal(read_pages(fast, cursor, &pages), 20000);
	net_append(f, MUSIC, EVENT_FILE_CREATED, 1, 0);
	expect_ev(fast, cursor, 1);
	slow->paused = false;
	slow->readable = true;
	assert_int_equal(read_pages(slow, other, &pages), 20000);
	assert_string_equal(other, cursor);
	expect_ev(slow, cursor, 1);
	net_client_free(slow);
	net_client_free(fast);
}

static void test_a_reader_of_pages_meets_a_new_epoch(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_hello(f, f->token, "a");
	const char *type = "";
	json_t *frame = NULL;

	net_add_files(f, "music", 20000);
	c->paused = true;
	ask(c, "a");
	while (TAILQ_FIRST(&f->server->peers)->connection->mid_message == NULL)
		net_turn(f);
	net_new_epoch(f, MUSIC);
	net_settle(f);
	c->paused = false;
	c->readable = true;
	while (strcmp(type, "reset") != 0) {
		json_decref(frame);
		frame = net_next(c);
		type = net_field(frame, "type");
	}
	assert_string_equal(net_field(frame, "reason"), "epoch");
	json_decref(frame);
	net_client_free(c);
}

static void test_held_spools_are_bounded(void **state)
{
	enum { CLIENTS = SPOOLS_MAX + 4 };
	struct net_fixture *f = *state;
	struct net_client *c[CLIENTS];
	unsigned held = 0;
	struct spool *s;

	f->server->limits.tick_ms = 5;
	net_add_files(f, "music", 20000);
	for (int i = 0; i < CLIENTS; i++) {
		c[i] = net_hello(f, f->token, "a");
		c[i]->paused = true;
		ask(c[i], "a");
		while (TAILQ_LAST(&f->server->peers, peer_list)->connection->mid_message == NULL)
			net_turn(f);
		TAILQ_FOREACH(s, &f->server->snapshots.spools, link)
		s->ready_ms -= SPOOL_SHARED_MS; /* as if a second had passed */
		snapshots_tick(f->server);
	}
	TAILQ_FOREACH(s, &f->server->snapshots.spools, link)
	held++;
	assert_int_equal(held, SPOOLS_MAX);
	for (int i = 0; i < CLIENTS; i++)
		net_client_free(c[i]);
	while (f->server->sessions > 0)
		net_turn(f);
	snapshots_tick(f->server);
	assert_true(TAILQ_EMPTY(&f->server->snapshots.spools));
}

static void test_the_bus_has_no_snapshot(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_hello(f, f->token, "a");

	net_send(c, "{\"type\":\"subscribe\",\"id\":\"a\",\"stream\":\"bus\",\"from\":\"snapshot\"}");
	net_expect_error(c, "unsupported");
	net_client_free(c);
}

static void test_a_client_may_go_while_its_snapshot_is_taken(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_hello(f, f->token, "a");

	net_add_files(f, "music", 20000);
	ask(c, "a");
	while (!snapshots_busy(&f->server->snapshots))
		net_turn(f);
	net_client_free(c);
	while (snapshots_busy(&f->server->snapshots) || f->server->sessions > 0)
		net_turn(f);
}

int main(void)
{
#define SNAPSHOTS_TEST(t) cmocka_unit_test_setup_teardown(t, net_setup, net_teardown)
	const struct CMUnitTest tests[] = {
		SNAPSHOTS_TEST(test_an_empty_drive_is_one_empty_page),
		SNAPSHOTS_TEST(test_pages_then_the_tail),
		SNAPSHOTS_TEST(test_all_who_ask_at_once_share_one_spool),
		SNAPSHOTS_TEST(test_a_reader_in_the_middle_of_a_page_may_unsubscribe),
		SNAPSHOTS_TEST(test_a_slow_reader_of_pages_does_not_hold_up_a_fast_one),
		SNAPSHOTS_TEST(test_a_reader_of_pages_meets_a_new_epoch),
		SNAPSHOTS_TEST(test_held_spools_are_bounded),
		SNAPSHOTS_TEST(test_the_bus_has_no_snapshot),
		SNAPSHOTS_TEST(test_a_client_may_go_while_its_snapshot_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
