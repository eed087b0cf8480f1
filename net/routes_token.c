/* Tokens are made and revoked by the engine, the one writer; here they are described and listed.  Whoever
 * manages them must see every drive, or a limited administrator could make a token that sees more. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/internal.h"
#include "store/drives.h"

enum { LIST_MAX = 10000 };

static bool sees_all(struct exchange *x)
{
	if (principal_sees_all(x->principal))
		return true;
	exchange_error(x, 403, "forbidden", "only a token for all drives can manage tokens");
	return false;
}

static const struct {
	const char *name;
	unsigned scope;
} scope_names[] = {{"read", TOKEN_READ}, {"write", TOKEN_WRITE}, {"admin", TOKEN_ADMIN}};

static json_t *scopes_json(unsigned scopes)
{
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(scope_names) / sizeof(scope_names[0]); i++)
		if ((scopes & scope_names[i].scope) != 0)
			json_array_append_new(list, json_string(scope_names[i].name));
	return list;
}

static json_t *drives_json(const char *drives)
{
	json_t *list = json_array();

	while (*drives != '\0') {
		size_t len = strcspn(drives, ",");

		json_array_append_new(list, json_stringn(drives, len));
		drives += len;
		if (*drives == ',')
			drives++;
	}
	return list;
}

static json_t *prefixes_json(const struct token_row *row)
{
	json_t *list = json_array();

	for (size_t at = 0; at < row->prefixes_len; at += strlen(row->prefixes + at) + 1)
		json_array_append_new(list, json_string(row->prefixes + at));
	return list;
}

static json_t *token_json(const struct token_row *row)
{
	json_t *json = json_pack(
		"{s:I,s:s,s:o,s:o,s:o,s:o,s:o}", "id", (json_int_t)row->id, "name", row->name, "scopes",
		scopes_json(row->scopes), "drives", drives_json(row->drives), "created",
		exchange_time(row->created * 1000000000), "expires", exchange_time(row->expires * 1000000000),
		"revoked", exchange_time(row->revoked * 1000000000));

	if (json != NULL && row->prefixes_len > 0)
		json_object_set_new(json, "prefixes", prefixes_json(row));
	return json;
}

/* ---- list */

static int collect(struct exchange *x, json_t *list)
{
	struct token_row row = {0};
	struct store_txn *txn;
	int e = store_begin(x->server->store, STORE_READ, &txn);

	if (e != 0)
		return e;
	while (e == 0 && json_array_size(list) < LIST_MAX) {
		e = tokens_next(txn, row.id, &row);
		if (e == 0 && json_array_append_new(list, token_json(&row)) != 0)
			e = -ENOMEM;
	}
	store_abort(txn);
	return e < 0 ? e : 0;
}

void serve_tokens(struct exchange *x)
{
	json_t *list;

	if (!sees_all(x))
		return;
	list = json_array();
	if (list == NULL || collect(x, list) != 0) {
		json_decref(list);
		exchange_error(x, 500, "internal", "the tokens cannot be read");
		return;
	}
	exchange_json(x, 200, json_pack("{s:o}", "tokens", list));
}

/* ---- create */

static const char *parse_name(json_t *body, struct token_row *row)
{
	const char *name = json_string_value(json_object_get(body, "name"));

	if (name == NULL || *name == '\0' || strlen(name) > TOKEN_NAME_MAX)
		return "`name` is a string of 1 to 64 bytes";
	strcpy(row->name, name);
	return NULL;
}

static const char *parse_scopes(json_t *body, struct token_row *row)
{
	static const char message[] = "`scopes` lists `read`, `write`, `admin`: at least one";
	json_t *list = json_object_get(body, "scopes"), *entry;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		unsigned scope = 0;

		for (size_t n = 0; n < sizeof(scope_names) / sizeof(scope_names[0]); n++)
			if (json_is_string(entry) &&
			    strcmp(scope_names[n].name, json_string_value(entry)) == 0)
				scope = scope_names[n].scope;
		if (scope == 0)
			return message;
		row->scopes |= scope;
	}
	return row->scopes != 0 ? NULL : message;
}

static bool drive_name_good(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");

	return len > 0 && len <= DRIVE_NAME_MAX && name[len] == '\0' && strchr("._-", name[0]) == NULL;
}

static const char *parse_drives(json_t *body, struct token_row *row)
{
	static const char message[] =
		"`drives` is [\"*\"] or lists drives' names: at least one, 1023 bytes together";
	json_t *list = json_object_get(body, "drives"), *entry;
	size_t i, at = 0;

	if (!json_is_array(list) || json_array_size(list) == 0)
		return message;
	json_array_foreach(list, i, entry)
	{
		const char *name = json_string_value(entry);
		bool star = name != NULL && strcmp(name, "*") == 0;

		if (name == NULL || (star ? json_array_size(list) != 1 : !drive_name_good(name)))
			return message;
		if (at + strlen(name) + 1 > TOKEN_DRIVES_MAX)
			return message;
		at += (size_t)snprintf(row->drives + at, sizeof(row->drives) - at, "%s%s", i > 0 ? "," : "",
				       name);
	}
	return NULL;
}

