/* debounce: three hash tables over one set of elements, and lists that are sorted because time only grows.
 *
 * `quiet` is in the order of last_ms and `age` in that of first_ms: both are only ever appended to, so the
 * heads tell what is due; so is `patient`, whose elements waited as long when they came there.  The few files
 * that may wait longer stand in `extended` instead of `age`, which is searched. */
#include "sync/debounce.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

static uint64_t name_hash(const struct file_id *dir, const char *name, size_t name_len)
{
	return XXH64(name, name_len, file_id_hash(dir));
}

void debounce_init(struct debounce *d, unsigned settle_ms, unsigned max_wait_ms)
{
	*d = (struct debounce){.settle_ms = settle_ms, .max_wait_ms = max_wait_ms};
	TAILQ_INIT(&d->quiet);
	TAILQ_INIT(&d->patient);
	TAILQ_INIT(&d->due);
	TAILQ_INIT(&d->asking);
	TAILQ_INIT(&d->batched);
	TAILQ_INIT(&d->age);
	TAILQ_INIT(&d->extended);
	TAILQ_INIT(&d->all);
}

static struct held_list *place_list(struct debounce *d, enum held_place place)
{
	switch (place) {
	case HELD_QUIET:
		return &d->quiet;
	case HELD_PATIENT:
		return &d->patient;
	case HELD_DUE:
		return &d->due;
	case HELD_ASKING:
		return &d->asking;
	case HELD_BATCHED:
		return &d->batched;
	}
	return NULL;
}

static void leave_place(struct debounce *d, struct held *h)
{
	TAILQ_REMOVE(place_list(d, h->place), h, queue);
	if (h->place == HELD_QUIET)
		TAILQ_REMOVE(h->wait_until_ms == 0 ? &d->age : &d->extended, h, age);
}

static void enter_place(struct debounce *d, struct held *h, enum held_place place)
{
	h->place = place;
	TAILQ_INSERT_TAIL(place_list(d, place), h, queue);
	if (place == HELD_QUIET)
		TAILQ_INSERT_TAIL(h->wait_until_ms == 0 ? &d->age : &d->extended, h, age);
}

void debounce_place(struct debounce *d, struct held *h, enum held_place place)
{
	leave_place(d, h);
	enter_place(d, h, place);
}

void debounce_drop(struct debounce *d, struct held *h)
{
	leave_place(d, h);
	TAILQ_REMOVE(&d->all, h, all);
	hash_remove(&d->by_name, &h->by_name);
	hash_remove(&d->by_dir, &h->by_dir);
	if (h->by_id.slot != NULL)
		hash_remove(&d->by_id, &h->by_id);
	d->count--;
	free(h->target);
	free(h);
}

void debounce_clear(struct debounce *d)
{
	while (!TAILQ_EMPTY(&d->all))
		debounce_drop(d, TAILQ_FIRST(&d->all));
}

void debounce_deinit(struct debounce *d)
{
	debounce_clear(d);
	hash_deinit(&d->by_name);
	hash_deinit(&d->by_dir);
	hash_deinit(&d->by_id);
}

/* A new element, in all tables but by_id, counting from now. */
static struct held *held_new(struct debounce *d, const struct observation *o, uint64_t now_ms)
{
	struct held *h;

	if (!hash_reserve(&d->by_name) || !hash_reserve(&d->by_dir) || !hash_reserve(&d->by_id))
		return NULL;
	h = calloc(1, sizeof(*h) + o->name_len);
	if (h == NULL)
		return NULL;
	h->dir = o->dir;
	h->name_len = o->name_len;
	memcpy(h->name, o->name, o->name_len);
	h->first_ms = h->last_ms = now_ms;
	h->first_arrival = d->arrivals + 1;
	hash_add(&d->by_name, &h->by_name, name_hash(&o->dir, o->name, o->name_len));
	hash_add(&d->by_dir, &h->by_dir, file_id_hash(&o->dir));
	TAILQ_INSERT_TAIL(&d->all, h, all);
	enter_place(d, h, HELD_QUIET);
	d->count++;
	return h;
}

/* What was known of the name and still holds: the kernel tells each thing once. */
static unsigned merged_flags(const struct held *h, const struct observation *o)
{
	unsigned flags = o->flags;

	if (o->type == OBSERVED_GONE) /* closed, and then gone: perhaps to another name */
		return flags | (h->flags & OBSERVED_CLOSED);
	if (!h->gone && file_id_equal(&h->id, &o->id)) {
		flags |= h->flags & (OBSERVED_FRESH | OBSERVED_RENAMED | OBSERVED_CREATED);
		if ((o->flags & (OBSERVED_WRITING | OBSERVED_CLOSED)) == 0)
			flags |= h->flags & (OBSERVED_WRITING | OBSERVED_CLOSED);
	}
	return flags;
}

static int set_target(struct held *h, const struct observation *o)
{
	char *target = NULL;

	if (o->type == OBSERVED_ENTRY && o->target_len > 0) {
		target = malloc(o->target_len);
		if (target == NULL)
			return -ENOMEM;
		memcpy(target, o->target, o->target_len);
	}
	free(h->target);
	h->target = target;
	h->target_len = target == NULL ? 0 : o->target_len;
	return 0;
}

