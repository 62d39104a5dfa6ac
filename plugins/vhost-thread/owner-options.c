/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU's command line as far as it makes vhost devices. Source: qemu-options.hx and qapi/net.json (NetdevTapOptions) of QEMU 10.0; libvirt's
 * qemuBuildHostNetProps() writes JSON since 6.2, commas before.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "owner-files.h"
#include "thread-info.h"

enum {
        OPTIONS_MAX = 1024, /* a machine has 32 PCI slots, with bridges some hundred devices */
        VALUE_MAX = 2048,   /* 256 numbers of up to six digits */
};

/* Reads the keys of one argument, in either spelling. */
struct argument {
        const char *text;
        const cJSON *json; /* NULL: the plain spelling */
};

/* The value of `key` in "driver,key=value,...", ",," standing for a comma; the first option may come without its key, which is `implied`. */
static bool plain_value(const char *text, const char *key, const char *implied, char ret[static VALUE_MAX]) {
        size_t key_length = strlen(key);
        bool found = false;

        for (bool first = true; *text; first = false) {
                char option[VALUE_MAX] = "";
                size_t length = 0;
                bool fits = true;
                while (*text && (*text != ',' || *++text == ',')) {
                        fits = length + 1 < sizeof option;
                        if (fits)
                                option[length++] = *text;
                        text++;
                }
                option[length] = '\0';
                bool named = strncmp(option, key, key_length) == 0 && option[key_length] == '=';
                if (named || (first && strcmp(key, implied) == 0 && !strchr(option, '='))) {
                        snprintf(ret, VALUE_MAX, "%s", !fits ? "" : named ? option + key_length + 1 : option);
                        found = true; /* the last one counts, as for QEMU */
                }
        }
        return found;
}

/* True when the argument has the key; its value as text, "" when it is too long. */
static bool value_of(const struct argument *argument, const char *key, const char *implied, char ret[static VALUE_MAX]) {
        ret[0] = '\0';
        if (!argument->json)
                return plain_value(argument->text, key, implied, ret);
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(argument->json, key);
        if (cJSON_IsString(item) && strlen(item->valuestring) < VALUE_MAX)
                snprintf(ret, VALUE_MAX, "%s", item->valuestring);
        else if (cJSON_IsBool(item))
                snprintf(ret, VALUE_MAX, "%s", cJSON_IsTrue(item) ? "on" : "off");
        else if (cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble <= 1e9)
                snprintf(ret, VALUE_MAX, "%.0f", item->valuedouble);
        return item != NULL;
}

static bool is_on(const struct argument *argument, const char *key) {
        char value[VALUE_MAX];
        return value_of(argument, key, "", value) && (strcmp(value, "on") == 0 || strcmp(value, "yes") == 0 || strcmp(value, "true") == 0 || strcmp(value, "y") == 0);
}

/* "33:34" into numbers. False: not all are numbers (QEMU also takes names of files that it gets later), or too many. */
static bool parse_numbers(char *text, int *ret, unsigned *ret_n) {
        unsigned n = 0;
        char *rest = NULL;

        for (char *word = strtok_r(text, ":", &rest); word; word = strtok_r(NULL, ":", &rest)) {
                pid_t number = thread_parse_id(word); /* 0 is standard input */
                if (number < 0 || n == OWNER_PAIRS_MAX)
                        return false;
                ret[n++] = number;
        }
        *ret_n = n;
        return n > 0;
}

/* `one` or `many`: one number or several. False when one of them is there and is not understood. */
static bool numbers_of(const struct argument *argument, const char *one, const char *many, int *ret, unsigned *ret_n) {
        char value[VALUE_MAX];
        *ret_n = 0;
        return !(value_of(argument, one, "", value) || value_of(argument, many, "", value)) || parse_numbers(value, ret, ret_n);
}

