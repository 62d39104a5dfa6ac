/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What belongs to a domain, and which units and threads are whose. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cpu-list.h"
#include "host.h"
#include "text.h"

/* As many nodes as a kernel can have (MAX_NUMNODES with CONFIG_NODES_SHIFT=10, the most there is). */
#define NODES_MAX 1024

static void bitmap_freep(hwloc_bitmap_t *bitmap) {
        if (*bitmap)
                hwloc_bitmap_free(*bitmap);
}

/* `list` may be NULL: as "". *ret_set is NULL for it. 0, -EINVAL, -ENOMEM. */
static int copy_cpus(const char *list, const char **ret_text, hwloc_bitmap_t *ret_set) {
        _cleanup_free_ char *text = strdup(list ? list : "");
        _cleanup_(bitmap_freep) hwloc_bitmap_t set = NULL;
        if (!text)
                return -ENOMEM;
        if (text[0] != '\0') {
                int r = cpu_list_parse(text, &set);
                if (r < 0)
                        return r == -ENOMEM ? r : -EINVAL;
        }
        *ret_set = TAKE_PTR(set);
        *ret_text = TAKE_PTR(text);
        return 0;
}

/* --- vCPUs */

static void free_vcpus(struct vcpu *vcpus, size_t n) {
        for (size_t i = 0; i < n; i++) {
                free((char *) vcpus[i].pub.cpus);
                bitmap_freep(&vcpus[i].cpus);
        }
        free(vcpus);
}

static int compare_vcpus(const void *a, const void *b) {
        unsigned x = ((const struct vcpu *) a)->pub.id, y = ((const struct vcpu *) b)->pub.id;
        return (x > y) - (x < y);
}

int host_domain_set_vcpus(struct host *host, struct domain *domain, const struct iocore_vcpu *vcpus, size_t n) {
        struct vcpu *copy = calloc(n ? n : 1, sizeof *copy);
        int r = copy ? 0 : -ENOMEM;
        for (size_t i = 0; r == 0 && i < n; i++) {
                copy[i].pub = vcpus[i];
                copy[i].pub.cpus = NULL;
                copy[i].pub.knob[sizeof copy[i].pub.knob - 1] = '\0';
                r = copy_cpus(vcpus[i].cpus, &copy[i].pub.cpus, &copy[i].cpus);
        }
        if (r == 0 && n > 0)
                qsort(copy, n, sizeof *copy, compare_vcpus);
        for (size_t i = 1; r == 0 && i < n; i++)
                if (copy[i].pub.id == copy[i - 1].pub.id)
                        r = -EINVAL;
        if (r < 0) {
                free_vcpus(copy, copy ? n : 0);
                return r;
        }
        free_vcpus(domain->vcpus, domain->n_vcpus);
        domain->vcpus = copy;
        domain->n_vcpus = n;
        host->domain_threads_known = false;
        return 0;
}

/* --- IOThreads */

static void free_iothreads(struct iothread *iothreads, size_t n) {
        for (size_t i = 0; i < n; i++) {
                free((char *) iothreads[i].pub.cpus);
                bitmap_freep(&iothreads[i].cpus);
        }
        free(iothreads);
}

static int compare_iothreads(const void *a, const void *b) {
        unsigned x = ((const struct iothread *) a)->pub.id, y = ((const struct iothread *) b)->pub.id;
        return (x > y) - (x < y);
}

int host_domain_set_iothreads(struct host *host, struct domain *domain, const struct iocore_iothread *iothreads, size_t n) {
        struct iothread *copy = calloc(n ? n : 1, sizeof *copy);
        int r = copy ? 0 : -ENOMEM;
        for (size_t i = 0; r == 0 && i < n; i++) {
                copy[i].pub = iothreads[i];
                copy[i].pub.cpus = NULL;
                copy[i].pub.knob[sizeof copy[i].pub.knob - 1] = '\0';
                r = copy_cpus(iothreads[i].cpus, &copy[i].pub.cpus, &copy[i].cpus);
        }
        if (r == 0 && n > 0)
                qsort(copy, n, sizeof *copy, compare_iothreads);
        for (size_t i = 1; r == 0 && i < n; i++)
                if (copy[i].pub.id == copy[i - 1].pub.id)
                        r = -EINVAL;
        if (r < 0) {
                free_iothreads(copy, copy ? n : 0);
                return r;
        }
        free_iothreads(domain->iothreads, domain->n_iothreads);
        domain->iothreads = copy;
        domain->n_iothreads = n;
        host->domain_threads_known = false;
        host->iothreads_told++;
        return 0;
}

uint64_t host_each_iothread(const struct host *host, uint64_t since,
                            void (*each)(void *userdata, const struct iocore_domain *domain, const struct iocore_iothread *iothread), void *userdata) {
        if (since != host->iothreads_told + 1)
                for (size_t i = 0; i < host->n_domains; i++)
                        for (size_t t = 0; t < host->domains[i]->n_iothreads; t++)
                                each(userdata, &host->domains[i]->pub, &host->domains[i]->iothreads[t].pub);
        return host->iothreads_told + 1;
}

