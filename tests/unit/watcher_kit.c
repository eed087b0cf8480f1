#include "watcher_kit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "watcher/process.h"

enum { PATIENCE_MS = 20000, BUCKETS = 16384 };

/* The replica. */

struct model_dir;

struct model_entry {
	struct model_entry *next_hash, *next_child;
	struct model_dir *dir;
	struct kit_frame frame; /* too much for many entries, but plain */
	uint64_t touched;
	bool present;
	uint32_t look; /* asked for, 0: not */
};

struct model_dir {
	struct model_dir *next_hash, *next_all;
	struct file_id id;
	struct model_entry *children;
	bool reachable;
	uint32_t scan;       /* the scan that runs, 0: none */
	uint64_t scan_began; /* clock at its SCAN_BEGIN */
};

struct model {
	struct model_dir *dirs[BUCKETS], *all;
	struct model_entry *entries[BUCKETS];
	uint64_t clock;
};

static uint64_t hash_bytes(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len-- > 0)
		h = (h ^ *p++) * UINT64_C(1099511628211);
	return h;
}

static size_t dir_bucket(const struct file_id *id)
{
	return hash_bytes(UINT64_C(14695981039346656037), id->bytes, id->len) % BUCKETS;
}

static size_t entry_bucket(const struct file_id *id, const char *name)
{
	return hash_bytes(dir_bucket(id), name, strlen(name)) % BUCKETS;
}

static struct model_dir *model_dir(struct model *m, const struct file_id *id)
{
	for (struct model_dir *d = m->dirs[dir_bucket(id)]; d != NULL; d = d->next_hash) {
		if (file_id_equal(&d->id, id))
			return d;
	}
	return NULL;
}

static struct model_dir *model_add_dir(struct model *m, const struct file_id *id)
{
	struct model_dir *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	d->id = *id;
	d->next_hash = m->dirs[dir_bucket(id)];
	m->dirs[dir_bucket(id)] = d;
	d->next_all = m->all;
	m->all = d;
	return d;
}

static struct model_entry *model_entry(struct model *m, struct model_dir *dir, const char *name)
{
	size_t bucket = entry_bucket(&dir->id, name);
	struct model_entry *e;

	for (e = m->entries[bucket]; e != NULL; e = e->next_hash) {
		if (e->dir == dir && strcmp(e->frame.name, name) == 0)
			return e;
	}
	e = calloc(1, sizeof(*e));
	assert_non_null(e);
	e->dir = dir;
	strcpy(e->frame.name, name);
	e->next_hash = m->entries[bucket];
	m->entries[bucket] = e;
	e->next_child = dir->children;
	dir->children = e;
	return e;
}

static void model_free(struct model *m)
{
	if (m == NULL)
		return;
	while (m->all != NULL) {
		struct model_dir *d = m->all;

		m->all = d->next_all;
		while (d->children != NULL) {
			struct model_entry *e = d->children;

			d->children = e->next_child;
			free(e);
		}
		free(d);
	}
	free(m);
}

static void mark_reachable(struct model *m, struct model_dir *d)
{
	d->reachable = true;
	for (struct model_entry *e = d->children; e != NULL; e = e->next_child) {
		struct model_dir *below;

		if (!e->present || e->frame.o.state.kind != ENTRY_DIR || e->frame.o.state.mount)
			continue;
		below = model_dir(m, &e->frame.o.id);
		if (below != NULL && !below->reachable)
			mark_reachable(m, below);
	}
}

static void unlink_entry(struct model *m, struct model_entry *e)
{
	struct model_entry **at = &m->entries[entry_bucket(&e->dir->id, e->frame.name)];

	while (*at != e)
		at = &(*at)->next_hash;
	*at = e->next_hash;
	free(e);
}

static void unlink_dir(struct model *m, struct model_dir *d)
{
	struct model_dir **at = &m->dirs[dir_bucket(&d->id)];

	while (*at != d)
		at = &(*at)->next_hash;
	*at = d->next_hash;
	while (d->children != NULL) {
		struct model_entry *e = d->children;

		d->children = e->next_child;
		unlink_entry(m, e);
	}
	free(d);
}

