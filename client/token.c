/* wakeline token: make, list and revoke the tokens that clients prove themselves with.
 *
 * A new token's secret is shown once, alone on stdout, so that `token=$(wakeline token create …)` works. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/client.h"
#include "client/http.h"
#include "client/moment.h"
#include "client/options.h"
#include "client/table.h"

static json_t *drive_list(const struct options *o)
{
	json_t *list = json_array();

	for (size_t i = 0; i < o->drive_count; i++)
		json_array_append_new(list, json_string(o->drives[i]));
	if (o->drive_count == 0)
		json_array_append_new(list, json_string("*"));
	return list;
}

static json_t *prefix_list(const struct options *o)
{
	json_t *list = json_array();

	for (size_t i = 0; i < o->prefix_count; i++)
		json_array_append_new(list, json_string(o->prefixes[i]));
	return list;
}

static json_t *scope_list(unsigned given)
{
	static const struct {
		unsigned bit;
		const char *name;
	} scopes[] = {{OPTION_READ, "read"}, {OPTION_WRITE, "write"}, {OPTION_ADMIN, "admin"}};
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++)
		if (given & scopes[i].bit)
			json_array_append_new(list, json_string(scopes[i].name));
	if (json_array_size(list) == 0)
		json_array_append_new(list, json_string("read"));
	return list;
}

static json_t *create_body(const struct options *o)
{
	json_t *body = json_pack("{s:s}", "name", o->name);

	json_object_set_new(body, "drives", drive_list(o));
	if (o->prefix_count > 0)
		json_object_set_new(body, "prefixes", prefix_list(o));
	json_object_set_new(body, "scopes", scope_list(o->given));
	json_object_set_new(body, "expires_in",
			    o->expires_in != 0 ? json_integer(o->expires_in) : json_null());
	return body;
}

/* ["a","b"] as "a,b"; to be freed. */
static char *joined(const json_t *list)
{
	char *out = NULL;
	size_t len, i;
	const json_t *entry;
	FILE *memory = open_memstream(&out, &len);

	if (memory == NULL)
		return NULL;
	json_array_foreach(list, i, entry) if (json_is_string(entry))
		fprintf(memory, "%s%s", i > 0 ? "," : "", json_string_value(entry));
	fclose(memory);
	return out;
}

static void print_created(const json_t *answer, const char *name)
{
	char *drives = joined(json_object_get(answer, "drives")),
	     *scopes = joined(json_object_get(answer, "scopes"));

	puts(json_string_value(json_object_get(answer, "token")));
	complain("token %lld for `%s`: drives %s, may %s; keep it, it is not shown again",
		 (long long)json_integer_value(json_object_get(answer, "id")), name,
		 drives != NULL ? drives : "?", scopes != NULL ? scopes : "?");
	free(drives);
	free(scopes);
}

static bool has_drive(const json_t *drives, const char *name)
{
	const json_t *drive;
	size_t i;

	json_array_foreach(drives, i, drive)
	{
		const char *known = json_string_value(json_object_get(drive, "name"));

		if (known != NULL && strcmp(known, name) == 0)
			return true;
	}
	return false;
}

static void complain_of_drive(const json_t *drives, const char *name)
{
	char known[256] = "";
	const json_t *drive;
	size_t i, len = 0;

	json_array_foreach(drives, i, drive) if (len < sizeof(known)) len +=
		(size_t)snprintf(known + len, sizeof(known) - len, "%s%s", i > 0 ? ", " : "",
				 json_string_value(json_object_get(drive, "name")));
	complain("there is no drive `%s` here; there are %s", name, known);
}

/* A token for a misspelled drive would be good for nothing, and nobody would know why. */
static int check_drives(struct http *h, const struct options *o)
{
	json_t *answer = NULL, *drives;
	int r;

	if (o->drive_count == 0)
		return CLIENT_OK;
	h->quiet = true;
	r = http_call(h, "GET", "/api/sync/status", NULL, &answer);
	h->quiet = false;
	if (r != CLIENT_OK) /* he may not read: the drives cannot be compared */
		return r == CLIENT_REFUSED ? CLIENT_OK : r;
	drives = json_object_get(answer, "drives");
	for (size_t i = 0; i < o->drive_count && r == CLIENT_OK; i++) {
		if (strcmp(o->drives[i], "*") == 0 || has_drive(drives, o->drives[i]))
			continue;
		complain_of_drive(drives, o->drives[i]);
		r = CLIENT_REFUSED;
	}
	json_decref(answer);
	return r;
}

