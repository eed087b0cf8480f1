/* net/: what subscribers get: ORD, GAP, DUP, live and after having been away, fast and slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net_fake.h"

#define MUSIC "drive:music"

/* A subscription as the client sees it: follows the prev chain and collects what came. */
struct view {
	struct net_client *client;
	char id[8], sub[24], cursor[POSITION_TEXT_MAX];
	unsigned *items;
	size_t count;
	bool ended;
	char reason[16];
};

static void remember(struct view *v, json_t *frame)
{
	json_t *item;
	size_t i;

	assert_string_equal(net_field(frame, "sub"), v->sub);
	assert_string_equal(net_field(frame, "prev"), v->cursor); /* GAP: the chain has no hole */
	assert_string_not_equal(net_field(frame, "cursor"), v->cursor);
	strcpy(v->cursor, net_field(frame, "cursor"));
	json_array_foreach(json_object_get(frame, "items"), i, item)
	{
		unsigned n = (unsigned)json_integer_value(json_object_get(item, "n"));

		if (v->count > 0)
			assert_true(n > v->items[v->count - 1]); /* ORD and DUP */
		v->items = realloc(v->items, (v->count + 1) * sizeof(*v->items));
		v->items[v->count++] = n;
	}
}

static void take(struct view *v, json_t *frame)
{
	const char *type = net_field(frame, "type");

	if (strcmp(type, "ev") == 0 || strcmp(type, "mark") == 0) {
		remember(v, frame);
	} else if (strcmp(type, "reset") == 0) {
		v->ended = true;
		snprintf(v->reason, sizeof(v->reason), "%s", net_field(frame, "reason"));
	} else {
		fail_msg("unexpected %s", json_dumps(frame, 0));
	}
	json_decref(frame);
}

static void subscribe_as(struct view *v, struct net_client *c, const char *from, const char *events)
{
	char frame[400];
	json_t *answer;

	memset(v, 0, sizeof(*v));
	v->client = c;
	snprintf(frame, sizeof(frame),
		 "{\"type\":\"subscribe\",\"id\":\"v\",\"stream\":\"" MUSIC
		 "\",\"from\":\"%s\",\"events\":[%s]}",
		 from, events);
	net_send(c, frame);
	answer = net_expect(c, "subscribed");
	strcpy(v->sub, net_field(answer, "sub"));
	strcpy(v->cursor, net_field(answer, "cursor"));
	json_decref(answer);
}

/* Read until this many items have come. */
static void await(struct view *v, size_t count)
{
	while (v->count < count && !v->ended)
		take(v, net_next(v->client));
	assert_int_equal(v->count, count);
}

static void drop(struct view *v)
{
	net_client_free(v->client);
	free(v->items);
}

static void test_live_events_chain_from_the_subscribed_cursor(void **state)
{
	struct net_fixture *f = *state;
	char tail[POSITION_TEXT_MAX];
	struct view v;

	net_append(f, MUSIC, EVENT_FILE_CREATED, 3, 0);
	net_tail(f, MUSIC, tail);
	subscribe_as(&v, net_hello(f, f->token, "a"), "now", "");
	assert_string_equal(v.cursor, tail);
	for (int i = 0; i < 5; i++) {
		net_append(f, MUSIC, EVENT_FILE_CREATED, 2, 0);
		await(&v, 2 * (size_t)i + 2);
	}
	assert_int_equal(v.items[0], 3);
	net_tail(f, MUSIC, tail);
	assert_string_equal(v.cursor, tail);
	drop(&v);
}

static void test_a_class_has_one_name_and_one_frame_for_all(void **state)
{
	struct net_fixture *f = *state;
	struct view a, b;
	json_t *x, *y;

	subscribe_as(&a, net_hello(f, f->token, "a"), "now", "\"drive.*\"");
	subscribe_as(&b, net_hello(f, f->token, "b"), "now", "\"drive.file.*\"");
	assert_string_equal(a.sub, b.sub);
	net_append(f, MUSIC, EVENT_FILE_MOVED, 4, 0);
	x = net_expect(a.client, "ev");
	y = net_expect(b.client, "ev");
	assert_true(json_equal(x, y));
	json_decref(x);
	json_decref(y);
	drop(&a);
	drop(&b);
}

