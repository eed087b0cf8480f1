#include "tests/bench/sample.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REST_MIN_US = 2000, REST_SPREAD_US = 20000 };

void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void rest(void)
{
	struct timespec pause = {.tv_nsec = (REST_MIN_US + random() % REST_SPREAD_US) * 1000L};

	nanosleep(&pause, NULL);
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

void print_percentiles(const char *name, uint64_t *ns, size_t count)
{
	qsort(ns, count, sizeof(*ns), compare);
	printf("%s %.0f %.0f %.0f %.0f\n", name, (double)ns[count / 2] / 1e3,
	       (double)ns[count * 95 / 100] / 1e3, (double)ns[count * 99 / 100] / 1e3,
	       (double)ns[count - 1] / 1e3);
}
