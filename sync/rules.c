/* rules: each pattern is split into its components once; fnmatch(3) matches a component.
 *
 * Nearly all patterns are one component, and nearly all names match none of them, so what stands before the
 * first and behind the last wildcard of such a pattern is compared first: a name that differs there costs a
 * comparison of a few bytes. */
#include "sync/rules.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "sync/rules_temporary.h"

enum { COMPONENTS_MAX = 64, NAME_ROOM = 256 };

struct rule {
	bool shows;                                 /* `!` */
	bool directory;                             /* directories only */
	bool placed;                                /* it matters where the name lies */
	bool (*fits)(const char *name, size_t len); /* of temporary files: beyond what a pattern can say */
	char *text;                                 /* components, each with a NUL behind it */
	const char *component[COMPONENTS_MAX];
	unsigned count;
	size_t head, tail; /* literal bytes at both ends of the last component */
};

struct rules {
	struct rule **rules;
	size_t count;
	bool need_path;
	XXH64_hash_t checksum;
};

int rules_new(struct rules **out)
{
	*out = calloc(1, sizeof(**out));
	return *out == NULL ? -ENOMEM : 0;
}

static void rule_free(struct rule *rule)
{
	if (rule == NULL)
		return;
	free(rule->text);
	free(rule);
}

void rules_free(struct rules *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->count; i++)
		rule_free(r->rules[i]);
	free(r->rules);
	free(r);
}

/* Parsing. */

static bool is_any_depth(const char *component)
{
	return strcmp(component, "**") == 0;
}

/* Cut rule->text, which is not empty and neither begins nor ends with a slash, into components. */
static int split(struct rule *rule)
{
	char *at = rule->text;

	while (at != NULL) {
		char *slash = strchr(at, '/');

		if (slash != NULL)
			*slash = '\0';
		if (*at == '\0' || rule->count == COMPONENTS_MAX)
			return -EINVAL;
		rule->component[rule->count++] = at;
		at = slash == NULL ? NULL : slash + 1;
	}
	return 0;
}

static void measure_literals(struct rule *rule)
{
	const char *last = rule->component[rule->count - 1];
	size_t len = strlen(last);

	rule->head = strcspn(last, "*?[\\");
	while (rule->head + rule->tail < len && strchr("*?[]\\", last[len - rule->tail - 1]) == NULL)
		rule->tail++;
	if (strpbrk(last, "[\\") != NULL)
		rule->tail = 0; /* what is behind a bracket need not be what it looks like */
}

static int parse(struct rule *rule, const char *pattern)
{
	const char *end = pattern + strlen(pattern);
	bool rooted;

	rule->shows = *pattern == '!';
	if (rule->shows || (pattern[0] == '\\' && (pattern[1] == '!' || pattern[1] == '#')))
		pattern++;
	if ((size_t)(end - pattern) > RULES_PATTERN_MAX)
		return -EINVAL;
	rooted = *pattern == '/';
	pattern += rooted;
	if (end > pattern && end[-1] == '/') {
		rule->directory = true;
		end--;
	}
	if (end == pattern)
		return -EINVAL;
	rule->text = strndup(pattern, (size_t)(end - pattern));
	if (rule->text == NULL)
		return -ENOMEM;
	if (split(rule) != 0)
		return -EINVAL;
	rule->placed = rooted || rule->count > 1;
	if (rule->count == 2 && is_any_depth(rule->component[0])) { /* the same as the second alone */
		rule->component[0] = rule->component[1];
		rule->count = 1;
		rule->placed = false;
	}
	measure_literals(rule);
	return 0;
}

