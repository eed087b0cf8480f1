#include "watcher/tree_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int reserve(struct tree_walk *w, size_t depth)
{
	struct tree_node **path;

	if (depth <= w->room)
		return 0;
	path = realloc(w->path, depth * 2 * sizeof(struct tree_node *));
	if (path == NULL)
		return -ENOMEM;
	w->path = path;
	w->room = depth * 2;
	return 0;
}

static int descend(struct tree_walk *w, struct watch_drive *d, struct tree_node *n, int depth)
{
	int fd = watch_drive_fd(d);

	if (fd >= 0)
		fd = openat(fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	else
		return fd;
	for (int i = depth; i > 0; i--, n = n->parent)
		w->path[i - 1] = n;
	for (int i = 0; fd >= 0 && i < depth; i++) {
		int next = openat(fd, w->path[i]->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int error = errno;

		close(fd);
		fd = next;
		errno = error;
	}
	return fd < 0 ? -errno : fd;
}

int tree_walk_open(struct tree_walk *w, const struct inotify_tree *t, struct watch_drive *d,
		   struct tree_node *n)
{
	int depth = inotify_tree_depth(t, n), fd, r;
	struct file_id id;

	if (depth < 0)
		return -ESTALE;
	r = reserve(w, (size_t)depth + 1);
	if (r != 0)
		return r;
	fd = descend(w, d, n, depth);
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return -ESTALE;
	if (fd < 0)
		return fd;
	r = entry_id_of_fd(fd, &d->rule, &id);
	if (r == 0 && !file_id_equal(&id, &n->id))
		r = -ESTALE;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

int tree_walk_readable(int path_fd)
{
	int fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : fd;

	close(path_fd);
	return r;
}

void tree_walk_deinit(struct tree_walk *w)
{
	free(w->path);
	*w = (struct tree_walk){0};
}