/* --- cells and their memory */

static void free_cells(struct cell *cells, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(cells[i].kib_of_node);
        free(cells);
}

int host_domain_set_cells(struct domain *domain, const struct iocore_cell *cells, size_t n) {
        struct cell *copy = calloc(n ? n : 1, sizeof *copy);
        if (!copy)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                copy[i].pub = cells[i];
                if (n == domain->n_cells)
                        copy[i].kib_of_node = TAKE_PTR(domain->cells[i].kib_of_node);
        }
        free_cells(domain->cells, domain->n_cells);
        domain->cells = copy;
        domain->n_cells = n;
        return 0;
}

/* By the node's place in host.nodes. */
static int set_memory(const struct host *host, struct domain *domain, uint64_t **told, const uint64_t *kib_of_node, size_t n_nodes) {
        if (n_nodes > NODES_MAX)
                return -EINVAL;
        if (!*told)
                *told = calloc(host->n_nodes ? host->n_nodes : 1, sizeof **told);
        if (!*told)
                return -ENOMEM;
        for (size_t i = 0; i < host->n_nodes; i++) {
                int node = host->nodes[i].topology->node;
                (*told)[i] = node >= 0 && (size_t) node < n_nodes ? kib_of_node[node] : 0;
        }
        domain->memory_usec = host->now_usec;
        return 0;
}

int host_domain_set_memory(const struct host *host, struct domain *domain, unsigned cell, const uint64_t *kib_of_node, size_t n_nodes) {
        if (cell >= domain->n_cells)
                return -EINVAL;
        return set_memory(host, domain, &domain->cells[cell].kib_of_node, kib_of_node, n_nodes);
}

int host_domain_set_memory_rest(const struct host *host, struct domain *domain, const uint64_t *kib_of_node, size_t n_nodes) {
        return set_memory(host, domain, &domain->rest_kib_of_node, kib_of_node, n_nodes);
}

void host_domain_forget_memory(struct domain *domain) {
        for (size_t i = 0; i < domain->n_cells; i++) {
                free(domain->cells[i].kib_of_node);
                domain->cells[i].kib_of_node = NULL;
        }
        free(domain->rest_kib_of_node);
        domain->rest_kib_of_node = NULL;
}

int host_node_memory(struct host *host, int number, uint64_t total_kib, uint64_t free_kib) {
        struct node *node = host_node(host, number);
        if (!node)
                return -EINVAL;
        node->memory_kib = total_kib;
        node->memory_free_kib = free_kib < total_kib ? free_kib : total_kib;
        return 0;
}

/* --- devices, emulator */

int host_domain_set_devices(struct domain *domain, const struct iocore_domain_device *devices, size_t n) {
        struct iocore_domain_device *copy = calloc(n ? n : 1, sizeof *copy);
        if (!copy)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                copy[i] = devices[i];
                /* Aliases and names are the owner's words: they end up on terminals. */
                text_copy(copy[i].kind, sizeof copy[i].kind, devices[i].kind, strnlen(devices[i].kind, sizeof devices[i].kind));
                text_copy(copy[i].bus, sizeof copy[i].bus, devices[i].bus, strnlen(devices[i].bus, sizeof devices[i].bus));
                text_copy(copy[i].alias, sizeof copy[i].alias, devices[i].alias, strnlen(devices[i].alias, sizeof devices[i].alias));
                text_copy(copy[i].backend, sizeof copy[i].backend, devices[i].backend, strnlen(devices[i].backend, sizeof devices[i].backend));
        }
        free(domain->devices);
        domain->devices = copy;
        domain->n_devices = n;
        return 0;
}

int host_domain_set_emulator(struct domain *domain, const char *cpus, bool by_hand, const char *knob) {
        _cleanup_(bitmap_freep) hwloc_bitmap_t set = NULL;
        const char *text;
        int r = copy_cpus(cpus, &text, &set);
        if (r < 0)
                return r;
        free((char *) text);
        bitmap_freep(&domain->emulator.cpus);
        domain->emulator.cpus = TAKE_PTR(set);
        domain->emulator.by_hand = by_hand;
        snprintf(domain->emulator.knob, sizeof domain->emulator.knob, "%s", knob ? knob : "");
        return 0;
}

void host_domain_done(struct domain *domain) {
        free_vcpus(domain->vcpus, domain->n_vcpus);
        free_iothreads(domain->iothreads, domain->n_iothreads);
        free_cells(domain->cells, domain->n_cells);
        free(domain->devices);
        free(domain->rest_kib_of_node);
        bitmap_freep(&domain->emulator.cpus);
        domain->rest_kib_of_node = NULL;
        domain->vcpus = NULL;
        domain->iothreads = NULL;
        domain->cells = NULL;
        domain->devices = NULL;
        domain->emulator.cpus = NULL;
        domain->n_vcpus = domain->n_iothreads = domain->n_cells = domain->n_devices = 0;
}