static int append(struct rules *r, struct rule *rule)
{
	struct rule **grown;

	if (r->count == RULES_MAX)
		return -EINVAL;
	grown = realloc(r->rules, (r->count + 1) * sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	r->rules = grown;
	r->rules[r->count++] = rule;
	r->need_path |= rule->placed;
	return 0;
}

static int add(struct rules *r, const char *pattern, bool (*fits)(const char *name, size_t len))
{
	struct rule *rule = calloc(1, sizeof(*rule));
	int error = -ENOMEM;

	if (rule != NULL)
		error = parse(rule, pattern);
	if (error == 0)
		error = append(r, rule);
	if (error != 0) {
		rule_free(rule);
		return error;
	}
	rule->fits = fits;
	r->checksum = XXH64(pattern, strlen(pattern) + 1, r->checksum + 1);
	return 0;
}

int rules_add(struct rules *r, const char *pattern)
{
	return add(r, pattern, NULL);
}

const char *rules_temporary_name(unsigned group)
{
	return temporary_groups[group].name;
}

int rules_add_temporary(struct rules *r, const char *group)
{
	const struct temporary_group *g = temporary_groups;
	int error = 0;

	while (g->name != NULL && strcmp(g->name, group) != 0)
		g++;
	if (g->name == NULL)
		return -ENOENT;
	for (size_t i = 0; error == 0 && g->rules[i].pattern != NULL; i++)
		error = add(r, g->rules[i].pattern, g->rules[i].fits);
	return error;
}

/* Matching. */

/* A component of a path, with a NUL behind it, since fnmatch(3) wants one. */
struct component {
	char bytes[NAME_ROOM];
	size_t len;
};

static bool take_component(struct component *c, const char *bytes, size_t len)
{
	if (len >= sizeof(c->bytes))
		return false;
	memcpy(c->bytes, bytes, len);
	c->bytes[len] = '\0';
	c->len = len;
	return true;
}

static bool ends_fit(const struct rule *rule, const struct component *name)
{
	const char *last = rule->component[rule->count - 1];

	return name->len >= rule->head + rule->tail && memcmp(name->bytes, last, rule->head) == 0 &&
	       memcmp(name->bytes + name->len - rule->tail, last + strlen(last) - rule->tail, rule->tail) ==
		       0;
}

static bool component_fits(const char *pattern, const struct component *c)
{
	return fnmatch(pattern, c->bytes, 0) == 0;
}

/* The next component of the path at *at; false at its end. */
static bool next_component(const char *path, size_t len, size_t *at, struct component *out)
{
	const char *slash;
	size_t end;

	if (*at >= len)
		return false;
	slash = memchr(path + *at, '/', len - *at);
	end = slash == NULL ? len : (size_t)(slash - path);
	if (!take_component(out, path + *at, end - *at))
		return false;
	*at = end + 1;
	return true;
}

/* Components against components, as a shell matches `*`: the last `**` takes one component more whenever what
 * follows it does not fit. */
static bool path_fits(const struct rule *rule, const char *path, size_t len)
{
	size_t at = 0, back = 0, before = 0;
	unsigned i = 0, star = UINT32_MAX;
	struct component c;

	for (;;) {
		if (i < rule->count && is_any_depth(rule->component[i])) {
			if (i + 1 == rule->count)
				return at < len; /* all that is below, but not the directory itself */
			star = i++;
			back = at;
			continue;
		}
		before = at;
		if (!next_component(path, len, &at, &c))
			return i == rule->count && before >= len;
		if (i < rule->count && component_fits(rule->component[i], &c)) {
			i++;
			continue;
		}
		if (star == UINT32_MAX)
			return false;
		i = star + 1;
		at = back;
		if (!next_component(path, len, &at, &c))
			return false;
		back = at;
	}
}

static bool rule_fits(const struct rule *rule, const char *path, size_t len, const struct component *name,
		      bool directory)
{
	if ((rule->directory && !directory) || !ends_fit(rule, name))
		return false;
	if (rule->fits != NULL && (directory || !rule->fits(name->bytes, name->len)))
		return false;
	if (rule->placed)
		return path_fits(rule, path, len);
	return component_fits(rule->component[0], name);
}

bool rules_hide(const struct rules *rules, const char *path, size_t len, bool directory)
{
	struct component name;
	const char *slash;

	if (rules == NULL || rules->count == 0)
		return false;
	slash = memrchr(path, '/', len);
	if (!take_component(&name, slash == NULL ? path : slash + 1,
			    slash == NULL ? len : len - (size_t)(slash + 1 - path)))
		return false;
	for (size_t i = rules->count; i-- > 0;) {
		if (rule_fits(rules->rules[i], path, len, &name, directory))
			return !rules->rules[i]->shows;
	}
	return false;
}

bool rules_need_path(const struct rules *rules)
{
	return rules != NULL && rules->need_path;
}

/* Do the first components of the pattern fit the whole path, with some left for what is below? */
static bool reaches_below(const struct rule *rule, const char *path, size_t len)
{
	struct component c;
	size_t at = 0;
	unsigned i = 0;

	while (i < rule->count && !is_any_depth(rule->component[i]) && next_component(path, len, &at, &c)) {
		if (!component_fits(rule->component[i], &c))
			return false;
		i++;
	}
	return i < rule->count;
}

bool rules_reach_below(const struct rules *rules, const char *path, size_t len)
{
	for (size_t i = 0; rules_need_path(rules) && i < rules->count; i++) {
		if (rules->rules[i]->placed && reaches_below(rules->rules[i], path, len))
			return true;
	}
	return false;
}

uint64_t rules_checksum(const struct rules *rules)
{
	return rules == NULL ? 0 : rules->checksum;
}