static bool store_prefixes(const struct prefixes *p, struct token_row *row)
{
	for (size_t i = 0; i < p->count; i++) {
		if (p->list[i].len + 1 > sizeof(row->prefixes) - row->prefixes_len)
			return false;
		memcpy(row->prefixes + row->prefixes_len, p->list[i].bytes, p->list[i].len);
		row->prefixes_len += p->list[i].len;
		row->prefixes[row->prefixes_len++] = '\0';
	}
	return true;
}

static const char *parse_prefixes(json_t *body, struct token_row *row)
{
	static const char message[] =
		"`prefixes` lists at most 64 paths, 4096 bytes together: names with a slash "
		"between";
	json_t *list = json_object_get(body, "prefixes"), *entry;
	struct prefixes p = {0};
	bool good = list == NULL || json_is_array(list);
	size_t i;

	json_array_foreach(list, i, entry)
	{
		good = good && json_is_string(entry) &&
		       prefixes_add(&p, json_string_value(entry), json_string_length(entry)) == 0;
	}
	good = good && store_prefixes(&p, row);
	prefixes_deinit(&p);
	return good ? NULL : message;
}

static const char *parse_expiry(json_t *body, struct token_row *row)
{
	json_t *seconds = json_object_get(body, "expires_in");

	if (seconds == NULL || json_is_null(seconds))
		return NULL;
	if (!json_is_integer(seconds) || json_integer_value(seconds) < 1 ||
	    json_integer_value(seconds) > 3200000000)
		return "`expires_in` is a number of seconds, from 1 to 100 years, or null";
	row->expires = row->created + json_integer_value(seconds);
	return NULL;
}

static const char *parse_token(json_t *body, struct token_row *row)
{
	const char *wrong = parse_name(body, row);

	row->created = time(NULL);
	if (wrong == NULL)
		wrong = parse_scopes(body, row);
	if (wrong == NULL)
		wrong = parse_drives(body, row);
	if (wrong == NULL)
		wrong = parse_prefixes(body, row);
	if (wrong == NULL)
		wrong = parse_expiry(body, row);
	return wrong;
}

/* The secret is told once, in this answer; it waits in the exchange until the engine has stored its hash. */
static void on_created(struct ask *ask)
{
	struct exchange *x = ask->owner;
	json_t *json;

	if (ask->request.error != 0) {
		exchange_error(x, 500, "internal", "the token could not be stored");
		return;
	}
	json = token_json(&ask->request.token);
	if (json != NULL)
		json_object_set_new(json, "token", json_string(x->argument));
	exchange_json(x, 201, json);
	explicit_bzero(x->argument, sizeof(x->argument));
}

static void create(struct exchange *x, const struct token_row *row)
{
	struct engine_request request = {.type = ENGINE_TOKEN_ADD, .token = *row};
	int e = token_generate(x->argument);

	if (e == 0)
		e = token_hash(x->argument, TOKEN_TEXT_LEN, request.token.hash);
	if (e == 0)
		e = ask_engine(x->server, &request, x, on_created);
	if (e == -EAGAIN)
		exchange_error(x, 503, "busy", "the server is stopping");
	else if (e != 0)
		exchange_error(x, 500, "internal", "the token could not be made");
}

void serve_token_create(struct exchange *x)
{
	static const char *const members[] = {"name", "scopes", "drives", "prefixes", "expires_in", NULL};
	struct token_row row = {0};
	const char *wrong;
	json_t *body;

	if (!sees_all(x))
		return;
	body = exchange_object(x, members);
	if (body == NULL)
		return;
	wrong = parse_token(body, &row);
	if (wrong != NULL)
		exchange_error(x, 400, "bad_request", wrong);
	else
		create(x, &row);
	json_decref(body);
}

/* ---- revoke */

static void on_revoked(struct ask *ask)
{
	struct exchange *x = ask->owner;

	if (ask->request.error == -ENOENT)
		exchange_error(x, 404, "not_found", "there is no token with this number");
	else if (ask->request.error != 0)
		exchange_error(x, 500, "internal", "the token could not be revoked");
	else
		exchange_json(x, 200, token_json(&ask->request.token));
}

void serve_token_revoke(struct exchange *x)
{
	struct engine_request request = {.type = ENGINE_TOKEN_REVOKE};
	char *end;
	int e;

	if (!sees_all(x))
		return;
	errno = 0;
	request.token.id = strtoull(x->argument, &end, 10);
	if (x->argument[0] < '1' || x->argument[0] > '9' || *end != '\0' || errno != 0) {
		exchange_error(x, 404, "not_found", "a token is named by its number");
		return;
	}
	e = ask_engine(x->server, &request, x, on_revoked);
	if (e == -EAGAIN)
		exchange_error(x, 503, "busy", "the server is stopping");
	else if (e != 0)
		exchange_error(x, 500, "internal", "out of memory");
}

void token_revoked(struct server *s, uint64_t token)
{
	struct peer *p;

	auth_revoked(&s->auth, token);
	TAILQ_FOREACH(p, &s->peers, link)
	if (p->connection != NULL)
		connection_check_principal(p->connection);
}
