#include "client/lines.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/escape.h"
#include "client/moment.h"

static const struct verb {
	const char *event, *text, *colour;
} verbs[] = {
	{"drive.file.created", "created", "\033[32m"}, {"drive.file.updated", "updated", "\033[33m"},
	{"drive.file.moved", "moved", "\033[36m"},     {"drive.file.deleted", "deleted", "\033[31m"},
	{"sync.started", "started", "\033[2m"},        {"sync.progress", "progress", "\033[2m"},
	{"sync.completed", "completed", "\033[2m"},    {"sync.error", "failed", "\033[1;31m"},
	{"sync.conflict", "conflict", "\033[1;35m"},   {"client.connected", "connected", "\033[2m"},
	{"client.disconnected", "left", "\033[2m"},
};

enum lines_style lines_style_for(FILE *out)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if (!isatty(fileno(out)) || (no_color != NULL && *no_color != '\0'))
		return LINES_PLAIN;
	return term != NULL && strcmp(term, "dumb") != 0 ? LINES_COLOUR : LINES_PLAIN;
}

static const char *text_of(const json_t *item, const char *key)
{
	return json_string_value(json_object_get(item, key));
}

static int base64_value(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

/* Decodes into out, which has room for len bytes; stops at padding or at anything else that is no digit. */
static size_t base64_decode(const char *text, size_t len, char *out)
{
	unsigned bits = 0, held = 0;
	size_t n = 0;

	for (size_t i = 0; i < len && base64_value(text[i]) >= 0; i++) {
		held = held << 6 | (unsigned)base64_value(text[i]);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[n++] = (char)(held >> bits & 0xff);
		}
	}
	return n;
}

/* The name under `key`; where its bytes are not UTF-8, `key`_b64 has them. */
static void print_name(FILE *out, const json_t *item, const char *key)
{
	char key_b64[32];
	const char *b64;
	size_t len;
	char *bytes;

	snprintf(key_b64, sizeof(key_b64), "%s_b64", key);
	b64 = text_of(item, key_b64);
	bytes = b64 != NULL ? malloc(strlen(b64) + 1) : NULL;
	if (bytes != NULL) {
		len = base64_decode(b64, strlen(b64), bytes);
		escape_print(out, bytes, len);
		free(bytes);
	} else if (text_of(item, key) != NULL) {
		escape_print_str(out, text_of(item, key));
	}
}

static bool is_kind(const json_t *item, const char *kind)
{
	const char *k = text_of(item, "kind");

	return k != NULL && strcmp(k, kind) == 0;
}

static void print_path(FILE *out, const json_t *item, const char *key)
{
	print_name(out, item, key);
	if (is_kind(item, "dir"))
		fputc('/', out);
}

void lines_print_size(FILE *out, json_int_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double n = (double)bytes;
	size_t unit = 0;

	if (bytes < 1024) {
		fprintf(out, "%lld B", (long long)bytes);
		return;
	}
	for (n /= 1024; n >= 1023.95 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		n /= 1024;
	fprintf(out, "%.1f %s", n, units[unit]);
}

/* What stands behind the path: size, what changed, whether more is to come. */
static void print_details(FILE *out, const json_t *item)
{
	const json_t *size = json_object_get(item, "size"), *changed = json_object_get(item, "changed");
	const char *what = json_string_value(json_array_get(changed, 0));

	if (json_is_integer(size) && is_kind(item, "file")) {
		fputs("  ", out);
		lines_print_size(out, json_integer_value(size));
	}
	if (what != NULL && strcmp(what, "content") != 0)
		fputs(strcmp(what, "meta") == 0 ? "  (only mode, owner or links)"
						: "  (content may be the same)",
		      out);
	if (json_is_true(json_object_get(item, "open")))
		fputs("  (still being written)", out);
	if (json_is_true(json_object_get(item, "recursive")))
		fputs("  (with all below it)", out);
	if (json_is_true(json_object_get(item, "mount")))
		fputs("  (another file system is mounted here)", out);
}

static void print_file(FILE *out, const json_t *item)
{
	if (json_object_get(item, "from") != NULL) {
		print_path(out, item, "from");
		fputs(" -> ", out);
	}
	print_path(out, item, "path");
	if (is_kind(item, "symlink") && json_object_get(item, "target") != NULL) {
		fputs("  (link to ", out);
		print_name(out, item, "target");
		fputc(')', out);
	}
	print_details(out, item);
}

static void print_number(FILE *out, const json_t *item, const char *key)
{
	const json_t *n = json_object_get(item, key);

	if (json_is_integer(n))
		fprintf(out, "  %s %lld", key, (long long)json_integer_value(n));
	else if (json_is_real(n))
		fprintf(out, "  %s %.3f", key, json_real_value(n));
}

static void print_text(FILE *out, const json_t *item, const char *key)
{
	if (text_of(item, key) == NULL || *text_of(item, key) == '\0')
		return;
	fprintf(out, "  %s ", key);
	print_name(out, item, key);
}

/* sync.*, client.* and whatever else comes by: what an item of theirs may hold, where it is there. */
static void print_other(FILE *out, const json_t *item, const char *event)
{
	static const char *const texts[] = {"topic",   "drive", "client", "name",
					    "trigger", "path",  "rule",   "copy"};
	static const char *const numbers[] = {"entries", "changes", "seconds"};

	escape_print(out, event, strcspn(event, "."));
	if (json_is_integer(json_object_get(item, "run")))
		fprintf(out, " run %lld", (long long)json_integer_value(json_object_get(item, "run")));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strncmp(event, "sync.", 5) != 0 || strcmp(texts[i], "drive") != 0)
			print_text(out, item, texts[i]);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		print_number(out, item, numbers[i]);
	print_text(out, item, "error");
}

static void print_time(FILE *out, const json_t *item)
{
	char local[MOMENT_TEXT_MAX];
	const char *at = text_of(item, "at");

	fputs(at != NULL && moment_local(at, local) ? local : "-", out);
	fputs("  ", out);
}

static void print_verb(FILE *out, const char *event, enum lines_style style)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].event, event) != 0)
			continue;
		fprintf(out, "%s%-9s%s  ", style == LINES_COLOUR ? verbs[i].colour : "", verbs[i].text,
			style == LINES_COLOUR ? "\033[0m" : "");
		return;
	}
	escape_print_str(out, event);
	fputs("  ", out);
}

void lines_print(FILE *out, const json_t *item, enum lines_style style)
{
	const char *event = text_of(item, "event");

	if (event == NULL) { /* an entry of a snapshot */
		fputs("= ", out);
		print_file(out, item);
	} else {
		print_time(out, item);
		print_verb(out, event, style);
		if (strncmp(event, "drive.file.", 11) == 0)
			print_file(out, item);
		else
			print_other(out, item, event);
	}
	fputc('\n', out);
}
