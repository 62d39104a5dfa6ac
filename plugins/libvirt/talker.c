/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The talker: connects, asks about domains, connects again. Nothing that it asks needs an answer of a hypervisor: one that hangs takes nobody's picture away. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "domain-xml.h"
#include "plugins/vhost-thread/affinity.h"
#include "process.h"
#include "talk-private.h"

/* From one attempt to connect to the next. */
#define PAUSE_MIN_USEC (1000 * 1000ULL)
#define PAUSE_MAX_USEC (30 * 1000 * 1000ULL)
/* From one attempt to get more than looking rights to the next. */
#define RIGHTS_MIN_USEC (30 * 1000 * 1000ULL)
#define RIGHTS_MAX_USEC (600 * 1000 * 1000ULL)
/* A libvirt that does not answer for five seconds is gone: one question a second, four in vain. */
#define KEEPALIVE_INTERVAL 1
#define KEEPALIVE_COUNT 4

struct talker {
        struct talk *talk;
        virConnectPtr connection; /* NULL: none */
        int events[EVENTS_MAX];
        uint64_t pause_usec, next_attempt_usec;
        bool writable;
        uint64_t rights_pause_usec, next_rights_usec; /* while it is not writable */
};

/* --- errors */

static bool error_is_about_rights(const virError *error) {
        switch (error->code) {
        case VIR_ERR_AUTH_FAILED:
        case VIR_ERR_AUTH_CANCELLED:
        case VIR_ERR_AUTH_UNAVAILABLE:
        case VIR_ERR_ACCESS_DENIED:
        case VIR_ERR_OPERATION_DENIED:
                return true;
        default:
                return error->code == VIR_ERR_SYSTEM_ERROR && (error->int1 == EACCES || error->int1 == EPERM);
        }
}

int libvirt_error(char *ret_text, size_t size) {
        const virError *error = virGetLastError();

        if (!error || error->code == VIR_ERR_OK) {
                if (ret_text)
                        snprintf(ret_text, size, "unknown error");
                return -EIO;
        }
        if (ret_text) {
                snprintf(ret_text, size, "%s", error->message ? error->message : "unknown error");
                for (char *c = ret_text; *c; c++)
                        *c = (unsigned char) *c < 0x20 || *c == 0x7f ? ' ' : *c;
        }
        if (error_is_about_rights(error))
                return -EACCES;
        switch (error->code) {
        case VIR_ERR_NO_DOMAIN:
        case VIR_ERR_OPERATION_INVALID: /* it does not run (any more) */
                return error->code == VIR_ERR_NO_DOMAIN ? -ENOENT : -EINVAL;
        case VIR_ERR_NO_SUPPORT:
        case VIR_ERR_OPERATION_UNSUPPORTED:
        case VIR_ERR_CONFIG_UNSUPPORTED:
        case VIR_ERR_ARGUMENT_UNSUPPORTED:
                return -EOPNOTSUPP;
        case VIR_ERR_INVALID_ARG:
        case VIR_ERR_XML_ERROR:
                return -EINVAL;
        case VIR_ERR_OPERATION_TIMEOUT:
                return -EBUSY;
        case VIR_ERR_NO_MEMORY:
                return -ENOMEM;
        default:
                return -EIO;
        }
}

/* --- one domain */

static enum iocore_domain_state state_from_libvirt(int state) {
        switch (state) {
        case VIR_DOMAIN_PAUSED:
        case VIR_DOMAIN_PMSUSPENDED:
        case VIR_DOMAIN_CRASHED:
                return IOCORE_DOMAIN_PAUSED;
        case VIR_DOMAIN_SHUTOFF:
                return IOCORE_DOMAIN_SHUTOFF;
        default: /* also one that is being shut down: it still runs */
                return IOCORE_DOMAIN_RUNNING;
        }
}

/* libvirt's own form: bit n % 8 of byte n / 8. NULL: no CPU, or no memory. */
static char *list_from_bytes(const unsigned char *bytes, size_t n) {
        struct affinity_mask mask = { 0 };
        char list[IOCORE_VALUE_MAX];

        for (size_t cpu = 0; cpu < n * 8 && cpu < AFFINITY_CPUS_MAX; cpu++)
                if (bytes[cpu / 8] & 1u << cpu % 8)
                        CPU_SET_S(cpu, sizeof mask.sets, mask.sets);
        return affinity_is_empty(&mask) || affinity_format(&mask, list, sizeof list) < 0 ? NULL : strdup(list);
}

