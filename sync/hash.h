/* hash: a growing hash table of links embedded in its elements.  The table owns nothing but its buckets. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

struct hash_link {
	struct hash_link *next, **slot;
	uint64_t hash;
};

struct hash {
	struct hash_link **buckets;
	size_t mask, count;
};

static inline void hash_insert_link(struct hash_link **buckets, size_t mask, struct hash_link *l)
{
	struct hash_link **head = &buckets[l->hash & mask];

	l->next = *head;
	l->slot = head;
	if (*head != NULL)
		(*head)->slot = &l->next;
	*head = l;
}

/* Make room for one more element, so that hash_add() cannot fail. */
static inline bool hash_reserve(struct hash *h)
{
	size_t size = h->buckets == NULL ? 64 : (h->mask + 1) * 2;
	struct hash_link **buckets;

	if (h->buckets != NULL && h->count <= h->mask)
		return true;
	buckets = calloc(size, sizeof(struct hash_link *));
	if (buckets == NULL)
		return h->buckets != NULL; /* longer chains, still right */
	for (size_t i = 0; h->buckets != NULL && i <= h->mask; i++) {
		for (struct hash_link *l = h->buckets[i], *next; l != NULL; l = next) {
			next = l->next;
			hash_insert_link(buckets, size - 1, l);
		}
	}
	free(h->buckets);
	h->buckets = buckets;
	h->mask = size - 1;
	return true;
}

static inline void hash_add(struct hash *h, struct hash_link *l, uint64_t hash)
{
	l->hash = hash;
	hash_insert_link(h->buckets, h->mask, l);
	h->count++;
}

static inline void hash_remove(struct hash *h, struct hash_link *l)
{
	*l->slot = l->next;
	if (l->next != NULL)
		l->next->slot = l->slot;
	l->slot = NULL;
	h->count--;
}

/* The first link after `l` (NULL: from the start) with this hash; the caller compares the key. */
static inline struct hash_link *hash_next(const struct hash *h, const struct hash_link *l, uint64_t hash)
{
	struct hash_link *next = NULL;

	if (l != NULL)
		next = l->next;
	else if (h->buckets != NULL)
		next = h->buckets[hash & h->mask];
	while (next != NULL && next->hash != hash)
		next = next->next;
	return next;
}

static inline void hash_deinit(struct hash *h)
{
	free(h->buckets);
	*h = (struct hash){0};
}
