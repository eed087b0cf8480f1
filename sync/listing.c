/* listing: compares what a reconcile lists with the index, name by name.
 *
 * Nearly all of it is what the index says, and that is all that a list may decide here: such a name counts as
 * seen, and nothing is held, detected or ordered for it.  Any other name becomes an observation like those of
 * events, with the identity that the index has if the list was brief and names the same file, or is looked at
 * if it does not.
 *
 * A list waits for a transaction, but never longer than to the next step, which compares all of it before
 * anything else.  So the index is what it was when the name was listed, or some observation of it is held
 * that came after the list; then the list is overtaken.  What was held before the list, at this name or with
 * this identity, is older than the list and has to be told so by holding the name too.
 *
 * A brief list names a file by its inode number and birth time (see watcher/entry.c).  Names that it cannot
 * settle are looked at; when there are too many of them, the directory is listed again as a whole, with
 * handles, which costs less and needs no memory. */
#include <errno.h>
#include <string.h>

#include "sync/drive_internal.h"

struct listed {
	struct scan *scan;
	uint64_t arrival; /* as of what is held: what came later has a greater one */
	size_t lost;      /* so many of d->lost came earlier */
	struct file_id id;
	struct entry_state state;
	uint16_t flags, name_len, target_len;
	char bytes[]; /* name, target; the next one begins at a multiple of its alignment */
};

static size_t listed_size(size_t bytes)
{
	size_t align = _Alignof(struct listed);

	return (sizeof(struct listed) + bytes + align - 1) / align * align;
}

int listing_put(struct drive *d, struct scan *s, const struct observation *o)
{
	size_t size = listed_size(o->name_len + o->target_len);
	struct listed *l;

	if (!text_reserve(&d->listed, size))
		return -ENOMEM;
	l = (struct listed *)(void *)(d->listed.data + d->listed.len);
	d->listed.len += size;
	l->scan = s;
	l->arrival = ++d->debounce.arrivals;
	l->lost = d->lost_count;
	l->id = o->id;
	l->state = o->state;
	l->flags = o->flags;
	l->name_len = (uint16_t)o->name_len;
	l->target_len = (uint16_t)o->target_len;
	memcpy(l->bytes, o->name, o->name_len);
	if (o->target_len > 0)
		memcpy(l->bytes + o->name_len, o->target, o->target_len);
	walk_awaits(d, s->request);
	d->walk_ready = true;
	return 0;
}

void listing_clear(struct drive *d)
{
	text_clear(&d->listed);
	d->listed_looks = 0;
}

static bool is_brief(const struct listed *l)
{
	return (l->flags & OBSERVED_BRIEF) != 0;
}

/* What the index has at the name. */
static int row_at(struct drive *d, const struct listed *l, struct index_node *n)
{
	uint64_t dir, node;
	int r = drive_dir_node(d, &l->scan->dir, &dir);

	if (r == 0)
		r = index_lookup(d->txn, dir, l->bytes, l->name_len, &node);
	return r == 0 ? index_get(d->txn, node, n) : r;
}

