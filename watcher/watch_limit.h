/* watch_limit: which limit keeps inotify from watching more, and how to raise it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { WATCH_LIMIT_TEXT = 256 };

/* For people, with the sysctl to set: `unwatched` of a drive's `all` directories have no watch. */
void watch_limit_explain(char out[WATCH_LIMIT_TEXT], size_t unwatched, size_t all);
/* … and that there can be no instance at all. */
void watch_limit_explain_instances(char *out, size_t room);
/* The value to suggest where `limit` is too small by `missing`: a power of two with room to grow. */
uint64_t watch_limit_suggest(uint64_t limit, uint64_t missing);
