/* create: many small files as fast as one process can make them.
 *
 *     bench_create DIRECTORY FILES BYTES [FILES-IN-A-DIRECTORY]
 *
 * Prints when it began and when it ended, in nanoseconds of the monotonic clock. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bench/sample.h"

enum { FILES_IN_DIRECTORY = 1000, BYTES_MAX = 65536 };

static int new_directory(unsigned long number)
{
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "d%lu", number);
	if (mkdir(name, 0755) != 0)
		die(name);
	fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		die(name);
	return fd;
}

static void new_file(int directory, unsigned long number, size_t bytes)
{
	static char text[BYTES_MAX];
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "f%lu", number);
	fd = openat(directory, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0 || (bytes > 0 && write(fd, text, bytes) != (ssize_t)bytes) || close(fd) != 0)
		die(name);
}

int main(int argc, char **argv)
{
	unsigned long files = argc >= 4 ? strtoul(argv[2], NULL, 10) : 0;
	size_t bytes = argc >= 4 ? strtoul(argv[3], NULL, 10) : 0;
	unsigned long together = argc == 5 ? strtoul(argv[4], NULL, 10) : FILES_IN_DIRECTORY;
	int directory = -1;
	uint64_t began;

	if (files == 0 || together == 0 || bytes > BYTES_MAX) {
		fprintf(stderr,
			"usage: bench_create DIRECTORY FILES BYTES (at most %d) [FILES-IN-A-DIRECTORY]\n",
			BYTES_MAX);
		return 2;
	}
	if (chdir(argv[1]) != 0)
		die(argv[1]);
	began = monotonic_ns();
	for (unsigned long i = 0; i < files; i++) {
		if (i % together == 0) {
			if (directory >= 0)
				close(directory);
			directory = new_directory(i / together);
		}
		new_file(directory, i, bytes);
	}
	printf("%" PRIu64 " %" PRIu64 "\n", began, monotonic_ns());
	close(directory);
	return 0;
}
