#include "daemon/privileges.h"

#include <errno.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/prctl.h>

int privileges_drop(void)
{
	cap_t none = cap_init();
	int r = none == NULL ? -ENOMEM : 0;

	/* Without CAP_SETPCAP the bounding set stays; no_new_privs makes it meaningless. */
	for (cap_value_t c = 0; CAP_IS_SUPPORTED(c); c++)
		(void)cap_drop_bound(c);
	if (r == 0 && cap_set_proc(none) != 0)
		r = -errno;
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		r = -errno;
	cap_free(none);
	return r;
}
