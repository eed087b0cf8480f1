/* drive_fixture: a machine with an index of its own, shown things one at a time.
 *
 * A test shows the machine some names (`see`, `gone`), lets everything become due (`settle`), and compares
 * the changes that were handed out, one a line.  Inodes are numbers; the root is inode 1. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/drives.h"
#include "store/store.h"
#include "store/text.h"
#include "sync/drive.h"

enum { ROOT = 1, ASKED_MAX = 80 };

struct asked {
	uint16_t flags; /* of a scan */
	char kind;      /* l, s, b; h, and c when that is cancelled */
	uint32_t request;
	struct file_id dir;
	char name[64];
};

struct fixture {
	char directory[64];
	struct store *store;
	struct store_txn *txn;
	struct drive_row row;
	struct drive *drive;
	uint64_t now, seq;
	struct text told;
	struct asked asked[ASKED_MAX];
	size_t asked_count;
	bool no_helper;
	int reconciled; /* times */
	int error;
	int mended; /* times, and how many directories were left */
	uint64_t left;
};

static inline struct file_id id(uint64_t inode)
{
	struct file_id out;

	file_id_from_birth(&out, inode, 1000, 0);
	return out;
}

/* The machine's questions and answers. */

static inline void ask(void *context, char kind, uint32_t request, const struct file_id *dir,
		       const char *name, size_t len)
{
	struct fixture *f = context;
	struct asked *a = &f->asked[f->asked_count++];

	assert_in_range(f->asked_count, 1, ASKED_MAX);
	*a = (struct asked){.kind = kind, .request = request};
	if (dir != NULL)
		a->dir = *dir;
	if (name != NULL)
		memcpy(a->name, name, len);
}

static inline void on_look(void *context, uint32_t request, const struct file_id *dir, const char *name,
			   size_t len)
{
	ask(context, 'l', request, dir, name, len);
}

static inline void on_scan(void *context, uint32_t request, uint16_t flags, const struct file_id *dir)
{
	struct fixture *f = context;

	ask(context, 's', request, dir, NULL, 0);
	f->asked[f->asked_count - 1].flags = flags;
}

static inline void on_barrier(void *context, uint32_t request)
{
	ask(context, 'b', request, NULL, NULL, 0);
}

static inline bool on_hash(void *context, uint32_t request, uint64_t node, const struct file_id *id,
			   const struct entry_state *state)
{
	struct fixture *f = context;

	(void)node;
	(void)state;
	if (f->no_helper)
		return false;
	ask(context, 'h', request, id, NULL, 0);
	return true;
}

static inline void on_hash_cancel(void *context, uint32_t request)
{
	ask(context, 'c', request, NULL, NULL, 0);
}

static inline int on_change(void *context, const struct change *c)
{
	struct fixture *f = context;

	f->seq++;
	text_add_str(&f->told, event_name(c->event) + strlen("drive.file."));
	text_add_str(&f->told, " ");
	if (c->from != NULL) {
		text_add(&f->told, c->from, c->from_len);
		text_add_str(&f->told, " -> ");
	}
	text_add(&f->told, c->path, c->path_len);
	text_add_str(&f->told, c->changed & ITEM_CONTENT ? " content" : "");
	text_add_str(&f->told, c->changed & ITEM_META ? " meta" : "");
	text_add_str(&f->told, c->changed & ITEM_MAYBE ? " maybe" : "");
	text_add_str(&f->told, c->open ? " open" : "");
	text_add_str(&f->told, c->recursive ? " recursive" : "");
	text_add_str(&f->told, c->continued ? " +" : "");
	text_add_str(&f->told, "\n");
	return 0;
}

static inline void on_next_rev(void *context, uint64_t *epoch, uint64_t *seq)
{
	struct fixture *f = context;

	*epoch = 1;
	*seq = f->seq + 1;
}

static inline void on_reconciled(void *context, uint64_t entries, uint64_t changes, int error)
{
	struct fixture *f = context;

	(void)entries;
	(void)changes;
	f->reconciled++;
	f->error = error;
}

static inline void on_missed(void *context, int error)
{
	struct fixture *f = context;

	f->error = error;
}

static inline void on_mended(void *context, uint64_t left, uint64_t node)
{
	struct fixture *f = context;

	assert_int_equal(left > 0, node != 0);
	f->mended++;
	f->left = left;
}

/* Fixture. */

static inline void begin(struct fixture *f)
{
	assert_int_equal(store_begin(f->store, STORE_WRITE, &f->txn), 0);
}

