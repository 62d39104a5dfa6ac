/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "text.h"

static int max_level = LOG_INFO;

void log_set_max_level(int priority) {
        max_level = priority;
}

void log_messagev(int priority, const char *format, va_list arguments) {
        if (priority > max_level)
                return;
        char text[2048], line[sizeof text];
        vsnprintf(text, sizeof text, format, arguments);
        /* One line, whatever names and errors of others hold: it may be read on a terminal. */
        text_copy(line, sizeof line, text, strlen(text));
        /* sd-daemon(3): the journal reads the priority from the prefix; a person does not want to see it. */
        if (getenv("JOURNAL_STREAM"))
                fprintf(stderr, "<%d>%s\n", priority, line);
        else
                fprintf(stderr, "%s\n", line);
}

void log_message(int priority, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        log_messagev(priority, format, arguments);
        va_end(arguments);
}