/* --- whose thread is it? */

static int compare_threads(const void *a, const void *b) {
        pid_t x = *(const pid_t *) a, y = *(const pid_t *) b;
        return (x > y) - (x < y);
}

static bool has_thread(pid_t tid, const char *knob) {
        return tid > 0 && knob[0] != '\0';
}

/* False: no memory for it, nothing was changed. */
static bool collect_threads(struct host *host) {
        size_t n = 0;
        for (size_t i = 0; i < host->n_domains; i++)
                n += host->domains[i]->n_vcpus + host->domains[i]->n_iothreads;
        if (n > host->n_domain_threads_allocated) {
                pid_t *grown = reallocarray(host->domain_threads, n, sizeof *grown);
                if (!grown)
                        return false;
                host->domain_threads = grown;
                host->n_domain_threads_allocated = n;
        }
        n = 0;
        for (size_t i = 0; i < host->n_domains; i++) {
                const struct domain *domain = host->domains[i];
                for (size_t v = 0; v < domain->n_vcpus; v++)
                        if (has_thread(domain->vcpus[v].pub.tid, domain->vcpus[v].pub.knob))
                                host->domain_threads[n++] = domain->vcpus[v].pub.tid;
                for (size_t t = 0; t < domain->n_iothreads; t++)
                        if (has_thread(domain->iothreads[t].pub.tid, domain->iothreads[t].pub.knob))
                                host->domain_threads[n++] = domain->iothreads[t].pub.tid;
        }
        if (n > 0)
                qsort(host->domain_threads, n, sizeof *host->domain_threads, compare_threads);
        host->n_domain_threads = n;
        host->domain_threads_known = true;
        return true;
}

bool host_thread_is_of_domain(struct host *host, pid_t tid) {
        if (!host->domain_threads_known && !collect_threads(host))
                return true; /* hands off what is not known, until it is */
        return host->n_domain_threads > 0 &&
               bsearch(&tid, host->domain_threads, host->n_domain_threads, sizeof *host->domain_threads, compare_threads) != NULL;
}

/* --- whose unit is it? */

static int compare_pids(const void *a, const void *b) {
        const struct domain *x = *(struct domain *const *) a, *y = *(struct domain *const *) b;
        if (x->pub.pid != y->pub.pid)
                return x->pub.pid < y->pub.pid ? -1 : 1;
        return id_compare(x->pub.id, y->pub.id);
}

void host_regroup_domains(struct host *host) {
        size_t n = 0;
        for (size_t i = 0; i < host->n_domains; i++)
                if (host->domains[i]->pub.pid > 0)
                        host->domains_by_pid[n++] = host->domains[i];
        if (n > 0)
                qsort(host->domains_by_pid, n, sizeof *host->domains_by_pid, compare_pids);
        host->n_domains_by_pid = n;
        host->domains_regrouped = true;
        host->domain_search++;
}

static struct domain *domain_of_pid(const struct host *host, pid_t pid) {
        size_t low = 0, high = host->n_domains_by_pid;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (host->domains_by_pid[middle]->pub.pid < pid)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < host->n_domains_by_pid && host->domains_by_pid[low]->pub.pid == pid ? host->domains_by_pid[low] : NULL;
}

static bool name_holds(const struct unit *unit) {
        return unit->domain ? strcmp(unit->domain->pub.id, unit->pub.domain) == 0 : unit->pub.domain[0] == '\0';
}

void host_find_unit_domain(const struct host *host, struct unit *unit) {
        if (unit->domain_search == host->domain_search && unit->domain_owner == unit->pub.owner && (unit->domain_by_pid || name_holds(unit)))
                return;
        unit->domain_search = host->domain_search;
        unit->domain_owner = unit->pub.owner;
        unit->domain = unit->pub.owner > 0 ? domain_of_pid(host, unit->pub.owner) : NULL;
        unit->domain_by_pid = unit->domain != NULL;
        if (!unit->domain && unit->pub.domain[0] != '\0')
                unit->domain = host_domain(host, unit->pub.domain);
}

const struct domain *host_unit_domain(const struct host *host, const struct unit *unit) {
        if (unit->domain && (unit->domain_by_pid || name_holds(unit)))
                return unit->domain;
        return unit->pub.domain[0] != '\0' && host->n_domains > 0 ? host_domain(host, unit->pub.domain) : NULL;
}

const char *host_unit_domain_name(const struct unit *unit) {
        return unit->domain ? unit->domain->pub.id : unit->pub.domain;
}

bool host_unit_domain_runs(const struct host *host, const struct unit *unit) {
        const struct domain *domain = host_unit_domain(host, unit);
        return !domain || domain->pub.state == IOCORE_DOMAIN_RUNNING;
}
