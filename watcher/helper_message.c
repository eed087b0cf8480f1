#include "watcher/helper_message.h"

#include <errno.h>
#include <string.h>

#include "watcher/wire.h"

enum { HEADER_LEN = 12, ERRNO_MAX = 4095, NANOSECONDS = 1000000000 };

/* What each type carries, in this order. */
enum {
	HAS_FLAGS = 1 << 0,
	HAS_ERROR = 1 << 1,
	HAS_EPOCH = 1 << 2,
	HAS_ID = 1 << 3,
	HAS_STATE = 1 << 4,
	HAS_PATH = 1 << 5,
	HAS_HASH = 1 << 6,
	HAS_NO_ID = 1 << 7, /* the id may be missing */
	NO_TYPE = 1 << 8,
};

static const uint16_t request_parts[] = {
	[0] = NO_TYPE,
	[HELPER_OPEN] = HAS_FLAGS | HAS_ID | HAS_PATH,
	[HELPER_EPOCH] = HAS_EPOCH,
	[HELPER_PROBE] = 0,
	[HELPER_HASH] = HAS_FLAGS | HAS_ID | HAS_STATE | HAS_PATH,
	[HELPER_CANCEL] = 0,
};

static const uint16_t answer_parts[] = {
	[0] = NO_TYPE,
	[HELPER_OPENED] = HAS_FLAGS | HAS_ERROR | HAS_EPOCH | HAS_ID | HAS_NO_ID,
	[HELPER_DONE] = HAS_ERROR,
	[HELPER_PROBED] = HAS_ERROR | HAS_ID | HAS_NO_ID,
	[HELPER_HASHED] = HAS_ERROR | HAS_HASH,
};

static unsigned parts_of(const uint16_t *parts, size_t size, unsigned type)
{
	return type < size / sizeof(*parts) ? parts[type] : NO_TYPE;
}

static void put_time(struct wire_writer *w, const struct entry_time *t)
{
	wire_put(w, (uint64_t)t->seconds, 8);
	wire_put(w, t->nanoseconds, 4);
}

static void get_time(struct wire_reader *r, struct entry_time *t)
{
	t->seconds = (int64_t)wire_get(r, 8);
	t->nanoseconds = (uint32_t)wire_get(r, 4);
	if (t->nanoseconds >= NANOSECONDS)
		r->failed = true;
}

static void put_id(struct wire_writer *w, const struct file_id *id)
{
	wire_put(w, id->len, 1);
	wire_put_bytes(w, id->bytes, id->len);
}

static void get_id(struct wire_reader *r, struct file_id *id, bool may_be_none)
{
	unsigned len = (unsigned)wire_get(r, 1);
	const uint8_t *bytes;

	if (len > FILE_ID_MAX || (len < 9 && !(len == 0 && may_be_none))) {
		r->failed = true;
		return;
	}
	bytes = wire_get_bytes(r, len);
	if (r->failed)
		return;
	id->len = (uint8_t)len;
	if (len > 0)
		memcpy(id->bytes, bytes, len);
	if (len > 0 && id->bytes[8] > FILE_ID_HANDLE)
		r->failed = true;
}

static void get_path(struct wire_reader *r, struct helper_request *q)
{
	q->path_len = (size_t)wire_get(r, 2);
	if (q->path_len == 0 || q->path_len > HELPER_PATH_MAX)
		r->failed = true;
	q->path = (const char *)wire_get_bytes(r, q->path_len);
	if (r->failed)
		return;
	if (memchr(q->path, 0, q->path_len) != NULL || (q->path[0] == '/') != (q->type == HELPER_OPEN))
		r->failed = true;
}

static void get_error(struct wire_reader *r, int32_t *error)
{
	*error = (int32_t)(uint32_t)wire_get(r, 4);
	if (*error > 0 || *error < -ERRNO_MAX)
		r->failed = true;
}

static void begin_frame(struct wire_writer *w, uint8_t *buf, size_t room, unsigned type, uint32_t request)
{
	*w = (struct wire_writer){.at = buf,
				  .end = buf + (room < HELPER_FRAME_MAX ? room : HELPER_FRAME_MAX)};
	wire_put(w, 0, 4);
	wire_put(w, HELPER_VERSION, 1);
	wire_put(w, type, 1);
	wire_put(w, 0, 2);
	wire_put(w, request, 4);
}

static int end_frame(struct wire_writer *w, uint8_t *buf)
{
	size_t len = (size_t)(w->at - buf);
	struct wire_writer head = {.at = buf, .end = buf + 4};

	if (w->failed)
		return -ENOBUFS;
	wire_put(&head, len, 4);
	return (int)len;
}