/* What hangs nowhere any more left the drive: should it come back, it is new. */
static void model_collect(struct model *m, const struct file_id *root)
{
	struct model_dir **at = &m->all;

	for (struct model_dir *d = m->all; d != NULL; d = d->next_all)
		d->reachable = false;
	mark_reachable(m, model_dir(m, root));
	while (*at != NULL) {
		struct model_dir *d = *at;

		if (d->reachable || d->scan != 0) {
			at = &d->next_all;
			continue;
		}
		*at = d->next_all;
		unlink_dir(m, d);
	}
}

/* What the smallest daemon does with an observation. */

static void ask_scan(struct kit *k, struct model_dir *d)
{
	if (d->scan == 0)
		d->scan = kit_send_scan(k, k->drive, &d->id);
}

/* What happened under one of several names happened to the file: the others show it too. */
static void apply_to_links(struct kit *k, const struct observation *one)
{
	for (struct model_dir *d = k->model->all; d != NULL; d = d->next_all) {
		for (struct model_entry *e = d->children; e != NULL; e = e->next_child) {
			if (e->present && file_id_equal(&e->frame.o.id, &one->id))
				e->frame.o.state = one->state;
		}
	}
}

/* A file was changed through one of its names, which went before anybody looked: the others may show it. */
static void look_at_links(struct kit *k, const struct file_id *id)
{
	for (struct model_dir *d = k->model->all; d != NULL; d = d->next_all) {
		for (struct model_entry *e = d->children; e != NULL; e = e->next_child) {
			if (e->present && file_id_equal(&e->frame.o.id, id))
				kit_send_look(k, k->drive, &d->id, e->frame.name);
		}
	}
}

static bool had_links(const struct model_entry *e)
{
	return e->present && e->frame.o.state.kind != ENTRY_DIR && e->frame.o.state.links > 1;
}

static void apply_entry(struct kit *k, const struct kit_frame *f)
{
	struct model_dir *dir = model_dir(k->model, &f->o.dir), *below;
	struct file_id before = {0};
	struct model_entry *e;

	if (dir == NULL)
		return;
	e = model_entry(k->model, dir, f->name);
	if (had_links(e) && (f->o.type == OBSERVED_GONE || !file_id_equal(&e->frame.o.id, &f->o.id)))
		before = e->frame.o.id;
	e->frame = *f;
	e->touched = k->model->clock;
	e->present = f->o.type == OBSERVED_ENTRY;
	if (before.len > 0)
		look_at_links(k, &before);
	if (e->present && f->o.state.kind != ENTRY_DIR && f->o.state.links > 1)
		apply_to_links(k, &f->o);
	if (!e->present || f->o.state.kind != ENTRY_DIR || f->o.state.mount)
		return;
	below = model_dir(k->model, &f->o.id);
	if (below != NULL)
		return;
	below = model_add_dir(k->model, &f->o.id);
	if (!(f->o.flags & OBSERVED_FRESH))
		ask_scan(k, below);
}

static void end_scan(struct kit *k, const struct kit_frame *f)
{
	struct model_dir *d = model_dir(k->model, &f->o.dir);

	k->outstanding--;
	if (d == NULL || d->scan != f->o.request)
		return;
	d->scan = 0;
	if (f->o.error != 0)
		return;
	for (struct model_entry *e = d->children; e != NULL; e = e->next_child) {
		if (e->present && e->touched < d->scan_began)
			kit_send_look(k, k->drive, &d->id, e->frame.name);
	}
}

/* Everything again, from the root downwards, as if nothing were known. */
static void scan_all(struct kit *k)
{
	struct model_dir *root = model_dir(k->model, &k->root);

	k->overflows++;
	while (k->model->all != NULL) {
		struct model_dir *d = k->model->all;

		k->model->all = d->next_all;
		if (d != root)
			unlink_dir(k->model, d);
	}
	k->model->all = root;
	root->next_all = NULL;
	root->scan = 0;
	ask_scan(k, root);
}

static void apply(struct kit *k, const struct kit_frame *f)
{
	struct model_dir *d;

	k->model->clock++;
	switch (f->o.type) {
	case OBSERVED_ENTRY:
	case OBSERVED_GONE:
		apply_entry(k, f);
		break;
	case OBSERVED_FILE:
	case OBSERVED_UNWATCHED:
		apply_to_links(k, &f->o);
		break;
	case OBSERVED_SCAN_BEGIN:
		d = model_dir(k->model, &f->o.dir);
		if (d != NULL)
			d->scan_began = k->model->clock;
		break;
	case OBSERVED_SCAN_END:
		end_scan(k, f);
		break;
	case OBSERVED_LOOKED:
		k->outstanding--;
		break;
	case OBSERVED_OVERFLOW:
		scan_all(k);
		break;
	case OBSERVED_READY:
	case OBSERVED_BATCH_END:
	case OBSERVED_BARRIER:
	case OBSERVED_ROOT_GONE:
	case OBSERVED_FAILED:
	case OBSERVED_REMOUNT:
	case OBSERVED_MOUNTS:
	case OBSERVED_GAUGES:
		break;
	}
}

