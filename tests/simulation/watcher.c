/* What the watcher promises, and this one keeps:
 * - a name's state is read after the events that mention it were taken from the queue, so a later change
 * always brings a later observation;
 * - a directory once told is *known*: what happens in it is told wherever it is moved to, until it is
 * deleted.  Events in other directories are told when these lie in the drive at that moment;
 * - a directory is FRESH only when the record of its creation is in the batch and carries its identity, and
 * everything that happens in it from then on is told.
 *
 * - a file that was changed under a name which is another one's, or nobody's, when it is looked at is told by
 * its identity (not by inotify, whose events name no file).
 *
 * What no watcher can tell: a change made through a name outside of the drive of a file that has one inside
 * too; and for inotify, a change made through a name that is gone before it is looked at.  Such an inode is
 * marked `blind` until any of its names is told again. */
#include "tests/simulation/watcher.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulation/random.h"

enum { QUEUE = 1024, REQUESTS = 512, PIPE = 4096, BATCH_NAMES = 1024, MERGE_WITHIN = 128 };

enum record_side { NO_NAME = 0xffff };

struct record {
	struct fs_event event; /* its type is a mask here: merged events are ORed */
	bool overflow;
	uint16_t name, to_name; /* in the batch's names, or NO_NAME */
};

struct batch_name {
	struct fs_ref dir;
	uint8_t slot;
	bool looked;
};

struct request {
	enum request_type type;
	uint32_t number;
	struct fs_ref dir;
	uint8_t slot;
	bool known; /* SCAN */
};

struct told {
	enum observation_type type;
	uint16_t flags;
	uint32_t request;
	int32_t error;
	struct fs_ref dir, id;
	uint8_t slot, target;
	struct entry_state state;
};

enum watcher_state { IDLE, LOOKING, SCANNING };

struct watcher {
	struct file_system *fs;
	struct watcher_options options;
	enum watcher_state state;
	bool alive, full, fail_next, failed;
	uint32_t known[FS_INODES]; /* the generation that is known; 0: none */

	struct record queue[QUEUE];
	unsigned queue_first, queue_count;
	struct request requests[REQUESTS];
	unsigned request_first, request_count;
	struct told pipe[PIPE];
	unsigned pipe_first, pipe_count;

	struct record batch[QUEUE]; /* LOOKING */
	unsigned batch_count;
	struct batch_name names[BATCH_NAMES];
	unsigned name_count, looked_count;
	bool batch_overflow, batch_barrier;
	uint32_t barrier;

	struct request scan; /* SCANNING */
	uint8_t order[NAMES], listed[NAMES];
	unsigned order_next, listed_count;
	int scan_error;
};

struct watcher *watcher_new(struct file_system *fs)
{
	struct watcher *w = calloc(1, sizeof(*w));

	if (w != NULL)
		w->fs = fs;
	return w;
}

void watcher_free(struct watcher *w)
{
	free(w);
}

void watcher_reset(struct watcher *w, const struct watcher_options *options)
{
	w->options = *options;
	w->failed = w->fail_next = false;
	watcher_stop(w);
}

void watcher_start(struct watcher *w)
{
	w->alive = true;
	w->known[FS_ROOT] = w->fs->inodes[FS_ROOT].generation;
}

void watcher_stop(struct watcher *w)
{
	w->alive = w->full = false;
	w->state = IDLE;
	w->queue_count = w->request_count = w->pipe_count = 0;
	memset(w->known, 0, sizeof(w->known));
}

bool watcher_is_alive(const struct watcher *w)
{
	return w->alive;
}

void watcher_fail_next(struct watcher *w)
{
	w->fail_next = true;
}

void watcher_forgive(struct watcher *w)
{
	w->fail_next = false;
}

bool watcher_took_fault(struct watcher *w)
{
	bool failed = w->failed;

	w->failed = false;
	return failed;
}

/* ---- identities ---- */

