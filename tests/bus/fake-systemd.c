/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fake of org.freedesktop.systemd1 on the bus of DBUS_SYSTEM_BUS_ADDRESS: a real systemd can be made neither slow nor to refuse root, and is not to be stopped where it runs the host.
 * It has the slices system.slice and user.slice. Told by lines on its standard input, each answered with "done":
 *   delay MSEC         from now on each call is answered so late
 *   refuse yes|no      SetUnitProperties is refused
 *   cpus SLICE [LIST]  somebody else sets AllowedCPUs
 *   show SLICE         prints "SLICE N LIST, LIST": how often it was set over the bus, what it is, and what is in effect, before "done"
 * Prints "ready" when it has its name.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "plugins/systemd/slices.h"

#define UNIT_PATH "/org/freedesktop/systemd1/unit"

struct fake;

struct fake_slice {
        struct fake *fake;
        const char *name;
        struct affinity_mask cpus, in_effect;
        unsigned n_set;
};

struct fake {
        struct fake_slice slices[2];
        struct fake_slice other; /* systemd tells of each name that can be a slice's */
        unsigned delay_msec;
        bool refuses;
        char line[256];
        size_t length;
};

static struct fake_slice *find(struct fake *fake, const char *name) {
        for (size_t i = 0; i < sizeof fake->slices / sizeof *fake->slices; i++)
                if (strcmp(fake->slices[i].name, name) == 0)
                        return fake->slices + i;
        return NULL;
}

/* One call after the other, as the real one does. */
static void be_late(const struct fake *fake) {
        usleep(fake->delay_msec * 1000);
}

static int get_unit(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        struct fake *fake = userdata;
        char *path = NULL;
        const char *name;

        be_late(fake);
        int r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;
        if (!find(fake, name))
                return sd_bus_error_setf(ret_error, "org.freedesktop.systemd1.NoSuchUnit", "Unit %s not loaded.", name);
        r = sd_bus_path_encode(UNIT_PATH, name, &path);
        if (r >= 0)
                r = sd_bus_reply_method_return(message, "o", path);
        free(path);
        return r;
}

