/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Drop-in files, parameters, reloads; and that a steady epoch allocates nothing. */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/cleanup.h"
#include "daemon/policy/lua-arena.h"
#include "fixture.h"

static const char says[] = "local n = 0\nreturn policy { params = { x = { default = %d, min = 0, max = 100 } },\n"
                           "  on_epoch = function(host, p) n = n + 1 log('%s ' .. p.x .. ' ' .. n) end }";

static void write_says(struct fixture *fixture, const char *base, int x, const char *word) {
        char text[512];

        snprintf(text, sizeof(text), says, x, word);
        fixture_write(fixture, base, text);
}

static enum policy_state state_of(struct fixture *fixture, const char *name) {
        const struct policy_info *info = policy_set_find(fixture->set, name);

        assert_non_null(info);
        return info->state;
}

static void reload(struct fixture *fixture) {
        assert_int_equal(policy_set_reload(fixture->set, NULL, 0), 0);
}

static void files_are_loaded_in_order_of_their_numbers(void **state) {
        struct fixture fixture;
        const struct policy_info *info;

        (void) state;
        fixture_init(&fixture, 1, 2);
        write_says(&fixture, "70-c.lua", 1, "c");
        write_says(&fixture, "05-b.lua", 1, "b");
        write_says(&fixture, "50-a-long-name.lua", 1, "a");
        fixture_load(&fixture);
        assert_int_equal(policy_set_size(fixture.set), 3);
        info = policy_set_info(fixture.set, 0);
        assert_string_equal(info->name, "b");
        assert_int_equal(info->priority, 5);
        info = policy_set_info(fixture.set, 1);
        assert_string_equal(info->name, "a-long-name");
        assert_string_equal(info->file, "50-a-long-name.lua");
        assert_true(strstr(info->path, "/50-a-long-name.lua") != NULL);
        assert_true(info->memory_bytes > 0);
        assert_null(policy_set_info(fixture.set, 3));
        assert_null(policy_set_find(fixture.set, "d"));
        fixture_done(&fixture);
}

static void files_of_other_names_are_told_and_ignored(void **state) {
        struct fixture fixture;

        (void) state;
        fixture_init(&fixture, 1, 2);
        write_says(&fixture, "a.lua", 1, "a");
        write_says(&fixture, "5-a.lua", 1, "a");
        write_says(&fixture, "50-A.lua", 1, "a");
        write_says(&fixture, "50-.lua", 1, "a");
        write_says(&fixture, "50-a.lua.bak", 1, "a");
        write_says(&fixture, ".50-a.lua", 1, "a");
        write_says(&fixture, "50-a b.lua", 1, "a");
        fixture_load(&fixture);
        assert_int_equal(policy_set_size(fixture.set), 0);
        assert_int_equal(fixture.n_logged, 5);
        fixture_remove(&fixture, ".50-a.lua");
        fixture_done(&fixture);
}

/* Two directories; the second is the fixture's own. */
static void load_two(struct fixture *fixture, struct fixture *first) {
        char *directories[] = { first->directory, "/nonexistent/policies.d", fixture->directory, NULL };

        assert_int_equal(policy_set_new(&fixture->set, directories, NULL, NULL, 0, NULL), 0);
}

static void a_later_directory_replaces_and_masks(void **state) {
        struct fixture first, second;
        char path[256];

        (void) state;
        fixture_init(&first, 1, 2);
        fixture_init(&second, 1, 2);
        write_says(&first, "50-a.lua", 1, "a");
        write_says(&first, "50-b.lua", 1, "b");
        write_says(&first, "50-c.lua", 1, "c");
        write_says(&first, "50-d.lua", 1, "d");
        write_says(&second, "50-a.lua", 2, "a");
        fixture_write(&second, "50-b.lua", "");
        snprintf(path, sizeof(path), "%s/50-c.lua", second.directory);
        assert_int_equal(symlink("/dev/null", path), 0);
        load_two(&second, &first);
        assert_int_equal(policy_set_size(second.set), 2);
        assert_true(policy_set_find(second.set, "a")->parameters[0].fallback == 2);
        assert_non_null(policy_set_find(second.set, "d"));
        fixture_done(&second);
        fixture_done(&first);
}