void watcher_make_id(const struct watcher *w, struct fs_ref ref, struct file_id *out)
{
	uint64_t number = 1000 + ref.inode;

	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < 8; i++)
		out->bytes[i] = (uint8_t)(number >> (56 - 8 * i));
	out->bytes[8] = w->options.weak ? FILE_ID_INODE : FILE_ID_HANDLE;
	out->len = 9;
	if (w->options.weak)
		return;
	out->bytes[12] = 1; /* the handle's type */
	for (unsigned i = 0; i < 4; i++)
		out->bytes[13 + i] = (uint8_t)(number >> (8 * i));
	for (unsigned i = 0; i < 4; i++)
		out->bytes[17 + i] = (uint8_t)(ref.generation >> (8 * i));
	out->len = 21;
}

struct fs_ref watcher_parse_id(const struct watcher *w, const struct file_id *id)
{
	struct fs_ref ref = {0};
	struct file_id again;

	if (id->len < 9)
		return ref;
	ref.inode = (uint16_t)((id->bytes[6] << 8 | id->bytes[7]) - 1000);
	if (ref.inode == 0 || ref.inode >= FS_INODES)
		return (struct fs_ref){0};
	ref.generation = w->fs->inodes[ref.inode].generation;
	if (!w->options.weak)
		memcpy(&ref.generation, id->bytes + 17, 4);
	watcher_make_id(w, ref, &again);
	return again.len == id->len && memcmp(again.bytes, id->bytes, id->len) == 0 ? ref
										    : (struct fs_ref){0};
}

/* The directory that a handle opens now, or 0: stale. */
static uint16_t open_dir(const struct watcher *w, struct fs_ref ref)
{
	const struct fs_inode *i = &w->fs->inodes[ref.inode];

	if (i->kind != FS_DIR || (!w->options.weak && i->generation != ref.generation))
		return 0;
	return ref.inode;
}

static bool is_known(const struct watcher *w, struct fs_ref ref)
{
	return w->known[ref.inode] == ref.generation;
}

/* ---- the kernel's side ---- */

static bool same_ref(struct fs_ref a, struct fs_ref b)
{
	return a.inode == b.inode && a.generation == b.generation;
}

static bool same_record(const struct fs_event *a, const struct fs_event *b)
{
	return a->process == b->process && a->on_dir == b->on_dir && a->slot == b->slot &&
	       a->to_slot == b->to_slot && same_ref(a->dir, b->dir) && same_ref(a->child, b->child) &&
	       same_ref(a->to_dir, b->to_dir) && (a->type & FS_RENAME) == (b->type & FS_RENAME);
}

static struct record *queued(struct watcher *w, unsigned i)
{
	return &w->queue[(w->queue_first + i) % QUEUE];
}

/* A change that will not be told: its file, if it lives on under another name, is not what the index says. */
static void lose(struct watcher *w, const struct fs_event *e)
{
	struct fs_inode *i = &w->fs->inodes[e->child.inode];

	if (fs_resolve(w->fs, e->child) != 0 && i->linked && (e->type & (FS_MODIFY | FS_CLOSE | FS_ATTRIB)))
		i->blind = i->was_blind = true;
}

static void enqueue(struct watcher *w, const struct fs_event *e)
{
	unsigned within = w->options.inotify ? 1 : MERGE_WITHIN;

	for (unsigned i = w->queue_count; i > 0 && w->queue_count - i < within; i--) {
		struct record *r = queued(w, i - 1);

		if (r->overflow || !same_record(&r->event, e) ||
		    (w->options.inotify && r->event.type != e->type))
			continue;
		r->event.type |= e->type;
		return;
	}
	assert(w->queue_count < QUEUE);
	*queued(w, w->queue_count++) = (struct record){.event = *e};
}

/* inotify tells a rename as two events, each from the directory's own watch. */
static void enqueue_inotify(struct watcher *w, const struct fs_event *e)
{
	struct fs_event half = *e;

	half.to_dir = (struct fs_ref){0};
	half.to_slot = 0;
	half.process = 0;
	if (e->type & FS_RENAME)
		half.type = FS_DELETE;
	if (is_known(w, e->dir))
		enqueue(w, &half);
	else
		lose(w, e);
	if (!(e->type & FS_RENAME) || !is_known(w, e->to_dir))
		return;
	half.type = FS_RENAME; /* one side only: the name that arrived */
	half.dir = (struct fs_ref){0};
	half.slot = 0;
	half.to_dir = e->to_dir;
	half.to_slot = e->to_slot;
	enqueue(w, &half);
}

