/* sample: what the programs of the benchmarks share: a clock, rests, and percentiles. */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint64_t monotonic_ns(void);
/* Between two measurements: 2 to 22 ms, random, so that no rhythm of ours meets one of the daemon's. */
void rest(void);
/* "name p50 p95 p99 max" in microseconds; sorts the samples. */
void print_percentiles(const char *name, uint64_t *ns, size_t count);
/* End the program with what failed and errno's text. */
void die(const char *what) __attribute__((noreturn));
