/* helper_message: what the daemon asks of a file helper, and what it answers.
 *
 * A file helper (helper.h) serves one drive over one SOCK_STREAM socketpair.  A frame is
 *     u32 length of the whole frame | u8 version | u8 type | u16 0 | u32 request | body    (little endian)
 * and is refused (-EPROTO) when any length, number or reserved bit in it is not as described here; the peer
 * is then ended, since both sides are the same binary.  Every request has a number of the daemon's, which
 * comes back in its one answer; answers come in any order.  Staging and applying will be further types,
 * descriptors will travel beside their frames.  Encoding and decoding do no I/O. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watcher/file_id.h"
#include "watcher/observation.h"

enum { HELPER_VERSION = 1, HELPER_FRAME_MAX = 16384, HELPER_PATH_MAX = 16000, HELPER_HASH_BYTES = 32 };

enum helper_request_type {
	HELPER_OPEN = 1,   /* serve the drive at `path` (absolute), whose root is `id`; sent first, and again
			      whenever   the drive came back.  Answer: OPENED */
	HELPER_EPOCH = 2,  /* make `.wakeline/epoch` hold `epoch`.  Answer: DONE */
	HELPER_PROBE = 3,  /* touch `.wakeline/probe`, then `.wakeline` itself.  Answer: PROBED */
	HELPER_HASH = 4,   /* SHA-256 of the file at `path` (relative), as long as it is `id` with `size`,
			      `mtime` and   `ctime`.  Answer: HASHED */
	HELPER_CANCEL = 5, /* the hash with this number is not needed any more.  No answer, nor to the HASH if
			    * it had none yet */
};

/* Flags of a request. */
enum {
	HELPER_READ_ONLY = 1 << 0, /* OPEN: make and write nothing */
	HELPER_IDLE = 1 << 1,      /* HASH: nobody waits; after all others, at idle I/O priority */
};

struct helper_request {
	enum helper_request_type type;
	uint32_t request;
	uint8_t flags; /* OPEN, HASH */
	uint64_t epoch;
	struct file_id id;
	uint64_t size;
	struct entry_time mtime, ctime;
	const char *path; /* borrowed; no NUL in it */
	size_t path_len;
};

enum helper_answer_type {
	HELPER_OPENED =
		1, /* `error`: the root cannot be opened, or is another (-ESTALE); else `flags`, `epoch` (0:
		    * none was found), and the id of `.wakeline` where it can be written */
	HELPER_DONE = 2,   /* `error` */
	HELPER_PROBED = 3, /* `error`, id of `.wakeline` */
	HELPER_HASHED = 4, /* `error`, `hash`; -ESTALE: it is another file, or it changed meanwhile */
};

/* Flags of OPENED. */
enum {
	HELPER_WRITABLE = 1 << 0,  /* `.wakeline` is there and can be written */
	HELPER_MALFORMED = 1 << 1, /* `.wakeline/epoch` holds something else than an epoch */
};

struct helper_answer {
	enum helper_answer_type type;
	uint32_t request;
	int32_t error; /* 0 or -errno */
	uint8_t flags;
	uint64_t epoch;
	struct file_id id;
	uint8_t hash[HELPER_HASH_BYTES];
};

/* Append one frame to a buffer of `room` bytes.  Returns its length, or -ENOBUFS when it does not fit (a
 * frame never exceeds HELPER_FRAME_MAX). */
int helper_request_encode(const struct helper_request *q, uint8_t *buf, size_t room);
int helper_answer_encode(const struct helper_answer *a, uint8_t *buf, size_t room);
/* Read one frame from the start of buf.  Returns its length, 0 when more bytes are needed, -EPROTO when it is
 * malformed.  What *out points to lies in buf. */
int helper_request_decode(struct helper_request *out, const uint8_t *buf, size_t len);
int helper_answer_decode(struct helper_answer *out, const uint8_t *buf, size_t len);
