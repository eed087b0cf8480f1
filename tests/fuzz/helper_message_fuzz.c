/* What a file helper or the daemon would have to sort out if the other side went mad: frames of both
 * directions. A frame that is accepted must encode to the same bytes. */
#include <assert.h>
#include <string.h>

#include "watcher/helper_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[HELPER_FRAME_MAX];
	struct helper_request request;
	struct helper_answer answer;
	int len = helper_request_decode(&request, data, size);

	if (len > 0) {
		assert((size_t)len <= size);
		assert(helper_request_encode(&request, again, sizeof(again)) == len);
		assert(memcmp(again, data, (size_t)len) == 0);
	}
	len = helper_answer_decode(&answer, data, size);
	if (len > 0) {
		assert((size_t)len <= size);
		assert(helper_answer_encode(&answer, again, sizeof(again)) == len);
		assert(memcmp(again, data, (size_t)len) == 0);
	}
	return 0;
}
