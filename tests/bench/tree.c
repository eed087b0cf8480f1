/* tree: many empty files in a tree two directories deep, as fast as one process can make them.
 *
 *     bench_tree DIRECTORY FILES
 *
 * Ten files to a directory, a hundred directories to a group of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bench/sample.h"

enum { FILES_IN_DIRECTORY = 10, DIRECTORIES_IN_GROUP = 100 };

static int new_directory(int parent, unsigned long number)
{
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "d%lu", number);
	if (mkdirat(parent, name, 0755) != 0)
		die(name);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		die(name);
	return fd;
}

static void new_files(int directory, unsigned long first, unsigned long end)
{
	for (unsigned long i = first; i < end; i++) {
		char name[32];
		int fd;

		snprintf(name, sizeof(name), "f%lu", i);
		fd = openat(directory, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
		if (fd < 0)
			die(name);
		close(fd);
	}
}

static void fill_group(int group, unsigned long first, unsigned long end)
{
	for (unsigned long i = first; i < end; i += FILES_IN_DIRECTORY) {
		int directory = new_directory(group, i / FILES_IN_DIRECTORY);

		new_files(directory, i, i + FILES_IN_DIRECTORY < end ? i + FILES_IN_DIRECTORY : end);
		close(directory);
	}
}

int main(int argc, char **argv)
{
	unsigned long files = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	unsigned long together = FILES_IN_DIRECTORY * DIRECTORIES_IN_GROUP;
	int top;

	if (files == 0) {
		fprintf(stderr, "usage: bench_tree DIRECTORY FILES\n");
		return 2;
	}
	top = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		die(argv[1]);
	for (unsigned long i = 0; i < files; i += together) {
		int group = new_directory(top, i / together);

		fill_group(group, i, i + together < files ? i + together : files);
		close(group);
	}
	close(top);
	return 0;
}
