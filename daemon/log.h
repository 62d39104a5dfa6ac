/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages of the daemon: to stderr, with the "<N>" prefix of sd-daemon(3) when stderr is the journal. */
#ifndef LOG_H
#define LOG_H

#include <stdarg.h>
#include <syslog.h>

void log_set_max_level(int priority); /* default LOG_INFO; the one mutable setting that is process-wide, as stderr is */
void log_message(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_messagev(int priority, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));

#define log_error(...) log_message(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_message(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_message(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_message(LOG_DEBUG, __VA_ARGS__)

#endif
