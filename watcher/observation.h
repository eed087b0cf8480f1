/* observation: what a watcher process tells the daemon, and what the daemon asks of it.
 *
 * Observations are facts with identity, not kernel events: "under directory D the name N now is this", "… is
 * gone". They travel over one SOCK_STREAM socketpair per watcher as frames, in the order in which the watcher
 * looked: a later observation of a name is always the fresher one.  A frame is u32 length of the whole frame
 * | u8 version | u8 type | u16 drive | body       (all little endian) and is refused (-EPROTO) when any
 * length, number or reserved bit in it is not as described here; the peer is then ended, since both sides are
 * the same binary.  Encoding and decoding do no I/O.
 *
 * The drive number is the one that the daemon gave in its REQUEST_DRIVE; request numbers are the daemon's too
 * and come back in the answers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watcher/file_id.h"

enum { OBSERVATION_VERSION = 2, OBSERVATION_FRAME_MAX = 16384, VOLUME_BYTES = 16 };

enum entry_kind { ENTRY_FILE = 1, ENTRY_DIR = 2, ENTRY_SYMLINK = 3 };

/* Seconds may lie before 1970 or after 2262: 64-bit nanoseconds would not hold what ext4 and xfs can store.
 */
struct entry_time {
	int64_t seconds;
	uint32_t nanoseconds;
};

struct entry_state {
	enum entry_kind kind;
	bool mount;    /* another file system is mounted on it: its content is not seen */
	uint16_t mode; /* the bits 07777 */
	uint32_t uid, gid, links;
	uint64_t size;                         /* bytes; of a symlink the length of its target */
	struct entry_time mtime, ctime, birth; /* birth is 0 where the file system has none, and of a
						* file that is too young for its inode number and birth time
						* to tell it from the next one: see entry.c */
};

enum observation_type {
	OBSERVED_READY = 1,      /* the drive is watched from here on; first observation of each drive */
	OBSERVED_ENTRY = 2,      /* dir/name is `state` with identity `id` (and `target`) */
	OBSERVED_GONE = 3,       /* dir/name does not exist; dir itself was there and readable */
	OBSERVED_SCAN_BEGIN = 4, /* answer to REQUEST_SCAN: ENTRYs of `dir` follow … */
	OBSERVED_SCAN_END =
		5, /* … and here they end; `error` 0, -ENOSPC: the list is complete, but what changes in
		    * `dir` from now on is not seen, or other -errno: it is not complete */
	OBSERVED_LOOKED = 6, /* answer to REQUEST_LOOK, after its ENTRY or GONE; `error` -errno: it could not
			      * be looked at, nothing is known (-ESTALE: dir itself is gone) */
	OBSERVED_BATCH_END =
		7, /* what was gathered in one wake-up ends here: both sides of a rename are in one batch */
	OBSERVED_BARRIER =
		8, /* answer to REQUEST_BARRIER: all done before the request was read has been observed */
	OBSERVED_OVERFLOW = 9, /* events of this drive (0: of all of this watcher's) were lost: reconcile */
	OBSERVED_ROOT_GONE =
		10, /* the drive's root is deleted, unmounted or replaced; `error` says how it showed */
	OBSERVED_FAILED = 11, /* this drive cannot be watched: `error` and `text`; no READY comes */
	OBSERVED_FILE = 12,   /* fanotify: the file `id`, changed under a name that it has no more, is `state`
			       * under its others, if the drive has any */
	OBSERVED_UNWATCHED = 13, /* not all directories of the drive could be watched: -ENOSPC and `text`;
				  * scans try again; 0: now they all are */
	OBSERVED_REMOUNT =
		14, /* the mounts of this machine changed: a drive that failed or went may be there now */
	OBSERVED_MOUNTS = 15, /* `count` other file systems are mounted inside the drive, `text` is the path
			       * of one of them; after READY, and when that changes */
	OBSERVED_GAUGES = 16, /* at the worst `queue_bytes` of events waited in the last second, and the
			       * oldest no longer than `lag_ms`; zeros: nothing does any more */
};

