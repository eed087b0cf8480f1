/* config: from the file to struct config, one line at a time.
 *
 * libinih finds comments, keys and values.  It tells no line numbers, no sections without keys, and only the
 * first 49 bytes of a section's name; so it gets its lines from next_line(), which counts them and reads the
 * section headings itself.  The first error ends the reading: next_line() then says that the file is at its
 * end. */
#include "daemon/config.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config_value.h"

enum { SECTION_NONE, SECTION_SERVER, SECTION_DRIVE };
/* `control` in the state directory has to fit a sockaddr_un. */
enum { KEYS_MAX = 32, STATE_DIR_MAX = 107 - (int)sizeof("/control") + 1, SCRUB_RATE_MAX = 1000000 };

struct key {
	const char *name;
	/* NULL, or what the value should have been. */
	const char *(*set)(struct config *c, const char *value);
	bool repeated; /* it may stand there any number of times */
};

struct reader {
	FILE *file;
	const char *path;
	struct config *config;
	char *error;
	int line, result;
	int section, server_line;
	int seen[KEYS_MAX]; /* the line of each key of this section */
	int max_wait_line;  /* 0: not given */
};

static const char *const section_names[] = {"server", "drive"};

static struct config_drive *last_drive(struct config *c)
{
	return &c->drives[c->drive_count - 1];
}

static const char *set_listen(struct config *c, const char *value)
{
	return config_listen(value, c->address, sizeof(c->address), &c->port);
}

static const char *set_state_dir(struct config *c, const char *value)
{
	const char *expected;

	free(c->state_dir);
	expected = config_path(value, &c->state_dir);
	if (expected == NULL && strlen(c->state_dir) > STATE_DIR_MAX)
		expected = "short enough for the name of the socket in it (99 bytes are allowed)";
	return expected;
}

static const char *set_path(struct config *c, const char *value)
{
	return config_path(value, &last_drive(c)->path);
}

static const char *set_settle(struct config *c, const char *value)
{
	return config_duration(value, &last_drive(c)->settle_ms);
}

static const char *set_max_wait(struct config *c, const char *value)
{
	return config_duration(value, &last_drive(c)->max_wait_ms);
}

static const char *set_retain_changes(struct config *c, const char *value)
{
	return config_count(value, &last_drive(c)->retain_changes);
}

static const char *set_watch(struct config *c, const char *value)
{
	return config_backend(value, &last_drive(c)->backend);
}

static const char *set_poll_interval(struct config *c, const char *value)
{
	return config_interval(value, &last_drive(c)->poll_interval_ms);
}

static const char *set_exclude(struct config *c, const char *value)
{
	return config_rule_add(&last_drive(c)->rules, "", value);
}

static const char *set_include(struct config *c, const char *value)
{
	return config_rule_add(&last_drive(c)->rules, "!", value);
}

static const char *set_hide_temporary(struct config *c, const char *value)
{
	return config_rule_groups(&last_drive(c)->rules, value);
}

static const char *set_scrub(struct config *c, const char *value)
{
	return config_period(value, &last_drive(c)->scrub_seconds);
}

static const char *set_scrub_rate(struct config *c, const char *value)
{
	uint64_t rate;
	const char *expected = config_count(value, &rate);

	if (expected == NULL && rate > SCRUB_RATE_MAX)
		expected = "a number of entries a second, from 1 to 1000000";
	if (expected == NULL)
		last_drive(c)->scrub_rate = (unsigned)rate;
	return expected;
}

static const char *set_first_index_priority(struct config *c, const char *value)
{
	last_drive(c)->idle_first_index = strcmp(value, "idle") == 0;
	return last_drive(c)->idle_first_index || strcmp(value, "normal") == 0 ? NULL : "normal or idle";
}

static const char *set_read_only(struct config *c, const char *value)
{
	return config_yes_no(value, &last_drive(c)->read_only);
}

static const char *set_self_probe(struct config *c, const char *value)
{
	return config_duration(value, &last_drive(c)->self_probe_ms);
}

static const char *set_verify(struct config *c, const char *value)
{
	bool hash = strcmp(value, "hash") == 0;

	last_drive(c)->verify_hash = hash;
	return hash || strcmp(value, "off") == 0 ? NULL : "hash or off";
}

static const char *set_verify_period(struct config *c, const char *value)
{
	const char *expected = config_period(value, &last_drive(c)->verify_seconds);

	if (expected == NULL && last_drive(c)->verify_seconds == 0)
		expected = "a time such as 30d or 12h; `verify = off` is for never";
	return expected;
}

