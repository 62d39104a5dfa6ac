/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How workers are found: datagrams of the process connector, patterns and the names they are compared with, options of mounts. The first byte chooses the parser. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "plugins/vhost-thread/connector.h"
#include "plugins/vhost-thread/pattern.h"
#include "plugins/vhost-thread/proc-visibility.h"

static void hear(void *userdata, const struct connector_event *event) {
        ++*(int *) userdata;
        must(event->thread > 0 && event->process > 0, "threads and processes have ids");
        must(event->kind == CONNECTOR_BORN || event->kind == CONNECTOR_RENAMED, "an event is one of those that are known");
}

static void try_datagram(const uint8_t *data, size_t size) {
        int n = 0;
        /* of exactly its size, and aligned as a socket's buffer is */
        char *datagram = malloc(size > 0 ? size : 1);
        if (!datagram)
                return;
        memcpy(datagram, data, size);
        must(connector_parse(datagram, size, hear, &n) == n, "each event is counted");
        must((size_t) n <= size / 68, "an event takes its room");
        free(datagram);
}

/* Lines: a regular expression, templates of kind, backend, queue, domain and owner, and then names. */
struct options {
        char *lines[6];
};

static const char *option(void *userdata, const char *key) {
        static const char *const keys[] = { "p.regex", "p.kind", "p.backend", "p.queue", "p.domain", "p.owner" };
        const struct options *options = userdata;
        if (strcmp(key, "patterns") == 0)
                return "p netback";
        for (size_t i = 0; i < 6; i++)
                if (strcmp(key, keys[i]) == 0)
                        return options->lines[i];
        return NULL;
}

static void must_be_text(const char *text, size_t size, const char *what) {
        size_t length = strnlen(text, size);
        must(length < size, what);
        for (size_t i = 0; i < length; i++)
                must(text[i] >= ' ' && text[i] < 0x7f, what);
}

static void try_names(const struct pattern_set *set, char *rest) {
        char *name;
        while ((name = strsep(&rest, "\n"))) {
                struct pattern_match match;
                memset(&match, 0xff, sizeof match);
                if (!pattern_set_match(set, name, &match))
                        continue;
                must(strlen(name) < 64, "only names of threads match");
                must(strcmp(match.pattern, "p") == 0 || strcmp(match.pattern, "netback") == 0, "a pattern of the set matched");
                must_be_text(match.kind, sizeof match.kind, "a kind is text");
                must_be_text(match.backend, sizeof match.backend, "a backend is text");
                must_be_text(match.domain, sizeof match.domain, "a domain is text");
                must(match.queue_pair >= -1, "a queue pair is a number");
                must(match.creator == -1 || match.creator > 0, "a thread has an id");
        }
}

static void try_pattern(char *text) {
        struct options options = { { NULL } };
        struct pattern_set *set = NULL;
        char reason[IOCORE_REASON_MAX] = "", *rest = text;

        for (size_t i = 0; i < 6; i++)
                options.lines[i] = rest ? strsep(&rest, "\n") : NULL;
        if (pattern_set_new(option, &options, &set, reason, sizeof reason) < 0) {
                must(reason[0] != '\0', "a refusal has a reason");
                return;
        }
        try_names(set, rest);
        pattern_set_free(set);
}

static void try_mount(char *text) {
        struct proc_mount mount = { HIDEPID_NOTHING, 0 };
        char *status = text, *line = strsep(&status, "\n");
        if (proc_parse_mount(line, &mount))
                must(mount.hidepid == HIDEPID_NOTHING || mount.hidepid == HIDEPID_NO_ACCESS || mount.hidepid == HIDEPID_INVISIBLE || mount.hidepid == HIDEPID_PTRACEABLE,
                     "only what is known is believed");
        if (status)
                (void) proc_may_see(status, &mount);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size == 0 || size > 4096)
                return 0;
        if ((uint8_t) (data[0] - '0') % 3 == 0) {
                try_datagram(data + 1, size - 1);
                return 0;
        }
        char *text = text_of(data + 1, size - 1);
        if ((uint8_t) (data[0] - '0') % 3 == 1)
                try_pattern(text);
        else
                try_mount(text);
        free(text);
        return 0;
}