void watcher_on_event(void *context, const struct fs_event *event)
{
	struct watcher *w = context;

	if (!w->alive || w->full)
		return; /* a reconcile will follow */
	if (w->options.inotify)
		enqueue_inotify(w, event);
	else
		enqueue(w, event);
}

void watcher_overflow(struct watcher *w)
{
	if (!w->alive || w->full)
		return;
	assert(w->queue_count < QUEUE);
	*queued(w, w->queue_count++) = (struct record){.overflow = true};
	w->full = true;
}

/* ---- telling ---- */

static struct told *tell(struct watcher *w, enum observation_type type)
{
	struct told *t = &w->pipe[(w->pipe_first + w->pipe_count) % PIPE];

	assert(w->pipe_count < PIPE);
	w->pipe_count++;
	*t = (struct told){.type = type};
	return t;
}

static struct entry_time as_time(int64_t ns)
{
	return (struct entry_time){.seconds = ns / 1000000000, .nanoseconds = (uint32_t)(ns % 1000000000)};
}

/* Another file may yet get its number and its birth time. */
static bool is_young(const struct watcher *w, const struct fs_inode *i)
{
	return i->kind == FS_FILE && i->birth >= w->fs->now;
}

static void read_state(const struct watcher *w, uint16_t inode, struct told *t)
{
	const struct fs_inode *i = &w->fs->inodes[inode];

	t->id = fs_ref(w->fs, inode);
	t->target = i->target;
	t->state = (struct entry_state){
		.kind = (enum entry_kind)i->kind,
		.mode = i->mode,
		.uid = i->uid,
		.gid = i->gid,
		.links = i->names,
		.size = i->kind == FS_DIR ? 4096 : i->size,
		.mtime = as_time(i->mtime),
		.ctime = as_time(i->ctime),
	};
	if (!w->options.weak && !is_young(w, i))
		t->state.birth = as_time(i->birth);
}

/* The name is one that the machine takes: in the drive, and not one of ours. */
static bool is_told(const struct watcher *w, uint16_t dir, uint8_t slot)
{
	return fs_is_shown(w->fs, dir) && !name_is_reserved(slot, dir == FS_ROOT);
}

/* Look at a name now.  False when the directory is gone: nothing is told then. */
static bool look(struct watcher *w, struct fs_ref dir_ref, uint8_t slot, uint16_t flags, uint16_t fresh_flags,
		 struct fs_ref created)
{
	uint16_t dir = open_dir(w, dir_ref), inode;
	struct told *t;

	if (dir == 0)
		return false;
	inode = w->fs->inodes[dir].entry[slot];
	if (inode == 0 || w->fs->inodes[inode].kind == FS_PIPE) {
		if (flags & OBSERVED_LISTED)
			return true; /* gone since it was listed */
		t = tell(w, OBSERVED_GONE);
	} else {
		t = tell(w, OBSERVED_ENTRY);
		read_state(w, inode, t);
		t->flags = flags;
		if (same_ref(t->id, created))
			t->flags |= fresh_flags;
		if (w->fs->inodes[inode].kind == FS_DIR)
			w->known[inode] = t->id.generation;
		if (is_told(w, dir, slot))
			w->fs->inodes[inode].blind = false;
	}
	t->dir = dir_ref;
	t->slot = slot;
	return true;
}

/* ---- a batch ---- */

static bool accepts(struct watcher *w, struct fs_ref dir)
{
	uint16_t inode;

	if (dir.inode == 0)
		return false;
	if (is_known(w, dir))
		return true;
	inode = fs_resolve(w->fs, dir);
	if (inode == 0 || !fs_in_drive(w->fs, inode))
		return false;
	w->known[inode] = dir.generation;
	return true;
}

static uint16_t gather_name(struct watcher *w, struct fs_ref dir, uint8_t slot)
{
	for (unsigned i = 0; i < w->name_count; i++)
		if (same_ref(w->names[i].dir, dir) && w->names[i].slot == slot)
			return (uint16_t)i;
	assert(w->name_count < BATCH_NAMES);
	w->names[w->name_count] = (struct batch_name){.dir = dir, .slot = slot};
	return (uint16_t)w->name_count++;
}

