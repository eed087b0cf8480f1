/* walk: compares a subtree with the drive, a directory at a time, while life goes on.
 *
 * A reconcile walk starts at a directory that the index has; an arrival walk at directories that came into
 * the drive together with what is in them.  Both scan depth first.  Not having seen a name deletes nothing:
 * the children that a scan did not list are kept aside to the end, so that nodes which moved are found at
 * their new names first; then, after a barrier, each is looked at afresh, and what that look says is an
 * observation like any other.
 *
 * A walk may have a rate.  It then asks for directories until what they hold lasts PACE_MS at that rate, and
 * rests until that time is over: a few wake-ups a second, whatever the directories' sizes.  A directory is
 * listed as a whole. */
#include "sync/drive_internal.h"

#include <errno.h>
#include <string.h>

enum { PACE_MS = 100 };

static bool grow(void **array, size_t count, size_t *room, size_t size)
{
	void *grown;

	if (count < *room)
		return true;
	grown = realloc(*array, (*room * 2 + 16) * size);
	if (grown == NULL)
		return false;
	*array = grown;
	*room = *room * 2 + 16;
	return true;
}

static int push_node(uint64_t **array, size_t *count, size_t *room, uint64_t node)
{
	void *a = *array;

	if (!grow(&a, *count, room, sizeof(uint64_t)))
		return -ENOMEM;
	*array = a;
	(*array)[(*count)++] = node;
	return 0;
}

static int push_dir(struct walk *w, const struct file_id *dir, bool compare)
{
	void *a = w->todo;

	if (!grow(&a, w->todo_count, &w->todo_room, sizeof(struct todo_dir)))
		return -ENOMEM;
	w->todo = a;
	w->todo[w->todo_count++] = (struct todo_dir){.dir = *dir, .compare = compare};
	return 0;
}

static struct walk *walk_new(struct drive *d, bool reconcile)
{
	struct walk *w = calloc(1, sizeof(*w)), **last = &d->walks;

	if (w == NULL)
		return NULL;
	w->reconcile = reconcile;
	while (*last != NULL)
		last = &(*last)->next;
	*last = w;
	d->walk_ready = true;
	return w;
}

static void walk_free(struct drive *d, struct walk *w)
{
	struct walk **at = &d->walks;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	if (d->arrivals == w)
		d->arrivals = NULL;
	free(w->todo);
	free(w->unseen);
	free(w);
}

struct scan *walk_scan(struct drive *d, uint32_t request)
{
	struct scan *s = request == 0 ? NULL : d->scans;

	while (s != NULL && s->request != request)
		s = s->next;
	return s;
}

static void scan_free(struct drive *d, struct scan *s)
{
	struct scan **at = &d->scans;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	free(s->seen);
	free(s);
}

void walk_clear(struct drive *d)
{
	while (d->scans != NULL)
		scan_free(d, d->scans);
	while (d->walks != NULL)
		walk_free(d, d->walks);
	listing_clear(d);
	d->unwatched_count = 0;
	d->listing = 0;
	d->walk_ready = false;
}

int walk_arrived(struct drive *d, const struct held *h)
{
	if (d->arrivals == NULL) {
		d->arrivals = walk_new(d, false);
		if (d->arrivals == NULL)
			return -ENOMEM;
		d->arrivals->began = h->first_arrival;
	}
	if (h->first_arrival < d->arrivals->began)
		d->arrivals->began = h->first_arrival;
	return push_dir(d->arrivals, &h->id, true);
}

int walk_begin(struct drive *d, const struct file_id *dir, bool whole)
{
	struct walk *w = walk_new(d, true);

	if (w == NULL)
		return -ENOMEM;
	w->whole = whole;
	return push_dir(w, dir, true);
}

static int compare_dirs(const void *a, const void *b)
{
	return memcmp(&((const struct todo_dir *)a)->dir, &((const struct todo_dir *)b)->dir,
		      sizeof(struct file_id));
}

