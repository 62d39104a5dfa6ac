/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connection: comes up, claims the name, comes back after a bus that went away; and the signals. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bus-methods.h"
#include "daemon/cleanup.h"
#include "daemon/log.h"
#include "daemon/text.h"

/* After the epoch's timer (SD_EVENT_PRIORITY_NORMAL): a flood of calls delays an epoch by one call at most. */
#define BUS_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)
/* The bus daemon answers at once or not at all; the loop may not hang on it. */
#define BUS_CALL_TIMEOUT_USEC (5 * 1000 * 1000ULL)
/* A bus daemon that is restarted is back within seconds. */
#define BUS_RETRY_USEC (2 * 1000 * 1000ULL)

static int schedule_retry(struct bus *bus);

/* ---- signals */

const char *bus_text(struct bus_text *ret, const char *text) {
        text_copy(ret->text, sizeof(ret->text), text, strlen(text));
        return ret->text;
}

static void schedule_flush(struct bus *bus) {
        if (bus->flush)
                (void) sd_event_source_set_enabled(bus->flush, SD_EVENT_ONESHOT);
}

static void note_change(struct bus *bus, const char *id) {
        if (bus->n_changed == bus->changed_allocated) {
                size_t wanted = bus->changed_allocated ? bus->changed_allocated * 2 : 16;
                void *changed = reallocarray(bus->changed, wanted, sizeof(*bus->changed));

                if (!changed) /* clients hear of it one change later */
                        return;
                bus->changed = changed;
                bus->changed_allocated = wanted;
        }
        (void) snprintf(bus->changed[bus->n_changed++], sizeof(*bus->changed), "%s", id);
        schedule_flush(bus);
}

static void note_core(struct bus *bus, int cpu) {
        char id[16];

        (void) snprintf(id, sizeof(id), "%d", cpu);
        note_change(bus, id);
        bus->manager_changed = bus->inventory_changed = true;
}

static void note_step(struct bus *bus, const struct step *step) {
        switch (step->kind) {
        case STEP_CORE_ADD:
        case STEP_CORE_REMOVE:
                note_core(bus, step->cpu);
                break;
        case STEP_CORE_CLOSE:
        case STEP_UNIT_MOVE:
        case STEP_KNOB_SET:
                note_change(bus, step->object);
                break;
        case STEP_MEMORY_MOVE:
                break; /* jobs are told by signals of their own */
        }
}

static void on_decided(void *userdata, const struct decision *decision) {
        struct bus *bus = userdata;
        struct bus_text text;
        int r;

        bus_state_forget(bus);
        if (!bus->submitting)
                bus->hold_until = engine_host(bus->engine)->epoch + 1;
        for (size_t i = 0; i < decision->n_steps; i++)
                if (decision->steps[i].result == STEP_DONE)
                        note_step(bus, decision->steps + i);
        if (!bus->connection)
                return;
        r = sd_bus_emit_signal(bus->connection, BUS_ROOT, BUS_MANAGER_INTERFACE, "Decided", "tss", decision->id,
                               verdict_to_string(decision->verdict), bus_text(&text, decision->text));
        if (r < 0)
                log_debug("bus: cannot tell of decision %llu: %s", (unsigned long long) decision->id, strerror(-r));
}

void bus_event(struct bus *bus, const char *kind, const char *object, const char *text) {
        struct bus_text clean_object, clean_text;
        int r;

        bus_state_forget(bus);
        if (strcmp(kind, "overrun") != 0) {
                if (object && object[0] != '\0')
                        note_change(bus, object);
                bus->manager_changed = bus->inventory_changed = true;
                if (strcmp(kind, "reloaded") == 0)
                        for (size_t i = 0; i < policy_set_size(engine_policies(bus->engine)); i++)
                                note_change(bus, policy_set_info(engine_policies(bus->engine), i)->name);
                schedule_flush(bus);
        }
        if (!bus->connection)
                return;
        r = sd_bus_emit_signal(bus->connection, BUS_ROOT, BUS_MANAGER_INTERFACE, "Event", "sss", kind, bus_text(&clean_object, object ? object : ""),
                               bus_text(&clean_text, text ? text : ""));
        if (r < 0)
                log_debug("bus: cannot tell of event %s: %s", kind, strerror(-r));
}