static void test_who_joins_between_two_borders_catches_up_to_the_next(void **state)
{
	struct net_fixture *f = *state;
	struct view a, b;

	subscribe_as(&a, net_hello(f, f->token, "a"), "now", "\"drive.file.created\"");
	net_append(f, MUSIC, EVENT_FILE_CREATED, 1, 0);
	await(&a, 1);
	net_append(f, MUSIC, EVENT_FILE_UPDATED, 5, 0); /* hidden: the class stays where it is */
	net_settle(f);
	subscribe_as(&b, net_hello(f, f->token, "b"), "now", "\"drive.file.created\"");
	assert_string_equal(a.sub, b.sub);
	assert_string_not_equal(a.cursor, b.cursor);
	net_append(f, MUSIC, EVENT_FILE_CREATED, 1, 0);
	await(&a, 2);
	await(&b, 1);
	assert_int_equal(b.items[0], 6);
	assert_string_equal(a.cursor, b.cursor); /* the same border from here on */
	drop(&a);
	drop(&b);
}

static void test_a_cursor_resumes_without_gap_or_repeat(void **state)
{
	struct net_fixture *f = *state;
	char cursor[POSITION_TEXT_MAX];
	struct view v;

	net_append(f, MUSIC, EVENT_FILE_CREATED, 10, 0);
	net_tail(f, MUSIC, cursor);
	net_append(f, MUSIC, EVENT_FILE_CREATED, 5000, 100);
	subscribe_as(&v, net_hello(f, f->token, "a"), cursor, "");
	assert_string_equal(v.cursor, cursor);
	net_append(f, MUSIC, EVENT_FILE_CREATED, 10, 0);
	await(&v, 5010);
	assert_int_equal(v.items[0], 10);
	assert_int_equal(v.items[5009], 5019);
	drop(&v);
}

static void test_a_resumed_class_of_rare_events_gets_its_cursor_moved(void **state)
{
	struct net_fixture *f = *state;
	char cursor[POSITION_TEXT_MAX], tail[POSITION_TEXT_MAX];
	struct view a, v;

	net_tail(f, MUSIC, cursor);
	net_append(f, MUSIC, EVENT_FILE_CREATED, 3 * CATCH_UP_RECORDS, 0);
	net_append(f, MUSIC, EVENT_SYNC_ERROR, 1, 0);
	net_tail(f, MUSIC, tail);
	subscribe_as(&v, net_hello(f, f->token, "a"), cursor, "\"sync.*\"");
	await(&v, 1);
	net_settle(f);
	assert_string_equal(v.cursor, tail);
	subscribe_as(&a, net_hello(f, f->token, "b"), cursor, "\"client.*\"");
	while (strcmp(a.cursor, tail) != 0) /* nothing at all fits: a mark tells */
		take(&a, net_next(a.client));
	drop(&a);
	drop(&v);
}

static const char *refusal(struct net_fixture *f, struct net_client *c, const char *from)
{
	static char reason[16];
	char frame[300];
	json_t *answer;

	(void)f;
	snprintf(frame, sizeof(frame),
		 "{\"type\":\"subscribe\",\"id\":\"q\",\"stream\":\"" MUSIC "\",\"from\":\"%s\"}", from);
	net_send(c, frame);
	answer = net_expect(c, "reset");
	assert_string_equal(net_field(answer, "id"), "q");
	assert_null(json_object_get(answer, "sub"));
	snprintf(reason, sizeof(reason), "%s", net_field(answer, "reason"));
	json_decref(answer);
	return reason;
}

static void test_a_cursor_that_cannot_be_served_is_reset_with_its_reason(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_hello(f, f->token, "a");
	char old[POSITION_TEXT_MAX], tail[POSITION_TEXT_MAX], made[POSITION_TEXT_MAX];
	struct position p;

	net_tail(f, MUSIC, old);
	net_append(f, MUSIC, EVENT_FILE_CREATED, 100, 0);
	net_tail(f, MUSIC, tail);
	cursor_parse(tail, strlen(tail), &p);
	p.check ^= 1;
	cursor_format(&p, made);
	assert_string_equal(refusal(f, c, made), "mismatch");
	p.seq += 1000;
	cursor_format(&p, made);
	assert_string_equal(refusal(f, c, made), "future");
	p.epoch--;
	cursor_format(&p, made);
	assert_string_equal(refusal(f, c, made), "epoch");
	net_prune(f, MUSIC, 10);
	assert_string_equal(refusal(f, c, old), "pruned");
	net_client_free(c);
}