int walk_begin_unwatched(struct drive *d)
{
	struct walk *w = walk_new(d, true);
	size_t kept = 0;

	if (w == NULL)
		return -ENOMEM;
	w->shallow = true;
	if (d->unwatched_count > 0)
		qsort(d->unwatched, d->unwatched_count, sizeof(struct todo_dir), compare_dirs);
	for (size_t i = 0; i < d->unwatched_count; i++) {
		if (kept == 0 || compare_dirs(&d->unwatched[kept - 1], &d->unwatched[i]) != 0)
			d->unwatched[kept++] = d->unwatched[i];
	}
	w->todo = d->unwatched;
	w->todo_count = kept;
	w->todo_room = d->unwatched_room;
	d->unwatched = NULL;
	d->unwatched_count = d->unwatched_room = 0;
	return 0;
}

/* It is told again by each scan as long as it is so. */
static int note_unwatched(struct drive *d, const struct scan *s)
{
	void *a = d->unwatched;

	if (!s->unwatched)
		return 0;
	if (!grow(&a, d->unwatched_count, &d->unwatched_room, sizeof(struct todo_dir)))
		return -ENOMEM;
	d->unwatched = a;
	d->unwatched[d->unwatched_count++] = (struct todo_dir){.dir = s->dir, .compare = true};
	return 0;
}

static struct walk *reconciling(const struct drive *d)
{
	struct walk *w = d->walks;

	while (w != NULL && !w->reconcile)
		w = w->next;
	return w;
}

bool walk_reconciling(const struct drive *d)
{
	return reconciling(d) != NULL;
}

/* Pace. */

void walk_pace(struct drive *d, unsigned rate)
{
	struct walk *w = reconciling(d);

	if (w == NULL)
		return;
	w->rate = rate;
	w->resting = w->resting && rate > 0;
	d->walk_ready = true;
}

static void charge(struct walk *w)
{
	if (w->rate == 0)
		return;
	w->owed += 1000;
	w->paid_ms += w->owed / w->rate;
	w->owed %= w->rate;
}

/* Time in which nothing was asked for is not made up for later. */
static bool is_resting(const struct drive *d, struct walk *w)
{
	if (w->rate == 0)
		return false;
	if (w->paid_ms <= d->now_ms) {
		w->paid_ms = d->now_ms;
		w->resting = false;
	} else if (w->paid_ms >= d->now_ms + PACE_MS) {
		w->resting = true;
	}
	return w->resting;
}

uint64_t walk_deadline(const struct drive *d)
{
	const struct walk *w = reconciling(d);

	return w != NULL && w->resting && w->todo_count > 0 ? w->paid_ms : UINT64_MAX;
}

bool walk_is_arrival(struct drive *d, uint32_t request)
{
	struct scan *s = walk_scan(d, request);

	return s != NULL && !s->walk->reconcile;
}

static void count_entry(struct scan *s)
{
	s->entries++;
	s->walk->entries++;
}

int walk_applied(struct drive *d, const struct held *h, uint64_t node, enum walk_how how)
{
	struct scan *s = walk_scan(d, h->scan);
	int r = 0;

	if (s == NULL)
		return 0;
	count_entry(s);
	if (s->compare)
		r = push_node(&s->seen, &s->seen_count, &s->seen_room, node);
	if (r != 0 || h->state.kind != ENTRY_DIR || h->state.mount)
		return r;
	if (how == WALK_KNOWN && s->walk->shallow)
		return 0;
	if (how == WALK_KNOWN || d->silent || !s->walk->reconcile)
		return push_dir(s->walk, &h->id, how != WALK_NEW || !d->silent || d->options.weak_ids);
	return walk_arrived(d, h);
}

int walk_confirmed(struct scan *s, const struct index_node *n)
{
	struct walk *w = s->walk;
	struct file_id id;
	int r = 0;

	count_entry(s);
	if (s->compare)
		r = push_node(&s->seen, &s->seen_count, &s->seen_room, n->node);
	/* The list before this one had it too, or it has arrived since, and is walked. */
	if (r != 0 || n->state.kind != NODE_DIR || n->state.mount || w->shallow || s->again)
		return r;
	file_id_of(&id, &n->id);
	return push_dir(w, &id, true);
}

