/* client: what all files of the `wakeline` command share. */
#pragma once

/* The exit status.  Documented in `wakeline --help` and wakeline(1): scripts rely on it. */
enum client_exit {
	CLIENT_OK = 0,
	CLIENT_REFUSED = 1,     /* the server said no, or something went wrong with its answer */
	CLIENT_USAGE = 2,       /* the command line makes no sense */
	CLIENT_UNREACHABLE = 3, /* no server answered */
};

struct options;

/* The subcommands; each returns an enum client_exit and has then said on stderr what went wrong. */
int command_tail(const struct options *o);
int command_status(const struct options *o);
int command_trigger(const struct options *o);
int command_history(const struct options *o);
int command_sync(const struct options *o);
int command_drive_adopt(const struct options *o);
int command_token_create(const struct options *o);
int command_token_list(const struct options *o);
int command_token_revoke(const struct options *o);

/* For whoever the server serves only with a token. */
#define CLIENT_TOKEN_WANTED                                                                                  \
	"the server serves nobody without a token: give one by --token-file, --token or WAKELINE_TOKEN; "    \
	"`wakeline token create`, as root on that machine, makes one"

/* One JSON value on one line of stdout. */
struct json_t;
void json_print(const struct json_t *value);
/* One line on stderr, with the program's name in front and control characters escaped. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);
