/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libvirt tells on its own (libvirt-domain.h, virConnectDomainEventID). Called on the loop's thread: nothing here calls back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "talk-private.h"

/* The words of `virsh event`. */
static const char *const started[] = { "booted", "migrated", "restored", "from-snapshot", "wakeup" };
static const char *const suspended[] = { "paused", "migrated", "io-error", "watchdog", "restored", "from-snapshot", "api-error", "postcopy", "postcopy-failed" };
static const char *const resumed[] = { "unpaused", "migrated", "from-snapshot", "postcopy", "postcopy-failed" };
static const char *const stopped[] = { "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from-snapshot" };
static const char *const defined[] = { "added", "updated", "renamed", "from-snapshot" };
static const char *const undefined[] = { "removed", "renamed" };
static const char *const shutdown[] = { "finished", "guest-request", "host-request" };
static const char *const asleep[] = { "memory", "disk" };
static const char *const crashed[] = { "panicked", "crashloaded" };

struct words {
        const char *event;
        enum { IS_RUNNING, IS_PAUSED, IS_SHUT_OFF, IS_AS_BEFORE } state;
        const char *const *details;
        size_t n_details;
};
#define WORDS(event, state, details) { event, state, details, ELEMENTSOF(details) }

static const struct words lifecycle[] = {
        [VIR_DOMAIN_EVENT_STARTED] = WORDS("started", IS_RUNNING, started),
        [VIR_DOMAIN_EVENT_SUSPENDED] = WORDS("suspended", IS_PAUSED, suspended),
        [VIR_DOMAIN_EVENT_RESUMED] = WORDS("resumed", IS_RUNNING, resumed),
        [VIR_DOMAIN_EVENT_STOPPED] = WORDS("stopped", IS_SHUT_OFF, stopped),
        /* a definition says nothing of whether it runs: one that does can be defined, and undefined, too */
        [VIR_DOMAIN_EVENT_DEFINED] = WORDS("defined", IS_AS_BEFORE, defined),
        [VIR_DOMAIN_EVENT_UNDEFINED] = WORDS("undefined", IS_AS_BEFORE, undefined),
        /* its guest is down, its process still there */
        [VIR_DOMAIN_EVENT_SHUTDOWN] = WORDS("shutdown", IS_AS_BEFORE, shutdown),
        [VIR_DOMAIN_EVENT_PMSUSPENDED] = WORDS("pmsuspended", IS_PAUSED, asleep),
        [VIR_DOMAIN_EVENT_CRASHED] = WORDS("crashed", IS_PAUSED, crashed),
};

/* The domain's UUID; false: it has none, which only an object that is going away has not. */
static bool read_uuid(virDomainPtr domain, char *ret) {
        char uuid[VIR_UUID_STRING_BUFLEN];

        if (virDomainGetUUIDString(domain, uuid) < 0)
                return false;
        snprintf(ret, UUID_SIZE, "%s", uuid);
        return true;
}

/* With an order of its own, so that a picture that was taken before is known to be older. */
static void tell(struct talk *talk, struct news *news) {
        if (!news)
                return;
        talk_lock(talk);
        news->serial = ++talk->serial;
        talk_unlock(talk);
        talk_tell(talk, news);
}

static void tell_event(struct talk *talk, virDomainPtr domain, const char *event, const char *detail) {
        char uuid[UUID_SIZE];

        if (!read_uuid(domain, uuid))
                return;
        struct news *news = news_new(NEWS_EVENT, uuid, detail);
        if (news)
                news->event = event;
        tell(talk, news);
        talk_look(talk, uuid);
}

static enum iocore_domain_state state_after(const struct words *words, int event, int detail) {
        /* one that comes from another host begins to run when that lets go of it */
        if (words->state == IS_PAUSED || (event == VIR_DOMAIN_EVENT_STARTED && detail == VIR_DOMAIN_EVENT_STARTED_MIGRATED))
                return IOCORE_DOMAIN_PAUSED;
        return words->state == IS_RUNNING ? IOCORE_DOMAIN_RUNNING : IOCORE_DOMAIN_SHUTOFF;
}

static void on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *userdata) {
        struct talk *talk = userdata;
        char uuid[UUID_SIZE];

        (void) connection;
        if (!read_uuid(domain, uuid))
                return;
        const struct words *words = event >= 0 && (size_t) event < ELEMENTSOF(lifecycle) ? lifecycle + event : NULL;
        if (words && words->event) {
                const char *text = detail >= 0 && (size_t) detail < words->n_details ? words->details[detail] : "";
                struct news *news = news_new(words->state == IS_AS_BEFORE ? NEWS_EVENT : NEWS_STATE, uuid, text);
                const char *name = virDomainGetName(domain);
                if (news) {
                        news->name = name ? strdup(name) : NULL;
                        news->event = words->event;
                        news->state = state_after(words, event, detail);
                }
                tell(talk, news);
        }
        talk_look(talk, uuid);
}