static const struct key server_keys[] = {
	{"listen", set_listen, false},
	{"state_dir", set_state_dir, false},
	{NULL, NULL, false},
};

static const struct key drive_keys[] = {
	{"path", set_path, false},
	{"settle", set_settle, false},
	{"max_wait", set_max_wait, false},
	{"retain_changes", set_retain_changes, false},
	{"watch", set_watch, false},
	{"poll_interval", set_poll_interval, false},
	{"exclude", set_exclude, true},
	{"include", set_include, true},
	{"hide_temporary", set_hide_temporary, false},
	{"scrub", set_scrub, false},
	{"scrub_rate", set_scrub_rate, false},
	{"first_index_priority", set_first_index_priority, false},
	{"read_only", set_read_only, false},
	{"self_probe", set_self_probe, false},
	{"verify", set_verify, false},
	{"verify_period", set_verify_period, false},
	{NULL, NULL, false},
};

/* Remember the first error; `line` 0 is about the file as a whole. */
__attribute__((format(printf, 3, 4))) static void fail(struct reader *r, int line, const char *format, ...)
{
	va_list args;
	int n;

	if (r->result != 0)
		return;
	r->result = -EINVAL;
	if (line > 0)
		n = snprintf(r->error, CONFIG_ERROR_MAX, "%s:%d: ", r->path, line);
	else
		n = snprintf(r->error, CONFIG_ERROR_MAX, "%s: ", r->path);
	if (n < 0 || n >= CONFIG_ERROR_MAX)
		return;
	va_start(args, format);
	vsnprintf(r->error + n, CONFIG_ERROR_MAX - (size_t)n, format, args);
	va_end(args);
}

static void fail_memory(struct reader *r)
{
	fail(r, r->line, "out of memory");
	r->result = -ENOMEM;
}

static void begin_server(struct reader *r)
{
	if (r->server_line != 0) {
		fail(r, r->line, "[server] is here a second time, first in line %d; join them",
		     r->server_line);
		return;
	}
	r->server_line = r->line;
	r->section = SECTION_SERVER;
}

static struct config_drive *find_drive(struct config *c, const char *name)
{
	for (size_t i = 0; i < c->drive_count; i++)
		if (strcmp(c->drives[i].name, name) == 0)
			return &c->drives[i];
	return NULL;
}

static void add_drive(struct reader *r, const char *name)
{
	struct config *c = r->config;
	struct config_drive *more = reallocarray(c->drives, c->drive_count + 1, sizeof(*more));

	if (more == NULL) {
		fail_memory(r);
		return;
	}
	c->drives = more;
	more[c->drive_count] = (struct config_drive){
		.settle_ms = 20,
		.max_wait_ms = 500,
		.retain_changes = 10000000,
		.backend = WATCH_AUTO,
		.poll_interval_ms = 10000,
		.rules = {.all_groups = true},
		.scrub_seconds = 24 * 3600,
		.scrub_rate = 5000,
		.self_probe_ms = 60000,
		.verify_seconds = 30 * 24 * 3600,
		.line = r->line,
	};
	strcpy(more[c->drive_count].name, name); /* fits: config_drive_name_valid() */
	c->drive_count++;
	r->section = SECTION_DRIVE;
}

static void begin_drive(struct reader *r, char *name)
{
	size_t len = strlen(name);
	struct config_drive *same;

	if (len < 2 || name[0] != '"' || name[len - 1] != '"') {
		fail(r, r->line, "a drive has its name in quotes: [drive \"music\"]");
		return;
	}
	name[len - 1] = '\0';
	name++;
	if (!config_drive_name_valid(name)) {
		fail(r, r->line,
		     "`%.80s` is no name for a drive: use 1 to 63 of a-z 0-9 . _ - and begin with a letter "
		     "or digit",
		     name);
		return;
	}
	same = find_drive(r->config, name);
	if (same != NULL)
		fail(r, r->line,
		     "[drive \"%s\"] is here a second time, first in line %d; remove one or rename it", name,
		     same->line);
	else
		add_drive(r, name);
}

static void unknown_section(struct reader *r, const char *heading)
{
	const char *word = config_suggest(heading, section_names, 2);

	if (word == NULL)
		fail(r, r->line, "unknown section [%.80s]; there are [server] and [drive \"name\"]", heading);
	else
		fail(r, r->line, "unknown section [%.80s]; did you mean [%s]?", heading,
		     strcmp(word, "drive") == 0 ? "drive \"name\"" : word);
}