static void test_a_new_epoch_resets_the_live(void **state)
{
	struct net_fixture *f = *state;
	struct view v;

	subscribe_as(&v, net_hello(f, f->token, "a"), "now", "");
	net_append(f, MUSIC, EVENT_FILE_CREATED, 1, 0);
	await(&v, 1);
	net_new_epoch(f, MUSIC);
	take(&v, net_next(v.client));
	assert_true(v.ended);
	assert_string_equal(v.reason, "epoch");
	free(v.items);
	subscribe_as(&v, v.client, "now", "");
	net_append(f, MUSIC, EVENT_FILE_CREATED, 1, 0);
	await(&v, 1);
	drop(&v);
}

static void test_a_reader_that_is_overtaken_by_pruning_is_reset(void **state)
{
	struct net_fixture *f = *state;
	struct view v;

	f->server->limits.ring_bytes = 4096;
	subscribe_as(&v, net_hello(f, f->token, "a"), "now", "");
	v.client->paused = true;
	for (int i = 0; i < 40; i++) {
		net_append(f, MUSIC, EVENT_FILE_CREATED, 1000, 200);
		net_settle(f);
	}
	net_prune(f, MUSIC, 10);
	v.client->paused = false;
	v.client->readable = true;
	while (!v.ended)
		take(&v, net_next(v.client));
	assert_string_equal(v.reason, "pruned");
	drop(&v);
}

static void test_a_swap_stays_in_one_frame(void **state)
{
	struct net_fixture *f = *state;
	char cursor[POSITION_TEXT_MAX];
	struct view live, late;
	json_t *frame;

	net_tail(f, MUSIC, cursor);
	subscribe_as(&live, net_hello(f, f->token, "a"), "now", "");
	net_append_flags(f, MUSIC, EVENT_FILE_MOVED, JOURNAL_CONTINUED);
	net_append_flags(f, MUSIC, EVENT_FILE_MOVED, JOURNAL_CONTINUED);
	net_append(f, MUSIC, EVENT_FILE_MOVED, 1, 0);
	frame = net_expect(live.client, "ev");
	assert_int_equal(json_array_size(json_object_get(frame, "items")), 3);
	json_decref(frame);
	subscribe_as(&late, net_hello(f, f->token, "b"), cursor, "");
	frame = net_expect(late.client, "ev");
	assert_int_equal(json_array_size(json_object_get(frame, "items")), 3);
	json_decref(frame);
	drop(&live);
	drop(&late);
}

static void test_a_barrier_comes_after_all_it_covers(void **state)
{
	struct net_fixture *f = *state;
	struct view v;
	json_t *answer;

	subscribe_as(&v, net_hello(f, f->token, "a"), "now", "");
	f->hold = true;
	net_send(v.client, "{\"type\":\"barrier\",\"id\":\"b\",\"stream\":\"" MUSIC "\"}");
	while (f->engine.count == 0)
		net_turn(f);
	net_append(f, MUSIC, EVENT_FILE_CREATED, 2000, 100);
	net_answer(f);
	await(&v, 2000);
	answer = net_expect(v.client, "barrier");
	assert_string_equal(net_field(answer, "id"), "b");
	assert_string_equal(net_field(answer, "cursor"), v.cursor);
	json_decref(answer);
	drop(&v);
}

