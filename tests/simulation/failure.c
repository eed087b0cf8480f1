#include "tests/simulation/failure.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

void failure_set(struct failure *f, const char *rule, const char *format, ...)
{
	va_list args;

	if (f->rule[0] != '\0')
		return;
	snprintf(f->rule, sizeof(f->rule), "%s", rule);
	va_start(args, format);
	vsnprintf(f->text, sizeof(f->text), format, args);
	va_end(args);
}

/* The long ones are shortened to their labels; several calls may stand in one printf. */
const char *printable(const char *bytes, size_t len)
{
	static char ring[8][400];
	static unsigned turn;
	char *out = ring[turn++ % 8], *at = out;

	for (size_t i = 0; i < len && at < out + 380; i++) {
		if (isprint((unsigned char)bytes[i]))
			*at++ = bytes[i];
		else
			at += sprintf(at, "\\x%02x", (unsigned char)bytes[i]);
	}
	*at = '\0';
	return out;
}

void change_print(const struct change *c, FILE *out)
{
	const struct node_state *s = &c->node->state;

	fprintf(out, "%s node %llu ", event_name(c->event), (unsigned long long)c->node->node);
	if (c->event == EVENT_FILE_MOVED)
		fprintf(out, "from %s to ", printable(c->from, c->from_len));
	fprintf(out, "%s kind %d mode %o uid %u size %llu mtime %lld.%09u links %u",
		printable(c->path, c->path_len), (int)s->kind, s->mode, s->uid, (unsigned long long)s->size,
		(long long)s->mtime.seconds, s->mtime.nanoseconds, s->links);
	if (c->changed != 0)
		fprintf(out, "%s%s%s", c->changed & ITEM_CONTENT ? " content" : "",
			c->changed & ITEM_META ? " meta" : "", c->changed & ITEM_MAYBE ? " maybe" : "");
	fprintf(out, "%s%s%s\n", c->open ? " open" : "", c->recursive ? " recursive" : "",
		c->continued ? " continued" : "");
}
