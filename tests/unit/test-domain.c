/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What plugins say of domains, through the daemon's own services: parts, threads, units, events. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/cleanup.h"
#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/plugin-services.h"

#define EPOCH 100000u

static const struct iocore_services *const services = &plugin_services;

struct fixture {
        struct host *host;
        struct plugin_instance instances[2];
        struct iocore_context context, other;
};

static int set_up(void **state) {
        struct fixture *fixture = calloc(1, sizeof *fixture);
        struct topology *topology;
        log_set_max_level(LOG_CRIT);
        assert_non_null(fixture);
        assert_int_equal(topology_new(&topology, "/", "pack:2 numa:1 l3:1 core:2 pu:1", NULL, NULL), 0);
        assert_int_equal(host_new(&fixture->host, topology), 0);
        fixture->context = (struct iocore_context) { .name = "one", .instance = &fixture->instances[0], .host = fixture->host };
        fixture->other = (struct iocore_context) { .name = "other", .instance = &fixture->instances[1], .host = fixture->host };
        *state = fixture;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *fixture = *state;
        host_free(fixture->host);
        free(fixture);
        return 0;
}

static struct domain *add_domain(struct fixture *fixture, const char *name, pid_t pid) {
        struct iocore_domain *pub = services->domain_add(&fixture->context, name);
        assert_non_null(pub);
        pub->pid = pid;
        return host_domain(fixture->host, name);
}

static void epoch(struct fixture *fixture) {
        host_begin_epoch(fixture->host, fixture->host->now_usec + EPOCH);
        host_derive_workers(fixture->host);
        host_derive(fixture->host);
}

static struct iocore_vcpu vcpu(unsigned id, pid_t tid, const char *cpus, const char *knob) {
        struct iocore_vcpu vcpu = { .id = id, .tid = tid, .cpus = cpus };
        snprintf(vcpu.knob, sizeof vcpu.knob, "%s", knob);
        return vcpu;
}

static struct iocore_iothread iothread(unsigned id, pid_t tid, const char *cpus, const char *knob) {
        struct iocore_iothread iothread = { .id = id, .tid = tid, .cpus = cpus };
        snprintf(iothread.knob, sizeof iothread.knob, "%s", knob);
        return iothread;
}

/* --- parts --- */

static void what_is_said_of_a_domain_is_copied_and_sorted(void **state) {
        struct fixture *fixture = *state;
        struct domain *domain = add_domain(fixture, "web", 100);
        char cpus[] = "0-1,3";
        struct iocore_vcpu vcpus[] = { vcpu(1, 11, cpus, "u.1.1"), vcpu(0, 10, "", "u.1.0") };
        struct iocore_iothread iothreads[] = { iothread(2, 21, cpus, "u.1.2"), iothread(1, 20, NULL, "") };
        struct iocore_domain_device device = { .kind = "disk", .bus = "s\ti", .alias = "evil\033[2J", .backend = "vd\na", .n_queues = 4 };

        assert_int_equal(services->domain_set_vcpus(&fixture->context, &domain->pub, vcpus, 2), 0);
        assert_int_equal(services->domain_set_iothreads(&fixture->context, &domain->pub, iothreads, 2), 0);
        assert_int_equal(services->domain_set_emulator(&fixture->context, &domain->pub, cpus, true, "u.1"), 0);
        assert_int_equal(services->domain_set_devices(&fixture->context, &domain->pub, &device, 1), 0);
        memset(cpus, 'x', sizeof cpus - 1);

        assert_int_equal(domain->n_vcpus, 2);
        assert_true(domain->vcpus[0].pub.id == 0 && domain->vcpus[1].pub.id == 1);
        assert_null(domain->vcpus[0].cpus);
        assert_string_equal(domain->vcpus[0].pub.cpus, "");
        assert_string_equal(domain->vcpus[1].pub.cpus, "0-1,3");
        assert_int_equal(hwloc_bitmap_weight(domain->vcpus[1].cpus), 3);
        assert_string_equal(domain->vcpus[1].pub.knob, "u.1.1");
        assert_int_equal(domain->n_iothreads, 2);
        assert_true(domain->iothreads[0].pub.id == 1 && !domain->iothreads[0].cpus && domain->iothreads[1].pub.tid == 21);
        assert_true(hwloc_bitmap_isset(domain->emulator.cpus, 3) && domain->emulator.by_hand);
        assert_string_equal(domain->emulator.knob, "u.1");
        assert_string_equal(domain->devices[0].alias, "evil?[2J");
        assert_string_equal(domain->devices[0].backend, "vd?a");
        assert_string_equal(domain->devices[0].bus, "s?i");
        assert_int_equal(services->domain_set_emulator(&fixture->context, &domain->pub, "", false, ""), 0);
        assert_null(domain->emulator.cpus);
        assert_int_equal(services->domain_set_vcpus(&fixture->context, &domain->pub, NULL, 0), 0);
        assert_int_equal(domain->n_vcpus, 0);
}

