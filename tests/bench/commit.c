/* commit: what stable storage alone costs here, to compare latencies with.
 *
 *     bench_commit DIRECTORY COUNT
 *
 * Times LMDB commits of one record of 300 bytes, synced, and a plain 4 KiB write with fdatasync(2), with the
 * same rests between them as the latency benchmark has.  Prints p50, p95, p99 and the worst, in microseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/sample.h"

enum { RECORD_BYTES = 300, MAP_BYTES = 1 << 28 };

static void check(int r, const char *what)
{
	if (r == 0)
		return;
	fprintf(stderr, "%s: %s\n", what, mdb_strerror(r));
	exit(1);
}

static uint64_t time_commit(MDB_env *env, uint64_t number)
{
	static char record[RECORD_BYTES];
	unsigned char key[8];
	MDB_val k = {sizeof(key), key}, v = {sizeof(record), record};
	MDB_txn *txn;
	MDB_dbi dbi;
	uint64_t began;

	for (int i = 0; i < 8; i++)
		key[i] = (unsigned char)(number >> (56 - 8 * i));
	rest();
	began = monotonic_ns();
	check(mdb_txn_begin(env, NULL, 0, &txn), "mdb_txn_begin");
	check(mdb_dbi_open(txn, NULL, 0, &dbi), "mdb_dbi_open");
	check(mdb_put(txn, dbi, &k, &v, MDB_APPEND), "mdb_put");
	check(mdb_txn_commit(txn), "mdb_txn_commit");
	return monotonic_ns() - began;
}

static uint64_t time_write(int fd, uint64_t number)
{
	static char page[4096];
	uint64_t began;

	rest();
	began = monotonic_ns();
	if (pwrite(fd, page, sizeof(page), (off_t)(number * sizeof(page))) != (ssize_t)sizeof(page) ||
	    fdatasync(fd) != 0)
		die("fdatasync");
	return monotonic_ns() - began;
}

int main(int argc, char **argv)
{
	size_t count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	uint64_t *ns = calloc(count + 1, sizeof(*ns));
	MDB_env *env;
	int fd;

	if (count == 0 || ns == NULL || chdir(argv[1]) != 0) {
		fprintf(stderr, "usage: bench_commit DIRECTORY COUNT\n");
		return 2;
	}
	check(mdb_env_create(&env), "mdb_env_create");
	check(mdb_env_set_mapsize(env, MAP_BYTES), "mdb_env_set_mapsize");
	check(mdb_env_open(env, "commit.mdb", MDB_NOSUBDIR, 0600), "mdb_env_open");
	for (size_t i = 0; i < count; i++)
		ns[i] = time_commit(env, i);
	print_percentiles("lmdb-commit", ns, count);
	mdb_env_close(env);
	fd = open("write", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		die("write");
	for (size_t i = 0; i < count; i++)
		ns[i] = time_write(fd, i);
	print_percentiles("fdatasync", ns, count);
	close(fd);
	free(ns);
	return 0;
}
