#include <fcntl.h>
#include <lmdb.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "store/runs.h"
#include "store/snapshot.h"
#include "store/text.h"
#include "store/tokens.h"
#include "store_fixture.h"

enum { FLIPS = 200, LONG_FLIPS = 5000, LIED = 42 };

static void add_tree(struct fixture *f)
{
	uint64_t directory = f->drive.root;
	char name[32];

	for (int i = 0; i < 400; i++) {
		snprintf(name, sizeof(name), "name-%d", i * 7919 % 400);
		if (i % 20 == 0)
			directory = add_node(f, i % 60 ? directory : f->drive.root, NODE_DIR, name,
					     1000 + (uint64_t)i);
		else
			add_node(f, directory, i % 7 ? NODE_FILE : NODE_SYMLINK, name, 1000 + (uint64_t)i);
	}
}

static void add_records(struct fixture *f, const char *stream, int count)
{
	struct journal *j;
	char json[1024];
	bool left;

	assert_int_equal(journal_open(&j, f->txn, stream), 0);
	for (int i = 0; i < count; i++) {
		struct journal_record record = {.event = EVENT_FILE_CREATED, .json = json};

		record.json_len =
			(size_t)snprintf(json, sizeof(json), "{\"i\":%d,\"pad\":\"%0*d\"}", i, i % 900, 0);
		assert_int_equal(journal_append(j, f->txn, &record), 0);
	}
	assert_int_equal(journal_prune(j, f->txn, (uint64_t)count / 2, 1000, &left), 0);
	journal_close(j);
}

static void add_rest(struct fixture *f)
{
	struct token_row token = {.scopes = TOKEN_READ, .hash = {1, 2, 3}, .name = "desk", .drives = "*"};
	struct run_row run = {
		.drive = f->drive.drive, .run = 1, .trigger = RUN_FIRST_INDEX, .state = RUN_COMPLETED};

	assert_int_equal(tokens_add(f->txn, &token), 0);
	assert_int_equal(runs_put(f->txn, &run), 0);
	f->drive.indexed = true;
	f->drive.last_run = 1;
	assert_int_equal(drives_update(f->txn, &f->drive), 0);
}

static int setup(void **state)
{
	struct fixture *f;

	if (fixture_setup(state) != 0)
		return -1;
	f = *state;
	fixture_begin(f, STORE_WRITE);
	add_tree(f);
	add_records(f, "drive:music", 200);
	add_records(f, "bus", 10);
	add_rest(f);
	fixture_commit(f);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	store_close(f->store);
	fixture_remove(f);
	free(f);
	return 0;
}

static void test_sound_store_is_counted(void **state)
{
	struct fixture *f = *state;
	struct store_report report;
	uint64_t node;

	fixture_begin(f, STORE_WRITE);
	assert_int_equal(index_lookup(f->txn, f->drive.root, "name-0", 6, &node), 0);
	assert_int_equal(index_detach(f->txn, node), 0);
	fixture_commit(f);
	assert_int_equal(store_check(f->store, &report, fixture_say, NULL), 0);
	assert_int_equal(report.streams, 2);
	assert_int_equal(report.records, 105);
	assert_int_equal(report.drives, 1);
	assert_int_equal(report.nodes, 401);
	assert_int_equal(report.identities, 400);
	assert_int_equal(report.detached, 1);
	assert_int_equal(report.runs, 1);
	assert_int_equal(report.tokens, 1);
	assert_int_equal(report.faults, 0);
}

/* Faults that LMDB cannot see: entries put or taken behind the store's back. */
struct tampering {
	const char *table;
	int victim;     /* its how-manieth entry; -1: none is taken */
	uint8_t turn;   /* put the value back with this turned in its last byte; 0: leave it away */
	bool other_key; /* or with this in its key's last byte instead */
};

