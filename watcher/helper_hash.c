/* Several files are open at a time and a piece of each is read in turn, so that a huge one holds up no small
 * one; those that nobody waits for are begun when nothing else is left, and read at idle I/O priority.
 *
 * A hash is true only of the state that the daemon knows, so the file's identity, size and times are compared
 * before and after.  Times move in ticks: a file that changed within the last one may change again without a
 * trace, so it is left to age for that long first. */
#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "watcher/helper_internal.h"

enum {
	OPEN_MAX = 8,
	PIECE_BYTES = 1 << 20,
	TICK_NS = 20 * 1000 * 1000,
};

struct hash_job {
	TAILQ_ENTRY(hash_job) link;
	struct helper_request request;
	int fd;
	uint64_t done;
	EVP_MD_CTX *digest;
	char path[];
};

void hash_queue_init(struct hash_queue *q)
{
	*q = (struct hash_queue){0};
	TAILQ_INIT(&q->open);
	TAILQ_INIT(&q->waiting);
	TAILQ_INIT(&q->idling);
}

static bool is_idle(const struct hash_job *j)
{
	return (j->request.flags & HELPER_IDLE) != 0;
}

static struct hash_job_list *list_of(struct hash_queue *q, const struct hash_job *j)
{
	if (j->digest != NULL)
		return &q->open;
	return is_idle(j) ? &q->idling : &q->waiting;
}

static void drop(struct hash_queue *q, struct hash_job *j)
{
	TAILQ_REMOVE(list_of(q, j), j, link);
	q->open_count -= j->digest != NULL;
	q->count--;
	if (j->fd >= 0)
		close(j->fd);
	EVP_MD_CTX_free(j->digest);
	free(j);
}

void hash_queue_clear(struct hash_queue *q)
{
	struct hash_job *j;

	while ((j = TAILQ_FIRST(&q->open)) != NULL || (j = TAILQ_FIRST(&q->waiting)) != NULL ||
	       (j = TAILQ_FIRST(&q->idling)) != NULL)
		drop(q, j);
	free(q->buf);
	q->buf = NULL;
}

int hash_queue_add(struct hash_queue *q, const struct helper_request *r)
{
	struct hash_job *j;

	if (q->count >= HELPER_HASHES_MAX)
		return -EBUSY;
	if (q->buf == NULL)
		q->buf = malloc(PIECE_BYTES);
	j = calloc(1, sizeof(*j) + r->path_len);
	if (j == NULL || q->buf == NULL) {
		free(j);
		return -ENOMEM;
	}
	j->request = *r;
	memcpy(j->path, r->path, r->path_len);
	j->request.path = j->path;
	j->fd = -1;
	TAILQ_INSERT_TAIL(list_of(q, j), j, link);
	q->count++;
	return 0;
}

static bool cancel_in(struct hash_queue *q, struct hash_job_list *list, uint32_t request)
{
	struct hash_job *j;

	TAILQ_FOREACH(j, list, link)
	{
		if (j->request.request != request)
			continue;
		drop(q, j);
		return true;
	}
	return false;
}

void hash_queue_cancel(struct hash_queue *q, uint32_t request)
{
	if (!cancel_in(q, &q->open, request) && !cancel_in(q, &q->waiting, request))
		(void)cancel_in(q, &q->idling, request);
}

static bool same_time(const struct entry_time *a, const struct entry_time *b)
{
	return a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

/* Is it still the file that was asked about? */
static int check(const struct hash_job *j, int fd, const struct watch_drive *d)
{
	const struct helper_request *q = &j->request;
	struct entry_state s;
	struct file_id id;
	int r = entry_of_fd(fd, &d->rule, &id, &s);

	if (r < 0)
		return r;
	if (r != 0 || s.kind != ENTRY_FILE || !file_id_equal(&id, &q->id) || s.size != q->size ||
	    !same_time(&s.mtime, &q->mtime) || !same_time(&s.ctime, &q->ctime))
		return -ESTALE;
	return 0;
}

/* See above.  A time that lies ahead tells nothing, so there it is the whole tick. */
static void let_age(const struct entry_time *changed)
{
	struct timespec now, rest = {.tv_nsec = TICK_NS};
	int64_t age;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec - changed->seconds > 1)
		return;
	age = (now.tv_sec - changed->seconds) * 1000000000 + now.tv_nsec - (int64_t)changed->nanoseconds;
	if (age >= TICK_NS)
		return;
	if (age > 0)
		rest.tv_nsec = (long)(TICK_NS - age);
	nanosleep(&rest, NULL);
}

