#include "watcher/privilege.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/prctl.h>

static const cap_value_t for_starter[] = {CAP_SYS_ADMIN, CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE, CAP_SETPCAP};
/* A watcher's are the first two, a file helper's the second and the third, a reader's the second. */
enum { STARTER_CAPS = 4, WATCHER_CAPS = 2, HELPER_FIRST = 1, HELPER_CAPS = 2, READER_CAPS = 1 };

static bool is_permitted(cap_t have, cap_value_t cap)
{
	cap_flag_value_t value = CAP_CLEAR;

	return cap_get_flag(have, cap, CAP_PERMITTED, &value) == 0 && value == CAP_SET;
}

/* Inheritable and ambient sets end up empty: nothing is ever executed. */
static int keep_only(const cap_value_t *caps, size_t count)
{
	cap_t have = cap_get_proc(), keep = cap_init();
	int r = 0;

	if (have == NULL || keep == NULL)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < count; i++) {
		if (!is_permitted(have, caps[i]))
			continue;
		if (cap_set_flag(keep, CAP_PERMITTED, 1, &caps[i], CAP_SET) != 0 ||
		    cap_set_flag(keep, CAP_EFFECTIVE, 1, &caps[i], CAP_SET) != 0)
			r = -errno;
	}
	if (r == 0 && cap_set_proc(keep) != 0)
		r = -errno;
	cap_free(have);
	cap_free(keep);
	return r;
}

int privilege_shed_for_starter(void)
{
	return keep_only(for_starter, STARTER_CAPS);
}

/* Needs CAP_SETPCAP; without it the set bounds nothing that could still be gained, thanks to no_new_privs. */
static void empty_bounding_set(void)
{
	for (cap_value_t cap = 0; cap_get_bound(cap) >= 0; cap++)
		cap_drop_bound(cap);
}

static int shed_for_good(const cap_value_t *caps, size_t count)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	empty_bounding_set();
	return keep_only(caps, count);
}

int privilege_shed_for_watcher(void)
{
	return shed_for_good(for_starter, WATCHER_CAPS);
}

int privilege_shed_for_helper(enum privilege_files files)
{
	return shed_for_good(for_starter + HELPER_FIRST,
			     files == PRIVILEGE_WRITE ? HELPER_CAPS : READER_CAPS);
}
