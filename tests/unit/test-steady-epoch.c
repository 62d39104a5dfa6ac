/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A whole epoch of the engine with the plugins and policies that are shipped, once nothing new happens: it opens nothing, allocates nothing, formats nothing. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/config.h"
#include "daemon/engine.h"
#include "daemon/log.h"
#include "tests/bench/vhost-tree.h"
#include "tests/lib/call-counts.h"

#define EPOCH_USEC 100000u
/* Averages, and what Lua keeps, have settled; a policy that reacts to the first load has done so, and its hold time is over. */
#define WARM_UP_EPOCHS 200
#define MEASURED_EPOCHS 100

/* --- the engine on a host of plain files */

static char *copy(const char *text) {
        char *copied = strdup(text);
        assert_non_null(copied);
        return copied;
}

static void replace(char **string, const char *value) {
        free(*string);
        *string = copy(value);
}

static struct config *make_config(const struct tree *tree) {
        struct config *config;
        char text[PATH_MAX + 32];
        assert_int_equal(config_new(&config), 0);
        replace(&config->root, tree->root);
        snprintf(text, sizeof text, "%s/journal", tree->root);
        replace(&config->journal, text);
        replace(&config->plugin_directory, BUILD_DIR "/.libs");
        snprintf(text, sizeof text, "pack:2 numa:1 core:%u pu:1", tree->n_workers);
        replace(&config->topology_synthetic, text);
        for (char **i = config->policy_directories; i && *i; i++)
                free(*i);
        free(config->policy_directories);
        config->policy_directories = calloc(2, sizeof *config->policy_directories);
        assert_non_null(config->policy_directories);
        config->policy_directories[0] = copy(SOURCE_DIR "/policies");
        return config;
}

static unsigned long sampled_queues(const struct engine *engine) {
        const struct host *host = engine_host(engine);
        unsigned long n = 0;
        for (size_t i = 0; i < host->n_queues; i++)
                n += queue_rates_valid(host, host->queues[i]) && host->queues[i]->load > 0;
        return n;
}

/* Looking for new objects, once a second, may open directories; it is put beyond the end, and looked at on its own. */
static void run(double load, bool busy, bool scans) {
        struct tree tree;
        struct engine *engine;
        uint64_t now = 1000000;
        tree_make(&tree, 8, 32, 128, load);
        struct config *config = make_config(&tree);
        if (!scans)
                config->scan_usec = 3600u * 1000000u;
        assert_int_equal(engine_new(&engine, config), 0);
        assert_int_equal(policy_set_size(engine_policies(engine)), 5);
        for (size_t i = 0; i < 3; i++)
                assert_int_equal(policy_set_info(engine_policies(engine), i)->state, POLICY_LOADED);
        for (unsigned i = 0; i < WARM_UP_EPOCHS + MEASURED_EPOCHS; i++) {
                tree_advance(&tree, busy);
                call_counts.counting = i == 0 || i >= WARM_UP_EPOCHS;
                engine_epoch(engine, now += EPOCH_USEC);
                call_counts.counting = false;
                if (i == 0) {
                        /* The first epoch looks for objects and makes them known: what plugins do is counted, too. */
                        assert_true(call_counts.allocations > 0 && call_counts.opens > 0 && call_counts.formats > 0);
                        memset(&call_counts, 0, sizeof call_counts);
                }
        }
        printf("# %lu allocations, %lu frees, %lu opens, %lu closes, %lu formatted texts in %d epochs, %llu decisions\n", call_counts.allocations, call_counts.frees,
               call_counts.opens, call_counts.closes, call_counts.formats, MEASURED_EPOCHS, (unsigned long long) engine_statistics(engine)->decisions);
        unsigned long queues = sampled_queues(engine);
        engine_free(engine);
        tree_remove(&tree);
        /* queues that were not read cost nothing */
        assert_int_equal(queues, busy ? 128 : 0);
}

static int reset(void **state) {
        (void) state;
        memset(&call_counts, 0, sizeof call_counts);
        return 0;
}

static void assert_nothing_done(void) {
        assert_int_equal(call_counts.allocations, 0);
        assert_int_equal(call_counts.frees, 0);
        assert_int_equal(call_counts.opens, 0);
        assert_int_equal(call_counts.closes, 0);
        assert_int_equal(call_counts.formats, 0);
}

static void the_counters_count(void **state) {
        (void) state;
        char text[16];
        call_counts.counting = true;
        char *volatile pointer = malloc(16);
        int fd = open("/dev/null", O_RDONLY);
        close(fd);
        snprintf(text, sizeof text, "%d", fd);
        free(pointer);
        call_counts.counting = false;
        assert_int_equal(call_counts.allocations, 1);
        assert_int_equal(call_counts.frees, 1);
        assert_int_equal(call_counts.opens, 1);
        assert_int_equal(call_counts.closes, 1);
        assert_int_equal(call_counts.formats, 1);
}

static void busy_epochs_with_all_policies_open_allocate_and_format_nothing(void **state) {
        (void) state;
        run(0.6, true, false);
        assert_nothing_done();
}

static void idle_epochs_with_all_policies_open_allocate_and_format_nothing(void **state) {
        (void) state;
        run(0.6, false, false);
        assert_nothing_done();
}

static void looking_for_new_objects_leaves_nothing_open_or_allocated(void **state) {
        (void) state;
        run(0.6, true, true);
        assert_int_equal(call_counts.allocations, call_counts.frees);
        assert_int_equal(call_counts.opens, call_counts.closes);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(the_counters_count, reset),
                cmocka_unit_test_setup(busy_epochs_with_all_policies_open_allocate_and_format_nothing, reset),
                cmocka_unit_test_setup(idle_epochs_with_all_policies_open_allocate_and_format_nothing, reset),
                cmocka_unit_test_setup(looking_for_new_objects_leaves_nothing_open_or_allocated, reset),
        };
        call_counts_begin();
        log_set_max_level(LOG_WARNING);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