static void what_is_wrong_changes_nothing(void **state) {
        struct fixture *fixture = *state;
        struct domain *domain = add_domain(fixture, "web", 100);
        const struct iocore_vcpu good[] = { vcpu(0, 10, "1", "u.1.0") }, twice[] = { vcpu(4, 10, "1", ""), vcpu(4, 11, "1", "") }, none[] = { vcpu(1, 10, "3,", "") };
        const struct iocore_iothread threads[] = { iothread(1, 10, "1", ""), iothread(1, 11, "1", "") }, backwards[] = { iothread(1, 10, "3-1", "") };

        assert_int_equal(services->domain_set_vcpus(&fixture->context, &domain->pub, good, 1), 0);
        assert_int_equal(services->domain_set_vcpus(&fixture->context, &domain->pub, twice, 2), -EINVAL);
        assert_int_equal(services->domain_set_vcpus(&fixture->context, &domain->pub, none, 1), -EINVAL);
        assert_int_equal(services->domain_set_iothreads(&fixture->context, &domain->pub, threads, 2), -EINVAL);
        assert_int_equal(services->domain_set_iothreads(&fixture->context, &domain->pub, backwards, 1), -EINVAL);
        assert_int_equal(services->domain_set_emulator(&fixture->context, &domain->pub, "all", false, ""), -EINVAL);
        assert_true(domain->n_vcpus == 1 && domain->vcpus[0].pub.tid == 10 && domain->n_iothreads == 0 && !domain->emulator.cpus);
        /* not its own */
        assert_int_equal(services->domain_set_vcpus(&fixture->other, &domain->pub, good, 1), -EINVAL);
        assert_int_equal(services->domain_set_cells(&fixture->other, &domain->pub, NULL, 0), -EINVAL);
        assert_int_equal(services->domain_set_devices(&fixture->other, NULL, NULL, 0), -EINVAL);
        services->domain_event(&fixture->other, &domain->pub, "started", "");
        assert_int_equal(fixture->host->n_events_of[HOST_DOMAIN_EVENT], 0);
}

static void memory_is_kept_by_node_as_long_as_the_cells_are_the_same(void **state) {
        struct fixture *fixture = *state;
        struct domain *domain = add_domain(fixture, "web", 100);
        const struct iocore_cell cells[] = { { 1000, IOCORE_NODE_UNKNOWN }, { 2000, 1 } };
        const uint64_t kib[] = { 300, 700, 5 }; /* the third node has no CPU */

        assert_int_equal(services->node_memory(&fixture->context, 1, 8000, 4000), 0);
        assert_int_equal(services->node_memory(&fixture->context, 2, 1, 1), -EINVAL);
        assert_true(fixture->host->nodes[1].memory_kib == 8000 && fixture->host->nodes[1].memory_free_kib == 4000);

        assert_int_equal(services->domain_memory(&fixture->context, &domain->pub, 0, kib, 3), -EINVAL);
        assert_int_equal(services->domain_set_cells(&fixture->context, &domain->pub, cells, 2), 0);
        assert_null(domain->cells[1].kib_of_node);
        assert_int_equal(services->domain_memory(&fixture->other, &domain->pub, 1, kib, 3), 0);
        assert_int_equal(services->domain_memory(&fixture->context, &domain->pub, 0, kib, 1), 0);
        assert_int_equal(services->domain_memory(&fixture->context, &domain->pub, 2, kib, 3), -EINVAL);
        assert_int_equal(services->domain_memory(&fixture->context, &domain->pub, 0, kib, 5000), -EINVAL);
        assert_true(domain->cells[1].kib_of_node[0] == 300 && domain->cells[1].kib_of_node[1] == 700);
        assert_true(domain->cells[0].kib_of_node[0] == 300 && domain->cells[0].kib_of_node[1] == 0);

        assert_int_equal(services->domain_set_cells(&fixture->context, &domain->pub, cells, 2), 0);
        assert_true(domain->cells[1].kib_of_node && domain->cells[1].kib_of_node[1] == 700 && domain->cells[1].pub.node == 1);
        assert_int_equal(services->domain_set_cells(&fixture->context, &domain->pub, cells, 1), 0);
        assert_null(domain->cells[0].kib_of_node);
}

