/* The configuration file: what it may say, and every message for what it may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/config_value.h"
#include "sync/rules.h"

#define ONE_DRIVE "[drive \"x\"]\npath = /srv/x\n"

static struct config config;
static char error[CONFIG_ERROR_MAX];

static int read_bytes(const char *text, size_t len)
{
	FILE *file = fmemopen((void *)(uintptr_t)text, len, "r");
	int r;

	assert_non_null(file);
	r = config_read_file(&config, file, "w.conf", error);
	fclose(file);
	return r;
}

static void accept(const char *text)
{
	if (read_bytes(text, strlen(text)) != 0)
		fail_msg("refused: %s", error);
	assert_string_equal(error, "");
}

static void refuse(const char *text, const char *expected)
{
	assert_int_equal(read_bytes(text, strlen(text)), -EINVAL);
	assert_string_equal(error, expected);
	assert_null(config.drives);
}

static int teardown(void **state)
{
	(void)state;
	config_deinit(&config);
	return 0;
}

static void test_a_path_is_all_that_a_drive_needs(void **state)
{
	(void)state;
	accept(ONE_DRIVE);
	assert_string_equal(config.address, "127.0.0.1");
	assert_int_equal(config.port, 7420);
	assert_string_equal(config.state_dir, "/var/lib/wakeline");
	assert_int_equal(config.drive_count, 1);
	assert_string_equal(config.drives[0].name, "x");
	assert_string_equal(config.drives[0].path, "/srv/x");
	assert_int_equal(config.drives[0].settle_ms, 20);
	assert_int_equal(config.drives[0].max_wait_ms, 500);
	assert_int_equal(config.drives[0].retain_changes, 10000000);
	assert_int_equal(config.drives[0].backend, WATCH_AUTO);
	assert_int_equal(config.drives[0].scrub_seconds, 86400);
	assert_int_equal(config.drives[0].scrub_rate, 5000);
	assert_int_equal(config.drives[0].line, 1);
}

static void test_every_key_is_read(void **state)
{
	(void)state;
	accept("# a comment\n[server]\nlisten = [::1]:0\nstate_dir = /var/lib/w/\n\n"
	       "[drive \"music-1.a_b\"]\n; another\npath=/srv/music//\n  settle = 0\n\tmax_wait = 5s\n"
	       "retain_changes = 42\nbackend = inotify\n"
	       "[ drive\t\"photos\" ] # mine\r\npath = /srv/p q # r ; s\r\nbackend = fanotify\nsettle = 7ms");
	assert_string_equal(config.address, "::1");
	assert_int_equal(config.port, 0);
	assert_string_equal(config.state_dir, "/var/lib/w");
	assert_int_equal(config.drive_count, 2);
	assert_string_equal(config.drives[0].name, "music-1.a_b");
	assert_string_equal(config.drives[0].path, "/srv/music");
	assert_int_equal(config.drives[0].settle_ms, 0);
	assert_int_equal(config.drives[0].max_wait_ms, 5000);
	assert_int_equal(config.drives[0].retain_changes, 42);
	assert_int_equal(config.drives[0].backend, WATCH_INOTIFY);
	assert_string_equal(config.drives[1].path, "/srv/p q # r ; s");
	assert_int_equal(config.drives[1].settle_ms, 7);
	assert_int_equal(config.drives[1].backend, WATCH_FANOTIFY);
	assert_int_equal(config.drives[1].line, 13);
}

/* What the rules of the first drive hide. */
static bool hides(const char *path)
{
	struct rules *rules;
	bool hidden;

	assert_int_equal(config_rules_make(&config.drives[0].rules, &rules), 0);
	hidden = rules_hide(rules, path, strlen(path), false);
	rules_free(rules);
	return hidden;
}

static void test_rules_hold_in_the_order_in_which_they_stand(void **state)
{
	(void)state;
	accept(ONE_DRIVE "exclude = *.o\nexclude = /my files/*\ninclude = main.o\nexclude = #*\n");
	assert_true(hides("a.o"));
	assert_false(hides("main.o"));
	assert_true(hides("my files/x"));
	assert_true(hides("#x"));
	assert_true(hides("a~"));
	config_deinit(&config);
	accept(ONE_DRIVE "include = *~\nhide_temporary = rsync  vim\n");
	assert_false(hides("a~"));
	assert_true(hides(".a.swp"));
	assert_false(hides("a.part"));
	config_deinit(&config);
	accept(ONE_DRIVE "hide_temporary = none\n");
	assert_false(hides(".a.swp"));
}

