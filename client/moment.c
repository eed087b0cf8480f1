#include "client/moment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool moment_parse(const char *text, time_t *seconds, unsigned *ms)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	unsigned thousandths = 0;

	if (end == NULL)
		return false;
	if (*end == '.') {
		size_t digits = strspn(++end, "0123456789");

		for (size_t i = 0; i < 3; i++)
			thousandths = thousandths * 10 + (i < digits ? (unsigned)(end[i] - '0') : 0);
		end += digits;
	}
	if (strcmp(end, "Z") != 0)
		return false;
	*seconds = timegm(&tm);
	*ms = thousandths;
	return true;
}

bool moment_local(const char *text, char out[MOMENT_TEXT_MAX])
{
	time_t seconds;
	unsigned ms;
	struct tm tm;
	size_t len;

	if (!moment_parse(text, &seconds, &ms) || localtime_r(&seconds, &tm) == NULL)
		return false;
	len = strftime(out, MOMENT_TEXT_MAX, "%Y-%m-%d %H:%M:%S", &tm);
	if (len == 0)
		return false;
	snprintf(out + len, MOMENT_TEXT_MAX - len, ".%03u", ms % 1000);
	return true;
}

void moment_local_minutes(time_t seconds, char out[MOMENT_TEXT_MAX])
{
	struct tm tm;

	if (localtime_r(&seconds, &tm) == NULL || strftime(out, MOMENT_TEXT_MAX, "%Y-%m-%d %H:%M", &tm) == 0)
		strcpy(out, "-");
}

void moment_ago(time_t seconds, time_t now, char out[MOMENT_TEXT_MAX])
{
	long long s = now > seconds ? (long long)(now - seconds) : 0;

	if (s < 120)
		snprintf(out, MOMENT_TEXT_MAX, "%lld s", s);
	else if (s < 2 * 3600)
		snprintf(out, MOMENT_TEXT_MAX, "%lld min", s / 60);
	else if (s < 2 * 86400)
		snprintf(out, MOMENT_TEXT_MAX, "%lld h", s / 3600);
	else
		snprintf(out, MOMENT_TEXT_MAX, "%lld d", s / 86400);
}