static inline int setup_with(void **state, const struct rules *rules)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct drive_options options = {.settle_ms = 20,
					.max_wait_ms = 500,
					.rules = rules,
					.output = {.context = f,
						   .look = on_look,
						   .scan = on_scan,
						   .barrier = on_barrier,
						   .hash = on_hash,
						   .hash_cancel = on_hash_cancel,
						   .change = on_change,
						   .next_rev = on_next_rev,
						   .reconciled = on_reconciled,
						   .missed = on_missed,
						   .mended = on_mended}};
	struct store_options store = {.directory = f->directory, .no_sync = true, .max_bytes = 1 << 28};
	struct file_id root_id = id(ROOT);
	struct index_node root;

	strcpy(f->directory, "/tmp/wakeline-drive-test-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	assert_int_equal(store_open(&f->store, &store), 0);
	begin(f);
	assert_int_equal(drives_add(f->txn, "x", &f->row), 0);
	assert_int_equal(index_get(f->txn, f->row.root, &root), 0);
	memcpy(&root.id, &root_id, sizeof(root.id));
	assert_int_equal(index_update(f->txn, &root), 0);
	options.drive = f->row.drive;
	options.root = f->row.root;
	assert_int_equal(drive_new(&f->drive, &options), 0);
	*state = f;
	return 0;
}

static inline int setup(void **state)
{
	return setup_with(state, NULL);
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	drive_free(f->drive);
	store_abort(f->txn);
	store_close(f->store);
	text_deinit(&f->told);
	snprintf(command, sizeof(command), "rm -rf %s", f->directory);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static inline void observe(struct fixture *f, struct observation *o, uint64_t dir, const char *name)
{
	o->dir = id(dir);
	o->name = name;
	o->name_len = strlen(name);
	assert_int_equal(drive_observe(f->drive, o, f->now), 0);
}

struct seen {
	uint64_t inode;
	enum entry_kind kind;
	unsigned flags, links, mode;
	uint64_t size, ctime;
};

static inline void see(struct fixture *f, uint64_t dir, const char *name, struct seen s)
{
	struct observation o = {.type = OBSERVED_ENTRY, .flags = (uint16_t)s.flags, .id = id(s.inode)};

	o.state.kind = s.kind == 0 ? ENTRY_FILE : s.kind;
	o.state.links = s.links == 0 ? 1 : s.links;
	o.state.mode = s.mode == 0 ? 0644 : (uint16_t)s.mode;
	o.state.size = s.size;
	o.state.ctime.seconds = (int64_t)s.ctime;
	observe(f, &o, dir, name);
}

#define SEE(f, dir, name, ...) see(f, dir, name, (struct seen){__VA_ARGS__})
#define DIR(inode_)            .inode = (inode_), .kind = ENTRY_DIR
#define FRESH_DIR(inode_)      DIR(inode_), .flags = OBSERVED_FRESH

static inline void gone(struct fixture *f, uint64_t dir, const char *name)
{
	struct observation o = {.type = OBSERVED_GONE};

	observe(f, &o, dir, name);
}

static inline void step_at(struct fixture *f, uint64_t now)
{
	bool more = true;

	f->now = now;
	while (more)
		assert_int_equal(drive_step(f->drive, f->txn, now, &more), 0);
}

static inline void settle(struct fixture *f)
{
	step_at(f, f->now + 20);
}

/* What was told since the last time. */
static inline void assert_told(struct fixture *f, const char *expected)
{
	text_add(&f->told, "", 1);
	assert_string_equal(f->told.data, expected);
	text_clear(&f->told);
}

static inline struct asked take_asked(struct fixture *f, char kind)
{
	struct asked a;

	assert_true(f->asked_count > 0);
	a = f->asked[0];
	memmove(f->asked, f->asked + 1, --f->asked_count * sizeof(a));
	assert_int_equal(a.kind, kind);
	return a;
}

static inline void looked(struct fixture *f, const struct asked *a, int error)
{
	struct observation o = {
		.type = OBSERVED_LOOKED, .request = a->request, .error = error, .dir = a->dir};

	o.name = a->name;
	o.name_len = strlen(a->name);
	assert_int_equal(drive_observe(f->drive, &o, f->now), 0);
}

static inline void scan_marker(struct fixture *f, enum observation_type type, const struct asked *a,
			       int error)
{
	struct observation o = {.type = type, .request = a->request, .error = error, .dir = a->dir};

	assert_int_equal(drive_observe(f->drive, &o, f->now), 0);
}

/* The tree that most tests begin with: d/ (inode 2) with d/f (3), and a (4), b (5). */
static inline void plant(struct fixture *f)
{
	SEE(f, ROOT, "d", FRESH_DIR(2));
	SEE(f, 2, "f", .inode = 3);
	SEE(f, ROOT, "a", .inode = 4);
	SEE(f, ROOT, "b", .inode = 5);
	settle(f);
	text_clear(&f->told);
}