static int set_unit_properties(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        struct fake *fake = userdata;
        struct affinity_mask mask;
        const char *name, *property;
        const void *bytes;
        size_t size;
        int runtime;

        be_late(fake);
        if (fake->refuses)
                return sd_bus_error_set(ret_error, SD_BUS_ERROR_ACCESS_DENIED, "Access denied");
        int r = sd_bus_message_read(message, "sb", &name, &runtime);
        if (r >= 0)
                r = sd_bus_message_enter_container(message, 'a', "(sv)");
        if (r >= 0)
                r = sd_bus_message_enter_container(message, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_read(message, "s", &property);
        if (r >= 0)
                r = sd_bus_message_enter_container(message, 'v', "ay");
        if (r >= 0)
                r = sd_bus_message_read_array(message, 'y', &bytes, &size);
        if (r >= 0)
                r = slice_mask_from_bytes(bytes, size, &mask);
        if (r < 0)
                return r;
        struct fake_slice *slice = find(fake, name);
        if (!slice || !runtime || strcmp(property, "AllowedCPUs") != 0)
                return sd_bus_error_set(ret_error, SD_BUS_ERROR_INVALID_ARGS, "not what iocored should ask for");
        slice->cpus = mask;
        if (!slice_mask_is_empty(&mask)) /* Linux empties no cpuset that has processes */
                slice->in_effect = mask;
        slice->n_set++;
        return sd_bus_reply_method_return(message, "");
}

static int find_object(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret, sd_bus_error *ret_error) {
        struct fake *fake = userdata;
        char *name = NULL;

        (void) bus, (void) interface, (void) ret_error;
        int r = sd_bus_path_decode(path, UNIT_PATH, &name);
        if (r > 0)
                *ret = find(fake, name) ?: &fake->other;
        free(name);
        return r;
}

static int get_cpus(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct fake_slice *slice = userdata;
        uint8_t bytes[SLICE_BYTES_MAX];

        (void) bus, (void) path, (void) interface, (void) property, (void) ret_error;
        be_late(slice->fake);
        size_t n = slice_mask_to_bytes(&slice->cpus, bytes);
        return sd_bus_message_append_array(reply, 'y', bytes, n);
}

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("GetUnit", "s", "o", get_unit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetUnitProperties", "sba(sv)", "", set_unit_properties, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable slice_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("AllowedCPUs", "ay", get_cpus, 0, 0),
        SD_BUS_VTABLE_END,
};

static int obey(struct fake *fake, char *line) {
        char *words[3] = { strsep(&line, " "), strsep(&line, " "), line };
        struct fake_slice *slice = words[1] ? find(fake, words[1]) : NULL;
        char list[IOCORE_VALUE_MAX], effect[IOCORE_VALUE_MAX];

        if (!words[1])
                return -EINVAL;
        if (strcmp(words[0], "delay") == 0)
                fake->delay_msec = (unsigned) strtoul(words[1], NULL, 10);
        else if (strcmp(words[0], "refuse") == 0)
                fake->refuses = strcmp(words[1], "yes") == 0;
        else if (strcmp(words[0], "cpus") == 0 && slice)
                return slice_mask_parse(words[2] ? words[2] : "", &slice->cpus);
        else if (strcmp(words[0], "show") == 0 && slice && slice_mask_format(&slice->cpus, list, sizeof list) >= 0 &&
                 slice_mask_format(&slice->in_effect, effect, sizeof effect) >= 0)
                printf("%s %u %s, %s\n", slice->name, slice->n_set, list, effect);
        else
                return -EINVAL;
        return 0;
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct fake *fake = userdata;
        char *newline;

        (void) events;
        ssize_t n = read(fd, fake->line + fake->length, sizeof fake->line - 1 - fake->length);
        if (n <= 0)
                return sd_event_exit(sd_event_source_get_event(source), 0);
        fake->length += (size_t) n;
        fake->line[fake->length] = '\0';
        while ((newline = strchr(fake->line, '\n'))) {
                *newline = '\0';
                puts(obey(fake, fake->line) < 0 ? "what?" : "done");
                fflush(stdout);
                fake->length -= (size_t) (newline + 1 - fake->line);
                memmove(fake->line, newline + 1, fake->length + 1);
        }
        return fake->length == sizeof fake->line - 1 ? -EMSGSIZE : 0;
}

int main(void) {
        struct fake fake = {
                .slices = { { .fake = &fake, .name = "system.slice" }, { .fake = &fake, .name = "user.slice" } },
                .other = { .fake = &fake, .name = "" },
        };
        (void) slice_mask_parse("0-7", &fake.slices[0].in_effect);
        (void) slice_mask_parse("0-7", &fake.slices[1].in_effect);
        sd_event *event = NULL;
        sd_bus *bus = NULL;

        int r = sd_event_new(&event);
        if (r >= 0)
                r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", manager_vtable, &fake);
        if (r >= 0)
                r = sd_bus_add_fallback_vtable(bus, NULL, UNIT_PATH, "org.freedesktop.systemd1.Slice", slice_vtable, find_object, &fake);
        if (r >= 0)
                r = sd_bus_request_name(bus, "org.freedesktop.systemd1", 0);
        if (r >= 0)
                r = sd_bus_attach_event(bus, event, 0);
        if (r >= 0)
                r = sd_event_add_io(event, NULL, STDIN_FILENO, EPOLLIN, on_input, &fake);
        if (r >= 0) {
                puts("ready");
                fflush(stdout);
                r = sd_event_loop(event);
        }
        if (r < 0)
                fprintf(stderr, "fake-systemd: %s\n", strerror(-r));
        sd_bus_flush_close_unref(bus);
        sd_event_unref(event);
        return r < 0;
}
