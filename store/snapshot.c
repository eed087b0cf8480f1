/* One read transaction walks the names down from the drive's root.  The walk keeps no rows: a frame is a
 * directory's number and where its path ends, and the name to go on after is the end of the path, so depth
 * costs 16 bytes a level and nothing is recursive.  Items go to the spool a page at a time, and only the
 * pages' offsets stay in memory. */
#include "store/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/drives.h"
#include "store/internal.h"
#include "store/item.h"

struct snapshot {
	atomic_uint references;
	int fd;
	struct position position;
	uint64_t entries;
	uint64_t *offsets; /* where each page begins; one more: where the last one ends */
	size_t pages, offset_room;
};

struct frame {
	uint64_t directory;
	size_t path_len; /* of its path, without a slash at the end */
};

struct walk {
	struct snapshot *snapshot;
	struct store_txn *txn;
	const char *drive;
	uint64_t max_bytes, written;
	struct text path, page, item;
	struct frame *frames;
	size_t depth, frame_room;
};

static int spool_open(const char *directory)
{
	char path[PATH_MAX];
	int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int n;

	if (fd >= 0)
		return fd;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return -errno;
	n = snprintf(path, sizeof(path), "%s/snapshot-XXXXXX", directory);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (unlink(path) != 0) {
		n = -errno;
		close(fd);
		return n;
	}
	return fd;
}

static int spool_write(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The page that was gathered ends here. */
static int page_cut(struct walk *w)
{
	struct snapshot *s = w->snapshot;
	int r;

	if (w->max_bytes != 0 && w->page.len > w->max_bytes - w->written)
		return -ENOSPC;
	if (s->pages + 2 > s->offset_room) {
		size_t room = s->offset_room ? s->offset_room * 2 : 64;
		uint64_t *offsets = realloc(s->offsets, room * sizeof(*offsets));

		if (offsets == NULL)
			return -ENOMEM;
		s->offsets = offsets;
		s->offset_room = room;
	}
	r = spool_write(s->fd, w->page.data, w->page.len);
	if (r != 0)
		return r;
	s->offsets[s->pages++] = w->written;
	w->written += w->page.len;
	s->offsets[s->pages] = w->written;
	text_clear(&w->page);
	return 0;
}

/* An item longer than a page has a page of its own. */
static int add_item(struct walk *w, const struct index_node *n)
{
	struct item item = {.drive = w->drive,
			    .node = n,
			    .path = w->path.data,
			    .path_len = w->path.len,
			    .open = n->open};
	int r;

	text_clear(&w->item);
	item_encode(&w->item, &item);
	if (w->item.failed)
		return -ENOMEM;
	if (w->page.len > 0 && w->page.len + 1 + w->item.len > SNAPSHOT_PAGE_BYTES) {
		r = page_cut(w);
		if (r != 0)
			return r;
	}
	if (w->page.len > 0)
		text_add(&w->page, ",", 1);
	text_add(&w->page, w->item.data, w->item.len);
	w->snapshot->entries++;
	return w->page.failed ? -ENOMEM : 0;
}

static int descend(struct walk *w, uint64_t directory)
{
	if (w->depth == w->frame_room) {
		size_t room = w->frame_room ? w->frame_room * 2 : 64;
		struct frame *frames = realloc(w->frames, room * sizeof(*frames));

		if (frames == NULL)
			return -ENOMEM;
		w->frames = frames;
		w->frame_room = room;
	}
	w->frames[w->depth++] = (struct frame){directory, w->path.len};
	return 0;
}

/* What follows the directory's own path is the child that was walked last; nothing: none yet. */
static int next_child(struct walk *w, struct index_node *child)
{
	const struct frame *f = &w->frames[w->depth - 1];
	size_t start = f->path_len + (f->path_len > 0);

	if (w->path.len <= f->path_len)
		return index_next_child(w->txn, f->directory, NULL, 0, child);
	return index_next_child(w->txn, f->directory, w->path.data + start, w->path.len - start, child);
}

static int step(struct walk *w)
{
	struct frame *f = &w->frames[w->depth - 1];
	struct index_node child;
	int r = next_child(w, &child);

	w->path.len = f->path_len;
	if (r == INDEX_NONE) {
		w->depth--;
		return 0;
	}
	if (r != 0)
		return r;
	if (w->path.len > 0)
		text_add(&w->path, "/", 1);
	text_add(&w->path, child.name, child.name_len);
	if (w->path.failed)
		return -ENOMEM;
	if (child.hidden)
		return 0;
	r = add_item(w, &child);
	return r == 0 && child.state.kind == NODE_DIR ? descend(w, child.node) : r;
}

static int walk_run(struct walk *w, uint64_t root)
{
	int r = descend(w, root);

	while (r == 0 && w->depth > 0)
		r = step(w);
	if (r == 0 && (w->page.len > 0 || w->snapshot->pages == 0))
		r = page_cut(w);
	text_deinit(&w->path);
	text_deinit(&w->page);
	text_deinit(&w->item);
	free(w->frames);
	return r;
}

static int read_position(struct store_txn *txn, const char *drive, struct position *out)
{
	char name[JOURNAL_NAME_MAX + 1];
	struct journal *j;
	int r;

	snprintf(name, sizeof(name), "drive:%s", drive);
	r = journal_open(&j, txn, name);
	if (r != 0)
		return r == JOURNAL_ABSENT ? (int)INDEX_NONE : r;
	r = journal_tail(j, txn, out);
	journal_close(j);
	return r;
}

static int take(struct snapshot *s, struct store_txn *txn, const char *drive, uint64_t max_bytes)
{
	struct walk w = {.snapshot = s, .txn = txn, .drive = drive, .max_bytes = max_bytes};
	struct drive_row row;
	int r = drives_find(txn, drive, &row);

	if (r != 0)
		return r == DRIVES_NONE ? (int)INDEX_NONE : r;
	r = read_position(txn, drive, &s->position);
	return r != 0 ? r : walk_run(&w, row.root);
}

int snapshot_take(struct snapshot **out, struct store *store, const char *drive, const char *directory,
		  uint64_t max_bytes)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	struct store_txn *txn;
	int r;

	*out = NULL;
	if (s == NULL)
		return -ENOMEM;
	atomic_init(&s->references, 1);
	s->fd = spool_open(directory);
	r = s->fd < 0 ? s->fd : store_begin(store, STORE_READ, &txn);
	if (r == 0) {
		r = take(s, txn, drive, max_bytes);
		store_abort(txn);
	}
	if (r != 0) {
		snapshot_unref(s);
		return r;
	}
	*out = s;
	return 0;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
	atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed);
	return s;
}

void snapshot_unref(struct snapshot *s)
{
	if (s == NULL || atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) != 1)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s->offsets);
	free(s);
}

const struct position *snapshot_position(const struct snapshot *s)
{
	return &s->position;
}

uint64_t snapshot_entries(const struct snapshot *s)
{
	return s->entries;
}

size_t snapshot_pages(const struct snapshot *s)
{
	return s->pages;
}

int snapshot_page(struct snapshot *s, size_t page, struct text *t)
{
	uint64_t at, end;

	if (page >= s->pages)
		return -EINVAL;
	at = s->offsets[page];
	end = s->offsets[page + 1];
	if (!text_reserve(t, end - at))
		return -ENOMEM;
	while (at < end) {
		ssize_t n = pread(s->fd, t->data + t->len, end - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		t->len += (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}
