/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What owners of vhost workers and rtnetlink tell: command lines, fdinfo, links, counters. The first byte chooses the parser. Whatever a command line says, and
 * whichever files are open, no file is given to two workers.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "plugins/vhost-thread/owner-files.h"
#include "plugins/vhost-thread/tap-counters.h"

enum { WORKERS_MAX = 64 };

static void check_option(const struct owner_option *option) {
        must(option->n_fds <= OWNER_PAIRS_MAX && option->n_vhost_fds <= OWNER_PAIRS_MAX && option->n_pairs <= OWNER_PAIRS_MAX, "counts are within their arrays");
        must(strnlen(option->tap, sizeof option->tap) < sizeof option->tap && strnlen(option->target, sizeof option->target) < sizeof option->target, "names end");
        must(option->opaque || !option->vhost || option->n_pairs > 0, "what makes workers makes some");
        must(option->opaque || option->n_vhost_fds == 0 || option->n_vhost_fds == option->n_pairs, "a file for each pair");
}

/* Opens whatever the options name, and what makes up the number. */
static void try_match(const struct owner_option *options, size_t n_options, size_t n_extra) {
        static struct owner_file files[WORKERS_MAX * 4];
        struct match_worker workers[WORKERS_MAX];
        struct match matches[WORKERS_MAX];
        struct match_device devices[WORKERS_MAX];
        struct owner_files all = { .files = files, .options = (struct owner_option *) options, .n_options = n_options };
        size_t n_vhost = 0, n_devices;

        for (size_t i = 0; i < n_options; i++)
                for (unsigned j = 0; j < options[i].n_pairs && all.n_files + 2 < WORKERS_MAX * 2; j++) {
                        int tap_fd = j < options[i].n_fds ? options[i].fds[j] : 100000 + (int) all.n_files, vhost_fd = j < options[i].n_vhost_fds ? options[i].vhost_fds[j] : 200000 + (int) all.n_files;
                        bool taken = tap_fd == vhost_fd;
                        for (size_t k = 0; k < all.n_files; k++)
                                taken |= files[k].fd == tap_fd || files[k].fd == vhost_fd;
                        if (taken)
                                continue;
                        struct owner_file *tap = &files[all.n_files++];
                        *tap = (struct owner_file) { .fd = tap_fd, .is_tap = true };
                        memcpy(tap->tap, options[i].tap[0] ? options[i].tap : "a", options[i].tap[0] ? sizeof tap->tap : 2);
                        files[all.n_files++] = (struct owner_file) { .fd = vhost_fd, .kind = options[i].kind };
                        n_vhost++;
                }
        size_t n_workers = n_vhost + n_extra % 3;
        if (n_workers > WORKERS_MAX)
                n_workers = WORKERS_MAX;
        for (size_t i = 0; i < n_workers; i++)
                workers[i] = (struct match_worker) { (pid_t) (1 + i), 50 };
        must(identity_match(workers, n_workers, &all, matches, devices, &n_devices) == 0, "there is memory");
        for (size_t i = 0; i < n_workers; i++) {
                must(matches[i].device < (int) n_devices && (matches[i].device < 0) == (matches[i].why[0] != '\0'), "a device, or why not");
                must(matches[i].device < 0 || matches[i].queue_pair < (int) devices[matches[i].device].n_pairs, "a pair is within its device");
                for (size_t j = 0; j < i; j++)
                        must(matches[i].vhost_fd == -1 || matches[i].vhost_fd != matches[j].vhost_fd, "a file has one worker");
        }
}

static void try_command_line(const char *text, size_t size) {
        struct owner_option *options;
        size_t n;

        must(owner_options_parse(text, size, size % 2 == 0, &options, &n) == 0, "there is memory");
        for (size_t i = 0; i < n; i++)
                check_option(&options[i]);
        try_match(options, n, size);
        free(options);
}

static void try_info(const char *text) {
        char tap[TAP_NAME_SIZE];

        owner_file_parse_info(text, tap);
        must(strnlen(tap, sizeof tap) < sizeof tap && strcmp(tap, ".") != 0 && strcmp(tap, "..") != 0 && !strchr(tap, '/'), "a tap's name is a name");
}

static int no_send(void *userdata, const void *message, size_t length) {
        (void) userdata, (void) message, (void) length;
        return 0;
}

static ssize_t no_receive(void *userdata, void *buffer, size_t size) {
        (void) userdata, (void) buffer, (void) size;
        return -EAGAIN;
}

static void no_close(void *userdata) {
        (void) userdata;
}

static void try_counters(const char *data, size_t size) {
        const struct tap_calls calls = { .send = no_send, .receive = no_receive, .close = no_close };
        struct tap_counters *counters;
        unsigned indexes[] = { 1, 2, 3 };

        must(tap_counters_new_with(&counters, &calls) == 0 && tap_counters_watch(counters, indexes, 3) == 0, "there is memory");
        (void) tap_counters_dump(counters); /* number 1 */
        char *aligned = malloc(size > 0 ? size : 1);
        must(aligned != NULL, "there is memory");
        memcpy(aligned, data, size);
        int r = tap_counters_take(counters, aligned, size, 1);
        must(r <= 1, "an answer ends or does not");
        must(!tap_counters_get(counters, 4), "nothing is told of what nobody asked for");
        free(aligned);
        tap_counters_free(counters);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct owner_file file;

        if (size == 0 || size > 65536)
                return 0;
        char *text = text_of(data + 1, size - 1);
        switch ((uint8_t) (data[0] - '0') % 4) {
        case 0:
                try_command_line(text, size - 1);
                break;
        case 1:
                try_info(text);
                break;
        case 2:
                must(!owner_file_parse_link(text, &file) || file.tap[0] == '\0', "a link does not tell the name");
                break;
        default:
                try_counters(text, size - 1);
        }
        free(text);
        return 0;
}
