/* place: where a directory that is known by descriptor lies, found by ".." and never by a path. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { PLACE_NAME_ROOM = 256 };

/* Does it lie in the tree below the directory with this inode (or is it that one), with no other mount (0:
 * the kernel tells none) or device between them?  1: yes; 0: no; -errno: nobody knows. */
int place_inside(int dir_fd, uint64_t root_inode, uint64_t device, uint64_t mount);
/* A descriptor (O_PATH) of its parent, for the caller to close, and its name there.  -ENOENT: it has none
 * just now. */
int place_of_dir(int dir_fd, char name[PLACE_NAME_ROOM]);
