#include "tests/simulation/script.h"

#include <stdlib.h>
#include <string.h>

/* Which arguments follow the word: a path, a second one, a number, a salt. */
enum { A = 1, B = 2, N = 4, S = 8 };

static const struct {
	const char *word;
	unsigned arguments;
} words[ACTION_TYPES] = {
	[ACT_CREATE] = {"create", A | N},
	[ACT_WRITE] = {"write", A | N},
	[ACT_APPEND] = {"append", A | N},
	[ACT_TRUNCATE] = {"truncate", A | N},
	[ACT_CHMOD] = {"chmod", A | N},
	[ACT_CHOWN] = {"chown", A | N},
	[ACT_UTIME] = {"utime", A | N},
	[ACT_FORGE] = {"forge", A},
	[ACT_ACL] = {"acl", A},
	[ACT_SHUT] = {"shut", A},
	[ACT_MKDIR] = {"mkdir", A},
	[ACT_RMDIR] = {"rmdir", A},
	[ACT_UNLINK] = {"unlink", A},
	[ACT_RENAME] = {"rename", A | B},
	[ACT_EXCHANGE] = {"exchange", A | B},
	[ACT_LINK] = {"link", A | B},
	[ACT_SYMLINK] = {"symlink", A | N},
	[ACT_FIFO] = {"fifo", A},
	[ACT_REMOVE] = {"remove", A},
	[ACT_SAVE] = {"save", A | N},
	[ACT_TREE] = {"tree", A},
	[ACT_OPEN] = {"open", A | N},
	[ACT_FEED] = {"feed", N},
	[ACT_CLOSE] = {"close", N},
	[ACT_START] = {"start", 0},
	[ACT_STOP] = {"stop", N},
	[ACT_CRASH] = {"crash", N},
	[ACT_OVERFLOW] = {"overflow", 0},
	[ACT_FAULT] = {"fault", 0},
	[ACT_WATCH] = {"watch", N | S},
	[ACT_CORE] = {"core", N},
	[ACT_TICK] = {"tick", N},
	[ACT_BARRIER] = {"barrier", 0},
	[ACT_RECONCILE] = {"reconcile", A | N},
	[ACT_REST] = {"rest", 0},
};

bool action_is_operation(const struct action *a)
{
	return a->type <= ACT_LAST_OPERATION;
}

static void path_print(const struct path *p, FILE *out)
{
	fputs(p->outside ? " ~/" : " ", out);
	if (p->depth == 0 && !p->outside)
		fputc('/', out);
	for (unsigned i = 0; i < p->depth; i++)
		fprintf(out, "%s%s", i > 0 ? "/" : "", name_at(p->slots[i])->label);
}

void action_print(const struct action *a, FILE *out)
{
	unsigned arguments = words[a->type].arguments;

	fputs(words[a->type].word, out);
	if (arguments & A)
		path_print(&a->a, out);
	if (arguments & B)
		path_print(&a->b, out);
	if (arguments & N)
		fprintf(out, " %u", a->number);
	if (arguments & S)
		fprintf(out, " %u", a->salt);
	fputc('\n', out);
}

void script_print(const struct script *s, FILE *out)
{
	const struct script_options *o = &s->options;

	fprintf(out,
		"options ids=%s backend=%s settle=%u max_wait=%u tick=%u links=%s shuffle=%d rules=%d "
		"hashes=%d\n",
		o->weak_ids ? "weak" : "strong", o->inotify ? "inotify" : "fanotify", o->settle_ms,
		o->max_wait_ms, o->tick_ms, o->lenient_links ? "lenient" : "strict", o->shuffle, o->rules,
		o->hashes);
	for (unsigned i = 0; i < s->count; i++)
		action_print(&s->actions[i], out);
}

static bool path_read(struct path *p, const char *text)
{
	*p = (struct path){0};
	if (strncmp(text, "~/", 2) == 0) {
		p->outside = true;
		text += 2;
	}
	while (*text == '/')
		text++;
	while (*text != '\0') {
		size_t len = strcspn(text, "/");
		int slot = name_by_label(text, len);

		if (slot < 0 || p->depth == PATH_DEPTH)
			return false;
		p->slots[p->depth++] = (uint8_t)slot;
		text += len + (text[len] == '/');
	}
	return true;
}

static bool number_read(uint32_t *out, const char *text)
{
	char *end;

	*out = (uint32_t)strtoul(text, &end, 10);
	return end != text && *end == '\0';
}

static bool argument_read(struct action *a, unsigned argument, const char *text)
{
	if (text == NULL)
		return false;
	if (argument == A || argument == B)
		return path_read(argument == A ? &a->a : &a->b, text);
	return number_read(argument == N ? &a->number : &a->salt, text);
}

static bool action_read(struct action *a, const char *word, char **rest)
{
	for (unsigned i = 0; i < ACTION_TYPES; i++) {
		if (strcmp(words[i].word, word) != 0)
			continue;
		*a = (struct action){.type = (enum action_type)i};
		for (unsigned argument = A; argument <= S; argument <<= 1)
			if ((words[i].arguments & argument) &&
			    !argument_read(a, argument, strtok_r(NULL, " \n", rest)))
				return false;
		return strtok_r(NULL, " \n", rest) == NULL;
	}
	return false;
}

static bool option_read(struct script_options *o, const char *text)
{
	size_t len = strcspn(text, "=");
	const char *value = text + len + (text[len] == '=');

#define IS(key) (len == strlen(key) && memcmp(text, key, len) == 0)
	if (IS("ids"))
		o->weak_ids = strcmp(value, "weak") == 0;
	else if (IS("backend"))
		o->inotify = strcmp(value, "inotify") == 0;
	else if (IS("links"))
		o->lenient_links = strcmp(value, "lenient") == 0;
	else if (IS("shuffle"))
		o->shuffle = value[0] == '1';
	else if (IS("rules"))
		o->rules = value[0] == '1';
	else if (IS("hashes"))
		o->hashes = value[0] == '1';
	else if (IS("settle"))
		return number_read(&o->settle_ms, value);
	else if (IS("max_wait"))
		return number_read(&o->max_wait_ms, value);
	else if (IS("tick"))
		return number_read(&o->tick_ms, value) && o->tick_ms > 0;
	else
		return false;
#undef IS
	return true;
}

static bool line_read(struct script *s, char *text)
{
	char *rest, *word = strtok_r(text, " \n", &rest);

	if (word == NULL || word[0] == '#')
		return true;
	if (strcmp(word, "options") == 0) {
		while ((word = strtok_r(NULL, " \n", &rest)) != NULL)
			if (!option_read(&s->options, word))
				return false;
		return true;
	}
	return s->count < SCRIPT_ACTIONS && action_read(&s->actions[s->count++], word, &rest);
}

bool script_read(struct script *s, FILE *in, unsigned *line)
{
	char text[512];

	s->count = 0;
	s->options = (struct script_options){.settle_ms = 20, .max_wait_ms = 500, .tick_ms = 1};
	for (*line = 1; fgets(text, sizeof(text), in) != NULL; (*line)++)
		if (!line_read(s, text))
			return false;
	return true;
}
