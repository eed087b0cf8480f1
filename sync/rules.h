/* rules: which names clients are not told of.
 *
 * A rule is a line of gitignore(5): `*` and `?` do not match a slash, `**` as a whole component matches any
 * number of components, a slash at the beginning or in the middle ties the pattern to the drive's root, one
 * at the end means directories only, and `!` in front shows again what an earlier rule hides.  The last rule
 * that matches a name decides; what lies below a hidden directory is hidden whatever its own name.  Two
 * things differ: a line is always a rule, so that `#*#` needs no backslash, and spaces count.
 *
 * Before a drive's own rules stand those for temporary files, by the program that makes them
 * (rules_temporary()).  Hidden entries are in the index like all others: only what is handed out and what is
 * in a snapshot leaves them out.  Pure; after the last rules_add() any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rules;

int rules_new(struct rules **out);
void rules_free(struct rules *r); /* NULL is allowed */
/* Borrows.  -EINVAL: it is no pattern (empty, or only slashes, or longer than RULES_PATTERN_MAX); -ENOMEM. */
enum { RULES_PATTERN_MAX = 1024, RULES_MAX = 1000 };
int rules_add(struct rules *r, const char *pattern);

/* The groups of temporary files, as wakelined.conf(5) lists them; NULL behind the last. */
const char *rules_temporary_name(unsigned group);
/* Add the rules of one group by its name.  -ENOENT: there is none. */
int rules_add_temporary(struct rules *r, const char *group);

/* Do the rules hide the last component of this path, relative to the drive's root?  Of the directories above
 * it they are to be asked one by one.  `rules` may be NULL: nothing is hidden. */
bool rules_hide(const struct rules *rules, const char *path, size_t len, bool directory);
/* Is there a rule for which it matters where a name lies?  If not, rules_hide() may be given the name alone.
 */
bool rules_need_path(const struct rules *rules);
/* Could such a rule match something below this directory?  Then a move of it may change what is hidden there.
 */
bool rules_reach_below(const struct rules *rules, const char *path, size_t len);
/* A number that is the same for the same rules; 0 for none. */
uint64_t rules_checksum(const struct rules *rules);
