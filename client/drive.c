/* wakeline drive adopt: let the directory that stands at a drive's path now take its root's place. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "client/client.h"
#include "client/http.h"
#include "client/options.h"

static long long count_of(const json_t *answer, const char *key)
{
	return (long long)json_integer_value(json_object_get(answer, key));
}

static void print_counts(const json_t *answer, const char *drive)
{
	printf("drive %s: %lld entries are known, %lld are below the new root\n", drive,
	       count_of(answer, "entries"), count_of(answer, "found"));
	printf("  kept    %10lld  the same path, kind, size and modification time\n",
	       count_of(answer, "kept"));
	printf("  changed %10lld  will be announced as changed\n", count_of(answer, "changed"));
	printf("  new     %10lld  will be announced as created\n", count_of(answer, "new"));
	printf("  missing %10lld  will be announced as deleted\n", count_of(answer, "missing"));
}

/* `confirm` NULL: count only. */
static int ask(const struct http *h, const char *drive, const char *confirm, json_t **answer)
{
	json_t *body = json_object();
	char path[128];
	int r;

	if (confirm != NULL)
		json_object_set_new(body, "confirm", json_string(confirm));
	snprintf(path, sizeof(path), "/api/drives/%s/adopt", drive);
	r = http_call(h, "POST", path, body, answer);
	json_decref(body);
	return r;
}

static int confirm_counts(const struct http *h, const char *drive, const json_t *counted, bool json)
{
	const char *confirm = json_string_value(json_object_get(counted, "confirm"));
	json_t *answer = NULL;
	int r;

	if (confirm == NULL) {
		complain("the server's answer has nothing in it to confirm");
		return CLIENT_REFUSED;
	}
	r = ask(h, drive, confirm, &answer);
	if (r == CLIENT_OK && json)
		json_print(answer);
	else if (r == CLIENT_OK)
		printf("adopted; run %lld announces what differs\n", count_of(answer, "run"));
	json_decref(answer);
	return r;
}

static int adopt(const struct http *h, const struct options *o)
{
	bool json = (o->given & OPTION_JSON) != 0, yes = (o->given & OPTION_YES) != 0;
	const char *drive = o->args[2];
	json_t *counted = NULL;
	int r = ask(h, drive, NULL, &counted);

	if (r == CLIENT_OK && !json)
		print_counts(counted, drive);
	else if (r == CLIENT_OK && !yes)
		json_print(counted);
	if (r == CLIENT_OK && yes) {
		r = confirm_counts(h, drive, counted, json);
	} else if (r == CLIENT_OK) {
		complain("nothing was changed: to adopt this root, call it again with --yes");
		r = CLIENT_REFUSED;
	}
	json_decref(counted);
	return r;
}

int command_drive_adopt(const struct options *o)
{
	struct http h;
	int r;

	if (strlen(o->args[2]) > 63 || strchr(o->args[2], '/') != NULL) {
		complain("`%s` is no name of a drive", o->args[2]);
		return CLIENT_USAGE;
	}
	r = http_open(&h, o, ENDPOINT_ANY);
	if (r != CLIENT_OK)
		return r;
	h.patient = true; /* all below the new root is read */
	r = adopt(&h, o);
	http_close(&h);
	return r;
}
