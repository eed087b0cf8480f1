#include "client/options.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct spelling {
	const char *name;
	enum option_bit bit;
	int argument; /* as getopt_long() wants it */
} spellings[] = {
	{"url", OPTION_URL, required_argument},
	{"token", OPTION_TOKEN, required_argument},
	{"token-file", OPTION_TOKEN_FILE, required_argument},
	{"state", OPTION_STATE, required_argument},
	{"json", OPTION_JSON, no_argument},
	{"after", OPTION_AFTER, required_argument},
	{"from-snapshot", OPTION_FROM_SNAPSHOT, no_argument},
	{"events", OPTION_EVENTS, required_argument},
	{"client", OPTION_CLIENT, required_argument},
	{"until-barrier", OPTION_UNTIL_BARRIER, no_argument},
	{"wait", OPTION_WAIT, no_argument},
	{"limit", OPTION_LIMIT, required_argument},
	{"name", OPTION_NAME, required_argument},
	{"drive", OPTION_DRIVE, required_argument},
	{"read", OPTION_READ, no_argument},
	{"write", OPTION_WRITE, no_argument},
	{"admin", OPTION_ADMIN, no_argument},
	{"expires", OPTION_EXPIRES, required_argument},
	{"help", OPTION_HELP, no_argument},
	{"version", OPTION_VERSION, no_argument},
	{"yes", OPTION_YES, no_argument},
	{"prefix", OPTION_PREFIX, required_argument},
};

enum { SPELLINGS = sizeof(spellings) / sizeof(spellings[0]) };

const char *option_name(unsigned set)
{
	for (size_t i = 0; i < SPELLINGS; i++)
		if (set & (set ^ (set - 1)) & spellings[i].bit)
			return spellings[i].name;
	return "";
}

static bool parse_count(const char *text, uint64_t *out)
{
	size_t len = strlen(text);

	if (len == 0 || len > 18 || strspn(text, "0123456789") != len)
		return false;
	*out = strtoull(text, NULL, 10);
	return true;
}

static int64_t unit_seconds(char unit)
{
	switch (unit) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return 86400;
	case 'w':
		return 7 * 86400;
	}
	return 0;
}

bool duration_parse(const char *text, int64_t *seconds)
{
	size_t len = strlen(text);
	char digits[16];
	uint64_t n;

	if (len < 2 || len - 1 >= sizeof(digits))
		return false;
	memcpy(digits, text, len - 1);
	digits[len - 1] = '\0';
	if (!parse_count(digits, &n) || unit_seconds(text[len - 1]) == 0)
		return false;
	if (n == 0 || n > (uint64_t)100 * 366 * 86400 / (uint64_t)unit_seconds(text[len - 1]))
		return false;
	*seconds = (int64_t)n * unit_seconds(text[len - 1]);
	return true;
}

static bool set_drive(struct options *o, const char *value, char *error)
{
	if (o->drive_count == OPTIONS_DRIVES_MAX) {
		snprintf(error, OPTIONS_ERROR_MAX, "more than %d times --drive", OPTIONS_DRIVES_MAX);
		return false;
	}
	o->drives[o->drive_count++] = value;
	return true;
}

static bool set_prefix(struct options *o, const char *value, char *error)
{
	if (o->prefix_count == OPTIONS_PREFIXES_MAX) {
		snprintf(error, OPTIONS_ERROR_MAX, "more than %d times --prefix", OPTIONS_PREFIXES_MAX);
		return false;
	}
	o->prefixes[o->prefix_count++] = value;
	return true;
}

static bool set_limit(struct options *o, const char *value, char *error)
{
	if (parse_count(value, &o->limit) && o->limit > 0)
		return true;
	snprintf(error, OPTIONS_ERROR_MAX, "--limit %.80s: this is no number above 0", value);
	return false;
}

static bool set_expires(struct options *o, const char *value, char *error)
{
	if (duration_parse(value, &o->expires_in))
		return true;
	snprintf(error, OPTIONS_ERROR_MAX, "--expires %.80s: write how long, such as 12h, 30d or 2w", value);
	return false;
}

/* What goes to the server must be UTF-8: jansson would leave it out without a word. */
static bool is_text(const char *value, const char *name, char *error)
{
	json_t *text = json_string(value);
	bool good = text != NULL && *value != '\0';

	json_decref(text);
	if (!good)
		snprintf(error, OPTIONS_ERROR_MAX, "%s%s: this is empty, or no UTF-8", name[0] ? "--" : "",
			 name);
	return good;
}

