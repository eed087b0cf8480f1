/* walk: what any program must do at least to know a tree: openat, getdents64 and a statx of each entry.
 *
 *     bench_walk DIRECTORY
 *
 * Prints how many entries there are and how many seconds it took, by the clock and of CPU. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/bench/sample.h"

enum { BUFFER_BYTES = 32 * 1024 };

struct linux_dirent64 {
	uint64_t d_ino;
	int64_t d_off;
	uint16_t d_reclen;
	uint8_t d_type;
	char d_name[];
};

static unsigned long walk(int parent, const char *name);

static unsigned long look(int directory, const struct linux_dirent64 *e)
{
	struct statx x;

	if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
		return 0;
	if (statx(directory, e->d_name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &x) != 0)
		die(e->d_name);
	return 1 + (S_ISDIR(x.stx_mode) ? walk(directory, e->d_name) : 0);
}

static unsigned long walk(int parent, const char *name)
{
	_Alignas(8) char buffer[BUFFER_BYTES];
	int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	unsigned long count = 0;
	long len;

	if (directory < 0)
		die(name);
	while ((len = syscall(SYS_getdents64, directory, buffer, sizeof(buffer))) > 0) {
		for (long at = 0; at < len;) {
			const struct linux_dirent64 *e = (const struct linux_dirent64 *)(buffer + at);

			at += e->d_reclen;
			count += look(directory, e);
		}
	}
	if (len < 0)
		die(name);
	close(directory);
	return count;
}

static double seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	uint64_t began = monotonic_ns();
	struct rusage used;
	unsigned long count;

	if (argc != 2) {
		fprintf(stderr, "usage: bench_walk DIRECTORY\n");
		return 2;
	}
	count = walk(AT_FDCWD, argv[1]);
	getrusage(RUSAGE_SELF, &used);
	printf("%lu %.6f %.6f\n", count, (double)(monotonic_ns() - began) / 1e9,
	       seconds(&used.ru_utime) + seconds(&used.ru_stime));
	return 0;
}
