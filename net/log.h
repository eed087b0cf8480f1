/* log: one line for people on standard error, which the service manager keeps. */
#pragma once

enum net_log_level { NET_LOG_ERROR, NET_LOG_WARNING, NET_LOG_INFO };

void net_log(enum net_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
