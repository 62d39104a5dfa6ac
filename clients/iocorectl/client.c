/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon, over D-Bus. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/cleanup.h"
#include "iocorectl.h"

/* For programs. */
static void show_error(const struct client *client, const char *name, const char *text) {
        _cleanup_(json_freep) cJSON *json = cJSON_CreateObject();

        cJSON_AddStringToObject(json, "error", name);
        cJSON_AddStringToObject(json, "text", text);
        (void) show_json(json, client->follow);
}

int client_connect(struct client *client) {
        const char *address = client->bus_address;
        int r;

        if (client->bus)
                return EXIT_OK;
        if (strcmp(address, "system") == 0)
                r = sd_bus_open_system(&client->bus);
        else if (strcmp(address, "user") == 0)
                r = sd_bus_open_user(&client->bus);
        else {
                r = sd_bus_new(&client->bus);
                if (r >= 0)
                        r = sd_bus_set_address(client->bus, address);
                if (r >= 0)
                        r = sd_bus_set_bus_client(client->bus, true);
                if (r >= 0)
                        r = sd_bus_start(client->bus);
        }
        if (r >= 0)
                return EXIT_OK;
        if (client->quiet)
                return EXIT_UNREACHABLE;
        if (client->json) {
                char text[512];

                (void) snprintf(text, sizeof(text), "cannot reach the D-Bus \"%.200s\": %s", address, strerror(-r));
                show_error(client, SD_BUS_ERROR_NO_SERVER, text);
        }
        fprintf(stderr, "iocorectl: cannot reach the D-Bus \"%s\": %s\nGive the bus on which iocored runs with --bus ADDRESS.\n", address,
                strerror(-r));
        return EXIT_UNREACHABLE;
}

static bool is_unreachable(const sd_bus_error *error, int r) {
        static const char *const names[] = {
                SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER, SD_BUS_ERROR_NO_REPLY,
                SD_BUS_ERROR_DISCONNECTED,    SD_BUS_ERROR_TIMEOUT,           SD_BUS_ERROR_NO_SERVER,
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (sd_bus_error_has_name(error, names[i]))
                        return true;
        return !sd_bus_error_is_set(error) &&
               (r == -ENOTCONN || r == -ECONNRESET || r == -ECONNREFUSED || r == -ENOENT || r == -ETIMEDOUT || r == -EPIPE);
}

/* For people: the name's last part says it, except for what sd-bus and the bus daemon name. */
static void explain(const struct client *client, const sd_bus_error *error, int r) {
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) || sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
                fprintf(stderr,
                        "iocorectl: iocored does not run on the bus \"%s\": nobody there has the name " IOCORE_BUS_NAME ".\n"
                        "Start it (systemctl start iocored), or give the bus on which it runs with --bus ADDRESS.\n",
                        client->bus_address);
        else if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED))
                fputs("iocorectl: permission denied: only root and the daemon's own user may change anything\n", stderr);
        else {
                if (is_unreachable(error, r))
                        fprintf(stderr, "iocorectl: cannot reach iocored on the bus \"%s\": ", client->bus_address);
                else
                        fputs(sd_bus_error_has_name(error, "org.iocore1.Error.Refused") ? "iocorectl: refused by the rule " : "iocorectl: ", stderr);
                /* names of guests and words of others are in it */
                print_text(stderr, error->message ? error->message : strerror(-r));
                putc('\n', stderr);
        }
}

int client_error(struct client *client, const sd_bus_error *error, int r) {
        if (client->quiet)
                return is_unreachable(error, r) ? EXIT_UNREACHABLE : EXIT_REFUSED;
        if (client->json)
                show_error(client, error->name ? error->name : "", error->message ? error->message : strerror(-r));
        explain(client, error, r);
        return is_unreachable(error, r) ? EXIT_UNREACHABLE : EXIT_REFUSED;
}

/* An iocored that is asked for too much at a time, or has only just started, says so and means: a moment later. */
#define BUSY_TRIES 50
#define BUSY_PAUSE_NSEC 100000000

static int call_once(struct client *client, const char *member, sd_bus_message **ret, sd_bus_error *error, const char *types, va_list arguments) {
        _cleanup_(message_freep) sd_bus_message *message = NULL;
        int r;

        r = sd_bus_message_new_method_call(client->bus, &message, IOCORE_BUS_NAME, IOCORE_BUS_ROOT, IOCORE_BUS_MANAGER, member);
        if (r >= 0)
                r = sd_bus_message_appendv(message, types, arguments);
        return r < 0 ? r : sd_bus_call(client->bus, message, 0, error, ret);
}

int client_call(struct client *client, const char *member, sd_bus_message **ret, const char *types, ...) {
        _cleanup_(message_freep) sd_bus_message *reply = NULL;
        va_list arguments;
        int status, r;

        status = client_connect(client);
        if (status != EXIT_OK)
                return status;
        for (unsigned tries = 1;; tries++) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

                va_start(arguments, types);
                r = call_once(client, member, &reply, &error, types, arguments);
                va_end(arguments);
                if (r >= 0)
                        break;
                if (tries == BUSY_TRIES || !sd_bus_error_has_name(&error, "org.iocore1.Error.Busy"))
                        return client_error(client, &error, r);
                (void) nanosleep(&(struct timespec){.tv_nsec = BUSY_PAUSE_NSEC}, NULL);
        }
        if (ret)
                *ret = TAKE_PTR(reply);
        return EXIT_OK;
}

