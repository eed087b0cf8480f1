/* operate: makes an action of a script happen in the file system. */
#pragma once

#include "tests/simulation/expect.h"
#include "tests/simulation/file_system.h"
#include "tests/simulation/script.h"

/* 0, or -errno of the system call that it stands for: scripts that were cut down may ask for what cannot be.
 */
int operate(struct file_system *fs, const struct action *a, struct expectation *x);
