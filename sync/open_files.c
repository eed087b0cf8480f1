/* open_files: few at any time, so what is due is searched for. */
#include "sync/open_files.h"

#include <errno.h>

struct open_file {
	struct hash_link by_node;
	uint64_t node, noted_ms;
	unsigned times;
};

/* Node numbers count up: spread them. */
static uint64_t node_hash(uint64_t node)
{
	return node * UINT64_C(0x9E3779B97F4A7C15) >> 16;
}

static struct open_file *find(const struct open_files *f, uint64_t node)
{
	struct hash_link *l = NULL;

	while ((l = hash_next(&f->nodes, l, node_hash(node))) != NULL) {
		struct open_file *o = container_of(l, struct open_file, by_node);

		if (o->node == node)
			return o;
	}
	return NULL;
}

void open_files_deinit(struct open_files *f)
{
	for (size_t i = 0; f->nodes.buckets != NULL && i <= f->nodes.mask; i++) {
		while (f->nodes.buckets[i] != NULL) {
			struct hash_link *l = f->nodes.buckets[i];

			hash_remove(&f->nodes, l);
			free(container_of(l, struct open_file, by_node));
		}
	}
	hash_deinit(&f->nodes);
}

int open_files_note(struct open_files *f, uint64_t node, uint64_t now_ms)
{
	struct open_file *o = find(f, node);

	if (o == NULL) {
		o = calloc(1, sizeof(*o));
		if (o == NULL || !hash_reserve(&f->nodes)) {
			free(o);
			return -ENOMEM;
		}
		o->node = node;
		hash_add(&f->nodes, &o->by_node, node_hash(node));
	}
	o->noted_ms = now_ms;
	o->times++;
	return 0;
}

bool open_files_has(const struct open_files *f, uint64_t node)
{
	return f->nodes.count > 0 && find(f, node) != NULL;
}

unsigned open_files_wait_ms(const struct open_files *f, uint64_t node, unsigned max_wait_ms)
{
	struct open_file *o = find(f, node);
	unsigned wait = max_wait_ms;

	for (unsigned i = 0; o != NULL && i < o->times && wait < OPEN_FILES_QUIET_MS; i++)
		wait *= 2;
	return wait < OPEN_FILES_QUIET_MS || max_wait_ms > OPEN_FILES_QUIET_MS ? wait : OPEN_FILES_QUIET_MS;
}

void open_files_forget(struct open_files *f, uint64_t node)
{
	struct open_file *o = f->nodes.count > 0 ? find(f, node) : NULL;

	if (o == NULL)
		return;
	hash_remove(&f->nodes, &o->by_node);
	free(o);
}

/* The one noted longest ago. */
static struct open_file *oldest(const struct open_files *f)
{
	struct open_file *best = NULL;

	if (f->nodes.count == 0)
		return NULL;
	for (size_t i = 0; i <= f->nodes.mask; i++) {
		for (struct hash_link *l = f->nodes.buckets[i]; l != NULL; l = l->next) {
			struct open_file *o = container_of(l, struct open_file, by_node);

			if (best == NULL || o->noted_ms < best->noted_ms ||
			    (o->noted_ms == best->noted_ms && o->node < best->node))
				best = o;
		}
	}
	return best;
}

uint64_t open_files_quiet(const struct open_files *f, uint64_t now_ms)
{
	struct open_file *o = oldest(f);

	return o != NULL && o->noted_ms + OPEN_FILES_QUIET_MS <= now_ms ? o->node : 0;
}

uint64_t open_files_deadline(const struct open_files *f)
{
	struct open_file *o = oldest(f);

	return o == NULL ? UINT64_MAX : o->noted_ms + OPEN_FILES_QUIET_MS;
}
