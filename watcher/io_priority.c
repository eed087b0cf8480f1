#include "watcher/io_priority.h"

#include <linux/ioprio.h>
#include <sys/syscall.h>
#include <unistd.h>

void io_priority_set(struct io_priority *p, bool idle)
{
	/* The macro's type depends on the kernel's headers: int in some, unsigned long in others of the same
	 * release. */
	const int none = (int)IOPRIO_PRIO_VALUE(IOPRIO_CLASS_NONE, 0);
	const int lowest = (int)IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0);

	if (p->idle == idle)
		return;
	if (idle)
		p->normal = (int)syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0);
	if (p->normal < 0)
		p->normal = none;
	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, idle ? lowest : p->normal) == 0)
		p->idle = idle;
}
