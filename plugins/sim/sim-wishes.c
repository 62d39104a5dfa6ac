/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What owners of simulated VMs want: kept with the domain, as long as it is there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "sim.h"

static bool is_one_of(const char *value, const char *const *words, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(value, words[i]) == 0)
                        return true;
        return value[0] == '\0';
}

static bool parse_weight(const char *value, unsigned *ret) {
        size_t length = strlen(value);
        unsigned long weight = length > 0 ? strtoul(value, NULL, 10) : 0;

        if (strspn(value, "0123456789") != length || length > 4 || (length > 0 && (weight < 1 || weight > 1000)))
                return false;
        *ret = (unsigned) weight;
        return true;
}

static bool set_one(struct iocore_domain *domain, const char *key, const char *value) {
        static const char *const policies[] = {"auto", "manual"}, *const classes[] = {"latency", "throughput", "besteffort"},
                                 *const shares[] = {"any", "cgroup", "domain", "none"};

        if (strcmp(key, "policy") == 0 && is_one_of(value, policies, ELEMENTSOF(policies)))
                domain->wish = value[0] == '\0' ? IOCORE_WISH_NONE : value[0] == 'a' ? IOCORE_WISH_AUTO : IOCORE_WISH_MANUAL;
        else if (strcmp(key, "class") == 0 && is_one_of(value, classes, ELEMENTSOF(classes)))
                (void) snprintf(domain->class, sizeof(domain->class), "%s", value);
        else if (strcmp(key, "share-within") == 0 && is_one_of(value, shares, ELEMENTSOF(shares)))
                (void) snprintf(domain->share_within, sizeof(domain->share_within), "%s", value);
        else
                return strcmp(key, "weight") == 0 && parse_weight(value, &domain->weight);
        return true;
}

int sim_domain_wish(void *state, const char *name, const char *attributes, char *ret_reason, size_t size) {
        struct sim *sim = state;
        struct iocore_domain *domain = NULL, wished;
        _cleanup_free_ char *copy = strdup(attributes);
        char *rest = copy, *word;

        for (size_t i = 0; !domain && i < sim->scenario->n_vms; i++)
                if (sim->domains[i] && strcmp(sim->domains[i]->id, name) == 0)
                        domain = sim->domains[i];
        if (!domain || !copy)
                return domain ? -ENOMEM : -ENOENT;
        wished = *domain;
        while ((word = strsep(&rest, " "))) {
                char *equals = strchr(word, '=');

                if (equals)
                        *equals = '\0';
                if (!equals || !set_one(&wished, word, equals + 1)) {
                        (void) snprintf(ret_reason, size, "\"%s%s%s\" is no wish: policy=auto|manual, class=latency|throughput|besteffort, weight=1..1000, "
                                        "share-within=any|cgroup|domain|none", word, equals ? "=" : "", equals ? equals + 1 : "");
                        return -EINVAL;
                }
        }
        *domain = wished;
        sim->services->domain_event(sim->context, domain, "metadata", "");
        return 0;
}
