/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole engine with the shipped policies on a made-up stock host, in virtual time: see toy-plugin.h. */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/cleanup.h"
#include "daemon/config.h"
#include "daemon/engine.h"
#include "daemon/log.h"
#include "tests/lib/call-counts.h"
#include "toy-plugin.h"

#define EPOCH_USEC 100000u
#define EVENTS_MAX 512

struct event {
        char kind[32], object[IOCORE_NAME_MAX], text[IOCORE_REASON_MAX];
        uint64_t usec;
};

struct fixture {
        char root[64];
        struct toy toy;
        struct engine *engine;
        struct event events[EVENTS_MAX];
        size_t n_events;
        unsigned n_failed;  /* decisions */
        uint64_t now;
        bool policies;
        enum foreign_policy foreign;
        uint64_t scan_usec; /* 0: as configured by default */
        enum mode mode;
        bool unknown_option; /* load_another() gives the plugin one */
};

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

static void set_online(struct fixture *fixture, int cpu, bool online) {
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

static void replace(char **string, const char *value) {
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

static struct config *configure(struct fixture *fixture) {
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

static void start(struct fixture *fixture) {
        assert_int_equal(engine_new(&fixture->engine, configure(fixture)), 0);
        struct engine_listener listener = { .userdata = fixture, .decided = on_decided, .event = on_event, .tells_decisions = true };
        engine_set_listener(fixture->engine, &listener);
}

static void stop(struct fixture *fixture) {
        assert_int_equal(engine_restore(fixture->engine, NULL), 0);
        fixture->engine = engine_free(fixture->engine);
}

static void epochs(struct fixture *fixture, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                fixture->now += EPOCH_USEC;
                toy_run(&fixture->toy, EPOCH_USEC);
                engine_epoch(fixture->engine, fixture->now);
        }
}

static struct toy_thread *add_thread(struct fixture *fixture, unsigned i, double demand, int node) {
        fixture->toy.threads[i] = (struct toy_thread) { .exists = true, .mask = 0xff, .demand = demand, .node = node };
        return &fixture->toy.threads[i];
}

static const struct decision *wish(struct fixture *fixture, enum intent_action action, int cpu, const char *object) {
        struct intent intent = { .action = action, .priority = -1, .node = IOCORE_NODE_UNKNOWN, .cpu = cpu, .source = "client:test" };
        snprintf(intent.object, sizeof intent.object, "%s", object);
        const struct decision *decision;
        assert_int_equal(engine_submit(fixture->engine, &intent, &decision), 0);
        return decision;
}

static unsigned n_events(const struct fixture *fixture, const char *kind) {
        unsigned n = 0;
        for (size_t i = 0; i < fixture->n_events; i++)
                n += strcmp(fixture->events[i].kind, kind) == 0;
        return n;
}

static const struct event *last_event(const struct fixture *fixture, const char *kind) {
        for (size_t i = fixture->n_events; i-- > 0;)
                if (strcmp(fixture->events[i].kind, kind) == 0)
                        return &fixture->events[i];
        static const struct event none;
        return &none;
}

static unsigned n_cores(const struct fixture *fixture) {
        unsigned n = 0;
        for (int cpu = 0; cpu < TOY_CPUS; cpu++)
                n += fixture->toy.cores[cpu];
        return n;
}

/* The CPU of a thread that is bound to an I/O core; -1. */
static int core_of(const struct fixture *fixture, unsigned thread) {
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

static int set_up(void **state) {
        return set_up_host(state, false, MODE_ACTIVE);
}

static int set_up_paused(void **state) {
        return set_up_host(state, false, MODE_PAUSED);
}

static int set_up_policies(void **state) {
        return set_up_host(state, true, MODE_ACTIVE);
}

static int tear_down(void **state) {
        struct fixture *fixture = *state;
        engine_free(fixture->engine);
        nftw(fixture->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(fixture);
        return 0;
}

/* --- configuration --- */

static int load_another(void *userdata, struct config **ret, FILE *errors) {
        struct fixture *fixture = userdata;
        (void) errors;
        *ret = configure(fixture);
        (*ret)->epoch_usec = 2 * EPOCH_USEC;
        if (fixture->unknown_option)
                replace(&(*ret)->options[0].key, "tyo");
        return 0;
}

static void an_option_that_no_plugin_knows_refuses_a_start_and_leaves_the_old_configuration_at_a_reload(void **state) {
        struct fixture *fixture = *state;
        _cleanup_free_ char *told = NULL;
        size_t size;
        struct config *config;

        fixture->unknown_option = true;
        assert_int_equal(load_another(fixture, &config, stderr), 0);
        assert_int_equal(engine_new(&fixture->engine, config), -EINVAL);
        config_free(config);

        start(fixture);
        engine_set_loader(fixture->engine, load_another, fixture);
        FILE *errors = open_memstream(&told, &size);
        assert_non_null(errors);
        uint64_t before = engine_config(fixture->engine)->epoch_usec;
        assert_int_equal(engine_reload(fixture->engine, errors), -EINVAL);
        fclose(errors);
        assert_string_equal(told, "[plugin.toy] tyo: there is no such key; the plugin has toy\n");
        assert_int_equal(n_events(fixture, "reload-failed"), 1);
        assert_int_equal(engine_config(fixture->engine)->epoch_usec, before);
        fixture->unknown_option = false;
        assert_int_equal(engine_reload(fixture->engine, stderr), 0);
        assert_int_equal(engine_config(fixture->engine)->epoch_usec, 2 * EPOCH_USEC);
        stop(fixture);
}

/* --- announcements, messages --- */

static void plugins_are_asked_what_announced_itself_in_each_epoch_until_they_fail(void **state) {
        struct fixture *fixture = *state;
        fixture->toy.announces = true;
        start(fixture);
        epochs(fixture, 5);
        assert_int_equal(fixture->toy.n_announced, 5);
        unsigned n_scans = fixture->toy.n_scans;
        add_thread(fixture, 3, 0.5, 0);
        epochs(fixture, 1);
        assert_non_null(host_unit(engine_host(fixture->engine), "t.3"));
        assert_int_equal(fixture->toy.n_scans, n_scans);

        fixture->toy.announces = false;
        fixture->toy.announced_error = -ENOBUFS;
        epochs(fixture, 1);
        assert_int_equal(n_events(fixture, "discovery"), 1);
        unsigned n = fixture->toy.n_announced;
        add_thread(fixture, 4, 0.5, 0);
        epochs(fixture, 30);
        assert_int_equal(fixture->toy.n_announced, n);
        assert_int_equal(n_events(fixture, "discovery"), 1);
        assert_non_null(host_unit(engine_host(fixture->engine), "t.4"));
        stop(fixture);
}

static void what_a_plugin_tells_is_one_event_until_it_is_over(void **state) {
        struct fixture *fixture = *state;
        fixture->toy.told = "bound by hand to CPU 3";
        start(fixture);
        epochs(fixture, 50);
        assert_int_equal(n_events(fixture, "not-isolated"), 1);
        assert_string_equal(last_event(fixture, "not-isolated")->object, "toy");
        assert_string_equal(last_event(fixture, "not-isolated")->text, "bound by hand to CPU 3");
        fixture->toy.told = "";
        epochs(fixture, 50);
        assert_int_equal(n_events(fixture, "not-isolated"), 2);
        assert_string_equal(last_event(fixture, "not-isolated")->text, "");
        stop(fixture);
}

/* --- reservation --- */

static void guests_leave_an_io_core_and_get_it_back(void **state) {
        struct fixture *fixture = *state;
        start(fixture);
        epochs(fixture, 3);
        assert_int_equal(fixture->toy.n_writes, 0);
        assert_int_equal(wish(fixture, INTENT_GROW, 3, "")->verdict, VERDICT_DONE);
        assert_int_equal(fixture->toy.guests[0], 0xf7);
        assert_int_equal(fixture->toy.guests[TOY_GUESTS - 1], 0xf7);
        assert_int_equal(n_events(fixture, "reserved"), 1);
        assert_string_equal(last_event(fixture, "reserved")->object, "3");
        assert_string_equal(last_event(fixture, "reserved")->text, "12 knobs set: 12 toy.cpus; keep off CPUs 3");
        /* What somebody else gives it again is theirs, wherever that is looked at. */
        fixture->toy.guests[1] = 0xff;
        epochs(fixture, 11);
        assert_int_equal(fixture->toy.guests[1], 0xff);
        assert_int_equal(n_events(fixture, "foreign-change"), fixture->mode == MODE_ACTIVE);
        assert_int_equal(wish(fixture, INTENT_SHRINK, 3, "")->verdict, VERDICT_DONE);
        for (int i = 0; i < TOY_GUESTS; i++)
                assert_int_equal(fixture->toy.guests[i], 0xff);
        stop(fixture);
        for (int i = 0; i < TOY_GUESTS; i++)
                assert_int_equal(fixture->toy.guests[i], 0xff);
}

static void observing_changes_nothing(void **state) {
        struct fixture *fixture = *state;
        fixture->mode = MODE_OBSERVE;
        fixture->toy.guests[1] = 0x0f; /* toy would have it otherwise */
        add_thread(fixture, 0, 0.9, 0);
        start(fixture);
        epochs(fixture, 50);
        assert_int_equal(wish(fixture, INTENT_GROW, 3, "")->verdict, VERDICT_WOULD);
        epochs(fixture, 50);
        assert_int_equal(fixture->toy.n_writes, 0);
        assert_int_equal(fixture->toy.n_reserved, 0);
        stop(fixture);
}

static void without_rights_nothing_is_changed_and_no_other_mode_taken(void **state) {
        struct fixture *fixture = *state;
        fixture->toy.rights = "without CAP_TOY nothing can be set";
        add_thread(fixture, 0, 0.9, 0);
        start(fixture);
        assert_int_equal(engine_mode(fixture->engine), MODE_OBSERVE);
        assert_string_equal(engine_no_rights(fixture->engine), fixture->toy.rights);
        assert_int_equal(engine_set_mode(fixture->engine, MODE_ACTIVE, "client:test"), -EPERM);
        assert_int_equal(engine_set_mode(fixture->engine, MODE_PAUSED, "client:test"), -EPERM);
        assert_int_equal(engine_set_mode(fixture->engine, MODE_OBSERVE, "client:test"), 0);
        epochs(fixture, 50);
        assert_int_equal(fixture->toy.n_writes, 0);
        assert_int_equal(fixture->n_failed, 0);
        stop(fixture);
}

/* --- somebody else --- */

static void a_foreign_taskset_on_a_worker_is_noticed_without_a_write_and_left_alone(void **state) {
        struct fixture *fixture = *state;
        struct toy_thread *thread = add_thread(fixture, 0, 0.9, 0);
        add_thread(fixture, 1, 0.3, 0);
        start(fixture);
        epochs(fixture, 30);
        assert_true(core_of(fixture, 0) >= 0);
        unsigned n_writes = fixture->toy.n_writes;
        thread->mask = 0x30;
        epochs(fixture, 11); /* a scan is within */
        assert_int_equal(fixture->toy.n_writes, n_writes);
        assert_int_equal(n_events(fixture, "foreign-change"), 1);
        assert_string_equal(last_event(fixture, "foreign-change")->object, "t.0");
        assert_int_equal(host_unit(engine_host(fixture->engine), "t.0")->state, OBJECT_MANUAL);
        assert_string_equal(wish(fixture, INTENT_MOVE, core_of(fixture, 1), "t.0")->rule, "manual");
        epochs(fixture, 600);
        assert_int_equal(thread->mask, 0x30);
        assert_int_equal(n_events(fixture, "foreign-change"), 1);
        stop(fixture);
        assert_int_equal(thread->mask, 0x30);
        assert_int_equal(fixture->toy.threads[1].mask, 0xff);
}

static void a_foreign_change_may_be_contested(void **state) {
        struct fixture *fixture = *state;
        struct toy_thread *thread = add_thread(fixture, 0, 0.9, 0);
        fixture->foreign = FOREIGN_CONTEST;
        start(fixture);
        epochs(fixture, 30);
        int cpu = core_of(fixture, 0);
        assert_true(cpu >= 0);
        thread->mask = 0x30;
        epochs(fixture, 11);
        assert_int_equal(core_of(fixture, 0), cpu);
        assert_int_equal(host_unit(engine_host(fixture->engine), "t.0")->state, OBJECT_ACTIVE);
        assert_int_equal(n_events(fixture, "foreign-change"), 1);
        stop(fixture);
        assert_int_equal(thread->mask, 0xff);
}

static void a_foreign_change_may_be_adopted(void **state) {
        struct fixture *fixture = *state;
        struct toy_thread *thread = add_thread(fixture, 0, 0.9, 0);
        fixture->foreign = FOREIGN_ADOPT;
        start(fixture);
        epochs(fixture, 30);
        thread->mask = 0x30;
        epochs(fixture, 60);
        assert_true(core_of(fixture, 0) >= 0); /* from there, as from anywhere else */
        assert_int_equal(n_events(fixture, "foreign-change"), 1);
        stop(fixture);
        assert_int_equal(thread->mask, 0x30);
}

/* Found when it is to be set, or told by the plugin: the plugin hears what is made of it, and it is one event. */
static void check_guest(struct fixture *fixture, enum foreign_policy policy, enum iocore_foreign what, bool told) {
        fixture->foreign = policy;
        start(fixture);
        epochs(fixture, 3);
        assert_int_equal(wish(fixture, INTENT_GROW, 3, "")->verdict, VERDICT_DONE);
        fixture->toy.guests[1] = 0x0f;
        if (told)
                fixture->toy.changed = "g.1";
        for (int i = 0; i < 11 && fixture->toy.n_foreign == 0; i++)
                epochs(fixture, 1);
        assert_int_equal(fixture->toy.n_foreign, 1);
        assert_int_equal(fixture->toy.foreign, what);
        assert_string_equal(fixture->toy.foreign_object, "g.1");
        /* What was asked for without knowing of it is not set when it is adopted. */
        if (!told || policy == FOREIGN_MANUAL)
                assert_int_equal(fixture->toy.guests[1], policy == FOREIGN_CONTEST ? 0xf7 : 0x0f);
        epochs(fixture, 22);
        assert_int_equal(fixture->toy.guests[1], policy == FOREIGN_MANUAL ? 0x0f : 0xf7);
        assert_int_equal(n_events(fixture, "foreign-change"), 1);
        assert_int_equal(fixture->toy.n_foreign, 1);
        stop(fixture);
        assert_int_equal(fixture->toy.guests[1], policy == FOREIGN_CONTEST ? 0xff : 0x0f);
        assert_int_equal(fixture->toy.guests[0], 0xff);
}

static void a_guest_changed_by_somebody_else_is_theirs(void **state) {
        check_guest(*state, FOREIGN_MANUAL, IOCORE_FOREIGN_MANUAL, false);
}

static void a_guest_changed_by_somebody_else_may_be_adopted(void **state) {
        check_guest(*state, FOREIGN_ADOPT, IOCORE_FOREIGN_ADOPT, false);
}

static void a_guest_changed_by_somebody_else_may_be_contested(void **state) {
        check_guest(*state, FOREIGN_CONTEST, IOCORE_FOREIGN_CONTEST, false);
}

static void what_its_plugin_tells_of_a_guest_is_theirs(void **state) {
        check_guest(*state, FOREIGN_MANUAL, IOCORE_FOREIGN_MANUAL, true);
}

static void what_its_plugin_tells_of_a_guest_may_be_adopted(void **state) {
        check_guest(*state, FOREIGN_ADOPT, IOCORE_FOREIGN_ADOPT, true);
}

static void what_its_plugin_tells_of_a_guest_may_be_contested(void **state) {
        check_guest(*state, FOREIGN_CONTEST, IOCORE_FOREIGN_CONTEST, true);
}

static void a_change_that_cannot_be_undone_now_is_one_event_all_the_same(void **state) {
        struct fixture *fixture = *state;
        fixture->foreign = FOREIGN_CONTEST;
        start(fixture);
        epochs(fixture, 3);
        assert_int_equal(wish(fixture, INTENT_GROW, 3, "")->verdict, VERDICT_DONE);
        fixture->toy.guests[1] = 0x0f;
        fixture->toy.guests_error = -EBUSY;
        epochs(fixture, 100);
        fixture->toy.guests_error = 0;
        epochs(fixture, 200);
        assert_int_equal(fixture->toy.guests[1], 0xf7);
        assert_int_equal(n_events(fixture, "foreign-change"), 1);
        stop(fixture);
        assert_int_equal(fixture->toy.guests[1], 0xff);
}

static void of_many_guests_that_resist_some_are_told_and_of_the_others_how_many(void **state) {
        struct fixture *fixture = *state;
        start(fixture);
        epochs(fixture, 3);
        fixture->toy.guests_error = -EBUSY;
        assert_int_equal(wish(fixture, INTENT_GROW, 3, "")->verdict, VERDICT_DONE);
        assert_int_equal(n_events(fixture, "not-reserved"), 9);
        assert_string_equal(last_event(fixture, "not-reserved")->object, "");
        assert_string_equal(last_event(fixture, "not-reserved")->text, "4 more could not be set");
        /* the same again is not told again, another time has its own bound */
        epochs(fixture, 100);
        assert_int_equal(n_events(fixture, "not-reserved"), 9);
        fixture->toy.guests_error = -EPERM;
        epochs(fixture, 700);
        assert_int_equal(n_events(fixture, "not-reserved"), 18);
        fixture->toy.guests_error = 0;
        stop(fixture);
}

/* --- CPUs that come and go --- */

static void units_of_an_io_core_that_goes_offline_move_and_it_may_serve_again(void **state) {
        struct fixture *fixture = *state;
        for (unsigned i = 0; i < 4; i++)
                add_thread(fixture, i, 0.15, 0);
        start(fixture);
        epochs(fixture, 30);
        int cpu = core_of(fixture, 0);
        assert_true(cpu >= 0);
        assert_int_equal(fixture->toy.guests[0], 0xff & ~(1 << cpu));
        set_online(fixture, cpu, false);
        epochs(fixture, 40);
        assert_false(fixture->toy.cores[cpu]);
        assert_false(host_cpu(engine_host(fixture->engine), cpu)->io_core);
        assert_int_equal(n_events(fixture, "core-offline"), 1);
        assert_int_equal(n_events(fixture, "foreign-change"), 0);
        assert_int_equal(n_cores(fixture), 1);
        for (unsigned i = 0; i < 4; i++) {
                assert_true(core_of(fixture, i) >= 0 && core_of(fixture, i) != cpu);
                assert_int_equal(host_unit(engine_host(fixture->engine), i == 0 ? "t.0" : i == 1 ? "t.1" : i == 2 ? "t.2" : "t.3")->state, OBJECT_ACTIVE);
        }
        assert_int_equal(fixture->n_failed, 0);
        uint64_t n_decisions = engine_statistics(fixture->engine)->decisions;
        epochs(fixture, 100);
        assert_int_equal(engine_statistics(fixture->engine)->decisions, n_decisions); /* no loops */

        set_online(fixture, cpu, true);
        epochs(fixture, 20);
        assert_int_equal(n_events(fixture, "cpu-online"), 1);
        assert_int_equal(wish(fixture, INTENT_GROW, cpu, "")->verdict, VERDICT_DONE);
        stop(fixture);
        for (unsigned i = 0; i < 4; i++)
                assert_int_equal(fixture->toy.threads[i].mask, 0xff);
        assert_int_equal(fixture->toy.guests[0], 0xff);
}

static void units_go_home_when_no_other_core_is_there(void **state) {
        struct fixture *fixture = *state;
        add_thread(fixture, 0, 0.5, 0);
        fixture->toy.threads[0].mask = 0x0f;
        start(fixture);
        epochs(fixture, 3);
        assert_int_equal(wish(fixture, INTENT_GROW, 2, "")->verdict, VERDICT_DONE);
        assert_int_equal(core_of(fixture, 0), 2);
        set_online(fixture, 2, false);
        epochs(fixture, 12);
        assert_int_equal(fixture->toy.threads[0].mask, 0x0f);
        assert_int_equal(n_cores(fixture), 0);
        assert_int_equal(journal_n_entries(engine_journal(fixture->engine)), TOY_GUESTS); /* that keep off an offline CPU */
        stop(fixture);
}

static void a_restore_after_a_crash_knows_the_kernel_s_own_changes(void **state) {
        struct fixture *fixture = *state;
        add_thread(fixture, 0, 0.5, 0);
        fixture->toy.threads[0].mask = 0x0f;
        start(fixture);
        epochs(fixture, 3);
        assert_int_equal(wish(fixture, INTENT_GROW, 2, "")->verdict, VERDICT_DONE);
        fixture->engine = engine_free(fixture->engine); /* without a restore */
        set_online(fixture, 2, false);
        assert_int_equal(fixture->toy.threads[0].mask, 0xff);
        start(fixture);
        assert_int_equal(fixture->toy.threads[0].mask, 0x0f);
        stop(fixture);
}

static void a_cpu_that_was_offline_at_the_start_gets_its_place_when_it_comes(void **state) {
        struct fixture *fixture = *state;
        set_online(fixture, 5, false);
        set_online(fixture, 6, false);
        char path[256];
        snprintf(path, sizeof path, "rm -rf '%s/sys/devices/system/cpu/cpu5/topology' '%s/sys/devices/system/cpu/cpu6/topology'", fixture->root, fixture->root);
        assert_int_equal(system(path), 0);
        start(fixture);
        epochs(fixture, 3);
        const struct host *host = engine_host(fixture->engine);
        const struct cpu *cpu = host_cpu(host, 5);
        assert_int_equal(host->n_cpus, 8);
        assert_false(cpu->topology->online);
        assert_int_equal(cpu->topology->node, IOCORE_NODE_UNKNOWN);
        assert_int_equal(host_node(host, 1)->n_vm_cores, 2);
        assert_string_equal(wish(fixture, INTENT_GROW, 5, "")->rule, "offline-cpu");
        set_online(fixture, 5, true);
        epochs(fixture, 12);
        assert_true(cpu->topology->online);
        assert_int_equal(cpu->topology->node, 1);
        assert_int_equal(cpu->topology->package, 1);
        assert_ptr_equal(cpu->node, host_node(host, 1));
        assert_true(hwloc_bitmap_isset(cpu->topology->siblings, 5));
        assert_int_equal(host_node(host, 1)->n_vm_cores, 3);
        assert_int_equal(wish(fixture, INTENT_GROW, 5, "")->verdict, VERDICT_DONE);
        assert_false(host_cpu(host, 6)->topology->online);
        stop(fixture);
}

/* --- the shipped policies on a stock host --- */

static bool all_on_cores(const struct fixture *fixture) {
        for (unsigned i = 0; i < TOY_THREADS; i++)
                if (fixture->toy.threads[i].exists && core_of(fixture, i) < 0)
                        return false;
        return true;
}

static void all_workers_are_on_io_cores_within_three_epochs_of_appearing(void **state) {
        struct fixture *fixture = *state;
        fixture->toy.announces = true;
        start(fixture);
        epochs(fixture, 20);
        assert_int_equal(n_cores(fixture), 0);
        for (unsigned i = 0; i < 8; i++)
                add_thread(fixture, i, i < 4 ? 0.2 : 0, 0); /* idle ones, too */
        epochs(fixture, 3);
        assert_int_equal(n_cores(fixture), 1);
        assert_true(all_on_cores(fixture));
        stop(fixture);
}

static void a_worker_that_comes_is_placed_in_the_epoch_in_which_it_announces_itself(void **state) {
        struct fixture *fixture = *state;
        fixture->toy.announces = true;
        add_thread(fixture, 0, 0.5, 0);
        start(fixture);
        epochs(fixture, 20);
        assert_true(all_on_cores(fixture));
        for (unsigned i = 1; i < 9; i++) {
                add_thread(fixture, i, i % 2 ? 0.02 : 0, i == 5 ? IOCORE_NODE_UNKNOWN : 0);
                epochs(fixture, 1);
                assert_true(all_on_cores(fixture));
                epochs(fixture, i);
        }
        stop(fixture);
}

static unsigned epochs_until_cores(struct fixture *fixture, unsigned wanted, unsigned at_most) {
        unsigned n = 0;
        while (n_cores(fixture) != wanted && n < at_most) {
                epochs(fixture, 1);
                n++;
        }
        return n;
}

/* Load rises until a core is full. */
static void rise_and_expect_a_second_core(struct fixture *fixture) {
        for (unsigned i = 0; i < 4; i++)
                add_thread(fixture, i, 0.15, 0);
        start(fixture);
        epochs(fixture, 100);
        assert_int_equal(n_cores(fixture), 1);
        for (unsigned i = 0; i < 4; i++)
                fixture->toy.threads[i].demand = 0.4;
        assert_in_range(epochs_until_cores(fixture, 2, 50), 1, 5);
        epochs(fixture, 5);
        int on_first = 0;
        for (unsigned i = 0; i < 4; i++)
                on_first += core_of(fixture, i) == core_of(fixture, 0);
        assert_int_equal(on_first, 2);
}

static void a_full_core_gets_a_second_one_within_five_epochs(void **state) {
        struct fixture *fixture = *state;
        rise_and_expect_a_second_core(fixture);
        stop(fixture);
}

/* On an emulated machine no CPU ever looks full; that others wait for it tells. */
static void a_core_that_never_looks_full_but_is_waited_for_gets_a_second_one_too(void **state) {
        struct fixture *fixture = *state;
        fixture->toy.stolen = 0.2;
        rise_and_expect_a_second_core(fixture);
        stop(fixture);
}

/* One thread cannot be on two CPUs. */
static void a_core_that_one_worker_fills_gets_no_second_one(void **state) {
        struct fixture *fixture = *state;
        add_thread(fixture, 0, 1, 0);
        add_thread(fixture, 1, 0, 0);
        start(fixture);
        epochs(fixture, 200);
        assert_int_equal(n_cores(fixture), 1);
        stop(fixture);
}

/* The most changes of the set of I/O cores within any minute. */
static unsigned most_changes_in_a_minute(const struct fixture *fixture, uint64_t from) {
        unsigned most = 0;
        for (size_t i = 0; i < fixture->n_events; i++) {
                unsigned n = 0;
                for (size_t k = i; k < fixture->n_events && fixture->events[k].usec < fixture->events[i].usec + 60000000; k++)
                        n += strcmp(fixture->events[k].kind, "core-added") == 0 || strcmp(fixture->events[k].kind, "core-removed") == 0;
                if (fixture->events[i].usec >= from && n > most)
                        most = n;
        }
        return most;
}

static double random_share(uint64_t *seed) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        return (double) (*seed >> 40) / (double) (1u << 24);
}

static void when_the_load_falls_back_the_cores_do_so_without_flapping(void **state) {
        struct fixture *fixture = *state;
        const char *given = getenv("IOCORE_SEED");
        uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t) time(NULL);
        printf("# seed %llu\n", (unsigned long long) seed);
        for (unsigned round = 0; round < 4; round++) {
                rise_and_expect_a_second_core(fixture);
                uint64_t fell = fixture->now;
                bool fell_back = false;
                double level = 0.03 + 0.03 * round; /* of each of the four */
                for (unsigned i = 0; i < 3000; i++) {
                        for (unsigned k = 0; k < 4; k++)
                                fixture->toy.threads[k].demand = level * 2 * random_share(&seed) + (random_share(&seed) < 0.03 ? 0.4 : 0);
                        epochs(fixture, 1);
                        fell_back = fell_back || n_cores(fixture) == 1;
                }
                assert_true(fell_back);
                assert_in_range(n_cores(fixture), 1, 2); /* a burst now and then may be worth one */
                assert_in_range(most_changes_in_a_minute(fixture, fell), 1, 2);
                stop(fixture);
                fixture->n_events = 0;
                memset(fixture->toy.threads, 0, sizeof fixture->toy.threads);
        }
}

/* --- when nothing happens --- */

/* With announcements, reserved guests, and in all epochs that bring no scan: a scan is once a second, and plugins may open files then. */
static void measure_steady_epochs(struct fixture *fixture) {
        fixture->toy.announces = true;
        for (unsigned i = 0; i < 8; i++)
                add_thread(fixture, i, 0.15, i % 2);
        start(fixture);
        epochs(fixture, 200);
        assert_int_equal(n_cores(fixture), 2);
        assert_int_not_equal(fixture->toy.guests[0], 0xff);
        memset(&call_counts, 0, sizeof call_counts);
        call_counts.counting = true;
        epochs(fixture, 100);
        call_counts.counting = false;
        printf("# %lu allocations, %lu frees, %lu opens, %lu formatted texts in 100 epochs\n", call_counts.allocations, call_counts.frees, call_counts.opens,
               call_counts.formats);
}

static void a_steady_epoch_allocates_opens_and_formats_nothing(void **state) {
        struct fixture *fixture = *state;
        fixture->scan_usec = 3600000000u;
        measure_steady_epochs(fixture);
        assert_int_equal(call_counts.allocations, 0);
        assert_int_equal(call_counts.frees, 0);
        assert_int_equal(call_counts.opens, 0);
        assert_int_equal(call_counts.closes, 0);
        assert_int_equal(call_counts.formats, 0);
        stop(fixture);
}

/* Looking at the online CPUs and asking for wants is all that the daemon adds to a plugin's scan. */
static void a_scan_of_a_steady_host_allocates_and_opens_nothing_of_the_daemon_s(void **state) {
        struct fixture *fixture = *state;
        measure_steady_epochs(fixture);
        assert_int_equal(call_counts.allocations, 0);
        assert_int_equal(call_counts.frees, 0);
        assert_int_equal(call_counts.opens, 0);
        stop(fixture);
}

/* --- reserved but idle --- */

static void an_idle_io_core_is_told_once_until_it_works_again(void **state) {
        struct fixture *fixture = *state;
        add_thread(fixture, 0, 0, 0);
        fixture->toy.threads[0].unit = NULL;
        start(fixture);
        epochs(fixture, 3);
        assert_int_equal(wish(fixture, INTENT_GROW, 3, "")->verdict, VERDICT_DONE);
        epochs(fixture, 590);
        assert_int_equal(n_events(fixture, "core-idle"), 0);
        epochs(fixture, 600);
        assert_int_equal(n_events(fixture, "core-idle"), 1);
        assert_string_equal(last_event(fixture, "core-idle")->object, "3");
        assert_non_null(strstr(last_event(fixture, "core-idle")->text, "its 1 unit had next to nothing to do"));
        fixture->toy.threads[0].demand = 0.5;
        epochs(fixture, 20);
        assert_int_equal(n_events(fixture, "core-idle"), 2);
        assert_string_equal(last_event(fixture, "core-idle")->text, "");
        fixture->toy.threads[0].exists = false;
        epochs(fixture, 700);
        assert_int_equal(n_events(fixture, "core-idle"), 3);
        assert_non_null(strstr(last_event(fixture, "core-idle")->text, "no unit is on it"));
        stop(fixture);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define TEST_POLICIES(f) cmocka_unit_test_setup_teardown(f, set_up_policies, tear_down)
                TEST(plugins_are_asked_what_announced_itself_in_each_epoch_until_they_fail),
                TEST(what_a_plugin_tells_is_one_event_until_it_is_over),
                TEST(guests_leave_an_io_core_and_get_it_back),
                TEST(an_option_that_no_plugin_knows_refuses_a_start_and_leaves_the_old_configuration_at_a_reload),
                cmocka_unit_test_setup_teardown(guests_leave_an_io_core_and_get_it_back, set_up_paused, tear_down),
                TEST_POLICIES(observing_changes_nothing),
                TEST_POLICIES(without_rights_nothing_is_changed_and_no_other_mode_taken),
                TEST_POLICIES(a_foreign_taskset_on_a_worker_is_noticed_without_a_write_and_left_alone),
                TEST_POLICIES(a_foreign_change_may_be_contested),
                TEST_POLICIES(a_foreign_change_may_be_adopted),
                TEST(a_guest_changed_by_somebody_else_is_theirs),
                TEST(a_guest_changed_by_somebody_else_may_be_adopted),
                TEST(a_guest_changed_by_somebody_else_may_be_contested),
                TEST(what_its_plugin_tells_of_a_guest_is_theirs),
                TEST(what_its_plugin_tells_of_a_guest_may_be_adopted),
                TEST(what_its_plugin_tells_of_a_guest_may_be_contested),
                TEST(a_change_that_cannot_be_undone_now_is_one_event_all_the_same),
                TEST(of_many_guests_that_resist_some_are_told_and_of_the_others_how_many),
                TEST_POLICIES(units_of_an_io_core_that_goes_offline_move_and_it_may_serve_again),
                TEST(units_go_home_when_no_other_core_is_there),
                TEST(a_restore_after_a_crash_knows_the_kernel_s_own_changes),
                TEST(a_cpu_that_was_offline_at_the_start_gets_its_place_when_it_comes),
                TEST_POLICIES(all_workers_are_on_io_cores_within_three_epochs_of_appearing),
                TEST_POLICIES(a_worker_that_comes_is_placed_in_the_epoch_in_which_it_announces_itself),
                TEST_POLICIES(a_full_core_gets_a_second_one_within_five_epochs),
                TEST_POLICIES(a_core_that_never_looks_full_but_is_waited_for_gets_a_second_one_too),
                TEST_POLICIES(a_core_that_one_worker_fills_gets_no_second_one),
                TEST_POLICIES(when_the_load_falls_back_the_cores_do_so_without_flapping),
                TEST_POLICIES(a_steady_epoch_allocates_opens_and_formats_nothing),
                TEST_POLICIES(a_scan_of_a_steady_host_allocates_and_opens_nothing_of_the_daemon_s),
                TEST(an_idle_io_core_is_told_once_until_it_works_again),
        };
        call_counts_begin();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
