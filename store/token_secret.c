/* The secret of a token exists on the client and, for one answer, here; what is stored is its hash.  It is
 * 256 bits of the kernel's randomness, so one round of SHA-256 without salt is enough: there is nothing to
 * guess. */
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

#include "store/tokens.h"

enum { SECRET_BYTES = 32 };

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* 32 bytes are 42 digits of 6 bits and one that holds the last 4. */
static void encode(const uint8_t secret[SECRET_BYTES], char out[TOKEN_TEXT_LEN + 1])
{
	for (unsigned i = 0; i < TOKEN_TEXT_LEN; i++) {
		unsigned bit = i * 6, at = bit / 8, next = at + 1 < SECRET_BYTES ? secret[at + 1] : 0;
		unsigned pair = (unsigned)secret[at] << 8 | next;

		out[i] = digits[pair >> (10 - bit % 8) & 63];
	}
	out[TOKEN_TEXT_LEN] = '\0';
}

int token_generate(char out[TOKEN_TEXT_LEN + 1])
{
	uint8_t secret[SECRET_BYTES];

	if (getrandom(secret, sizeof(secret), 0) != sizeof(secret))
		return -EIO;
	encode(secret, out);
	explicit_bzero(secret, sizeof(secret));
	return 0;
}

/* The last digit has two bits that carry nothing: only the spelling where they are 0 is a token. */
static bool well_formed(const char *text, size_t len)
{
	if (len != TOKEN_TEXT_LEN)
		return false;
	for (size_t i = 0; i < len; i++) {
		const char *digit = text[i] != '\0' ? strchr(digits, text[i]) : NULL;

		if (digit == NULL || (i == len - 1 && (digit - digits) % 4 != 0))
			return false;
	}
	return true;
}

int token_hash(const char *text, size_t len, uint8_t out[TOKEN_HASH_LEN])
{
	if (!well_formed(text, len))
		return -EINVAL;
	return EVP_Digest(text, len, out, NULL, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}
