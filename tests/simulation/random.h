/* random: the only source of chance in a simulation, so that a seed repeats a history to the byte
 * (splitmix64). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

static inline uint64_t random_next(struct random *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* 0 … below - 1 */
static inline unsigned random_below(struct random *r, unsigned below)
{
	return (unsigned)((random_next(r) >> 32) * below >> 32);
}

static inline bool random_percent(struct random *r, unsigned percent)
{
	return random_below(r, 100) < percent;
}
