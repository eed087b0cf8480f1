/* One table says which parts each type of frame has; encoder and decoder follow it in the same order, and a
 * decoded frame holds exactly these parts and not a byte more.  Parts, in order: flags u16 | backend u8 |
 * request u32 | error i32 | dir id | id id | state | name u16+bytes | target u16+bytes | text u16+bytes (an
 * id is u8 length + bytes) | volume u8 length (0 or 16) + bytes | count u32 | queue u64, lag u32 */
#include "watcher/observation.h"

#include <errno.h>

#include "watcher/wire.h"

enum {
	HAS_DRIVE = 1 << 0,
	HAS_FLAGS = 1 << 1,
	HAS_BACKEND = 1 << 2,
	HAS_REQUEST = 1 << 3,
	HAS_ERROR = 1 << 4,
	HAS_DIR = 1 << 5,
	HAS_ID = 1 << 6,
	HAS_STATE = 1 << 7,
	HAS_NAME = 1 << 8,
	HAS_TARGET = 1 << 9, /* of a symlink; there, empty, for every other kind too */
	HAS_TEXT = 1 << 10,
	HAS_VOLUME = 1 << 11,
	HAS_COUNT = 1 << 12,
	HAS_GAUGES = 1 << 13,
};

enum {
	HEADER_LEN = 8,
	NAME_MAX_BYTES = 255,
	PATH_MAX_BYTES = 4095,
	ERRNO_MAX = 4095,
	ENTRY_FLAGS = OBSERVED_FRESH | OBSERVED_RENAMED | OBSERVED_WRITING | OBSERVED_CLOSED |
		      OBSERVED_LISTED | OBSERVED_CREATED | OBSERVED_BRIEF,
	READY_FLAGS = WATCH_WEAK_IDS | WATCH_WEAK_BARRIER,
};

static const uint16_t observation_parts[] = {
	[OBSERVED_READY] = HAS_DRIVE | HAS_FLAGS | HAS_BACKEND | HAS_ID | HAS_STATE | HAS_TEXT | HAS_VOLUME,
	[OBSERVED_ENTRY] = HAS_DRIVE | HAS_FLAGS | HAS_DIR | HAS_ID | HAS_STATE | HAS_NAME | HAS_TARGET,
	[OBSERVED_GONE] = HAS_DRIVE | HAS_FLAGS | HAS_DIR | HAS_NAME,
	[OBSERVED_SCAN_BEGIN] = HAS_DRIVE | HAS_REQUEST | HAS_DIR,
	[OBSERVED_SCAN_END] = HAS_DRIVE | HAS_REQUEST | HAS_ERROR | HAS_DIR,
	[OBSERVED_LOOKED] = HAS_DRIVE | HAS_REQUEST | HAS_ERROR | HAS_DIR | HAS_NAME,
	[OBSERVED_BATCH_END] = 0,
	[OBSERVED_BARRIER] = HAS_REQUEST,
	[OBSERVED_OVERFLOW] = HAS_DRIVE,
	[OBSERVED_ROOT_GONE] = HAS_DRIVE | HAS_ERROR,
	[OBSERVED_FAILED] = HAS_DRIVE | HAS_ERROR | HAS_TEXT,
	[OBSERVED_FILE] = HAS_DRIVE | HAS_ID | HAS_STATE,
	[OBSERVED_REMOUNT] = 0,
	[OBSERVED_MOUNTS] = HAS_DRIVE | HAS_TEXT | HAS_COUNT,
	[OBSERVED_GAUGES] = HAS_DRIVE | HAS_GAUGES,
	[OBSERVED_UNWATCHED] = HAS_DRIVE | HAS_ERROR | HAS_TEXT,
};

static const uint16_t request_parts[] = {
	[REQUEST_DRIVE] = HAS_DRIVE | HAS_BACKEND | HAS_NAME,
	[REQUEST_SCAN] = HAS_DRIVE | HAS_FLAGS | HAS_REQUEST | HAS_DIR,
	[REQUEST_LOOK] = HAS_DRIVE | HAS_REQUEST | HAS_DIR | HAS_NAME,
	[REQUEST_BARRIER] = HAS_REQUEST,
	[REQUEST_IGNORE] = HAS_NAME,
};

