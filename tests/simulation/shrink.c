/* Delta debugging: take ever smaller chunks out as long as it still fails, then make numbers smaller. */
#include "tests/simulation/shrink.h"

#include <string.h>

struct search {
	bool (*fails)(void *context, const struct script *s);
	void *context;
	struct script candidate;
};

static bool without(struct search *q, struct script *s, unsigned from, unsigned count)
{
	struct script *c = &q->candidate;

	if (from + count > s->count)
		count = s->count - from;
	*c = *s;
	memmove(&c->actions[from], &c->actions[from + count],
		(s->count - from - count) * sizeof(c->actions[0]));
	c->count -= count;
	if (!q->fails(q->context, c))
		return false;
	*s = *c;
	return true;
}

static bool drop_chunks(struct search *q, struct script *s)
{
	bool any = false;

	for (unsigned chunk = s->count / 2 > 0 ? s->count / 2 : 1; chunk > 0; chunk /= 2)
		for (unsigned from = 0; from < s->count;) {
			if (without(q, s, from, chunk))
				any = true;
			else
				from += chunk;
		}
	return any;
}

/* Two that only make sense together, such as stop and start. */
static bool drop_pairs(struct search *q, struct script *s)
{
	if (s->count > 60)
		return false;
	for (unsigned i = 0; i < s->count; i++)
		for (unsigned j = i + 1; j < s->count; j++) {
			struct script *c = &q->candidate;

			*c = *s;
			memmove(&c->actions[j], &c->actions[j + 1],
				(s->count - j - 1) * sizeof(c->actions[0]));
			memmove(&c->actions[i], &c->actions[i + 1],
				(s->count - i - 2) * sizeof(c->actions[0]));
			c->count -= 2;
			if (!q->fails(q->context, c))
				continue;
			*s = *c;
			return true;
		}
	return false;
}

static bool try_action(struct search *q, struct script *s, unsigned at, const struct action *a)
{
	q->candidate = *s;
	q->candidate.actions[at] = *a;
	if (!q->fails(q->context, &q->candidate))
		return false;
	s->actions[at] = *a;
	return true;
}

static void simplify(struct search *q, struct script *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		struct action a = s->actions[i];

		if (a.type == ACT_CORE && a.number != 0) {
			a.number = 0;
			try_action(q, s, i, &a);
		} else if (a.number > 1) {
			a.number = 1;
			try_action(q, s, i, &a);
		}
		a = s->actions[i];
		if (a.salt != 0) {
			a.salt = 0;
			try_action(q, s, i, &a);
		}
	}
}

static void simplify_options(struct search *q, struct script *s)
{
	static const struct script_options plain = {.settle_ms = 20, .max_wait_ms = 500, .tick_ms = 1};

	for (unsigned i = 0; i < 6; i++) {
		struct script_options *o = &q->candidate.options;

		q->candidate = *s;
		if (i == 0)
			o->shuffle = plain.shuffle;
		else if (i == 1)
			o->weak_ids = plain.weak_ids;
		else if (i == 2)
			o->inotify = o->weak_ids || plain.inotify;
		else if (i == 3)
			o->tick_ms = plain.tick_ms;
		else if (i == 4)
			o->rules = plain.rules;
		else {
			o->settle_ms = plain.settle_ms;
			o->max_wait_ms = plain.max_wait_ms;
		}
		if (q->fails(q->context, &q->candidate))
			*s = q->candidate;
	}
}

void shrink(struct script *s, bool (*fails)(void *context, const struct script *s), void *context)
{
	struct search q = {.fails = fails, .context = context};

	while (drop_chunks(&q, s) || drop_pairs(&q, s))
		;
	simplify_options(&q, s);
	simplify(&q, s);
	while (drop_chunks(&q, s))
		;
}
