/* wakeline: the command.
 *
 *   main.c      which subcommands there are, and their help
 *   options.c   the command line            endpoint.c  where the server is
 *   words.c     events and cursors in it
 *   http.c      one request                 feed.c      the protocol of one stream, without I/O
 *   stream.c    its WebSocket               backoff.c   when to try again
 *   tail.c  status.c  history.c  trigger.c  drive.c  token.c     the subcommands
 *   lines.c  table.c  escape.c  moment.c  output.c      what people read */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "client/client.h"
#include "client/options.h"

struct command {
	const char *name;
	const char *arguments, *summary, *help;
	unsigned options; /* beside OPTIONS_SERVER */
	size_t min, max;  /* arguments, the command's own words not counted */
	int (*run)(const struct options *o);
};

static const struct command commands[] = {
	{
		.name = "tail",
		.arguments = "DRIVE",
		.summary = "print each change of a drive as it happens",
		.help = "  --after CURSOR    begin behind this cursor, from an earlier tail or sync\n"
			"  --from-snapshot   first all that is there, one `= path` a line\n"
			"  --events A,B      only these events, such as drive.file.moved or sync.*\n"
			"  --until-barrier   end when all that was done before this call has been printed\n"
			"  --client ID       be known by this name: 1 to 64 of A-Z a-z 0-9 . _ -\n"
			"  --json            one JSON object a line; the last of a batch has a \"cursor\"\n"
			"All but the items goes to stderr.  DRIVE may also be `bus`: who comes and goes.\n",
		.options = OPTION_AFTER | OPTION_FROM_SNAPSHOT | OPTION_EVENTS | OPTION_UNTIL_BARRIER |
			   OPTION_CLIENT | OPTION_JSON,
		.min = 1,
		.max = 1,
		.run = command_tail,
	},
	{
		.name = "status",
		.arguments = "",
		.summary = "show how each drive is doing",
		.help = "  --json            what the server said\n",
		.options = OPTION_JSON,
		.run = command_status,
	},
	{
		.name = "sync",
		.arguments = "DRIVE",
		.summary = "wait until all that was done before is journalled; print that cursor",
		.help = "  --json            {\"cursor\"}\n",
		.options = OPTION_JSON,
		.min = 1,
		.max = 1,
		.run = command_sync,
	},
	{
		.name = "trigger",
		.arguments = "DRIVE [PATH]",
		.summary = "compare a drive, or what is below PATH, with the index",
		.help = "  --wait            until the run has ended; the exit status is then its outcome\n"
			"  --json            {\"run\"}, or with --wait the whole run\n",
		.options = OPTION_WAIT | OPTION_JSON,
		.min = 1,
		.max = 2,
		.run = command_trigger,
	},
	{
		.name = "history",
		.arguments = "DRIVE",
		.summary = "list past runs, the newest first",
		.help = "  --limit N         at most so many (20)\n"
			"  --json            one run a line\n",
		.options = OPTION_LIMIT | OPTION_JSON,
		.min = 1,
		.max = 1,
		.run = command_history,
	},
	{
		.name = "drive adopt",
		.arguments = "DRIVE",
		.summary = "let another directory take the place of a drive's root",
		.help = "  --yes             do it; else only the counts are shown\n"
			"  --json            what the server said\n"
			"For a drive that is offline since another directory is mounted or was made at its "
			"path, such\n"
			"as a copy on a new disk.  What has the same path, kind, size and modification time "
			"is kept\n"
			"as it is known; other differences are announced as changes.\n",
		.options = OPTION_YES | OPTION_JSON,
		.min = 1,
		.max = 1,
		.run = command_drive_adopt,
	},
	{
		.name = "token create",
		.arguments = "--name NAME",
		.summary = "make a token and print it",
		.help = "  --name NAME       what or whom it is for\n"
			"  --drive DRIVE     good for this drive; may be repeated (all drives)\n"
			"  --prefix PATH     limited to this path and all below; may be repeated (all)\n"
			"  --read --write --admin   what it may do (read)\n"
			"  --expires 30d     good for so long: s, m, h, d or w (for ever)\n"
			"  --json            {\"id\",\"token\",…}\n",
		.options = OPTION_NAME | OPTION_DRIVE | OPTION_PREFIX | OPTION_READ | OPTION_WRITE |
			   OPTION_ADMIN | OPTION_EXPIRES | OPTION_JSON,
		.run = command_token_create,
	},
	{
		.name = "token list",
		.arguments = "",
		.summary = "list all tokens, without their secrets",
		.help = "  --json            what the server said\n",
		.options = OPTION_JSON,
		.run = command_token_list,
	},
	{
		.name = "token revoke",
		.arguments = "ID",
		.summary = "make a token invalid, at once",
		.help = "",
		.options = 0,
		.min = 1,
		.max = 1,
		.run = command_token_revoke,
	},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static const char server_help[] =
	"Finding the server:\n"
	"  --url URL         over the network, such as http://127.0.0.1:7420 (or WAKELINE_URL)\n"
	"  --token TOKEN     proves who you are there (or WAKELINE_TOKEN); `ps` shows it to others\n"
	"  --token-file FILE read it from FILE\n"
	"  --state DIR       else: the daemon's state directory on this machine (or WAKELINE_STATE, or\n"
	"                    /var/lib/wakeline); root and the daemon's user need no token\n"
	"The token commands use WAKELINE_URL only when it is given as --url.\n"
	"\n"
	"Exit status: 0 fine, 1 the server said no, 2 the command line is wrong, 3 the server cannot be "
	"reached.\n";

static void print_help(void)
{
	fputs("wakeline: what changes on a file server's drives\n\nusage: wakeline COMMAND [OPTION]...\n\n",
	      stdout);
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  %s %-*s %s\n", commands[i].name, 26 - (int)strlen(commands[i].name),
		       commands[i].arguments, commands[i].summary);
	fputs("\n`wakeline COMMAND --help` tells a command's options; wakeline(1) tells all.\n\n", stdout);
	fputs(server_help, stdout);
}

