/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of this room share. */
#ifndef BUS_INTERNAL_H
#define BUS_INTERNAL_H

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "bus.h"

#define BUS_NAME              "org.iocore1"
#define BUS_ROOT              "/org/iocore1"
#define BUS_MANAGER_INTERFACE "org.iocore1.Manager"

#define BUS_ERROR_REFUSED        "org.iocore1.Error.Refused"
#define BUS_ERROR_NO_SUCH_OBJECT "org.iocore1.Error.NoSuchObject"
#define BUS_ERROR_INVALID        "org.iocore1.Error.Invalid"
#define BUS_ERROR_FAILED         "org.iocore1.Error.Failed"
#define BUS_ERROR_BUSY           "org.iocore1.Error.Busy"

enum bus_class { BUS_CORE, BUS_WORKER, BUS_UNIT, BUS_DEVICE, BUS_QUEUE, BUS_DOMAIN, BUS_POLICY, _BUS_CLASS_MAX };

struct announced; /* bus-announce.c */

struct bus {
        struct engine *engine;
        sd_event *event;
        char *address;
        sd_bus *connection;     /* NULL while there is none */
        sd_event_source *retry; /* tries to connect again */
        sd_event_source *flush; /* announces what came and went, after the change is over */
        bool emitting;          /* a signal is being built: values are taken as they are, nothing is sampled */
        struct announced *announced;
        /* to be told when the change is over */
        char (*changed)[IOCORE_NAME_MAX]; /* ids of objects */
        size_t n_changed, changed_allocated;
        bool manager_changed, inventory_changed;
        char *state; /* the answer to the last GetState; NULL when there was none or something changed since */
        unsigned state_mask;
        uint64_t state_epoch;
        uint64_t look_window_usec; /* since when looks at the whole host are counted: see bus_may_look() */
        uint64_t looked_usec;      /* that they took since */
        bool submitting;     /* the decision that comes is that of a client's wish: the engine derives at once */
        uint64_t hold_until; /* number of the epoch whose derived values show what was last decided */
};

/* bus.c: tells clients of something that happened to `object` ("" = none). */
void bus_event(struct bus *bus, const char *kind, const char *object, const char *text);

/* D-Bus wants UTF-8, terminals no control characters; the names of guests, taps and threads are under no such law. */
struct bus_text {
        char text[IOCORE_VALUE_MAX];
};
/* A copy of `text` in `ret` that may go out; ret->text. */
const char *bus_text(struct bus_text *ret, const char *text);

/* bus-manager.c, bus-classes.c: add their vtables to bus->connection, which owns them. 0 or -errno. */
int bus_manager_register(struct bus *bus);
int bus_classes_register(struct bus *bus);

/* bus-objects.c: the properties of a class. */
const sd_bus_vtable *bus_class_vtable(enum bus_class class);
extern const sd_bus_vtable bus_domain_vtable[]; /* bus-domain.c */

/* bus-classes.c: how objects are found, named and listed. */
const char *bus_class_interface(enum bus_class class);
/* The path of an object; the caller frees. 0 or -ENOMEM. */
int bus_object_path(enum bus_class class, const char *id, char **ret);
/* Sends PropertiesChanged, with all properties that are announced at all, for the objects of that id; what does not exist (any more) is
 * passed over. */
void bus_object_changed(struct bus *bus, const char *id);
/* Appends (so): id and path of an object, ("", "/") for none. */
int bus_append_reference(sd_bus_message *reply, enum bus_class class, const char *id);
/* Calls `visit` with the id of each object of `class`, until it returns something other than 0, which is then returned. */
int bus_class_visit(struct bus *bus, enum bus_class class, int (*visit)(void *userdata, const char *id), void *userdata);

/* bus-announce.c: tells clients of ObjectManager what came and what went since the last call. Queues are left to their device's property
 * Queues. */
int bus_announce_new(struct announced **ret);
struct announced *bus_announce_free(struct announced *announced);
/* `silent`: takes note of what is there without telling. 0 or -ENOMEM. */
int bus_announce(struct bus *bus, bool silent);

/* bus-decision.c: a decision for the wire. */
int bus_decision_append_summary(sd_bus_message *reply, const struct decision *decision);
int bus_decision_append_full(sd_bus_message *reply, const struct decision *decision);
#define BUS_DECISION_SUMMARY "(tttsssiisssst)"

/* "" "auto" "manual" */
const char *bus_wish_to_string(enum iocore_wish wish);
/* "running" "paused" "shutoff" */
const char *bus_domain_state_to_string(enum iocore_domain_state state);
/* The model's object of that class and id ("d.4", a CPU's number), or NULL. */
void *bus_class_find(const struct bus *bus, enum bus_class class, const char *id);
/* The one unit that the worker executes; NULL when there is none, or several. */
const struct unit *bus_worker_unit(const struct host *host, const struct worker *worker);
/* Queue pairs of a device that has its workers by pairs, known or not; 0 where pairs are not told. */
size_t bus_device_pairs(const struct host *host, const struct device *device);

/* bus-state.c */
const char *bus_plugin_status_to_string(enum plugin_status status);
/* Calls `say` with what each open plugin tells of how it works on this host; texts may go out as they are. 0, or what `say` returned first. */
int bus_plugins_describe(const struct bus *bus, int (*say)(void *userdata, const char *plugin, const char *key, const char *value),
                         void *userdata);
/* Why no plugin of this host can do `action`; NULL: one can. */
const char *bus_action_unavailable(const struct bus *bus, enum intent_action action);
/* The snapshot as one JSON document. `sections`: NULL-terminated names, NULL or empty = all but queues. The same question gets the same
 * answer within an epoch, so that a flood of them costs little; valid until the next call or bus_state_forget(), for when something
 * changed. -EINVAL: no such section; -ENOMEM. */
int bus_state_json(struct bus *bus, char **sections, const char **ret);
void bus_state_forget(struct bus *bus);

#endif
