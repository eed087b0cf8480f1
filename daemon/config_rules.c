#include "daemon/config_rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sync/rules.h"

static const char no_memory[] = "possible: there is no memory";

/* Is it one?  Tried on rules of its own. */
static bool is_pattern(const char *pattern)
{
	struct rules *r;
	bool good = rules_new(&r) == 0 && rules_add(r, pattern) == 0;

	rules_free(r);
	return good;
}

const char *config_rule_add(struct config_rules *c, const char *mark, const char *pattern)
{
	char **grown, *text;

	if (c->pattern_count == RULES_MAX / 2)
		return "one too many: 500 patterns are allowed";
	if (*mark == '!' && *pattern == '!')
		return "a pattern without `!`: what `include` shows again needs none";
	if (asprintf(&text, "%s%s", mark, pattern) < 0)
		return no_memory;
	if (!is_pattern(text)) {
		free(text);
		return "a pattern as in gitignore(5), such as *.bak or /build/";
	}
	grown = realloc(c->patterns, (c->pattern_count + 1) * sizeof(*grown));
	if (grown == NULL) {
		free(text);
		return no_memory;
	}
	c->patterns = grown;
	c->patterns[c->pattern_count++] = text;
	return NULL;
}

static bool is_group(const char *name)
{
	for (unsigned i = 0; rules_temporary_name(i) != NULL; i++) {
		if (strcmp(rules_temporary_name(i), name) == 0)
			return true;
	}
	return false;
}

const char *config_rule_groups(struct config_rules *c, const char *value)
{
	static const char expected[] =
		"all, none, or some of vim emacs gnome kate libreoffice msoffice browsers "
		"macos rsync sed servers, with spaces between";
	char *word, *rest = NULL;

	c->all_groups = strcmp(value, "all") == 0;
	if (c->all_groups || strcmp(value, "none") == 0)
		return NULL;
	c->groups = strdup(value);
	if (c->groups == NULL)
		return no_memory;
	word = strtok_r(c->groups, " \t", &rest);
	if (word == NULL)
		return expected;
	for (; word != NULL; word = strtok_r(NULL, " \t", &rest)) {
		if (!is_group(word))
			return expected;
	}
	memcpy(c->groups, value, strlen(value)); /* strtok_r() cut it */
	return NULL;
}

/* In the order of the table, however they were given. */
static bool is_chosen(const struct config_rules *c, const char *group)
{
	size_t len = strlen(group);
	const char *at = c->groups;

	if (c->all_groups)
		return true;
	for (; at != NULL; at = strpbrk(at, " \t")) {
		at += strspn(at, " \t");
		if (strncmp(at, group, len) == 0 && strchr(" \t", at[len]) != NULL)
			return true;
	}
	return false;
}

int config_rules_make(const struct config_rules *c, struct rules **out)
{
	const char *group;
	int r = rules_new(out);

	for (unsigned i = 0; r == 0 && (group = rules_temporary_name(i)) != NULL; i++) {
		if (is_chosen(c, group))
			r = rules_add_temporary(*out, group);
	}
	for (size_t i = 0; r == 0 && i < c->pattern_count; i++)
		r = rules_add(*out, c->patterns[i]);
	if (r != 0) {
		rules_free(*out);
		*out = NULL;
	}
	return r;
}

void config_rules_deinit(struct config_rules *c)
{
	for (size_t i = 0; i < c->pattern_count; i++)
		free(c->patterns[i]);
	free(c->patterns);
	free(c->groups);
	*c = (struct config_rules){0};
}
