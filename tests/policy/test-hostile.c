/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Policies that mean harm, one test each: refused or stopped within a bound of CPU time, while the policy beside it goes on in each epoch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "daemon/cleanup.h"
#include "fixture.h"

#define EPOCHS 3
/* Of CPU time, for all epochs together: the budget of one event takes 10 ms, the net below it 250 ms; the rest is for slow machines under a sanitizer. */
#define SECONDS_MAX 3

static const char good[] = "return policy { on_epoch = function(host, p)\n"
                           "  host:set { knob = 'test.knob', object = 'here', value = host.epoch } end }\n";

struct hostile {
        const char *name;
        const char *prelude; /* before policy {} */
        const char *body;    /* of on_epoch(host, p); NULL: `prelude` is the whole file */
        enum policy_state state;
        const char *error; /* part of the text; NULL: none, the policy lives on without having got anything */
};

#define STOPPED POLICY_STOPPED
#define FAILED POLICY_FAILED
#define LIVES POLICY_LOADED

static const struct hostile table[] = {
        /* what a plain count hook does not stop */
        { "infinite_loop", "", "while true do end", STOPPED, "instruction budget" },
        { "infinite_loop_behind_pcall", "", "while true do pcall(function() while true do end end) end", STOPPED, "instruction budget" },
        { "pcall_of_pcall_of_a_loop", "local function f() while true do end end", "while true do pcall(pcall, f) end", STOPPED, "instruction budget" },
        { "error_swallowed_after_the_budget", "", "pcall(function() while true do end end)", STOPPED, "instruction budget" },
        { "infinite_loop_while_loading", "while true do end", NULL, FAILED, "instruction budget" },
        { "coroutines_are_not_there", "", "coroutine.wrap(function() while true do end end)()", STOPPED, "coroutine" },
        { "infinite_sort_comparator", "", "local t = {} for i = 1, 100 do t[i] = i end table.sort(t, function() while true do end end)", STOPPED, "budget" },
        { "endless_numeric_for", "", "for i = 1, math.huge do end", STOPPED, "instruction budget" },
        { "endless_goto", "", "::again:: goto again", STOPPED, "instruction budget" },
        /* memory */
        { "memory_bomb", "t = {}", "while true do t[#t + 1] = {} end", STOPPED, "" },
        { "memory_bomb_behind_pcall", "t = {}", "while true do pcall(function() while true do t[#t + 1] = {} end end) end", STOPPED, "" },
        { "doubling_string", "", "local s = 'x' while true do s = s .. s end", STOPPED, "memory" },
        { "doubling_string_behind_pcall", "", "while true do pcall(function() local s = 'x' while true do s = s .. s end end) end", STOPPED, "memory" },
        { "string_rep_of_a_gigabyte", "", "string.rep('x', 1000000000)", STOPPED, "too long" },
        { "string_rep_through_the_metatable", "", "local s = ('x'):rep(1000000000)", STOPPED, "too long" },
        { "string_rep_of_nothing_for_ever", "", "local s = (''):rep(3000000000)", STOPPED, "too long" },
        { "string_rep_with_overflow", "", "string.rep('xx', math.maxinteger // 2 + 1)", STOPPED, "too long" },
        { "string_rep_with_a_long_separator", "", "string.rep('', 4096, string.rep('x', 4096))", STOPPED, "too long" },
        { "huge_table_concat", "", "local t = {} for i = 1, 10000 do t[i] = string.rep('x', 1000) end return table.concat(t)", STOPPED, "" },
        { "huge_hash", "", "local t = {} for i = 1, 1e9 do t['k' .. i] = i end", STOPPED, "" },
        { "runaway_recursion", "local function f() return 1 + f() end", "f()", STOPPED, "" },
        { "runaway_recursion_behind_pcall", "local function f() return 1 + f() end", "while true do pcall(f) end", STOPPED, "" },
        { "recursion_through_pcall", "local function f() pcall(f) end", "f() while true do end", STOPPED, "" },
        { "unpack_of_millions", "", "return select('#', table.unpack({}, 1, 10000000))", STOPPED, "too many results" },
        { "unpack_with_overflow", "", "return table.unpack({}, math.mininteger, math.maxinteger)", STOPPED, "too many results" },
        { "huge_format_width", "", "return string.format('%99999d', 1)", STOPPED, "" },
        { "format_of_many_wide_numbers", "", "while true do pcall(string.format, string.rep('%99d', 32), 1) end", STOPPED, "budget" },
        { "endless_garbage", "", "while true do local t = { {}, {}, {} } end", STOPPED, "budget" },
        { "large_arrays_allocated_again_and_again", "", "while true do local t = {} for i = 1, 30000 do t[i] = i end end", STOPPED, "budget" },
        /* one instruction, much work */
        { "comparing_long_strings", "local a, b = ('x'):rep(4095) .. 'a', ('x'):rep(4095) .. 'b'", "while true do local c = a == b end", STOPPED, "budget" },
        { "ordering_long_strings", "local a, b = ('x'):rep(4095) .. 'a', ('x'):rep(4095) .. 'b'", "while true do local c = a < b end", STOPPED, "budget" },
        { "next_over_a_large_empty_table", "local t = {} for i = 1, 16000 do t['k' .. i] = i end for k in pairs(t) do t[k] = nil end",
          "while true do next(t) end", STOPPED, "exceeded" },
        { "insert_at_the_front_of_a_long_list", "local t = {} for i = 1, 30000 do t[i] = i end", "while true do table.insert(t, 1, 0) end", STOPPED, "" },
        { "sorting_a_long_list_again_and_again", "local t = {} for i = 1, 30000 do t[i] = -i end", "while true do table.sort(t) end", STOPPED, "budget" },
        { "finding_in_long_strings", "local a, b = ('x'):rep(4096), ('x'):rep(2000) .. 'y'", "while true do a:find(b) end", STOPPED, "budget" },
        { "reading_long_strings_bytewise", "local a = ('x'):rep(4096)", "while true do a:upper() end", STOPPED, "budget" },
        { "many_arguments_again_and_again", "local t = {} for i = 1, 250 do t[i] = i end", "local function f(...) return f(...) end f(table.unpack(t))", STOPPED, "" },
        { "pathological_pattern", "", "return (('a'):rep(40)):find(('a?'):rep(35) .. ('a'):rep(35))", LIVES, NULL },
        { "patterns_are_not_there", "", "return (('a'):rep(40)):match('a*a*a*b')", STOPPED, "match" },
        { "gsub_is_not_there", "", "return ('a'):gsub('a', 'b')", STOPPED, "gsub" },
        { "gmatch_is_not_there", "", "return string.gmatch('a', 'a')", STOPPED, "gmatch" },
        { "table_move_is_not_there", "", "table.move({}, 1, math.maxinteger, 2)", STOPPED, "move" },
        /* finalizers and metatables */
        { "no_finalizer_can_be_set", "", "setmetatable({}, { __gc = function() while true do end end })", STOPPED, "setmetatable" },
        { "no_metatable_can_be_got", "", "getmetatable('').__index.len = 1", STOPPED, "getmetatable" },
        { "no_raw_access", "", "rawset(_G, 'x', 1)", STOPPED, "rawset" },
        { "closing_without_a_metatable", "", "local x <close> = {}", STOPPED, "non-closable" },
        /* the way out */
        { "io_is_not_there", "", "io.open('/etc/passwd')", STOPPED, "io" },
        { "os_is_not_there", "", "os.execute('true')", STOPPED, "os" },
        { "debug_is_not_there", "", "debug.getregistry()", STOPPED, "debug" },
        { "package_is_not_there", "", "package.loadlib('/lib/x.so', '*')", STOPPED, "package" },
        { "require_is_not_there", "require 'os'", NULL, FAILED, "require" },
        { "load_is_not_there", "", "load('return 1')()", STOPPED, "load" },
        { "loadstring_and_dofile_are_not_there", "assert(loadstring == nil and loadfile == nil) dofile('/etc/passwd')", NULL, FAILED, "dofile" },
        { "collectgarbage_is_not_there", "", "collectgarbage('stop')", STOPPED, "collectgarbage" },
        { "xpcall_is_not_there", "", "xpcall(error, function() while true do end end)", STOPPED, "xpcall" },
        { "string_dump_is_not_there", "", "string.dump(function() end)", STOPPED, "dump" },
        { "random_is_not_there", "", "math.random()", STOPPED, "random" },
        { "global_table_is_the_policies_own", "_G.print = nil", "assert(print == nil) x = 1 assert(_G.x == 1)", LIVES, NULL },
        /* errors of every kind */
        { "syntax_error", "return policy {", NULL, FAILED, "expected" },
        { "error_object_is_a_table", "", "error({})", STOPPED, "error object is a table" },
        { "error_object_is_nil", "", "error(nil)", STOPPED, "error object is a nil" },
        { "error_object_is_a_number", "", "error(42)", STOPPED, "error object is a number" },
        { "error_object_is_a_function", "", "error(print)", STOPPED, "error object is a function" },
        { "error_text_with_escapes", "", "error('\\27[2J\\n\\255', 0)", STOPPED, "?[2J??" },
        { "error_text_of_kilobytes", "", "error(('x'):rep(4000), 0)", STOPPED, "xxx" },
        { "error_while_loading", "error('no')", NULL, FAILED, "no" },
        { "source_nested_too_deeply", "local x = ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((("
          "((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1", NULL, FAILED, "" },
        /* what a file returns and declares */
        { "returns_nothing", "local x = 1", NULL, FAILED, "does not call policy" },
        { "returns_a_number", "return 5", NULL, FAILED, "does not call policy" },
        { "declares_and_returns_a_table", "policy {} return {}", NULL, FAILED, "does not return policy" },
        { "returns_a_function", "policy {} return function() end", NULL, FAILED, "does not return policy" },
        { "declares_twice", "policy {} return policy {}", NULL, FAILED, "already called" },
        { "declares_a_number", "return policy(5)", NULL, FAILED, "table expected" },
        { "handler_is_a_string", "return policy { on_epoch = 'x' }", NULL, FAILED, "not a function" },
        { "unknown_handler", "return policy { on_epohc = print }", NULL, FAILED, "on_epohc" },
        { "declaration_with_a_list", "return policy { 1, 2, 3 }", NULL, FAILED, "no string" },
        { "name_is_a_table", "return policy { name = {} }", NULL, FAILED, "not a string" },
        { "params_is_a_string", "return policy { params = 'x' }", NULL, FAILED, "not a table" },
        { "param_is_a_number", "return policy { params = { x = 1 } }", NULL, FAILED, "not a table" },
        { "param_without_default", "return policy { params = { x = { min = 1 } } }", NULL, FAILED, "no default" },
        { "param_is_nan", "return policy { params = { x = { default = 0/0 } } }", NULL, FAILED, "not finite" },
        { "param_is_infinite", "return policy { params = { x = { default = 1, max = math.huge } } }", NULL, FAILED, "not finite" },
        { "param_outside_its_bounds", "return policy { params = { x = { default = 5, min = 6 } } }", NULL, FAILED, "not within" },
        { "param_with_junk_name", "return policy { params = { ['a b'] = { default = 1 } } }", NULL, FAILED, "not a word" },
        { "param_with_numeric_name", "return policy { params = { { default = 1 } } }", NULL, FAILED, "no string" },
        { "param_with_unknown_key", "return policy { params = { x = { default = 1, mni = 0 } } }", NULL, FAILED, "unknown key" },
        { "param_default_is_a_function", "return policy { params = { x = { default = print } } }", NULL, FAILED, "not a number" },
        { "hundreds_of_params", "local t = {} for i = 1, 500 do t['p' .. i] = { default = 1 } end return policy { params = t }", NULL, FAILED, "more than" },
        { "undeclared_param_is_read", "", "return p.nothing", STOPPED, "nothing" },
        { "param_is_written", "", "p.x = 1", STOPPED, "read-only" },
        { "host_while_loading", "for n in host:nodes() do end", NULL, FAILED, "host" },
        /* objects */
        { "host_is_written", "", "host.epoch = 1", STOPPED, "read-only" },
        { "unknown_field", "", "return host.epohc", STOPPED, "epohc" },
        { "method_on_the_wrong_object", "", "host.node(host:node(0), 1)", STOPPED, "host expected" },
        { "method_on_a_table", "", "host.nodes({})", STOPPED, "expected" },
        { "method_on_nothing", "", "host.units()", STOPPED, "expected" },
        { "iterator_with_junk", "", "local f = host:units() f({}, 5)", STOPPED, "expected" },
        { "iterator_with_junk_control", "", "local f, s = host:units() f(s, host:node(0))", STOPPED, "expected" },
        { "iterator_of_another_kind", "", "local f = host:queues() for q in f, host:node(0) do q.x() end", STOPPED, "" },
        { "filter_with_junk", "", "host:units { min_load = {} }", STOPPED, "not a number" },
        { "filter_with_nan", "", "host:units { min_load = 0/0 }", STOPPED, "not a number" },
        { "filter_with_unknown_key", "", "host:units { polled = true }", STOPPED, "unknown key" },
        { "filter_with_a_list", "", "host:queues { 1 }", STOPPED, "no string" },
        { "unknown_ids_give_nil", "", "assert(host:unit('d.99') == nil and host:queue('') == nil and host:worker('x') == nil and host:domain('y') == nil "
          "and host:node(99) == nil and host:node(-1) == nil and host:core(-1) == nil and host:core(math.maxinteger) == nil and host:core(99999) == nil)", LIVES, NULL },
        { "id_is_a_table", "", "host:unit({})", STOPPED, "string expected" },
        { "cpu_is_a_fraction", "", "host:core(0.5)", STOPPED, "integer" },
        { "address_by_tostring", "", "assert(tostring({}) == 'table' and tostring(print) == 'function' and tostring(host) == 'host ')", LIVES, NULL },
        { "address_by_format", "", "assert(string.format('%s', {}) == 'table') string.format('%p', {})", STOPPED, "not offered" },
        { "address_by_format_with_flags", "", "string.format('%-20.5p', {})", STOPPED, "" },
        /* actions */
        { "flood_of_intents", "", "while true do host:set { knob = 'k', object = 'o', value = 1 } end", STOPPED, "too many intents" },
        { "flood_of_intents_behind_pcall", "", "for i = 1, 2000 do pcall(host.set, host, { knob = 'k', object = 'o', value = 1 }) end", STOPPED, "too many intents" },
        { "intent_before_an_error_does_not_count", "", "host:node(0):grow {} error('x')", STOPPED, "x" },
        { "move_to_a_negative_cpu", "", "host:unit('d.1'):move { to = -1 }", STOPPED, "no such CPU" },
        { "move_to_nan", "", "host:unit('d.1'):move { to = 0/0 }", STOPPED, "no such CPU" },
        { "move_to_a_fraction", "", "host:unit('d.1'):move { to = 1.5 }", STOPPED, "no such CPU" },
        { "move_to_a_cpu_that_is_not_there", "", "host:unit('d.1'):move { to = 4096 }", STOPPED, "no such CPU" },
        { "move_to_a_huge_number", "", "host:unit('d.1'):move { to = 1e300 }", STOPPED, "no such CPU" },
        { "move_to_a_string", "", "host:unit('d.1'):move { to = '1' }", STOPPED, "no such CPU" },
        { "move_to_a_node", "", "host:unit('d.1'):move { to = host:node(0) }", STOPPED, "core expected" },
        { "move_to_nowhere", "", "host:unit('d.1'):move {}", STOPPED, "missing" },
        { "move_without_arguments", "", "host:unit('d.1'):move()", STOPPED, "table expected" },
        { "move_with_unknown_key", "", "host:unit('d.1'):move { to = 1, form = 2 }", STOPPED, "unknown key" },
        { "move_of_a_table", "", "host:unit('d.1').move({}, { to = 1 })", STOPPED, "unit expected" },
        { "move_of_a_node", "", "host:unit('d.1').move(host:node(0), { to = 1 })", STOPPED, "unit expected" },
        { "grow_on_a_cpu_that_is_not_there", "", "host:node(0):grow { cpu = 64 }", STOPPED, "no such CPU" },
        { "evidence_is_nan", "", "host:node(0):grow { evidence = { x = 0/0 } }", STOPPED, "not finite" },
        { "evidence_is_infinite", "", "host:node(0):grow { evidence = { x = -math.huge } }", STOPPED, "not finite" },
        { "evidence_is_a_string", "", "host:node(0):grow { evidence = 'x' }", STOPPED, "not a table" },
        { "evidence_holds_tables", "", "host:node(0):grow { evidence = { x = {} } }", STOPPED, "names and numbers" },
        { "evidence_of_thousands", "", "local t = {} for i = 1, 5000 do t['k' .. i] = i end host:node(0):grow { evidence = t }", STOPPED, "more than" },
        { "reason_is_a_table", "", "host:node(0):grow { reason = {} }", STOPPED, "not a string" },
        { "trial_is_junk", "", "host:node(0):grow { trial = { measure = 'joy', better = 'higher' } }", STOPPED, "measure" },
        { "trial_without_direction", "", "host:node(0):grow { trial = { measure = 'worst_wait' } }", STOPPED, "neither" },
        { "poll_with_a_number", "", "host:queue('vq.1.0'):poll { on = 1 }", STOPPED, "true or false" },
        { "limit_is_negative", "", "host:queue('vq.1.0'):limit { bytes = -5 }", STOPPED, "whole number" },
        { "limit_is_nan", "", "host:queue('vq.1.0'):limit { bytes = 0/0 }", STOPPED, "whole number" },
        { "set_with_a_newline", "", "host:set { knob = 'k', object = 'o', value = '1\\n2' }", STOPPED, "unprintable" },
        { "set_with_a_zero_byte", "", "host:set { knob = 'k\\0x', object = 'o', value = '1' }", STOPPED, "unprintable" },
        { "set_with_a_long_value", "", "host:set { knob = 'k', object = 'o', value = ('x'):rep(300) }", STOPPED, "too long" },
        { "set_of_infinity", "", "host:set { knob = 'k', object = 'o', value = math.huge }", STOPPED, "not finite" },
        { "set_of_a_table", "", "host:set { knob = 'k', object = {}, value = 1 }", STOPPED, "not a string" },
        { "pin_irq_with_junk", "", "host:pin_irq { irq = 5, cpus = '0; rm -rf /' }", STOPPED, "list of CPUs" },
        { "action_that_does_not_exist", "", "return host.can.fly", STOPPED, "no such action" },
        { "log_flood", "", "while true do log('x') end", STOPPED, "budget" },
};