static void on_event(void *userdata, const char *kind, const char *object, const char *text) {
        bus_event(userdata, kind, object, text);
}

static void on_job(void *userdata, const struct job *job) {
        bus_job_changed(userdata, job);
}

static int compare_ids(const void *a, const void *b) {
        return strcmp(a, b);
}

/* The change is over; several changes of one object are told once. */
static void flush_changes(struct bus *bus) {
        int r;

        if (bus->inventory_changed) {
                r = bus_announce(bus, false);
                if (r < 0)
                        log_warning("bus: cannot tell clients what came and went, ignoring: %s", strerror(-r));
        }
        if (bus->connection) {
                qsort(bus->changed, bus->n_changed, sizeof(*bus->changed), compare_ids);
                for (size_t i = 0; i < bus->n_changed; i++)
                        if (i == 0 || strcmp(bus->changed[i - 1], bus->changed[i]) != 0)
                                bus_object_changed(bus, bus->changed[i]);
                if (bus->manager_changed)
                        (void) sd_bus_emit_properties_changed_strv(bus->connection, BUS_ROOT, BUS_MANAGER_INTERFACE, NULL);
        }
        bus->n_changed = 0;
        bus->manager_changed = bus->inventory_changed = false;
}

/* On the loop's next turn, unless an epoch's decisions are not yet seen in what is derived: then when the next epoch has ended. */
static int on_flush(sd_event_source *source, void *userdata) {
        struct bus *bus = userdata;

        (void) source;
        if (engine_host(bus->engine)->epoch >= bus->hold_until)
                flush_changes(bus);
        return 0;
}

static void on_epoch(void *userdata) {
        struct bus *bus = userdata;

        if ((bus->n_changed > 0 || bus->manager_changed || bus->inventory_changed) && engine_host(bus->engine)->epoch >= bus->hold_until)
                flush_changes(bus);
}

/* ---- the connection */

