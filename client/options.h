/* options: the command line as a struct.  Which options a subcommand takes is the command table's to say
 * (main.c). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OPTIONS_ARGS_MAX = 8, OPTIONS_DRIVES_MAX = 64, OPTIONS_PREFIXES_MAX = 64, OPTIONS_ERROR_MAX = 256 };

/* One bit for each option. */
enum option_bit {
	OPTION_URL = 1 << 0,
	OPTION_TOKEN = 1 << 1,
	OPTION_TOKEN_FILE = 1 << 2,
	OPTION_STATE = 1 << 3,
	OPTION_JSON = 1 << 4,
	OPTION_AFTER = 1 << 5,
	OPTION_FROM_SNAPSHOT = 1 << 6,
	OPTION_EVENTS = 1 << 7,
	OPTION_CLIENT = 1 << 8,
	OPTION_UNTIL_BARRIER = 1 << 9,
	OPTION_WAIT = 1 << 10,
	OPTION_LIMIT = 1 << 11,
	OPTION_NAME = 1 << 12,
	OPTION_DRIVE = 1 << 13,
	OPTION_READ = 1 << 14,
	OPTION_WRITE = 1 << 15,
	OPTION_ADMIN = 1 << 16,
	OPTION_EXPIRES = 1 << 17,
	OPTION_HELP = 1 << 18,
	OPTION_VERSION = 1 << 19,
	OPTION_YES = 1 << 20,
	OPTION_PREFIX = 1 << 21,
};
enum { OPTIONS_SERVER = OPTION_URL | OPTION_TOKEN | OPTION_TOKEN_FILE | OPTION_STATE | OPTION_HELP };

struct options {
	unsigned given; /* enum option_bit; those without a value are here alone */
	const char *url, *token, *token_file, *state, *after, *events, *client,
		*name; /* from argv, or NULL */
	const char *drives[OPTIONS_DRIVES_MAX];
	size_t drive_count;
	const char *prefixes[OPTIONS_PREFIXES_MAX];
	size_t prefix_count;
	uint64_t limit;                     /* 0: not given */
	int64_t expires_in;                 /* seconds; 0: never */
	const char *args[OPTIONS_ARGS_MAX]; /* what is no option, the subcommand included */
	size_t arg_count;
};

/* False: `error` says what is wrong, for people.  Uses getopt's globals; may be called again. */
bool options_parse(struct options *out, int argc, char **argv, char error[OPTIONS_ERROR_MAX]);
/* "--json" and so on, of the lowest bit in `set`. */
const char *option_name(unsigned set);
/* `90s`, `15m`, `12h`, `30d`, `2w`; more than 0 and at most 100 years. */
bool duration_parse(const char *text, int64_t *seconds);
