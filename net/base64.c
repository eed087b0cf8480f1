#include "net/base64.h"

#include <stdint.h>
#include <string.h>

static int digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

bool base64_decode(const char *text, size_t len, char *out, size_t *out_len)
{
	size_t padding = 0, n = 0;

	if (len % 4 != 0)
		return false;
	while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < len; i += 4) {
		size_t real = i + 4 == len ? 4 - padding : 4;
		uint32_t bits = 0;

		for (size_t k = 0; k < 4; k++) {
			int d = k < real ? digit(text[i + k]) : 0;

			if (d < 0)
				return false;
			bits = bits << 6 | (uint32_t)d;
		}
		if ((bits & ((1u << 8 * (4 - real)) - 1)) != 0)
			return false; /* bits that say nothing are 0 */
		for (size_t k = 0; k + 1 < real; k++)
			out[n++] = (char)(bits >> (16 - 8 * k) & 0xff);
	}
	*out_len = n;
	return true;
}
