/* crawl_bench: how fast a watcher process lists a tree, against a bare walk, and what an event costs it.
 *
 *     crawl_bench [DIRECTORY [FILES [fanotify|inotify]]]
 *
 * Works in a fresh directory below DIRECTORY (default: the current one), which it removes, with 200,000 files
 * in directories of fifty by default.  CPU times are the process's own, from /proc/PID/schedstat. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "watcher/observation.h"
#include "watcher/process.h"

enum { PER_DIR = 50, IN_ROOM = 1 << 20 };

struct bench {
	char dir[4096];
	long files;
	enum watch_backend backend;
	int fd;
	pid_t pid;
	uint32_t request;
	long outstanding, entries;
	size_t len;
	uint8_t in[IN_ROOM];
};

static void fail(const char *what)
{
	fprintf(stderr, "crawl_bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Seconds that the process has run. */
static double cpu_of(pid_t pid)
{
	char path[64];
	unsigned long long ns = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	f = fopen(path, "r");
	if (f == NULL || fscanf(f, "%llu", &ns) != 1)
		fail(path);
	fclose(f);
	return (double)ns / 1e9;
}

static long rss_of(pid_t pid)
{
	char path[64], line[256];
	long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	}
	if (f != NULL)
		fclose(f);
	return kib;
}

static void make_files(const char *top, long files)
{
	char path[4200];

	for (long i = 0; i < files; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/%ld", top, i / PER_DIR);
		if (i % PER_DIR == 0 && mkdir(path, 0755) != 0)
			fail(path);
		snprintf(path, sizeof(path), "%s/%ld/f%ld", top, i / PER_DIR, i);
		fd = open(path, O_WRONLY | O_CREAT, 0644);
		if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) != 0)
			fail(path);
	}
}

static void remove_tree(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    unlinkat(fd, e->d_name, 0) != 0)
			remove_tree(fd, e->d_name);
	}
	if (dir != NULL)
		closedir(dir);
	unlinkat(parent, name, AT_REMOVEDIR);
}

/* The same work without anybody to tell: list, and stat each entry. */
static long walk(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	long count = 0;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		struct statx x;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (statx(fd, e->d_name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &x) != 0)
			fail(e->d_name);
		count += 1 + (S_ISDIR(x.stx_mode) ? walk(fd, e->d_name) : 0);
	}
	if (dir != NULL)
		closedir(dir);
	return count;
}

static void start_watcher(struct bench *b)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		fail("socketpair");
	b->pid = fork();
	if (b->pid == 0) {
		close(pair[0]);
		_exit(watcher_main(pair[1]));
	}
	close(pair[1]);
	b->fd = pair[0];
}

static void send_request(struct bench *b, const struct watch_request *r)
{
	uint8_t buf[OBSERVATION_FRAME_MAX];
	int n = watch_request_encode(r, buf, sizeof(buf));

	if (send(b->fd, buf, (size_t)n, MSG_NOSIGNAL) != n)
		fail("send");
}

static void send_scan(struct bench *b, const struct file_id *dir)
{
	b->outstanding++;
	send_request(b, &(struct watch_request){
				.type = REQUEST_SCAN, .drive = 1, .request = ++b->request, .dir = *dir});
}

static void observe(struct bench *b, const struct observation *o)
{
	if (o->type == OBSERVED_FAILED) {
		fprintf(stderr, "crawl_bench: %.*s\n", (int)o->text_len, o->text);
		exit(1);
	}
	b->entries += o->type == OBSERVED_ENTRY;
	if (o->type == OBSERVED_READY)
		send_scan(b, &o->id);
	if (o->type == OBSERVED_ENTRY && o->state.kind == ENTRY_DIR && !(o->flags & OBSERVED_FRESH))
		send_scan(b, &o->id);
	if (o->type == OBSERVED_SCAN_END)
		b->outstanding--;
}

