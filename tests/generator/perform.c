/* perform: does what a script says to a drive, each of its processes in a process of its own, all at once.
 *
 *     generator_perform DRIVE OUTSIDE < SCRIPT
 *
 * A line is `PROCESS OPERATION ARGUMENT…`; the lines of one process are done in order, and what the processes
 * do to each other is left to chance.  Process 0 is our caller and skipped here, `#` begins a comment.  A
 * path lies below DRIVE, or below OUTSIDE when it begins with `out/`; %XX is a byte.  The paths come from a
 * random generator: an operation that fails because of what is there is part of life, and counted.  Prints
 * `DONE FAILED`. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES_MAX = 64, ARGUMENTS_MAX = 3, SLOTS = 4, DEPTH_MAX = 200 };

/* What the processes share. */
struct count {
	unsigned done, failed;
};

struct line {
	unsigned process;
	int argc;
	char *argv[1 + ARGUMENTS_MAX];
};

struct script {
	char *text; /* what the lines point into */
	struct line *lines;
	size_t count, room;
};

struct performer {
	int drive, outside;
	int held[SLOTS]; /* files that stay open */
};

struct operation {
	const char *name;
	int arguments;
	int (*run)(struct performer *p, char *const *a);
};

static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

/* Where a path is resolved, and what is left of it. */
static int base_of(const struct performer *p, const char **path)
{
	if (strncmp(*path, "out/", 4) != 0)
		return p->drive;
	*path += 4;
	return p->outside;
}

static int open_file(struct performer *p, const char *path, int flags)
{
	int base = base_of(p, &path);

	return openat(base, path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
}

/* Bytes that differ from call to call, in pieces, as programs write. */
static int put(int fd, const char *text)
{
	static char bytes[1024];
	static unsigned char letter;
	size_t left = strtoul(text, NULL, 10);

	memset(bytes, 'a' + letter++ % 26, sizeof(bytes));
	while (left > 0) {
		ssize_t n = write(fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes));

		if (n < 0)
			return -1;
		left -= (size_t)n;
	}
	return 0;
}

static int put_and_close(int fd, const char *bytes)
{
	int r = fd < 0 ? -1 : put(fd, bytes);

	if (fd >= 0 && close(fd) != 0)
		r = -1;
	return r;
}

static int do_create(struct performer *p, char *const *a)
{
	return put_and_close(open_file(p, a[0], O_WRONLY | O_CREAT | O_EXCL), "0");
}

static int do_write(struct performer *p, char *const *a)
{
	return put_and_close(open_file(p, a[0], O_WRONLY | O_CREAT | O_TRUNC), a[1]);
}

static int do_append(struct performer *p, char *const *a)
{
	return put_and_close(open_file(p, a[0], O_WRONLY | O_APPEND), a[1]);
}

static int do_truncate(struct performer *p, char *const *a)
{
	char path[64];
	int fd = open_file(p, a[0], O_PATH), r = -1;
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d",
			 fd); /* truncate(2) follows links otherwise */
		r = truncate(path, (off_t)strtoul(a[1], NULL, 10));
	}
	if (fd >= 0)
		close(fd);
	return r;
}

/* The store comes after the close: only the mapping keeps the file open.  The kernel does it for us, since
 * another process may have cut the file off meanwhile: that is EFAULT for it, and would be SIGBUS for us. */
static int do_mmap(struct performer *p, char *const *a)
{
	size_t len = strtoul(a[1], NULL, 10) + 1;
	int fd = open_file(p, a[0], O_RDWR), r;
	char *map;

	if (fd < 0)
		return -1;
	r = ftruncate(fd, (off_t)len);
	map = r == 0 ? mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
	close(fd);
	if (map == MAP_FAILED)
		return -1;
	r = getrandom(map + len - 1, 1, 0) == 1 ? 0 : -1;
	return munmap(map, len) == 0 ? r : -1;
}

static int rename_with(struct performer *p, char *const *a, unsigned flags)
{
	const char *from = a[0], *to = a[1];
	int from_base = base_of(p, &from), to_base = base_of(p, &to);

	return renameat2(from_base, from, to_base, to, flags);
}

static int do_rename(struct performer *p, char *const *a)
{
	return rename_with(p, a, 0);
}

static int do_exchange(struct performer *p, char *const *a)
{
	return rename_with(p, a, RENAME_EXCHANGE);
}

