#include "watcher/recent.h"

void recent_put(struct recent *r, uint64_t hash, size_t limit)
{
	if (r->young.count >= limit) {
		known_deinit(&r->old);
		r->old = r->young;
		r->young = (struct known){0};
	}
	known_put(&r->young, hash, 0);
}

void recent_forget(struct recent *r, uint64_t hash)
{
	known_forget(&r->young, hash);
	known_forget(&r->old, hash);
}

bool recent_has(const struct recent *r, uint64_t hash)
{
	return known_get(&r->young, hash) != KNOWN_NOT || known_get(&r->old, hash) != KNOWN_NOT;
}

void recent_deinit(struct recent *r)
{
	known_deinit(&r->young);
	known_deinit(&r->old);
}