static void put_id(struct wire_writer *w, const struct file_id *id)
{
	wire_put(w, id->len, 1);
	wire_put_bytes(w, id->bytes, id->len);
}

static void put_string(struct wire_writer *w, const char *s, size_t len)
{
	if (len > UINT16_MAX)
		w->failed = true;
	wire_put(w, len, 2);
	wire_put_bytes(w, s, len);
}

static void put_time(struct wire_writer *w, const struct entry_time *t)
{
	wire_put(w, (uint64_t)t->seconds, 8);
	wire_put(w, t->nanoseconds, 4);
}

static void put_volume(struct wire_writer *w, const struct observation *o)
{
	wire_put(w, o->has_volume ? VOLUME_BYTES : 0, 1);
	if (o->has_volume)
		wire_put_bytes(w, o->volume, VOLUME_BYTES);
}

static void put_state(struct wire_writer *w, const struct entry_state *s)
{
	wire_put(w, s->kind, 1);
	wire_put(w, s->mount, 1);
	wire_put(w, s->mode, 2);
	wire_put(w, s->uid, 4);
	wire_put(w, s->gid, 4);
	wire_put(w, s->links, 4);
	wire_put(w, s->size, 8);
	put_time(w, &s->mtime);
	put_time(w, &s->ctime);
	put_time(w, &s->birth);
}

static void get_id(struct wire_reader *r, struct file_id *id)
{
	const uint8_t *bytes;

	id->len = (uint8_t)wire_get(r, 1);
	if (id->len == 0 || id->len > FILE_ID_MAX)
		r->failed = true;
	bytes = wire_get_bytes(r, id->len);
	if (bytes != NULL)
		memcpy(id->bytes, bytes, id->len);
}

static void get_volume(struct wire_reader *r, struct observation *o)
{
	size_t len = wire_get(r, 1);
	const uint8_t *bytes;

	if (len != 0 && len != VOLUME_BYTES)
		r->failed = true;
	bytes = wire_get_bytes(r, len);
	o->has_volume = bytes != NULL && len != 0;
	if (o->has_volume)
		memcpy(o->volume, bytes, VOLUME_BYTES);
}

static void get_string(struct wire_reader *r, size_t min, size_t max, const char **s, size_t *len)
{
	*len = wire_get(r, 2);
	if (*len < min || *len > max)
		r->failed = true;
	*s = (const char *)wire_get_bytes(r, *len);
}

/* One component of a path, as the kernel takes it. */
static void get_name(struct wire_reader *r, const char **name, size_t *len)
{
	get_string(r, 1, NAME_MAX_BYTES, name, len);
	if (r->failed)
		return;
	if (memchr(*name, 0, *len) != NULL || memchr(*name, '/', *len) != NULL)
		r->failed = true;
	if (*len <= 2 && memcmp(*name, "..", *len) == 0)
		r->failed = true;
}

static void get_time(struct wire_reader *r, struct entry_time *t)
{
	t->seconds = (int64_t)wire_get(r, 8);
	t->nanoseconds = (uint32_t)wire_get(r, 4);
	if (t->nanoseconds >= 1000000000)
		r->failed = true;
}

static void get_state(struct wire_reader *r, struct entry_state *s)
{
	unsigned kind = (unsigned)wire_get(r, 1), mount = (unsigned)wire_get(r, 1);

	if (kind < ENTRY_FILE || kind > ENTRY_SYMLINK || mount > 1) {
		r->failed = true;
		return;
	}
	s->kind = (enum entry_kind)kind;
	s->mount = mount;
	s->mode = (uint16_t)wire_get(r, 2);
	if (s->mode > 07777)
		r->failed = true;
	s->uid = (uint32_t)wire_get(r, 4);
	s->gid = (uint32_t)wire_get(r, 4);
	s->links = (uint32_t)wire_get(r, 4);
	s->size = wire_get(r, 8);
	get_time(r, &s->mtime);
	get_time(r, &s->ctime);
	get_time(r, &s->birth);
}

static void get_error(struct wire_reader *r, int32_t *error)
{
	*error = (int32_t)(uint32_t)wire_get(r, 4);
	if (*error > 0 || *error < -ERRNO_MAX)
		r->failed = true;
}

