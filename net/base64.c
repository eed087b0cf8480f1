#include "net/base64.h"

#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

/* libcrypto's decoder also takes white space at the ends, `=` anywhere and bits that say nothing; what it
 * took is the text when it encodes to the text again. */
static bool is_canonical(const char *text, const unsigned char *bytes, size_t len)
{
	for (size_t at = 0; at < len; at += 3, text += 4) {
		unsigned char back[5];

		EVP_EncodeBlock(back, bytes + at, len - at < 3 ? (int)(len - at) : 3);
		if (memcmp(back, text, 4) != 0)
			return false;
	}
	return true;
}

bool base64_decode(const char *text, size_t len, char *out, size_t *out_len)
{
	unsigned char *bytes = (unsigned char *)out;
	size_t padding = 0;

	*out_len = 0;
	if (len == 0)
		return true;
	if (len % 4 != 0 || len > INT_MAX ||
	    EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len) != (int)(len / 4 * 3))
		return false;
	while (padding < 2 && text[len - 1 - padding] == '=')
		padding++;
	*out_len = len / 4 * 3 - padding;
	return is_canonical(text, bytes, *out_len);
}