static void read_tap(const struct argument *argument, struct owner_option *option) {
        char value[VALUE_MAX];

        bool understood = numbers_of(argument, "vhostfd", "vhostfds", option->vhost_fds, &option->n_vhost_fds);
        bool has_vhost = value_of(argument, "vhost", "", value);
        option->kind = VHOST_NET;
        option->vhost = has_vhost ? is_on(argument, "vhost") : !understood || option->n_vhost_fds > 0 || is_on(argument, "vhostforce");
        understood &= numbers_of(argument, "fd", "fds", option->fds, &option->n_fds);
        option->n_pairs = option->n_fds;
        if (option->n_fds == 0) {
                /* opened by QEMU itself */
                option->n_pairs = 1;
                if (value_of(argument, "queues", "", value)) {
                        pid_t n = thread_parse_id(value);
                        understood &= n > 0 && n <= OWNER_PAIRS_MAX;
                        option->n_pairs = understood ? (unsigned) n : 0;
                }
                /* "tap%d": the kernel chose the name */
                understood &= value_of(argument, "ifname", "", value) && strlen(value) < TAP_NAME_SIZE && value[0] != '\0' && !strchr(value, '%');
                if (understood)
                        memcpy(option->tap, value, strlen(value) + 1);
        }
        understood &= option->n_vhost_fds == 0 || option->n_vhost_fds == option->n_pairs;
        option->opaque = !understood && option->vhost;
        if (!option->vhost)
                option->n_vhost_fds = 0;
        /* nothing can be told of a tap without vhost that is not understood, and nothing needs to */
        if (!understood && !option->vhost)
                option->n_fds = 0;
}

static void read_other(const struct argument *argument, struct owner_option *option) {
        char value[VALUE_MAX];

        option->vhost = true;
        option->n_pairs = 1;
        option->opaque = !numbers_of(argument, "vhostfd", "vhostfds", option->vhost_fds, &option->n_vhost_fds) || option->n_vhost_fds > 1;
        if (!value_of(argument, option->kind == VHOST_SCSI ? "wwpn" : "guest-cid", "", value) || strlen(value) >= sizeof option->target - 4)
                return;
        snprintf(option->target, sizeof option->target, "%s%.*s", option->kind == VHOST_SCSI ? "" : "cid ", IOCORE_NAME_MAX - 5, value);
}

/* What follows `name` on the command line. True when it makes a vhost device, or claims a tap. */
static bool read_argument(const char *name, const char *text, size_t length, struct owner_option *ret) {
        static const char scsi[] = "vhost-scsi-", vsock[] = "vhost-vsock-";
        struct argument argument = { .text = text };
        char driver[VALUE_MAX];
        bool is_backend = strcmp(name, "netdev") == 0, is_device = strcmp(name, "device") == 0;

        if (!is_backend && !is_device && strcmp(name, "nic") != 0 && strcmp(name, "net") != 0)
                return false;
        cJSON *json = text[0] == '{' ? cJSON_ParseWithLength(text, length) : NULL;
        if (text[0] == '{' && !json)
                return false;
        argument.json = json;
        *ret = (struct owner_option) { 0 };
        const char *implied = is_device ? "driver" : "type";
        (void) value_of(&argument, implied, implied, driver);
        bool taken = true;
        if (!is_device && strcmp(driver, "tap") == 0) {
                read_tap(&argument, ret);
                ret->opaque |= !is_backend && ret->vhost; /* made after all others */
        } else if (is_device && (strncmp(driver, scsi, sizeof scsi - 1) == 0 || strncmp(driver, vsock, sizeof vsock - 1) == 0)) {
                ret->kind = strncmp(driver, scsi, sizeof scsi - 1) == 0 ? VHOST_SCSI : VHOST_VSOCK;
                read_other(&argument, ret);
        } else
                taken = false;
        cJSON_Delete(json);
        return taken && (ret->opaque || ret->vhost || ret->n_fds > 0 || ret->tap[0] != '\0');
}

static int append(struct owner_option **options, size_t *n, const struct owner_option *option) {
        struct owner_option *more = reallocarray(*options, *n + 1, sizeof *more);
        if (!more)
                return -ENOMEM;
        *options = more;
        more[(*n)++] = *option;
        return 0;
}

int owner_options_parse(const char *command_line, size_t length, bool complete, struct owner_option **ret_options, size_t *ret_n) {
        _cleanup_free_ struct owner_option *options = NULL;
        const struct owner_option opaque = { .opaque = true, .vhost = true };
        const char *end = command_line + length, *name = NULL;
        size_t n = 0;
        int r = 0;

        while (command_line < end && r == 0) {
                struct owner_option option;
                size_t argument_length = strnlen(command_line, (size_t) (end - command_line));
                if (command_line + argument_length == end)
                        break; /* without its NUL: cut off */
                if (n == OPTIONS_MAX)
                        complete = false;
                else if (name && read_argument(name, command_line, argument_length, &option))
                        r = append(&options, &n, &option);
                name = command_line[0] == '-' ? command_line + strspn(command_line, "-") : NULL;
                command_line += argument_length + 1;
        }
        if (r == 0 && !complete)
                r = append(&options, &n, &opaque);
        if (r < 0)
                return r;
        *ret_options = TAKE_PTR(options);
        *ret_n = n;
        return 0;
}
