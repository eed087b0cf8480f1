/* gauge: how far a watcher is behind its kernel queue, in bytes that wait and in the time that the oldest of
 * them may have waited.
 *
 * The kernel tells the bytes (FIONREAD; fanotify counts them one event at a time, so that is asked rarely)
 * and no times.  But once as many bytes were read as waited at some moment, all that is left is younger.
 * Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gauge {
	uint64_t oldest_ns;  /* nothing older than this waits */
	uint64_t sampled_ns; /* when `left` bytes waited that are not read yet */
	uint64_t left;
	uint64_t most_bytes, longest_ns; /* since the last report */
	uint64_t told_ns;
	bool owed; /* the last report was not of zeros */
};

struct gauge_report {
	uint64_t queue_bytes;
	uint32_t lag_ms;
};

/* Is it worth asking how many bytes wait?  Then gauge_sample() with the answer. */
bool gauge_wants_sample(const struct gauge *g, uint64_t now_ns);
void gauge_sample(struct gauge *g, uint64_t now_ns, uint64_t waiting_bytes);
void gauge_read(struct gauge *g, uint64_t now_ns, size_t bytes);
/* Nothing waits. */
void gauge_empty(struct gauge *g, uint64_t now_ns);
/* At most once a second, and when all is read once more, of zeros.  False: there is nothing to report now. */
bool gauge_report(struct gauge *g, uint64_t now_ns, struct gauge_report *out);
/* Something will have to be reported although nothing happens. */
bool gauge_owes(const struct gauge *g);
