#include "tests/simulation/names.h"

#include <string.h>

#define TEN         "0123456789"
#define FIFTY       TEN TEN TEN TEN TEN
#define LONG_NAME   FIFTY FIFTY FIFTY FIFTY FIFTY "01234"
#define FIVE_C      FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY
#define LONG_TARGET FIVE_C FIVE_C FIVE_C FIVE_C FIVE_C FIVE_C FIVE_C FIVE_C FIFTY TEN TEN TEN TEN "01234"

#define NAME(text, label)                                                                                    \
	{                                                                                                    \
		text, sizeof(text) - 1, label                                                                \
	}

static const struct name names[NAMES] = {
	NAME("a", "a"),
	NAME("b", "b"),
	NAME("c", "c"),
	NAME("d", "d"),
	NAME("e", "e"),
	NAME("f", "f"),
	NAME("A", "A"),
	NAME("a.tmp", "a.tmp"),
	NAME("notes.txt", "notes.txt"),
	NAME(LONG_NAME, "long"),
	NAME("line\nbreak", "newline"),
	NAME("caf\xe9", "latin1"),
	NAME(".wakelinex", ".wakelinex"),
	NAME(".wakeline", ".wakeline"),
	NAME(".wakeline-stage-1", ".wakeline-stage-1"),
	NAME(".wakeline-swap-7", ".wakeline-swap-7"),
};

const struct name *name_at(unsigned slot)
{
	return &names[slot];
}

int name_find(const char *bytes, size_t len)
{
	for (int i = 0; i < NAMES; i++)
		if (names[i].len == len && memcmp(names[i].bytes, bytes, len) == 0)
			return i;
	return -1;
}

int name_by_label(const char *label, size_t len)
{
	for (int i = 0; i < NAMES; i++)
		if (strlen(names[i].label) == len && memcmp(names[i].label, label, len) == 0)
			return i;
	return -1;
}

bool name_is_reserved(unsigned slot, bool in_root)
{
	return slot >= 14 || (slot == 13 && in_root);
}

const char *target_at(unsigned target, size_t *len)
{
	static const char *const targets[TARGETS] = {"a", "b/c", "../nowhere", "\xff\xfe\n", LONG_TARGET};

	*len = strlen(targets[target]);
	return targets[target];
}

bool name_bytes_reserved(const char *name, size_t len, bool in_root)
{
	static const char stage[] = ".wakeline-stage-", swap[] = ".wakeline-swap-";

	return (len >= sizeof(stage) - 1 && memcmp(name, stage, sizeof(stage) - 1) == 0) ||
	       (len >= sizeof(swap) - 1 && memcmp(name, swap, sizeof(swap) - 1) == 0) ||
	       (in_root && len == 9 && memcmp(name, ".wakeline", 9) == 0);
}