static void replace(char **text, char *replacement) {
        if (!replacement)
                return;
        free(*text);
        *text = replacement;
}

/* What they may use now, which the XML says of pinned ones only. `n_cpus`: of the host. */
static void read_pins(virDomainPtr domain, int n_cpus, struct description *description) {
        size_t bytes = (size_t) VIR_CPU_MAPLEN(n_cpus);
        unsigned last = description->n_vcpus > 0 ? description->vcpus[description->n_vcpus - 1].id : 0;
        _cleanup_free_ unsigned char *maps = calloc((size_t) last + 1, bytes);

        if (!maps || last >= VCPUS_MAX)
                return;
        int n = virDomainGetVcpuPinInfo(domain, (int) last + 1, maps, (int) bytes, VIR_DOMAIN_AFFECT_CURRENT);
        for (size_t i = 0; i < description->n_vcpus; i++)
                if ((int) description->vcpus[i].id < n)
                        replace(&description->vcpus[i].cpus, list_from_bytes(maps + description->vcpus[i].id * bytes, bytes));
        memset(maps, 0, bytes);
        if (virDomainGetEmulatorPinInfo(domain, maps, (int) bytes, VIR_DOMAIN_AFFECT_CURRENT) > 0)
                replace(&description->emulator_cpus, list_from_bytes(maps, bytes));
}

/* IOThreads that are not pinned have what the whole domain has: asking libvirt for them would be asking QEMU. */
static void default_iothreads(struct description *description) {
        const char *list = description->cpuset ?: description->placement_auto ? description->emulator_cpus : description->online;

        for (size_t i = 0; list && i < description->n_iothreads; i++)
                if (!description->iothreads[i].cpus)
                        description->iothreads[i].cpus = strdup(list);
}

static char *online_cpus(virConnectPtr connection, int *ret_n) {
        unsigned char *map = NULL;
        unsigned online = 0;
        int n = virNodeGetCPUMap(connection, &map, &online, 0);
        char *list = n > 0 ? list_from_bytes(map, (size_t) VIR_CPU_MAPLEN(n)) : NULL;

        free(map);
        *ret_n = n > 0 ? n : 0;
        return list;
}

static int describe(struct talker *talker, virDomainPtr domain, struct description **ret) {
        _cleanup_(description_freep) struct description *description = NULL;
        int state, reason, n_cpus;

        talk_lock(talker->talk);
        uint64_t serial = talker->talk->serial;
        talk_unlock(talker->talk);
        if (virDomainGetState(domain, &state, &reason, 0) < 0)
                return libvirt_error(NULL, 0);
        _cleanup_free_ char *xml = virDomainGetXMLDesc(domain, 0);
        if (!xml)
                return libvirt_error(NULL, 0);
        int r = domain_xml_parse(xml, strlen(xml), &description);
        if (r < 0)
                return r;
        description->serial = serial;
        description->state = state_from_libvirt(state);
        description->active = state != VIR_DOMAIN_SHUTOFF && state != VIR_DOMAIN_NOSTATE;
        description->persistent = virDomainIsPersistent(domain) == 1;
        if (description->active) {
                unsigned id = virDomainGetID(domain);
                description->id = id == (unsigned) -1 ? -1 : (int) id;
                description->online = online_cpus(talker->connection, &n_cpus);
                if (n_cpus > 0)
                        read_pins(domain, n_cpus, description);
                default_iothreads(description);
                process_find(talker->talk->root, description);
        }
        process_find_nodes(talker->talk->root, description);
        description_seal(description);
        *ret = TAKE_PTR(description);
        return 0;
}

static void look_at_domain(struct talker *talker, virDomainPtr domain, const char *uuid) {
        struct description *description = NULL;
        char text[64];

        int r = describe(talker, domain, &description);
        if (r == -ENOENT) {
                talk_tell(talker->talk, news_new(NEWS_GONE, uuid, NULL));
                return;
        }
        if (r < 0) {
                snprintf(text, sizeof text, "%s", strerrordesc_np(-r) ?: "unknown error");
                struct news *news = news_new(NEWS_EVENT, uuid, text);
                talk_tell(talker->talk, news); /* without an event: its description cannot be read */
                return;
        }
        struct news *news = news_new(NEWS_DESCRIPTION, uuid, NULL);
        if (news)
                news->description = description;
        else
                description_free(description);
        talk_tell(talker->talk, news);
}

