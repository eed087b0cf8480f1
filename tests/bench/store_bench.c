/* store_bench: how fast the store takes a first index, and how long commits of a change take on a large
 * index.
 *
 *     store_bench [DIRECTORY [ENTRIES]]
 *
 * Works in a fresh directory below DIRECTORY (default: the current one), which it removes, with 1,000,000
 * entries in directories of ten by default, in the order in which a crawler sees them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store/check.h"
#include "store/drives.h"
#include "store/index.h"
#include "store/item.h"
#include "store/journal.h"
#include "store/snapshot.h"
#include "store/store.h"

enum { BATCH = 10000, SINGLE_COMMITS = 1000, RANDOM_COMMITS = 50, RANDOM_NODES = 200, CATCH_UP = 200000 };

struct bench {
	struct store *store;
	struct store_txn *txn;
	struct journal *journal;
	struct drive_row drive;
	uint64_t entries, added, inode, in_batch;
	uint64_t random;
	struct text item;
};

static void must(int r, const char *what)
{
	if (r == 0)
		return;
	fprintf(stderr, "store_bench: %s: %s\n", what, r < 0 ? strerror(-r) : "unexpected answer");
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint64_t next_random(struct bench *b)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return b->random;
}

static void write_begin(struct bench *b)
{
	must(store_begin(b->store, STORE_WRITE, &b->txn), "begin");
}

static void write_commit(struct bench *b)
{
	must(store_commit(b->txn), "commit");
	b->txn = NULL;
}

static uint64_t add(struct bench *b, uint64_t parent, enum node_kind kind, const char *name)
{
	struct index_node n = {
		.parent = parent, .drive = b->drive.drive, .name = name, .name_len = strlen(name)};
	uint64_t inode = ++b->inode;

	n.state = (struct node_state){.kind = kind,
				      .mode = kind == NODE_DIR ? 0755 : 0644,
				      .uid = 1000,
				      .gid = 1000,
				      .links = 1,
				      .size = inode * 37 % 100000,
				      .mtime = {1700000000, 123456789},
				      .ctime = {1700000000, 123456789},
				      .birth = {1700000000, 123456789}};
	n.id.len = 21;
	for (int i = 0; i < 8; i++)
		n.id.bytes[i] = (uint8_t)(inode >> (56 - 8 * i));
	n.id.bytes[8] = 2;
	memcpy(n.id.bytes + 13, &inode, sizeof(inode));
	must(index_add(b->txn, &n), "add");
	b->added++;
	if (++b->in_batch == BATCH) {
		b->in_batch = 0;
		write_commit(b);
		write_begin(b);
	}
	return n.node;
}

/* Ten directories in each, four levels deep or so, with nine files in each: names as readdir gives them, not
 * sorted. */
static void fill(struct bench *b, uint64_t directory, unsigned depth)
{
	uint64_t below[10];
	char name[64];
	unsigned n = 0;

	for (unsigned i = 0; i < 9 && b->added < b->entries; i++) {
		snprintf(name, sizeof(name), "%08x-file.txt", (unsigned)(b->inode * 2654435761u));
		add(b, directory, NODE_FILE, name);
	}
	for (; depth > 0 && n < 10 && b->added < b->entries; n++) {
		snprintf(name, sizeof(name), "dir-%x", (unsigned)((b->inode * 40503u) & 0xffffff));
		below[n] = add(b, directory, NODE_DIR, name);
	}
	for (unsigned i = 0; i < n && b->added < b->entries; i++)
		fill(b, below[i], depth - 1);
}

static void bench_first_index(struct bench *b)
{
	double start = now(), seconds;

	write_begin(b);
	fill(b, b->drive.root, 7);
	write_commit(b);
	seconds = now() - start;
	printf("first index       %9" PRIu64 " entries  %8.2f s  %9.0f entries/s  %6.1f MiB\n", b->added,
	       seconds, (double)b->added / seconds, (double)store_used_bytes(b->store) / 1048576);
}