/* --- whose thread, whose unit --- */

static void a_thread_is_of_a_domain_when_it_can_be_pinned_through_it(void **state) {
        struct fixture *fixture = *state;
        struct domain *web = add_domain(fixture, "web", 100), *db = add_domain(fixture, "db", 200);
        const struct iocore_vcpu vcpus[] = { vcpu(0, 13, "", "u.1.0"), vcpu(1, 11, "", ""), vcpu(2, 0, "", "u.1.2") };
        const struct iocore_iothread iothreads[] = { iothread(1, 12, "", "v.1.1") };

        assert_false(services->thread_is_of_domain(&fixture->context, 13));
        assert_int_equal(services->domain_set_vcpus(&fixture->context, &web->pub, vcpus, 3), 0);
        assert_int_equal(services->domain_set_iothreads(&fixture->context, &db->pub, iothreads, 1), 0);
        assert_true(services->thread_is_of_domain(&fixture->other, 13));
        assert_true(services->thread_is_of_domain(&fixture->other, 12));
        assert_false(services->thread_is_of_domain(&fixture->other, 11)); /* has no knob */
        assert_false(services->thread_is_of_domain(&fixture->other, 0));
        assert_int_equal(services->domain_set_vcpus(&fixture->context, &web->pub, vcpus + 1, 2), 0);
        assert_false(services->thread_is_of_domain(&fixture->other, 13));
        services->domain_remove(&fixture->context, &db->pub);
        assert_false(services->thread_is_of_domain(&fixture->other, 12));
}

static struct unit *add_unit(struct fixture *fixture, const char *id, pid_t owner, const char *domain) {
        struct iocore_unit *pub = services->unit_add(&fixture->other, id);
        assert_non_null(pub);
        pub->owner = owner;
        snprintf(pub->domain, sizeof pub->domain, "%s", domain);
        return host_unit(fixture->host, id);
}

static void a_unit_belongs_to_the_domain_of_its_owners_process_else_of_its_name(void **state) {
        struct fixture *fixture = *state;
        struct domain *web = add_domain(fixture, "web", 100), *db = add_domain(fixture, "db", 200);
        struct unit *by_pid = add_unit(fixture, "d.1", 200, "web"), *by_name = add_unit(fixture, "d.2", 300, "web"), *unknown = add_unit(fixture, "d.3", 300, "cache"),
                    *nameless = add_unit(fixture, "d.4", 400, "");
        epoch(fixture);
        assert_ptr_equal(host_unit_domain(fixture->host, by_pid), db);
        assert_string_equal(host_unit_domain_name(by_pid), "db");
        assert_ptr_equal(host_unit_domain(fixture->host, by_name), web);
        assert_null(host_unit_domain(fixture->host, unknown));
        assert_string_equal(host_unit_domain_name(unknown), "cache");
        assert_string_equal(host_unit_domain_name(nameless), "");

        /* It restarts as another process; another comes; the owner of one becomes known. */
        db->pub.pid = 201;
        add_domain(fixture, "cache", 0);
        web->pub.pid = 300;
        nameless->pub.owner = 201;
        epoch(fixture);
        assert_ptr_equal(host_unit_domain(fixture->host, by_pid), web); /* its name's */
        assert_ptr_equal(host_unit_domain(fixture->host, unknown), web);
        assert_ptr_equal(host_unit_domain(fixture->host, nameless), db);
        web->pub.pid = 0;
        epoch(fixture);
        assert_ptr_equal(host_unit_domain(fixture->host, unknown), host_domain(fixture->host, "cache"));

        services->domain_remove(&fixture->context, &db->pub);
        assert_null(host_unit_domain(fixture->host, nameless));
        epoch(fixture);
        assert_string_equal(host_unit_domain_name(nameless), "");
        snprintf(by_name->pub.domain, sizeof by_name->pub.domain, "cache");
        epoch(fixture);
        assert_ptr_equal(host_unit_domain(fixture->host, by_name), host_domain(fixture->host, "cache"));
}

