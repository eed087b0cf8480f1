/* config: the daemon's configuration file (INI, read by libinih), checked as far as it can be without
 * touching a drive.
 *
 *   [server]  listen = 127.0.0.1:7420   state_dir = /var/lib/wakeline
 *   [drive "name"]  path = /srv/x   settle = 20ms   max_wait = 500ms   retain_changes = 10000000
 *                   watch = auto | fanotify | inotify | poll   poll_interval = 10s
 *                   exclude = PATTERN   include = PATTERN
 *                   hide_temporary = all | none | vim rsync …   read_only = no   self_probe = 60s
 *                   scrub = 24h   scrub_rate = 5000   first_index_priority = normal | idle
 *                   verify = off | hash   verify_period = 30d
 * Keys not given have these defaults; `path` has none. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/config_rules.h"
#include "watcher/observation.h"

struct config_drive {
	char name[64];
	char *path;
	unsigned settle_ms, max_wait_ms;
	uint64_t retain_changes;
	enum watch_backend backend;
	uint64_t poll_interval_ms;
	struct config_rules rules;
	uint64_t scrub_seconds; /* 0: never */
	unsigned scrub_rate;    /* entries a second */
	bool idle_first_index;
	bool read_only;
	unsigned self_probe_ms;
	bool verify_hash;
	uint64_t verify_seconds; /* in which a round of it is done */
	int line;                /* of its section, for messages */
};

struct config {
	char address[64]; /* numeric */
	uint16_t port;
	char *state_dir;
	struct config_drive *drives;
	size_t drive_count;
};

enum { CONFIG_ERROR_MAX = 512, CONFIG_LINE_MAX = 8192 };

/* Read `path`.  On failure -EINVAL (or -errno of reading it) and one line for people in `error`: file, line,
 * the thing, what to do ("wakelined.conf:12: unknown key `setle` in [drive \"music\"]; did you mean
 * `settle`?").  Uses libinih's global settings: one thread at a time. */
int config_read(struct config *out, const char *path, char error[CONFIG_ERROR_MAX]);
/* The same from an open file, which stays the caller's; `path` is its name in messages. */
int config_read_file(struct config *out, FILE *file, const char *path, char error[CONFIG_ERROR_MAX]);
void config_deinit(struct config *c);

/* The checks that look at the file system, before capabilities are dropped: every path absolute and not a
 * symlink; the state directory not inside a drive; no two drives equal or nested on one file system.  Missing
 * or unreadable roots are no error here (`device` stays 0): the caller decides, since a drive that the store
 * knows starts offline. `devices` has room for drive_count numbers and gets each root's st_dev. */
int config_check_paths(const struct config *c, uint64_t *devices, char error[CONFIG_ERROR_MAX]);
