#include "tests/simulation/generate.h"

#include <string.h>

void generate_style(struct style *s, struct random *r, const struct fixed *fixed)
{
	static const unsigned settles[] = {0, 5, 20, 20, 20}, waits[] = {50, 500, 500},
			      ticks[] = {1, 1, 4, 10};
	static const unsigned lengths[] = {15, 30, 60, 60, 100, 150};
	struct script_options *o = &s->options;

	o->weak_ids = fixed->weak < 0 ? random_percent(r, 12) : fixed->weak;
	/* A file system mark needs file handles, so where ids are weak there is inotify only. */
	o->inotify = fixed->inotify < 0 ? o->weak_ids || random_percent(r, 30) : fixed->inotify;
	o->shuffle = fixed->shuffle < 0 ? random_percent(r, 10) : fixed->shuffle;
	/* Two names with one weak id may be two files: the machine does not carry changes from one to the
	 * other. */
	o->lenient_links = fixed->lenient < 0 ? o->weak_ids : fixed->lenient;
	o->settle_ms = settles[random_below(r, 5)];
	o->max_wait_ms = waits[random_below(r, 3)];
	o->tick_ms = ticks[random_below(r, 4)];
	o->rules = fixed->rules < 0 ? random_percent(r, 30) : fixed->rules;
	o->hashes = random_percent(r, 50);
	s->setup = random_percent(r, 70) ? random_below(r, 12) : 0;
	s->length = lengths[random_below(r, 6)];
	s->operations = 25 + random_below(r, 45);
	s->trouble = fixed->trouble < 0 ? (random_percent(r, 60) ? random_below(r, 60) : 0)
					: (unsigned)fixed->trouble;
	s->patient = random_percent(r, 8);
}

static uint8_t any_slot(struct random *r)
{
	return (uint8_t)(random_percent(r, 85) ? random_below(r, 5) : random_below(r, NAMES));
}

/* Walk down from a root, stopping with some chance in each directory. */
static uint16_t any_dir(const struct world *w, struct random *r, struct path *p)
{
	uint16_t dir;

	*p = (struct path){.outside = random_percent(r, 12)};
	dir = p->outside ? FS_OUTSIDE : FS_ROOT;
	while (p->depth + 2 < PATH_DEPTH && random_percent(r, 65)) {
		const struct fs_inode *i = &w->fs.inodes[dir];
		unsigned from = random_below(r, NAMES), slot = 0;
		uint16_t found = 0;

		for (unsigned n = 0; n < NAMES && found == 0; n++) {
			slot = (from + n) % NAMES;
			if (i->entry[slot] != 0 && w->fs.inodes[i->entry[slot]].kind == FS_DIR)
				found = i->entry[slot];
		}
		if (found == 0)
			break;
		p->slots[p->depth++] = (uint8_t)slot;
		dir = found;
	}
	return dir;
}

static void any_path(const struct world *w, struct random *r, struct path *p)
{
	any_dir(w, r, p);
	p->slots[p->depth++] = any_slot(r);
}

/* An entry that exists, of that kind if there is one (FS_FREE: any). */
static void existing_path(const struct world *w, struct random *r, enum fs_kind kind, struct path *p)
{
	for (unsigned attempt = 0; attempt < 4; attempt++) {
		uint16_t dir = any_dir(w, r, p);
		unsigned from = random_below(r, NAMES);

		for (unsigned n = 0; n < NAMES; n++) {
			unsigned slot = (from + n) % NAMES;
			uint16_t inode = w->fs.inodes[dir].entry[slot];

			if (inode == 0 || (kind != FS_FREE && w->fs.inodes[inode].kind != kind))
				continue;
			p->slots[p->depth++] = (uint8_t)slot;
			return;
		}
	}
	p->slots[p->depth++] = any_slot(r);
}

struct choice {
	enum action_type type;
	unsigned weight;
	enum fs_kind kind; /* of what `a` should be; FS_FREE: anything there */
	bool absent;       /* `a` need not exist */
};