void walk_awaits(struct drive *d, uint32_t request)
{
	struct scan *s = walk_scan(d, request);

	if (s == NULL)
		return;
	s->outstanding++;
	charge(s->walk);
}

void walk_unlisted(struct drive *d, uint32_t request)
{
	struct scan *s = walk_scan(d, request);

	if (s != NULL)
		s->outstanding--;
}

void walk_scan_began(struct drive *d, uint32_t request)
{
	struct scan *s = walk_scan(d, request);

	if (s != NULL)
		s->began = d->debounce.arrivals;
}

void walk_scan_ended(struct drive *d, uint32_t request, int error)
{
	struct scan *s = walk_scan(d, request);

	if (s == NULL)
		return;
	s->ended = true;
	s->unwatched = error == -ENOSPC;
	s->error = s->unwatched ? 0 : error;
	s->known_closed = closed_has(d, &s->dir);
	/* At once: what opens it again may be observed before the next step. */
	if (error == -EACCES)
		closed_note(d, &s->dir);
	d->walk_ready = true;
}

void walk_barrier(struct drive *d, uint32_t request)
{
	for (struct walk *w = d->walks; w != NULL; w = w->next) {
		if (w->phase == WALK_BARRIER && w->barrier == request) {
			w->phase = WALK_UNSEEN;
			d->walk_ready = true;
		}
	}
}

static bool means_gone(int error)
{
	return error == -ESTALE || error == -ENOENT || error == -ENOTDIR;
}

/* What is told first is what somebody has to do something about. */
static void note_error(struct walk *w, int error, bool other)
{
	if (w->error == 0 || (other && !w->other))
		w->error = error;
	w->other |= other;
}

/* It is kept as it is, and the walk says that it is not complete. */
void walk_failed(struct drive *d, struct walk *w, const struct file_id *dir, int error)
{
	if (!means_gone(error))
		note_error(w, error, error != -EACCES || !closed_note(d, dir));
}

void walk_looked(struct drive *d, struct walk *w, const struct observation *looked)
{
	w->looks--;
	if (looked->error != 0)
		walk_failed(d, w, &looked->dir, looked->error);
	d->walk_ready = true;
}

static int compare_nodes(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static bool was_listed(const struct scan *s, uint64_t node)
{
	return s->seen_count > 0 &&
	       bsearch(&node, s->seen, s->seen_count, sizeof(uint64_t), compare_nodes) != NULL;
}

static int collect_some(struct scan *s, const struct index_child *children, size_t count)
{
	struct walk *w = s->walk;
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		if (!was_listed(s, children[i].node))
			r = push_node(&w->unseen, &w->unseen_count, &w->unseen_room, children[i].node);
	}
	if (r == 0 && count > 0) {
		s->compared_len = children[count - 1].name_len;
		memcpy(s->compared, children[count - 1].name, s->compared_len);
	}
	return r;
}

/* The children that the index has and the scan did not list.  Returns 1 when there are more to compare; what
 * comes or goes until then is observed. */
static int collect_unseen(struct drive *d, struct scan *s)
{
	enum { ROOM = 256 };
	struct index_child children[ROOM];
	uint64_t dir;
	size_t count;
	int r = drive_dir_node(d, &s->dir, &dir);

	if (r != 0)
		return r < 0 ? r : 0;
	if (!s->sorted && s->seen_count > 0)
		qsort(s->seen, s->seen_count, sizeof(uint64_t), compare_nodes);
	s->sorted = true;
	for (unsigned n = 0; n < CHILDREN_AT_ONCE; n += ROOM) {
		r = index_children(d->txn, dir, s->compared_len == 0 ? NULL : s->compared, s->compared_len,
				   children, ROOM, &count);
		if (r == 0)
			r = collect_some(s, children, count);
		if (r != 0 || count < ROOM)
			return r;
	}
	return 1;
}

