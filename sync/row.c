/* row: what a look at a name says, as a row of the index, and how two rows differ for clients. */
#include <string.h>

#include "sync/drive_internal.h"

static struct node_time time_of(const struct entry_time *t)
{
	return (struct node_time){.seconds = t->seconds, .nanoseconds = t->nanoseconds};
}

/* A directory's sizes, times and link count are not state. */
void row_of(struct drive *d, const struct file_id *id, const struct entry_state *s, struct index_node *n)
{
	n->drive = d->options.drive;
	identity_of(&n->id, id);
	n->state = (struct node_state){.kind = (enum node_kind)s->kind,
				       .mount = s->mount,
				       .mode = s->mode,
				       .uid = s->uid,
				       .gid = s->gid,
				       .birth = time_of(&s->birth)};
	if (s->kind == ENTRY_DIR)
		return;
	n->state.links = s->links;
	n->state.size = s->size;
	n->state.mtime = time_of(&s->mtime);
	n->state.ctime = time_of(&s->ctime);
}

void row_of_held(struct drive *d, const struct held *h, struct index_node *n)
{
	row_of(d, &h->id, &h->state, n);
	n->target = h->target == NULL ? "" : h->target;
	n->target_len = h->target_len;
	n->has_hash = h->has_hash;
	memcpy(n->hash, h->hash, sizeof(n->hash));
}

static bool same_time(const struct node_time *a, const struct node_time *b)
{
	return a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

/* ITEM_* of what differs; 0: nothing that clients are told. */
unsigned row_difference(const struct index_node *was, const struct index_node *is)
{
	const struct node_state *a = &was->state, *b = &is->state;
	unsigned changed = 0;

	if (a->size != b->size || !same_time(&a->mtime, &b->mtime) || was->target_len != is->target_len ||
	    (is->target_len > 0 && memcmp(was->target, is->target, is->target_len) != 0))
		changed |= ITEM_CONTENT;
	if (a->mode != b->mode || a->uid != b->uid || a->gid != b->gid || a->links != b->links ||
	    a->mount != b->mount)
		changed |= ITEM_META;
	if (changed == 0 && !same_time(&a->ctime, &b->ctime))
		changed = ITEM_MAYBE;
	if (was->has_hash && is->has_hash) {
		if (memcmp(was->hash, is->hash, sizeof(is->hash)) != 0)
			changed = (changed & ~(unsigned)ITEM_MAYBE) | ITEM_CONTENT;
		else if (changed == ITEM_MAYBE)
			changed = ITEM_META;
	}
	return changed;
}

bool row_learns_birth(const struct index_node *was, const struct index_node *is)
{
	struct file_id id;

	file_id_of(&id, &is->id);
	return !file_id_is_weak(&id) && (is->state.birth.seconds != 0 || is->state.birth.nanoseconds != 0) &&
	       !same_time(&was->state.birth, &is->state.birth);
}
