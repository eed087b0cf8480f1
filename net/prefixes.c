#include "net/prefixes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/base64.h"

static bool is_path(const char *bytes, size_t len)
{
	size_t start = 0;

	if (len > PREFIX_MAX_BYTES || memchr(bytes, '\0', len) != NULL)
		return false;
	for (size_t i = 0; i <= len; i++) {
		const char *name = bytes + start;
		size_t n = i - start;

		if (i < len && bytes[i] != '/')
			continue;
		if (n == 0 || (n == 1 && name[0] == '.') || (n == 2 && memcmp(name, "..", 2) == 0))
			return false;
		start = i + 1;
	}
	return true;
}

/* Is path the directory, or below it? */
static bool within(const char *path, size_t len, const char *directory, size_t directory_len)
{
	return len >= directory_len && memcmp(path, directory, directory_len) == 0 &&
	       (len == directory_len || path[directory_len] == '/');
}

static int order(const struct prefix *a, const char *bytes, size_t len)
{
	int r = memcmp(a->bytes, bytes, a->len < len ? a->len : len);

	return r != 0 ? r : (a->len > len) - (a->len < len);
}

static void drop_within(struct prefixes *p, const char *bytes, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->count; i++) {
		if (within(p->list[i].bytes, p->list[i].len, bytes, len))
			free(p->list[i].bytes);
		else
			p->list[kept++] = p->list[i];
	}
	p->count = kept;
}

static int insert(struct prefixes *p, const char *bytes, size_t len)
{
	struct prefix *list = realloc(p->list, (p->count + 1) * sizeof(*list));
	char *copy = malloc(len);
	size_t at = 0;

	if (list != NULL)
		p->list = list;
	if (list == NULL || copy == NULL) {
		free(copy);
		return -ENOMEM;
	}
	memcpy(copy, bytes, len);
	while (at < p->count && order(&list[at], bytes, len) < 0)
		at++;
	memmove(list + at + 1, list + at, (p->count - at) * sizeof(*list));
	list[at] = (struct prefix){copy, len};
	p->count++;
	return 0;
}

static size_t total(const struct prefixes *p)
{
	size_t bytes = 0;

	for (size_t i = 0; i < p->count; i++)
		bytes += p->list[i].len;
	return bytes;
}

int prefixes_add(struct prefixes *p, const char *bytes, size_t len)
{
	if (len == 0) {
		prefixes_deinit(p);
		p->whole = true;
		return 0;
	}
	if (!is_path(bytes, len))
		return -EINVAL;
	if (p->whole || (p->count > 0 && prefixes_have(p, bytes, len)))
		return 0;
	drop_within(p, bytes, len);
	return p->count < PREFIXES_MAX && total(p) + len <= PREFIXES_MAX_BYTES ? insert(p, bytes, len)
									       : -E2BIG;
}

int prefixes_add_base64(struct prefixes *p, const char *text, size_t len)
{
	char bytes[PREFIX_MAX_BYTES + 3];
	size_t n;

	if (len > sizeof(bytes) / 3 * 4 || !base64_decode(text, len, bytes, &n))
		return -EINVAL;
	return prefixes_add(p, bytes, n);
}

int prefixes_copy(struct prefixes *out, const struct prefixes *p)
{
	int e = 0;

	*out = (struct prefixes){0};
	for (size_t i = 0; i < p->count && e == 0; i++)
		e = insert(out, p->list[i].bytes, p->list[i].len);
	if (e != 0)
		prefixes_deinit(out);
	return e;
}

/* Those of a that b has. */
static int add_common(struct prefixes *out, const struct prefixes *a, const struct prefixes *b)
{
	int e = 0;

	for (size_t i = 0; i < a->count && e == 0; i++)
		if (prefixes_have(b, a->list[i].bytes, a->list[i].len))
			e = prefixes_add(out, a->list[i].bytes, a->list[i].len);
	return e;
}

int prefixes_meet(struct prefixes *out, const struct prefixes *a, const struct prefixes *b)
{
	int e;

	if (a->count == 0 || b->count == 0)
		return prefixes_copy(out, a->count == 0 ? b : a);
	*out = (struct prefixes){0};
	e = add_common(out, a, b);
	if (e == 0)
		e = add_common(out, b, a);
	if (e == 0 && out->count == 0)
		e = -EACCES; /* an empty set would mean everything */
	if (e != 0)
		prefixes_deinit(out);
	return e;
}

void prefixes_deinit(struct prefixes *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->list[i].bytes);
	free(p->list);
	*p = (struct prefixes){0};
}

bool prefixes_equal(const struct prefixes *a, const struct prefixes *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (order(&a->list[i], b->list[i].bytes, b->list[i].len) != 0)
			return false;
	return true;
}

bool prefixes_have(const struct prefixes *p, const char *path, size_t len)
{
	for (size_t i = 0; i < p->count; i++)
		if (within(path, len, p->list[i].bytes, p->list[i].len))
			return true;
	return p->count == 0;
}

bool prefixes_below(const struct prefixes *p, const char *path, size_t len)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->list[i].len > len && within(p->list[i].bytes, p->list[i].len, path, len))
			return true;
	return false;
}