/* The same for names that are only held: seen before the scan and not by it. */
static int look_at_held(struct drive *d, struct scan *s)
{
	struct held *h = NULL;
	int r = 0;

	while (r == 0 && (h = debounce_next_by_dir(&d->debounce, &s->dir, h)) != NULL) {
		if (h->gone || h->arrival > s->began)
			continue;
		s->walk->looks++;
		r = drive_ask(d, ASK_UNSEEN, &h->dir, h->name, h->name_len, NULL, s->walk);
	}
	return r;
}

static int scan_failed(struct drive *d, const struct scan *s)
{
	uint64_t dir;
	int r = drive_dir_node(d, &s->dir, &dir);
	bool told = s->known_closed && !s->walk->reconcile;

	walk_failed(d, s->walk, &s->dir, s->error);
	if (r == 0 && !told && d->options.output.unreadable != NULL)
		d->options.output.unreadable(d->options.output.context, dir, s->error);
	return r < 0 ? r : 0;
}

static void send_scan(struct drive *d, struct scan *s)
{
	struct scan **last = &d->scans;

	while (*last != NULL) /* they are answered in this order, so the one in question is near the front */
		last = &(*last)->next;
	*last = s;
	s->next = NULL;
	s->request = ++d->requests;
	d->options.output.scan(d->options.output.context, s->request, s->brief ? SCAN_KNOWN : 0, &s->dir);
}

/* Too much of it is not known.  What the first list said of directories is done with. */
static void list_again(struct drive *d, struct scan *s)
{
	struct scan **at = &d->scans;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->brief = s->crowded = s->ended = s->unwatched = false;
	s->again = true;
	s->walk->entries -= s->entries;
	s->entries = 0;
	send_scan(d, s);
}

static int finish_scans(struct drive *d, bool *more)
{
	struct scan *s, *next;
	int r;

	for (s = d->scans; s != NULL; s = next) {
		next = s->next;
		if (!s->ended || s->outstanding > 0)
			continue;
		if (s->crowded && s->error == 0) {
			list_again(d, s);
			continue;
		}
		r = s->error != 0 && !means_gone(s->error) ? scan_failed(d, s) : 0;
		if (s->error == 0 || means_gone(s->error))
			closed_forget(d, &s->dir);
		if (s->error == 0 && s->compare)
			r = collect_unseen(d, s);
		if (r == 0 && s->error == 0)
			r = look_at_held(d, s);
		if (r < 0)
			return r;
		if (r == 0) {
			r = note_unwatched(d, s);
			if (r != 0)
				return r;
			s->walk->scans--;
			scan_free(d, s);
		}
		*more |= r > 0;
	}
	return 0;
}

static int start_scan(struct drive *d, struct walk *w)
{
	struct scan *s = calloc(1, sizeof(*s));
	const struct todo_dir *t = &w->todo[--w->todo_count];

	if (s == NULL)
		return -ENOMEM;
	s->walk = w;
	s->dir = t->dir;
	s->compare = t->compare;
	s->known = s->brief = w->reconcile && !d->silent;
	w->scans++;
	charge(w);
	send_scan(d, s);
	return 0;
}

/* Look at the next unseen node, unless it is gone or somewhere else by now. */
static int look_at_unseen(struct drive *d, struct walk *w)
{
	struct index_node n;
	struct file_id dir;
	int r = index_get(d->txn, w->unseen[w->unseen_done++], &n);

	if (r == 0)
		r = drive_is_attached(d, n.node, &n.id);
	if (r == 0)
		r = n.parent == 0 ? INDEX_NONE : drive_node_id(d, n.parent, &dir);
	if (r != 0)
		return r < 0 ? r : 0;
	w->looks++;
	return drive_ask(d, ASK_UNSEEN, &dir, n.name, n.name_len, NULL, w);
}

static bool is_settled(const struct drive *d, const struct walk *w)
{
	const struct held *oldest = TAILQ_FIRST(&d->debounce.all);

	if (oldest != NULL && oldest->first_arrival <= w->mark)
		return false;
	return !w->reconcile || walk_passed(d, w->mark);
}

