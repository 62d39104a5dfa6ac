/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "daemon/log.h"
#include "engine-fixture.h"

/* --- a tree with two nodes of four CPUs each --- */

static void put(const char *root, const char *path, const char *text) {
        char name[512];
        snprintf(name, sizeof name, "%s/%s", root, path);
        for (char *slash = name + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                (void) mkdir(name, 0755);
                *slash = '/';
        }
        /* In place: whoever has it open reads what is new, as in /sys. */
        _cleanup_fclose_ FILE *file = fopen(name, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
}

static void put_topology(const struct fixture *fixture) {
        char path[128], text[64];
        size_t n = 0;
        for (int cpu = 0; cpu < TOY_CPUS; cpu++) {
                bool online = fixture->toy.online & 1u << cpu;
                const char *const files[][2] = { { "core_id", "" }, { "physical_package_id", cpu < 4 ? "0\n" : "1\n" },
                                                 { "core_siblings", cpu < 4 ? "0000000f\n" : "000000f0\n" }, { "thread_siblings", "" } };
                if (online)
                        n += (size_t) snprintf(text + n, sizeof text - n, "%s%d", n > 0 ? "," : "", cpu);
                for (size_t i = 0; i < ELEMENTSOF(files) && online; i++) {
                        char value[32];
                        snprintf(value, sizeof value, i == 0 ? "%d\n" : "%08x\n", i == 0 ? cpu % 4 : 1 << cpu);
                        snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/topology/%s", cpu, files[i][0]);
                        put(fixture->root, path, i == 1 || i == 2 ? files[i][1] : value);
                }
        }
        text[n++] = '\n';
        text[n] = '\0';
        put(fixture->root, "sys/devices/system/cpu/online", text);
        put(fixture->root, "sys/devices/system/cpu/present", "0-7\n");
        put(fixture->root, "sys/devices/system/node/online", "0-1\n");
        for (int node = 0; node < 2; node++) {
                snprintf(path, sizeof path, "sys/devices/system/node/node%d/cpumap", node);
                snprintf(text, sizeof text, "%08x\n", fixture->toy.online & (node ? 0xf0 : 0x0f));
                put(fixture->root, path, text);
                snprintf(path, sizeof path, "sys/devices/system/node/node%d/meminfo", node);
                snprintf(text, sizeof text, "Node %d MemTotal:       1000000 kB\n", node);
                put(fixture->root, path, text);
        }
}

void set_online(struct fixture *fixture, int cpu, bool online) {
        toy_set_online(&fixture->toy, cpu, online);
        put_topology(fixture);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void) st, (void) type, (void) ftw;
        return remove(path);
}

/* --- the engine --- */

static void on_event(void *userdata, const char *kind, const char *object, const char *text) {
        struct fixture *fixture = userdata;
        if (fixture->n_events == EVENTS_MAX)
                return;
        struct event *event = &fixture->events[fixture->n_events++];
        event->usec = fixture->now;
        snprintf(event->kind, sizeof event->kind, "%s", kind);
        snprintf(event->object, sizeof event->object, "%s", object);
        snprintf(event->text, sizeof event->text, "%s", text);
}

static void on_decided(void *userdata, const struct decision *decision) {
        struct fixture *fixture = userdata;
        fixture->n_failed += decision->verdict == VERDICT_FAILED;
        if (getenv("VERBOSE"))
                printf("# %.1f s: %s %s: %s\n", (double) fixture->now / 1e6, decision->intent.source, verdict_to_string(decision->verdict), decision->text);
}

static char *copy(const char *text) {
        char *copied = strdup(text);
        assert_non_null(copied);
        return copied;
}

void replace(char **string, const char *value) {
        free(*string);
        *string = copy(value);
}

static void replace_all(char ***strings, const char *value) {
        for (char **i = *strings; i && *i; i++)
                free(*i);
        free(*strings);
        *strings = calloc(2, sizeof **strings);
        assert_non_null(*strings);
        (*strings)[0] = copy(value);
}