static void a_file_that_others_may_write_is_not_loaded(void **state) {
        struct fixture fixture;
        char path[256];

        (void) state;
        fixture_init(&fixture, 1, 2);
        write_says(&fixture, "50-a.lua", 1, "a");
        write_says(&fixture, "60-b.lua", 1, "b");
        snprintf(path, sizeof(path), "%s/50-a.lua", fixture.directory);
        assert_int_equal(chmod(path, 0666), 0);
        fixture_load(&fixture);
        assert_int_equal(state_of(&fixture, "a"), POLICY_FAILED);
        assert_string_not_equal(policy_set_find(fixture.set, "a")->error, "");
        assert_int_equal(state_of(&fixture, "b"), POLICY_LOADED);
        fixture_done(&fixture);
}

static void a_mask_in_a_directory_that_others_may_write_does_not_count(void **state) {
        struct fixture first, second;

        (void) state;
        fixture_init(&first, 1, 2);
        fixture_init(&second, 1, 2);
        write_says(&first, "50-a.lua", 1, "a");
        fixture_write(&second, "50-a.lua", "");
        assert_int_equal(chmod(second.directory, 0777), 0);
        load_two(&second, &first);
        assert_int_equal(policy_set_size(second.set), 1);
        fixture_done(&second);
        fixture_done(&first);
}

static void bytecode_and_long_sources_are_refused(void **state) {
        static char text[70000];
        struct fixture fixture;

        (void) state;
        fixture_init(&fixture, 1, 2);
        fixture_write_bytes(&fixture, "50-bytecode.lua", "\033Lua\x54\0\x19\x93\r\n\x1a\n", 12);
        memset(text, ' ', sizeof(text) - 1);
        fixture_write(&fixture, "50-long.lua", text);
        fixture_write_bytes(&fixture, "50-zero.lua", "return policy {}\0", 17);
        fixture_load(&fixture);
        assert_int_equal(state_of(&fixture, "bytecode"), POLICY_FAILED);
        assert_non_null(strstr(policy_set_find(fixture.set, "bytecode")->error, "binary"));
        assert_int_equal(state_of(&fixture, "long"), POLICY_FAILED);
        assert_non_null(strstr(policy_set_find(fixture.set, "long")->error, "longer"));
        assert_int_equal(state_of(&fixture, "zero"), POLICY_FAILED);
        fixture_done(&fixture);
}

static void two_files_of_one_name_do_not_both_run(void **state) {
        struct fixture fixture;

        (void) state;
        fixture_init(&fixture, 1, 2);
        write_says(&fixture, "50-a.lua", 1, "first");
        write_says(&fixture, "60-a.lua", 1, "second");
        fixture_load(&fixture);
        assert_int_equal(policy_set_info(fixture.set, 0)->state, POLICY_LOADED);
        assert_int_equal(policy_set_info(fixture.set, 1)->state, POLICY_FAILED);
        fixture_done(&fixture);
}

static void a_reload_that_fails_keeps_the_last_good_version(void **state) {
        struct fixture fixture;

        (void) state;
        fixture_init(&fixture, 1, 2);
        write_says(&fixture, "50-a.lua", 1, "old");
        fixture_load(&fixture);
        fixture_epoch(&fixture);
        fixture_write(&fixture, "50-a.lua", "return policy {");
        reload(&fixture);
        assert_int_equal(state_of(&fixture, "a"), POLICY_LOADED);
        assert_string_not_equal(policy_set_find(fixture.set, "a")->error, "");
        fixture_epoch(&fixture);
        assert_string_equal(fixture.last_log, "a: old 1 2");
        write_says(&fixture, "50-a.lua", 3, "new");
        reload(&fixture);
        assert_string_equal(policy_set_find(fixture.set, "a")->error, "");
        fixture_epoch(&fixture);
        assert_string_equal(fixture.last_log, "a: new 3 1");
        assert_int_equal(fixture.n_stopped, 0);
        fixture_done(&fixture);
}

static void a_reload_without_a_change_keeps_what_the_policy_has_learnt(void **state) {
        struct fixture fixture;

        (void) state;
        fixture_init(&fixture, 1, 2);
        write_says(&fixture, "50-a.lua", 1, "a");
        fixture_load(&fixture);
        fixture_epoch(&fixture);
        reload(&fixture);
        fixture_epoch(&fixture);
        assert_string_equal(fixture.last_log, "a: a 1 2");
        fixture_done(&fixture);
}

