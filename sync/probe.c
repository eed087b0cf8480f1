#include "sync/probe.h"

static void rest(struct probe *p, uint64_t now_ms)
{
	p->state = PROBE_RESTING;
	p->due_ms = p->interval_ms == 0 ? UINT64_MAX : now_ms + p->interval_ms;
}

void probe_begin(struct probe *p, unsigned interval_ms, uint64_t now_ms)
{
	p->interval_ms = interval_ms;
	p->heard = false;
	rest(p, now_ms);
}

enum probe_answer probe_tick(struct probe *p, uint64_t now_ms)
{
	if (probe_deadline(p) > now_ms)
		return PROBE_NOTHING;
	if (p->state == PROBE_WAITING) {
		rest(p, now_ms);
		return PROBE_DEAF;
	}
	p->state = PROBE_TOUCHING;
	p->heard = false;
	return PROBE_TOUCH;
}

bool probe_touched(struct probe *p, bool ok, uint64_t now_ms)
{
	if (p->state != PROBE_TOUCHING)
		return false;
	if (!ok)
		rest(p, now_ms);
	else
		p->state = PROBE_ASKING;
	return ok;
}

void probe_passed(struct probe *p, uint64_t now_ms)
{
	if (p->state != PROBE_ASKING)
		return;
	if (p->heard) {
		rest(p, now_ms);
		return;
	}
	p->state = PROBE_WAITING;
	p->due_ms = now_ms + PROBE_PATIENCE_MS;
}

void probe_heard(struct probe *p, uint64_t now_ms)
{
	p->heard = true;
	if (p->state == PROBE_WAITING)
		rest(p, now_ms);
}

void probe_alive(struct probe *p, uint64_t now_ms)
{
	if (p->state == PROBE_RESTING)
		rest(p, now_ms);
}

uint64_t probe_deadline(const struct probe *p)
{
	return p->state == PROBE_RESTING || p->state == PROBE_WAITING ? p->due_ms : UINT64_MAX;
}
