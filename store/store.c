/* Opening goes from what touches nothing to what does: the lock, LMDB's own header, the format, and only then
 * a first small commit that says "in use".  A store that is found in use was not closed by its last user. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/internal.h"

static int directory_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) != 0)
		r = -errno;
	close(fd);
	return r;
}

/* A new directory lasts only when its parent is synced too. */
static int directory_make(const char *path)
{
	char parent[PATH_MAX];
	int n;

	if (mkdir(path, 0700) != 0)
		return errno == EEXIST ? 0 : -errno;
	n = snprintf(parent, sizeof(parent), "%s/..", path);
	if (n < 0 || (size_t)n >= sizeof(parent))
		return -ENAMETOOLONG;
	return directory_sync(parent);
}

static int file_of(const char *path, struct store_file *out)
{
	struct statx stx;

	if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &stx) != 0)
		return -errno;
	memset(out, 0, sizeof(*out));
	out->inode = stx.stx_ino;
	if (stx.stx_mask & STATX_BTIME) {
		out->birth.seconds = stx.stx_btime.tv_sec;
		out->birth.nanoseconds = stx.stx_btime.tv_nsec;
	}
	return 0;
}

static bool same_file(const struct store_file *a, const struct store_file *b)
{
	return a->inode == b->inode && a->birth.seconds == b->birth.seconds &&
	       a->birth.nanoseconds == b->birth.nanoseconds;
}

static int format_of(MDB_txn *txn, MDB_dbi meta)
{
	MDB_val key = {6, (void *)"format"}, value;
	int r = mdb_get(txn, meta, &key, &value);
	uint32_t format;

	if (r != 0)
		return r == MDB_NOTFOUND ? (int)STORE_BROKEN : store_error(r);
	if (value.mv_size < sizeof(format))
		return STORE_BROKEN;
	format = key_get_u32(value.mv_data);
	if (format > STORE_FORMAT)
		return STORE_NEWER;
	return format >= STORE_FORMAT_OLDEST ? 0 : (int)STORE_BROKEN;
}

/* Look at the format before anything is written.  *fresh: there is nothing in the file yet. */
static int look_at_format(struct store *s, bool *fresh)
{
	MDB_stat stat;
	MDB_txn *txn;
	MDB_dbi meta;
	int r = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);

	*fresh = false;
	if (r != 0)
		return store_error(r);
	r = mdb_dbi_open(txn, table_name(TABLE_META), 0, &meta);
	if (r == MDB_NOTFOUND) {
		mdb_env_stat(s->env, &stat);
		*fresh = stat.ms_entries == 0;
		r = *fresh ? 0 : (int)STORE_BROKEN;
	} else {
		r = r == 0 ? format_of(txn, meta) : store_error(r);
	}
	mdb_txn_abort(txn);
	return r;
}

/* The handles are the environment's only when the transaction that opened them has committed. */
static int open_tables(struct store *s, bool create)
{
	MDB_txn *txn;
	int r = store_error(mdb_txn_begin(s->env, NULL, create ? 0 : MDB_RDONLY, &txn));

	if (r != 0)
		return r;
	r = store_tables_open(s, txn, create ? MDB_CREATE : 0);
	if (r == 0)
		return store_error(mdb_txn_commit(txn));
	mdb_txn_abort(txn);
	return r;
}

static int read_meta(struct store *s)
{
	struct store_file recorded;
	struct store_txn *txn;
	bool clean = false;
	int r = store_begin(s, STORE_READ, &txn);

	if (r != 0)
		return r;
	r = meta_get_clean(txn, &clean);
	if (r == 0)
		r = meta_get_file(txn, &recorded);
	if (r == 0)
		r = meta_get_counters(txn, &s->counters);
	store_abort(txn);
	if (r != 0)
		return r;
	s->unclean |= !clean;
	s->moved = !same_file(&recorded, &s->file);
	return 0;
}

/* Tables and format are made in one commit: a crash before it leaves an empty file, still a new store. */
static int create(struct store *s)
{
	struct store_txn txn = {.store = s, .write = true};
	int r = store_error(mdb_txn_begin(s->env, NULL, 0, &txn.txn));

	if (r != 0)
		return r;
	s->counters =
		(struct store_counters){.next_node = 1, .next_token = 1, .next_drive = 1, .next_stream = 1};
	txn.counters = s->counters;
	r = store_tables_open(s, txn.txn, MDB_CREATE);
	if (r == 0)
		r = meta_put_format(&txn);
	if (r == 0)
		r = meta_put_file(&txn, &s->file);
	if (r == 0)
		r = meta_put_counters(&txn);
	if (r == 0)
		r = meta_put_clean(&txn, false);
	if (r != 0) {
		mdb_txn_abort(txn.txn);
		return r;
	}
	return store_error(mdb_txn_commit(txn.txn));
}

