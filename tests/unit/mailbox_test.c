/* mailbox: order and completeness between two threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sync/hash.h"
#include "sync/mailbox.h"

enum { LETTERS = 10000 };

struct letter {
	struct mail mail;
	unsigned number;
};

struct reader {
	struct mailbox box;
	unsigned next;
};

static void on_mail(void *context, struct mail *mail)
{
	struct reader *r = context;
	struct letter *l = container_of(mail, struct letter, mail);

	assert_int_equal(l->number, r->next);
	r->next++;
	free(l);
	if (r->next == LETTERS)
		mailbox_close(&r->box);
}

static struct letter *letter(unsigned number)
{
	struct letter *l = malloc(sizeof(*l));

	l->number = number;
	return l;
}

static void write_all(void *context)
{
	struct reader *r = context;

	for (unsigned i = 0; i < LETTERS; i++)
		assert_true(mailbox_post(&r->box, &letter(i)->mail));
}

static void test_every_letter_arrives_once_and_in_order(void **state)
{
	struct reader r = {.next = 0};
	uv_loop_t loop;
	uv_thread_t thread;

	(void)state;
	uv_loop_init(&loop);
	assert_int_equal(mailbox_init(&r.box, &loop, on_mail, &r), 0);
	uv_thread_create(&thread, write_all, &r);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_thread_join(&thread);
	assert_int_equal(r.next, LETTERS);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_what_was_posted_before_closing_is_delivered(void **state)
{
	struct reader r = {.next = 0};
	struct letter *late = letter(1);
	uv_loop_t loop;

	(void)state;
	uv_loop_init(&loop);
	assert_int_equal(mailbox_init(&r.box, &loop, on_mail, &r), 0);
	assert_true(mailbox_post(&r.box, &letter(0)->mail));
	mailbox_close(&r.box);
	assert_int_equal(r.next, 1);
	assert_false(mailbox_post(&r.box, &late->mail));
	free(late);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_letter_arrives_once_and_in_order),
		cmocka_unit_test(test_what_was_posted_before_closing_is_delivered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