static void enter_settling(struct drive *d, struct walk *w)
{
	w->mark = d->debounce.arrivals;
	w->phase = WALK_SETTLING;
	if (w->reconcile)
		debounce_force_all(&d->debounce);
}

/* What a run did not see may have moved into a subtree that is new, and which is listed apart from the run.
 */
static bool waits_for_arrivals(struct drive *d, struct walk *w)
{
	if (!w->reconcile || w->unseen_count == 0)
		return false;
	if (w->mark == 0)
		w->mark = d->debounce.arrivals; /* those that come later are not waited for */
	for (const struct walk *a = d->walks; a != NULL; a = a->next) {
		if (!a->reconcile && a->phase == WALK_SCANNING && a->began <= w->mark)
			return true;
	}
	return false;
}

static int scan_more(struct drive *d, struct walk *w)
{
	int r = 0;

	while (r == 0 && w->todo_count > 0 && w->scans < SCANS_IN_FLIGHT && !is_resting(d, w))
		r = start_scan(d, w);
	if (r != 0 || w->scans > 0 || w->todo_count > 0 || waits_for_arrivals(d, w))
		return r;
	if (w->unseen_count == 0 && w->looks == 0) {
		enter_settling(d, w);
		return 0;
	}
	w->phase = WALK_BARRIER;
	w->barrier = ++d->requests;
	d->options.output.barrier(d->options.output.context, w->barrier);
	return 0;
}

static int look_more(struct drive *d, struct walk *w)
{
	int r = 0;

	while (r == 0 && w->unseen_done < w->unseen_count && w->looks < LOOKS_IN_FLIGHT)
		r = look_at_unseen(d, w);
	if (r == 0 && w->looks == 0 && w->unseen_done == w->unseen_count)
		enter_settling(d, w);
	return r;
}

static void finish(struct drive *d, struct walk *w)
{
	bool reconcile = w->reconcile, told = false, other = w->other, whole = w->whole;
	uint64_t entries = w->entries, changes = w->changes;
	int error = w->error;

	for (struct walk *run = d->walks; !reconcile && run != NULL; run = run->next) {
		if (run->reconcile) { /* what it found to be new belongs to it */
			run->entries += entries;
			if (error != 0)
				note_error(run, error, other);
			told = true;
		}
	}
	walk_free(d, w);
	d->closed.other = other || (d->closed.other && !whole);
	d->closed.told |= error != 0;
	if (reconcile)
		d->options.output.reconciled(d->options.output.context, entries, changes, error);
	else if (error != 0 && !told)
		d->options.output.missed(d->options.output.context, error);
}

/* Returns 1 when w is finished and freed. */
static int advance(struct drive *d, struct walk *w)
{
	int r = 0;

	if (w->phase == WALK_SCANNING)
		r = scan_more(d, w);
	if (r == 0 && w->phase == WALK_UNSEEN)
		r = look_more(d, w);
	if (r != 0 || w->phase != WALK_SETTLING || !is_settled(d, w))
		return r;
	finish(d, w);
	return 1;
}

int walk_step(struct drive *d)
{
	struct walk *w, *next;
	bool more = false;
	int r = finish_scans(d, &more);

	d->walk_ready = more;
	d->arrivals =
		NULL; /* what arrives in a later step is a walk of its own, so that barriers come to an end */
	for (int pass = 0; pass < 2 && r >= 0;
	     pass++) { /* twice: a reconcile waits for arrivals behind it in the list */
		for (w = d->walks; w != NULL && r >= 0; w = next) {
			next = w->next;
			r = advance(d, w);
		}
	}
	return r < 0 ? r : 0;
}

bool walk_passed(const struct drive *d, uint64_t mark)
{
	for (const struct walk *w = d->walks; w != NULL; w = w->next) {
		if (!w->reconcile && w->began <= mark)
			return false;
	}
	return true;
}