static void test_a_barrier_moves_a_filtered_cursor_at_once(void **state)
{
	struct net_fixture *f = *state;
	struct view a, b;
	json_t *answer;

	subscribe_as(&a, net_hello(f, f->token, "a"), "now", "\"sync.*\"");
	net_append(f, MUSIC, EVENT_FILE_CREATED, 10, 0);
	net_settle(f);
	subscribe_as(&b, net_hello(f, f->token, "b"), "now", "\"sync.*\""); /* ahead of its class */
	net_append(f, MUSIC, EVENT_FILE_CREATED, 10, 0);
	net_send(b.client, "{\"type\":\"barrier\",\"id\":\"b\",\"stream\":\"" MUSIC "\"}");
	take(&b, net_expect(b.client, "mark"));
	answer = net_expect(b.client, "barrier");
	assert_string_equal(net_field(answer, "cursor"), b.cursor);
	json_decref(answer);
	take(&a, net_expect(a.client, "mark"));
	assert_string_equal(a.cursor, b.cursor);
	net_append(f, MUSIC, EVENT_SYNC_ERROR, 1, 0);
	await(&a, 1);
	await(&b, 1);
	drop(&a);
	drop(&b);
}

static void test_a_barrier_of_the_bus_is_its_tail(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_hello(f, f->token, "a");
	char tail[POSITION_TEXT_MAX];
	json_t *answer;

	net_tail(f, "bus", tail);
	net_send(c, "{\"type\":\"barrier\",\"id\":9,\"stream\":\"bus\"}");
	answer = net_expect(c, "barrier");
	assert_string_equal(net_field(answer, "cursor"), tail);
	json_decref(answer);
	net_client_free(c);
}

static void test_a_silent_cursor_is_marked_in_time(void **state)
{
	struct net_fixture *f = *state;
	char tail[POSITION_TEXT_MAX];
	struct view v;

	f->server->limits.mark_ms = 20;
	f->server->limits.tick_ms = 5;
	subscribe_as(&v, net_hello(f, f->token, "a"), "now", "\"sync.*\"");
	net_append(f, MUSIC, EVENT_FILE_CREATED, 10, 0);
	take(&v, net_expect(v.client, "mark"));
	net_tail(f, MUSIC, tail);
	assert_string_equal(v.cursor, tail);
	drop(&v);
}

static void test_a_slow_reader_gets_all_of_it_and_holds_nobody_up(void **state)
{
	struct net_fixture *f = *state;
	struct view slow, fast;
	unsigned n = 0;

	f->server->limits.ring_bytes = 16384;
	subscribe_as(&slow, net_hello(f, f->token, "slow"), "now", "");
	subscribe_as(&fast, net_hello(f, f->token, "fast"), "now", "");
	slow.client->paused = true;
	for (int i = 0; i < 60; i++) {
		net_append(f, MUSIC, EVENT_FILE_CREATED, 500, 300);
		n += 500;
		await(&fast, n);
	}
	slow.client->paused = false;
	slow.client->readable = true;
	await(&slow, n);
	net_append(f, MUSIC, EVENT_FILE_CREATED, 1, 0);
	await(&slow, n + 1);
	await(&fast, n + 1);
	assert_string_equal(slow.cursor, fast.cursor);
	drop(&slow);
	drop(&fast);
}

static void test_an_idle_class_gives_its_memory_back(void **state)
{
	struct net_fixture *f = *state;
	struct stream *st = stream_find(f->server, MUSIC);
	struct view v;

	f->server->limits.idle_ring_ms = 20;
	f->server->limits.tick_ms = 5;
	subscribe_as(&v, net_hello(f, f->token, "a"), "now", "");
	net_append(f, MUSIC, EVENT_FILE_CREATED, 5, 0);
	await(&v, 5);
	while (TAILQ_FIRST(&st->classes)->ring.room > 0)
		net_turn(f);
	net_append(f, MUSIC, EVENT_FILE_CREATED, 5, 0);
	await(&v, 10);
	drop(&v);
}

static void test_a_drive_that_is_being_indexed_is_answered_when_it_is_done(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_hello(f, f->token, "a");
	json_t *answer;

	net_send(c, "{\"type\":\"subscribe\",\"id\":\"a\",\"stream\":\"drive:later\"}");
	net_send(c, "{\"type\":\"ping\"}");
	json_decref(net_expect(c, "pong"));
	net_append(f, "drive:later", EVENT_SYNC_COMPLETED, 1, 0);
	net_indexed(f, "later");
	net_drive(f, "later", DRIVE_LIVE);
	answer = net_expect(c, "subscribed");
	assert_non_null(strstr(net_field(answer, "cursor"), "-1~"));
	json_decref(answer);
	net_client_free(c);
}