static void a_removed_file_ends_its_policy_and_says_so(void **state) {
        struct fixture fixture;

        (void) state;
        fixture_init(&fixture, 1, 2);
        write_says(&fixture, "50-a.lua", 1, "a");
        write_says(&fixture, "60-b.lua", 1, "b");
        fixture_load(&fixture);
        fixture_remove(&fixture, "50-a.lua");
        reload(&fixture);
        assert_string_equal(fixture.stopped, "a: removed; ");
        assert_int_equal(policy_set_size(fixture.set), 1);
        fixture_done(&fixture);
}

static void a_stopped_policy_gets_a_new_chance_by_a_reload(void **state) {
        struct fixture fixture;

        (void) state;
        fixture_init(&fixture, 1, 2);
        fixture_write(&fixture, "50-a.lua", "return policy { params = { x = { default = 1 } }, on_epoch = function(host, p) if host.epoch == 1 then error('once') end log('well') end }");
        fixture_load(&fixture);
        fixture_epoch(&fixture);
        assert_int_equal(state_of(&fixture, "a"), POLICY_STOPPED);
        assert_non_null(strstr(policy_set_find(fixture.set, "a")->error, "once"));
        assert_int_equal(policy_set_find(fixture.set, "a")->n_parameters, 1);
        assert_int_equal(policy_set_parameter(fixture.set, "a", "x", "2"), -ENOENT);
        fixture_epoch(&fixture);
        assert_int_equal(fixture.n_stopped, 1);
        reload(&fixture);
        fixture_epoch(&fixture);
        assert_int_equal(state_of(&fixture, "a"), POLICY_LOADED);
        assert_string_equal(fixture.last_log, "a: well");
        fixture_done(&fixture);
}

static void parameters_are_checked_and_outlive_reloads(void **state) {
        struct fixture fixture;

        (void) state;
        fixture_init(&fixture, 1, 2);
        write_says(&fixture, "50-a.lua", 1, "a");
        fixture_load(&fixture);
        assert_int_equal(policy_set_parameter(fixture.set, "b", "x", "1"), -ENOENT);
        assert_int_equal(policy_set_parameter(fixture.set, "a", "y", "1"), -ENOENT);
        assert_int_equal(policy_set_parameter(fixture.set, "a", "x", "101"), -ERANGE);
        assert_int_equal(policy_set_parameter(fixture.set, "a", "x", "-0.1"), -ERANGE);
        assert_int_equal(policy_set_parameter(fixture.set, "a", "x", ""), -EINVAL);
        assert_int_equal(policy_set_parameter(fixture.set, "a", "x", "1x"), -EINVAL);
        assert_int_equal(policy_set_parameter(fixture.set, "a", "x", "nan"), -EINVAL);
        assert_int_equal(policy_set_parameter(fixture.set, "a", "x", "inf"), -EINVAL);
        assert_int_equal(policy_set_parameter(fixture.set, "a", "x", "42"), 0);
        write_says(&fixture, "50-a.lua", 7, "b");
        reload(&fixture);
        fixture_epoch(&fixture);
        assert_string_equal(fixture.last_log, "a: b 42 1");
        fixture_done(&fixture);
}

static void settings_come_from_the_configuration(void **state) {
        const struct policy_setting settings[] = { { "a", "x", "5" }, { "b", "enabled", "no" }, { "a", "y", "1" }, { "a", "x", "1000" }, { "ghost", "x", "1" } };
        const struct policy_setting others[] = { { "a", "enabled", "off" } };
        struct fixture fixture;

        (void) state;
        fixture_init(&fixture, 1, 2);
        write_says(&fixture, "50-a.lua", 1, "a");
        write_says(&fixture, "60-b.lua", 1, "b");
        fixture_load(&fixture);
        fixture.n_logged = 0;
        assert_int_equal(policy_set_reload(fixture.set, settings, ELEMENTSOF(settings)), 0);
        /* an unknown parameter, a value out of range, an unknown policy */
        assert_int_equal(fixture.n_logged, 3);
        assert_int_equal(state_of(&fixture, "b"), POLICY_DISABLED);
        assert_string_equal(fixture.stopped, "b: disabled; ");
        fixture_epoch(&fixture);
        assert_string_equal(fixture.last_log, "a: a 5 1");
        assert_int_equal(policy_set_reload(fixture.set, others, ELEMENTSOF(others)), 0);
        assert_int_equal(state_of(&fixture, "a"), POLICY_DISABLED);
        assert_int_equal(state_of(&fixture, "b"), POLICY_LOADED);
        fixture_done(&fixture);
}