struct config *configure(struct fixture *fixture) {
        struct config *config;
        char text[128];
        assert_int_equal(config_new(&config), 0);
        replace(&config->root, fixture->root);
        snprintf(text, sizeof text, "%s/journal", fixture->root);
        replace(&config->journal, text);
        replace(&config->plugin_directory, BUILD_DIR "/tests/unit/.libs");
        replace_all(&config->plugins, "toy");
        snprintf(text, sizeof text, "%s/no-policies", fixture->root);
        replace_all(&config->policy_directories, fixture->policies ? SOURCE_DIR "/policies" : text);
        config->mode = fixture->mode;
        config->foreign_changes = fixture->foreign;
        config->scan_usec = fixture->scan_usec ?: config->scan_usec;
        config->options = calloc(1, sizeof *config->options);
        assert_non_null(config->options);
        snprintf(text, sizeof text, "%p", (void *) &fixture->toy);
        config->options[0] = (struct config_option) { .plugin = copy("toy"), .key = copy("toy"), .value = copy(text) };
        config->n_options = 1;
        return config;
}

void start(struct fixture *fixture) {
        assert_int_equal(engine_new(&fixture->engine, configure(fixture)), 0);
        struct engine_listener listener = { .userdata = fixture, .decided = on_decided, .event = on_event, .tells_decisions = true };
        engine_set_listener(fixture->engine, &listener);
}

void stop(struct fixture *fixture) {
        assert_int_equal(engine_restore(fixture->engine, NULL), 0);
        fixture->engine = engine_free(fixture->engine);
}

void epochs(struct fixture *fixture, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                fixture->now += EPOCH_USEC;
                toy_run(&fixture->toy, EPOCH_USEC);
                engine_epoch(fixture->engine, fixture->now);
        }
}

struct toy_thread *add_thread(struct fixture *fixture, unsigned i, double demand, int node) {
        fixture->toy.threads[i] = (struct toy_thread) { .exists = true, .mask = 0xff, .demand = demand, .node = node };
        return &fixture->toy.threads[i];
}

const struct decision *wish(struct fixture *fixture, enum intent_action action, int cpu, const char *object) {
        struct intent intent = { .action = action, .priority = -1, .node = IOCORE_NODE_UNKNOWN, .cpu = cpu, .source = "client:test" };
        snprintf(intent.object, sizeof intent.object, "%s", object);
        const struct decision *decision;
        assert_int_equal(engine_submit(fixture->engine, &intent, &decision), 0);
        return decision;
}

unsigned n_events(const struct fixture *fixture, const char *kind) {
        unsigned n = 0;
        for (size_t i = 0; i < fixture->n_events; i++)
                n += strcmp(fixture->events[i].kind, kind) == 0;
        return n;
}

const struct event *last_event(const struct fixture *fixture, const char *kind) {
        for (size_t i = fixture->n_events; i-- > 0;)
                if (strcmp(fixture->events[i].kind, kind) == 0)
                        return &fixture->events[i];
        static const struct event none;
        return &none;
}

unsigned n_cores(const struct fixture *fixture) {
        unsigned n = 0;
        for (int cpu = 0; cpu < TOY_CPUS; cpu++)
                n += fixture->toy.cores[cpu];
        return n;
}

int core_of(const struct fixture *fixture, unsigned thread) {
        unsigned mask = fixture->toy.threads[thread].mask;
        int cpu = __builtin_ctz(mask);
        return (mask & (mask - 1)) == 0 && fixture->toy.cores[cpu] ? cpu : -1;
}

static int set_up_host(void **state, bool policies, enum mode mode) {
        struct fixture *fixture = calloc(1, sizeof *fixture);
        log_set_max_level(getenv("VERBOSE") ? LOG_INFO : LOG_CRIT);
        strcpy(fixture->root, "/tmp/test-engine.XXXXXX");
        assert_non_null(mkdtemp(fixture->root));
        fixture->toy.online = 0xff;
        memset(fixture->toy.guests, 0xff, sizeof fixture->toy.guests);
        put_topology(fixture);
        fixture->now = 1000000;
        fixture->policies = policies;
        fixture->mode = mode;
        *state = fixture;
        return 0;
}

int set_up(void **state) {
        return set_up_host(state, false, MODE_ACTIVE);
}

int set_up_paused(void **state) {
        return set_up_host(state, false, MODE_PAUSED);
}

int set_up_policies(void **state) {
        return set_up_host(state, true, MODE_ACTIVE);
}

int tear_down(void **state) {
        struct fixture *fixture = *state;
        engine_free(fixture->engine);
        nftw(fixture->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(fixture);
        return 0;
}
