/* tokens: who may connect, and to what.  The secret itself is never stored: only SHA-256 of it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_txn;

enum tokens_answer { TOKENS_NONE = 1 };
enum {
	TOKEN_HASH_LEN = 32,
	TOKEN_NAME_MAX = 64,
	TOKEN_DRIVES_MAX = 1023,
	TOKEN_PREFIXES_MAX = 4096,
	TOKEN_TEXT_LEN = 43
};
enum token_scope { TOKEN_READ = 1 << 0, TOKEN_WRITE = 1 << 1, TOKEN_ADMIN = 1 << 2 };

struct token_row {
	uint64_t id; /* for people and for revoking; counts from 1 */
	uint8_t hash[TOKEN_HASH_LEN];
	unsigned scopes;                   /* enum token_scope */
	char name[TOKEN_NAME_MAX + 1];     /* what the administrator called it; also the subject */
	char drives[TOKEN_DRIVES_MAX + 1]; /* names separated by one comma, or "*" */
	char prefixes[TOKEN_PREFIXES_MAX]; /* paths it is limited to on every drive, a NUL behind each */
	size_t prefixes_len;               /* 0: it is not limited */
	int64_t created, expires, revoked; /* unix seconds; 0: never */
};

/* A new secret: 32 random bytes as base64url, no padding, NUL-terminated. */
int token_generate(char out[TOKEN_TEXT_LEN + 1]);
/* -EINVAL when text is not the form that token_generate() gives. */
int token_hash(const char *text, size_t len, uint8_t out[TOKEN_HASH_LEN]);
bool token_covers(const struct token_row *row, const char *drive);

int tokens_add(struct store_txn *txn, struct token_row *row); /* gives row->id */
int tokens_update(struct store_txn *txn, const struct token_row *row);
int tokens_by_hash(struct store_txn *txn, const uint8_t hash[TOKEN_HASH_LEN], struct token_row *out);
int tokens_get(struct store_txn *txn, uint64_t id, struct token_row *out);
/* The token with the lowest id > after. */
int tokens_next(struct store_txn *txn, uint64_t after, struct token_row *out);
