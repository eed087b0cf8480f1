/* barrier: processes that change something and then ask for a barrier, each as fast as it is answered.
 *
 *     bench_barrier PORT TOKEN DRIVE DIRECTORY CHANGES PROCESSES
 *
 * For each change a line, `NS CURSOR PATH SIZE`: how long the barrier took, its cursor, and what the change
 * made: at that cursor or before, PATH has SIZE bytes.  A single process rests between changes. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/sample.h"
#include "tests/bench/ws.h"

enum { PIECE = 10, CURSOR_ROOM = 80, PROCESSES_MAX = 64 };

/* In turn. */
enum change { CHANGE_CREATE, CHANGE_APPEND, CHANGE_RENAME, CHANGE_GROW, CHANGES };

struct writer {
	struct ws ws;
	const char *drive;
	unsigned number, count;
	bool rests;
	char path[64];
	unsigned size;
};

static void append(const char *path, int flags)
{
	static const char text[PIECE + 1] = "0123456789";
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0644);

	if (fd < 0 || write(fd, text, PIECE) != PIECE || close(fd) != 0)
		die(path);
}

static void make_change(struct writer *w, unsigned i)
{
	char old[sizeof(w->path)];

	switch ((enum change)(i % CHANGES)) {
	case CHANGE_CREATE:
		snprintf(w->path, sizeof(w->path), "%u-%u", w->number, i);
		append(w->path, O_CREAT | O_EXCL);
		w->size = PIECE;
		break;
	case CHANGE_APPEND:
		append(w->path, 0);
		w->size += PIECE;
		break;
	case CHANGE_RENAME:
		strcpy(old, w->path);
		snprintf(w->path, sizeof(w->path), "%u-%u", w->number, i);
		if (rename(old, w->path) != 0)
			die(old);
		break;
	case CHANGE_GROW: /* which no close follows */
		w->size += PIECE;
		if (truncate(w->path, w->size) != 0)
			die(w->path);
		break;
	case CHANGES:
		break;
	}
}

static void read_cursor(struct writer *w, char cursor[CURSOR_ROOM])
{
	static const char key[] = "\"cursor\":\"";

	for (;;) {
		size_t len, n = 0;
		const char *message = ws_receive(&w->ws, &len), *at;

		errno = EPROTO;
		if (memmem(message, len, "\"type\":\"error\"", 14) != NULL)
			die("the barrier was refused");
		if (memmem(message, len, "\"type\":\"barrier\"", 16) == NULL)
			continue;
		at = memmem(message, len, key, strlen(key));
		if (at == NULL)
			die("a barrier without a cursor");
		for (at += strlen(key); at[n] != '"' && n < CURSOR_ROOM - 1; n++)
			cursor[n] = at[n];
		cursor[n] = '\0';
		return;
	}
}

static void change_and_wait(struct writer *w, unsigned i)
{
	char frame[160], cursor[CURSOR_ROOM];
	uint64_t began;

	make_change(w, i);
	began = monotonic_ns();
	snprintf(frame, sizeof(frame), "{\"type\":\"barrier\",\"id\":\"%u\",\"stream\":\"drive:%s\"}", i,
		 w->drive);
	ws_send(&w->ws, frame);
	read_cursor(w, cursor);
	printf("%" PRIu64 " %s %s %u\n", monotonic_ns() - began, cursor, w->path, w->size);
}

static void run(struct writer *w, unsigned port, const char *token)
{
	setvbuf(stdout, NULL, _IOLBF, 0); /* whole lines, also where several processes write */
	ws_open(&w->ws, port, token);
	for (unsigned i = 0; i < w->count; i++) {
		if (w->rests)
			rest();
		change_and_wait(w, i);
	}
	ws_close(&w->ws);
}

int main(int argc, char **argv)
{
	unsigned processes = argc == 7 ? (unsigned)strtoul(argv[6], NULL, 10) : 0;
	struct writer w = {.rests = processes == 1};
	int status, worst = 0;

	if (processes == 0 || processes > PROCESSES_MAX) {
		fprintf(stderr, "usage: bench_barrier PORT TOKEN DRIVE DIRECTORY CHANGES PROCESSES\n");
		return 2;
	}
	if (chdir(argv[4]) != 0)
		die(argv[4]);
	w.drive = argv[3];
	w.count = (unsigned)strtoul(argv[5], NULL, 10);
	for (; w.number < processes; w.number++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0) {
			run(&w, (unsigned)strtoul(argv[1], NULL, 10), argv[2]);
			return EXIT_SUCCESS;
		}
	}
	while (wait(&status) > 0)
		worst |= status;
	return worst == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
