#include "tests/simulation/hashes.h"

#include <string.h>

#include "tests/simulation/memory_index.h"
#include "tests/simulation/world.h"

bool hashes_ask(void *context, uint32_t request, uint64_t node, const struct file_id *id,
		const struct entry_state *state)
{
	struct world *w = context;
	struct hashes *h = &w->hashes;

	if (w->trace != NULL)
		fprintf(w->trace, "    asks: hash %u of node %llu\n", request, (unsigned long long)node);
	if (h->count == HASHES_MAX || !watcher_is_alive(w->watcher))
		return false;
	h->questions[h->count++] = (struct hash_question){.request = request, .id = *id, .state = *state};
	return true;
}

void hashes_cancel(void *context, uint32_t request)
{
	struct hashes *h = &((struct world *)context)->hashes;

	for (unsigned i = 0; i < h->count; i++) {
		if (h->questions[i].request == request) {
			h->questions[i] = h->questions[--h->count];
			return;
		}
	}
}

void hashes_forget(struct world *w)
{
	w->hashes.count = 0;
}

static int64_t as_ns(const struct entry_time *t)
{
	return t->seconds * 1000000000 + t->nanoseconds;
}

static int64_t present(const struct world *w)
{
	uint64_t tick = w->options.tick_ms;

	return 1000000000000000000 + (int64_t)(w->now_ms / tick * tick) * 1000000;
}

static void make_hash(const struct fs_inode *i, uint8_t hash[32])
{
	memset(hash, 0x5a, 32);
	memcpy(hash, &i->content, sizeof(i->content));
}

uint32_t hashes_number(const uint8_t *hash)
{
	uint32_t number;

	memcpy(&number, hash, sizeof(number));
	return number;
}

static bool hash_now(struct world *w, const struct hash_question *q, uint8_t hash[32])
{
	uint16_t inode = fs_resolve(&w->fs, watcher_parse_id(w->watcher, &q->id));
	const struct fs_inode *i = &w->fs.inodes[inode];

	if (inode == 0 || i->kind != FS_FILE || i->size != q->state.size ||
	    i->mtime != as_ns(&q->state.mtime) || i->ctime != as_ns(&q->state.ctime) ||
	    i->ctime >= present(w))
		return false;
	make_hash(i, hash);
	return true;
}

void hashes_answer_all(struct world *w)
{
	uint8_t hash[32];

	while (w->hashes.count > 0) {
		struct hash_question q = w->hashes.questions[--w->hashes.count];

		drive_hashed(w->drive, q.request, hash_now(w, &q, hash) ? hash : NULL);
		memset(hash, '!', sizeof(hash));
	}
}

static int64_t ns_of(const struct node_time *t)
{
	return t->seconds * 1000000000 + t->nanoseconds;
}

static void check_node(struct world *w, const struct fs_inode *i, const struct index_node *n)
{
	uint8_t hash[32];

	make_hash(i, hash);
	if (n->has_hash && n->state.size == i->size && ns_of(&n->state.mtime) == i->mtime &&
	    ns_of(&n->state.ctime) == i->ctime && memcmp(n->hash, hash, sizeof(hash)) != 0)
		failure_set(&w->failure, "HASH", "node %llu has the hash of another content",
			    (unsigned long long)n->node);
}

static struct entry_time time_of(int64_t ns)
{
	return (struct entry_time){.seconds = ns / 1000000000, .nanoseconds = (uint32_t)(ns % 1000000000)};
}

/* Each node of each file; `verify`: tell the machine the hash, else compare. */
static void each_file(struct world *w, bool verify)
{
	for (uint16_t inode = FS_ROOT; inode <= w->fs.top; inode++) {
		const struct fs_inode *i = &w->fs.inodes[inode];
		struct entry_state s = {.kind = ENTRY_FILE, .size = i->size};
		struct identity identity;
		struct index_node n;
		struct file_id id;
		uint64_t node = 0;
		uint8_t hash[32];

		if (i->kind != FS_FILE)
			continue;
		watcher_make_id(w->watcher, fs_ref(&w->fs, inode), &id);
		memcpy(&identity, &id, sizeof(identity));
		make_hash(i, hash);
		s.mtime = time_of(i->mtime);
		s.ctime = time_of(i->ctime);
		while (index_by_identity(w->txn, MEMORY_DRIVE, &identity, node, &node) == 0 &&
		       index_get(w->txn, node, &n) == 0) {
			if (!verify)
				check_node(w, i, &n);
			else if (i->ctime < present(w) &&
				 drive_verified(w->drive, w->txn, node, &id, &s, hash) != 0)
				failure_set(&w->failure, "STEP", "drive_verified failed");
			if (verify && index_get(w->txn, node, &n) == 0)
				oracle_learn(w->oracle, &n);
		}
	}
}

void hashes_check(struct world *w)
{
	each_file(w, false);
}

void hashes_verify(struct world *w)
{
	uint64_t before = w->change_count;

	each_file(w, true);
	memory_index_commit(w->txn);
	oracle_end_step(w->oracle);
	if (w->change_count != before)
		failure_set(&w->failure, "HASH", "a content changed, and no ctime told of it");
}
