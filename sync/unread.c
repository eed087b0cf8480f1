/* unread: the directories that could not be read, as far as people want to know: the first one's path, how
 * many there are, and why. */
#include "sync/engine_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Put a name in front; false: there is no more room. */
static bool prepend(char *path, size_t *at, const char *name, size_t len)
{
	if (len + 1 > *at)
		return false;
	if (path[*at] != '\0')
		path[--*at] = '/';
	*at -= len;
	memcpy(path + *at, name, len);
	return true;
}

/* What does not fit is left out at the front, where a reader misses it least. */
static void make_path(struct store_txn *txn, uint64_t node, char out[UNREAD_PATH_MAX])
{
	char path[UNREAD_PATH_MAX] = "";
	size_t at = sizeof(path) - 1;
	struct index_node n;
	bool whole = true;

	while (whole && index_get(txn, node, &n) == 0 && n.parent != 0) {
		whole = prepend(path, &at, n.name, n.name_len);
		node = n.parent;
	}
	snprintf(out, UNREAD_PATH_MAX, "%s", path + at);
}

/* It goes into messages, which are one line of UTF-8. */
static void make_printable(char *path)
{
	bool utf8 = utf8_valid(path, strlen(path));

	for (; *path != '\0'; path++) {
		unsigned char c = (unsigned char)*path;

		if (c < ' ' || c == 0x7f || (c > 0x7f && !utf8))
			*path = '?';
	}
}

void unread_note(struct unread *u, struct store_txn *txn, uint64_t node, int error)
{
	if (u->count++ > 0)
		return;
	u->error = error;
	make_path(txn, node, u->path);
	make_printable(u->path);
}

/* "album/closed and 2 more directories (Permission denied)" */
static void say_which(const struct unread *u, int error, char *out, size_t room)
{
	const char *why = strerror(u->count > 0 ? -u->error : -error);
	const char *path = u->path[0] != '\0' ? u->path : "the root";

	if (u->count == 0)
		snprintf(out, room, "something (%s)", why);
	else if (u->count == 1)
		snprintf(out, room, "%s (%s)", path, why);
	else
		snprintf(out, room, "%s and %llu more director%s (%s)", path,
			 (unsigned long long)(u->count - 1), u->count == 2 ? "y" : "ies", why);
}

void unread_explain(const struct unread *u, int error, char out[UNREAD_TEXT_MAX])
{
	char which[UNREAD_PATH_MAX + 64];

	say_which(u, error, which, sizeof(which));
	if (error == -ENOSPC)
		snprintf(out, UNREAD_TEXT_MAX,
			 "cannot watch %s: raise the sysctl fs.inotify.max_user_watches, then trigger a run",
			 which);
	else if (error == -EACCES) /* sync/closed.c */
		snprintf(out, UNREAD_TEXT_MAX, "cannot read %s: it is read as soon as its rights allow it",
			 which);
	else
		snprintf(out, UNREAD_TEXT_MAX, "cannot read %s: mend that, then trigger a run", which);
}
