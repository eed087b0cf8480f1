/* Patterns, one a line, and behind an empty line a path: whatever they are, matching ends and stays inside.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sync/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void match(const struct rules *r, const char *path, size_t len)
{
	char *exact = malloc(len > 0 ? len : 1);

	if (exact == NULL)
		abort();
	memcpy(exact, path, len); /* without a NUL behind it, as a path in the machine is */
	if (rules_hide(r, exact, len, true) && rules_checksum(r) == 0)
		abort();
	rules_hide(r, exact, len, false);
	rules_reach_below(r, exact, len);
	free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), *line, *path, *rest = NULL;
	struct rules *r;

	if (text == NULL || rules_new(&r) != 0)
		abort();
	path = strstr(text, "\n\n");
	if (path != NULL) {
		*path = '\0';
		path += 2;
	}
	for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		rules_add(r, line);
	if (path != NULL)
		match(r, path, strlen(path));
	rules_free(r);
	free(text);
	return 0;
}
