#include "watcher/fanotify_event.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <string.h>
#include <sys/fanotify.h>

enum { HANDLE_HEAD = sizeof(struct fanotify_event_info_fid) + sizeof(struct file_handle) };

union handle_buffer {
	struct file_handle handle;
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

/* body: struct file_handle, its bytes, and perhaps a NUL-terminated name, padded. */
static int parse_fid(struct fanotify_name *out, const uint8_t *info, size_t len)
{
	const size_t handle_at = sizeof(struct fanotify_event_info_fid);
	union handle_buffer h;
	size_t name_at;

	if (len < HANDLE_HEAD)
		return -EPROTO;
	memcpy(&h.handle, info + handle_at, sizeof(h.handle));
	if (h.handle.handle_bytes > MAX_HANDLE_SZ || h.handle.handle_bytes > len - HANDLE_HEAD)
		return -EPROTO;
	if (h.handle.handle_bytes == 0) /* the kernel could not name the inode (a file system error) */
		return 0;
	memcpy(h.handle.f_handle, info + HANDLE_HEAD, h.handle.handle_bytes);
	if (file_id_from_handle(&out->dir, 0, &h.handle) != 0)
		return 0;
	name_at = HANDLE_HEAD + h.handle.handle_bytes;
	out->name = (const char *)info + name_at;
	out->len = strnlen(out->name, len - name_at);
	return out->len == len - name_at && out->len > 0 ? -EPROTO : 0;
}

static int parse_info(struct fanotify_event *e, const uint8_t *info, size_t len, unsigned type)
{
	struct fanotify_name child = {0};
	int r = 0;

	if (type == FAN_EVENT_INFO_TYPE_DFID_NAME || type == FAN_EVENT_INFO_TYPE_DFID)
		r = parse_fid(&e->at, info, len);
	else if (type == FAN_EVENT_INFO_TYPE_OLD_DFID_NAME)
		r = parse_fid(&e->from, info, len);
	else if (type == FAN_EVENT_INFO_TYPE_NEW_DFID_NAME)
		r = parse_fid(&e->to, info, len);
	else if (type == FAN_EVENT_INFO_TYPE_FID)
		r = parse_fid(&child, info, len);
	if (child.dir.len > 0)
		e->child = child.dir;
	return r;
}

int fanotify_event_parse(struct fanotify_event *out, const uint8_t *buf, size_t len)
{
	struct fanotify_event_metadata meta;
	struct fanotify_event_info_header info;

	memset(out, 0, sizeof(*out));
	if (len == 0)
		return 0;
	if (len < sizeof(meta))
		return -EPROTO;
	memcpy(&meta, buf, sizeof(meta));
	if (meta.vers != FANOTIFY_METADATA_VERSION || meta.event_len > len ||
	    meta.metadata_len < sizeof(meta) || meta.metadata_len > meta.event_len)
		return -EPROTO;
	out->mask = meta.mask;
	for (size_t at = meta.metadata_len; at < meta.event_len; at += info.len) {
		if (meta.event_len - at < sizeof(info))
			return -EPROTO;
		memcpy(&info, buf + at, sizeof(info));
		if (info.len < sizeof(info) || info.len > meta.event_len - at ||
		    parse_info(out, buf + at, info.len, info.info_type) != 0)
			return -EPROTO;
	}
	return (int)meta.event_len;
}