static void gather_record(struct watcher *w, struct record *r)
{
	const struct fs_event *e = &r->event;

	r->name = r->to_name = NO_NAME;
	if (r->overflow) {
		w->batch_overflow = true;
		w->full = false;
		return;
	}
	if (accepts(w, e->dir)) {
		r->name = gather_name(w, e->dir, e->slot);
		if ((e->type & FS_CREATE) && e->on_dir && !w->options.inotify)
			w->known[e->child.inode] = e->child.generation;
	} else {
		lose(w, e);
	}
	if ((e->type & FS_RENAME) && accepts(w, e->to_dir))
		r->to_name = gather_name(w, e->to_dir, e->to_slot);
}

static void gather(struct watcher *w, unsigned count)
{
	w->state = LOOKING;
	w->batch_count = w->name_count = w->looked_count = 0;
	w->batch_overflow = w->batch_barrier = false;
	while (count-- > 0) {
		struct record *r = &w->batch[w->batch_count++];

		*r = *queued(w, 0);
		w->queue_first = (w->queue_first + 1) % QUEUE;
		w->queue_count--;
		gather_record(w, r);
	}
}

/* What the records of the batch say about one name, beside what is found there. */
struct hints {
	uint16_t flags, fresh;
	struct fs_ref created;
};

static struct hints hints_of(const struct watcher *w, unsigned name)
{
	struct hints h = {0};
	unsigned said = 0;
	uint16_t inode = open_dir(w, w->names[name].dir);
	struct fs_ref found = {0};

	if (inode != 0)
		found = fs_ref(w->fs, w->fs->inodes[inode].entry[w->names[name].slot]);
	for (unsigned i = 0; i < w->batch_count; i++) {
		const struct record *r = &w->batch[i];

		if (r->to_name == name)
			h.flags |= OBSERVED_RENAMED;
		if (r->name != name)
			continue;
		said |= r->event.type;
		if ((r->event.type & FS_CREATE) && r->event.on_dir && same_ref(r->event.child, found))
			h.created = found;
	}
	if (said & FS_CLOSE)
		h.flags |= OBSERVED_CLOSED;
	else if (said & FS_MODIFY)
		h.flags |= OBSERVED_WRITING;
	if (w->options.inotify && (said & FS_CREATE))
		h.flags |= OBSERVED_CREATED;
	if (!w->options.inotify && h.created.inode != 0)
		h.fresh = OBSERVED_FRESH;
	return h;
}

/* Changed under a name that it has no more: by its identity the file can be found. */
static void tell_file(struct watcher *w, const struct fs_event *e)
{
	uint16_t inode = fs_resolve(w->fs, e->child);

	if (w->options.inotify || w->options.weak) {
		lose(w, e);
		return;
	}
	if (inode == 0 || w->fs->inodes[inode].kind == FS_DIR || w->fs->inodes[inode].kind == FS_PIPE ||
	    w->fs->inodes[inode].names == 0 || !(e->type & (FS_MODIFY | FS_CLOSE | FS_ATTRIB)))
		return;
	read_state(w, inode, tell(w, OBSERVED_FILE));
	w->fs->inodes[inode].blind = false;
}

static void look_at_name(struct watcher *w, unsigned name)
{
	const struct batch_name *n = &w->names[name];
	struct hints h = hints_of(w, name);
	uint16_t dir, found = 0;

	look(w, n->dir, n->slot, h.flags, h.fresh, h.created);
	dir = open_dir(w, n->dir);
	if (dir != 0)
		found = w->fs->inodes[dir].entry[n->slot];
	for (unsigned i = 0; i < w->batch_count; i++) {
		if (w->batch[i].name != name)
			continue;
		if (w->batch[i].event.child.inode != found)
			tell_file(w, &w->batch[i].event);
		else if (dir == 0 || !is_told(w, dir, n->slot))
			lose(w, &w->batch[i].event);
	}
}

