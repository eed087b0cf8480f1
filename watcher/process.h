/* process: a watcher process from its start to its end. */
#pragma once

/* Serve requests on `socket` until it closes; takes the socket.  Returns an exit status. */
int watcher_main(int socket);
