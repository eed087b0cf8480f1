/* privileges: what the daemon process gives up for good. */
#pragma once

/* Drop every capability (also from the bounding set, as far as that is allowed), and the way back to any. The
 * starter was forked before and keeps what its children need. */
int privileges_drop(void);
