#include "net/auth.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/store.h"

void auth_init(struct auth *a, struct store *store)
{
	a->store = store;
	LIST_INIT(&a->principals);
}

static bool row_valid(const struct token_row *row)
{
	return row->revoked == 0 && (row->expires == 0 || time(NULL) < row->expires);
}

bool principal_valid(const struct principal *p)
{
	return !p->revoked && row_valid(&p->row);
}

bool principal_may(const struct principal *p, unsigned scope)
{
	return (p->row.scopes & scope) == scope;
}

bool principal_sees_drive(const struct principal *p, const char *drive)
{
	return token_covers(&p->row, drive);
}

bool principal_sees_all(const struct principal *p)
{
	return strcmp(p->row.drives, "*") == 0 && !principal_limited(p);
}

bool principal_limited(const struct principal *p)
{
	return p->prefixes.count > 0;
}

static int add_prefixes(struct prefixes *out, const struct token_row *row)
{
	int e = 0;

	for (size_t at = 0; at < row->prefixes_len && e == 0; at += strlen(row->prefixes + at) + 1)
		e = prefixes_add(out, row->prefixes + at, strlen(row->prefixes + at));
	/* A limit that says nothing is damage, not the right to everything. */
	return e == 0 && row->prefixes_len > 0 && out->count == 0 ? -EILSEQ : e;
}

static int principal_new(struct auth *a, const struct token_row *row, struct principal **out)
{
	struct principal *p = calloc(1, sizeof(*p));
	int e = p == NULL ? -ENOMEM : add_prefixes(&p->prefixes, row);

	if (e != 0) {
		if (p != NULL)
			prefixes_deinit(&p->prefixes);
		free(p);
		return e;
	}
	p->references = 1;
	p->row = *row;
	LIST_INSERT_HEAD(&a->principals, p, link);
	*out = p;
	return 0;
}

static struct principal *find(struct auth *a, uint64_t token)
{
	struct principal *p;

	LIST_FOREACH(p, &a->principals, link)
	if (p->row.id == token && !p->revoked)
		return p;
	return NULL;
}

static int read_row(struct auth *a, const uint8_t hash[TOKEN_HASH_LEN], struct token_row *row)
{
	struct store_txn *txn;
	int e = store_begin(a->store, STORE_READ, &txn);

	if (e != 0)
		return e;
	e = tokens_by_hash(txn, hash, row);
	store_abort(txn);
	return e == TOKENS_NONE ? -EACCES : e;
}

int auth_token(struct auth *a, const char *text, size_t len, struct principal **out)
{
	uint8_t hash[TOKEN_HASH_LEN];
	struct token_row row;
	struct principal *p;
	int e;

	if (token_hash(text, len, hash) != 0)
		return -EACCES;
	e = read_row(a, hash, &row);
	if (e != 0)
		return e;
	/* The look-up already compared, but not in constant time; its answer must not be trusted to be ours.
	 */
	if (CRYPTO_memcmp(row.hash, hash, sizeof(hash)) != 0 || !row_valid(&row))
		return -EACCES;
	p = find(a, row.id);
	if (p == NULL)
		return principal_new(a, &row, out);
	*out = principal_ref(p);
	return 0;
}

int auth_local(struct auth *a, struct principal **out)
{
	struct token_row row = {
		.scopes = TOKEN_READ | TOKEN_WRITE | TOKEN_ADMIN, .name = "local", .drives = "*"};
	struct principal *p = find(a, 0);

	if (p == NULL)
		return principal_new(a, &row, out);
	*out = principal_ref(p);
	return 0;
}

struct principal *principal_ref(struct principal *p)
{
	p->references++;
	return p;
}

void principal_unref(struct principal *p)
{
	if (p == NULL || --p->references > 0)
		return;
	LIST_REMOVE(p, link);
	prefixes_deinit(&p->prefixes);
	free(p);
}

void auth_revoked(struct auth *a, uint64_t token)
{
	struct principal *p = find(a, token);

	if (p != NULL && token != 0)
		p->revoked = true;
}
