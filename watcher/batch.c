#include "watcher/batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

void batch_deinit(struct batch *b)
{
	free(b->dirs);
	free(b->names);
	free(b->bytes);
	free(b->dir_slots);
	free(b->name_slots);
	*b = (struct batch){0};
}

void batch_clear(struct batch *b)
{
	if (b->dir_count > 0)
		memset(b->dir_slots, 0, (b->dir_mask + 1) * sizeof(*b->dir_slots));
	if (b->name_count > 0)
		memset(b->name_slots, 0, (b->name_mask + 1) * sizeof(*b->name_slots));
	b->dir_count = b->name_count = b->byte_count = 0;
}

static bool make_room(void **array, size_t *room, size_t need, size_t size)
{
	size_t more = *room == 0 ? 64 : *room;
	void *p;

	if (need <= *room)
		return true;
	while (more < need)
		more *= 2;
	p = realloc(*array, more * size);
	if (p == NULL)
		return false;
	*array = p;
	*room = more;
	return true;
}

static uint64_t hash_name(uint32_t dir, const char *name, size_t len)
{
	return XXH3_64bits_withSeed(name, len, dir);
}

static void place(uint32_t *slots, size_t mask, uint64_t hash, size_t index)
{
	size_t i = hash & mask;

	while (slots[i] != 0)
		i = (i + 1) & mask;
	slots[i] = (uint32_t)index + 1;
}

static uint32_t *new_slots(size_t *mask)
{
	size_t size = *mask == 0 ? 64 : (*mask + 1) * 2;
	uint32_t *slots = calloc(size, sizeof(*slots));

	if (slots != NULL)
		*mask = size - 1;
	return slots;
}

/* At most half full, so that a probe is short and always ends. */
static bool reserve_name(struct batch *b, size_t len)
{
	uint32_t *slots;

	if (!make_room((void **)&b->names, &b->name_room, b->name_count + 1, sizeof(*b->names)) ||
	    !make_room((void **)&b->bytes, &b->byte_room, b->byte_count + len + 1, 1))
		return false;
	if (b->name_slots != NULL && b->name_count * 2 <= b->name_mask)
		return true;
	slots = new_slots(&b->name_mask);
	if (slots == NULL)
		return false;
	for (size_t i = 0; i < b->name_count; i++) {
		const struct batch_name *n = &b->names[i];

		place(slots, b->name_mask, hash_name(n->dir, b->bytes + n->at, n->len), i);
	}
	free(b->name_slots);
	b->name_slots = slots;
	return true;
}

static bool reserve_dir(struct batch *b)
{
	uint32_t *slots;

	if (!make_room((void **)&b->dirs, &b->dir_room, b->dir_count + 1, sizeof(*b->dirs)))
		return false;
	if (b->dir_slots != NULL && b->dir_count * 2 <= b->dir_mask)
		return true;
	slots = new_slots(&b->dir_mask);
	if (slots == NULL)
		return false;
	for (size_t i = 0; i < b->dir_count; i++)
		place(slots, b->dir_mask, file_id_hash(&b->dirs[i].id), i);
	free(b->dir_slots);
	b->dir_slots = slots;
	return true;
}

static bool intern_dir(struct batch *b, const struct file_id *id, uint32_t *out)
{
	uint64_t hash = file_id_hash(id);
	size_t i;

	if (!reserve_dir(b))
		return false;
	for (i = hash & b->dir_mask; b->dir_slots[i] != 0; i = (i + 1) & b->dir_mask) {
		*out = b->dir_slots[i] - 1;
		if (file_id_equal(&b->dirs[*out].id, id))
			return true;
	}
	*out = (uint32_t)b->dir_count++;
	b->dirs[*out] = (struct batch_dir){.id = *id, .fd = -1};
	b->dir_slots[i] = *out + 1;
	return true;
}

static struct batch_name *append_name(struct batch *b, uint32_t dir, const char *name, size_t len)
{
	struct batch_name *n = &b->names[b->name_count++];

	*n = (struct batch_name){.dir = dir, .at = (uint32_t)b->byte_count, .len = (uint8_t)len};
	memcpy(b->bytes + b->byte_count, name, len);
	b->bytes[b->byte_count + len] = 0;
	b->byte_count += len + 1;
	return n;
}

struct batch_name *batch_add(struct batch *b, const struct file_id *dir, const char *name, size_t len)
{
	uint32_t d;
	size_t i;

	assert(len >= 1 && len <= 255);
	if (!intern_dir(b, dir, &d) || !reserve_name(b, len))
		return NULL;
	for (i = hash_name(d, name, len) & b->name_mask; b->name_slots[i] != 0; i = (i + 1) & b->name_mask) {
		struct batch_name *n = &b->names[b->name_slots[i] - 1];

		if (n->dir == d && n->len == len && memcmp(b->bytes + n->at, name, len) == 0)
			return n;
	}
	b->name_slots[i] = (uint32_t)b->name_count + 1;
	return append_name(b, d, name, len);
}