static void end_batch(struct watcher *w)
{
	tell(w, OBSERVED_BATCH_END);
	if (w->batch_overflow)
		tell(w, OBSERVED_OVERFLOW);
	if (w->batch_barrier)
		tell(w, OBSERVED_BARRIER)->request = w->barrier;
	w->state = IDLE;
}

static void step_batch(struct watcher *w, struct random *r)
{
	unsigned at;

	if (w->looked_count == w->name_count) {
		end_batch(w);
		return;
	}
	at = w->options.shuffle ? random_below(r, w->name_count) : w->looked_count;
	while (w->names[at].looked)
		at = (at + 1) % w->name_count;
	w->names[at].looked = true;
	w->looked_count++;
	look_at_name(w, at);
}

/* ---- requests ---- */

static struct request *new_request(struct watcher *w, enum request_type type, uint32_t number)
{
	struct request *r = &w->requests[(w->request_first + w->request_count) % REQUESTS];

	assert(w->request_count < REQUESTS);
	w->request_count++;
	*r = (struct request){.type = type, .number = number};
	return r;
}

bool watcher_ask_look(struct watcher *w, uint32_t request, const struct file_id *dir, const char *name,
		      size_t len)
{
	struct fs_ref ref = watcher_parse_id(w, dir);
	int slot = name_find(name, len);
	struct request *r;

	if (ref.inode == 0 || slot < 0)
		return false;
	r = new_request(w, REQUEST_LOOK, request);
	r->dir = ref;
	r->slot = (uint8_t)slot;
	return true;
}

bool watcher_ask_scan(struct watcher *w, uint32_t request, uint16_t flags, const struct file_id *dir)
{
	struct fs_ref ref = watcher_parse_id(w, dir);
	struct request *r;

	if (ref.inode == 0)
		return false;
	r = new_request(w, REQUEST_SCAN, request);
	r->dir = ref;
	r->known = (flags & SCAN_KNOWN) != 0;
	return true;
}

void watcher_ask_barrier(struct watcher *w, uint32_t request)
{
	new_request(w, REQUEST_BARRIER, request);
}

static bool takes_fault(struct watcher *w)
{
	bool fails = w->fail_next;

	w->fail_next = false;
	w->failed |= fails;
	return fails;
}

static void serve_look(struct watcher *w, const struct request *q)
{
	struct told *t;
	int error = 0;

	if (takes_fault(w))
		error = -EIO;
	else if (!look(w, q->dir, q->slot, 0, 0, (struct fs_ref){0}))
		error = -ESTALE;
	t = tell(w, OBSERVED_LOOKED);
	t->dir = q->dir;
	t->slot = q->slot;
	t->request = q->number;
	t->error = error;
}

static void begin_scan(struct watcher *w, const struct request *q, struct random *r)
{
	struct told *t = tell(w, OBSERVED_SCAN_BEGIN);
	uint16_t dir = open_dir(w, q->dir);

	t->dir = q->dir;
	t->request = q->number;
	w->state = SCANNING;
	w->scan = *q;
	w->order_next = w->listed_count = 0;
	w->scan_error = dir == 0 ? -ESTALE : w->fs->inodes[dir].shut ? -EACCES : 0;
	if (dir != 0)
		w->known[dir] = w->fs->inodes[dir].generation;
	for (unsigned i = 0; i < NAMES; i++) {
		unsigned at = random_below(r, i + 1);

		w->order[i] = w->order[at];
		w->order[at] = (uint8_t)i;
	}
}

static void end_scan(struct watcher *w)
{
	struct told *t = tell(w, OBSERVED_SCAN_END);

	t->dir = w->scan.dir;
	t->request = w->scan.number;
	t->error = w->scan_error;
	w->state = IDLE;
}

/* One getdents(): some more of the names, as they are now. */
static void read_chunk(struct watcher *w, uint16_t dir, struct random *r)
{
	unsigned count = 1 + random_below(r, NAMES);

	for (; count > 0 && w->order_next < NAMES; count--, w->order_next++)
		if (w->fs->inodes[dir].entry[w->order[w->order_next]] != 0)
			w->listed[w->listed_count++] = w->order[w->order_next];
}