static void test_a_rule_that_is_none_is_told(void **state)
{
	(void)state;
	refuse(ONE_DRIVE "exclude = /\n", "w.conf:3: `exclude = /` in [drive \"x\"] is not a pattern as in "
					  "gitignore(5), such as *.bak or /build/");
	refuse(ONE_DRIVE "include = !x\n",
	       "w.conf:3: `include = !x` in [drive \"x\"] is not a pattern without "
	       "`!`: what `include` shows again needs none");
	refuse(ONE_DRIVE "hide_temporary = vmi\n",
	       "w.conf:3: `hide_temporary = vmi` in [drive \"x\"] is not all, none, or some of vim emacs "
	       "gnome "
	       "kate libreoffice msoffice browsers macos rsync sed servers, with spaces between");
}

static void test_what_is_written_and_compared_on_a_drive(void **state)
{
	(void)state;
	accept(ONE_DRIVE);
	assert_false(config.drives[0].read_only);
	assert_int_equal(config.drives[0].self_probe_ms, 60000);
	assert_false(config.drives[0].verify_hash);
	assert_int_equal(config.drives[0].verify_seconds, 30 * 86400);
	config_deinit(&config);
	accept(ONE_DRIVE "read_only = yes\nself_probe = 0\nverify = hash\nverify_period = 12h\n");
	assert_true(config.drives[0].read_only);
	assert_int_equal(config.drives[0].self_probe_ms, 0);
	assert_true(config.drives[0].verify_hash);
	assert_int_equal(config.drives[0].verify_seconds, 12 * 3600);
	config_deinit(&config);
	refuse(ONE_DRIVE "read_only = 1\n", "w.conf:3: `read_only = 1` in [drive \"x\"] is not yes or no");
	refuse(ONE_DRIVE "verify = yes\n", "w.conf:3: `verify = yes` in [drive \"x\"] is not hash or off");
	refuse(ONE_DRIVE "verify_period = off\n", "w.conf:3: `verify_period = off` in [drive \"x\"] is not a "
						  "time such as 30d or 12h; `verify = off` is "
						  "for never");
}

static void test_a_byte_order_mark_is_no_part_of_the_first_line(void **state)
{
	(void)state;
	accept("\xef\xbb\xbf" ONE_DRIVE);
}

static void test_a_drive_name_of_63_bytes_is_whole(void **state)
{
	char text[256], name[64];

	(void)state;
	memset(name, 'n', 63);
	name[63] = '\0';
	snprintf(text, sizeof(text), "[drive \"%s\"]\npath = /srv/x\n[drive \"%.62s\"]\npath = /srv/y\n",
		 name, name);
	accept(text);
	assert_string_equal(config.drives[0].name, name);
	assert_int_equal(config.drive_count, 2);
}

static void test_a_long_path_is_whole(void **state)
{
	char text[5000] = "[drive \"x\"]\npath = /";

	(void)state;
	memset(text + strlen(text), 'p', 4094);
	accept(text);
	assert_int_equal(strlen(config.drives[0].path), 4095);
}

static void test_a_long_settle_raises_the_default_of_max_wait(void **state)
{
	(void)state;
	accept(ONE_DRIVE "settle = 2s\n");
	assert_int_equal(config.drives[0].max_wait_ms, 2000);
}

static void test_max_wait_below_settle_is_refused(void **state)
{
	(void)state;
	refuse(ONE_DRIVE "settle = 2s\nmax_wait = 1s\n", "w.conf:4: `max_wait` (1000 ms) in [drive \"x\"] is "
							 "shorter than `settle` (2000 ms); make it longer");
	refuse(ONE_DRIVE "max_wait = 10ms\n", "w.conf:3: `max_wait` (10 ms) in [drive \"x\"] is shorter than "
					      "`settle` (20 ms); make it longer");
	accept(ONE_DRIVE "max_wait = 10ms\nsettle = 0\n");
}