static void tamper(struct fixture *f, const struct tampering *t)
{
	uint8_t key_bytes[512], value_bytes[4096];
	MDB_val key, value;
	MDB_cursor *cursor;
	char path[128];
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	int i = 0;

	snprintf(path, sizeof(path), "%s/store.mdb", f->directory);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 64), 0);
	assert_int_equal(mdb_env_set_mapsize(env, 1 << 30), 0);
	assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOSYNC, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, t->table, 0, &dbi), 0);
	assert_int_equal(mdb_cursor_open(txn, dbi, &cursor), 0);
	do
		assert_int_equal(mdb_cursor_get(cursor, &key, &value, MDB_NEXT), 0);
	while (i++ < t->victim);
	memcpy(key_bytes, key.mv_data, key.mv_size);
	memcpy(value_bytes, value.mv_data, value.mv_size);
	key.mv_data = key_bytes;
	value.mv_data = value_bytes;
	assert_int_equal(mdb_cursor_del(cursor, 0), 0);
	if (t->turn != 0) {
		if (t->other_key)
			key_bytes[key.mv_size - 1] ^= t->turn;
		else
			value_bytes[value.mv_size - 1] ^= t->turn;
		assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
	}
	mdb_cursor_close(cursor);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void test_each_kind_of_tampering_is_a_fault(void **state)
{
	static const struct tampering kinds[] = {
		{"names", 30, 0, false},      {"names", 30, 1, false},       {"names", 30, 0x40, true},
		{"ids", 30, 0, false},        {"ids", 30, 0x7f, true},       {"nodes", 0, 0, false},
		{"nodes", 30, 0, false},      {"nodes", 30, 1, false},       {"nodes", 400, 0x7f, true},
		{"journal01", 0, 0, false},   {"journal01", 50, 0, false},   {"journal01", 50, 1, false},
		{"journal01", 99, 0, false},  {"journal01", 99, 0x40, true}, {"streams", 0, 0, false},
		{"streams", 0, 1, false},     {"drives", 0, 0, false},       {"drives", 0, 1, false},
		{"runs", 0, 1, false},        {"runs", 0, 1, true},          {"tokens", 0, 0, false},
		{"tokens", 0, 1, false},      {"token_hashes", 0, 0, false}, {"token_hashes", 0, 1, false},
		{"token_hashes", 0, 1, true}, {"meta", 0, 1, true},          {"meta", 1, 1, false},
		{"meta", 1, 1, true},
	};
	struct fixture *f = *state;
	struct store_options options = {.directory = f->directory, .no_sync = true};
	struct store_report report;
	int r;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		store_close(f->store);
		tamper(f, &kinds[i]);
		r = store_open(&f->store, &options);
		if (r == 0)
			r = store_check(f->store, &report, NULL, NULL);
		if (r != -EILSEQ && r != STORE_BROKEN)
			fail_msg("tampering %zu with %s was not noticed: %d", i, kinds[i].table, r);
		store_close(f->store);
		fixture_remove(f);
		assert_int_equal(mkdir(f->directory, 0700), 0);
		fixture_open(f);
		fixture_begin(f, STORE_WRITE);
		assert_int_equal(drives_add(f->txn, "music", &f->drive), 0);
		add_tree(f);
		add_records(f, "drive:music", 200);
		add_records(f, "bus", 10);
		add_rest(f);
		fixture_commit(f);
	}
}

static void test_directory_below_itself_is_a_fault(void **state)
{
	struct fixture *f = *state;
	struct store_report report;
	uint64_t a, b;

	fixture_begin(f, STORE_WRITE);
	a = add_node(f, f->drive.root, NODE_DIR, "a", 1);
	b = add_node(f, a, NODE_DIR, "b", 2);
	assert_int_equal(index_move(f->txn, a, b, "a", 1, 0, 0), 0);
	fixture_commit(f);
	assert_int_equal(store_check(f->store, &report, NULL, NULL), -EILSEQ);
	assert_int_equal(report.faults, 1);
}

static void test_revision_beyond_the_journal_is_a_fault(void **state)
{
	struct fixture *f = *state;
	struct store_report report;
	struct index_node n;
	struct journal *j;
	struct position tail;

	fixture_begin(f, STORE_WRITE);
	assert_int_equal(journal_open(&j, f->txn, "drive:music"), 0);
	assert_int_equal(journal_tail(j, f->txn, &tail), 0);
	n = node_like(f, f->drive.root, NODE_FILE, "early", 1);
	n.rev_epoch = tail.epoch;
	n.rev_seq = tail.seq + 1;
	assert_int_equal(index_add(f->txn, &n), 0);
	fixture_commit(f);
	journal_close(j);
	assert_int_equal(store_check(f->store, &report, NULL, NULL), -EILSEQ);
	assert_int_equal(report.faults, 1);
}

