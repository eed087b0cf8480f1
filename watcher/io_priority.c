#include "watcher/io_priority.h"

#include <linux/ioprio.h>
#include <sys/syscall.h>
#include <unistd.h>

void io_priority_set(struct io_priority *p, bool idle)
{
	if (p->idle == idle)
		return;
	if (idle)
		p->normal = (int)syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0);
	if (p->normal < 0)
		p->normal = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_NONE, 0);
	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
		    idle ? IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0) : p->normal) == 0)
		p->idle = idle;
}