static void test_no_drive_is_an_error(void **state)
{
	(void)state;
	refuse("[server]\n",
	       "w.conf: there is no drive; add a section [drive \"name\"] with `path = /the/directory`");
}

static void test_a_drive_without_a_path_is_an_error(void **state)
{
	(void)state;
	refuse("[drive \"y\"]\n\n" ONE_DRIVE,
	       "w.conf:1: [drive \"y\"] has no path; add `path = /the/directory`");
	refuse(ONE_DRIVE "[drive \"y\"]\nsettle = 1s\n",
	       "w.conf:3: [drive \"y\"] has no path; add `path = /the/directory`");
}

static void test_an_unknown_key_is_named_with_what_was_meant(void **state)
{
	(void)state;
	refuse(ONE_DRIVE "setle = 20ms\n",
	       "w.conf:3: unknown key `setle` in [drive \"x\"]; did you mean `settle`?");
	refuse(ONE_DRIVE "maxwait = 1s\n",
	       "w.conf:3: unknown key `maxwait` in [drive \"x\"]; did you mean `max_wait`?");
	refuse("[server]\nlsiten = 1\n",
	       "w.conf:2: unknown key `lsiten` in [server]; did you mean `listen`?");
	refuse("[server]\npath = /x\n",
	       "w.conf:2: unknown key `path` in [server]; its keys are listen, state_dir");
	refuse(ONE_DRIVE "colour = red\n",
	       "w.conf:3: unknown key `colour` in [drive \"x\"]; its keys are path, settle, "
	       "max_wait, retain_changes, watch, poll_interval, exclude, include, hide_temporary, scrub, "
	       "scrub_rate, first_index_priority, read_only, self_probe, verify, verify_period");
}

static void test_an_unknown_section_is_named_with_what_was_meant(void **state)
{
	(void)state;
	refuse("[sever]\n", "w.conf:1: unknown section [sever]; did you mean [server]?");
	refuse("[drives \"x\"]\n", "w.conf:1: unknown section [drives]; did you mean [drive \"name\"]?");
	refuse("\n[tls]\n", "w.conf:2: unknown section [tls]; there are [server] and [drive \"name\"]");
	refuse("[]\n", "w.conf:1: unknown section []; there are [server] and [drive \"name\"]");
}

static void test_a_malformed_heading_is_refused(void **state)
{
	(void)state;
	refuse("[server\n", "w.conf:1: this section heading has no `]`");
	refuse("[server] listen = 1\n",
	       "w.conf:1: there is more behind the `]` of a section heading; begin a new line");
	refuse("[drive x]\n", "w.conf:1: a drive has its name in quotes: [drive \"music\"]");
	refuse("[drive]\n", "w.conf:1: a drive has its name in quotes: [drive \"music\"]");
	refuse("[drive \"]\n", "w.conf:1: a drive has its name in quotes: [drive \"music\"]");
}

static void test_a_drive_name_is_checked(void **state)
{
	static const char *const bad[] = {"Music", ".x", "-x", "", "a b", "a/b", "\xc3\xa9"};
	char text[64], expected[200];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "[drive \"%s\"]\n", bad[i]);
		snprintf(expected, sizeof(expected),
			 "w.conf:1: `%s` is no name for a drive: use 1 to 63 of a-z 0-9 . _ - and begin with "
			 "a letter or "
			 "digit",
			 bad[i]);
		refuse(text, expected);
	}
	refuse("[drive \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]\n",
	       "w.conf:1: `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` is no name for "
	       "a drive: use 1 "
	       "to 63 of a-z 0-9 . _ - and begin with a letter or digit");
}

static void test_duplicates_name_the_first_line(void **state)
{
	(void)state;
	refuse("[server]\n" ONE_DRIVE "[server]\n",
	       "w.conf:4: [server] is here a second time, first in line 1; join them");
	refuse(ONE_DRIVE "\n[drive \"x\"]\n",
	       "w.conf:4: [drive \"x\"] is here a second time, first in line 1; remove one or rename it");
	refuse(ONE_DRIVE "settle = 0\npath = /y\n",
	       "w.conf:4: `path` is in [drive \"x\"] a second time, first in line 2; remove one");
	refuse("[server]\nstate_dir = /a\nstate_dir = /a\n",
	       "w.conf:3: `state_dir` is in [server] a second time, first in line 2; remove one");
}

