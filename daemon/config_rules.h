/* config_rules: the keys `exclude`, `include` and `hide_temporary` of a drive, and the rules they make.
 *
 * As the parsers of config_value.h, each of them returns NULL, or what the value should have been. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct rules;

struct config_rules {
	char **patterns; /* in the order of the file; those of `include` with a `!` */
	size_t pattern_count;
	bool all_groups; /* the default */
	char *groups;    /* names with a space behind each; NULL: none */
};

/* `mark` ("" or "!") goes in front. */
const char *config_rule_add(struct config_rules *c, const char *mark, const char *pattern);
const char *config_rule_groups(struct config_rules *c, const char *value);
/* Temporary files first, then the drive's own.  *out is freed with rules_free().  0 or -ENOMEM. */
int config_rules_make(const struct config_rules *c, struct rules **out);
void config_rules_deinit(struct config_rules *c);