int client_state(struct client *client, char **sections, cJSON **ret) {
        _cleanup_(message_freep) sd_bus_message *message = NULL, *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *text;
        int status, r;

        status = client_connect(client);
        if (status != EXIT_OK)
                return status;
        r = sd_bus_message_new_method_call(client->bus, &message, IOCORE_BUS_NAME, IOCORE_BUS_ROOT, IOCORE_BUS_MANAGER, "GetState");
        if (r >= 0)
                r = sd_bus_message_append_strv(message, sections);
        if (r >= 0)
                r = sd_bus_call(client->bus, message, 0, &error, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &text);
        if (r < 0)
                return client_error(client, &error, r);
        *ret = cJSON_Parse(text);
        if (*ret)
                return EXIT_OK;
        fputs("iocorectl: the daemon's answer is not JSON\n", stderr);
        return EXIT_REFUSED;
}

/* ---- values of messages as JSON */

static int container_to_json(sd_bus_message *message, char type, const char *contents, cJSON **ret);

static int basic_to_json(sd_bus_message *message, char type, cJSON **ret) {
        union {
                uint8_t byte;
                int boolean;
                int16_t i16;
                uint16_t u16;
                int32_t i32;
                uint32_t u32;
                int64_t i64;
                uint64_t u64;
                double number;
                const char *string;
        } value;
        int r;

        r = sd_bus_message_read_basic(message, type, &value);
        if (r < 0)
                return r;
        switch (type) {
        case 'y':
                *ret = cJSON_CreateNumber(value.byte);
                break;
        case 'b':
                *ret = cJSON_CreateBool(value.boolean);
                break;
        case 'n':
                *ret = cJSON_CreateNumber(value.i16);
                break;
        case 'q':
                *ret = cJSON_CreateNumber(value.u16);
                break;
        case 'i':
                *ret = cJSON_CreateNumber(value.i32);
                break;
        case 'u':
                *ret = cJSON_CreateNumber(value.u32);
                break;
        case 'x':
                *ret = cJSON_CreateNumber((double) value.i64);
                break;
        case 't':
                *ret = cJSON_CreateNumber((double) value.u64);
                break;
        case 'd':
                *ret = cJSON_CreateNumber(value.number);
                break;
        case 's':
        case 'o':
        case 'g':
                *ret = cJSON_CreateString(value.string);
                break;
        default:
                return -EBADMSG;
        }
        return *ret ? 0 : -ENOMEM;
}

int message_to_json(sd_bus_message *message, cJSON **ret) {
        const char *contents;
        char type;
        int r;

        r = sd_bus_message_peek_type(message, &type, &contents);
        if (r <= 0)
                return r < 0 ? r : -ENODATA;
        if (type == 'a' || type == 'r' || type == 'v')
                return container_to_json(message, type, contents, ret);
        return basic_to_json(message, type, ret);
}

/* One entry of a dictionary with strings for keys. */
static int entry_to_json(sd_bus_message *message, const char *contents, cJSON *to) {
        _cleanup_(json_freep) cJSON *value = NULL;
        const char *key;
        int r;

        r = sd_bus_message_enter_container(message, 'e', contents);
        if (r >= 0)
                r = sd_bus_message_read_basic(message, 's', &key);
        if (r >= 0)
                r = message_to_json(message, &value);
        if (r >= 0 && !cJSON_AddItemToObject(to, key, value))
                r = -ENOMEM;
        if (r >= 0) {
                (void) TAKE_PTR(value);
                r = sd_bus_message_exit_container(message);
        }
        return r;
}

/* Dictionaries become objects; arrays and structs become arrays; a variant is its value. */
static int container_to_json(sd_bus_message *message, char type, const char *contents, cJSON **ret) {
        _cleanup_(json_freep) cJSON *json = NULL;
        const bool dictionary = type == 'a' && contents[0] == '{';
        int r;

        r = sd_bus_message_enter_container(message, type, contents);
        if (r < 0)
                return r;
        if (type == 'v')
                r = message_to_json(message, &json);
        else {
                json = dictionary ? cJSON_CreateObject() : cJSON_CreateArray();
                while (json && r >= 0 && (r = sd_bus_message_at_end(message, false)) == 0) {
                        cJSON *value = NULL;

                        if (dictionary) {
                                char inside[256];

                                (void) snprintf(inside, sizeof(inside), "%.*s", (int) strlen(contents) - 2, contents + 1);
                                r = entry_to_json(message, inside, json);
                        } else {
                                r = message_to_json(message, &value);
                                if (r >= 0 && !cJSON_AddItemToArray(json, value))
                                        r = -ENOMEM;
                        }
                }
        }
        if (r >= 0)
                r = json ? sd_bus_message_exit_container(message) : -ENOMEM;
        if (r >= 0)
                *ret = TAKE_PTR(json);
        return r < 0 ? r : 0;
}

int json_name_members(const cJSON *array, const char *const *names, size_t n, cJSON **ret) {
        _cleanup_(json_freep) cJSON *all = cJSON_CreateArray();
        const cJSON *element, *member;

        cJSON_ArrayForEach(element, array) {
                cJSON *object = cJSON_CreateObject();
                size_t i = 0;

                if (!object || !cJSON_AddItemToArray(all, object))
                        return -ENOMEM;
                cJSON_ArrayForEach(member, element) {
                        if (i < n && !cJSON_AddItemToObject(object, names[i++], cJSON_Duplicate(member, true)))
                                return -ENOMEM;
                }
        }
        *ret = TAKE_PTR(all);
        return *ret ? 0 : -ENOMEM;
}