static const struct choice operations[] = {
	{ACT_CREATE, 14, FS_FREE, true},   {ACT_WRITE, 8, FS_FILE, false},   {ACT_APPEND, 4, FS_FILE, false},
	{ACT_TRUNCATE, 2, FS_FILE, false}, {ACT_CHMOD, 4, FS_FREE, false},   {ACT_CHOWN, 2, FS_FREE, false},
	{ACT_UTIME, 2, FS_FREE, false},    {ACT_MKDIR, 12, FS_FREE, true},   {ACT_RMDIR, 4, FS_DIR, false},
	{ACT_UNLINK, 7, FS_FILE, false},   {ACT_RENAME, 18, FS_FREE, false}, {ACT_RENAME, 8, FS_DIR, false},
	{ACT_EXCHANGE, 5, FS_FREE, false}, {ACT_LINK, 5, FS_FILE, false},    {ACT_SYMLINK, 4, FS_FREE, true},
	{ACT_FIFO, 1, FS_FREE, true},      {ACT_REMOVE, 5, FS_DIR, false},   {ACT_REMOVE, 3, FS_FREE, false},
	{ACT_SAVE, 4, FS_FILE, false},     {ACT_TREE, 5, FS_FREE, true},     {ACT_OPEN, 4, FS_FILE, false},
	{ACT_FORGE, 3, FS_FILE, false},    {ACT_ACL, 3, FS_FREE, false},     {ACT_OPEN, 2, FS_FREE, true},
	{ACT_FEED, 5, FS_FREE, true},      {ACT_CLOSE, 4, FS_FREE, true},    {ACT_SHUT, 3, FS_DIR, false},
};

static void generate_operation(struct action *a, const struct world *w, struct random *r)
{
	const struct choice *c = operations;
	unsigned total = 0, at;

	for (unsigned i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		total += operations[i].weight;
	at = random_below(r, total);
	while (at >= c->weight)
		at -= (c++)->weight;
	a->type = c->type;
	if (c->absent)
		any_path(w, r, &a->a);
	else
		existing_path(w, r, c->kind, &a->a);
	if (a->type == ACT_EXCHANGE || (a->type == ACT_RENAME && random_percent(r, 35)))
		existing_path(w, r, random_percent(r, 50) ? c->kind : FS_FREE, &a->b);
	else
		any_path(w, r, &a->b);
	a->number = random_below(r, 1000);
}

static void generate_trouble(struct action *a, struct random *r)
{
	unsigned which = random_below(r, 10);

	a->number = random_below(r, 4);
	if (which < 3)
		a->type = ACT_OVERFLOW;
	else if (which < 6)
		a->type = ACT_STOP;
	else if (which < 8)
		a->type = ACT_CRASH;
	else
		a->type = ACT_FAULT;
	if (a->type == ACT_STOP)
		a->number &= 1;
}

static void generate_schedule(struct action *a, const struct world *w, struct random *r)
{
	static const unsigned ticks[] = {1, 5, 19, 20, 21, 60, 600, 5500};
	unsigned which = random_below(r, 100);

	a->salt = random_below(r, 1000000);
	if (which < 45) {
		a->type = ACT_WATCH;
		a->number = random_percent(r, 60) ? 1 + random_below(r, 6) : 1 + random_below(r, 60);
	} else if (which < 72) {
		a->type = ACT_CORE;
		a->number = random_percent(r, 60) ? 0 : 1 + random_below(r, 5);
	} else if (which < 89) {
		a->type = ACT_TICK;
		a->number = ticks[random_below(r, random_percent(r, 80) ? 6 : 8)];
	} else if (which < 94) {
		a->type = ACT_BARRIER;
	} else if (which < 97) {
		a->type = ACT_RECONCILE;
		any_dir(w, r, &a->a);
		a->number = which == 96 ? 100 : 0;
	} else {
		a->type = ACT_REST;
	}
}

void generate_action(struct action *a, const struct style *s, const struct world *w, struct random *r,
		     unsigned at)
{
	bool down = w->drive == NULL || !watcher_is_alive(w->watcher);

	memset(a, 0, sizeof(*a));
	if (at == s->setup || (at > s->setup && down && random_percent(r, 25)))
		a->type = ACT_START;
	else if (at < s->setup)
		generate_operation(a, w, r);
	else if (s->patient && (at - s->setup) % 2 == 0)
		a->type = ACT_REST;
	else if (random_below(r, 1000) < s->trouble)
		generate_trouble(a, r);
	else if (down || s->patient || random_percent(r, s->operations))
		generate_operation(a, w, r);
	else
		generate_schedule(a, w, r);
}