static void on_reboot(virConnectPtr connection, virDomainPtr domain, void *userdata) {
        (void) connection;
        tell_event(userdata, domain, "rebooted", "");
}

static void on_device_added(virConnectPtr connection, virDomainPtr domain, const char *alias, void *userdata) {
        (void) connection;
        tell_event(userdata, domain, "device-added", alias);
}

static void on_device_removed(virConnectPtr connection, virDomainPtr domain, const char *alias, void *userdata) {
        (void) connection;
        tell_event(userdata, domain, "device-removed", alias);
}

static void on_migration_iteration(virConnectPtr connection, virDomainPtr domain, int iteration, void *userdata) {
        char text[32];

        (void) connection;
        snprintf(text, sizeof text, "iteration %d", iteration);
        tell_event(userdata, domain, "migrated", text);
}

static void on_metadata(virConnectPtr connection, virDomainPtr domain, int type, const char *uri, void *userdata) {
        (void) connection;
        if (type == VIR_DOMAIN_METADATA_ELEMENT)
                tell_event(userdata, domain, "metadata", uri);
}

static void on_agent(virConnectPtr connection, virDomainPtr domain, int state, int reason, void *userdata) {
        (void) connection, (void) reason;
        tell_event(userdata, domain, "agent", state == VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED ? "connected" : "disconnected");
}

static void on_balloon(virConnectPtr connection, virDomainPtr domain, unsigned long long kib, void *userdata) {
        char uuid[UUID_SIZE];

        (void) connection;
        struct news *news = read_uuid(domain, uuid) ? news_new(NEWS_MEMORY, uuid, NULL) : NULL;
        if (news)
                news->number = kib;
        tell(userdata, news);
}

/* "cputune.vcpupin3", "cputune.emulatorpin", "cputune.iothreadpin1": where `prefix` fits, with a number behind it or nothing. */
static bool parse_field(const char *field, const char *prefix, bool numbered, unsigned *ret) {
        size_t length = strlen(prefix);

        *ret = 0;
        if (strncmp(field, prefix, length) != 0)
                return false;
        const char *number = field + length;
        size_t digits = strspn(number, "0123456789");
        if (number[digits] != '\0' || digits > 9 || (digits > 0) != numbered)
                return false;
        *ret = (unsigned) strtoul(number, NULL, 10);
        return true;
}

static void on_tunable(virConnectPtr connection, virDomainPtr domain, virTypedParameterPtr parameters, int n_parameters, void *userdata) {
        static const struct { const char *prefix; bool numbered; enum question_kind kind; } fields[] = {
                { "cputune.vcpupin", true, ASK_VCPU_CPUS }, { "cputune.emulatorpin", false, ASK_EMULATOR_CPUS }, { "cputune.iothreadpin", true, ASK_IOTHREAD_CPUS },
        };
        char uuid[UUID_SIZE];
        unsigned number;

        (void) connection;
        if (!read_uuid(domain, uuid))
                return;
        for (int i = 0; i < n_parameters; i++)
                for (size_t k = 0; k < ELEMENTSOF(fields); k++) {
                        if (parameters[i].type != VIR_TYPED_PARAM_STRING || !parse_field(parameters[i].field, fields[k].prefix, fields[k].numbered, &number))
                                continue;
                        struct news *news = news_new(NEWS_TUNED, uuid, parameters[i].value.s);
                        if (news) {
                                news->question = fields[k].kind;
                                news->number = number;
                        }
                        tell(userdata, news);
                }
}

static const struct {
        int id;
        virConnectDomainEventGenericCallback callback;
} wanted[] = {
        { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle) },
        { VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK(on_reboot) },
        { VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK(on_device_added) },
        { VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(on_device_removed) },
        { VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION, VIR_DOMAIN_EVENT_CALLBACK(on_migration_iteration) },
        { VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_metadata) },
        { VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_agent) },
        { VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_balloon) },
        { VIR_DOMAIN_EVENT_ID_TUNABLE, VIR_DOMAIN_EVENT_CALLBACK(on_tunable) },
};
_Static_assert(ELEMENTSOF(wanted) <= EVENTS_MAX, "each event has a place for its registration");

void events_register(struct talk *talk, virConnectPtr connection, int *ret_ids) {
        for (size_t i = 0; i < EVENTS_MAX; i++)
                ret_ids[i] = i < ELEMENTSOF(wanted) ? virConnectDomainEventRegisterAny(connection, NULL, wanted[i].id, wanted[i].callback, talk, NULL) : -1;
}

void events_deregister(virConnectPtr connection, const int *ids) {
        for (size_t i = 0; i < EVENTS_MAX; i++)
                if (ids[i] >= 0)
                        (void) virConnectDomainEventDeregisterAny(connection, ids[i]);
}