static int set_clean(struct store *s, bool clean)
{
	struct store_txn *txn;
	int r = store_begin(s, STORE_WRITE, &txn);

	if (r != 0)
		return r;
	r = meta_put_format(txn); /* rows of an older one are read as they are; new ones are not for it */
	if (r == 0)
		r = meta_put_clean(txn, clean);
	if (r == 0)
		return store_commit(txn);
	store_abort(txn);
	return r;
}

static int open_existing(struct store *s)
{
	int r = open_tables(s, false);

	if (r == 0)
		r = read_meta(s);
	if (r == 0 && !s->read_only)
		r = set_clean(s, false);
	s->written = false;
	return r;
}

/* LMDB would write its header to an empty file, also when it may only read. */
static int look_at_file(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return -errno;
	return st.st_size > 0 ? 0 : (int)STORE_EMPTY;
}

static int open_data(struct store *s, const char *directory)
{
	bool fresh;
	int r = s->read_only ? look_at_file(s->path) : 0;

	if (r == 0)
		r = store_env_open(s, 0);
	if (r == 0)
		r = file_of(s->path, &s->file);
	if (r == 0)
		r = look_at_format(s, &fresh);
	if (r != 0)
		return r;
	if (!fresh)
		return open_existing(s);
	if (s->read_only)
		return STORE_EMPTY;
	r = create(s);
	return r != 0 ? r : directory_sync(directory);
}

static void store_free(struct store *s)
{
	struct store_txn *txn;

	while ((txn = s->pool) != NULL) {
		s->pool = txn->next;
		store_txn_free(txn);
	}
	if (s->env != NULL)
		mdb_env_close(s->env);
	store_lock_release(s->lock_fd);
	pthread_mutex_destroy(&s->pool_lock);
	free(s->path);
	free(s);
}

static int open_in(struct store *s, const struct store_options *options)
{
	int r = options->read_only ? 0 : directory_make(options->directory);

	if (r == 0)
		r = store_lock_take(&s->lock_fd, options->directory);
	if (r == 0 && asprintf(&s->path, "%s/store.mdb", options->directory) < 0) {
		s->path = NULL;
		r = -ENOMEM;
	}
	if (r == 0)
		r = open_data(s, options->directory);
	if (r == -EILSEQ)
		return STORE_BROKEN;
	return r == -EPROTO ? (int)STORE_NEWER : r;
}

int store_open(struct store **out, const struct store_options *options)
{
	struct store *s = calloc(1, sizeof(*s));
	int r;

	*out = NULL;
	if (s == NULL)
		return -ENOMEM;
	s->lock_fd = -1;
	s->pid = getpid();
	s->max_bytes = options->max_bytes;
	s->read_only = options->read_only;
	s->no_sync = options->no_sync;
	pthread_mutex_init(&s->pool_lock, NULL);
	r = open_in(s, options);
	if (r != 0) {
		store_free(s);
		return r;
	}
	*out = s;
	return 0;
}

int store_open_again(struct store **out, struct store *s)
{
	struct store *again = calloc(1, sizeof(*again));
	int r = again != NULL ? 0 : -ENOMEM;

	*out = NULL;
	if (r != 0)
		return r;
	again->lock_fd = -1;
	again->pid = getpid();
	again->max_bytes = s->max_bytes;
	again->read_only = true;
	pthread_mutex_init(&again->pool_lock, NULL);
	again->path = strdup(s->path);
	r = again->path != NULL ? store_env_open(again, MDB_NOLOCK) : -ENOMEM;
	if (r == 0)
		r = open_tables(again, false);
	if (r != 0) {
		store_free(again);
		return r;
	}
	/* The parent's death alone releases its lock, not this process's end too. */
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	s->lock_fd = -1;
	*out = again;
	return 0;
}

/* A store that was found unclean stays so until somebody has trusted it enough to write to it. */
void store_close(struct store *s)
{
	if (s == NULL || s->pid != getpid())
		return; /* a forked child's copy is the parent's to close */
	if (!s->read_only && !s->failed && (!s->unclean || s->written))
		(void)set_clean(s, true); /* failing leaves it unclean, which is the truth then */
	store_free(s);
}

bool store_was_unclean(const struct store *s)
{
	return s->unclean;
}

void store_distrust(struct store *s)
{
	s->failed = true;
}

bool store_was_moved(const struct store *s)
{
	return s->moved;
}

int store_adopt_file(struct store *s, struct store_txn *txn)
{
	return meta_put_file(txn, &s->file);
}

uint64_t store_used_bytes(const struct store *s)
{
	MDB_envinfo info;
	MDB_stat stat;

	mdb_env_info(s->env, &info);
	mdb_env_stat(s->env, &stat);
	return ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
}

struct store *store_of(struct store_txn *txn)
{
	return txn->store;
}