static void test_a_key_before_any_section_is_refused(void **state)
{
	(void)state;
	refuse("path = /x\n",
	       "w.conf:1: `path` stands before any section; put it below [server] or [drive \"name\"]");
}

static void test_a_line_that_is_nothing_is_refused_where_it_stands(void **state)
{
	(void)state;
	refuse(ONE_DRIVE "what is this\n", "w.conf:3: this is neither `key = value` nor a [section]");
	refuse("what is this\n" ONE_DRIVE "setle = 1s\n",
	       "w.conf:1: this is neither `key = value` nor a [section]");
}

static void test_a_bad_value_is_told_with_what_it_should_be(void **state)
{
	(void)state;
	refuse("[server]\nlisten = localhost:7420\n",
	       "w.conf:2: `listen = localhost:7420` in [server] is not a numeric address and a port, such as "
	       "127.0.0.1:7420 or [::1]:7420");
	refuse("[server]\nstate_dir = var/lib\n", "w.conf:2: `state_dir = var/lib` in [server] is not an "
						  "absolute path (it starts with a slash)");
	refuse("[drive \"x\"]\npath = srv/x\n",
	       "w.conf:2: `path = srv/x` in [drive \"x\"] is not an absolute path (it starts with a slash)");
	refuse("[drive \"x\"]\npath =\n",
	       "w.conf:2: `path = ` in [drive \"x\"] is not an absolute path (it starts with a slash)");
	refuse("[drive \"x\"]\npath = /srv/../x\n",
	       "w.conf:2: `path = /srv/../x` in [drive \"x\"] is not a path without `.` and `..`");
	refuse("[drive \"x\"]\nsettle = 20\n", "w.conf:2: `settle = 20` in [drive \"x\"] is not a duration "
					       "such as 20ms, 5s or 0 (at most 60s)");
	refuse("[drive \"x\"]\nmax_wait = 61s\n", "w.conf:2: `max_wait = 61s` in [drive \"x\"] is not a "
						  "duration such as 20ms, 5s or 0 (at most 60s)");
	refuse("[drive \"x\"]\nretain_changes = 10k\n",
	       "w.conf:2: `retain_changes = 10k` in [drive \"x\"] is not a whole number, 1 or more");
	refuse("[drive \"x\"]\nbackend = fsevents\n",
	       "w.conf:2: `backend = fsevents` in [drive \"x\"] is not one of auto, fanotify, inotify, poll");
	refuse("[drive \"x\"]\nfirst_index_priority = low\n",
	       "w.conf:2: `first_index_priority = low` in [drive \"x\"] is not normal or idle");
	refuse("[drive \"x\"]\nscrub = daily\n", "w.conf:2: `scrub = daily` in [drive \"x\"] is not a time "
						 "such as 24h, 30m, 90s or 7d (at most "
						 "3650d), or off");
	refuse("[drive \"x\"]\nscrub_rate = 1000001\n", "w.conf:2: `scrub_rate = 1000001` in [drive \"x\"] "
							"is not a number of entries a second, from 1 to "
							"1000000");
}

static void test_the_first_index_may_be_idle(void **state)
{
	(void)state;
	accept(ONE_DRIVE "first_index_priority = idle\n[drive \"y\"]\npath = /srv/y\n"
			 "first_index_priority = normal\n[drive \"z\"]\npath = /srv/z\n");
	assert_true(config.drives[0].idle_first_index);
	assert_false(config.drives[1].idle_first_index);
	assert_false(config.drives[2].idle_first_index);
}

static void test_a_state_dir_leaves_room_for_the_socket(void **state)
{
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), "[server]\nstate_dir = /%098d\n" ONE_DRIVE, 0);
	accept(text);
	config_deinit(&config);
	snprintf(text, sizeof(text), "[server]\nstate_dir = /%099d\n", 0);
	assert_int_equal(read_bytes(text, strlen(text)), -EINVAL);
	assert_non_null(
		strstr(error, "is not short enough for the name of the socket in it (99 bytes are allowed)"));
}

