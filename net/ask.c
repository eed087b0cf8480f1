#include <errno.h>
#include <stdlib.h>

#include "net/internal.h"

int ask_engine(struct server *s, const struct engine_request *request, void *owner,
	       void (*on_answer)(struct ask *ask))
{
	struct ask *ask;

	if (s->stopping || s->engine == NULL)
		return -EAGAIN;
	ask = calloc(1, sizeof(*ask));
	if (ask == NULL)
		return -ENOMEM;
	ask->request = *request;
	ask->request.context = ask;
	ask->server = s;
	ask->owner = owner;
	ask->on_answer = on_answer;
	TAILQ_INSERT_TAIL(&s->asks, ask, link);
	if (engine_ask(s->engine, &ask->request))
		return 0;
	TAILQ_REMOVE(&s->asks, ask, link);
	free(ask);
	return -EAGAIN;
}

void ask_forget(struct server *s, const void *owner)
{
	struct ask *ask;

	TAILQ_FOREACH(ask, &s->asks, link)
	if (ask->owner == owner)
		ask->owner = NULL;
}

void ask_answered(struct server *s, struct engine_request *request)
{
	struct ask *ask = request->context;

	TAILQ_REMOVE(&s->asks, ask, link);
	/* A revocation counts whoever asked for it is still there or not. */
	if (request->type == ENGINE_TOKEN_REVOKE && request->error == 0)
		token_revoked(s, request->token.id);
	if (ask->owner != NULL)
		ask->on_answer(ask);
	free(ask);
}

void ask_free_all(struct server *s)
{
	struct ask *ask;

	while ((ask = TAILQ_FIRST(&s->asks)) != NULL) {
		TAILQ_REMOVE(&s->asks, ask, link);
		free(ask);
	}
}
