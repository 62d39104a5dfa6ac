/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What came, went or happened since the last epoch. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "text.h"

static int event_append(struct host *host, enum host_event_kind kind, const char *id) {
        if (host->n_events == host->events_allocated) {
                size_t allocated = host->events_allocated == 0 ? 16 : 2 * host->events_allocated;
                struct host_event *events = reallocarray(host->events, allocated, sizeof *events);
                if (!events)
                        return -ENOMEM;
                host->events = events;
                host->events_allocated = allocated;
        }
        struct host_event *event = &host->events[host->n_events++];
        *event = (struct host_event) { .kind = kind };
        snprintf(event->id, sizeof event->id, "%s", id);
        host->n_events_of[kind]++;
        return 0;
}

/* What came cannot come again unless it went. So when only one of both happens, as with the first scan of a large host, no event needs to be searched for. */
int host_event_tell(struct host *host, enum host_event_kind kind, const char *id) {
        static const enum host_event_kind opposite[] = {
                [HOST_DEVICE_ADDED] = HOST_DEVICE_REMOVED, [HOST_DEVICE_REMOVED] = HOST_DEVICE_ADDED, [HOST_CORE_ADDED] = HOST_CORE_REMOVED,
                [HOST_CORE_REMOVED] = HOST_CORE_ADDED,     [HOST_DOMAIN_ADDED] = HOST_DOMAIN_REMOVED, [HOST_DOMAIN_REMOVED] = HOST_DOMAIN_ADDED,
        };
        return host->n_events_of[opposite[kind]] == 0 ? event_append(host, kind, id) : host_event_add(host, kind, id);
}

int host_event_add(struct host *host, enum host_event_kind kind, const char *id) {
        for (size_t i = host->n_events; i-- > 0;)
                if (host->events[i].kind == kind && strcmp(host->events[i].id, id) == 0)
                        return 0;
        return event_append(host, kind, id);
}

int host_domain_event(struct host *host, struct domain *domain, const char *event, const char *detail) {
        struct host_event told;
        text_copy(told.event, sizeof told.event, event, strlen(event));
        text_copy(told.detail, sizeof told.detail, detail, strlen(detail));
        if (domain->events_turn != host->events_turn) {
                domain->events_turn = host->events_turn;
                domain->n_events = 0;
        }
        if (domain->n_events == DOMAIN_EVENTS_MAX || host->n_events_of[HOST_DOMAIN_EVENT] == DOMAIN_EVENTS_ALL_MAX) {
                host->n_domain_events_lost++;
                return -ENOBUFS;
        }
        if (domain->n_events > 0) {
                const struct host_event *last = &host->events[domain->last_event];
                if (strcmp(last->event, told.event) == 0 && strcmp(last->detail, told.detail) == 0)
                        return 0;
        }
        int r = event_append(host, HOST_DOMAIN_EVENT, domain->pub.id);
        if (r < 0) {
                host->n_domain_events_lost++;
                return r;
        }
        domain->last_event = host->n_events - 1;
        domain->n_events++;
        struct host_event *appended = &host->events[domain->last_event];
        memcpy(appended->event, told.event, sizeof appended->event);
        memcpy(appended->detail, told.detail, sizeof appended->detail);
        return 0;
}

void host_clear_events(struct host *host) {
        host->n_events = 0;
        memset(host->n_events_of, 0, sizeof host->n_events_of);
        host->events_turn++;
        host->n_domain_events_lost = 0;
}
