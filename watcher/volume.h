/* volume: which file system is this?  Its UUID, which stays when it is mounted again, under another device
 * number or after a reboot. */
#pragma once

#include <stdint.h>

#include "watcher/observation.h"

/* Of the file system that fd (open for reading, not O_PATH) lies on.  -EOPNOTSUPP: it has none to tell. */
int volume_of_fd(int fd, uint8_t uuid[VOLUME_BYTES]);