static void receive(struct bench *b)
{
	struct observation o;
	size_t at = 0;
	int n;
	ssize_t got = recv(b->fd, b->in + b->len, sizeof(b->in) - b->len, 0);

	if (got <= 0)
		fail("the watcher ended");
	b->len += (size_t)got;
	while ((n = observation_decode(&o, b->in + at, b->len - at)) > 0) {
		at += (size_t)n;
		observe(b, &o);
	}
	b->len -= at;
	memmove(b->in, b->in + at, b->len);
}

static void measure_crawl(struct bench *b)
{
	double began, bare, watched;
	long count;

	count = walk(AT_FDCWD, b->dir); /* warm */
	began = now();
	walk(AT_FDCWD, b->dir);
	bare = now() - began;
	start_watcher(b);
	b->outstanding = 1; /* READY's scan takes its place */
	began = now();
	send_request(b, &(struct watch_request){.type = REQUEST_DRIVE,
						.drive = 1,
						.backend = b->backend,
						.name = b->dir,
						.name_len = strlen(b->dir)});
	while (b->request == 0)
		receive(b);
	b->outstanding--;
	while (b->outstanding > 0)
		receive(b);
	watched = now() - began;
	printf("crawl     %ld entries: bare walk %.0f/s, watcher %.0f/s (%.2f us CPU an entry), RSS %ld KiB, "
	       "%ld dirs\n",
	       count, (double)count / bare, (double)b->entries / watched,
	       cpu_of(b->pid) / (double)count * 1e6, rss_of(b->pid), count - b->files);
}

static double create_in_child(const char *top, long files)
{
	double began = now();
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		make_files(top, files);
		_exit(0);
	}
	if (waitpid(pid, &status, WNOHANG) != 0)
		return now() - began;
	return -began;
}

static void make_below(const struct bench *b, const char *name, char *path)
{
	snprintf(path, 4096, "%.4000s/%s", b->dir, name);
	if (mkdir(path, 0755) != 0)
		fail(path);
}

static void take_until_child_ends(struct bench *b)
{
	while (waitpid(-1, NULL, WNOHANG) == 0) {
		struct pollfd p = {.fd = b->fd, .events = POLLIN};

		if (poll(&p, 1, 1) > 0)
			receive(b);
	}
}

static void measure_events(struct bench *b, double alone)
{
	char path[4096];
	double cpu, watched, began;
	uint32_t barrier;

	make_below(b, "events", path);
	b->entries = 0;
	cpu = cpu_of(b->pid);
	began = -create_in_child(path, b->files);
	take_until_child_ends(b);
	watched = now() - began;
	barrier = ++b->request;
	send_request(b, &(struct watch_request){.type = REQUEST_BARRIER, .request = barrier});
	while (b->entries < b->files)
		receive(b);
	printf("creation  %ld files: alone %.2f s, watched %.2f s, all told after %.2f s; %.2f us CPU a "
	       "file, %.2f "
	       "observations a file\n",
	       b->files, alone, watched, now() - began, (cpu_of(b->pid) - cpu) / (double)b->files * 1e6,
	       (double)b->entries / (double)b->files);
}

int main(int argc, char **argv)
{
	static struct bench b;
	char path[4096];
	double began, alone;

	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(b.dir, sizeof(b.dir), "%.4000s/crawl-bench-XXXXXX", argc > 1 ? argv[1] : ".");
	b.files = argc > 2 ? atol(argv[2]) : 200000;
	b.backend = argc > 3 && strcmp(argv[3], "inotify") == 0 ? WATCH_INOTIFY : WATCH_FANOTIFY;
	if (b.files <= 0 || mkdtemp(b.dir) == NULL || realpath(b.dir, path) == NULL)
		fail(b.dir);
	strcpy(b.dir, path);
	make_below(&b, "tree", path);
	began = now();
	make_files(path, b.files);
	alone = now() - began;
	measure_crawl(&b);
	measure_events(&b, alone);
	close(b.fd);
	waitpid(b.pid, NULL, 0);
	remove_tree(AT_FDCWD, b.dir);
	return 0;
}
