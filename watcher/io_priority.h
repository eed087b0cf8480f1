/* io_priority: how this process stands in the queue of the disks.
 *
 * In the idle class it gets what nobody else wants; whether that has an effect is the disk's I/O scheduler's
 * (BFQ honours it). */
#pragma once

#include <stdbool.h>

struct io_priority { /* zeroed before */
	bool idle;
	int normal; /* what it was before it became idle */
};

/* Go to the idle class, or back to where it was.  Where the kernel refuses, nothing changes. */
void io_priority_set(struct io_priority *p, bool idle);
