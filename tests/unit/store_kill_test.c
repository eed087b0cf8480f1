/* A child commits in a loop and tells each commit through a pipe; it is killed at a random moment, and what
 * it left is opened and read whole: every record that it told must be there, the index must stand at the
 * journal's tail. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "store_fixture.h"

enum { ROUNDS = 20, LONG_ROUNDS = 300, KEPT_NODES = 40, KEPT_RECORDS = 300 };

static uint32_t pick(uint32_t *random, uint32_t bound)
{
	*random = *random * 1664525u + 1013904223u;
	return (*random >> 8) % bound;
}

static void must(int r)
{
	if (r != 0)
		_exit(1);
}

/* One change: record and node carry the same number, so that one without the other shows. */
static void change(struct store_txn *txn, struct journal *j, const struct drive_row *drive,
		   uint64_t directory)
{
	struct index_node n = {.parent = directory, .drive = drive->drive};
	struct journal_record record = {.event = EVENT_FILE_CREATED};
	char json[64], name[32];
	struct position tail;

	must(journal_tail(j, txn, &tail));
	record.json = json;
	record.json_len =
		(size_t)snprintf(json, sizeof(json), "{\"n\":%llu}", (unsigned long long)tail.seq + 1);
	must(journal_append(j, txn, &record));
	n.state = (struct node_state){.kind = NODE_FILE, .size = record.seq};
	n.name = name;
	n.name_len = (size_t)snprintf(name, sizeof(name), "%llu", (unsigned long long)record.seq);
	n.rev_epoch = tail.epoch;
	n.rev_seq = record.seq;
	identity_of(&n.id, record.seq);
	must(index_add(txn, &n));
}

static uint64_t fresh_directory(struct store_txn *txn, const struct drive_row *drive)
{
	struct index_node n = {.parent = drive->root, .drive = drive->drive, .name = "d", .name_len = 1};
	uint64_t old;
	int r = index_lookup(txn, drive->root, "d", 1, &old);

	must(r == INDEX_NONE ? 0 : r);
	if (r == 0)
		must(index_detach(txn, old));
	n.state.kind = NODE_DIR;
	must(index_add(txn, &n));
	return n.node;
}

static void work(struct store *s, int acknowledge, uint32_t random)
{
	struct drive_row drive;
	struct store_txn *txn;
	struct position tail;
	struct journal *j;
	uint64_t directory;
	bool left;
	int r;

	must(store_begin(s, STORE_WRITE, &txn));
	r = drives_find(txn, "music", &drive);
	must(r == DRIVES_NONE ? drives_add(txn, "music", &drive) : r);
	must(journal_open(&j, txn, "drive:music"));
	directory = fresh_directory(txn, &drive);
	must(store_commit(txn));
	for (unsigned commit = 1;; commit++) {
		must(store_begin(s, STORE_WRITE, &txn));
		for (uint32_t n = 1 + pick(&random, 8); n > 0; n--)
			change(txn, j, &drive, directory);
		if (commit % KEPT_NODES == 0)
			directory = fresh_directory(txn, &drive);
		must(index_sweep(txn, 5, &left));
		must(journal_prune(j, txn, KEPT_RECORDS, 10, &left));
		must(journal_tail(j, txn, &tail));
		must(store_commit(txn));
		if (write(acknowledge, &tail, sizeof(tail)) != sizeof(tail))
			_exit(1);
	}
}

static void child_main(const struct fixture *f, int acknowledge, uint32_t random)
{
	struct store_options options = {.directory = f->directory};
	struct store *s;

	must(store_open(&s, &options));
	work(s, acknowledge, random);
}

static bool read_acknowledged(int fd, struct position *last)
{
	return read(fd, last, sizeof(*last)) == sizeof(*last);
}

/* Not a wait for anything: it moves the kill to any point of a commit. */
static void pause_up_to_a_commit(uint32_t *random)
{
	struct timespec pause = {0, (long)pick(random, 1000000)};

	nanosleep(&pause, NULL);
}

/* The last position that the child told before it died. */
static struct position run_and_kill(const struct fixture *f, uint32_t *random)
{
	struct position last = {0, 0, 0};
	int ends[2], status;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(ends[0]);
		child_main(f, ends[1], *random);
		_exit(1);
	}
	close(ends[1]);
	for (uint32_t n = pick(random, 60); n > 0; n--)
		assert_true(read_acknowledged(ends[0], &last));
	pause_up_to_a_commit(random);
	assert_int_equal(kill(child, SIGKILL), 0);
	while (read_acknowledged(ends[0], &last))
		;
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return last;
}

static int count_up(void *context, const struct journal_record *record)
{
	uint64_t *next = context;
	char expected[64];
	int len = snprintf(expected, sizeof(expected), "{\"n\":%llu}", (unsigned long long)record->seq);

	assert_int_equal(record->seq, (*next)++);
	assert_int_equal(record->json_len, len);
	assert_memory_equal(record->json, expected, record->json_len);
	return 0;
}

static void inspect(struct fixture *f, const struct position *told)
{
	struct drive_row drive;
	struct position tail;
	struct journal *j;
	uint64_t next;

	fixture_check(f);
	fixture_begin(f, STORE_READ);
	if (journal_open(&j, f->txn, "drive:music") == 0) {
		assert_int_equal(drives_find(f->txn, "music", &drive), 0);
		assert_int_equal(journal_tail(j, f->txn, &tail), 0);
		assert_true(tail.seq >= told->seq);
		assert_true(told->seq == 0 || tail.epoch == told->epoch);
		assert_true(told->seq == 0 || journal_locate(j, f->txn, told) == 0);
		assert_int_equal(journal_floor(j, f->txn, &next), 0);
		assert_int_equal(journal_read(j, f->txn, next - 1, count_up, &next), JOURNAL_END);
		assert_int_equal(next, tail.seq + 1);
		journal_close(j);
	} else {
		assert_int_equal(told->seq, 0);
	}
	store_abort(f->txn);
	f->txn = NULL;
}

static void test_nothing_that_was_told_is_missing_after_a_kill(void **state)
{
	unsigned rounds = getenv("WAKELINE_LONG") != NULL ? LONG_ROUNDS : ROUNDS;
	struct fixture *f = *state;
	struct position told = {0, 0, 0}, last;
	uint32_t random = 7420;

	for (unsigned round = 0; round < rounds; round++) {
		last = run_and_kill(f, &random);
		if (last.seq > 0)
			told = last;
		fixture_open(f);
		inspect(f, &told);
		store_close(f->store);
		f->store = NULL;
	}
}

static int setup(void **state)
{
	if (fixture_setup(state) != 0)
		return -1;
	store_close(((struct fixture *)*state)->store);
	((struct fixture *)*state)->store = NULL;
	fixture_remove(*state);
	return mkdir(((struct fixture *)*state)->directory, 0700);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_that_was_told_is_missing_after_a_kill, setup,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