static int open_connection(const char *address, sd_bus **ret) {
        sd_bus *connection = NULL;
        int r;

        if (strcmp(address, "system") == 0)
                return sd_bus_open_system_with_description(ret, "iocored");
        if (strcmp(address, "user") == 0)
                return sd_bus_open_user_with_description(ret, "iocored");
        r = sd_bus_new(&connection);
        if (r >= 0)
                r = sd_bus_set_address(connection, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(connection, true);
        if (r >= 0)
                r = sd_bus_start(connection);
        if (r < 0)
                sd_bus_unref(connection);
        else
                *ret = connection;
        return r;
}

static void drop_connection(struct bus *bus) {
        bus->connection = sd_bus_close_unref(bus->connection);
}

static int on_disconnected(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct bus *bus = userdata;

        (void) message, (void) error;
        log_warning("bus: the connection was lost; the daemon goes on without it and tries again");
        (void) schedule_retry(bus);
        return 0;
}

/* The name, when it was claimed without waiting. */
static int on_name(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        struct bus *bus = userdata;
        uint32_t result = 0;

        (void) error;
        /* 1: primary owner, 4: already the owner */
        if (!sd_bus_message_is_method_error(reply, NULL) && sd_bus_message_read(reply, "u", &result) >= 0 && (result == 1 || result == 4)) {
                log_notice("bus: connected again");
                return 0;
        }
        log_warning("bus: cannot claim " BUS_NAME " again, trying later: %s",
                    sd_bus_message_is_method_error(reply, NULL) ? sd_bus_message_get_error(reply)->message : "somebody else has it");
        (void) schedule_retry(bus);
        return 0;
}

/* `wait`: for the name, so that a second daemon is refused at start. */
static int bus_connect(struct bus *bus, bool wait) {
        int r;

        r = open_connection(bus->address, &bus->connection);
        if (r < 0)
                return r;
        r = sd_bus_set_method_call_timeout(bus->connection, BUS_CALL_TIMEOUT_USEC);
        if (r >= 0)
                r = sd_bus_match_signal(bus->connection, NULL, NULL, "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                        "Disconnected", on_disconnected, bus);
        if (r >= 0)
                r = sd_bus_add_object_manager(bus->connection, NULL, BUS_ROOT);
        if (r >= 0)
                r = bus_manager_register(bus);
        if (r >= 0)
                r = bus_classes_register(bus);
        if (r >= 0)
                r = wait ? sd_bus_request_name(bus->connection, BUS_NAME, 0)
                         : sd_bus_request_name_async(bus->connection, NULL, BUS_NAME, 0, on_name, bus);
        if (r >= 0)
                r = sd_bus_attach_event(bus->connection, bus->event, BUS_PRIORITY);
        if (r < 0)
                drop_connection(bus);
        return r < 0 ? r : 0;
}

static int retry(sd_event_source *source, uint64_t usec, void *userdata) {
        struct bus *bus = userdata;
        int r;

        (void) source, (void) usec;
        drop_connection(bus);
        r = bus_connect(bus, false);
        if (r < 0) {
                log_debug("bus: still not reachable: %s", strerror(-r));
                (void) schedule_retry(bus);
        }
        return 0;
}

static int schedule_retry(struct bus *bus) {
        int r;

        r = sd_event_source_set_time_relative(bus->retry, BUS_RETRY_USEC);
        if (r >= 0)
                r = sd_event_source_set_enabled(bus->retry, SD_EVENT_ONESHOT);
        if (r < 0)
                log_error("bus: cannot try again: %s", strerror(-r));
        return r;
}

static int add_sources(struct bus *bus) {
        int r;

        r = sd_event_add_time_relative(bus->event, &bus->retry, CLOCK_MONOTONIC, BUS_RETRY_USEC, 0, retry, bus);
        if (r >= 0)
                r = sd_event_source_set_enabled(bus->retry, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_description(bus->retry, "bus-retry");
        if (r >= 0)
                r = sd_event_add_defer(bus->event, &bus->flush, on_flush, bus);
        if (r >= 0)
                r = sd_event_source_set_enabled(bus->flush, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_description(bus->flush, "bus-changes");
        return r;
}

static int bus_start(struct bus *bus, const char *address) {
        int r;

        bus->address = strdup(address);
        if (!bus->address)
                return -ENOMEM;
        r = bus_announce_new(&bus->announced);
        if (r >= 0)
                r = add_sources(bus);
        if (r >= 0)
                r = bus_announce(bus, true);
        return r < 0 ? r : bus_connect(bus, true);
}

int bus_new(struct bus **ret, struct engine *engine, sd_event *event, const char *address) {
        struct bus *bus;
        int r;

        bus = calloc(1, sizeof(*bus));
        if (!bus)
                return -ENOMEM;
        bus->engine = engine;
        bus->event = sd_event_ref(event);
        r = bus_start(bus, address);
        if (r == -EEXIST)
                log_error("bus: another daemon has the name " BUS_NAME " on the %s bus", address);
        else if (r < 0)
                log_error("bus: cannot offer " BUS_NAME " on the %s bus: %s", address, strerror(-r));
        if (r < 0) {
                bus_free(bus);
                return r;
        }
        engine_set_listener(engine,
                            &(const struct engine_listener){.userdata = bus, .decided = on_decided, .event = on_event, .epoch = on_epoch, .job = on_job});
        *ret = bus;
        return 0;
}

struct bus *bus_free(struct bus *bus) {
        if (!bus)
                return NULL;
        if (bus->engine)
                engine_set_listener(bus->engine, &(const struct engine_listener){.userdata = NULL});
        bus->connection = sd_bus_flush_close_unref(bus->connection);
        sd_event_source_disable_unref(bus->retry);
        sd_event_source_disable_unref(bus->flush);
        sd_event_unref(bus->event);
        bus_announce_free(bus->announced);
        bus_state_forget(bus);
        free(bus->changed);
        free(bus->address);
        free(bus);
        return NULL;
}