/* A settle above the default of max_wait raises it; above a given one it is a contradiction. */
static void check_waits(struct reader *r)
{
	struct config_drive *d = last_drive(r->config);

	if (d->max_wait_ms >= d->settle_ms)
		return;
	if (r->max_wait_line == 0)
		d->max_wait_ms = d->settle_ms;
	else
		fail(r, r->max_wait_line,
		     "`max_wait` (%u ms) in [drive \"%s\"] is shorter than `settle` (%u ms); make it longer",
		     d->max_wait_ms, d->name, d->settle_ms);
}

static void end_section(struct reader *r)
{
	if (r->section == SECTION_DRIVE)
		check_waits(r);
	memset(r->seen, 0, sizeof(r->seen));
	r->section = SECTION_NONE;
	r->max_wait_line = 0;
}

/* `heading` is what stands between the brackets. */
static void begin_section(struct reader *r, char *heading)
{
	size_t word = strcspn(heading, " \t\"");
	char *rest = heading + word;

	end_section(r);
	if (strcmp(heading, "server") == 0) {
		begin_server(r);
		return;
	}
	if (word == 5 && strncmp(heading, "drive", 5) == 0) {
		begin_drive(r, rest + strspn(rest, " \t"));
		return;
	}
	heading[word] = '\0';
	unknown_section(r, heading);
}

static char *strip(char *s)
{
	size_t len;

	s += strspn(s, " \t\r\n");
	len = strlen(s);
	while (len > 0 && strchr(" \t\r\n", s[len - 1]) != NULL)
		s[--len] = '\0';
	return s;
}

static void read_heading(struct reader *r, const char *line)
{
	char copy[CONFIG_LINE_MAX];
	char *end;

	strcpy(copy, line + 1); /* a line is shorter than CONFIG_LINE_MAX: next_line() */
	end = strchr(copy, ']');
	if (end == NULL) {
		fail(r, r->line, "this section heading has no `]`");
		return;
	}
	*end = '\0';
	end = strip(end + 1);
	if (*end != '\0' && *end != ';' && *end != '#') {
		fail(r, r->line, "there is more behind the `]` of a section heading; begin a new line");
		return;
	}
	begin_section(r, strip(copy));
}

/* Read one line into buf; false at the end of the file and after an error. */
static bool fill_line(struct reader *r, char *buf, size_t room)
{
	size_t len = 0;
	int c = EOF;

	while (len + 1 < room && (c = getc(r->file)) != EOF && c != '\n') {
		if (c == '\0') {
			fail(r, r->line + 1, "a NUL byte: this is not a text file");
			return false;
		}
		buf[len++] = (char)c;
	}
	buf[len] = '\0';
	r->line++;
	if (len + 1 == room) {
		fail(r, r->line, "this line is too long (%d bytes are allowed)", CONFIG_LINE_MAX - 2);
		return false;
	}
	return len > 0 || c == '\n';
}

/* libinih's reader: gives it the next line, headings already seen to.  Spaces in front are removed, because
 * libinih would take an indented line for the continuation of the value above it. */
static char *next_line(char *buf, int room, void *context)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	struct reader *r = context;
	char *start = buf;

	if (r->result != 0 || !fill_line(r, buf, (size_t)room))
		return NULL;
	if (r->line == 1 && strncmp(start, byte_order_mark, 3) == 0)
		start += 3;
	start += strspn(start, " \t");
	memmove(buf, start, strlen(start) + 1);
	if (buf[0] == '[')
		read_heading(r, buf);
	return r->result == 0 ? buf : NULL;
}

static void unknown_key(struct reader *r, const struct key *keys, const char *name, const char *where)
{
	const char *names[KEYS_MAX], *meant;
	char known[512] = "";
	size_t count = 0;

	for (; keys[count].name != NULL; count++) {
		names[count] = keys[count].name;
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", count > 0 ? ", " : "",
			 names[count]);
	}
	meant = config_suggest(name, names, count);
	if (meant != NULL)
		fail(r, r->line, "unknown key `%.80s` in %s; did you mean `%s`?", name, where, meant);
	else
		fail(r, r->line, "unknown key `%.80s` in %s; its keys are %s", name, where, known);
}