static void get_backend(struct wire_reader *r, enum watch_backend *backend)
{
	unsigned value = (unsigned)wire_get(r, 1);

	if (value > WATCH_POLL)
		r->failed = true;
	else
		*backend = (enum watch_backend)value;
}

static void begin_frame(struct wire_writer *w, uint8_t *buf, size_t room, unsigned type, uint16_t drive)
{
	*w = (struct wire_writer){.at = buf,
				  .end = buf + (room < OBSERVATION_FRAME_MAX ? room : OBSERVATION_FRAME_MAX)};
	wire_put(w, 0, 4);
	wire_put(w, OBSERVATION_VERSION, 1);
	wire_put(w, type, 1);
	wire_put(w, drive, 2);
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
static int open_frame(struct wire_reader *r, const uint8_t *buf, size_t len, unsigned *type, uint16_t *drive)
{
	uint64_t frame;

	*r = (struct wire_reader){.at = buf, .end = buf + len};
	if (len < 4)
		return 0;
	frame = wire_get(r, 4);
	if (frame < HEADER_LEN || frame > OBSERVATION_FRAME_MAX)
		return -EPROTO;
	if (len > 4 && buf[4] != OBSERVATION_VERSION)
		return -EPROTO;
	if (len < frame)
		return 0;
	r->end = buf + frame;
	r->at++;
	*type = (unsigned)wire_get(r, 1);
	*drive = (uint16_t)wire_get(r, 2);
	return (int)frame;
}

static unsigned parts_of(const uint16_t *parts, size_t count, unsigned type)
{
	return type >= 1 && type < count ? parts[type] : UINT16_MAX;
}

int observation_encode(const struct observation *o, uint8_t *buf, size_t room)
{
	unsigned has = observation_parts[o->type];
	struct wire_writer w;

	begin_frame(&w, buf, room, o->type, has & HAS_DRIVE ? o->drive : 0);
	if (has & HAS_FLAGS)
		wire_put(&w, o->flags, 2);
	if (has & HAS_BACKEND)
		wire_put(&w, o->backend, 1);
	if (has & HAS_REQUEST)
		wire_put(&w, o->request, 4);
	if (has & HAS_ERROR)
		wire_put(&w, (uint32_t)o->error, 4);
	if (has & HAS_DIR)
		put_id(&w, &o->dir);
	if (has & HAS_ID)
		put_id(&w, &o->id);
	if (has & HAS_STATE)
		put_state(&w, &o->state);
	if (has & HAS_NAME)
		put_string(&w, o->name, o->name_len);
	if (has & HAS_TARGET)
		put_string(&w, o->target, o->target_len);
	if (has & HAS_TEXT)
		put_string(&w, o->text, o->text_len);
	if (has & HAS_VOLUME)
		put_volume(&w, o);
	if (has & HAS_COUNT)
		wire_put(&w, o->count, 4);
	if (has & HAS_GAUGES) {
		wire_put(&w, o->queue_bytes, 8);
		wire_put(&w, o->lag_ms, 4);
	}
	return end_frame(&w, buf);
}

static void check_entry(struct wire_reader *r, const struct observation *o)
{
	if (o->state.kind != ENTRY_SYMLINK && o->target_len != 0)
		r->failed = true;
	if (o->target_len != 0 && memchr(o->target, 0, o->target_len) != NULL)
		r->failed = true;
}

static unsigned flags_of_type(enum observation_type type)
{
	if (type == OBSERVED_READY)
		return READY_FLAGS;
	return type == OBSERVED_GONE ? OBSERVED_CLOSED : (unsigned)ENTRY_FLAGS;
}

static void get_flags(struct wire_reader *r, struct observation *o)
{
	o->flags = (uint16_t)wire_get(r, 2);
	if (o->flags & ~flags_of_type(o->type))
		r->failed = true;
}

static void get_observation(struct wire_reader *r, struct observation *o, unsigned has)
{
	if (has & HAS_FLAGS)
		get_flags(r, o);
	if (has & HAS_BACKEND)
		get_backend(r, &o->backend);
	if (has & HAS_REQUEST)
		o->request = (uint32_t)wire_get(r, 4);
	if (has & HAS_ERROR)
		get_error(r, &o->error);
	if (has & HAS_DIR)
		get_id(r, &o->dir);
	if (has & HAS_ID)
		get_id(r, &o->id);
	if (has & HAS_STATE)
		get_state(r, &o->state);
	if (has & HAS_NAME)
		get_name(r, &o->name, &o->name_len);
	if (has & HAS_TARGET)
		get_string(r, 0, PATH_MAX_BYTES, &o->target, &o->target_len);
	if (has & HAS_TEXT)
		get_string(r, 0, OBSERVATION_FRAME_MAX, &o->text, &o->text_len);
	if (has & HAS_VOLUME)
		get_volume(r, o);
	if (has & HAS_COUNT)
		o->count = (uint32_t)wire_get(r, 4);
	if (has & HAS_GAUGES) {
		o->queue_bytes = wire_get(r, 8);
		o->lag_ms = (uint32_t)wire_get(r, 4);
	}
}

int observation_decode(struct observation *out, const uint8_t *buf, size_t len)
{
	struct wire_reader r;
	unsigned type = 0, has;
	uint16_t drive = 0;
	int frame;

	memset(out, 0, sizeof(*out));
	frame = open_frame(&r, buf, len, &type, &drive);
	if (frame <= 0)
		return frame;
	has = parts_of(observation_parts, sizeof(observation_parts) / sizeof(observation_parts[0]), type);
	if (has == UINT16_MAX || (!(has & HAS_DRIVE) && drive != 0))
		return -EPROTO;
	out->type = (enum observation_type)type;
	out->drive = drive;
	get_observation(&r, out, has);
	if (!r.failed && out->type == OBSERVED_ENTRY)
		check_entry(&r, out);
	return r.failed || r.at != r.end ? -EPROTO : frame;
}

int watch_request_encode(const struct watch_request *q, uint8_t *buf, size_t room)
{
	unsigned has = request_parts[q->type];
	struct wire_writer w;

	begin_frame(&w, buf, room, q->type, has & HAS_DRIVE ? q->drive : 0);
	if (has & HAS_FLAGS)
		wire_put(&w, q->flags, 2);
	if (has & HAS_BACKEND)
		wire_put(&w, q->backend, 1);
	if (has & HAS_REQUEST)
		wire_put(&w, q->request, 4);
	if (has & HAS_DIR)
		put_id(&w, &q->dir);
	if (has & HAS_NAME)
		put_string(&w, q->name, q->name_len);
	return end_frame(&w, buf);
}

static void get_path(struct wire_reader *r, const char **path, size_t *len)
{
	get_string(r, 1, PATH_MAX_BYTES, path, len);
	if (!r->failed && ((*path)[0] != '/' || memchr(*path, 0, *len) != NULL))
		r->failed = true;
}

int watch_request_decode(struct watch_request *out, const uint8_t *buf, size_t len)
{
	struct wire_reader r;
	unsigned type = 0, has;
	uint16_t drive = 0;
	int frame;

	memset(out, 0, sizeof(*out));
	frame = open_frame(&r, buf, len, &type, &drive);
	if (frame <= 0)
		return frame;
	has = parts_of(request_parts, sizeof(request_parts) / sizeof(request_parts[0]), type);
	if (has == UINT16_MAX || (!(has & HAS_DRIVE) && drive != 0))
		return -EPROTO;
	out->type = (enum request_type)type;
	out->drive = drive;
	if (has & HAS_FLAGS)
		out->flags = (uint16_t)wire_get(&r, 2);
	if (out->flags & ~(unsigned)(SCAN_IDLE | SCAN_KNOWN))
		return -EPROTO;
	if (has & HAS_BACKEND)
		get_backend(&r, &out->backend);
	if (has & HAS_REQUEST)
		out->request = (uint32_t)wire_get(&r, 4);
	if (has & HAS_DIR)
		get_id(&r, &out->dir);
	if (out->type == REQUEST_DRIVE || out->type == REQUEST_IGNORE)
		get_path(&r, &out->name, &out->name_len);
	else if (has & HAS_NAME)
		get_name(&r, &out->name, &out->name_len);
	return r.failed || r.at != r.end ? -EPROTO : frame;
}

const char *watch_backend_name(enum watch_backend b)
{
	switch (b) {
	case WATCH_AUTO:
		return "auto";
	case WATCH_FANOTIFY:
		return "fanotify";
	case WATCH_INOTIFY:
		return "inotify";
	case WATCH_POLL:
		return "poll";
	}
	return "auto";
}
