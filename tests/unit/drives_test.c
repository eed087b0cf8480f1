#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

static void test_drive_is_found_as_it_was_updated(void **state)
{
	struct fixture *f = *state;
	struct drive_row got;

	f->drive.indexed = true;
	f->drive.has_root = true;
	identity_of(&f->drive.root_id, 2);
	f->drive.root_birth = (struct node_time){123, 456};
	f->drive.last_run = 9;
	f->drive.has_volume = true;
	memset(f->drive.volume, 0x77, sizeof(f->drive.volume));
	f->drive.rules = 10;
	f->drive.scrubbed_ns = -11;
	f->drive.verified = 12;
	fixture_begin(f, STORE_WRITE);
	assert_int_equal(drives_update(f->txn, &f->drive), 0);
	fixture_commit(f);
	fixture_reopen(f);
	fixture_begin(f, STORE_READ);
	assert_int_equal(drives_find(f->txn, "music", &got), 0);
	assert_int_equal(got.drive, f->drive.drive);
	assert_int_equal(got.root, f->drive.root);
	assert_true(got.indexed && got.has_root);
	assert_memory_equal(&got.root_id, &f->drive.root_id, sizeof(got.root_id));
	assert_int_equal(got.root_birth.seconds, 123);
	assert_int_equal(got.root_birth.nanoseconds, 456);
	assert_int_equal(got.last_run, 9);
	assert_true(got.has_volume);
	assert_memory_equal(got.volume, f->drive.volume, sizeof(got.volume));
	assert_int_equal(got.rules, 10);
	assert_int_equal(got.scrubbed_ns, -11);
	assert_int_equal(got.verified, 12);
}

static void test_number_and_root_are_given_once(void **state)
{
	struct fixture *f = *state;
	struct drive_row other, row;

	fixture_begin(f, STORE_WRITE);
	assert_int_equal(drives_add(f->txn, "music", &row), -EEXIST);
	assert_int_equal(drives_add(f->txn, "scores", &other), 0);
	assert_int_not_equal(other.drive, f->drive.drive);
	assert_int_not_equal(other.root, f->drive.root);
	row = other;
	row.drive = f->drive.drive;
	assert_int_equal(drives_update(f->txn, &row), -EINVAL);
	row = other;
	row.root++;
	assert_int_equal(drives_update(f->txn, &row), -EINVAL);
	fixture_commit(f);
}

static void test_what_was_never_added_is_none(void **state)
{
	struct fixture *f = *state;
	struct drive_row row;
	char name[DRIVE_NAME_MAX + 2];

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	fixture_begin(f, STORE_WRITE);
	assert_int_equal(drives_find(f->txn, "musi", &row), DRIVES_NONE);
	assert_int_equal(drives_find(f->txn, "musics", &row), DRIVES_NONE);
	assert_int_equal(drives_find(f->txn, "", &row), DRIVES_NONE);
	assert_int_equal(drives_find(f->txn, name, &row), DRIVES_NONE);
	assert_int_equal(drives_add(f->txn, name, &row), -EINVAL);
	assert_int_equal(drives_add(f->txn, "", &row), -EINVAL);
	fixture_commit(f);
}

int main(void)
{
#define store_test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		store_test(test_drive_is_found_as_it_was_updated),
		store_test(test_number_and_root_are_given_once),
		store_test(test_what_was_never_added_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