/* Flags of an ENTRY; a GONE may have CLOSED: the file that went was closed by its writer before. */
enum {
	OBSERVED_FRESH =
		1 << 0, /* a dir whose creation this watcher saw: empty then, all since is observed */
	OBSERVED_RENAMED = 1 << 1, /* the kernel said that this name arrived by a rename */
	OBSERVED_WRITING = 1 << 2, /* written to, and not closed by that writer yet */
	OBSERVED_CLOSED = 1 << 3,  /* a writer closed it */
	OBSERVED_LISTED = 1 << 4,  /* part of a scan; else of an event or a look */
	OBSERVED_CREATED = 1 << 5, /* inotify: the kernel said that this name was created; with a weak id only
				    * this tells that a dir is another one than before */
	OBSERVED_BRIEF = 1 << 6, /* listed for SCAN_KNOWN: `id` is inode and birth time alone, while what else
				  * is told of this file has its handle */
};

/* Flags of a READY. */
enum {
	WATCH_WEAK_IDS = 1 << 0,     /* ids on this file system are weak */
	WATCH_WEAK_BARRIER = 1 << 1, /* changes may be seen late (FUSE, network): a barrier is best effort */
};

enum watch_backend {
	WATCH_AUTO = 0,
	WATCH_FANOTIFY = 1,
	WATCH_INOTIFY = 2,
	WATCH_POLL = 3, /* no events come: who wants to know what changed scans */
};

const char *watch_backend_name(enum watch_backend b); /* "auto", "fanotify", … */

struct observation {
	enum observation_type type;
	uint16_t drive; /* 0 in BATCH_END, BARRIER and REMOUNT, and in an OVERFLOW that concerns all */
	uint16_t flags;
	uint32_t request;           /* SCAN_*, LOOKED, BARRIER */
	int32_t error;              /* 0 or -errno */
	enum watch_backend backend; /* READY */
	struct file_id dir;         /* ENTRY, GONE, SCAN_*, LOOKED */
	struct file_id id;          /* ENTRY, FILE; READY: the root's */
	struct entry_state state;   /* ENTRY, FILE; READY: the root's */
	const char
		*name; /* ENTRY, GONE, LOOKED: 1 to 255 bytes, no NUL and no '/'; borrowed from the buffer */
	size_t name_len;
	const char *target; /* ENTRY of a symlink: 0 to 4095 bytes */
	size_t target_len;
	const char *text; /* READY: file system type, and why not fanotify; FAILED: the reason; UNWATCHED:
			   * what to do; for people */
	size_t text_len;
	uint32_t count;       /* MOUNTS */
	uint64_t queue_bytes; /* GAUGES */
	uint32_t lag_ms;
	bool has_volume; /* READY: `volume` is the UUID of the file system that the root lies on */
	uint8_t volume[VOLUME_BYTES];
};

enum request_type {
	REQUEST_DRIVE = 1, /* watch this too: `drive`, `backend`, `path` (absolute); sent before anything else
			      of it */
	REQUEST_SCAN = 2,  /* list one directory, not those below it: `drive`, `flags`, `request`, `dir` */
	REQUEST_LOOK = 3,  /* look at one name afresh: `drive`, `request`, `dir`, `name` */
	REQUEST_BARRIER = 4, /* `request` */
	REQUEST_IGNORE = 5,  /* what happens in the directory `path`, and in those right below it, is to raise
			      * no events: it is the daemon's own; sent before any drive */
};

/* Flags of a SCAN. */
enum {
	SCAN_IDLE = 1 << 0,  /* at idle I/O priority: others come first */
	SCAN_KNOWN = 1 << 1, /* most of what is there is known already: files may come BRIEF, which costs less
			      */
};

struct watch_request {
	enum request_type type;
	uint16_t drive;
	uint16_t flags; /* SCAN */
	uint32_t request;
	enum watch_backend backend;
	struct file_id dir;
	const char *name; /* LOOK: the name; DRIVE, IGNORE: the path; borrowed */
	size_t name_len;
};

/* Append one frame to a buffer of `room` bytes.  Returns its length, or -ENOBUFS when it does not fit (a
 * frame never exceeds OBSERVATION_FRAME_MAX). */
int observation_encode(const struct observation *o, uint8_t *buf, size_t room);
int watch_request_encode(const struct watch_request *r, uint8_t *buf, size_t room);
/* Read one frame from the start of buf.  Returns its length, 0 when more bytes are needed, -EPROTO when it is
 * malformed. What *out points to lies in buf. */
int observation_decode(struct observation *out, const uint8_t *buf, size_t len);
int watch_request_decode(struct watch_request *out, const uint8_t *buf, size_t len);