static void a_policy_can_be_switched_off_and_on(void **state) {
        struct fixture fixture;

        (void) state;
        fixture_init(&fixture, 1, 2);
        write_says(&fixture, "50-a.lua", 1, "a");
        fixture_load(&fixture);
        assert_int_equal(policy_set_enable(fixture.set, "b", false), -ENOENT);
        assert_int_equal(policy_set_enable(fixture.set, "a", false), 0);
        assert_int_equal(policy_set_enable(fixture.set, "a", false), 0);
        assert_string_equal(fixture.stopped, "a: disabled; ");
        fixture_epoch(&fixture);
        assert_int_equal(policy_set_find(fixture.set, "a")->n_runs, 0);
        reload(&fixture);
        assert_int_equal(state_of(&fixture, "a"), POLICY_DISABLED);
        assert_int_equal(policy_set_enable(fixture.set, "a", true), 0);
        fixture_epoch(&fixture);
        assert_int_equal(policy_set_find(fixture.set, "a")->n_runs, 1);
        fixture_done(&fixture);
}

static void limits_of_the_configuration_hold(void **state) {
        const struct policy_limits limits = { .instructions_per_event = 10000, .memory_bytes = 256 * 1024, .intents_per_epoch = 3 };
        struct fixture fixture;
        char *directories[2] = { NULL, NULL };

        (void) state;
        fixture_init(&fixture, 1, 2);
        directories[0] = fixture.directory;
        fixture_write(&fixture, "50-slow.lua", "return policy { on_epoch = function() for i = 1, 20000 do end end }");
        fixture_write(&fixture, "51-large.lua", "local t return policy { on_epoch = function() t = t or {} for i = 1, 100 do t[#t + 1] = ('x'):rep(100) .. #t end end }");
        fixture_write(&fixture, "52-eager.lua", "return policy { on_epoch = function(host) for i = 1, 4 do host:node(0):grow() end end }");
        fixture_write(&fixture, "53-good.lua", "return policy { on_epoch = function(host) for i = 1, 3 do host:node(0):grow() end end }");
        assert_int_equal(policy_set_new(&fixture.set, directories, &limits, NULL, 0, NULL), 0);
        for (unsigned i = 0; i < 50; i++)
                fixture_epoch(&fixture);
        assert_int_equal(fixture.intents.n, 3);
        assert_non_null(strstr(policy_set_find(fixture.set, "slow")->error, "budget"));
        assert_non_null(strstr(policy_set_find(fixture.set, "large")->error, "memory"));
        assert_non_null(strstr(policy_set_find(fixture.set, "eager")->error, "too many intents"));
        assert_int_equal(state_of(&fixture, "good"), POLICY_LOADED);
        fixture_done(&fixture);
}

static void a_steady_epoch_of_the_shipped_policies_allocates_nothing(void **state) {
        struct fixture fixture;
        struct mallinfo2 before, after;

        (void) state;
        fixture_init(&fixture, 2, 8);
        fixture_copy_shipped(&fixture, "50-dynamic-cores.lua");
        fixture_copy_shipped(&fixture, "60-balance.lua");
        fixture_copy_shipped(&fixture, "70-adaptive-polling.lua");
        fixture_load(&fixture);
        for (unsigned i = 0; i < 200; i++) {
                char id[IOCORE_ID_MAX];
                struct unit *unit;
                struct queue *queue;

                snprintf(id, sizeof(id), "d.%u", i);
                unit = fixture_add_unit(&fixture, id, (int) i % 2);
                unit->load = 0.01;
                snprintf(id, sizeof(id), "vq.%u.0", i);
                queue = fixture_add_queue(&fixture, id, unit);
                queue->load = 0.01;
                queue->works_per_second = 100;
        }
        for (unsigned i = 0; i < 200; i++) {
                fixture_epoch(&fixture);
                fixture_carry_out(&fixture);
        }
        before = mallinfo2();
        for (unsigned i = 0; i < 1000; i++)
                fixture_epoch(&fixture);
        after = mallinfo2();
        assert_int_equal(before.uordblks, after.uordblks);
        assert_int_equal(before.hblks, after.hblks);
        for (size_t i = 0; i < 3; i++)
                assert_int_equal(policy_set_info(fixture.set, i)->state, POLICY_LOADED);
        fixture_done(&fixture);
}

