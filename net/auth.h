/* auth: who somebody is, by token or by being a local administrator, and what that allows.
 *
 * A principal is shared by all connections that came with the same token and counted by them.  It is read
 * from the store when a token is shown, and told of a revocation by auth_revoked(); expiry is checked
 * whenever it is used.  Loop thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "net/prefixes.h"
#include "store/tokens.h"

struct store;

struct principal {
	LIST_ENTRY(principal) link;
	unsigned references;
	struct token_row row;     /* id 0: the local administrator */
	struct prefixes prefixes; /* the paths it may see, on every drive; its own */
	bool revoked;
};

LIST_HEAD(principal_list, principal);

struct auth {
	struct store *store;
	struct principal_list principals;
};

void auth_init(struct auth *a, struct store *store);
/* Who has this token?  -EACCES: nobody, or it has expired or was revoked.  *out is the caller's reference. */
int auth_token(struct auth *a, const char *text, size_t len, struct principal **out);
/* The administrator behind the control socket. */
int auth_local(struct auth *a, struct principal **out);
struct principal *principal_ref(struct principal *p);
void principal_unref(struct principal *p); /* NULL is allowed */

/* May still be served: neither revoked nor expired. */
bool principal_valid(const struct principal *p);
bool principal_may(const struct principal *p, unsigned scope);
bool principal_sees_drive(const struct principal *p, const char *drive);
bool principal_sees_all(const struct principal *p);
/* It sees a part of the paths only: what is not made to respect that is not for it. */
bool principal_limited(const struct principal *p);

/* Mark the principal of this token, if anybody uses it; its connections are closed by whoever calls. */
void auth_revoked(struct auth *a, uint64_t token);
