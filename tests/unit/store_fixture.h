/* store_fixture: an open store in a fresh directory, for the unit tests of store/.  Include after cmocka.h.
 */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/check.h"
#include "store/drives.h"
#include "store/index.h"
#include "store/journal.h"
#include "store/store.h"

struct fixture {
	char directory[64];
	struct store *store;
	struct store_txn *txn;
	struct drive_row drive;
};

static inline void fixture_open(struct fixture *f)
{
	struct store_options options = {.directory = f->directory, .no_sync = true};

	assert_int_equal(store_open(&f->store, &options), 0);
}

static inline void fixture_reopen(struct fixture *f)
{
	store_close(f->store);
	fixture_open(f);
}

static inline void fixture_begin(struct fixture *f, enum store_access access)
{
	assert_int_equal(store_begin(f->store, access, &f->txn), 0);
}

static inline void fixture_commit(struct fixture *f)
{
	struct store_txn *txn = f->txn;

	f->txn = NULL;
	assert_int_equal(store_commit(txn), 0);
}

static inline void fixture_remove(struct fixture *f)
{
	static const char *const names[] = {"store.mdb", "store.mdb-lock", "lock"};
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->directory, names[i]);
		unlink(path);
	}
	rmdir(f->directory);
}

static inline int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (f == NULL)
		return -1;
	strcpy(f->directory, "/tmp/wakeline-store-XXXXXX");
	if (mkdtemp(f->directory) == NULL)
		return -1;
	fixture_open(f);
	fixture_begin(f, STORE_WRITE);
	assert_int_equal(drives_add(f->txn, "music", &f->drive), 0);
	fixture_commit(f);
	return 0;
}

static inline void fixture_say(void *context, const char *line)
{
	(void)context;
	print_message("fault: %s\n", line);
}

static inline void fixture_check(struct fixture *f)
{
	struct store_report report;

	assert_int_equal(store_check(f->store, &report, fixture_say, NULL), 0);
	assert_int_equal(report.faults, 0);
}

/* Every test of the store ends with a check of the whole. */
static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	store_abort(f->txn);
	if (f->store != NULL)
		fixture_check(f);
	store_close(f->store);
	fixture_remove(f);
	free(f);
	return 0;
}

static inline void identity_of(struct identity *id, uint64_t inode)
{
	memset(id, 0, sizeof(*id));
	id->len = 12;
	for (int i = 0; i < 8; i++)
		id->bytes[i] = (uint8_t)(inode >> (56 - 8 * i));
	id->bytes[8] = 2;
}

static inline struct index_node node_like(struct fixture *f, uint64_t parent, enum node_kind kind,
					  const char *name, uint64_t inode)
{
	struct index_node n = {
		.parent = parent, .drive = f->drive.drive, .name = name, .name_len = strlen(name)};

	n.state = (struct node_state){.kind = kind, .mode = kind == NODE_DIR ? 0755 : 0644, .links = 1};
	if (inode != 0)
		identity_of(&n.id, inode);
	if (kind == NODE_SYMLINK) {
		n.target = "over/there";
		n.target_len = 10;
	}
	return n;
}

static inline uint64_t add_node(struct fixture *f, uint64_t parent, enum node_kind kind, const char *name,
				uint64_t inode)
{
	struct index_node n = node_like(f, parent, kind, name, inode);

	assert_int_equal(index_add(f->txn, &n), 0);
	return n.node;
}