static void list_name(struct watcher *w, uint16_t dir, uint8_t slot)
{
	const struct fs_inode *i = &w->fs->inodes[w->fs->inodes[dir].entry[slot]];
	uint16_t flags = OBSERVED_LISTED;

	if (w->scan.known && !w->options.weak && i->kind == FS_FILE && !is_young(w, i))
		flags |= OBSERVED_BRIEF;
	look(w, w->scan.dir, slot, flags, 0, (struct fs_ref){0});
}

static void step_scan(struct watcher *w, struct random *r)
{
	uint16_t dir = open_dir(w, w->scan.dir);

	if (w->scan_error == 0 && dir == 0)
		w->scan_error = -ENOENT;
	if (w->scan_error == 0 && w->fs->inodes[dir].shut) /* its rights were lost meanwhile */
		w->scan_error = -EACCES;
	if (w->scan_error == 0 && w->order_next > 0 && takes_fault(w))
		w->scan_error = -EIO;
	if (w->scan_error != 0)
		end_scan(w);
	else if (w->listed_count > 0)
		list_name(w, dir, w->listed[--w->listed_count]);
	else if (w->order_next < NAMES)
		read_chunk(w, dir, r);
	else
		end_scan(w);
}

static void serve_request(struct watcher *w, struct random *r)
{
	struct request q = w->requests[w->request_first];

	w->request_first = (w->request_first + 1) % REQUESTS;
	w->request_count--;
	switch (q.type) {
	case REQUEST_IGNORE:
	case REQUEST_DRIVE:
		break;
	case REQUEST_SCAN:
		begin_scan(w, &q, r);
		break;
	case REQUEST_LOOK:
		serve_look(w, &q);
		break;
	case REQUEST_BARRIER:
		gather(w, w->queue_count);
		w->batch_barrier = true;
		w->barrier = q.number;
		break;
	}
}

bool watcher_is_busy(const struct watcher *w)
{
	return w->state != IDLE || w->queue_count > 0 || w->request_count > 0;
}

static void step_idle(struct watcher *w, struct random *r)
{
	if (w->request_count > 0 && (w->queue_count == 0 || random_percent(r, 50)))
		serve_request(w, r);
	else if (w->queue_count > 0)
		gather(w, random_percent(r, 50) ? w->queue_count : 1 + random_below(r, w->queue_count));
}

void watcher_step(struct watcher *w, uint64_t salt)
{
	struct random r = {salt};

	if (!w->alive)
		return;
	switch (w->state) {
	case IDLE:
		step_idle(w, &r);
		break;
	case LOOKING:
		step_batch(w, &r);
		break;
	case SCANNING:
		step_scan(w, &r);
		break;
	}
}

/* ---- the pipe ---- */

static bool has_name(enum observation_type type)
{
	return type == OBSERVED_ENTRY || type == OBSERVED_GONE || type == OBSERVED_LOOKED;
}

bool watcher_next(struct watcher *w, struct observation *out)
{
	const struct told *t = &w->pipe[w->pipe_first];

	if (w->pipe_count == 0)
		return false;
	w->pipe_first = (w->pipe_first + 1) % PIPE;
	w->pipe_count--;
	*out = (struct observation){.type = t->type,
				    .flags = t->flags,
				    .request = t->request,
				    .error = t->error,
				    .state = t->state};
	if (t->dir.inode != 0) {
		out->drive = 1;
		watcher_make_id(w, t->dir, &out->dir);
	}
	if (has_name(t->type)) {
		out->name = name_at(t->slot)->bytes;
		out->name_len = name_at(t->slot)->len;
	}
	if (t->type == OBSERVED_ENTRY || t->type == OBSERVED_FILE) {
		out->drive = 1;
		watcher_make_id(w, t->id, &out->id);
		if (t->flags & OBSERVED_BRIEF)
			file_id_from_birth(&out->id, file_id_inode(&out->id), t->state.birth.seconds,
					   t->state.birth.nanoseconds);
	}
	if (t->type == OBSERVED_ENTRY && t->state.kind == ENTRY_SYMLINK)
		out->target = target_at(t->target, &out->target_len);
	return true;
}
