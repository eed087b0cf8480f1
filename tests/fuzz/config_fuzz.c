/* Any bytes as a configuration file: a configuration that holds what config.h promises, or one line of an
 * error. */
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/config_value.h"
#include "sync/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool claim)
{
	if (!claim)
		abort();
}

static void check_config(const struct config *c)
{
	require(c->state_dir != NULL && c->state_dir[0] == '/');
	require(c->address[0] != '\0' && c->drive_count > 0);
	for (size_t i = 0; i < c->drive_count; i++) {
		const struct config_drive *d = &c->drives[i];
		struct rules *rules;

		require(config_drive_name_valid(d->name));
		require(d->path != NULL && d->path[0] == '/');
		require(d->max_wait_ms >= d->settle_ms && d->retain_changes > 0 && d->line > 0);
		require(config_rules_make(&d->rules, &rules) == 0); /* what was accepted is a rule */
		rules_free(rules);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[CONFIG_ERROR_MAX];
	struct config c;
	FILE *file;

	if (size == 0)
		return 0;
	file = fmemopen((void *)(uintptr_t)data, size, "r");
	require(file != NULL);
	if (config_read_file(&c, file, "fuzz.conf", error) == 0) {
		require(error[0] == '\0');
		check_config(&c);
		config_deinit(&c);
	} else {
		require(strncmp(error, "fuzz.conf:", 10) == 0);
	}
	fclose(file);
	return 0;
}