/* Returns the frame's length and leaves r at its body; 0: more bytes are needed. */
static int open_frame(struct wire_reader *r, const uint8_t *buf, size_t len, unsigned *type,
		      uint32_t *request)
{
	uint64_t frame;

	*r = (struct wire_reader){.at = buf, .end = buf + len};
	if (len < 4)
		return 0;
	frame = wire_get(r, 4);
	if (frame < HEADER_LEN || frame > HELPER_FRAME_MAX || (len > 4 && buf[4] != HELPER_VERSION))
		return -EPROTO;
	if (len < frame)
		return 0;
	r->end = buf + frame;
	r->at++;
	*type = (unsigned)wire_get(r, 1);
	if (wire_get(r, 2) != 0)
		return -EPROTO;
	*request = (uint32_t)wire_get(r, 4);
	return (int)frame;
}

int helper_request_encode(const struct helper_request *q, uint8_t *buf, size_t room)
{
	unsigned has = request_parts[q->type];
	struct wire_writer w;

	if (q->path_len > HELPER_PATH_MAX)
		return -ENOBUFS;
	begin_frame(&w, buf, room, q->type, q->request);
	if (has & HAS_FLAGS)
		wire_put(&w, q->flags, 1);
	if (has & HAS_EPOCH)
		wire_put(&w, q->epoch, 8);
	if (has & HAS_ID)
		put_id(&w, &q->id);
	if (has & HAS_STATE) {
		wire_put(&w, q->size, 8);
		put_time(&w, &q->mtime);
		put_time(&w, &q->ctime);
	}
	if (has & HAS_PATH) {
		wire_put(&w, q->path_len, 2);
		wire_put_bytes(&w, q->path, q->path_len);
	}
	return end_frame(&w, buf);
}

static void get_request(struct wire_reader *r, struct helper_request *q, unsigned has)
{
	if (has & HAS_FLAGS) {
		q->flags = (uint8_t)wire_get(r, 1);
		if (q->flags & ~(q->type == HELPER_OPEN ? HELPER_READ_ONLY : HELPER_IDLE))
			r->failed = true;
	}
	if (has & HAS_EPOCH)
		q->epoch = wire_get(r, 8);
	if (has & HAS_ID)
		get_id(r, &q->id, false);
	if (has & HAS_STATE) {
		q->size = wire_get(r, 8);
		get_time(r, &q->mtime);
		get_time(r, &q->ctime);
	}
	if (has & HAS_PATH)
		get_path(r, q);
}

int helper_request_decode(struct helper_request *out, const uint8_t *buf, size_t len)
{
	struct wire_reader r;
	unsigned type = 0, has;
	int frame;

	memset(out, 0, sizeof(*out));
	frame = open_frame(&r, buf, len, &type, &out->request);
	if (frame <= 0)
		return frame;
	has = parts_of(request_parts, sizeof(request_parts), type);
	if (has == NO_TYPE)
		return -EPROTO;
	out->type = (enum helper_request_type)type;
	get_request(&r, out, has);
	return r.failed || r.at != r.end ? -EPROTO : frame;
}

int helper_answer_encode(const struct helper_answer *a, uint8_t *buf, size_t room)
{
	unsigned has = answer_parts[a->type];
	struct wire_writer w;

	begin_frame(&w, buf, room, a->type, a->request);
	if (has & HAS_FLAGS)
		wire_put(&w, a->flags, 1);
	if (has & HAS_ERROR)
		wire_put(&w, (uint32_t)a->error, 4);
	if (has & HAS_EPOCH)
		wire_put(&w, a->epoch, 8);
	if (has & HAS_ID)
		put_id(&w, &a->id);
	if (has & HAS_HASH)
		wire_put_bytes(&w, a->hash, sizeof(a->hash));
	return end_frame(&w, buf);
}

static void get_answer(struct wire_reader *r, struct helper_answer *a, unsigned has)
{
	const uint8_t *hash;

	if (has & HAS_FLAGS) {
		a->flags = (uint8_t)wire_get(r, 1);
		if (a->flags & ~(HELPER_WRITABLE | HELPER_MALFORMED))
			r->failed = true;
	}
	if (has & HAS_ERROR)
		get_error(r, &a->error);
	if (has & HAS_EPOCH)
		a->epoch = wire_get(r, 8);
	if (has & HAS_ID)
		get_id(r, &a->id, (has & HAS_NO_ID) != 0);
	if (has & HAS_HASH) {
		hash = wire_get_bytes(r, sizeof(a->hash));
		if (!r->failed)
			memcpy(a->hash, hash, sizeof(a->hash));
	}
}

int helper_answer_decode(struct helper_answer *out, const uint8_t *buf, size_t len)
{
	struct wire_reader r;
	unsigned type = 0, has;
	int frame;

	memset(out, 0, sizeof(*out));
	frame = open_frame(&r, buf, len, &type, &out->request);
	if (frame <= 0)
		return frame;
	has = parts_of(answer_parts, sizeof(answer_parts), type);
	if (has == NO_TYPE)
		return -EPROTO;
	out->type = (enum helper_answer_type)type;
	get_answer(&r, out, has);
	return r.failed || r.at != r.end ? -EPROTO : frame;
}
