/* filter: what the members of a class see of a record, when they see a part of the paths only.
 *
 * A move over the border of that part is told as what it looks like from inside: `deleted` where it leaves,
 * `created` where a file comes in; neither names the other side.  What came along in a directory is in no
 * record, so there the subscription has to begin anew.  A `sync.*` item keeps no path outside and no error
 * text, which may name any.  Pure. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "net/prefixes.h"
#include "store/journal.h"
#include "store/text.h"

struct filter {
	uint64_t events;  /* mask (net/events.h) */
	unsigned changed; /* ITEM_* (store/item.h): an `updated` has one of these; 0: whatever it has */
	struct prefixes prefixes;
};

/* A record, parsed when the first filter asks for more than its event, for all that follow. */
struct filter_record {
	const struct journal_record *record;
	json_t *item;
};
void filter_record_deinit(struct filter_record *r);

enum filter_answer {
	FILTER_DROPPED,
	FILTER_ADDED,
	FILTER_CAME_IN, /* a directory came, or left from above: only a snapshot says what there is */
};
/* Append what is to be seen of it to items, with a comma in front when there is something already. */
enum filter_answer filter_apply(const struct filter *f, struct filter_record *r, struct text *items);
/* The bit of a word of `changed`; 0: it is none. */
unsigned filter_changed_word(const char *word);
/* A snapshot's page (items without brackets): leave those that may be seen.  -EILSEQ, -ENOMEM. */
int filter_page(const struct prefixes *p, struct text *page);