static void the_queues_of_a_paused_domain_are_idle_and_back_within_an_epoch(void **state) {
        struct fixture *fixture = *state;
        struct domain *web = add_domain(fixture, "web", 100);
        struct unit *unit = add_unit(fixture, "d.1", 100, ""), *another = add_unit(fixture, "d.2", 101, "");
        struct iocore_worker *workers[2] = { services->worker_add(&fixture->other, "t.1"), services->worker_add(&fixture->other, "t.2") };
        unit->pub.worker = workers[0];
        another->pub.worker = workers[1];
        for (int i = 0; i < 12; i++) {
                bool paused = i >= 4 && i < 8;
                web->pub.state = !paused ? IOCORE_DOMAIN_RUNNING : i < 6 ? IOCORE_DOMAIN_PAUSED : IOCORE_DOMAIN_SHUTOFF;
                for (int w = 0; w < 2; w++) {
                        workers[w]->clock += EPOCH;
                        workers[w]->busy += EPOCH / 2;
                }
                epoch(fixture);
                if (i == 0)
                        continue;
                assert_true(unit->rates_valid && unit->load == (paused ? 0 : 0.5));
                assert_true(another->load == 0.5);
                assert_true(host_unit_domain_runs(fixture->host, unit) == !paused);
        }
}

/* --- events --- */

static void different_events_of_a_domain_in_one_epoch_are_all_kept(void **state) {
        struct fixture *fixture = *state;
        struct domain *web = add_domain(fixture, "web", 100), *db = add_domain(fixture, "db", 200);
        static const char *const said[] = { "suspended", "suspended", "resumed", "suspended" };
        host_clear_events(fixture->host);
        for (size_t i = 0; i < ELEMENTSOF(said); i++) {
                services->domain_event(&fixture->context, &web->pub, said[i], "by\tsomebody");
                services->domain_event(&fixture->context, &db->pub, "metadata", "");
        }
        static const char *const kept[][2] = { { "web", "suspended" }, { "db", "metadata" }, { "web", "resumed" }, { "web", "suspended" } };
        assert_int_equal(fixture->host->n_events, ELEMENTSOF(kept));
        for (size_t i = 0; i < ELEMENTSOF(kept); i++) {
                const struct host_event *event = &fixture->host->events[i];
                assert_int_equal(event->kind, HOST_DOMAIN_EVENT);
                assert_string_equal(event->id, kept[i][0]);
                assert_string_equal(event->event, kept[i][1]);
                assert_string_equal(event->detail, strcmp(kept[i][0], "web") == 0 ? "by?somebody" : "");
        }
        host_clear_events(fixture->host);
        services->domain_event(&fixture->context, &web->pub, "suspended", "by\tsomebody");
        assert_int_equal(fixture->host->n_events, 1);
}

