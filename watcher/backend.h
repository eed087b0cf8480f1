/* backend: one source of kernel events inside a watcher process, and the directories it can open.
 *
 * A fanotify group serves all drives of one file system, an inotify or poll instance serves one drive.
 * Nothing above this header knows which it is. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "watcher/channel.h"
#include "watcher/drive.h"
#include "watcher/gauge.h"

enum open_purpose {
	OPEN_TO_LOOK, /* any descriptor under which names can be looked at */
	OPEN_TO_SCAN, /* one that can be listed */
};

enum backend_answer { BACKEND_UNWATCHED = 1 };

struct backend {
	TAILQ_ENTRY(backend) link;
	const struct backend_ops *ops;
	enum watch_backend kind;
	uint64_t device;    /* file system that a fanotify group is for */
	int fd;             /* readable when there are events */
	size_t ahead_bytes; /* of events that it has read already and not told of, as FIONREAD counts them */
	unsigned drives;    /* how many it serves; 0: it can be freed */
	bool unsettled;     /* names wait for what a scan may bring: read() also when there are no events */
	bool quiet; /* the next read() comes because nothing happened for a while; read() clears this */
	bool found; /* a directory that was nowhere was seen again: the process retries and clears this */
	bool check; /* a root may have gone: the process looks and clears this */
	struct gauge gauge;      /* the process's */
	struct channel *channel; /* borrowed */
	const struct watch_drive_list
		*all; /* borrowed: the process's drives; those with ->backend == this are ours */
};
TAILQ_HEAD(backend_list, backend);

struct backend_ops {
	/* Watch d from here on.  -errno: this backend cannot; *why then says so for people. */
	int (*add)(struct backend *b, struct watch_drive *d, const char **why);
	void (*remove)(struct backend *b, struct watch_drive *d);
	/* A descriptor of the directory with this id, for the caller to close.  -ESTALE: it is gone. -EAGAIN:
	 * it is being moved, and will be found or gone soon.  -EBUSY: it cannot be reached. */
	int (*open_dir)(struct backend *b, struct watch_drive *d, const struct file_id *dir,
			enum open_purpose purpose);
	/* From now on see changes in that directory, open as fd; list it only afterwards.
	 * BACKEND_UNWATCHED: they will not be seen, since the kernel allows no more watches; the backend
	 * emits UNWATCHED for the drive. */
	int (*watch_dir)(struct backend *b, struct watch_drive *d, const struct file_id *dir, int fd);
	/* A look or a scan found this ENTRY or GONE, and emits it now. */
	void (*saw)(struct backend *b, struct watch_drive *d, const struct observation *o);
	/* Take one bounded batch of events, look at what they name, emit it with a BATCH_END.  Returns the
	 * bytes of events read, counted as FIONREAD counts those that wait, 0: there were none, -errno: this
	 * backend is broken. */
	ssize_t (*read)(struct backend *b);
	/* Does the kernel still watch this drive?  Asked after mounts changed. */
	bool (*alive)(struct backend *b, struct watch_drive *d);
	/* Directories of d became mount points or ceased to be: what was remembered of where others lie may
	 * be wrong.  NULL: nothing is remembered. */
	void (*mounts_changed)(struct backend *b, struct watch_drive *d);
	/* What happens in that directory is to raise no events.  NULL: it would raise none.  0 or -errno. */
	int (*ignore)(struct backend *b, int dir_fd);
	void (*free)(struct backend *b);
};

/* -errno: the kernel has none for us; *why says so for people.  The poll backend has no descriptor (-1) and
 * tells nothing by itself: who asks for scans learns what changed. */
int fanotify_backend_new(struct backend **out, struct channel *channel, const struct watch_drive_list *drives,
			 const char **why);
int inotify_backend_new(struct backend **out, struct channel *channel, const struct watch_drive_list *drives,
			const char **why);
int poll_backend_new(struct backend **out, struct channel *channel, const struct watch_drive_list *drives,
		     const char **why);