static void test_what_is_no_text_is_refused(void **state)
{
	char line[CONFIG_LINE_MAX + 10];

	(void)state;
	assert_int_equal(read_bytes("[server]\n\0\n", 11), -EINVAL);
	assert_string_equal(error, "w.conf:2: a NUL byte: this is not a text file");
	memset(line, '#', sizeof(line));
	assert_int_equal(read_bytes(line, sizeof(line)), -EINVAL);
	assert_string_equal(error, "w.conf:1: this line is too long (8190 bytes are allowed)");
	memset(line, '#', CONFIG_LINE_MAX - 2);
	strcpy(line + CONFIG_LINE_MAX - 2, "\n");
	refuse(line,
	       "w.conf: there is no drive; add a section [drive \"name\"] with `path = /the/directory`");
}

static void test_a_file_that_is_not_there_is_named(void **state)
{
	(void)state;
	assert_int_equal(config_read(&config, "/nonexistent/w.conf", error), -ENOENT);
	assert_string_equal(error,
			    "/nonexistent/w.conf: cannot read the configuration: No such file or directory");
	assert_int_equal(config_read(&config, "/", error), -EIO);
	assert_string_equal(error, "/: cannot read it: Is a directory");
}

static void test_durations_are_exact(void **state)
{
	unsigned ms;

	(void)state;
	assert_null(config_duration("0", &ms));
	assert_int_equal(ms, 0);
	assert_null(config_duration("60000ms", &ms));
	assert_int_equal(ms, 60000);
	assert_null(config_duration("60s", &ms));
	assert_int_equal(ms, 60000);
	assert_null(config_duration("0s", &ms));
	assert_non_null(config_duration("60001ms", &ms));
	assert_non_null(config_duration("99999999999999999999999s", &ms));
	assert_non_null(config_duration("-1s", &ms));
	assert_non_null(config_duration("+1s", &ms));
	assert_non_null(config_duration("1 s", &ms));
	assert_non_null(config_duration("1m", &ms));
	assert_non_null(config_duration("s", &ms));
	assert_non_null(config_duration("", &ms));
}

static void test_watch_and_backend_are_one_key(void **state)
{
	(void)state;
	accept(ONE_DRIVE "watch = poll\npoll_interval = 5m\n");
	assert_int_equal(config.drives[0].backend, WATCH_POLL);
	assert_int_equal(config.drives[0].poll_interval_ms, 300000);
	config_deinit(&config);
	accept(ONE_DRIVE "backend = poll\n");
	assert_int_equal(config.drives[0].backend, WATCH_POLL);
	assert_int_equal(config.drives[0].poll_interval_ms, 10000);
	config_deinit(&config);
	refuse(ONE_DRIVE "watch = poll\nbackend = auto\n",
	       "w.conf:4: `backend` is in [drive \"x\"] a second time, first in line 3; remove one");
}

static void test_intervals_are_exact(void **state)
{
	static const char *const bad[] = {
		"", "10", "0", "99ms", "25h", "1d", "-1s", "5 s", "99999999999999999999h"};
	uint64_t ms = 0;

	(void)state;
	assert_null(config_interval("100ms", &ms));
	assert_int_equal(ms, 100);
	assert_null(config_interval("24h", &ms));
	assert_int_equal(ms, 86400000);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_string_equal(config_interval(bad[i], &ms),
				    "a time such as 10s, 500ms, 5m or 1h (from 100ms to 24h)");
}

