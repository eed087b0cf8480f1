#include "watcher/ignored.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watcher/backend.h"

enum { OPEN_DIR = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

int ignored_set(struct ignored *i, const char *path, size_t len)
{
	ignored_deinit(i);
	i->path = strndup(path, len);
	return i->path == NULL ? -ENOMEM : 0;
}

static void ignore_below(struct backend *b, DIR *dir)
{
	const struct dirent *e;

	while ((e = readdir(dir)) != NULL) {
		int fd;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		fd = openat(dirfd(dir), e->d_name, OPEN_DIR);
		if (fd < 0)
			continue;
		b->ops->ignore(b, fd);
		close(fd);
	}
}

void ignored_apply(const struct ignored *i, struct backend *b)
{
	int fd = i->path == NULL || b->ops->ignore == NULL ? -1 : open(i->path, OPEN_DIR);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct stat st;

	if (dir != NULL && fstat(fd, &st) == 0 && st.st_dev == b->device && b->ops->ignore(b, fd) == 0)
		ignore_below(b, dir);
	if (dir != NULL)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
}

void ignored_deinit(struct ignored *i)
{
	free(i->path);
	i->path = NULL;
}
