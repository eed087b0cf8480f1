/* The LMDB environment: one file, never mapped writable, always synced.  A crash leaves the last commit.
 *
 * LMDB trusts its file.  A file that is shorter than its own page count would end the reader with SIGBUS, so
 * it is made as long as it says before anything is read; the missing pages are zeros then, and those LMDB
 * refuses cleanly. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/internal.h"

enum { MAX_READERS = 1024 };
static const uint64_t default_max_bytes = UINT64_C(64) << 30;

int store_error(int code)
{
	switch (code) {
	case 0:
		return 0;
	case MDB_MAP_FULL:
		return -ENOSPC;
	case MDB_KEYEXIST:
		return -EEXIST;
	case MDB_NOTFOUND:
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_CURSOR_FULL:
	case MDB_INVALID:
	case MDB_INCOMPATIBLE:
		return -EILSEQ;
	case MDB_VERSION_MISMATCH:
		return -EPROTO;
	case MDB_READERS_FULL:
		return -EAGAIN;
	case MDB_TXN_FULL:
		return -EFBIG;
	case MDB_BAD_VALSIZE:
	case MDB_BAD_DBI:
		return -EINVAL;
	default: /* MDB_PANIC, MDB_BAD_TXN, … : a failure that was told before; positive: an errno */
		return code > 0 ? -code : -EIO;
	}
}

static uint64_t map_size(const struct store *s)
{
	return s->max_bytes != 0 ? s->max_bytes : default_max_bytes;
}

static int fill_file(struct store *s, uint64_t size)
{
	int fd = open(s->path, O_WRONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = ftruncate(fd, (off_t)size) == 0 ? 0 : -errno;
	close(fd);
	return r;
}

static int fill_short_file(struct store *s)
{
	uint64_t used = store_used_bytes(s);
	struct stat st;
	int fd;

	if (mdb_env_get_fd(s->env, &fd) != 0 || fstat(fd, &st) != 0)
		return -EIO;
	if ((uint64_t)st.st_size >= used)
		return 0;
	if (used > map_size(s))
		return -EILSEQ;
	s->unclean = true;
	return fill_file(s, used);
}

int store_env_open(struct store *s, unsigned extra_flags)
{
	unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | extra_flags;
	int r;

	if (s->read_only)
		flags |= MDB_RDONLY;
	if (s->no_sync)
		flags |= MDB_NOSYNC;
	r = mdb_env_create(&s->env);
	if (r == 0)
		r = mdb_env_set_maxdbs(s->env, TABLE_COUNT);
	if (r == 0)
		r = mdb_env_set_maxreaders(s->env, MAX_READERS);
	if (r == 0)
		r = mdb_env_set_mapsize(s->env, map_size(s));
	if (r == 0)
		r = mdb_env_open(s->env, s->path, flags, 0600);
	return r == 0 ? fill_short_file(s) : store_error(r);
}

int store_tables_open(struct store *s, MDB_txn *txn, unsigned flags)
{
	for (unsigned i = 0; i < TABLE_COUNT; i++) {
		int r = mdb_dbi_open(txn, table_name((enum table)i), flags, &s->tables[i]);

		if (r != 0)
			return store_error(r);
	}
	return 0;
}