static int do_link(struct performer *p, char *const *a)
{
	const char *from = a[0], *to = a[1];
	int from_base = base_of(p, &from), to_base = base_of(p, &to);

	return linkat(from_base, from, to_base, to, 0);
}

static int do_symlink(struct performer *p, char *const *a)
{
	const char *path = a[1];
	int base = base_of(p, &path);

	return symlinkat(a[0], base, path);
}

static int do_chmod(struct performer *p, char *const *a)
{
	const char *path = a[0];
	int base = base_of(p, &path);
	struct stat st;

	if (fstatat(base, path, &st, AT_SYMLINK_NOFOLLOW) != 0 || S_ISLNK(st.st_mode))
		return -1;
	return fchmodat(base, path, (mode_t)strtoul(a[1], NULL, 8), 0);
}

static int do_mkdir(struct performer *p, char *const *a)
{
	const char *path = a[0];
	int base = base_of(p, &path);

	return mkdirat(base, path, 0755);
}

static int do_rmdir(struct performer *p, char *const *a)
{
	const char *path = a[0];
	int base = base_of(p, &path);

	return unlinkat(base, path, AT_REMOVEDIR);
}

static int do_unlink(struct performer *p, char *const *a)
{
	const char *path = a[0];
	int base = base_of(p, &path);

	return unlinkat(base, path, 0);
}

static void remove_children(int fd, int depth);

static int remove_tree(int base, const char *path, int depth)
{
	int fd;

	if (unlinkat(base, path, 0) == 0)
		return 0;
	fd = depth > DEPTH_MAX ? -1 : openat(base, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		remove_children(fd, depth + 1);
	return unlinkat(base, path, AT_REMOVEDIR);
}

/* Takes the descriptor.  What others put in meanwhile makes the rmdir fail, as it does for rm(1). */
static void remove_children(int fd, int depth)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;

	if (dir == NULL)
		die("fdopendir");
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			remove_tree(fd, entry->d_name, depth);
	}
	closedir(dir);
}

static int do_remove(struct performer *p, char *const *a)
{
	const char *path = a[0];
	int base = base_of(p, &path);

	return remove_tree(base, path, 0);
}

static int *slot_of(struct performer *p, const char *number)
{
	return &p->held[strtoul(number, NULL, 10) % SLOTS];
}

static int do_close(struct performer *p, char *const *a)
{
	int *slot = slot_of(p, a[0]), fd = *slot;

	*slot = -1;
	return close(fd);
}

static int do_open(struct performer *p, char *const *a)
{
	int *slot = slot_of(p, a[0]);

	if (*slot >= 0)
		close(*slot);
	*slot = open_file(p, a[1], O_WRONLY | O_CREAT | O_APPEND);
	return *slot < 0 ? -1 : 0;
}

static int do_put(struct performer *p, char *const *a)
{
	return put(*slot_of(p, a[0]), a[1]);
}

static int do_pause(struct performer *p, char *const *a)
{
	unsigned long us = strtoul(a[0], NULL, 10);
	const struct timespec t = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};

	(void)p;
	return nanosleep(&t, NULL);
}

static const struct operation operations[] = {
	{"create", 1, do_create},     /* FILE: must be new */
	{"write", 2, do_write},       /* FILE BYTES */
	{"append", 2, do_append},     /* FILE BYTES */
	{"truncate", 2, do_truncate}, /* FILE BYTES */
	{"mmap", 2, do_mmap},         /* FILE OFFSET: a store through a mapping */
	{"rename", 2, do_rename},     /* FROM TO, over what is there */
	{"exchange", 2, do_exchange}, /* A B */
	{"link", 2, do_link},         /* FROM TO */
	{"symlink", 2, do_symlink},   /* TARGET NAME */
	{"chmod", 2, do_chmod},       /* PATH MODE */
	{"mkdir", 1, do_mkdir},       /* DIR */
	{"rmdir", 1, do_rmdir},       /* DIR */
	{"unlink", 1, do_unlink},     /* FILE */
	{"remove", 1, do_remove},     /* PATH, with all below */
	{"open", 2, do_open},         /* SLOT FILE: stays open until `close` or the end */
	{"put", 2, do_put},           /* SLOT BYTES */
	{"close", 1, do_close},       /* SLOT */
	{"pause", 1, do_pause},       /* MICROSECONDS */
};

static const struct operation *find_operation(const char *name)
{
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		if (strcmp(operations[i].name, name) == 0)
			return &operations[i];
	}
	return NULL;
}

/* Reading. */

