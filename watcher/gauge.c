#include "watcher/gauge.h"

static const uint64_t sample_every_ns = 10000000, report_every_ns = 1000000000;

bool gauge_wants_sample(const struct gauge *g, uint64_t now_ns)
{
	return g->left == 0 && now_ns - g->sampled_ns >= sample_every_ns;
}

void gauge_sample(struct gauge *g, uint64_t now_ns, uint64_t waiting_bytes)
{
	g->sampled_ns = now_ns;
	g->left = waiting_bytes;
	if (waiting_bytes > g->most_bytes)
		g->most_bytes = waiting_bytes;
}

static void note_lag(struct gauge *g, uint64_t now_ns)
{
	if (now_ns - g->oldest_ns > g->longest_ns)
		g->longest_ns = now_ns - g->oldest_ns;
}

void gauge_read(struct gauge *g, uint64_t now_ns, size_t bytes)
{
	if (bytes == 0)
		return;
	note_lag(g, now_ns);
	if (g->left == 0)
		return;
	g->left = g->left > bytes ? g->left - bytes : 0;
	if (g->left == 0 && g->sampled_ns > g->oldest_ns)
		g->oldest_ns = g->sampled_ns;
}

void gauge_empty(struct gauge *g, uint64_t now_ns)
{
	g->oldest_ns = now_ns;
	g->left = 0;
}

bool gauge_report(struct gauge *g, uint64_t now_ns, struct gauge_report *out)
{
	bool any = g->most_bytes > 0;

	if ((!any && !g->owed) || now_ns - g->told_ns < report_every_ns)
		return false;
	out->queue_bytes = g->most_bytes;
	out->lag_ms = any ? (uint32_t)(g->longest_ns / 1000000) : 0;
	g->most_bytes = g->longest_ns = 0;
	g->told_ns = now_ns;
	g->owed = any;
	return true;
}

bool gauge_owes(const struct gauge *g)
{
	return g->owed || g->most_bytes > 0;
}
