/* helper: a real process, forked by a real starter, on a real directory. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "watcher/drive.h"
#include "watcher/helper_message.h"
#include "watcher/starter.h"

enum { PATIENCE_MS = 20000 };

struct fixture {
	struct starter *starter;
	struct watch_drive *drive; /* as the watcher would identify what lies there */
	char path[64];
	int fd;
	pid_t pid;
	uint32_t requests;
	uint8_t in[HELPER_FRAME_MAX];
	size_t in_len;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->path, "/tmp/wakeline-helper-test-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	assert_int_equal(watch_drive_new(&f->drive, 1, f->path, WATCH_AUTO), 0);
	assert_int_equal(starter_fork(&f->starter), 0);
	assert_int_equal(starter_start(f->starter, START_HELPER, &f->fd, &f->pid), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	close(f->fd);
	starter_free(f->starter);
	watch_drive_free(f->drive);
	snprintf(command, sizeof(command), "rm -rf %s", f->path);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void ask(struct fixture *f, struct helper_request *q)
{
	uint8_t frame[HELPER_FRAME_MAX];
	int len;

	q->request = ++f->requests;
	len = helper_request_encode(q, frame, sizeof(frame));
	assert_true(len > 0);
	assert_int_equal(send(f->fd, frame, (size_t)len, 0), len);
}

static struct helper_answer take(struct fixture *f)
{
	struct pollfd p = {.fd = f->fd, .events = POLLIN};
	struct helper_answer a;
	ssize_t n;
	int len;

	while ((len = helper_answer_decode(&a, f->in, f->in_len)) == 0) {
		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		n = recv(f->fd, f->in + f->in_len, sizeof(f->in) - f->in_len, 0);
		assert_true(n > 0);
		f->in_len += (size_t)n;
	}
	assert_true(len > 0);
	f->in_len -= (size_t)len;
	memmove(f->in, f->in + len, f->in_len);
	return a;
}

static struct helper_answer asked(struct fixture *f, struct helper_request q)
{
	struct helper_answer a;

	ask(f, &q);
	a = take(f);
	assert_int_equal(a.request, q.request);
	return a;
}

static struct helper_answer open_drive(struct fixture *f, uint8_t flags)
{
	return asked(f, (struct helper_request){.type = HELPER_OPEN,
						.flags = flags,
						.id = f->drive->root,
						.path = f->path,
						.path_len = strlen(f->path)});
}

static void path_of(const struct fixture *f, const char *name, char out[256])
{
	snprintf(out, 256, "%s/%s", f->path, name);
}

static void put(const struct fixture *f, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	path_of(f, name, path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void assert_holds(const struct fixture *f, const char *name, const char *text)
{
	char path[256], got[64] = "";
	FILE *file;

	path_of(f, name, path);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(got, sizeof(got), file));
	fclose(file);
	assert_string_equal(got, text);
}

/* A request for the hash of what lies there now. */
static struct helper_request hash_of(const struct fixture *f, const char *name)
{
	struct helper_request q = {.type = HELPER_HASH, .path = name, .path_len = strlen(name)};
	struct entry_state s;
	char path[256];
	int fd;

	path_of(f, name, path);
	fd = open(path, O_PATH | O_NOFOLLOW);
	assert_true(fd >= 0);
	assert_int_equal(entry_of_fd(fd, &f->drive->rule, &q.id, &s), 0);
	close(fd);
	q.size = s.size;
	q.mtime = s.mtime;
	q.ctime = s.ctime;
	return q;
}

static void assert_hash(const struct helper_answer *a, const char *hex)
{
	char text[65];

	assert_int_equal(a->type, HELPER_HASHED);
	assert_int_equal(a->error, 0);
	for (size_t i = 0; i < sizeof(a->hash); i++)
		snprintf(text + 2 * i, 3, "%02x", a->hash[i]);
	assert_string_equal(text, hex);
}

static const char hash_of_abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/* `.wakeline`. */

static void test_the_epoch_is_written_and_found_again(void **state)
{
	struct fixture *f = *state;
	struct helper_answer a = open_drive(f, 0);
	struct stat st;
	char path[256];

	assert_int_equal(a.type, HELPER_OPENED);
	assert_int_equal(a.error, 0);
	assert_int_equal(a.flags, HELPER_WRITABLE);
	assert_int_equal(a.epoch, 0);
	path_of(f, ".wakeline", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	a = asked(f, (struct helper_request){.type = HELPER_EPOCH, .epoch = 111411200000001});
	assert_int_equal(a.error, 0);
	assert_holds(f, ".wakeline/epoch", "111411200000001\n");
	a = open_drive(f, 0);
	assert_int_equal(a.epoch, 111411200000001);
}

static void test_what_is_no_epoch_is_said_and_replaced(void **state)
{
	static const char *const wrong[] = {
		"", "12", "12 \n", "-1\n", "0\n", "9007199254740992\n", "18446744073709551617\n"};
	struct fixture *f = *state;
	struct helper_answer a = open_drive(f, 0);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		put(f, ".wakeline/epoch", wrong[i]);
		a = open_drive(f, 0);
		assert_int_equal(a.flags, HELPER_WRITABLE | HELPER_MALFORMED);
		assert_int_equal(a.epoch, 0);
	}
	a = asked(f, (struct helper_request){.type = HELPER_EPOCH, .epoch = 5});
	assert_int_equal(a.error, 0);
	assert_holds(f, ".wakeline/epoch", "5\n");
}

static void test_a_read_only_drive_stays_as_it_is(void **state)
{
	struct fixture *f = *state;
	struct helper_answer a = open_drive(f, HELPER_READ_ONLY);
	char path[256];

	assert_int_equal(a.error, 0);
	assert_int_equal(a.flags, 0);
	a = asked(f, (struct helper_request){.type = HELPER_EPOCH, .epoch = 5});
	assert_int_equal(a.error, -EROFS);
	a = asked(f, (struct helper_request){.type = HELPER_PROBE});
	assert_int_equal(a.error, -EROFS);
	path_of(f, ".wakeline", path);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_a_link_called_wakeline_is_not_followed(void **state)
{
	struct fixture *f = *state;
	struct helper_answer a;
	char path[256];

	path_of(f, "elsewhere", path);
	assert_int_equal(mkdir(path, 0700), 0);
	path_of(f, ".wakeline", path);
	assert_int_equal(symlink("elsewhere", path), 0);
	a = open_drive(f, 0);
	assert_int_equal(a.error, 0);
	assert_int_equal(a.flags, 0);
	a = asked(f, (struct helper_request){.type = HELPER_EPOCH, .epoch = 5});
	assert_int_equal(a.error, -ELOOP);
}

static void test_another_root_is_refused(void **state)
{
	struct fixture *f = *state;
	struct helper_answer a;
	char aside[128];

	snprintf(aside, sizeof(aside), "%s-aside", f->path);
	assert_int_equal(rename(f->path, aside), 0);
	assert_int_equal(mkdir(f->path, 0700), 0);
	a = open_drive(f, 0);
	assert_int_equal(a.error, -ESTALE);
	a = asked(f, (struct helper_request){.type = HELPER_EPOCH, .epoch = 5});
	assert_int_equal(a.error, -ENODEV);
	assert_int_equal(rmdir(f->path), 0);
	assert_int_equal(rename(aside, f->path), 0);
}

/* Hashes. */

static void test_a_file_is_hashed(void **state)
{
	struct fixture *f = *state;
	struct helper_answer a;

	put(f, "f", "abc");
	open_drive(f, 0);
	a = asked(f, hash_of(f, "f"));
	assert_hash(&a, hash_of_abc);
}

static void test_another_state_than_the_known_one_is_stale(void **state)
{
	struct fixture *f = *state;
	struct helper_request q;

	put(f, "f", "abc");
	put(f, "g", "abc");
	open_drive(f, 0);
	q = hash_of(f, "f");
	q.size++;
	assert_int_equal(asked(f, q).error, -ESTALE);
	q = hash_of(f, "f");
	q.ctime.nanoseconds ^= 1;
	assert_int_equal(asked(f, q).error, -ESTALE);
	q = hash_of(f, "f");
	q.path = "g";
	assert_int_equal(asked(f, q).error, -ESTALE);
	q.path = "h";
	assert_int_equal(asked(f, q).error, -ENOENT);
}

static void test_no_path_leads_out_of_the_drive(void **state)
{
	struct fixture *f = *state;
	struct helper_request q;
	char path[256];

	put(f, "f", "abc");
	path_of(f, "link", path);
	assert_int_equal(symlink(f->path, path), 0);
	open_drive(f, 0);
	q = hash_of(f, "f");
	q.path = "link/f";
	q.path_len = strlen(q.path);
	assert_int_equal(asked(f, q).error, -ELOOP);
	q.path = "../etc/passwd";
	q.path_len = strlen(q.path);
	assert_int_equal(asked(f, q).error, -EXDEV);
}

static void test_a_fifo_is_not_opened(void **state)
{
	struct fixture *f = *state;
	struct helper_request q;
	char path[256];

	put(f, "f", "abc");
	q = hash_of(f, "f");
	path_of(f, "f", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	open_drive(f, 0);
	assert_int_equal(asked(f, q).error, -ESTALE);
}

static void make_big(const struct fixture *f, const char *name, off_t size)
{
	char path[256];
	int fd;

	path_of(f, name, path);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static void test_a_huge_file_holds_up_nobody(void **state)
{
	struct fixture *f = *state;
	struct helper_request huge, small, cancel = {.type = HELPER_CANCEL};
	struct helper_answer a;
	uint8_t frame[HELPER_FRAME_MAX];
	int len;

	make_big(f, "huge", (off_t)1 << 40);
	put(f, "small", "abc");
	open_drive(f, 0);
	huge = hash_of(f, "huge");
	ask(f, &huge);
	small = hash_of(f, "small");
	a = asked(f, small);
	assert_hash(&a, hash_of_abc);
	cancel.request = huge.request;
	len = helper_request_encode(&cancel, frame, sizeof(frame));
	assert_int_equal(send(f->fd, frame, (size_t)len, 0), len);
	assert_int_equal(asked(f, (struct helper_request){.type = HELPER_PROBE}).error, 0);
}

static void test_a_file_that_changes_meanwhile_is_stale(void **state)
{
	struct fixture *f = *state;
	struct helper_request huge;
	char path[256];

	make_big(f, "huge", (off_t)1 << 40);
	open_drive(f, 0);
	huge = hash_of(f, "huge");
	ask(f, &huge);
	assert_int_equal(asked(f, (struct helper_request){.type = HELPER_PROBE}).error, 0);
	path_of(f, "huge", path);
	assert_int_equal(truncate(path, 1 << 20), 0);
	assert_int_equal(take(f).error, -ESTALE);
}

static void test_a_path_longer_than_the_kernel_takes_is_opened(void **state)
{
	struct fixture *f = *state;
	struct helper_request q;
	struct helper_answer a;
	char name[201], path[256], whole[8192] = "";
	int fd = open(f->path, O_PATH | O_DIRECTORY), next;

	memset(name, 'n', 200);
	name[200] = '\0';
	put(f, "f", "abc");
	q = hash_of(f, "f");
	for (int i = 0; i < 30; i++) {
		assert_int_equal(mkdirat(fd, name, 0700), 0);
		next = openat(fd, name, O_PATH | O_DIRECTORY);
		assert_true(next >= 0);
		close(fd);
		fd = next;
		strcat(strcat(whole, name), "/");
	}
	path_of(f, "f", path);
	assert_int_equal(linkat(AT_FDCWD, path, fd, "f", 0), 0);
	close(fd);
	strcat(whole, "f");
	q = hash_of(f, "f");
	q.path = whole;
	q.path_len = strlen(whole);
	open_drive(f, 0);
	a = asked(f, q);
	assert_hash(&a, hash_of_abc);
}

/* The process. */

static unsigned long long capabilities_of(pid_t pid)
{
	char path[64], line[256];
	unsigned long long caps = ~0ULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		sscanf(line, "CapPrm: %llx", &caps);
	fclose(file);
	return caps;
}

static void test_it_keeps_what_it_needs_and_no_more(void **state)
{
	struct fixture *f = *state;
	const unsigned long long read_all = 1ULL << CAP_DAC_READ_SEARCH, write_all = 1ULL << CAP_DAC_OVERRIDE;
	pid_t reader;
	int fd;

	open_drive(f, 0); /* so it has shed them */
	assert_int_equal(capabilities_of(f->pid) & ~(read_all | write_all), 0);
	assert_int_equal(starter_start(f->starter, START_READER, &fd, &reader), 0);
	close(f->fd);
	f->fd = fd;
	open_drive(f, HELPER_READ_ONLY);
	assert_int_equal(capabilities_of(reader) & ~read_all, 0);
}

static void test_it_holds_nothing_open_while_it_rests(void **state)
{
	struct fixture *f = *state;
	char path[64], link[256];
	ssize_t n;

	put(f, "f", "abc");
	open_drive(f, 0);
	asked(f, hash_of(f, "f"));
	/* It lets go before it waits for the next request, so this one's answer finds it at rest before. */
	for (int fd = 4; fd < 16; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)f->pid, fd);
		for (int tries = 0; tries < 1000 && (n = readlink(path, link, sizeof(link) - 1)) >= 0;
		     tries++)
			poll(NULL, 0, 1);
		assert_int_equal(n, -1);
	}
}

static void test_a_malformed_frame_ends_it(void **state)
{
	struct fixture *f = *state;
	struct pollfd p = {.fd = f->fd, .events = POLLIN};
	const uint8_t nonsense[16] = {12, 0, 0, 0, 99};

	assert_int_equal(send(f->fd, nonsense, sizeof(nonsense), 0), sizeof(nonsense));
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_true(recv(f->fd, f->in, sizeof(f->in), 0) <= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_epoch_is_written_and_found_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_no_epoch_is_said_and_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_read_only_drive_stays_as_it_is, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_link_called_wakeline_is_not_followed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_root_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_file_is_hashed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_state_than_the_known_one_is_stale, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_no_path_leads_out_of_the_drive, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_fifo_is_not_opened, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_huge_file_holds_up_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_file_that_changes_meanwhile_is_stale, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_path_longer_than_the_kernel_takes_is_opened, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_it_keeps_what_it_needs_and_no_more, setup, teardown),
		cmocka_unit_test_setup_teardown(test_it_holds_nothing_open_while_it_rests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_malformed_frame_ends_it, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
