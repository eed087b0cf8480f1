#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/internal.h"
#include "net/log.h"
#include "store/drives.h"

int stream_new(struct server *s, const char *name, struct stream **out)
{
	struct stream *st = calloc(1, sizeof(*st));

	*out = NULL;
	if (st == NULL)
		return -ENOMEM;
	if (strlen(name) >= sizeof(st->name)) {
		free(st);
		return -ENAMETOOLONG;
	}
	strcpy(st->name, name);
	st->drive = strncmp(name, "drive:", 6) == 0 ? st->name + 6 : NULL;
	st->server = s;
	TAILQ_INIT(&st->classes);
	TAILQ_INSERT_TAIL(&s->streams, st, link);
	*out = st;
	return 0;
}

static void free_status(struct drive_status *status)
{
	if (status != NULL)
		free(status->last_run);
	free(status);
}

void stream_free(struct stream *st)
{
	TAILQ_REMOVE(&st->server->streams, st, link);
	journal_close(st->journal);
	free_status(st->status);
	free(st);
}

struct stream *stream_find(struct server *s, const char *name)
{
	struct stream *st;

	TAILQ_FOREACH(st, &s->streams, link)
	if (strcmp(st->name, name) == 0)
		return st;
	return NULL;
}

struct stream *stream_of_drive(struct server *s, const char *drive)
{
	struct stream *st;

	TAILQ_FOREACH(st, &s->streams, link)
	if (st->drive != NULL && strcmp(st->drive, drive) == 0)
		return st;
	return NULL;
}

int stream_look_up(struct server *s, const struct principal *p, unsigned scope, const char *name,
		   struct stream **out, enum net_error *error)
{
	const char *drive = strncmp(name, "drive:", 6) == 0 ? name + 6 : NULL;

	/* Rights first, by the name alone: a drive that exists and one that does not look the same to a
	 * stranger. */
	*error = NET_FORBIDDEN;
	if (!principal_may(p, scope) || (drive != NULL && !principal_sees_drive(p, drive)))
		return -EACCES;
	*error = NET_NOT_FOUND;
	*out = stream_find(s, name);
	return *out != NULL ? 0 : -ENOENT;
}

int stream_journal(struct stream *st, struct store_txn *txn)
{
	return st->journal != NULL ? 0 : journal_open(&st->journal, txn, st->name);
}

int stream_tail(struct stream *st, struct store_txn *txn, struct position *tail)
{
	int e = stream_journal(st, txn);

	return e != 0 ? e : journal_tail(st->journal, txn, tail);
}

bool stream_ready(struct stream *st, struct store_txn *txn)
{
	struct drive_row row;

	if (stream_journal(st, txn) != 0)
		return false;
	if (st->drive == NULL)
		return true;
	if (st->status != NULL && st->status->state == DRIVE_INDEXING)
		return false;
	return drives_find(txn, st->drive, &row) == 0 && row.indexed;
}

/* Classes go on from `tail`, whatever was before: nobody holds an older place any more. */
static void relocate(struct stream *st, const struct position *tail)
{
	struct class *c;

	st->read = *tail;
	TAILQ_FOREACH(c, &st->classes, link)
	{
		ring_clear(&c->ring);
		c->ring.begin = *tail;
		text_clear(&c->items);
		c->broken = false;
		c->silent_since_ms = 0;
	}
}

void stream_came_in(struct stream *st, uint64_t seq)
{
	if (st->came_in.epoch != st->read.epoch || st->came_in.seq < seq)
		st->came_in = (struct position){.epoch = st->read.epoch, .seq = seq};
}

void stream_reset(struct stream *st, const char *reason)
{
	struct class *c = TAILQ_FIRST(&st->classes), *next_class;

	for (; c != NULL; c = next_class) {
		struct subscription *sub = TAILQ_FIRST(&c->members), *next;

		next_class = TAILQ_NEXT(c, link);
		for (; sub != NULL; sub = next) {
			next = TAILQ_NEXT(sub, of_class);
			if (sub->state == SUBSCRIPTION_WAITING || sub->state == SUBSCRIPTION_SPOOLING)
				continue;                /* has no place yet that could be lost */
			subscription_reset(sub, reason); /* the last one takes the class along */
		}
	}
}

struct advance {
	struct stream *stream;
	size_t bytes;
};

static int on_record(void *context, const struct journal_record *record)
{
	struct advance *a = context;
	struct stream *st = a->stream;
	struct class *c;
	struct filter_record parsed = {record, NULL};
	bool group_ends = (record->flags & JOURNAL_CONTINUED) == 0;

	st->read.seq = record->seq;
	st->read.check = record->check;
	a->bytes += record->json_len;
	TAILQ_FOREACH(c, &st->classes, link)
	{
		class_offer(c, &parsed);
		if (group_ends && c->items.len >= WRITE_BYTES)
			class_close(c, &st->read);
	}
	filter_record_deinit(&parsed);
	return group_ends && a->bytes >= ADVANCE_BYTES ? 1 : 0;
}

/* 0: as much as one turn may; JOURNAL_END; JOURNAL_PRUNED, or -errno. */
static int read_records(struct stream *st, struct store_txn *txn)
{
	struct advance a = {.stream = st};
	struct class *c;
	int e = journal_read(st->journal, txn, st->read.seq, on_record, &a);

	if (e == 1 && a.bytes >= ADVANCE_BYTES)
		e = 0;
	else if (e == 1)
		e = JOURNAL_END;
	TAILQ_FOREACH(c, &st->classes, link)
	class_close(c, &st->read);
	return e;
}

int stream_locate(struct stream *st, struct store_txn *txn)
{
	struct position tail;
	int e = stream_tail(st, txn, &tail);

	if (e != 0 || st->read.epoch == tail.epoch)
		return e;
	if (st->read.epoch != 0)
		stream_reset(st, "epoch");
	relocate(st, &tail);
	return 0;
}

static void skip_pruned(struct stream *st, struct store_txn *txn)
{
	struct position tail;

	stream_reset(st, "pruned");
	if (stream_tail(st, txn, &tail) == 0)
		relocate(st, &tail);
}

static void advance(struct stream *st, struct store_txn *txn)
{
	int e = stream_locate(st, txn);

	if (e != 0)
		goto fail;
	e = read_records(st, txn);
	if (e == 0)
		return; /* still dirty */
	if (e == JOURNAL_PRUNED) {
		skip_pruned(st, txn);
	} else if (e < 0) {
		goto fail;
	}
	st->dirty = false;
	return;
fail:
	st->dirty = false; /* the next news tries again */
	if (e < 0)
		net_log(NET_LOG_ERROR, "stream %s cannot be read: %s", st->name, strerror(-e));
}

void stream_advance(struct stream *st)
{
	struct store_txn *txn;
	int e;

	st->dirty = false;
	if (TAILQ_EMPTY(&st->classes))
		return;
	e = store_begin(st->server->store, STORE_READ, &txn);
	if (e != 0) {
		net_log(NET_LOG_ERROR, "the store cannot be read: %s", strerror(-e));
		return;
	}
	st->dirty = true;
	advance(st, txn);
	store_abort(txn);
}
