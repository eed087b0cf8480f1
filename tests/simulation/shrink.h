/* shrink: the shortest script that still breaks the same rule. */
#pragma once

#include <stdbool.h>

#include "tests/simulation/script.h"

/* `fails` says whether a script fails in the way that is looked for; it may take its time. */
void shrink(struct script *s, bool (*fails)(void *context, const struct script *s), void *context);