/* Of a first word that several commands share. */
static bool print_group_help(const char *word)
{
	size_t len = strlen(word);
	bool found = false;

	for (size_t i = 0; i < COMMANDS; i++) {
		const struct command *c = &commands[i];

		if (strncmp(c->name, word, len) != 0 || c->name[len] != ' ')
			continue;
		printf("%s wakeline %s %s\n         %s\n", found ? "      " : "usage:", c->name, c->arguments,
		       c->summary);
		found = true;
	}
	if (found)
		printf("\n`wakeline %s COMMAND --help` tells a command's options.\n\n%s", word, server_help);
	return found;
}

static void print_command_help(const struct command *c)
{
	printf("usage: wakeline %s %s%s[OPTION]...\n\n%s.\n\n%s%s%s", c->name, c->arguments,
	       *c->arguments != '\0' ? " " : "", c->summary, c->help, *c->help != '\0' ? "\n" : "",
	       server_help);
}

/* How many of the arguments are the command's own words; 0: they are not this command. */
static size_t matches(const struct command *c, const struct options *o)
{
	const char *space = strchr(c->name, ' ');
	size_t first = space != NULL ? (size_t)(space - c->name) : strlen(c->name);

	if (o->arg_count == 0 || strlen(o->args[0]) != first || strncmp(o->args[0], c->name, first) != 0)
		return 0;
	if (space == NULL)
		return 1;
	return o->arg_count > 1 && strcmp(o->args[1], space + 1) == 0 ? 2 : 0;
}

static int unknown_command(const struct options *o)
{
	if (o->arg_count == 0)
		complain("say what to do: tail, status, sync, trigger, history, drive, token; see `wakeline "
			 "--help`");
	else if (strcmp(o->args[0], "drive") == 0)
		complain("say what to do with a drive: drive adopt");
	else if (strcmp(o->args[0], "token") == 0)
		complain("say what to do with tokens: token create, token list or token revoke");
	else
		complain("there is no command `%s`; there are tail, status, sync, trigger, history, drive "
			 "and token",
			 o->args[0]);
	return CLIENT_USAGE;
}

static int run(const struct command *c, const struct options *o, size_t words)
{
	unsigned foreign = o->given & ~(c->options | OPTIONS_SERVER);

	if ((o->given & OPTION_HELP) != 0) {
		print_command_help(c);
		return CLIENT_OK;
	}
	if (foreign != 0) {
		complain("`wakeline %s` has no option --%s; see `wakeline %s --help`", c->name,
			 option_name(foreign), c->name);
		return CLIENT_USAGE;
	}
	if (o->arg_count - words < c->min || o->arg_count - words > c->max) {
		complain("usage: wakeline %s %s", c->name, c->arguments);
		return CLIENT_USAGE;
	}
	return c->run(o);
}

/* The output is part of the answer: a full disk is an error. */
static int flushed(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	complain("cannot write to standard output: %s", strerror(errno));
	return status == CLIENT_OK ? CLIENT_REFUSED : status;
}

int main(int argc, char **argv)
{
	char error[OPTIONS_ERROR_MAX];
	struct options o;

	setlocale(LC_CTYPE, "");
	if (!options_parse(&o, argc, argv, error)) {
		complain("%s; see `wakeline --help`", error);
		return CLIENT_USAGE;
	}
	if ((o.given & OPTION_VERSION) != 0) {
		puts("wakeline " WAKELINE_VERSION);
		return flushed(CLIENT_OK);
	}
	for (size_t i = 0; i < COMMANDS; i++)
		if (matches(&commands[i], &o) != 0)
			return flushed(run(&commands[i], &o, matches(&commands[i], &o)));
	if (o.arg_count == 0 && (o.given & OPTION_HELP) != 0) {
		print_help();
		return flushed(CLIENT_OK);
	}
	if (o.arg_count == 1 && (o.given & OPTION_HELP) != 0 && print_group_help(o.args[0]))
		return flushed(CLIENT_OK);
	return unknown_command(&o);
}
