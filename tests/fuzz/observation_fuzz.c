/* What a watcher or the daemon would have to sort out if the other side went mad: frames of both directions.
 * A frame that is accepted must encode to the same bytes. */
#include <assert.h>
#include <string.h>

#include "watcher/observation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[OBSERVATION_FRAME_MAX];
	struct watch_request request;
	struct observation o;
	int len = observation_decode(&o, data, size);

	if (len > 0) {
		assert((size_t)len <= size);
		assert(observation_encode(&o, again, sizeof(again)) == len);
		assert(memcmp(again, data, (size_t)len) == 0);
	}
	len = watch_request_decode(&request, data, size);
	if (len > 0) {
		assert((size_t)len <= size);
		assert(watch_request_encode(&request, again, sizeof(again)) == len);
		assert(memcmp(again, data, (size_t)len) == 0);
	}
	return 0;
}