static void count_line(void *context, const char *line)
{
	assert_null(strchr(line, '\n'));
	(*(int *)context)++;
}

static void test_all_faults_are_counted_and_the_first_hundred_told(void **state)
{
	static const struct tampering no_drive = {"drives", 0, 0, false};
	struct fixture *f = *state;
	struct store_report report;
	int lines = 0;

	store_close(f->store);
	tamper(f, &no_drive);
	fixture_open(f);
	assert_int_equal(store_check(f->store, &report, count_line, &lines), -EILSEQ);
	assert_true(report.faults >= 401);
	assert_int_equal(lines, 100);
}

static char *read_file(const struct fixture *f, size_t *len)
{
	char path[128], *bytes;
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/store.mdb", f->directory);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	*len = (size_t)st.st_size;
	bytes = malloc(*len);
	assert_non_null(bytes);
	assert_int_equal(read(fd, bytes, *len), *len);
	close(fd);
	return bytes;
}

/* Put one value into a file of LMDB's, whatever else it holds. */
static void put_raw(struct fixture *f, const char *table, const char *name, const void *bytes, size_t len)
{
	MDB_val key = {strlen(name), (void *)name}, value = {len, (void *)bytes};
	char path[128];
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	snprintf(path, sizeof(path), "%s/store.mdb", f->directory);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 64), 0);
	assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOSYNC, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, table, MDB_CREATE, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void test_newer_format_is_told_and_not_touched(void **state)
{
	struct fixture *f = *state;
	struct store_options options = {.directory = f->directory, .no_sync = true};
	size_t len, len_after;
	char *before, *after;

	store_close(f->store);
	put_raw(f, "meta", "format", "\0\0\0\3 and whatever", 17);
	before = read_file(f, &len);
	assert_int_equal(store_open(&f->store, &options), STORE_NEWER);
	assert_null(f->store);
	options.read_only = true;
	assert_int_equal(store_open(&f->store, &options), STORE_NEWER);
	after = read_file(f, &len_after);
	assert_int_equal(len_after, len);
	assert_memory_equal(after, before, len);
	free(before);
	free(after);
}

static void test_file_of_another_program_is_broken_and_not_touched(void **state)
{
	struct fixture *f = *state;
	struct store_options options = {.directory = f->directory, .no_sync = true};
	size_t len, len_after;
	char *before, *after;

	store_close(f->store);
	fixture_remove(f);
	assert_int_equal(mkdir(f->directory, 0700), 0);
	put_raw(f, "somebody", "elses", "data", 4);
	before = read_file(f, &len);
	assert_int_equal(store_open(&f->store, &options), STORE_BROKEN);
	after = read_file(f, &len_after);
	assert_int_equal(len_after, len);
	assert_memory_equal(after, before, len);
	free(before);
	free(after);
}

static int add_record_text(void *context, const struct journal_record *record)
{
	struct text *t = context;

	text_add_number(t, record->seq);
	text_add_number(t, record->check);
	text_add_number(t, record->event);
	text_add_number(t, record->flags);
	text_add(t, record->json, record->json_len);
	return 0;
}

static int dump_stream(struct store_txn *txn, const char *name, struct text *t)
{
	struct position tail;
	struct journal *j;
	uint64_t floor;
	int r = journal_open(&j, txn, name);

	if (r != 0)
		return r;
	if (journal_tail(j, txn, &tail) != 0 || journal_floor(j, txn, &floor) != 0)
		r = -1;
	if (r == 0)
		r = journal_read(j, txn, floor - 1, add_record_text, t) == JOURNAL_END ? 0 : -1;
	text_add(t, &tail, sizeof(tail));
	journal_close(j);
	return r;
}

static int dump_rows(struct store_txn *txn, struct text *t)
{
	static struct token_row token;
	static struct run_row run;
	struct drive_row drive;

	memset(&run, 0, sizeof(run));
	if (drives_find(txn, "music", &drive) != 0 || runs_get(txn, drive.drive, 1, &run) != 0 ||
	    tokens_next(txn, 0, &token) != 0)
		return -1;
	text_add(t, &drive, sizeof(drive));
	text_add_number(t, run.trigger * 100 + run.state);
	text_add(t, &token, sizeof(token));
	return tokens_next(txn, token.id, &token) == TOKENS_NONE ? 0 : -1;
}

