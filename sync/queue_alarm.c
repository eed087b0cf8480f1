#include "sync/queue_alarm.h"

bool queue_alarm_told(struct queue_alarm *a, uint64_t bytes)
{
	bool was = a->raised;

	a->raised = bytes >= (was ? QUEUE_ALARM_BYTES / 2 : QUEUE_ALARM_BYTES);
	return a->raised && !was;
}