static void test_periods_are_exact(void **state)
{
	static const char *const bad[] = {"",    "1",   "1w",   "0h",  "3651d",
					  "-1h", "1 h", "off ", "1ms", "99999999999999999h"};
	uint64_t seconds = 1;

	(void)state;
	assert_null(config_period("off", &seconds));
	assert_true(seconds == 0);
	assert_null(config_period("90s", &seconds));
	assert_true(seconds == 90);
	assert_null(config_period("30m", &seconds));
	assert_true(seconds == 1800);
	assert_null(config_period("3650d", &seconds));
	assert_true(seconds == 315360000);
	assert_null(config_period("0", &seconds));
	assert_true(seconds == 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(config_period(bad[i], &seconds));
}

static void test_listen_takes_numeric_addresses_only(void **state)
{
	static const char *const bad[] = {"",           "7420",       ":7420",     "*:7420",
					  "127.0.0.1",  "127.0.0.1:", "::1:7420",  "[127.0.0.1]:1",
					  "[::1]",      "[]:1",       "1.2.3:4",   "1.2.3.4:65536",
					  "1.2.3.4:-1", "1.2.3.4:+1", "1.2.3.4:1x"};
	char address[64];
	uint16_t port;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(config_listen(bad[i], address, sizeof(address), &port));
	assert_null(config_listen("0.0.0.0:65535", address, sizeof(address), &port));
	assert_string_equal(address, "0.0.0.0");
	assert_int_equal(port, 65535);
	assert_null(config_listen("[2001:db8::7]:80", address, sizeof(address), &port));
	assert_string_equal(address, "2001:db8::7");
}

static void test_counts_are_exact(void **state)
{
	uint64_t n;

	(void)state;
	assert_null(config_count("9223372036854775807", &n));
	assert_true(n == INT64_MAX);
	assert_non_null(config_count("9223372036854775808", &n));
	assert_non_null(config_count("0", &n));
	assert_non_null(config_count("1 ", &n));
}

static void test_suggestions_need_a_likeness(void **state)
{
	static const char *const words[] = {"path", "settle", "backend"};

	(void)state;
	assert_string_equal(config_suggest("paht", words, 3), "path");
	assert_string_equal(config_suggest("backends", words, 3), "backend");
	assert_null(config_suggest("x", words, 3));
	assert_null(config_suggest("", words, 3));
	assert_null(config_suggest("a-word-that-is-longer-than-any-key-of-ours", words, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_a_path_is_all_that_a_drive_needs, teardown),
		cmocka_unit_test_teardown(test_every_key_is_read, teardown),
		cmocka_unit_test_teardown(test_rules_hold_in_the_order_in_which_they_stand, teardown),
		cmocka_unit_test(test_a_rule_that_is_none_is_told),
		cmocka_unit_test_teardown(test_what_is_written_and_compared_on_a_drive, teardown),
		cmocka_unit_test_teardown(test_a_byte_order_mark_is_no_part_of_the_first_line, teardown),
		cmocka_unit_test_teardown(test_a_drive_name_of_63_bytes_is_whole, teardown),
		cmocka_unit_test_teardown(test_a_long_path_is_whole, teardown),
		cmocka_unit_test_teardown(test_the_first_index_may_be_idle, teardown),
		cmocka_unit_test_teardown(test_a_long_settle_raises_the_default_of_max_wait, teardown),
		cmocka_unit_test_teardown(test_max_wait_below_settle_is_refused, teardown),
		cmocka_unit_test(test_no_drive_is_an_error),
		cmocka_unit_test(test_a_drive_without_a_path_is_an_error),
		cmocka_unit_test(test_an_unknown_key_is_named_with_what_was_meant),
		cmocka_unit_test(test_an_unknown_section_is_named_with_what_was_meant),
		cmocka_unit_test(test_a_malformed_heading_is_refused),
		cmocka_unit_test(test_a_drive_name_is_checked),
		cmocka_unit_test(test_duplicates_name_the_first_line),
		cmocka_unit_test(test_a_key_before_any_section_is_refused),
		cmocka_unit_test(test_a_line_that_is_nothing_is_refused_where_it_stands),
		cmocka_unit_test(test_a_bad_value_is_told_with_what_it_should_be),
		cmocka_unit_test(test_a_state_dir_leaves_room_for_the_socket),
		cmocka_unit_test(test_what_is_no_text_is_refused),
		cmocka_unit_test(test_a_file_that_is_not_there_is_named),
		cmocka_unit_test(test_durations_are_exact),
		cmocka_unit_test_teardown(test_watch_and_backend_are_one_key, teardown),
		cmocka_unit_test(test_intervals_are_exact),
		cmocka_unit_test(test_periods_are_exact),
		cmocka_unit_test(test_listen_takes_numeric_addresses_only),
		cmocka_unit_test(test_counts_are_exact),
		cmocka_unit_test(test_suggestions_need_a_likeness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
