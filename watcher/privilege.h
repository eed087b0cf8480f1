/* privilege: give up what a process will never need again. */
#pragma once

/* What the starter keeps, as far as it has it: what watchers need, and the right to empty the bounding set.
 */
int privilege_shed_for_starter(void);
/* What a watcher keeps: fanotify marks (CAP_SYS_ADMIN) and file handles (CAP_DAC_READ_SEARCH); the bounding
 * set is emptied, and no_new_privs set.  Both work without any capability too, and return -errno only when
 * one could not be given up. */
int privilege_shed_for_watcher(void);

/* What a file helper keeps: reading everything (CAP_DAC_READ_SEARCH), and to write in directories of others
 * (CAP_DAC_OVERRIDE) where it may write at all.  The rest as above. */
enum privilege_files { PRIVILEGE_READ, PRIVILEGE_WRITE };
int privilege_shed_for_helper(enum privilege_files files);