static bool same_birth(const struct node_time *a, const struct entry_time *b)
{
	return a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

static bool is_same_file(const struct listed *l, const struct index_node *n)
{
	struct file_id id;

	if ((int)n->state.kind != (int)l->state.kind)
		return false;
	if (drive_same_id(&l->id, &n->id))
		return true;
	file_id_of(&id, &n->id);
	return is_brief(l) && !file_id_is_weak(&id) && file_id_inode(&id) == file_id_inode(&l->id) &&
	       same_birth(&n->state.birth, &l->state.birth);
}

/* Nothing is to be told or remembered.  (The last word on a file that was announced as open may be owed, also
 * when nothing differs.) */
static bool is_settled(struct drive *d, const struct listed *l, const struct index_node *n)
{
	struct index_node is = {.target = l->bytes + l->name_len, .target_len = l->target_len};
	struct file_id id;

	file_id_of(&id, &n->id);
	row_of(d, &id, &l->state, &is);
	return row_difference(n, &is) == 0 && !row_learns_birth(n, &is) &&
	       (!n->open || open_files_has(&d->open, n->node));
}

/* The newest thing held that shows this identity: 0, nothing does. */
static uint64_t newest_of(const struct drive *d, const struct file_id *id)
{
	const struct held *h = NULL;
	uint64_t newest = 0;

	while (d->debounce.count > 0 && (h = debounce_next_by_id(&d->debounce, id, h)) != NULL)
		newest = h->arrival > newest ? h->arrival : newest;
	return newest;
}

/* Was something of this file seen after the list, at a name that shows it still or at one that does not? */
static bool is_overtaken(const struct drive *d, const struct listed *l, const struct file_id *id)
{
	for (size_t i = l->lost; i < d->lost_count; i++) {
		if (file_id_equal(&d->lost[i], id))
			return true;
	}
	return newest_of(d, id) > l->arrival;
}

static void settle(struct scan *s)
{
	s->outstanding--;
}

static int look(struct drive *d, const struct listed *l)
{
	unsigned max = d->options.listed_looks == 0 ? LOOKS_IN_FLIGHT : d->options.listed_looks;
	int r;

	if (d->listed_looks >= max && !l->scan->again) {
		l->scan->crowded = true;
		settle(l->scan);
		return 0;
	}
	r = drive_ask(d, ASK_LISTED, &l->scan->dir, l->bytes, l->name_len, NULL, l->scan->walk);
	if (r != 0)
		return r;
	drive_find_ask(d, d->requests)->scan = l->scan->request;
	d->listed_looks++;
	return 0;
}

void listing_looked(struct drive *d, const struct ask *a, const struct observation *o)
{
	struct held *h = debounce_find(&d->debounce, &o->dir, o->name, o->name_len);

	d->listed_looks--;
	d->walk_ready = true;
	if (h != NULL)
		drive_claim(d, h, a->scan);
	else
		walk_unlisted(d, a->scan);
	if (o->error != 0)
		walk_failed(d, a->walk, &o->dir, o->error);
}

static int hold(struct drive *d, const struct listed *l, const struct file_id *id)
{
	struct observation o = {.type = OBSERVED_ENTRY,
				.flags = (uint16_t)(l->flags & ~(unsigned)OBSERVED_BRIEF),
				.dir = l->scan->dir,
				.id = *id,
				.state = l->state,
				.name = l->bytes,
				.name_len = l->name_len,
				.target = l->bytes + l->name_len,
				.target_len = l->target_len};
	int r = drive_hold(d, &o, l->scan->request, d->now_ms);

	/* It is no newer than the list. */
	if (r == 0)
		debounce_find(&d->debounce, &o.dir, o.name, o.name_len)->arrival = l->arrival;
	return r;
}

static int compare(struct drive *d, const struct listed *l)
{
	struct held *h = d->debounce.count == 0
				 ? NULL
				 : debounce_find(&d->debounce, &l->scan->dir, l->bytes, l->name_len);
	struct file_id id = l->id;
	struct index_node n;
	bool same;
	int r;

	if (h != NULL && h->arrival > l->arrival) {
		drive_claim(d, h, l->scan->request);
		return 0;
	}
	r = row_at(d, l, &n);
	if (r < 0)
		return r;
	same = r == 0 && is_same_file(l, &n);
	if (same)
		file_id_of(&id, &n.id);
	if (same && h == NULL && newest_of(d, &id) == 0 && is_settled(d, l, &n)) {
		settle(l->scan);
		return walk_confirmed(l->scan, &n);
	}
	if ((is_brief(l) && !same) || is_overtaken(d, l, &id))
		return look(d, l);
	return hold(d, l, &id);
}

int listing_step(struct drive *d)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < d->listed.len;) {
		const struct listed *l = (const struct listed *)(const void *)(d->listed.data + at);

		at += listed_size((size_t)l->name_len + l->target_len);
		r = compare(d, l);
	}
	text_clear(&d->listed);
	return r;
}
