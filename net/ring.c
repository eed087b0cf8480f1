/* A circular piece of memory in which no frame wraps: one that does not fit before the end goes to the
 * beginning.  It grows by doubling, up to max_bytes (or to the size of a single larger frame), and then
 * overwrites its oldest. */
#include "net/ring.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 4096, FIRST_SLOTS = 16 };

void ring_init(struct ring *r, const struct position *begin, size_t max_bytes)
{
	memset(r, 0, sizeof(*r));
	r->begin = *begin;
	r->max_bytes = max_bytes;
}

void ring_deinit(struct ring *r)
{
	free(r->bytes);
	free(r->frames);
	memset(r, 0, sizeof(*r));
}

static struct ring_frame *frame_of(const struct ring *r, uint64_t number)
{
	assert(number >= r->first && number < r->next);
	return &r->frames[number % r->slots];
}

void ring_clear(struct ring *r)
{
	r->begin = *ring_tail(r);
	r->first = r->next;
	free(r->bytes);
	free(r->frames);
	r->bytes = NULL;
	r->frames = NULL;
	r->room = r->write = r->slots = 0;
}

const struct position *ring_tail(const struct ring *r)
{
	return ring_border(r, r->next);
}

const struct position *ring_border(const struct ring *r, uint64_t number)
{
	assert(number >= r->first && number <= r->next);
	return number == r->first ? &r->begin : &frame_of(r, number - 1)->cursor;
}

static void evict(struct ring *r)
{
	r->begin = frame_of(r, r->first)->cursor;
	r->first++;
}

/* The frames, in order, into larger memory: they lie in one piece afterwards. */
static int grow_bytes(struct ring *r, size_t room)
{
	char *bytes = malloc(room);
	size_t at = 0;

	if (bytes == NULL)
		return -ENOMEM;
	for (uint64_t n = r->first; n < r->next; n++) {
		struct ring_frame *f = frame_of(r, n);

		memcpy(bytes + at, r->bytes + f->at, f->len);
		f->at = at;
		at += f->len;
	}
	free(r->bytes);
	r->bytes = bytes;
	r->room = room;
	r->write = at;
	return 0;
}

static int grow_slots(struct ring *r)
{
	size_t slots = r->slots == 0 ? FIRST_SLOTS : r->slots * 2;
	struct ring_frame *frames = calloc(slots, sizeof(*frames));

	if (frames == NULL)
		return -ENOMEM;
	for (uint64_t n = r->first; n < r->next; n++)
		frames[n % slots] = *frame_of(r, n);
	free(r->frames);
	r->frames = frames;
	r->slots = slots;
	return 0;
}

static size_t used_bytes(const struct ring *r)
{
	size_t used = 0;

	if (r->first == r->next)
		return 0;
	used = frame_of(r, r->first)->at;
	return r->write > used ? r->write - used : r->room - used + r->write;
}

static int reserve(struct ring *r, size_t len)
{
	size_t want = r->room == 0 ? FIRST_BYTES : r->room;
	int e;

	if (r->next - r->first == r->slots && r->slots < RING_SLOTS_MAX) {
		e = grow_slots(r);
		if (e != 0)
			return e;
	}
	/* A frame that does not fit before the end wastes what is left there: count it as used. */
	while ((used_bytes(r) + 2 * len > want && want < r->max_bytes) || len > want)
		want *= 2;
	return want > r->room ? grow_bytes(r, want) : 0;
}

static bool in_the_way(const struct ring *r, size_t at, size_t len)
{
	const struct ring_frame *oldest;

	if (r->first == r->next)
		return false;
	oldest = frame_of(r, r->first);
	return oldest->at < at + len && at < oldest->at + oldest->len;
}

/* Where len bytes can go, once those frames that are in the way are gone. */
static size_t make_place(struct ring *r, size_t len)
{
	size_t at = r->write;

	if (at + len > r->room) {
		/* Frames between here and the end are the oldest: they go before those at the beginning do.
		 */
		while (r->first != r->next && frame_of(r, r->first)->at >= at)
			evict(r);
		at = 0;
	}
	while (in_the_way(r, at, len))
		evict(r);
	return at;
}

int ring_append(struct ring *r, const void *head, size_t head_len, const void *body, size_t body_len,
		const struct position *cursor)
{
	size_t len = head_len + body_len, at;
	struct ring_frame *f;
	int e = reserve(r, len);

	if (e != 0)
		return e;
	if (r->next - r->first == r->slots)
		evict(r);
	at = make_place(r, len);
	memcpy(r->bytes + at, head, head_len);
	memcpy(r->bytes + at + head_len, body, body_len);
	f = &r->frames[r->next % r->slots];
	f->at = at;
	f->len = (uint32_t)len;
	f->cursor = *cursor;
	r->write = at + len;
	r->next++;
	return 0;
}

const char *ring_run(const struct ring *r, uint64_t number, size_t max_bytes, size_t *len, uint64_t *count)
{
	const struct ring_frame *begin = frame_of(r, number);
	size_t run = begin->len;
	uint64_t n = number + 1;

	while (n < r->next) {
		const struct ring_frame *f = frame_of(r, n);

		if (f->at != begin->at + run || run + f->len > max_bytes)
			break;
		run += f->len;
		n++;
	}
	*len = run;
	*count = n - number;
	return r->bytes + begin->at;
}

enum ring_answer ring_find(const struct ring *r, uint64_t seq, uint64_t *number)
{
	uint64_t low = r->first, high = r->next;

	if (seq < r->begin.seq)
		return RING_BEFORE;
	if (seq > ring_tail(r)->seq)
		return RING_AFTER;
	while (low < high) { /* the last border at or before seq */
		uint64_t middle = low + (high - low + 1) / 2;

		if (ring_border(r, middle)->seq <= seq)
			low = middle;
		else
			high = middle - 1;
	}
	*number = low;
	return ring_border(r, low)->seq == seq ? RING_AT : RING_INSIDE;
}
