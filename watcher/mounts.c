/* Only what is mounted right on the drive counts: its parent in the table is the mount that the root lies on.
 * What is mounted on that again is none of ours. */
#include "watcher/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "watcher/drive.h"

void mounts_clear(struct nested_mounts *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->at[i].path);
	free(m->at);
	*m = (struct nested_mounts){0};
}

/* The table writes space, tab, newline and backslash as three octal digits. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s != 0; s++, to++) {
		if (s[0] == '\\' && s[1] != 0 && s[2] != 0 && s[3] != 0) {
			*to = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 3;
		} else {
			*to = *s;
		}
	}
	*to = 0;
}

/* A line of mountinfo is "id parent dev root point options …".  Returns its point, or NULL. */
static char *parse_line(char *line, uint64_t *mount, uint64_t *parent)
{
	char *at = line, *point;

	*mount = strtoull(at, &at, 10);
	*parent = strtoull(at, &at, 10);
	for (int i = 0; i < 2 && at != NULL; i++)
		at = strchr(at + 1, ' ');
	if (at == NULL)
		return NULL;
	point = at + 1;
	point[strcspn(point, " \n")] = 0;
	unescape(point);
	return point;
}

/* What remains of `point` below `root`, or NULL. */
static const char *path_below(const char *root, const char *point)
{
	size_t len = strlen(root);

	if (strcmp(root, "/") == 0)
		len = 0;
	return strncmp(point, root, len) == 0 && point[len] == '/' && point[len + 1] != 0 ? point + len + 1
											  : NULL;
}

static int add(struct nested_mounts *m, uint64_t mount, const char *path)
{
	struct nested_mount *grown = realloc(m->at, (m->count + 1) * sizeof(*grown));

	if (grown == NULL)
		return -ENOMEM;
	m->at = grown;
	grown[m->count] = (struct nested_mount){.mount = mount, .path = strdup(path)};
	return grown[m->count].path == NULL ? -ENOMEM : (m->count++, 0);
}

static int read_table(FILE *f, uint64_t own_mount, const char *root, struct nested_mounts *out)
{
	char *line = NULL;
	size_t size = 0;
	int r = 0;

	while (r == 0 && getline(&line, &size, f) > 0) {
		uint64_t mount, parent;
		const char *point = parse_line(line, &mount, &parent);
		const char *below = point == NULL || parent != own_mount ? NULL : path_below(root, point);

		if (below != NULL)
			r = add(out, mount, below);
	}
	if (r == 0 && ferror(f))
		r = -EIO;
	free(line);
	return r;
}

static int list(struct watch_drive *d, struct nested_mounts *out)
{
	char link[64], root[PATH_MAX];
	int fd = watch_drive_fd(d), r;
	ssize_t n;
	FILE *f;

	if (fd < 0)
		return fd;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, root, sizeof(root) - 1);
	if (n <= 0)
		return n < 0 ? -errno : -EIO;
	root[n] = 0;
	f = fopen("/proc/self/mountinfo", "re");
	if (f == NULL)
		return -errno;
	r = read_table(f, d->mount, root, out);
	fclose(f);
	return r;
}

static const char *name_of(const struct nested_mount *m)
{
	const char *slash = strrchr(m->path, '/');

	return slash == NULL ? m->path : slash + 1;
}

/* Where it lies.  What another mount hides is not found, and need not be: when that one goes, all below it is
 * listed. */
static void find_dir(struct watch_drive *d, struct nested_mount *m)
{
	const struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				     .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};
	const char *name = name_of(m);
	int root = watch_drive_fd(d), fd;
	char *parent;

	if (m->dir.len > 0 || root < 0)
		return;
	parent = name == m->path ? strdup(".") : strndup(m->path, (size_t)(name - m->path - 1));
	fd = parent == NULL ? -1 : (int)syscall(SYS_openat2, root, parent, &how, sizeof(how));
	if (fd >= 0 && entry_id_of_fd(fd, &d->rule, &m->dir) != 0)
		m->dir.len = 0;
	if (fd >= 0)
		close(fd);
	free(parent);
}

static struct nested_mount *find(struct nested_mounts *m, const struct nested_mount *like)
{
	for (size_t i = 0; i < m->count; i++) {
		if (!m->at[i].kept && m->at[i].mount == like->mount && strcmp(m->at[i].path, like->path) == 0)
			return &m->at[i];
	}
	return NULL;
}

static int tell(struct watch_drive *d, struct nested_mount *m, mounts_on_change *on_change, void *context)
{
	find_dir(d, m);
	if (on_change != NULL && m->dir.len > 0)
		on_change(context, d, &m->dir, name_of(m));
	return 1;
}

int mounts_refresh(struct watch_drive *d, mounts_on_change *on_change, void *context)
{
	struct nested_mounts now = {0}, before = d->nested;
	int r = list(d, &now), changes = 0;

	if (r != 0) {
		mounts_clear(&now);
		return r;
	}
	d->nested = now;
	for (size_t i = 0; i < now.count; i++) {
		struct nested_mount *same = find(&before, &now.at[i]);

		if (same == NULL) {
			changes += tell(d, &now.at[i], on_change, context);
			continue;
		}
		same->kept = true;
		now.at[i].dir = same->dir;
		find_dir(d, &now.at[i]);
	}
	for (size_t i = 0; i < before.count; i++) {
		if (!before.at[i].kept)
			changes += tell(d, &before.at[i], on_change, context);
	}
	mounts_clear(&before);
	return changes;
}
