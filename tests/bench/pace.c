/* pace: changes at an even pace, each to a file that nothing was done to for a while, so that each is one of
 * its own.
 *
 *     bench_pace DIRECTORY PER-SECOND
 *
 * Files are created, written to, renamed and removed.  Ends with SIGTERM, and prints the changes made and the
 * nanoseconds they took. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/sample.h"

enum { KINDS = 4, PER_DIRECTORY = 1000 };

static volatile sig_atomic_t ended;

static void on_sigterm(int number)
{
	(void)number;
	ended = 1;
}

static void name_of(char name[static 32], unsigned long i, const char *prefix)
{
	snprintf(name, 32, "d%lu/%s%lu", i / PER_DIRECTORY % 16, prefix, i);
}

static void put(const char *name, int flags)
{
	int fd = open(name, O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0644);

	if (fd < 0 || write(fd, "text\n", 5) != 5 || close(fd) != 0)
		die(name);
}

/* The n-th change; each kind is as many files behind the one before it as are made in a second. */
static void make_change(unsigned long n, unsigned long behind)
{
	unsigned long i = n / KINDS, kind = n % KINDS;
	char name[32], other[32];

	if (i < kind * behind)
		kind = 0, i += (n % KINDS) << 32; /* nothing is that old yet: create one more */
	i -= kind * behind;
	name_of(name, i, kind < 3 ? "f" : "r");
	name_of(other, i, "r");
	if (kind == 0)
		put(name, O_CREAT | O_EXCL);
	else if (kind == 1)
		put(name, 0);
	else if (kind == 2 ? rename(name, other) != 0 : unlink(name) != 0)
		die(name);
}

static void wait_until(uint64_t ns)
{
	const struct timespec t = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void make_directories(void)
{
	char name[32];

	for (unsigned i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		if (mkdir(name, 0755) != 0 && errno != EEXIST)
			die(name);
	}
}

int main(int argc, char **argv)
{
	unsigned long per_second = argc == 3 ? strtoul(argv[2], NULL, 10) : 0, n = 0;
	uint64_t began;

	if (per_second < KINDS) {
		fprintf(stderr, "usage: bench_pace DIRECTORY PER-SECOND\n");
		return 2;
	}
	if (chdir(argv[1]) != 0)
		die(argv[1]);
	signal(SIGTERM, on_sigterm);
	make_directories();
	began = monotonic_ns();
	while (!ended) {
		uint64_t due = began + n * 1000000000 / per_second;

		if (monotonic_ns() < due)
			wait_until(due);
		make_change(n++, per_second / KINDS);
	}
	printf("%lu %" PRIu64 "\n", n, monotonic_ns() - began);
	return 0;
}