/* `backend` is the older name of `watch`. */
static size_t find_key(const struct key *keys, const char *name)
{
	size_t k = 0;

	if (keys == drive_keys && strcmp(name, "backend") == 0)
		name = "watch";
	while (keys[k].name != NULL && strcmp(keys[k].name, name) != 0)
		k++;
	return k;
}

static void set_key(struct reader *r, const struct key *keys, const char *name, const char *value,
		    const char *where)
{
	const char *expected;
	size_t k = find_key(keys, name);

	if (keys[k].name == NULL) {
		unknown_key(r, keys, name, where);
		return;
	}
	if (r->seen[k] != 0 && !keys[k].repeated) {
		fail(r, r->line, "`%s` is in %s a second time, first in line %d; remove one", name, where,
		     r->seen[k]);
		return;
	}
	r->seen[k] = r->line;
	expected = keys[k].set(r->config, value);
	if (expected != NULL)
		fail(r, r->line, "`%s = %.160s` in %s is not %s%s", name, value, where, expected,
		     strstr(value, " #") != NULL || strstr(value, " ;") != NULL
			     ? "; a comment needs a line of its own"
			     : "");
}

/* libinih's handler: one key and its value. */
static int on_key(void *context, const char *section, const char *name, const char *value)
{
	struct reader *r = context;
	char where[96];

	(void)section;
	if (r->section == SECTION_SERVER) {
		set_key(r, server_keys, name, value, "[server]");
	} else if (r->section == SECTION_DRIVE) {
		snprintf(where, sizeof(where), "[drive \"%s\"]", last_drive(r->config)->name);
		set_key(r, drive_keys, name, value, where);
		if (strcmp(name, "max_wait") == 0)
			r->max_wait_line = r->line;
	} else {
		fail(r, r->line,
		     "`%.80s` stands before any section; put it below [server] or [drive \"name\"]", name);
	}
	return 1;
}

/* What only shows at the end of the file. */
static void check_whole(struct reader *r)
{
	struct config *c = r->config;

	end_section(r);
	for (size_t i = 0; i < c->drive_count; i++)
		if (c->drives[i].path == NULL)
			fail(r, c->drives[i].line, "[drive \"%s\"] has no path; add `path = /the/directory`",
			     c->drives[i].name);
	if (c->drive_count == 0)
		fail(r, 0, "there is no drive; add a section [drive \"name\"] with `path = /the/directory`");
}

static void parse(struct reader *r)
{
	int line;

	/* Debian's libinih has its compile-time settings as variables. */
	ini_use_stack = false;
	ini_allow_inline_comments = false; /* they would cut a path at its first " ;" */
	ini_allow_realloc = false;
	ini_initial_alloc = ini_max_line = CONFIG_LINE_MAX;
	line = ini_parse_stream(next_line, r, on_key, r);
	if (line == -2) {
		fail_memory(r);
	} else if (line > 0 && (r->result == 0 || line < r->line)) {
		r->result = 0; /* it is further up than what we found ourselves */
		fail(r, line, "this is neither `key = value` nor a [section]");
	}
	if (r->result == 0 && ferror(r->file)) {
		fail(r, 0, "cannot read it: %s", strerror(errno));
		r->result = -EIO;
	}
}

int config_read_file(struct config *out, FILE *file, const char *path, char error[CONFIG_ERROR_MAX])
{
	struct reader r = {.file = file, .path = path, .config = out, .error = error};

	*out = (struct config){.address = "127.0.0.1", .port = 7420};
	error[0] = '\0';
	out->state_dir = strdup("/var/lib/wakeline");
	if (out->state_dir == NULL)
		fail_memory(&r);
	if (r.result == 0)
		parse(&r);
	if (r.result == 0)
		check_whole(&r);
	if (r.result != 0)
		config_deinit(out);
	return r.result;
}

int config_read(struct config *out, const char *path, char error[CONFIG_ERROR_MAX])
{
	FILE *file = fopen(path, "re");
	int r;

	if (file == NULL) {
		r = -errno;
		*out = (struct config){0};
		snprintf(error, CONFIG_ERROR_MAX, "%s: cannot read the configuration: %s", path,
			 strerror(-r));
		return r;
	}
	r = config_read_file(out, file, path, error);
	fclose(file);
	return r;
}

void config_deinit(struct config *c)
{
	for (size_t i = 0; i < c->drive_count; i++) {
		free(c->drives[i].path);
		config_rules_deinit(&c->drives[i].rules);
	}
	free(c->drives);
	free(c->state_dir);
	*c = (struct config){0};
}