static double cpu_seconds(void) {
        struct timespec now;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static void write_hostile(struct fixture *fixture, const struct hostile *hostile) {
        char source[4096];

        if (hostile->body)
                snprintf(source, sizeof(source), "%s\nreturn policy { on_epoch = function(host, p)\n%s\nend }\n", hostile->prelude, hostile->body);
        else
                snprintf(source, sizeof(source), "%s", hostile->prelude);
        fixture_write(fixture, "50-hostile.lua", source);
}

static void is_contained(void **state) {
        const struct hostile *hostile = *state;
        const struct policy_info *info;
        struct fixture fixture;
        double begin = cpu_seconds();

        fixture_init(&fixture, 2, 4);
        fixture_add_queue(&fixture, "vq.1.0", fixture_add_unit(&fixture, "d.1", 0));
        write_hostile(&fixture, hostile);
        fixture_write(&fixture, "60-good.lua", good);
        fixture_load(&fixture);
        for (unsigned i = 0; i < EPOCHS; i++) {
                assert_int_equal(fixture_epoch(&fixture), 0);
                /* the one of the good policy, and nothing of a policy that was stopped */
                assert_int_equal(fixture.intents.n, 1);
                assert_string_equal(fixture.intents.intents[0].source, "policy:good");
                assert_int_equal(fixture.intents.intents[0].priority, 60);
        }
        info = policy_set_find(fixture.set, "hostile");
        assert_non_null(info);
        if (info->state != hostile->state || !strstr(info->error, hostile->error ? hostile->error : ""))
                print_error("%s: %s, \"%s\"\n", hostile->name, policy_state_to_string(info->state), info->error);
        assert_int_equal(info->state, hostile->state);
        if (hostile->error) {
                assert_non_null(strstr(info->error, hostile->error));
                assert_string_not_equal(info->error, "");
        } else
                assert_string_equal(info->error, "");
        assert_int_equal(fixture.n_stopped, hostile->state == POLICY_STOPPED);
        info = policy_set_find(fixture.set, "good");
        assert_int_equal(info->state, POLICY_LOADED);
        assert_int_equal(info->n_runs, EPOCHS);
        assert_int_equal(info->n_intents, EPOCHS);
        fixture_done(&fixture);
        assert_true(cpu_seconds() - begin < SECONDS_MAX);
}

int main(void) {
        struct CMUnitTest tests[ELEMENTSOF(table)];

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                tests[i] = (struct CMUnitTest) { .name = table[i].name, .test_func = is_contained, .initial_state = (void *) &table[i] };
        return _cmocka_run_group_tests("hostile", tests, ELEMENTSOF(tests), NULL, NULL);
}