/* Only what is known to be a file is opened for reading: to open a device or a FIFO can do something. */
static int open_file(struct hash_job *j, struct watch_drive *d)
{
	int root = watch_drive_fd(d), fd, r;

	if (root < 0)
		return root;
	fd = helper_open_beneath(root, j->path, j->request.path_len, O_PATH | O_NOFOLLOW);
	if (fd < 0)
		return fd;
	r = check(j, fd, d);
	if (r == 0)
		j->fd = helper_reopen(fd);
	close(fd);
	return r != 0 ? r : j->fd < 0 ? j->fd : 0;
}

static int begin(struct hash_queue *q, struct hash_job *j, struct watch_drive *d)
{
	EVP_MD_CTX *digest;
	int r;

	let_age(&j->request.ctime);
	r = open_file(j, d);
	if (r != 0)
		return r;
	digest = EVP_MD_CTX_new();
	if (digest == NULL || EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(digest);
		return -ENOMEM;
	}
	TAILQ_REMOVE(list_of(q, j), j, link);
	j->digest = digest;
	TAILQ_INSERT_TAIL(&q->open, j, link);
	q->open_count++;
	return 0;
}

/* *end: all of it is read. */
static int read_piece(struct hash_queue *q, struct hash_job *j, bool *end)
{
	ssize_t n = read(j->fd, q->buf, PIECE_BYTES);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	*end = n == 0;
	j->done += (uint64_t)n;
	if (j->done > j->request.size)
		return -ESTALE; /* it grows */
	return n == 0 || EVP_DigestUpdate(j->digest, q->buf, (size_t)n) == 1 ? 0 : -EIO;
}

static int finish(struct hash_job *j, const struct watch_drive *d, uint8_t hash[HELPER_HASH_BYTES])
{
	int r = j->done == j->request.size ? check(j, j->fd, d) : -ESTALE;

	if (r == 0 && EVP_DigestFinal_ex(j->digest, hash, NULL) != 1)
		r = -EIO;
	return r;
}

/* What somebody waits for is begun before what is begun already goes on; the rest when all that is done. */
static struct hash_job *next_job(struct hash_queue *q)
{
	struct hash_job *j = TAILQ_FIRST(&q->waiting);

	if (j != NULL && q->open_count < OPEN_MAX)
		return j;
	TAILQ_FOREACH(j, &q->open, link)
	{
		if (!is_idle(j))
			return j;
	}
	j = TAILQ_FIRST(&q->open);
	return j != NULL ? j : TAILQ_FIRST(&q->idling);
}

static void set_priority(struct hash_queue *q, bool idle)
{
	if (idle != q->idle_priority)
		(void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
			      idle ? IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0) : 0);
	q->idle_priority = idle;
}

bool hash_queue_step(struct hash_queue *q, struct watch_drive *d, struct helper_answer *out)
{
	struct hash_job *j = next_job(q);
	bool end = false;
	int r = d == NULL ? -ENODEV : 0;

	*out = (struct helper_answer){.type = HELPER_HASHED, .request = j->request.request};
	set_priority(q, is_idle(j));
	if (r == 0 && j->digest == NULL)
		r = begin(q, j, d);
	if (r == 0)
		r = read_piece(q, j, &end);
	if (r == 0 && !end) {
		TAILQ_REMOVE(&q->open, j, link);
		TAILQ_INSERT_TAIL(&q->open, j, link);
		return false;
	}
	out->error = r != 0 ? r : finish(j, d, out->hash);
	drop(q, j);
	return true;
}
