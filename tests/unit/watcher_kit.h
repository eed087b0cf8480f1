/* watcher_kit: a watcher process on one side of a socket and, on the other, the smallest daemon there can be:
 * it asks for scans and looks as the real one would and keeps a replica of what it was told, which
 * kit_assert_truth() compares with the file system.  Every wait ends with an observation or fails the test
 * after a while. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "watcher/observation.h"

enum { KIT_PATH_ROOM = 4096 };

struct kit_frame { /* an observation with its own copies of what it borrows */
	struct observation o;
	char name[256], target[4096], text[512];
};

struct kit {
	int fd;
	pid_t pid;
	uint8_t *in;
	size_t in_len, in_room;
	uint32_t request; /* last number given */
	unsigned outstanding;
	struct kit_frame **frames; /* since kit_forget() */
	size_t frame_count, frame_room;
	struct model *model; /* one drive's replica */
	struct file_id root;
	uint16_t drive;
	char path[KIT_PATH_ROOM];
	unsigned overflows;
};

/* Fork a watcher; a bare one has no capabilities. */
void kit_start(struct kit *k);
void kit_start_bare(struct kit *k);
/* Close the socket and free all; returns how the process ended. */
int kit_end(struct kit *k);
/* The same, and the process must end with status 0. */
void kit_stop(struct kit *k);

/* Ask for a drive and wait for READY or FAILED, which is returned. */
const struct kit_frame *kit_drive(struct kit *k, uint16_t drive, const char *path,
				  enum watch_backend backend);
/* Make it the one that the replica follows, and scan it. */
void kit_follow(struct kit *k, const struct kit_frame *ready, const char *path);

uint32_t kit_send_scan(struct kit *k, uint16_t drive, const struct file_id *dir);
uint32_t kit_send_look(struct kit *k, uint16_t drive, const struct file_id *dir, const char *name);
void kit_send_ignore(struct kit *k, const char *path);
uint32_t kit_send_barrier(struct kit *k);

/* The next frame; kept in k->frames. */
const struct kit_frame *kit_next(struct kit *k);
/* Read up to the answer with this type and number. */
const struct kit_frame *kit_wait(struct kit *k, enum observation_type type, uint32_t request);
/* A barrier alone. */
void kit_barrier(struct kit *k);
/* Barriers, and the scans and looks that they make necessary, until there is nothing left to ask. */
void kit_sync(struct kit *k);
/* Look at every file afresh. */
void kit_look_at_files(struct kit *k);
void kit_forget(struct kit *k);

/* The newest frame of that type and name since kit_forget(), or NULL. */
const struct kit_frame *kit_last(struct kit *k, enum observation_type type, const char *name);
unsigned kit_count(struct kit *k, enum observation_type type, const char *name);

/* After kit_sync(): the replica and the directory tree are equal. */
void kit_assert_truth(struct kit *k);
/* How many entries the replica has. */
size_t kit_entries(struct kit *k);

/* Files. */
void kit_make_dir(char out[KIT_PATH_ROOM], const char *base); /* a fresh directory below base */
void kit_remove_tree(const char *path);
void kit_write(const char *dir, const char *name, const char *text); /* create or replace, and close */
void kit_path(char out[KIT_PATH_ROOM], const char *dir, const char *name);
/* May this process use fanotify as the watcher does? */
bool kit_has_capabilities(void);
