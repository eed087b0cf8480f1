/* file_id: which inode a name stands for, as far as its file system lets us tell.
 *
 * bytes[0..7] are the inode number, big endian, so that ids sort as the file system allocates.  bytes[8] is
 * the form (enum file_id_form) and the rest depends on it: INODE   nothing more.  *Weak*: the number may be
 * reused or borrowed (FUSE, some network mounts). BIRTH   the birth time, int64 seconds and uint32
 * nanoseconds, big endian. HANDLE  the file handle as name_to_handle_at(2) gives it: int32 type, big endian,
 * then its bytes. Compare ids as whole byte strings.  Pure functions, any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum file_id_form {
	FILE_ID_INODE = 0,
	FILE_ID_BIRTH = 1,
	FILE_ID_HANDLE = 2,
};

enum { FILE_ID_MAX = 47, FILE_ID_HANDLE_MAX = FILE_ID_MAX - 13 };

struct file_id {
	uint8_t len; /* 0: no id */
	uint8_t bytes[FILE_ID_MAX];
};

struct file_handle; /* <fcntl.h> */

void file_id_from_inode(struct file_id *out, uint64_t inode);
void file_id_from_birth(struct file_id *out, uint64_t inode, int64_t seconds, uint32_t nanoseconds);
/* -EOVERFLOW: the handle is longer than FILE_ID_HANDLE_MAX, so this file system needs another form. */
int file_id_from_handle(struct file_id *out, uint64_t inode, const struct file_handle *handle);
/* Give back the handle in id for open_by_handle_at(2); the caller's buffer holds at least MAX_HANDLE_SZ bytes
 * behind the struct.  -EINVAL: another form. */
int file_id_to_handle(const struct file_id *id, struct file_handle *out);

uint64_t file_id_inode(const struct file_id *id);
bool file_id_is_weak(const struct file_id *id);
bool file_id_equal(const struct file_id *a, const struct file_id *b);
/* 64 bits for a hash table in memory; never stored. */
uint64_t file_id_hash(const struct file_id *id);