/* --- the arena */

struct block {
        unsigned char *bytes, fill;
        size_t size;
};

static bool is_intact(const struct block *block) {
        for (size_t i = 0; i < block->size; i++)
                if (block->bytes[i] != block->fill)
                        return false;
        return true;
}

static void the_arena_keeps_blocks_apart_and_merges_what_is_free(void **state) {
        const char *given = getenv("IOCORE_SEED");
        unsigned seed = given ? (unsigned) strtoul(given, NULL, 10) : 1;
        struct lua_arena *arena = NULL;
        struct block blocks[300] = { 0 };
        void *large;

        (void) state;
        print_message("# seed %u\n", seed);
        assert_int_equal(lua_arena_new(&arena, 100), -EINVAL);
        assert_int_equal(lua_arena_new(&arena, 1024 * 1024), 0);
        for (unsigned i = 0; i < 200000; i++) {
                struct block *block = &blocks[(unsigned) rand_r(&seed) % ELEMENTSOF(blocks)];
                unsigned shape = (unsigned) rand_r(&seed) % 100;
                size_t size = shape < 30 ? 0 : shape < 90 ? (unsigned) rand_r(&seed) % 300 : (unsigned) rand_r(&seed) % 20000;
                unsigned char *bytes;

                assert_true(is_intact(block));
                bytes = lua_arena_resize(arena, block->bytes, size);
                if (!bytes && size > 0) {
                        /* full: the old block is as it was; and smaller always goes */
                        assert_true(size > block->size && is_intact(block));
                        continue;
                }
                assert_int_equal((uintptr_t) bytes % 16, 0);
                for (size_t j = 0; j < size && j < block->size; j++)
                        assert_int_equal(bytes[j], block->fill);
                *block = (struct block) { bytes, (unsigned char) rand_r(&seed), size };
                if (size > 0)
                        memset(bytes, block->fill, size);
        }
        for (size_t i = 0; i < ELEMENTSOF(blocks); i++) {
                assert_true(is_intact(&blocks[i]));
                lua_arena_resize(arena, blocks[i].bytes, 0);
        }
        assert_int_equal(lua_arena_used(arena), 0);
        /* all in one piece again */
        large = lua_arena_resize(arena, NULL, 900 * 1024);
        assert_non_null(large);
        assert_null(lua_arena_resize(arena, NULL, 900 * 1024));
        assert_null(lua_arena_resize(arena, NULL, SIZE_MAX));
        lua_arena_free(arena);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(files_are_loaded_in_order_of_their_numbers),
                cmocka_unit_test(files_of_other_names_are_told_and_ignored),
                cmocka_unit_test(a_later_directory_replaces_and_masks),
                cmocka_unit_test(a_file_that_others_may_write_is_not_loaded),
                cmocka_unit_test(a_mask_in_a_directory_that_others_may_write_does_not_count),
                cmocka_unit_test(bytecode_and_long_sources_are_refused),
                cmocka_unit_test(two_files_of_one_name_do_not_both_run),
                cmocka_unit_test(a_reload_that_fails_keeps_the_last_good_version),
                cmocka_unit_test(a_reload_without_a_change_keeps_what_the_policy_has_learnt),
                cmocka_unit_test(a_removed_file_ends_its_policy_and_says_so),
                cmocka_unit_test(a_stopped_policy_gets_a_new_chance_by_a_reload),
                cmocka_unit_test(parameters_are_checked_and_outlive_reloads),
                cmocka_unit_test(settings_come_from_the_configuration),
                cmocka_unit_test(a_policy_can_be_switched_off_and_on),
                cmocka_unit_test(limits_of_the_configuration_hold),
                cmocka_unit_test(a_steady_epoch_of_the_shipped_policies_allocates_nothing),
                cmocka_unit_test(the_arena_keeps_blocks_apart_and_merges_what_is_free),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
