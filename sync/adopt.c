/* adopt: another directory took a drive's root's place for good, and its nodes go over to it.
 *
 * A tree that was copied has new identities, so it is matched by path: a name is the same where kind and, of
 * a file or symlink, size, modification time and target are.  The new root is listed top down, as a walk
 * does, without a machine.  First only to count; what an administrator then confirms is done by a second
 * pass, which gives each row that matches the identity that stands at its path now.  Afterwards the root is
 * the drive's and an ordinary run compares everything, so that what did not match is announced like any
 * difference: nothing is deleted here.
 *
 * Rows that do not match get an identity that no file system gives.  Otherwise one that the old file system
 * gave might by chance be another file's on the new one, and look like a move.
 *
 * The second pass goes on over many transactions.  If it is cut short the root is still a foreign one, the
 * drive is offline as before, and adopting it again picks up what was rewritten. */
#include "sync/engine_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SCANS_AT_ONCE = 16, FORGET_AT_ONCE = 2000 };

struct adopt_dir {
	struct file_id id;
	uint64_t node; /* 0: the index has none */
};

struct adopt_scan {
	uint32_t request; /* 0: free */
	struct adopt_dir dir;
	uint64_t *seen; /* nodes that stand at names which were listed */
	size_t seen_count, seen_room;
};

struct adopt {
	struct engine_request *request;
	struct observation ready; /* the new root's; what it points to is not kept */
	bool begun;
	struct adopt_scan scans[SCANS_AT_ONCE], *listing;
	unsigned scanning;
	uint32_t requests; /* last number given */
	struct adopt_dir *todo;
	size_t todo_count, todo_room;
	uint64_t *forget; /* rows of which, and of all below, nothing was listed */
	size_t forget_count, forget_room;
	int error;
};

static bool confirmed(const struct adopt *a)
{
	return a->request->confirm[0] != '\0';
}

static void *grown(void *array, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return array;
	*room = *room * 2 + 16;
	return realloc(array, *room * size);
}

static int push_dir(struct adopt *a, const struct file_id *id, uint64_t node)
{
	struct adopt_dir *todo = grown(a->todo, a->todo_count, &a->todo_room, sizeof(*todo));

	if (todo == NULL)
		return -ENOMEM;
	a->todo = todo;
	a->todo[a->todo_count++] = (struct adopt_dir){.id = *id, .node = node};
	return 0;
}

static int push_node(uint64_t **nodes, size_t *count, size_t *room, uint64_t node)
{
	uint64_t *bigger = grown(*nodes, *count, room, sizeof(*bigger));

	if (bigger == NULL)
		return -ENOMEM;
	*nodes = bigger;
	bigger[(*count)++] = node;
	return 0;
}

/* The end. */

static void adopt_free(struct watched *w)
{
	struct adopt *a = w->adopt;

	w->adopt = NULL;
	for (unsigned i = 0; i < SCANS_AT_ONCE; i++)
		free(a->scans[i].seen);
	free(a->todo);
	free(a->forget);
	free(a);
}

void adopt_fail(struct watched *w, int error)
{
	if (w->adopt == NULL)
		return;
	requests_answer(w->engine, w->adopt->request, error);
	adopt_free(w);
	if (w->machine == NULL && w->state == DRIVE_RECONCILING)
		watched_set_state(w, DRIVE_OFFLINE, "its new root was adopted in part only: adopt it again");
	w->retry_ms = engine_now_ms() + OFFLINE_RETRY_MS;
}

static int make_token(struct watched *w)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	snprintf(w->adoptable, sizeof(w->adoptable), "%016llx", (unsigned long long)random);
	return 0;
}

static void counted(struct watched *w)
{
	struct engine_request *request = w->adopt->request;
	struct adopt_counts *c = &request->counts;
	int r = make_token(w);

	if (r != 0) {
		adopt_fail(w, r);
		return;
	}
	c->missing = c->entries > c->kept + c->changed ? c->entries - c->kept - c->changed : 0;
	w->adoptable_root = w->adopt->ready.id;
	snprintf(request->confirm, sizeof(request->confirm), "%s", w->adoptable);
	adopt_fail(w, 0);
}

static void rewritten(struct watched *w)
{
	struct engine_request *request = w->adopt->request;
	struct observation ready = w->adopt->ready;
	struct adopt_counts *c = &request->counts;
	int r;

	c->missing = c->entries > c->kept + c->changed ? c->entries - c->kept - c->changed : 0;
	adopt_free(w);
	w->adoptable[0] = '\0';
	r = watched_begin(w, &ready, w->row.indexed ? RUN_ADOPT : RUN_FIRST_INDEX, &request->run);
	requests_answer(w->engine, request, r);
	if (r != 0)
		engine_fail(w->engine, r, "adopting a root");
}

/* Rows. */

