/* engine_requests: what the rest of the daemon asks of the engine.
 *
 * A barrier goes through three gates: the watcher has answered (all that was done before has been observed),
 * the machine has passed its mark (all of it is in the index), and the transaction is on disk.  Callers that
 * come while one is being asked share the next.  Where not everything is told by events a pass comes first.
 */
#include "sync/engine_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void requests_answer(struct engine *e, struct engine_request *request, int error)
{
	request->error = error;
	request->mail.next = NULL;
	*e->answers_end = request;
	e->answers_end = (struct engine_request **)(void *)&request->mail.next;
}

void requests_committed(struct engine *e)
{
	struct engine_request *r = e->answers, *next;

	e->answers = NULL;
	e->answers_end = &e->answers;
	for (; r != NULL; r = next) {
		next = (struct engine_request *)(void *)r->mail.next;
		news_answer(e, r);
	}
}

static struct watched *find_drive(struct engine *e, const char *name)
{
	for (size_t i = 0; i < e->options.drive_count; i++) {
		if (strcmp(e->watched[i].row.name, name) == 0)
			return &e->watched[i];
	}
	return NULL;
}

static int trigger(struct watched *w, struct engine_request *request)
{
	char *path = request->path;
	size_t len = path == NULL ? 0 : strlen(path);
	int r;

	request->path = NULL;
	while (len > 0 && path[len - 1] == '/')
		path[--len] = '\0';
	if (len == 0) {
		free(path);
		path = NULL;
	}
	r = w->machine == NULL ? -EAGAIN : 0;
	if (r == 0 && path != NULL)
		r = run_check_path(w, path);
	if (r == 0)
		return run_request(w, RUN_MANUAL, path, &request->run);
	free(path);
	return r;
}

/* Barriers. */

static bool is_asking(const struct watched *w)
{
	for (const struct waiting_barrier *b = w->barriers; b != NULL; b = b->next) {
		if (b->number != 0 && !b->answered)
			return true;
	}
	return false;
}

static void ask_for_all(struct watched *w)
{
	uint32_t number = 0;

	for (struct waiting_barrier *b = w->barriers; b != NULL; b = b->next) {
		if (b->number != 0 || !pass_has_seen(w, b->pass))
			continue;
		if (number == 0)
			number = watch_ask_barrier(w->watch, w, 0);
		b->number = number;
	}
}

static int barrier(struct watched *w, struct engine_request *request)
{
	struct waiting_barrier *b, **last = &w->barriers;

	if (w->machine == NULL && (w->row.indexed || w->retry_ms != UINT64_MAX))
		return -EAGAIN;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return -ENOMEM;
	b->request = request;
	b->pass = pass_next(w);
	while (*last != NULL)
		last = &(*last)->next;
	*last = b;
	if (w->machine != NULL && !is_asking(w))
		ask_for_all(w);
	return 0;
}

void barriers_answered(struct watched *w, uint32_t number)
{
	uint64_t mark = w->machine == NULL ? 0 : drive_mark(w->machine);

	for (struct waiting_barrier *b = w->barriers; b != NULL; b = b->next) {
		if (b->number == number) {
			b->answered = true;
			b->mark = mark;
		}
	}
	ask_for_all(w);
}

void barriers_advance(struct watched *w)
{
	struct waiting_barrier **at = &w->barriers, *b;

	if (w->machine != NULL && w->barriers != NULL && !is_asking(w))
		ask_for_all(w); /* those that came before the drive was ready */
	while ((b = *at) != NULL) {
		if (w->machine == NULL || !b->answered || run_loss_pending(w) ||
		    !drive_passed(w->machine, b->mark)) {
			at = &b->next;
			continue;
		}
		*at = b->next;
		b->request->cursor = w->tail;
		b->request->error = 0;
		news_answer(w->engine, b->request);
		free(b);
	}
}

void barriers_fail(struct watched *w, int error)
{
	struct waiting_barrier *b;

	while ((b = w->barriers) != NULL) {
		w->barriers = b->next;
		requests_answer(w->engine, b->request, error);
		free(b);
	}
}

/* Tokens. */

static int add_token(struct engine *e, struct token_row *token)
{
	struct store_txn *txn = engine_txn(e);

	return txn == NULL ? -EIO : tokens_add(txn, token);
}

static int revoke_token(struct engine *e, struct token_row *token)
{
	struct store_txn *txn = engine_txn(e);
	int r = txn == NULL ? -EIO : tokens_get(txn, token->id, token);

	if (r == TOKENS_NONE)
		return -ENOENT;
	if (r != 0 || token->revoked != 0)
		return r;
	token->revoked = engine_wall_ns() / 1000000000;
	return tokens_update(txn, token);
}

/* What goes wrong in the store concerns everybody; the rest is the asker's. */
static bool is_askers_error(int error)
{
	return error == 0 || error == -ENOENT || error == -ENOTDIR || error == -EAGAIN || error == -EEXIST;
}

void requests_on_mail(void *context, struct mail *mail)
{
	struct engine *e = context;
	struct engine_request *request = container_of(mail, struct engine_request, mail);
	struct watched *w = find_drive(e, request->drive);
	int r = -ENOENT;

	switch (request->type) {
	case ENGINE_TRIGGER:
		r = w == NULL ? -ENOENT : trigger(w, request);
		break;
	case ENGINE_BARRIER:
		r = w == NULL ? -ENOENT : barrier(w, request);
		if (r == 0)
			return; /* answered when it has passed */
		break;
	case ENGINE_TOKEN_ADD:
		r = add_token(e, &request->token);
		break;
	case ENGINE_TOKEN_REVOKE:
		r = revoke_token(e, &request->token);
		break;
	}
	requests_answer(e, request, r);
	if (!is_askers_error(r))
		engine_fail(e, r, "answering a request");
}