/* The process and its socket. */

static void drop_capabilities(void)
{
	cap_t none = cap_init();

	if (none == NULL || cap_set_proc(none) != 0)
		_exit(99);
	cap_free(none);
}

static void start(struct kit *k, void (*prepare)(void))
{
	int pair[2];

	memset(k, 0, sizeof(*k));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	fflush(NULL);
	k->pid = fork();
	assert_true(k->pid >= 0);
	if (k->pid == 0) {
		close(pair[0]);
		if (prepare != NULL)
			prepare();
		_exit(watcher_main(pair[1]));
	}
	close(pair[1]);
	k->fd = pair[0];
	k->model = calloc(1, sizeof(*k->model));
	assert_non_null(k->model);
}

void kit_start(struct kit *k)
{
	start(k, NULL);
}

void kit_start_bare(struct kit *k)
{
	start(k, drop_capabilities);
}

int kit_end(struct kit *k)
{
	int status = 0;

	close(k->fd);
	assert_int_equal(waitpid(k->pid, &status, 0), k->pid);
	model_free(k->model);
	kit_forget(k);
	free(k->frames);
	free(k->in);
	return status;
}

void kit_stop(struct kit *k)
{
	int status = kit_end(k);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void send_request(struct kit *k, const struct watch_request *r)
{
	uint8_t buf[OBSERVATION_FRAME_MAX];
	int n = watch_request_encode(r, buf, sizeof(buf));

	assert_true(n > 0);
	assert_int_equal(send(k->fd, buf, (size_t)n, MSG_NOSIGNAL), n);
}

uint32_t kit_send_scan(struct kit *k, uint16_t drive, const struct file_id *dir)
{
	k->outstanding++;
	send_request(k, &(struct watch_request){
				.type = REQUEST_SCAN, .drive = drive, .request = ++k->request, .dir = *dir});
	return k->request;
}

uint32_t kit_send_look(struct kit *k, uint16_t drive, const struct file_id *dir, const char *name)
{
	k->outstanding++;
	send_request(k, &(struct watch_request){.type = REQUEST_LOOK,
						.drive = drive,
						.request = ++k->request,
						.dir = *dir,
						.name = name,
						.name_len = strlen(name)});
	return k->request;
}

void kit_send_ignore(struct kit *k, const char *path)
{
	send_request(k,
		     &(struct watch_request){.type = REQUEST_IGNORE, .name = path, .name_len = strlen(path)});
}

uint32_t kit_send_barrier(struct kit *k)
{
	send_request(k, &(struct watch_request){.type = REQUEST_BARRIER, .request = ++k->request});
	return k->request;
}

static void receive(struct kit *k)
{
	struct pollfd p = {.fd = k->fd, .events = POLLIN};
	ssize_t n;

	if (k->in_room - k->in_len < OBSERVATION_FRAME_MAX) {
		k->in_room = k->in_room * 2 + 4 * OBSERVATION_FRAME_MAX;
		k->in = realloc(k->in, k->in_room);
		assert_non_null(k->in);
	}
	if (poll(&p, 1, PATIENCE_MS) != 1)
		fail_msg("the watcher said nothing for %d ms", PATIENCE_MS);
	n = recv(k->fd, k->in + k->in_len, k->in_room - k->in_len, 0);
	if (n <= 0)
		fail_msg("the watcher closed its socket");
	k->in_len += (size_t)n;
}

static void copy_string(char *out, size_t room, const char **from, size_t len)
{
	assert_true(len < room);
	if (len > 0)
		memcpy(out, *from, len);
	out[len] = 0;
	*from = NULL;
}

static struct kit_frame *new_frame(struct kit *k)
{
	if (k->frame_count == k->frame_room) {
		k->frame_room = k->frame_room * 2 + 256;
		k->frames = realloc(k->frames, k->frame_room * sizeof(struct kit_frame *));
		assert_non_null(k->frames);
	}
	k->frames[k->frame_count] = malloc(sizeof(struct kit_frame));
	assert_non_null(k->frames[k->frame_count]);
	return k->frames[k->frame_count++];
}

const struct kit_frame *kit_next(struct kit *k)
{
	struct kit_frame *f = new_frame(k);
	int n;

	while ((n = observation_decode(&f->o, k->in, k->in_len)) == 0)
		receive(k);
	assert_true(n > 0);
	copy_string(f->name, sizeof(f->name), &f->o.name, f->o.name_len);
	copy_string(f->target, sizeof(f->target), &f->o.target, f->o.target_len);
	copy_string(f->text, sizeof(f->text), &f->o.text, f->o.text_len);
	k->in_len -= (size_t)n;
	memmove(k->in, k->in + n, k->in_len);
	if (k->root.len > 0 && (f->o.drive == k->drive || f->o.drive == 0))
		apply(k, f);
	else if (f->o.type == OBSERVED_SCAN_END || f->o.type == OBSERVED_LOOKED)
		k->outstanding--;
	return f;
}

const struct kit_frame *kit_wait(struct kit *k, enum observation_type type, uint32_t request)
{
	const struct kit_frame *f;

	do
		f = kit_next(k);
	while (f->o.type != type || f->o.request != request);
	return f;
}

const struct kit_frame *kit_drive(struct kit *k, uint16_t drive, const char *path, enum watch_backend backend)
{
	const struct kit_frame *f;

	send_request(k, &(struct watch_request){.type = REQUEST_DRIVE,
						.drive = drive,
						.backend = backend,
						.name = path,
						.name_len = strlen(path)});
	do
		f = kit_next(k);
	while (f->o.drive != drive || (f->o.type != OBSERVED_READY && f->o.type != OBSERVED_FAILED));
	return f;
}

void kit_follow(struct kit *k, const struct kit_frame *ready, const char *path)
{
	assert_int_equal(ready->o.type, OBSERVED_READY);
	k->drive = ready->o.drive;
	k->root = ready->o.id;
	strcpy(k->path, path);
	ask_scan(k, model_add_dir(k->model, &k->root));
}

void kit_barrier(struct kit *k)
{
	kit_wait(k, OBSERVED_BARRIER, kit_send_barrier(k));
}

void kit_sync(struct kit *k)
{
	do {
		kit_barrier(k);
		while (k->outstanding > 0)
			kit_next(k);
		kit_barrier(k);
	} while (k->outstanding > 0);
	model_collect(k->model, &k->root);
}

void kit_look_at_files(struct kit *k)
{
	for (struct model_dir *d = k->model->all; d != NULL; d = d->next_all) {
		for (struct model_entry *e = d->children; e != NULL; e = e->next_child) {
			if (e->present && e->frame.o.state.kind != ENTRY_DIR)
				kit_send_look(k, k->drive, &d->id, e->frame.name);
		}
	}
	kit_sync(k);
}

void kit_forget(struct kit *k)
{
	while (k->frame_count > 0)
		free(k->frames[--k->frame_count]);
}

const struct kit_frame *kit_last(struct kit *k, enum observation_type type, const char *name)
{
	for (size_t i = k->frame_count; i-- > 0;) {
		if (k->frames[i]->o.type == type && strcmp(k->frames[i]->name, name) == 0)
			return k->frames[i];
	}
	return NULL;
}

unsigned kit_count(struct kit *k, enum observation_type type, const char *name)
{
	unsigned count = 0;

	for (size_t i = 0; i < k->frame_count; i++)
		count += k->frames[i]->o.type == type &&
			 (name == NULL || strcmp(k->frames[i]->name, name) == 0);
	return count;
}

/* Replica and file system. */

static void assert_same(const struct model_entry *e, const struct stat *st, int dir_fd)
{
	const struct entry_state *s = &e->frame.o.state;
	char target[4096];
	ssize_t n;

	assert_int_equal(s->mode, st->st_mode & 07777);
	assert_int_equal(s->uid, st->st_uid);
	if (S_ISDIR(st->st_mode)) {
		assert_int_equal(s->kind, ENTRY_DIR);
		return;
	}
	assert_int_equal(s->kind, S_ISLNK(st->st_mode) ? ENTRY_SYMLINK : ENTRY_FILE);
	if (s->size != (uint64_t)st->st_size || s->mtime.nanoseconds != st->st_mtim.tv_nsec)
		fail_msg("%s: the replica has size %llu, the file %llu", e->frame.name,
			 (unsigned long long)s->size, (unsigned long long)st->st_size);
	assert_int_equal(s->mtime.seconds, st->st_mtim.tv_sec);
	if (!S_ISLNK(st->st_mode))
		return;
	n = readlinkat(dir_fd, e->frame.name, target, sizeof(target));
	assert_true(n >= 0 && (size_t)n == strlen(e->frame.target));
	assert_memory_equal(target, e->frame.target, (size_t)n);
}

static const struct model_entry *must_have(struct kit *k, struct model_dir *d, const char *name)
{
	struct model_entry *e = model_entry(k->model, d, name);

	if (!e->present)
		fail_msg("%s is missing in the replica", name);
	return e;
}

static void compare(struct kit *k, struct model_dir *d, int fd)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *de;
	size_t real = 0, told = 0;

	assert_non_null(dir);
	while ((de = readdir(dir)) != NULL) {
		const struct model_entry *e;
		struct stat st;

		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		assert_int_equal(fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW), 0);
		if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode))
			continue;
		real++;
		e = must_have(k, d, de->d_name);
		assert_same(e, &st, fd);
		if (S_ISDIR(st.st_mode) && !e->frame.o.state.mount) {
			struct model_dir *below = model_dir(k->model, &e->frame.o.id);

			assert_non_null(below);
			compare(k, below, openat(fd, de->d_name, O_RDONLY | O_DIRECTORY));
		}
	}
	for (const struct model_entry *e = d->children; e != NULL; e = e->next_child) {
		told += e->present;
		if (e->present && faccessat(fd, e->frame.name, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
			fail_msg("%s is in the replica and nowhere else", e->frame.name);
	}
	assert_int_equal(real, told);
	closedir(dir);
}

void kit_assert_truth(struct kit *k)
{
	compare(k, model_dir(k->model, &k->root), open(k->path, O_RDONLY | O_DIRECTORY));
}

static size_t count_below(struct kit *k, struct model_dir *d)
{
	size_t count = 0;

	for (const struct model_entry *e = d->children; e != NULL; e = e->next_child) {
		struct model_dir *below = model_dir(k->model, &e->frame.o.id);

		count += e->present;
		if (e->present && e->frame.o.state.kind == ENTRY_DIR && below != NULL)
			count += count_below(k, below);
	}
	return count;
}

size_t kit_entries(struct kit *k)
{
	return count_below(k, model_dir(k->model, &k->root));
}

/* Files. */

void kit_make_dir(char out[KIT_PATH_ROOM], const char *base)
{
	snprintf(out, KIT_PATH_ROOM, "%s/wakeline-test-XXXXXX", base);
	assert_non_null(mkdtemp(out));
}

/* By descriptors: some tests make trees that no path reaches the end of. */
static void empty_directory(int fd, dev_t device)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *e;
	struct stat st;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		int below;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    unlinkat(fd, e->d_name, 0) == 0)
			continue;
		below = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below < 0)
			continue;
		if (fstat(below, &st) == 0 && st.st_dev == device)
			empty_directory(below, device);
		else
			close(below);
		unlinkat(fd, e->d_name, AT_REMOVEDIR);
	}
	if (dir != NULL)
		closedir(dir);
}

void kit_remove_tree(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0)
		empty_directory(fd, st.st_dev);
	else if (fd >= 0)
		close(fd);
	rmdir(path);
}

void kit_path(char out[KIT_PATH_ROOM], const char *dir, const char *name)
{
	assert_true(snprintf(out, KIT_PATH_ROOM, "%s/%s", dir, name) < KIT_PATH_ROOM);
}

void kit_write(const char *dir, const char *name, const char *text)
{
	char path[KIT_PATH_ROOM];
	int fd;

	kit_path(path, dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

bool kit_has_capabilities(void)
{
	cap_t have = cap_get_proc();
	cap_flag_value_t admin = CAP_CLEAR, search = CAP_CLEAR;

	cap_get_flag(have, CAP_SYS_ADMIN, CAP_EFFECTIVE, &admin);
	cap_get_flag(have, CAP_DAC_READ_SEARCH, CAP_EFFECTIVE, &search);
	cap_free(have);
	return admin == CAP_SET && search == CAP_SET;
}
