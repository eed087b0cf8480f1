/* runs: GET /api/sync/history, one page. */
#pragma once

#include <jansson.h>
#include <stdint.h>

struct http;

/* The newest `limit` runs with a number below `before` (0: the newest of all): {"runs":[…],"next"}.  As
 * http_call(). */
int runs_page(const struct http *h, const char *drive, uint64_t limit, uint64_t before, json_t **answer);
