/* store_guard: opens the store for the daemon, after looking at it the way one looks at something that may
 * bite.
 *
 * A forked child opens it first, and reads the whole of it after an unclean stop or when it is small: a
 * damaged page can abort or fault inside LMDB before a checksum of ours is read.  When the child finds
 * faults, or dies, the store is set aside as broken-<time> and a new one is begun, with new epochs: clients
 * are reset and nothing false is served. */
#pragma once

struct store;

enum { STORE_GUARD_ERROR_MAX = 512 };

/* Open <state_dir>/store.  On failure non-zero and one line for people in `error`.  It forks: call while no
 * other thread runs (the idle ones of libuv's pool do no harm). */
int store_guard_open(struct store **out, const char *state_dir, char error[STORE_GUARD_ERROR_MAX]);

/* The same for who only reads: what is damaged or absent is an error, and stays as it is. */
int store_guard_open_whole(struct store **out, const char *state_dir, char error[STORE_GUARD_ERROR_MAX]);

/* `wakelined --check`: verify the whole store and print what was found.  Returns an exit status. */
int store_guard_check(const char *state_dir);