static int create(struct http *h, const struct options *o)
{
	json_t *body = create_body(o), *answer = NULL;
	int r = http_call(h, "POST", "/api/tokens", body, &answer);

	if (r == CLIENT_OK && json_string_value(json_object_get(answer, "token")) == NULL) {
		complain("the server's answer has no token in it");
		r = CLIENT_REFUSED;
	} else if (r == CLIENT_OK && (o->given & OPTION_JSON) != 0) {
		json_print(answer);
	} else if (r == CLIENT_OK) {
		print_created(answer, o->name);
	}
	json_decref(body);
	json_decref(answer);
	return r;
}

int command_token_create(const struct options *o)
{
	struct http h;
	int r;

	if (o->name == NULL) {
		complain("say by --name what or whom the token is for");
		return CLIENT_USAGE;
	}
	r = http_open(&h, o, ENDPOINT_LOCAL);
	if (r != CLIENT_OK)
		return r;
	r = check_drives(&h, o);
	if (r == CLIENT_OK)
		r = create(&h, o);
	http_close(&h);
	return r;
}

/* A time that may be absent: null, or RFC 3339. */
static void add_time(struct table *t, const json_t *token, const char *key, const char *absent)
{
	const char *text = json_string_value(json_object_get(token, key));
	char local[MOMENT_TEXT_MAX];
	time_t seconds;
	unsigned ms;

	if (text != NULL && moment_parse(text, &seconds, &ms)) {
		moment_local_minutes(seconds, local);
		table_add(t, local);
	} else {
		table_add(t, absent);
	}
}

static const char *token_state(const json_t *token)
{
	const char *expires = json_string_value(json_object_get(token, "expires"));
	time_t seconds;
	unsigned ms;

	if (json_is_string(json_object_get(token, "revoked")))
		return "revoked";
	if (expires != NULL && moment_parse(expires, &seconds, &ms) && seconds <= time(NULL))
		return "expired";
	return "valid";
}

static void add_token(struct table *t, const json_t *token)
{
	char *drives = joined(json_object_get(token, "drives")),
	     *scopes = joined(json_object_get(token, "scopes"));
	const char *name = json_string_value(json_object_get(token, "name"));

	table_addf(t, "%lld", (long long)json_integer_value(json_object_get(token, "id")));
	table_add(t, token_state(token));
	table_add(t, scopes != NULL ? scopes : "");
	add_time(t, token, "created", "-");
	add_time(t, token, "expires", "never");
	table_addf(t, "%s%s", drives != NULL ? drives : "",
		   json_array_size(json_object_get(token, "prefixes")) > 0 ? " in part" : "");
	table_add(t, name != NULL ? name : "");
	free(drives);
	free(scopes);
}

static void print_tokens(const json_t *tokens)
{
	static const char *const headings[] = {"ID", "STATE", "MAY", "CREATED", "EXPIRES", "DRIVES", "NAME"};
	struct table t = {.columns = sizeof(headings) / sizeof(headings[0]), .align = {TABLE_RIGHT}};
	const json_t *token;
	size_t i;

	for (i = 0; i < t.columns; i++)
		table_add(&t, headings[i]);
	json_array_foreach(tokens, i, token) add_token(&t, token);
	table_print(&t, stdout);
	table_deinit(&t);
}

int command_token_list(const struct options *o)
{
	json_t *answer = NULL;
	struct http h;
	int r;

	r = http_open(&h, o, ENDPOINT_LOCAL);
	if (r != CLIENT_OK)
		return r;
	r = http_call(&h, "GET", "/api/tokens", NULL, &answer);
	if (r == CLIENT_OK && (o->given & OPTION_JSON) != 0)
		json_print(answer);
	else if (r == CLIENT_OK)
		print_tokens(json_object_get(answer, "tokens"));
	json_decref(answer);
	http_close(&h);
	return r;
}

int command_token_revoke(const struct options *o)
{
	const char *id = o->args[2];
	char path[64];
	struct http h;
	int r;

	if (strlen(id) > 18 || *id == '\0' || strspn(id, "0123456789") != strlen(id)) {
		complain("`%s` is no token's number; `wakeline token list` shows them", id);
		return CLIENT_USAGE;
	}
	r = http_open(&h, o, ENDPOINT_LOCAL);
	if (r != CLIENT_OK)
		return r;
	snprintf(path, sizeof(path), "/api/tokens/%s", id);
	r = http_call(&h, "DELETE", path, NULL, NULL);
	http_close(&h);
	return r;
}
