#include "sync/storm.h"

void storm_lost(struct storm *s, uint64_t now_ms)
{
	if (s->owed)
		return;
	s->owed = true;
	s->losses = s->running || now_ms < s->quiet_ms ? s->losses + 1 : 1;
}

static uint64_t wait_ms(const struct storm *s)
{
	unsigned doublings = s->losses < 2 ? 0 : s->losses - 2;
	uint64_t wait = doublings > 10 ? STORM_WAIT_MAX_MS : (uint64_t)STORM_WAIT_MS << doublings;

	if (s->losses < 2)
		return 0;
	return wait < STORM_WAIT_MAX_MS ? wait : STORM_WAIT_MAX_MS;
}

uint64_t storm_due(const struct storm *s)
{
	return s->running ? UINT64_MAX : s->ended_ms + wait_ms(s);
}

void storm_began(struct storm *s, uint64_t now_ms)
{
	s->owed = false;
	s->running = true;
	s->began_ms = now_ms;
}

void storm_ended(struct storm *s, uint64_t now_ms)
{
	uint64_t quiet = (now_ms - s->began_ms) * STORM_QUIET_RUNS;

	if (!s->running)
		return;
	s->running = false;
	s->ended_ms = now_ms;
	s->quiet_ms = now_ms + (quiet < STORM_QUIET_MS ? STORM_QUIET_MS : quiet);
}