/* Everything that a client could ever be told. */
static int dump(struct store *s, const char *directory, struct text *t)
{
	struct snapshot *snapshot;
	struct store_txn *txn;
	int r = store_begin(s, STORE_READ, &txn);

	if (r != 0)
		return r;
	r = dump_stream(txn, "drive:music", t) | dump_stream(txn, "bus", t) | dump_rows(txn, t);
	store_abort(txn);
	if (r == 0)
		r = snapshot_take(&snapshot, s, "music", directory, 0);
	if (r != 0)
		return r;
	for (size_t i = 0; r == 0 && i < snapshot_pages(snapshot); i++)
		r = snapshot_page(snapshot, i, t);
	snapshot_unref(snapshot);
	return r;
}

/* A damaged page may end this process: quietly, and without taking for ever. */
static void expect_the_worst(void)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
	struct rlimit none = {0, 0};
	int null = open("/dev/null", O_WRONLY);

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
	setrlimit(RLIMIT_CORE, &none);
	dup2(null, 1);
	dup2(null, 2);
	alarm(20);
}

static int judge(const char *directory, const struct text *truth)
{
	struct store_options options = {.directory = directory, .no_sync = true};
	struct store_report report;
	struct text got = {0};
	struct store *s;

	if (store_open(&s, &options) != 0 || store_check(s, &report, NULL, NULL) != 0)
		return 0;
	if (dump(s, directory, &got) != 0 || got.len != truth->len ||
	    memcmp(got.data, truth->data, got.len) != 0)
		return LIED;
	return 1;
}

static void write_flipped(const char *path, char *bytes, size_t len, size_t at, char turn)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	bytes[at] ^= turn;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
	bytes[at] ^= turn;
}

static int flip_and_judge(struct fixture *copy, char *bytes, size_t len, uint32_t *random,
			  const struct text *truth)
{
	char path[128];
	size_t at;
	int status;
	pid_t child;

	snprintf(path, sizeof(path), "%s/store.mdb", copy->directory);
	*random = *random * 1664525u + 1013904223u;
	at = (size_t)(*random >> 4) % len;
	*random = *random * 1664525u + 1013904223u;
	write_flipped(path, bytes, len, at, (char)(1 + (*random >> 8) % 255));
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		expect_the_worst();
		_exit(judge(copy->directory, truth));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == LIED)
		fail_msg("a byte turned at offset %zu of %zu was not noticed", at, len);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

static void test_no_turned_byte_is_passed_off_as_truth(void **state)
{
	struct fixture *f = *state, copy = {.directory = "/tmp/wakeline-flip-XXXXXX"};
	struct text truth = {0};
	uint32_t random = 42;
	int flips = getenv("WAKELINE_LONG") != NULL ? LONG_FLIPS : FLIPS, harmless = 0;
	char *bytes;
	size_t len;

	assert_int_equal(dump(f->store, f->directory, &truth), 0);
	assert_true(truth.len > 10000);
	store_close(f->store);
	f->store = NULL;
	bytes = read_file(f, &len);
	assert_non_null(mkdtemp(copy.directory));
	for (int i = 0; i < flips; i++)
		harmless += flip_and_judge(&copy, bytes, len, &random, &truth);
	assert_true(harmless < flips); /* pages that nobody uses any more */
	print_message("%d of %d turned bytes did no harm\n", harmless, flips);
	fixture_remove(&copy);
	free(bytes);
	text_deinit(&truth);
}

int main(void)
{
#define check_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		check_test(test_sound_store_is_counted),
		check_test(test_each_kind_of_tampering_is_a_fault),
		check_test(test_directory_below_itself_is_a_fault),
		check_test(test_revision_beyond_the_journal_is_a_fault),
		check_test(test_all_faults_are_counted_and_the_first_hundred_told),
		check_test(test_newer_format_is_told_and_not_touched),
		check_test(test_file_of_another_program_is_broken_and_not_touched),
		check_test(test_no_turned_byte_is_passed_off_as_truth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