static void change(struct bench *b, uint64_t node)
{
	struct journal_record record = {.event = EVENT_FILE_UPDATED};
	struct item item = {
		.event = EVENT_FILE_UPDATED, .drive = b->drive.name, .path = "some/where/in/the/drive.txt"};
	struct index_node n;

	item.path_len = strlen(item.path);
	must(journal_tail(b->journal, b->txn, &item.at_position), "tail");
	item.at_position.seq++;
	must(index_get(b->txn, node, &n), "get");
	n.state.size++;
	n.state.mtime.seconds++;
	n.rev_epoch = item.at_position.epoch;
	n.rev_seq = item.at_position.seq;
	item.node = &n;
	item.changed = ITEM_CONTENT;
	text_clear(&b->item);
	item_encode(&b->item, &item);
	must(index_update(b->txn, &n), "update");
	record.json = b->item.data;
	record.json_len = b->item.len;
	must(journal_append(b->journal, b->txn, &record), "append");
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void bench_commits(struct bench *b, const char *what, unsigned commits, unsigned nodes)
{
	double *times = calloc(commits, sizeof(*times)), start;

	if (times == NULL)
		must(-ENOMEM, what);
	for (unsigned i = 0; i < commits; i++) {
		start = now();
		write_begin(b);
		for (unsigned k = 0; k < nodes; k++)
			change(b, b->drive.root + 1 + next_random(b) % b->added);
		write_commit(b);
		times[i] = (now() - start) * 1e3;
	}
	qsort(times, commits, sizeof(*times), by_size);
	printf("%-17s %9u commits  p50 %7.3f ms  p99 %7.3f ms\n", what, commits, times[commits / 2],
	       times[commits * 99 / 100]);
	free(times);
}

static int count_record(void *context, const struct journal_record *record)
{
	*(uint64_t *)context += record->json_len;
	return 0;
}

static void bench_catch_up(struct bench *b)
{
	uint64_t bytes = 0;
	struct position tail;
	double start, seconds;
	int r;

	write_begin(b);
	for (unsigned i = 0; i < CATCH_UP; i++)
		change(b, b->drive.root + 1 + i % b->added);
	write_commit(b);
	start = now();
	must(store_begin(b->store, STORE_READ, &b->txn), "begin");
	must(journal_tail(b->journal, b->txn, &tail), "tail");
	r = journal_read(b->journal, b->txn, 0, count_record, &bytes);
	must(r == JOURNAL_END ? 0 : r, "read");
	store_abort(b->txn);
	seconds = now() - start;
	printf("catch-up          %9" PRIu64 " records  %8.2f s  %9.0f records/s  %6.1f MiB\n", tail.seq,
	       seconds, (double)tail.seq / seconds, (double)bytes / 1048576);
}

static void bench_snapshot(struct bench *b, const char *directory)
{
	struct snapshot *s;
	double start = now(), seconds;

	must(snapshot_take(&s, b->store, b->drive.name, directory, 0), "snapshot");
	seconds = now() - start;
	printf("snapshot          %9" PRIu64 " entries  %8.2f s  %9.0f entries/s  %6zu pages\n",
	       snapshot_entries(s), seconds, (double)snapshot_entries(s) / seconds, snapshot_pages(s));
	snapshot_unref(s);
}

static void print_fault(void *context, const char *line)
{
	(void)context;
	fprintf(stderr, "store_bench: %s\n", line);
}

static void bench_check(struct bench *b)
{
	struct store_report report;
	double start = now();

	must(store_check(b->store, &report, print_fault, NULL), "check");
	printf("check             %9" PRIu64 " nodes    %8.2f s\n", report.nodes, now() - start);
}

static void run(const char *directory, uint64_t entries)
{
	struct store_options options = {.directory = directory};
	struct bench b = {.entries = entries, .random = UINT64_C(88172645463325252)};

	must(store_open(&b.store, &options), "open");
	write_begin(&b);
	must(drives_add(b.txn, "bench", &b.drive), "drive");
	must(journal_open(&b.journal, b.txn, "drive:bench"), "journal");
	write_commit(&b);
	bench_first_index(&b);
	bench_commits(&b, "one change", SINGLE_COMMITS, 1);
	bench_commits(&b, "200 random nodes", RANDOM_COMMITS, RANDOM_NODES);
	bench_catch_up(&b);
	bench_snapshot(&b, directory);
	bench_check(&b);
	journal_close(b.journal);
	text_deinit(&b.item);
	store_close(b.store);
}

static void remove_file(const char *directory, const char *name)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) < (int)sizeof(path))
		unlink(path);
}

int main(int argc, char **argv)
{
	char directory[4000];

	if (argc > 3 || snprintf(directory, sizeof(directory), "%s/store-bench-XXXXXX",
				 argc > 1 ? argv[1] : ".") >= (int)sizeof(directory)) {
		fprintf(stderr, "usage: store_bench [DIRECTORY [ENTRIES]]\n");
		return 2;
	}
	if (mkdtemp(directory) == NULL)
		must(-errno, directory);
	run(directory, argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000);
	remove_file(directory, "store.mdb");
	remove_file(directory, "store.mdb-lock");
	remove_file(directory, "lock");
	return rmdir(directory) == 0 ? 0 : 1;
}