static bool set_value(struct options *o, enum option_bit bit, const char *value, char *error)
{
	switch (bit) {
	case OPTION_URL:
		o->url = value;
		break;
	case OPTION_TOKEN:
		o->token = value;
		break;
	case OPTION_TOKEN_FILE:
		o->token_file = value;
		break;
	case OPTION_STATE:
		o->state = value;
		break;
	case OPTION_AFTER:
		o->after = value;
		break;
	case OPTION_EVENTS:
		o->events = value;
		break;
	case OPTION_CLIENT:
		o->client = value;
		break;
	case OPTION_NAME:
		o->name = value;
		break;
	case OPTION_DRIVE:
		return set_drive(o, value, error);
	case OPTION_PREFIX:
		return set_prefix(o, value, error);
	case OPTION_LIMIT:
		return set_limit(o, value, error);
	case OPTION_EXPIRES:
		return set_expires(o, value, error);
	case OPTION_JSON:
	case OPTION_FROM_SNAPSHOT:
	case OPTION_UNTIL_BARRIER:
	case OPTION_WAIT:
	case OPTION_READ:
	case OPTION_WRITE:
	case OPTION_ADMIN:
	case OPTION_HELP:
	case OPTION_VERSION:
	case OPTION_YES:
		break; /* being given is all there is to them */
	}
	return true;
}

static bool take_arguments(struct options *o, int argc, char **argv, char *error)
{
	for (int i = optind; i < argc; i++) {
		if (o->arg_count == OPTIONS_ARGS_MAX) {
			snprintf(error, OPTIONS_ERROR_MAX, "`%.80s` is one argument too many", argv[i]);
			return false;
		}
		if (!is_text(argv[i], "", error)) {
			snprintf(error, OPTIONS_ERROR_MAX, "an argument is empty, or no UTF-8");
			return false;
		}
		o->args[o->arg_count++] = argv[i];
	}
	return true;
}

/* getopt_long() answers with a spelling's index plus this, out of the way of its own characters. */
enum { FIRST_ANSWER = 1000 };

static void fill_table(struct option table[SPELLINGS + 1])
{
	for (int i = 0; i < SPELLINGS; i++)
		table[i] = (struct option){
			.name = spellings[i].name,
			.has_arg = spellings[i].argument,
			.val = FIRST_ANSWER + i,
		};
	table[SPELLINGS] = (struct option){0};
}

/* getopt_long() takes any beginning of a name that fits one alone, today: a script would break with the next
 * option. */
static bool spelled_out(const struct spelling *s, char **argv, char *error)
{
	const char *last = argv[optind - 1];
	bool apart = s->argument == required_argument && optarg == last;
	const char *typed = apart ? argv[optind - 2] : last;
	size_t len = strcspn(typed + 2, "=");

	if (strlen(s->name) == len && strncmp(typed + 2, s->name, len) == 0)
		return true;
	snprintf(error, OPTIONS_ERROR_MAX, "there is no option %.*s; write --%s", (int)len + 2, typed,
		 s->name);
	return false;
}

static bool take_option(struct options *o, int answer, char **argv, char *error)
{
	const struct spelling *s;

	if (answer == 'h') {
		o->given |= OPTION_HELP;
		return true;
	}
	if (answer == ':') {
		snprintf(error, OPTIONS_ERROR_MAX, "%.80s needs a value behind it", argv[optind - 1]);
		return false;
	}
	if (answer < FIRST_ANSWER) {
		snprintf(error, OPTIONS_ERROR_MAX, "there is no option %.80s", argv[optind - 1]);
		return false;
	}
	s = &spellings[answer - FIRST_ANSWER];
	if (!spelled_out(s, argv, error))
		return false;
	o->given |= s->bit;
	if ((s->bit & (OPTION_AFTER | OPTION_EVENTS | OPTION_CLIENT | OPTION_NAME | OPTION_DRIVE |
		       OPTION_PREFIX)) != 0 &&
	    !is_text(optarg, s->name, error))
		return false;
	return set_value(o, s->bit, optarg, error);
}

bool options_parse(struct options *out, int argc, char **argv, char error[OPTIONS_ERROR_MAX])
{
	struct option table[SPELLINGS + 1];
	int answer;

	*out = (struct options){0};
	error[0] = '\0';
	fill_table(table);
	optind = 0; /* glibc: begin anew */
	while ((answer = getopt_long(argc, argv, ":h", table, NULL)) != -1)
		if (!take_option(out, answer, argv, error))
			return false;
	return take_arguments(out, argc, argv, error);
}