static void a_flood_of_events_is_bounded_and_what_is_lost_is_counted(void **state) {
        struct fixture *fixture = *state;
        struct domain *web = add_domain(fixture, "web", 100);
        host_clear_events(fixture->host);
        for (unsigned i = 0; i < 3 * DOMAIN_EVENTS_MAX; i++)
                services->domain_event(&fixture->context, &web->pub, i % 2 ? "resumed" : "suspended", "");
        assert_int_equal(fixture->host->n_events, DOMAIN_EVENTS_MAX);
        assert_int_equal(fixture->host->n_domain_events_lost, 2 * DOMAIN_EVENTS_MAX);
        for (unsigned i = 0; i < DOMAIN_EVENTS_ALL_MAX; i++) {
                char name[32];
                snprintf(name, sizeof name, "vm-%u", i);
                services->domain_event(&fixture->context, &add_domain(fixture, name, 0)->pub, "started", "booted");
        }
        assert_int_equal(fixture->host->n_events_of[HOST_DOMAIN_EVENT], DOMAIN_EVENTS_ALL_MAX);
        assert_int_equal(fixture->host->n_domain_events_lost, 3 * DOMAIN_EVENTS_MAX);
        host_clear_events(fixture->host);
        assert_int_equal(fixture->host->n_domain_events_lost, 0);
        services->domain_event(&fixture->context, &web->pub, "suspended", "");
        assert_int_equal(fixture->host->n_events, 1);
}

static void where_memory_is_is_forgotten_when_nodes_come(void **state) {
        struct fixture *fixture = *state;
        struct domain *domain = add_domain(fixture, "web", 100);
        const struct iocore_cell cell = { .memory_kib = 1024, .node = IOCORE_NODE_UNKNOWN };
        const uint64_t kib[] = { 1, 2, 3, 4 };
        _cleanup_(topology_freep) struct topology *fresh = NULL;

        assert_int_equal(services->domain_set_cells(&fixture->context, &domain->pub, &cell, 1), 0);
        assert_int_equal(services->domain_memory(&fixture->context, &domain->pub, 0, kib, 2), 0);
        assert_int_equal(services->domain_memory_rest(&fixture->context, &domain->pub, kib, 2), 0);
        assert_int_equal(topology_new(&fresh, "/", "pack:4 numa:1 l3:1 core:1 pu:1", NULL, NULL), 0);
        assert_int_equal(host_refresh_topology(fixture->host, fresh), 0);
        assert_int_equal(fixture->host->n_nodes, 4);
        assert_null(domain->cells[0].kib_of_node);
        assert_null(domain->rest_kib_of_node);
        assert_int_equal(services->domain_memory(&fixture->context, &domain->pub, 0, kib, 4), 0);
        assert_int_equal(services->domain_memory_rest(&fixture->context, &domain->pub, kib, 4), 0);
        assert_int_equal(domain->cells[0].kib_of_node[3], 4);
        assert_int_equal(domain->rest_kib_of_node[3], 4);
}

static void what_a_plugin_logs_is_one_line_that_a_terminal_may_show(void **state) {
        struct fixture *fixture = *state;
        char line[256] = "";
        int before = dup(STDERR_FILENO);
        FILE *file = tmpfile();

        assert_true(before >= 0 && file);
        fflush(stderr);
        assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
        log_set_max_level(LOG_NOTICE);
        services->log(&fixture->context, LOG_NOTICE, "domain %s", "a\033]0;b\007\nc\xc2\x9b" "31m\xff \xc3\xa9");
        fflush(stderr);
        log_set_max_level(LOG_CRIT);
        assert_true(dup2(before, STDERR_FILENO) >= 0);
        close(before);
        rewind(file);
        size_t n = fread(line, 1, sizeof line - 1, file);
        fclose(file);
        line[n] = '\0';
        assert_non_null(strstr(line, "plugin one: domain a?]0;b??c?31m? \xc3\xa9\n"));
        assert_ptr_equal(strchr(line, '\n'), line + n - 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(what_is_said_of_a_domain_is_copied_and_sorted),
                TEST(what_is_wrong_changes_nothing),
                TEST(memory_is_kept_by_node_as_long_as_the_cells_are_the_same),
                TEST(a_thread_is_of_a_domain_when_it_can_be_pinned_through_it),
                TEST(a_unit_belongs_to_the_domain_of_its_owners_process_else_of_its_name),
                TEST(the_queues_of_a_paused_domain_are_idle_and_back_within_an_epoch),
                TEST(different_events_of_a_domain_in_one_epoch_are_all_kept),
                TEST(a_flood_of_events_is_bounded_and_what_is_lost_is_counted),
                TEST(where_memory_is_is_forgotten_when_nodes_come),
                TEST(what_a_plugin_logs_is_one_line_that_a_terminal_may_show),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