static void look_by_uuid(struct talker *talker, const char *uuid) {
        virDomainPtr domain = virDomainLookupByUUIDString(talker->connection, uuid);

        if (domain) {
                look_at_domain(talker, domain, uuid);
                virDomainFree(domain);
        } else if (libvirt_error(NULL, 0) == -ENOENT)
                talk_tell(talker->talk, news_new(NEWS_GONE, uuid, NULL));
}

/* --- all domains */

static bool is_lost(struct talk *talk) {
        talk_lock(talk);
        bool lost = talk->lost || talk->stop;
        talk_unlock(talk);
        return lost;
}

static int list_all(struct talker *talker) {
        struct talk *talk = talker->talk;
        virDomainPtr *domains = NULL;
        char uuid[VIR_UUID_STRING_BUFLEN];

        talk_tell(talk, news_new(NEWS_STARTED_LISTING, NULL, NULL));
        int n = virConnectListAllDomains(talker->connection, &domains, 0);
        if (n < 0)
                return libvirt_error(NULL, 0);
        for (int i = 0; i < n; i++) {
                if (!is_lost(talk) && virDomainGetUUIDString(domains[i], uuid) >= 0) {
                        call_begin(&talk->talker);
                        look_at_domain(talker, domains[i], uuid);
                }
                virDomainFree(domains[i]);
        }
        free(domains);
        if (is_lost(talk))
                return -ENOTCONN;
        talk_tell(talk, news_new(NEWS_LISTED, NULL, NULL));
        talk_lock(talk);
        talk->next_resync_usec = talk_now() + talk->resync_usec;
        talk->status.listed = true;
        pthread_cond_broadcast(&talk->changed);
        talk_unlock(talk);
        return 0;
}

/* --- the connection */

static void on_close(virConnectPtr connection, int reason, void *userdata) {
        static const char *const reasons[] = { "an error", "it closed the connection", "no answer for five seconds", "closed" };
        struct talk *talk = userdata;

        (void) connection;
        talk_lock(talk);
        talk->lost = true;
        snprintf(talk->status.trouble, sizeof talk->status.trouble, "%s", reason >= 0 && (size_t) reason < ELEMENTSOF(reasons) ? reasons[reason] : reasons[0]);
        pthread_cond_broadcast(&talk->changed);
        talk_unlock(talk);
}

/* Nobody is there to be asked for a password. */
static virConnectAuth no_questions = { .credtype = NULL, .ncredtype = 0, .cb = NULL, .cbdata = NULL };

/* NULL: neither may be had. */
static virConnectPtr open_connection(struct talk *talk, bool *ret_writable, char *ret_read_only, char *ret_trouble, size_t size) {
        virConnectPtr connection = virConnectOpenAuth(talk->uri, &no_questions, 0);
        *ret_writable = connection;
        if (connection)
                return connection;
        /* libvirt has a dozen errors for rights that are missing (a polkit that is not there is one of D-Bus): whatever it is, looking may be allowed. */
        (void) libvirt_error(ret_trouble, size);
        connection = virConnectOpenAuth(talk->uri, &no_questions, VIR_CONNECT_RO);
        if (connection)
                snprintf(ret_read_only, size, "%s", ret_trouble);
        return connection;
}

/* Rights may be given while it runs, and a libvirt that was just starting refuses more than it does later. */
static void try_rights(struct talker *talker) {
        talker->next_rights_usec = talk_now() + talker->rights_pause_usec;
        talker->rights_pause_usec = talker->rights_pause_usec * 2 > RIGHTS_MAX_USEC ? RIGHTS_MAX_USEC : talker->rights_pause_usec * 2;
        virConnectPtr connection = virConnectOpenAuth(talker->talk->uri, &no_questions, 0);
        if (!connection)
                return;
        (void) virConnectClose(connection);
        on_close(talker->connection, VIR_CONNECT_CLOSE_REASON_CLIENT, talker->talk);
}