static bool is_reserved(const struct watched *w, const struct adopt_scan *s, const struct observation *o)
{
	static const char stage[] = ".wakeline-stage-", swap[] = ".wakeline-swap-", ours[] = ".wakeline";

	if (s->dir.node == w->row.root && o->name_len == strlen(ours) &&
	    memcmp(o->name, ours, o->name_len) == 0)
		return true;
	return (o->name_len >= strlen(stage) && memcmp(o->name, stage, strlen(stage)) == 0) ||
	       (o->name_len >= strlen(swap) && memcmp(o->name, swap, strlen(swap)) == 0);
}

static bool same_time(const struct node_time *a, const struct entry_time *b)
{
	return a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

/* The same but for its identity. */
static bool matches(const struct index_node *n, const struct observation *o)
{
	if (n->state.kind != (enum node_kind)o->state.kind)
		return false;
	if (o->state.kind == ENTRY_DIR)
		return true;
	return n->state.size == o->state.size && same_time(&n->state.mtime, &o->state.mtime) &&
	       n->target_len == o->target_len &&
	       (o->target_len == 0 || memcmp(n->target, o->target, o->target_len) == 0);
}

/* Inode number and form as of a handle, of a type that no file system has, with the node's number in it. */
static void identity_of_none(struct identity *out, uint64_t node)
{
	static const uint8_t type[4] = {0, 0, 0, 0xf0};

	memset(out, 0, sizeof(*out));
	out->len = 8 + 1 + 4 + 8;
	out->bytes[8] = FILE_ID_HANDLE;
	memcpy(out->bytes + 9, type, sizeof(type));
	for (int i = 0; i < 8; i++)
		out->bytes[13 + i] = (uint8_t)(node >> (56 - 8 * i));
}

static int forget_identity(struct store_txn *txn, struct index_node *n)
{
	identity_of_none(&n->id, n->node);
	return index_update(txn, n);
}

static struct node_time time_of(const struct entry_time *t)
{
	return (struct node_time){.seconds = t->seconds, .nanoseconds = t->nanoseconds};
}

/* Its identity, and what a copy cannot keep, are the new one's. */
static int take_over(struct store_txn *txn, struct index_node *n, const struct observation *o)
{
	memcpy(&n->id, &o->id, sizeof(n->id));
	n->state.birth = time_of(&o->state.birth);
	if (o->state.kind != ENTRY_DIR) {
		n->state.ctime = time_of(&o->state.ctime);
		n->state.links = o->state.links;
	}
	return index_update(txn, n);
}

/* The row at a listed name: INDEX_NONE where there is none, or the name is ours. */
static int find_row(struct store_txn *txn, const struct adopt_scan *s, const struct observation *o,
		    struct index_node *n)
{
	uint64_t node;
	int r = s->dir.node == 0 ? INDEX_NONE : index_lookup(txn, s->dir.node, o->name, o->name_len, &node);

	return r == 0 ? index_get(txn, node, n) : r;
}

static int take_entry(struct watched *w, struct adopt_scan *s, const struct observation *o)
{
	struct adopt *a = w->adopt;
	struct adopt_counts *c = &a->request->counts;
	struct store_txn *txn = engine_txn(w->engine);
	struct index_node n = {0};
	bool same;
	int r;

	if (txn == NULL || is_reserved(w, s, o))
		return txn == NULL ? -EIO : 0;
	c->found++;
	r = find_row(txn, s, o, &n);
	if (r < 0)
		return r;
	same = r == 0 && matches(&n, o);
	*(r != 0 ? &c->created : same ? &c->kept : &c->changed) += 1;
	if (r == 0)
		r = push_node(&s->seen, &s->seen_count, &s->seen_room, n.node);
	else
		r = 0;
	if (r == 0 && o->state.kind == ENTRY_DIR && !o->state.mount)
		r = push_dir(a, &o->id, same ? n.node : 0);
	if (r != 0 || n.node == 0 || !confirmed(a))
		return r;
	if (!same && n.state.kind == NODE_DIR) /* a file stands there now: with all that was below it */
		return push_node(&a->forget, &a->forget_count, &a->forget_room, n.node);
	return same ? take_over(txn, &n, o) : forget_identity(txn, &n);
}

static int compare_nodes(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Children that were not listed go to be forgotten, each with all below. */
static int collect_unseen(struct adopt *a, struct store_txn *txn, uint64_t dir, uint64_t *seen, size_t count)
{
	struct index_node child;
	char name[NODE_NAME_MAX];
	size_t len = 0;
	int r;

	if (count > 0)
		qsort(seen, count, sizeof(*seen), compare_nodes);
	while ((r = index_next_child(txn, dir, len == 0 ? NULL : name, len, &child)) == 0) {
		len = child.name_len;
		memcpy(name, child.name, len);
		if (count > 0 && bsearch(&child.node, seen, count, sizeof(*seen), compare_nodes) != NULL)
			continue;
		r = push_node(&a->forget, &a->forget_count, &a->forget_room, child.node);
		if (r != 0)
			return r;
	}
	return r < 0 ? r : 0;
}

static int forget_some(struct watched *w)
{
	struct adopt *a = w->adopt;
	struct store_txn *txn = engine_txn(w->engine);
	struct index_node n;
	int r = txn == NULL ? -EIO : 0;

	for (int i = 0; r == 0 && i < FORGET_AT_ONCE && a->forget_count > 0; i++) {
		uint64_t node = a->forget[--a->forget_count];

		r = index_get(txn, node, &n);
		if (r == 0)
			r = forget_identity(txn, &n);
		if (r == 0)
			r = collect_unseen(a, txn, node, NULL, 0);
	}
	return r > 0 ? -EILSEQ : r;
}

/* Scans. */

static struct adopt_scan *find_scan(struct adopt *a, uint32_t request)
{
	for (unsigned i = 0; i < SCANS_AT_ONCE; i++) {
		if (a->scans[i].request == request)
			return &a->scans[i];
	}
	return NULL;
}

static void scan_more(struct watched *w)
{
	struct adopt *a = w->adopt;
	struct adopt_scan *s;

	while (a->todo_count > 0 && (s = find_scan(a, 0)) != NULL) {
		s->dir = a->todo[--a->todo_count];
		s->request = ++a->requests;
		s->seen_count = 0;
		a->scanning++;
		watch_request(w->watch, &(struct watch_request){.type = REQUEST_SCAN,
								.drive = w->number,
								.request = s->request,
								.dir = s->dir.id});
	}
}

static int scan_ended(struct watched *w, const struct observation *o)
{
	struct adopt *a = w->adopt;
	struct adopt_scan *s = find_scan(a, o->request);
	int r = 0;

	a->listing = NULL;
	if (s == NULL)
		return 0;
	if (o->error != 0 && o->error != -ESTALE && o->error != -ENOENT && a->error == 0)
		a->error = o->error;
	if (confirmed(a) && s->dir.node != 0 && o->error == 0)
		r = collect_unseen(a, engine_txn(w->engine), s->dir.node, s->seen, s->seen_count);
	s->request = 0;
	a->scanning--;
	scan_more(w);
	return r;
}

void adopt_observe(struct watched *w, const struct observation *o)
{
	struct adopt *a = w->adopt;
	int r = 0;

	if (!a->begun || engine_txn(w->engine) == NULL)
		return;
	if (o->type == OBSERVED_SCAN_BEGIN)
		a->listing = find_scan(a, o->request);
	else if (o->type == OBSERVED_SCAN_END)
		r = scan_ended(w, o);
	else if (o->type == OBSERVED_ENTRY && (o->flags & OBSERVED_LISTED) != 0 && a->listing != NULL)
		r = take_entry(w, a->listing, o);
	if (r != 0)
		engine_fail(w->engine, r, "adopting a root");
}

static bool adopt_is_due(const struct watched *w)
{
	const struct adopt *a = w->adopt;

	return a != NULL && a->begun && a->scanning == 0;
}

int adopt_step(struct watched *w, bool *more)
{
	struct adopt *a = w->adopt;
	int r = 0;

	if (!adopt_is_due(w))
		return 0;
	if (a->error != 0) {
		adopt_fail(w, a->error);
	} else if (a->forget_count > 0) {
		r = forget_some(w);
		*more = true;
	} else if (confirmed(a)) {
		rewritten(w);
	} else {
		counted(w);
	}
	return r;
}

/* The beginning. */

int adopt_request(struct watched *w, struct engine_request *request)
{
	if (w->machine != NULL)
		return -EALREADY;
	if (w->adopt != NULL)
		return -EBUSY;
	if (w->watch->fd < 0)
		return -EAGAIN;
	if (request->confirm[0] != '\0' && strcmp(request->confirm, w->adoptable) != 0)
		return -ESTALE;
	w->adopt = calloc(1, sizeof(*w->adopt));
	if (w->adopt == NULL)
		return -ENOMEM;
	w->adopt->request = request;
	request->counts = (struct adopt_counts){.entries = w->entries};
	w->retry_ms = UINT64_MAX;
	watch_ask_drive(w->watch, w); /* it is watched afresh from here on */
	return 0;
}

bool adopt_has_begun(const struct watched *w)
{
	return w->adopt != NULL && w->adopt->begun;
}

void adopt_ready(struct watched *w, const struct observation *o)
{
	struct adopt *a = w->adopt;
	int r;

	if (a->begun)
		return; /* asked twice */
	if (confirmed(a) && !file_id_equal(&o->id, &w->adoptable_root)) {
		adopt_fail(w, -ESTALE); /* not the one that was counted */
		return;
	}
	a->ready = *o;
	a->ready.text = NULL;
	a->ready.text_len = 0;
	a->begun = true;
	if (confirmed(a))
		watched_set_state(w, DRIVE_RECONCILING, "its new root is being adopted");
	r = push_dir(a, &o->id, w->row.root);
	if (r != 0)
		engine_fail(w->engine, r, "adopting a root");
	scan_more(w);
}