static void test_subscribing_twice_and_to_nothing_is_an_error(void **state)
{
	struct net_fixture *f = *state;
	struct view v;

	subscribe_as(&v, net_hello(f, f->token, "a"), "now", "");
	net_send(v.client, "{\"type\":\"subscribe\",\"id\":\"other\",\"stream\":\"" MUSIC "\"}");
	net_expect_error(v.client, "already");
	net_send(v.client, "{\"type\":\"subscribe\",\"id\":\"v\",\"stream\":\"bus\"}");
	net_expect_error(v.client, "already");
	net_send(v.client, "{\"type\":\"subscribe\",\"id\":\"o\",\"stream\":\"drive:nothing\"}");
	net_expect_error(v.client, "not_found");
	net_send(v.client, "{\"type\":\"unsubscribe\",\"id\":\"o\"}");
	net_expect_error(v.client, "not_found");
	net_send(v.client, "{\"type\":\"unsubscribe\",\"id\":\"v\"}");
	json_decref(net_expect(v.client, "unsubscribed"));
	net_append(f, MUSIC, EVENT_FILE_CREATED, 1, 0);
	net_settle(f);
	assert_null(net_try(v.client));
	drop(&v);
}

static void test_notes_reach_those_who_want_them_once(void **state)
{
	struct net_fixture *f = *state;
	struct net_client *c = net_hello(f, f->token, "a");
	json_t *note;

	net_send(c, "{\"type\":\"subscribe\",\"id\":1,\"stream\":\"" MUSIC "\"}");
	net_send(c,
		 "{\"type\":\"subscribe\",\"id\":2,\"stream\":\"" MUSIC "\",\"events\":[\"sync.progress\"]}");
	net_send(c, "{\"type\":\"subscribe\",\"id\":3,\"stream\":\"" MUSIC "\",\"events\":[\"sync.error\"]}");
	for (int i = 0; i < 3; i++)
		json_decref(net_expect(c, "subscribed"));
	net_note(f, MUSIC, EVENT_SYNC_PROGRESS, "{\"event\":\"sync.progress\",\"run\":1}");
	note = net_expect(c, "note");
	assert_string_equal(net_field(note, "stream"), MUSIC);
	assert_null(json_object_get(note, "cursor"));
	json_decref(note);
	net_settle(f);
	assert_null(net_try(c));
	net_client_free(c);
}

/* ---- anything, in any order */

static const struct {
	const char *patterns;
	uint64_t mask;
} filters[] = {
	{"", UINT64_MAX},
	{"\"drive.file.created\"", 1 << EVENT_FILE_CREATED},
	{"\"drive.file.updated\",\"sync.*\"", 1 << EVENT_FILE_UPDATED | 1 << EVENT_SYNC_ERROR},
	{"\"sync.*\"", 1 << EVENT_SYNC_ERROR},
};

struct actor {
	struct view view;
	unsigned filter;
	unsigned first; /* the first item it must see */
};

static void actor_join(struct net_fixture *f, struct actor *a, const char *from, unsigned first)
{
	a->first = first;
	subscribe_as(&a->view, net_hello(f, f->token, "actor"), from, filters[a->filter].patterns);
}

static enum event_type event_of(unsigned n)
{
	static const enum event_type types[] = {EVENT_FILE_CREATED, EVENT_FILE_UPDATED, EVENT_FILE_UPDATED,
						EVENT_FILE_CREATED, EVENT_FILE_DELETED, EVENT_FILE_DELETED,
						EVENT_SYNC_ERROR};

	return n / 64 % 5 == 4 ? EVENT_FILE_DELETED : types[n * 7919 / 16 % 7];
}

/* Everything that its filter lets through from `first` to the end, and nothing else. */
static void actor_check(struct net_fixture *f, struct actor *a)
{
	size_t at = 0;

	for (unsigned n = a->first; n < f->appended; n++) {
		if ((filters[a->filter].mask >> event_of(n) & 1) == 0)
			continue;
		while (at == a->view.count)
			take(&a->view, net_next(a->view.client));
		assert_int_equal(a->view.items[at++], n);
	}
	assert_int_equal(at, a->view.count);
}