static void set_connected(struct talk *talk, virConnectPtr connection, bool writable, const char *read_only) {
        talk_lock(talk);
        talk->connection = connection;
        talk->lost = false;
        talk->tried = true;
        talk->status = (struct talk_status) { .connected = true, .writable = writable, .answers = true };
        snprintf(talk->status.read_only, sizeof talk->status.read_only, "%s", read_only);
        pthread_cond_broadcast(&talk->changed);
        talk_unlock(talk);
}

static void set_away(struct talk *talk, const char *trouble) {
        talk_lock(talk);
        talk->connection = NULL;
        talk->n_looks = 0; /* all will be looked at */
        talk->status.connected = talk->status.writable = talk->status.listed = talk->status.answers = false;
        if (trouble)
                snprintf(talk->status.trouble, sizeof talk->status.trouble, "%s", trouble);
        talk_unlock(talk);
        /* before whoever waits for the attempt goes on */
        talk_tell(talk, news_new(NEWS_AWAY, NULL, NULL));
        talk_lock(talk);
        talk->tried = true;
        pthread_cond_broadcast(&talk->changed);
        talk_unlock(talk);
}

static void disconnect(struct talker *talker, const char *trouble) {
        virConnectPtr connection = TAKE_PTR(talker->connection);

        set_away(talker->talk, trouble);
        events_deregister(connection, talker->events);
        (void) virConnectUnregisterCloseCallback(connection, on_close);
        (void) virConnectClose(connection);
}

static void wait_longer(struct talker *talker) {
        talker->next_attempt_usec = talk_now() + talker->pause_usec;
        talker->pause_usec = talker->pause_usec * 2 > PAUSE_MAX_USEC ? PAUSE_MAX_USEC : talker->pause_usec * 2;
}

static void connect_now(struct talker *talker) {
        char trouble[IOCORE_REASON_MAX] = "", read_only[IOCORE_REASON_MAX] = "";

        talker->connection = open_connection(talker->talk, &talker->writable, read_only, trouble, sizeof trouble);
        if (!talker->connection) {
                set_away(talker->talk, trouble);
                wait_longer(talker);
                return;
        }
        set_connected(talker->talk, talker->connection, talker->writable, read_only);
        talker->rights_pause_usec = RIGHTS_MIN_USEC;
        talker->next_rights_usec = talk_now() + RIGHTS_MIN_USEC;
        (void) virConnectRegisterCloseCallback(talker->connection, on_close, talker->talk, NULL);
        (void) virConnectSetKeepAlive(talker->connection, KEEPALIVE_INTERVAL, KEEPALIVE_COUNT);
        /* first the events, then the list: nothing is missed */
        events_register(talker->talk, talker->connection, talker->events);
        if (list_all(talker) < 0) {
                disconnect(talker, NULL);
                wait_longer(talker);
        } else
                talker->pause_usec = PAUSE_MIN_USEC;
}

/* --- the thread */

/* One thing after the other; then waits for the next. */
static void turn(struct talker *talker) {
        struct talk *talk = talker->talk;
        char uuid[UUID_SIZE];
        uint64_t next_look = UINT64_MAX;

        talk_lock(talk);
        bool lost = talker->connection && talk->lost;
        bool one = talker->connection && !lost && looks_take(talk, uuid, &next_look);
        uint64_t next = talker->connection ? talk->next_resync_usec : talker->next_attempt_usec;
        bool due = !lost && !one && talk_now() >= next;
        if (!lost && !one && !due && !talk->stop)
                talk_pause(talk, next_look < next ? next_look : next);
        talk_unlock(talk);

        call_begin(&talk->talker);
        if (lost) {
                disconnect(talker, NULL);
                talker->next_attempt_usec = talk_now() + talker->pause_usec;
        } else if (one)
                look_by_uuid(talker, uuid);
        else if (due && !talker->connection)
                connect_now(talker);
        else if (due && !talker->writable && talk_now() >= talker->next_rights_usec)
                try_rights(talker);
        else if (due && list_all(talker) < 0)
                on_close(talker->connection, VIR_CONNECT_CLOSE_REASON_ERROR, talk);
        call_end(&talk->talker);
}

void *talker_run(void *userdata) {
        struct talker talker = { .talk = userdata, .pause_usec = PAUSE_MIN_USEC };

        while (!talk_stops(talker.talk))
                turn(&talker);
        if (talker.connection)
                disconnect(&talker, "closed");
        talk_unref(talker.talk);
        return NULL;
}
