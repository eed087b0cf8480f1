#include "watcher/file_id.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <xxhash.h>

enum { INODE_BYTES = 8, FORM_AT = 8, BODY_AT = 9, HANDLE_AT = 13, BIRTH_LEN = BODY_AT + 12 };

static void put_be(uint8_t *at, uint64_t value, int bytes)
{
	for (int i = bytes - 1; i >= 0; i--, value >>= 8)
		at[i] = (uint8_t)value;
}

static uint64_t get_be(const uint8_t *at, int bytes)
{
	uint64_t value = 0;

	for (int i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

static void begin(struct file_id *out, uint64_t inode, enum file_id_form form, uint8_t len)
{
	memset(out, 0, sizeof(*out));
	put_be(out->bytes, inode, INODE_BYTES);
	out->bytes[FORM_AT] = (uint8_t)form;
	out->len = len;
}

void file_id_from_inode(struct file_id *out, uint64_t inode)
{
	begin(out, inode, FILE_ID_INODE, BODY_AT);
}

void file_id_from_birth(struct file_id *out, uint64_t inode, int64_t seconds, uint32_t nanoseconds)
{
	begin(out, inode, FILE_ID_BIRTH, BIRTH_LEN);
	put_be(out->bytes + BODY_AT, (uint64_t)seconds, 8);
	put_be(out->bytes + BODY_AT + 8, nanoseconds, 4);
}

int file_id_from_handle(struct file_id *out, uint64_t inode, const struct file_handle *handle)
{
	if (handle->handle_bytes > FILE_ID_HANDLE_MAX)
		return -EOVERFLOW;
	begin(out, inode, FILE_ID_HANDLE, (uint8_t)(HANDLE_AT + handle->handle_bytes));
	put_be(out->bytes + BODY_AT, (uint32_t)handle->handle_type, 4);
	memcpy(out->bytes + HANDLE_AT, handle->f_handle, handle->handle_bytes);
	return 0;
}

int file_id_to_handle(const struct file_id *id, struct file_handle *out)
{
	if (id->len < HANDLE_AT || id->bytes[FORM_AT] != FILE_ID_HANDLE)
		return -EINVAL;
	out->handle_bytes = id->len - HANDLE_AT;
	out->handle_type = (int)(uint32_t)get_be(id->bytes + BODY_AT, 4);
	memcpy(out->f_handle, id->bytes + HANDLE_AT, out->handle_bytes);
	return 0;
}

uint64_t file_id_inode(const struct file_id *id)
{
	return id->len < INODE_BYTES ? 0 : get_be(id->bytes, INODE_BYTES);
}

bool file_id_is_weak(const struct file_id *id)
{
	return id->len <= FORM_AT || id->bytes[FORM_AT] == FILE_ID_INODE;
}

bool file_id_equal(const struct file_id *a, const struct file_id *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

uint64_t file_id_hash(const struct file_id *id)
{
	return XXH3_64bits(id->bytes, id->len);
}
