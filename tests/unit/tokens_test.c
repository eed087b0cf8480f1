#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/tokens.h"
#include "store_fixture.h"

static void test_secrets_are_43_digits_and_differ(void **state)
{
	char a[TOKEN_TEXT_LEN + 1], b[TOKEN_TEXT_LEN + 1];
	uint8_t hash_a[TOKEN_HASH_LEN], hash_b[TOKEN_HASH_LEN];

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(token_generate(a), 0);
		assert_int_equal(token_generate(b), 0);
		assert_int_equal(strlen(a), TOKEN_TEXT_LEN);
		assert_string_not_equal(a, b);
		assert_int_equal(token_hash(a, strlen(a), hash_a), 0);
		assert_int_equal(token_hash(b, strlen(b), hash_b), 0);
		assert_memory_not_equal(hash_a, hash_b, TOKEN_HASH_LEN);
	}
}

static void test_only_the_form_of_a_secret_is_hashed(void **state)
{
	uint8_t hash[TOKEN_HASH_LEN];
	char text[TOKEN_TEXT_LEN + 2];

	(void)state;
	memset(text, 'A', sizeof(text));
	assert_int_equal(token_hash(text, TOKEN_TEXT_LEN, hash), 0);
	assert_int_equal(token_hash(text, TOKEN_TEXT_LEN - 1, hash), -EINVAL);
	assert_int_equal(token_hash(text, TOKEN_TEXT_LEN + 1, hash), -EINVAL);
	assert_int_equal(token_hash("", 0, hash), -EINVAL);
	text[5] = '.';
	assert_int_equal(token_hash(text, TOKEN_TEXT_LEN, hash), -EINVAL);
	text[5] = '\0';
	assert_int_equal(token_hash(text, TOKEN_TEXT_LEN, hash), -EINVAL);
	text[5] = 'A';
	text[TOKEN_TEXT_LEN - 1] = 'B'; /* bits beyond the 256th */
	assert_int_equal(token_hash(text, TOKEN_TEXT_LEN, hash), -EINVAL);
	text[TOKEN_TEXT_LEN - 1] = 'E';
	assert_int_equal(token_hash(text, TOKEN_TEXT_LEN, hash), 0);
}

static void test_drives_are_covered_by_whole_names(void **state)
{
	struct token_row row = {0};

	(void)state;
	assert_false(token_covers(&row, "a"));
	strcpy(row.drives, "*");
	assert_true(token_covers(&row, "a"));
	strcpy(row.drives, "music,scores,a");
	assert_true(token_covers(&row, "music"));
	assert_true(token_covers(&row, "scores"));
	assert_true(token_covers(&row, "a"));
	assert_false(token_covers(&row, "score"));
	assert_false(token_covers(&row, "scores,a"));
	assert_false(token_covers(&row, "usic"));
	assert_false(token_covers(&row, ""));
	assert_false(token_covers(&row, "*"));
}

static void add(struct fixture *f, struct token_row *row, uint8_t first)
{
	memset(row, 0, sizeof(*row));
	memset(row->hash, first, sizeof(row->hash));
	row->scopes = TOKEN_READ | TOKEN_ADMIN;
	row->created = 5;
	row->expires = 6;
	strcpy(row->name, "desk");
	memset(row->drives, 'd', TOKEN_DRIVES_MAX);
	assert_int_equal(tokens_add(f->txn, row), 0);
}

static void test_token_is_found_by_hash_and_number(void **state)
{
	struct fixture *f = *state;
	struct token_row a, b, got;
	uint8_t unknown[TOKEN_HASH_LEN] = {9};

	fixture_begin(f, STORE_WRITE);
	add(f, &a, 1);
	add(f, &b, 2);
	assert_int_equal(a.id, 1);
	assert_int_equal(b.id, 2);
	fixture_commit(f);
	fixture_reopen(f);
	fixture_begin(f, STORE_WRITE);
	assert_int_equal(tokens_by_hash(f->txn, b.hash, &got), 0);
	assert_memory_equal(&got, &b, sizeof(got));
	assert_int_equal(tokens_by_hash(f->txn, unknown, &got), TOKENS_NONE);
	got = b;
	assert_int_equal(tokens_add(f->txn, &got), -EEXIST);
	assert_int_equal(tokens_next(f->txn, 0, &got), 0);
	assert_int_equal(got.id, 1);
	assert_int_equal(tokens_next(f->txn, 1, &got), 0);
	assert_int_equal(got.id, 2);
	assert_int_equal(tokens_next(f->txn, 2, &got), TOKENS_NONE);
	assert_int_equal(tokens_next(f->txn, UINT64_MAX, &got), TOKENS_NONE);
	assert_int_equal(tokens_get(f->txn, 3, &got), TOKENS_NONE);
	fixture_commit(f);
}

static void test_prefixes_are_kept_and_must_be_whole(void **state)
{
	struct fixture *f = *state;
	struct token_row a = {
		.hash = {1}, .name = "a", .drives = "*", .prefixes = "in\0up/on", .prefixes_len = 9};
	struct token_row wrong = {.hash = {2},
				  .name = "b",
				  .drives = "*",
				  .prefixes = "in",
				  .prefixes_len = 2},
			 got;

	fixture_begin(f, STORE_WRITE);
	assert_int_equal(tokens_add(f->txn, &a), 0);
	fixture_commit(f);
	fixture_reopen(f);
	fixture_begin(f, STORE_WRITE);
	assert_int_equal(tokens_by_hash(f->txn, a.hash, &got), 0);
	assert_memory_equal(&got, &a, sizeof(got));
	a.revoked = 5;
	assert_int_equal(tokens_update(f->txn, &a), 0);
	assert_int_equal(tokens_get(f->txn, a.id, &got), 0);
	assert_int_equal(got.prefixes_len, 9);
	assert_int_equal(tokens_add(f->txn, &wrong), -EINVAL); /* the teardown aborts */
}

static void test_revoking_keeps_the_row_and_never_the_number_again(void **state)
{
	struct fixture *f = *state;
	struct token_row a, b, got;

	fixture_begin(f, STORE_WRITE);
	add(f, &a, 1);
	a.revoked = 7;
	assert_int_equal(tokens_update(f->txn, &a), 0);
	assert_int_equal(tokens_by_hash(f->txn, a.hash, &got), 0);
	assert_int_equal(got.revoked, 7);
	a.hash[0] ^= 1;
	assert_int_equal(tokens_update(f->txn, &a), -EINVAL);
	fixture_commit(f);
	fixture_reopen(f);
	fixture_begin(f, STORE_WRITE);
	add(f, &b, 2);
	assert_int_equal(b.id, 2);
	b.id = 77;
	assert_int_equal(tokens_update(f->txn, &b), TOKENS_NONE);
	fixture_commit(f);
}

int main(void)
{
#define store_test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secrets_are_43_digits_and_differ),
		cmocka_unit_test(test_only_the_form_of_a_secret_is_hashed),
		cmocka_unit_test(test_drives_are_covered_by_whole_names),
		store_test(test_token_is_found_by_hash_and_number),
		store_test(test_prefixes_are_kept_and_must_be_whole),
		store_test(test_revoking_keeps_the_row_and_never_the_number_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
