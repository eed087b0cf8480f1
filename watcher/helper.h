/* helper: a file helper process from its start to its end.
 *
 * One per drive, and beside the watchers the only code that opens paths on a drive.  It hashes files, keeps
 * `.wakeline/epoch` and touches the probe (helper_message.h has what it is asked).  All that it opens lies
 * beneath the drive's root, without links and without other mounts on the way; it holds no descriptor there
 * while it has nothing to do, so that the drive can be unmounted.  Files: helper.c the loop and the requests,
 * helper_beneath.c opening, helper_own.c what lies in `.wakeline`, helper_hash.c the hashes. */
#pragma once

/* Serve requests on `socket` until it closes; takes the socket.  Returns an exit status. */
int helper_main(int socket);