static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		char hex[3] = {from[0] == '%' ? from[1] : '\0',
			       from[0] == '%' && from[1] != '\0' ? from[2] : '\0'};

		if (strlen(hex) == 2) {
			*to++ = (char)strtoul(hex, NULL, 16);
			from += 2;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
}

/* False: a line that is not for us. */
static bool parse_line(struct line *l, char *text)
{
	const struct operation *o;
	char *save, *word = strtok_r(text, " ", &save);

	if (word == NULL || word[0] == '#')
		return false;
	l->process = (unsigned)strtoul(word, NULL, 10);
	l->argc = 0;
	while ((word = strtok_r(NULL, " ", &save)) != NULL && l->argc <= ARGUMENTS_MAX) {
		unescape(word);
		l->argv[l->argc++] = word;
	}
	if (l->process == 0)
		return false;
	o = l->argc == 0 ? NULL : find_operation(l->argv[0]);
	if (l->process > PROCESSES_MAX || o == NULL || o->arguments != l->argc - 1) {
		fprintf(stderr, "not understood: %u %s\n", l->process, l->argc == 0 ? "" : l->argv[0]);
		exit(2);
	}
	return true;
}

static char *read_all(FILE *in)
{
	size_t room = 0, len = 0, n = 1;
	char *text = NULL;

	while (n > 0) {
		if (len + 1 >= room) {
			room = 2 * room + 4096;
			text = realloc(text, room);
			if (text == NULL)
				die("the script");
		}
		n = fread(text + len, 1, room - len - 1, in);
		len += n;
	}
	text[len] = '\0';
	return text;
}

static void add_line(struct script *s, char *text)
{
	if (s->count == s->room) {
		s->room = 2 * s->room + 64;
		s->lines = reallocarray(s->lines, s->room, sizeof(*s->lines));
		if (s->lines == NULL)
			die("the script");
	}
	if (parse_line(&s->lines[s->count], text))
		s->count++;
}

static void read_script(struct script *s, FILE *in)
{
	char *text, *end;

	s->text = read_all(in);
	for (text = s->text; (end = strchr(text, '\n')) != NULL; text = end + 1) {
		*end = '\0';
		add_line(s, text);
	}
}

static void free_script(struct script *s)
{
	free(s->lines);
	free(s->text);
}

/* Performing. */

static void perform(const struct script *s, unsigned process, struct performer *p, struct count *count)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct line *l = &s->lines[i];

		if (l->process != process)
			continue;
		if (find_operation(l->argv[0])->run(p, l->argv + 1) == 0)
			count->done++;
		else
			count->failed++;
	}
}

static bool has_process(const struct script *s, unsigned process)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->lines[i].process == process)
			return true;
	}
	return false;
}

/* Each waits until `start` is closed, so that they begin together. */
static void fork_process(const struct script *s, unsigned process, struct performer *p, struct count *count,
			 const int start[2])
{
	pid_t pid = fork();
	char byte;

	if (pid < 0)
		die("fork");
	if (pid > 0)
		return;
	close(start[1]);
	if (read(start[0], &byte, 1) != 0)
		_exit(EXIT_FAILURE);
	perform(s, process, p, count);
	_exit(EXIT_SUCCESS); /* which closes what is still open */
}

static int wait_for_all(void)
{
	int status, worst = 0;

	while (wait(&status) > 0)
		worst |= status;
	return worst;
}

static int open_base(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		die(path);
	return fd;
}

int main(int argc, char **argv)
{
	struct performer p = {.held = {-1, -1, -1, -1}};
	struct count *counts, all = {0};
	struct script s = {0};
	int start[2], status;

	if (argc != 3) {
		fprintf(stderr, "usage: generator_perform DRIVE OUTSIDE < SCRIPT\n");
		return 2;
	}
	umask(022);
	p.drive = open_base(argv[1]);
	p.outside = open_base(argv[2]);
	read_script(&s, stdin);
	counts = mmap(NULL, (PROCESSES_MAX + 1) * sizeof(*counts), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED || pipe2(start, O_CLOEXEC) != 0)
		die("starting");
	for (unsigned process = 1; process <= PROCESSES_MAX; process++) {
		if (has_process(&s, process))
			fork_process(&s, process, &p, &counts[process], start);
	}
	close(start[1]);
	status = wait_for_all();
	for (unsigned process = 1; process <= PROCESSES_MAX; process++) {
		all.done += counts[process].done;
		all.failed += counts[process].failed;
	}
	printf("%u %u\n", all.done, all.failed);
	free_script(&s);
	return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