static void set_identity(struct debounce *d, struct held *h, const struct observation *o)
{
	if (h->by_id.slot != NULL)
		hash_remove(&d->by_id, &h->by_id);
	h->id = (struct file_id){0};
	if (o->type != OBSERVED_ENTRY)
		return;
	h->id = o->id;
	hash_add(&d->by_id, &h->by_id, file_id_hash(&o->id));
}

int debounce_put(struct debounce *d, const struct observation *o, uint64_t now_ms, struct held **out)
{
	struct held *h = debounce_find(d, &o->dir, o->name, o->name_len);
	bool fresh = h == NULL;

	if (h == NULL)
		h = held_new(d, o, now_ms);
	if (h == NULL || set_target(h, o) != 0)
		return -ENOMEM;
	h->flags = fresh ? o->flags : merged_flags(h, o);
	h->gone = o->type == OBSERVED_GONE;
	h->asked = h->hash_asked = h->has_hash = false;
	h->answers = 0;
	h->arrival = ++d->arrivals;
	h->state = o->state;
	set_identity(d, h, o);
	h->last_ms = now_ms;
	if (h->place == HELD_PATIENT)
		h->wait_until_ms = 0;
	if (h->place != HELD_DUE)
		debounce_place(d, h, HELD_QUIET);
	*out = h;
	return 0;
}

void debounce_force(struct debounce *d, struct held *h)
{
	if (h->place == HELD_PATIENT)
		h->wait_until_ms = 0;
	if (h->place == HELD_QUIET || h->place == HELD_PATIENT)
		debounce_place(d, h, HELD_DUE);
}

void debounce_force_all(struct debounce *d)
{
	struct held *h;

	while ((h = TAILQ_FIRST(&d->quiet)) != NULL || (h = TAILQ_FIRST(&d->patient)) != NULL) {
		h->forced = true;
		debounce_force(d, h);
	}
}

void debounce_extend(struct debounce *d, struct held *h, uint64_t until_ms)
{
	leave_place(d, h);
	h->wait_until_ms = until_ms;
	enter_place(d, h, HELD_QUIET);
}

void debounce_be_patient(struct debounce *d, struct held *h, uint64_t until_ms)
{
	leave_place(d, h);
	h->wait_until_ms = until_ms;
	enter_place(d, h, HELD_PATIENT);
}

void debounce_release(struct debounce *d, uint64_t now_ms)
{
	struct held *h, *next;

	while ((h = TAILQ_FIRST(&d->quiet)) != NULL && h->last_ms + d->settle_ms <= now_ms)
		debounce_force(d, h);
	while ((h = TAILQ_FIRST(&d->age)) != NULL && h->first_ms + d->max_wait_ms <= now_ms)
		debounce_force(d, h);
	while ((h = TAILQ_FIRST(&d->patient)) != NULL && h->wait_until_ms <= now_ms)
		debounce_force(d, h);
	for (h = TAILQ_FIRST(&d->extended); h != NULL; h = next) {
		next = TAILQ_NEXT(h, age);
		if (h->wait_until_ms <= now_ms)
			debounce_force(d, h);
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t debounce_deadline(const struct debounce *d)
{
	uint64_t at = UINT64_MAX;
	const struct held *h;

	if (!TAILQ_EMPTY(&d->due))
		return 0;
	if (!TAILQ_EMPTY(&d->quiet))
		at = TAILQ_FIRST(&d->quiet)->last_ms + d->settle_ms;
	if (!TAILQ_EMPTY(&d->age))
		at = earlier(at, TAILQ_FIRST(&d->age)->first_ms + d->max_wait_ms);
	if (!TAILQ_EMPTY(&d->patient))
		at = earlier(at, TAILQ_FIRST(&d->patient)->wait_until_ms);
	TAILQ_FOREACH(h, &d->extended, age)
	at = earlier(at, h->wait_until_ms);
	return at;
}

struct held *debounce_find(const struct debounce *d, const struct file_id *dir, const char *name,
			   size_t name_len)
{
	struct hash_link *l = NULL;
	uint64_t hash = name_hash(dir, name, name_len);

	while ((l = hash_next(&d->by_name, l, hash)) != NULL) {
		struct held *h = container_of(l, struct held, by_name);

		if (h->name_len == name_len && memcmp(h->name, name, name_len) == 0 &&
		    file_id_equal(&h->dir, dir))
			return h;
	}
	return NULL;
}

struct held *debounce_next_by_id(const struct debounce *d, const struct file_id *id, const struct held *after)
{
	struct hash_link *l = after == NULL ? NULL : (struct hash_link *)&after->by_id;
	uint64_t hash = file_id_hash(id);

	while ((l = hash_next(&d->by_id, l, hash)) != NULL) {
		struct held *h = container_of(l, struct held, by_id);

		if (file_id_equal(&h->id, id))
			return h;
	}
	return NULL;
}

struct held *debounce_next_by_dir(const struct debounce *d, const struct file_id *dir,
				  const struct held *after)
{
	struct hash_link *l = after == NULL ? NULL : (struct hash_link *)&after->by_dir;
	uint64_t hash = file_id_hash(dir);

	while ((l = hash_next(&d->by_dir, l, hash)) != NULL) {
		struct held *h = container_of(l, struct held, by_dir);

		if (file_id_equal(&h->dir, dir))
			return h;
	}
	return NULL;
}
