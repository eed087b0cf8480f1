/* queue_alarm: when to warn that events wait in the kernel, whose memory they hold.  Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { QUEUE_ALARM_BYTES = 64 << 20 /* about half a million events */ };

struct queue_alarm { /* zeroed before */
	bool raised;
};

/* So many bytes wait.  True once per episode, which ends when half of QUEUE_ALARM_BYTES is left. */
bool queue_alarm_told(struct queue_alarm *a, uint64_t bytes);
