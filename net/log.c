#include "net/log.h"

#include <stdarg.h>
#include <stdio.h>

static const char *level_word(enum net_log_level level)
{
	switch (level) {
	case NET_LOG_ERROR:
		return "error";
	case NET_LOG_WARNING:
		return "warning";
	case NET_LOG_INFO:
		return "info";
	}
	return "error";
}

void net_log(enum net_log_level level, const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fprintf(stderr, "%s: %s\n", level_word(level), line); /* one write: lines of threads do not mix */
}