static void actor_resume(struct net_fixture *f, struct actor *a)
{
	char cursor[POSITION_TEXT_MAX];
	json_t *frame;

	while ((frame = net_try(a->view.client)) != NULL)
		take(&a->view, frame);
	strcpy(cursor, a->view.cursor);
	net_client_free(a->view.client);
	free(a->view.items);
	/* What came before its cursor is behind it: seq 1 is item 0. */
	actor_join(f, a, cursor, (unsigned)strtoul(strchr(cursor, '-') + 1, NULL, 10));
}

static void append_some(struct net_fixture *f, unsigned count)
{
	while (count-- > 0) {
		if (rand() % 8 == 0)
			net_append_flags(f, MUSIC, event_of(f->appended), JOURNAL_CONTINUED);
		net_append(f, MUSIC, event_of(f->appended), 1, (unsigned)rand() % 200);
	}
}

static void test_any_history_arrives_once_and_in_order(void **state)
{
	enum { ACTORS = 12, STEPS = 600 };
	struct net_fixture *f = *state;
	struct actor actors[ACTORS] = {0};

	srand(11);
	f->server->limits.ring_bytes = 8192;
	for (unsigned i = 0; i < ACTORS; i++) {
		actors[i].filter = i % 4;
		actor_join(f, &actors[i], "now", 0);
	}
	for (int step = 0; step < STEPS; step++) {
		struct actor *a = &actors[rand() % ACTORS];
		json_t *frame;

		switch (rand() % 8) {
		case 0:
			a->view.client->paused = !a->view.client->paused;
			if (!a->view.client->paused)
				a->view.client->readable = true;
			break;
		case 1:
			if (!a->view.client->paused)
				actor_resume(f, a);
			break;
		case 2:
			uv_run(&f->loop, UV_RUN_NOWAIT);
			break;
		case 3:
			while (!a->view.client->paused && (frame = net_try(a->view.client)) != NULL)
				take(&a->view, frame);
			break;
		default:
			append_some(f, 1 + (unsigned)rand() % 30);
		}
	}
	for (unsigned i = 0; i < ACTORS; i++) {
		actors[i].view.client->paused = false;
		actors[i].view.client->readable = true;
		actor_check(f, &actors[i]);
	}
	for (unsigned i = 0; i < ACTORS; i++)
		drop(&actors[i].view);
}

int main(void)
{
#define DELIVERY_TEST(t) cmocka_unit_test_setup_teardown(t, net_setup, net_teardown)
	const struct CMUnitTest tests[] = {
		DELIVERY_TEST(test_live_events_chain_from_the_subscribed_cursor),
		DELIVERY_TEST(test_a_class_has_one_name_and_one_frame_for_all),
		DELIVERY_TEST(test_who_joins_between_two_borders_catches_up_to_the_next),
		DELIVERY_TEST(test_a_cursor_resumes_without_gap_or_repeat),
		DELIVERY_TEST(test_a_resumed_class_of_rare_events_gets_its_cursor_moved),
		DELIVERY_TEST(test_a_cursor_that_cannot_be_served_is_reset_with_its_reason),
		DELIVERY_TEST(test_a_new_epoch_resets_the_live),
		DELIVERY_TEST(test_a_reader_that_is_overtaken_by_pruning_is_reset),
		DELIVERY_TEST(test_a_swap_stays_in_one_frame),
		DELIVERY_TEST(test_a_barrier_comes_after_all_it_covers),
		DELIVERY_TEST(test_a_barrier_moves_a_filtered_cursor_at_once),
		DELIVERY_TEST(test_a_barrier_of_the_bus_is_its_tail),
		DELIVERY_TEST(test_a_silent_cursor_is_marked_in_time),
		DELIVERY_TEST(test_a_slow_reader_gets_all_of_it_and_holds_nobody_up),
		DELIVERY_TEST(test_an_idle_class_gives_its_memory_back),
		DELIVERY_TEST(test_a_drive_that_is_being_indexed_is_answered_when_it_is_done),
		DELIVERY_TEST(test_subscribing_twice_and_to_nothing_is_an_error),
		DELIVERY_TEST(test_notes_reach_those_who_want_them_once),
		DELIVERY_TEST(test_any_history_arrives_once_and_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
