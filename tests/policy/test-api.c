/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What Lua sees of the model and what becomes of its actions. Most checks are assert() in Lua: a policy that fails one is stopped, and the test says why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/cleanup.h"
#include "fixture.h"

/* Two nodes of 4 CPUs; CPUs 0 and 1 are I/O cores; d.1 (0.5), d.2 (0.25) on CPU 0, d.3 (0.1) on CPU 1, d.10 (0.2) of node 1 on none. */
static void start(struct fixture *fixture, const char *text) {
        static const struct { const char *id; int node, core; double load; } units[] = { { "d.1", 0, 0, 0.5 }, { "d.2", 0, 0, 0.25 }, { "d.3", 0, 1, 0.1 }, { "d.10", 1, -1, 0.2 } };

        fixture_init(fixture, 2, 4);
        fixture_set_core(fixture, 0, true, true);
        fixture_set_core(fixture, 1, true, false);
        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                struct unit *unit = fixture_add_unit(fixture, units[i].id, units[i].node);
                struct queue *queue;
                char id[IOCORE_ID_MAX];

                unit->core = units[i].core;
                unit->load = units[i].load;
                snprintf(id, sizeof(id), "vq.%s.0", units[i].id + 2);
                queue = fixture_add_queue(fixture, id, unit);
                queue->load = units[i].load;
                queue->works_per_second = 1000 * units[i].load;
                queue->pub.poll = i == 0;
        }
        fixture_write(fixture, "50-test.lua", text);
        fixture_load(fixture);
        assert_string_equal(policy_set_find(fixture->set, "test")->error, "");
}

static void epoch(struct fixture *fixture) {
        assert_int_equal(fixture_epoch(fixture), 0);
        if (policy_set_find(fixture->set, "test")->state != POLICY_LOADED)
                fail_msg("%s", policy_set_find(fixture->set, "test")->error);
}

/* Runs one epoch of a policy with this body of on_epoch. */
static void run_body(struct fixture *fixture, const char *body) {
        char text[8192];

        snprintf(text, sizeof(text), "return policy { on_epoch = function(host, p)\n%s\nend }", body);
        start(fixture, text);
        epoch(fixture);
}

static void passes(const char *body) {
        struct fixture fixture;

        run_body(&fixture, body);
        assert_int_equal(fixture.intents.n, 0);
        fixture_done(&fixture);
}

static void every_field_of_a_host_and_its_nodes_can_be_read(void **state) {
        (void) state;
        passes("assert(host.epoch == 1 and math.abs(host.time - 1.1) < 1e-9 and host.n_units == 4 and host.n_queues == 4)\n"
               "local n = host:node(0)\n"
               "assert(n.id == 0 and n.n_units == 3 and n.n_unplaced == 0 and n.unplaced_load == 0)\n"
               "assert(n.io.cores == 2 and math.abs(n.io.load - 0.85) < 1e-9 and math.abs(n.io.idle - 1.15) < 1e-9 and n.io.load_average == n.io.load)\n"
               "assert(n.io.sampled and n.io.busiest.cpu == 0 and n.io.idlest.cpu == 1)\n"
               "assert(n.vm.cores == 2 and n.vm.idle == nil)\n"
               "n = host:node(1)\n"
               "assert(n.io.cores == 0 and n.n_unplaced == 1 and math.abs(n.unplaced_load_average - 0.2) < 1e-9 and n.io.busiest == nil)\n"
               "assert(host:node(0) == host:node(0) and host:node(0) ~= n and n.io == n.io)");
}

static void every_field_of_cores_units_and_queues_can_be_read(void **state) {
        (void) state;
        passes("local c = host:core(0)\n"
               "assert(c.cpu == 0 and c.node == 0 and c.io and c.ours and c.load == 0.75 and c.idle == 0.25 and c.wait == 0 and c.n_units == 2)\n"
               "assert(c.online and not c.isolated and c.package == 0 and c.llc == 0 and c.worker == nil and c.busy == nil and c.sampled)\n"
               "assert(host:core(1).ours == false and host:core(7).io == false and host:core(7).load == 0)\n"
               "local u = host:unit('d.1')\n"
               "assert(u.id == 'd.1' and not u.gone and u.load == 0.5 and u.load_average == 0.5 and u.sampled and u.core == 0 and u.node == 0)\n"
               "assert(u.domain == nil and u.backend == nil and u.worker == nil and u.bytes_per_second == 0 and u.nsec_per_byte == nil and u.manual == false and u.blocked == false)\n"
               "assert(host:unit('d.10').core == nil)\n"
               "local q = host:queue('vq.1.0')\n"
               "assert(q.id == 'vq.1.0' and not q.gone and q.load == 0.5 and q.sampled and q.unit == 'd.1' and q.index == 0 and q.polled and q.can_poll)\n"
               "assert(q.works_per_second == 500 and q.bytes_per_second == 0 and q.packets_per_second == 0 and q.manual == false)\n"
               "assert(q.wait == nil and q.stuck_per_second == nil and q.ring_full_per_second == nil and q.poll_empty_per_second == nil and q.drops_per_second == nil)");
}

static void iterators_visit_each_object_once_in_natural_order(void **state) {
        (void) state;
        passes("local function ids(f, s, c) local t = {} for o in f, s, c do t[#t + 1] = o.id or o.cpu end return table.concat(t, ' ') end\n"
               "assert(ids(host:units()) == 'd.1 d.2 d.3 d.10')\n"
               "assert(ids(host:queues()) == 'vq.1.0 vq.2.0 vq.3.0 vq.10.0')\n"
               "local t = {} for c in host:cores() do t[#t + 1] = c.cpu end assert(table.concat(t, ' ') == '0 1')\n"
               "t = {} for n in host:nodes() do t[#t + 1] = n.id end assert(table.concat(t, ' ') == '0 1')\n"
               "assert(ids(host:node(0):units()) == 'd.1 d.2 d.3' and ids(host:node(1):units()) == 'd.10')\n"
               "assert(ids(host:core(0):units()) == 'd.1 d.2' and ids(host:core(1):queues()) == 'vq.3.0')\n"
               "for c in host:node(1):cores() do error('no core there') end\n"
               "for w in host:workers() do error('no worker there') end for d in host:domains() do error('no domain there') end\n"
               "local pairs_seen = 0 for a in host:units() do for b in host:units() do pairs_seen = pairs_seen + 1 end end assert(pairs_seen == 16)");
}

static void filters_leave_out_what_does_not_match(void **state) {
        (void) state;
        passes("local function ids(f, s, c) local t = {} for o in f, s, c do t[#t + 1] = o.id end return table.concat(t, ' ') end\n"
               "assert(ids(host:units { min_load = 0.2 }) == 'd.1 d.2 d.10' and ids(host:units { max_load = 0.2 }) == 'd.3 d.10')\n"
               "assert(ids(host:units { placed = false }) == 'd.10' and ids(host:node(0):units { placed = false }) == '')\n"
               "assert(ids(host:core(0):units { max_load = 0.3 }) == 'd.2' and ids(host:units { manual = true }) == '')\n"
               "assert(ids(host:queues { polled = true }) == 'vq.1.0' and ids(host:queues { polled = false, min_works = 200 }) == 'vq.2.0 vq.10.0')\n"
               "assert(ids(host:queues { placed = false }) == 'vq.10.0')\n"
               "assert(ids(host:queues { can_poll = false }) == '' and ids(host:queues { max_works = 100 }) == 'vq.3.0')\n"
               "assert(ids(host:queues {}) == 'vq.1.0 vq.2.0 vq.3.0 vq.10.0')");
}

static void an_idle_queue_shows_no_old_rates(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, "return policy { on_epoch = function(host, p)\n"
                        "  local q = host:queue('vq.1.0')\n"
                        "  if host.epoch == 1 then assert(q.load == 0.5) else assert(q.load == 0 and q.load_average == 0 and q.works_per_second == 0 and not q.sampled)\n"
                        "    for x in host:queues { min_load = 0.4 } do error(x.id) end end end }");
        epoch(&fixture);
        fixture.host.queues[0]->n_samples = 1;
        epoch(&fixture);
        fixture_done(&fixture);
}

static void what_a_hand_has_bound_is_manual_and_what_the_host_keeps_away_is_blocked(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, "return policy { on_epoch = function(host, p)\n"
                        "  local function ids(f, s, c) local t = {} for o in f, s, c do t[#t + 1] = o.id end return table.concat(t, ' ') end\n"
                        "  local function word(id) local u = host:unit(id) return tostring(u.manual) .. ' ' .. tostring(u.blocked) end\n"
                        "  assert(word('d.1') == 'true false' and word('d.2') == 'false true' and word('d.3') == 'true false' and word('d.10') == 'false false')\n"
                        "  assert(ids(host:units { manual = true }) == 'd.1 d.3' and ids(host:units { manual = false }) == 'd.2 d.10')\n"
                        "  assert(ids(host:units { blocked = true }) == 'd.2' and ids(host:units { manual = false, blocked = false }) == 'd.10')\n"
                        "  assert(not pcall(host.units, host, { blocked = 1 }) and not pcall(host.queues, host, { blocked = true })) end }");
        fixture.host.units[0]->pub.manual = true;
        fixture.host.units[1]->pub.blocked = true;
        fixture.host.units[2]->state = OBJECT_MANUAL;
        epoch(&fixture);
        fixture_done(&fixture);
}

static void workers_and_domains_can_be_read(void **state) {
        struct worker worker = { .pub = { .id = "w.1", .cpu = -1, .locked = true, .shared = true, .is_default = true }, .n_samples = 2, .load = 0.5, .load_average = 0.4, .wait_share = 0.1, .switches_per_second = 40 };
        struct domain domain = { .pub = { .id = "gäst 1", .state = IOCORE_DOMAIN_PAUSED, .node = 1, .n_vcpus = 3 } };
        struct worker *workers[] = { &worker };
        struct domain *domains[] = { &domain };
        struct fixture fixture;

        (void) state;
        start(&fixture, "return policy { on_epoch = function(host, p)\n"
                        "  local w = host:worker('w.1') local d = host:domain('gäst 1')\n"
                        "  assert(w.id == 'w.1' and w.cpu == nil and w.locked and w.shared and w.default and w.sampled and w.load == 0.5 and w.load_average == 0.4)\n"
                        "  assert(w.wait == 0.1 and w.switches_per_second == 40 and not w.manual and not w.gone)\n"
                        "  assert(d.name == 'gäst 1' and d.state == 'paused' and d.node == 1 and d.vcpus == 3)\n"
                        "  for x in host:workers() do assert(x == w) end for x in host:domains() do assert(x == d) end\n"
                        "  d:pin { cpus = '4-6' } d:bind_memory { node = 1 } end }");
        fixture.host.workers = workers;
        fixture.host.domains = domains;
        fixture.host.n_workers = fixture.host.n_domains = 1;
        epoch(&fixture);
        assert_int_equal(fixture.intents.n, 2);
        assert_int_equal(fixture.intents.intents[0].action, INTENT_PIN);
        assert_string_equal(fixture.intents.intents[0].object, "gäst 1");
        assert_string_equal(fixture.intents.intents[0].value, "4-6");
        assert_int_equal(fixture.intents.intents[1].action, INTENT_BIND_MEMORY);
        assert_string_equal(fixture.intents.intents[1].value, "1");
        fixture_done(&fixture);
}

/* --- objects over time */

static const char keeper[] = "local kept\n"
                             "return policy { on_epoch = function(host, p)\n"
                             "  if host.epoch == 1 then kept = { host:unit('d.2'), host:queue('vq.2.0') } return end\n"
                             "  local u, q = kept[1], kept[2]\n"
                             "  log((u.gone and 'gone' or u.load) .. ' ' .. u.id .. ' ' .. tostring(host:unit('d.2') == u))\n"
                             "  if u.gone then\n"
                             "    assert(u.load == nil and u.core == nil and u.id == 'd.2' and q.unit == nil)\n"
                             "    local ok, why = u:move { to = 1 } assert(ok == false and why == 'gone')\n"
                             "    assert(not pcall(function() local f, s = host:units() f(s, u) end))\n"
                             "  end end }";

static void an_object_kept_over_epochs_stays_the_same_while_it_lives(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, keeper);
        epoch(&fixture);
        fixture.host.units[1]->load = 0.375;
        /* others come and go in front of it */
        fixture_remove_unit(&fixture, fixture.host.units[0]);
        fixture_add_unit(&fixture, "c.1", 0);
        fixture_add_unit(&fixture, "c.2", 0);
        epoch(&fixture);
        assert_string_equal(fixture.last_log, "test: 0.375 d.2 true");
        fixture_done(&fixture);
}

static void an_object_that_is_gone_reads_as_gone_and_never_as_freed_memory(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, keeper);
        epoch(&fixture);
        fixture_remove_unit(&fixture, fixture.host.units[1]);
        epoch(&fixture);
        assert_string_equal(fixture.last_log, "test: gone d.2 false");
        assert_int_equal(fixture.intents.n, 0);
        fixture_done(&fixture);
}

static void a_new_object_of_the_same_id_is_not_taken_for_the_old_one(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, keeper);
        epoch(&fixture);
        fixture_remove_unit(&fixture, fixture.host.units[1]);
        fixture_add_unit(&fixture, "d.2", 0)->load = 0.9;
        epoch(&fixture);
        assert_string_equal(fixture.last_log, "test: gone d.2 false");
        /* a thread id that was used again within an epoch */
        fixture.host.units[1]->pub.incarnation = 7;
        epoch(&fixture);
        assert_string_equal(fixture.last_log, "test: gone d.2 false");
        fixture_done(&fixture);
}

static void thousands_of_objects_that_come_and_go_leave_no_memory_behind(void **state) {
        struct fixture fixture;
        size_t before = 0;

        (void) state;
        start(&fixture, "return policy { on_epoch = function(host, p) for u in host:units() do assert(u.id) end end }");
        for (unsigned i = 0; i < 20000; i++) {
                char id[IOCORE_ID_MAX];
                struct unit *unit;

                snprintf(id, sizeof(id), "x.%u", i);
                unit = fixture_add_unit(&fixture, id, 0);
                epoch(&fixture);
                fixture_remove_unit(&fixture, unit);
                if (i == 2000)
                        before = policy_set_find(fixture.set, "test")->memory_bytes;
        }
        assert_true(policy_set_find(fixture.set, "test")->memory_bytes < 2 * before);
        fixture_done(&fixture);
}

/* --- events */

static void events_name_their_object_and_what_happened(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, "local t = {}\n"
                        "local function note(kind) return function(host, p, object, event, id)\n"
                        "  t[#t + 1] = string.format('%s:%s:%s:%s', kind, object and (kind == 'core' and object.cpu or object.id) or 'nil', event, id) end end\n"
                        "return policy { on_start = function(host, p) t[#t + 1] = 'start' end, on_device = note('device'), on_core = note('core'), on_domain = note('domain'),\n"
                        "  on_epoch = function() log(table.concat(t, ' ')) t = {} end }");
        fixture_event(&fixture, HOST_DEVICE_ADDED, "d.2");
        fixture_event(&fixture, HOST_DEVICE_REMOVED, "d.77");
        fixture_event(&fixture, HOST_CORE_ADDED, "1");
        fixture_event(&fixture, HOST_CORE_REMOVED, "2");
        fixture_event(&fixture, HOST_DOMAIN_REMOVED, "vm");
        epoch(&fixture);
        assert_string_equal(fixture.last_log, "test: start device:d.2:added:d.2 device:nil:removed:d.77 core:1:added:1 core:2:removed:2 domain:nil:removed:vm");
        epoch(&fixture);
        assert_string_equal(fixture.last_log, "test: ");
        fixture_done(&fixture);
}

static void what_happened_to_a_domain_is_told_with_its_detail_and_its_devices_to_on_device_too(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, "local t = {}\n"
                        "local function note(kind) return function(host, p, object, event, id, detail)\n"
                        "  t[#t + 1] = string.format('%s:%s:%s:%s:%s', kind, object and object.name or 'nil', event, id, detail) end end\n"
                        "return policy { on_device = note('device'), on_domain = note('domain'), on_epoch = function() log(table.concat(t, ' ')) t = {} end }");
        struct domain vm = { .pub.id = "vm" }, *domains[] = { &vm };
        fixture.host.domains = domains;
        fixture.host.n_domains = 1;
        fixture_domain_event(&fixture, "vm", "suspended", "paused");
        fixture_domain_event(&fixture, "gone", "device-removed", "net0");
        epoch(&fixture);
        fixture.host.domains = NULL;
        fixture.host.n_domains = 0;
        assert_string_equal(fixture.last_log, "test: domain:vm:suspended:vm:paused domain:nil:device-removed:gone:net0 device:nil:device-removed:gone:net0");
        fixture_done(&fixture);
}

static void a_domain_shows_what_it_has_part_by_part(void **state) {
        struct fixture fixture;
        struct vcpu vcpus[] = { { .pub = { .id = 0, .tid = 77, .cell = 0, .by_hand = true, .cpus = "1-2", .knob = "u.1.0" } }, { .pub = { .id = 3, .cpus = "" } } };
        struct iothread iothread = { .pub = { .id = 1, .tid = 5, .cpus = "", .poll_max_ns = 32000 } };
        uint64_t kib[] = { 0, 4096, 0, 0 };
        struct cell cells[] = { { .pub = { 8192, IOCORE_NODE_UNKNOWN }, .kib_of_node = kib }, { .pub = { 4096, 1 } } };
        struct iocore_domain_device device = { .kind = "disk", .bus = "scsi", .alias = "net0", .backend = "tap1", .n_queues = 2, .node = IOCORE_NODE_UNKNOWN };
        struct domain vm = { .pub = { .id = "vm", .n_vcpus = 2, .wish = IOCORE_WISH_MANUAL, .class = "latency", .pinned = true, .memory_kib = 12288, .stale = true, .node = -1 },
                             .vcpus = vcpus, .n_vcpus = 2, .iothreads = &iothread, .n_iothreads = 1, .cells = cells, .n_cells = 2, .devices = &device, .n_devices = 1 };
        struct domain *domains[] = { &vm };

        (void) state;
        start(&fixture, "return policy { on_epoch = function(host)\n"
                        "  local d = host:domain('vm')\n"
                        "  assert(d.wish == 'manual' and d.class == 'latency' and d.pinned and not d.bound and d.stale and d.memory_kib == 12288 and d.weight == nil)\n"
                        "  assert(d.n_vcpus == 2 and d.n_iothreads == 1 and d.n_cells == 2 and d.n_devices == 1 and d.emulator_cpus == nil)\n"
                        "  local v = d:vcpu(1) assert(v.id == 0 and v.tid == 77 and v.by_hand and v.cpus == '1-2' and v.knob == 'u.1.0')\n"
                        "  assert(d:vcpu(2).id == 3 and d:vcpu(2).cpus == nil and d:vcpu(3) == nil and d:vcpu(0) == nil and d:vcpu(-1) == nil)\n"
                        "  assert(d:iothread(1).poll_max_ns == 32000 and d:cell(1).where[1] == 4096 and d:cell(1).node == nil and d:cell(2).where == nil and d:cell(2).node == 1)\n"
                        "  assert(d:device(1).alias == 'net0' and d:device(1).queues == 2 and d:device(1).bus == 'scsi' and d:device(1).iothread == nil and d:device(2) == nil)\n"
                        "  v.cpus = 'mine' assert(d:vcpu(1).cpus == '1-2') log('seen') end }");
        fixture.host.domains = domains;
        fixture.host.n_domains = 1;
        epoch(&fixture);
        fixture.host.domains = NULL;
        fixture.host.n_domains = 0;
        assert_string_equal(fixture.last_log, "test: seen");
        fixture_done(&fixture);
}

/* --- actions */

static void actions_become_intents_with_reason_evidence_and_trial(void **state) {
        const struct intent *intents;
        struct fixture fixture;

        (void) state;
        run_body(&fixture, "assert(host:node(1):grow { reason = 'full', cpu = 5, evidence = { zeta = 1.5, alpha = 2, flag = true }, trial = { measure = 'worst_wait', better = 'lower' } })\n"
                           "host:core(0):shrink { reason = 'idle' } host:node(0):shrink()\n"
                           "host:unit('d.1'):move { to = host:core(1) } host:unit('d.2'):move { to = 3 } host:unit('d.3'):move { to = 'home' }\n"
                           "host:queue('vq.1.0'):poll { on = false } host:queue('vq.2.0'):limit { bytes = 65536 }\n"
                           "host:set { knob = 'host.ksm', object = 'host', value = true } host:set { knob = 'unit.x', object = host:unit('d.1'), value = 2.5 }\n"
                           "host:pin_irq { irq = 57, cpus = 4 } host:coalesce { nic = 'eth0', value = 'rx-usecs 50' }");
        intents = fixture.intents.intents;
        assert_int_equal(fixture.intents.n, 12);
        for (size_t i = 0; i < fixture.intents.n; i++) {
                assert_string_equal(intents[i].source, "policy:test");
                assert_int_equal(intents[i].priority, 50);
        }
        assert_int_equal(intents[0].action, INTENT_GROW);
        assert_int_equal(intents[0].node, 1);
        assert_int_equal(intents[0].cpu, 5);
        assert_string_equal(intents[0].reason, "full");
        assert_int_equal(intents[0].n_evidence, 3);
        assert_string_equal(intents[0].evidence[0].name, "alpha");
        assert_string_equal(intents[0].evidence[1].name, "flag");
        assert_true(intents[0].evidence[1].value == 1 && intents[0].evidence[2].value == 1.5);
        assert_int_equal(intents[0].trial, TRIAL_WORST_WAIT);
        assert_false(intents[0].trial_higher_is_better);
        assert_true(intents[1].action == INTENT_SHRINK && intents[1].cpu == 0 && intents[1].node == 0 && intents[1].trial == TRIAL_NONE);
        assert_true(intents[2].action == INTENT_SHRINK && intents[2].cpu == IOCORE_CPU_ANY && intents[2].node == 0);
        assert_true(intents[3].action == INTENT_MOVE && intents[3].cpu == 1 && strcmp(intents[3].object, "d.1") == 0);
        assert_int_equal(intents[4].cpu, 3);
        assert_int_equal(intents[5].cpu, IOCORE_CPU_ANY);
        assert_true(intents[6].action == INTENT_POLL && strcmp(intents[6].value, "0") == 0 && strcmp(intents[6].object, "vq.1.0") == 0);
        assert_true(intents[7].action == INTENT_LIMIT && strcmp(intents[7].value, "65536") == 0);
        assert_true(intents[8].action == INTENT_SET && strcmp(intents[8].knob, "host.ksm") == 0 && strcmp(intents[8].value, "1") == 0);
        assert_true(strcmp(intents[9].object, "d.1") == 0 && strcmp(intents[9].value, "2.5") == 0);
        assert_true(intents[10].action == INTENT_PIN_IRQ && strcmp(intents[10].object, "57") == 0 && strcmp(intents[10].value, "4") == 0);
        assert_true(intents[11].action == INTENT_COALESCE && strcmp(intents[11].object, "eth0") == 0 && strcmp(intents[11].value, "rx-usecs 50") == 0);
        fixture_done(&fixture);
}

static void text_is_cut_at_a_character_and_made_printable(void **state) {
        struct fixture fixture;

        (void) state;
        run_body(&fixture, "host:node(0):grow { reason = 'a\\n\\27b\\255\\xc3' .. ('ä'):rep(400) }");
        assert_int_equal(fixture.intents.n, 1);
        const char *reason = fixture.intents.intents[0].reason;
        assert_memory_equal(reason, "a??b??ä", 8);
        assert_true(strlen(reason) < IOCORE_REASON_MAX && strlen(reason) >= IOCORE_REASON_MAX - 3);
        assert_memory_equal(reason + strlen(reason) - 2, "ä", 2);
        fixture_done(&fixture);
}

static void what_cannot_be_had_is_told_with_the_reason(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, "return policy { on_epoch = function(host, p)\n"
                        "  assert(host.can.grow and host.can.poll and host.why_not.grow == nil and host.can.pin_irq)\n"
                        "  assert(not host.can.bind_memory and host.why_not.bind_memory == 'this kernel has no such thing') end }");
        fixture.unavailable = "bind-memory";
        epoch(&fixture);
        fixture_done(&fixture);
}

static void parameters_are_numbers_and_booleans_of_their_declaration(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, "return policy { doc = 'What it does.', params = { whole = { default = 3, min = 1, max = 9, unit = 'epochs', doc = 'd' }, part = { default = 0.5 }, yes = { default = true } },\n"
                        "  on_epoch = function(host, p) log(string.format('%s %s %s %s', p.whole, math.type(p.whole), p.part, p.yes)) end }");
        epoch(&fixture);
        assert_string_equal(fixture.last_log, "test: 3 integer 0.5 true");
        const struct policy_info *info = policy_set_find(fixture.set, "test");
        assert_string_equal(info->doc, "What it does.");
        assert_int_equal(info->n_parameters, 3);
        assert_string_equal(info->parameters[0].name, "part");
        assert_string_equal(info->parameters[1].unit, "epochs");
        assert_true(info->parameters[1].minimum == 1 && info->parameters[1].maximum == 9 && info->parameters[1].fallback == 3);
        assert_true(info->parameters[2].is_boolean && info->parameters[2].maximum == 1);
        assert_int_equal(policy_set_parameter(fixture.set, "test", "whole", "2.5"), 0);
        assert_int_equal(policy_set_parameter(fixture.set, "test", "yes", "off"), 0);
        epoch(&fixture);
        assert_string_equal(fixture.last_log, "test: 2.5 float 0.5 false");
        fixture_done(&fixture);
}

static void bounded_functions_do_what_their_names_say(void **state) {
        (void) state;
        passes("assert(('ab'):rep(3, '-') == 'ab-ab-ab' and ('x'):rep(0) == '' and ('x'):rep(-1) == '' and #('x'):rep(4096) == 4096)\n"
               "local a, b = ('hello world'):find('o w') assert(a == 5 and b == 7 and ('a'):find('b') == nil and ('a.b'):find('.') == 2)\n"
               "assert(('abcabc'):find('c', 4) == 6 and ('abc'):find('a', -2) == nil and ('abc'):find('', 10) == nil and ('abc'):find('', 4) == 4)\n"
               "assert(('%d %5.2f %s %s'):format(1, 2.5, 'x', nil) == '1  2.50 x nil' and string.format('100%%') == '100%')\n"
               "local t = { 3, 1, 2 } table.sort(t) assert(table.concat(t, ',') == '1,2,3') table.sort(t, function(x, y) return x > y end) assert(t[1] == 3)\n"
               "assert(select('#', table.unpack({ 1, 2, 3 })) == 3 and table.remove(t) == 1 and #t == 2) table.insert(t, 5) assert(t[3] == 5)\n"
               "assert(tostring(nil) == 'nil' and tostring(1.5) == '1.5' and tostring(true) == 'true' and tonumber('0x10') == 16)\n"
               "assert(math.max(1, 2) == 2 and ('abc'):upper() == 'ABC' and ('abc'):byte(2) == 98 and string.char(65) == 'A' and ('abc'):sub(2) == 'bc')\n"
               "local ok, e = pcall(error, 'x') assert(not ok and e == 'x')");
}

static void messages_are_limited_in_number(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, "return policy { on_epoch = function(host, p) log('epoch ' .. host.epoch) end }");
        for (unsigned i = 0; i < 600; i++)
                epoch(&fixture);
        /* a minute: ten at once, then ten a minute, each with a note of how many were left out */
        assert_in_range(fixture.n_logged, 15, 40);
        fixture_done(&fixture);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_field_of_a_host_and_its_nodes_can_be_read),
                cmocka_unit_test(every_field_of_cores_units_and_queues_can_be_read),
                cmocka_unit_test(iterators_visit_each_object_once_in_natural_order),
                cmocka_unit_test(filters_leave_out_what_does_not_match),
                cmocka_unit_test(an_idle_queue_shows_no_old_rates),
                cmocka_unit_test(what_a_hand_has_bound_is_manual_and_what_the_host_keeps_away_is_blocked),
                cmocka_unit_test(workers_and_domains_can_be_read),
                cmocka_unit_test(an_object_kept_over_epochs_stays_the_same_while_it_lives),
                cmocka_unit_test(an_object_that_is_gone_reads_as_gone_and_never_as_freed_memory),
                cmocka_unit_test(a_new_object_of_the_same_id_is_not_taken_for_the_old_one),
                cmocka_unit_test(thousands_of_objects_that_come_and_go_leave_no_memory_behind),
                cmocka_unit_test(events_name_their_object_and_what_happened),
                cmocka_unit_test(a_domain_shows_what_it_has_part_by_part),
                cmocka_unit_test(what_happened_to_a_domain_is_told_with_its_detail_and_its_devices_to_on_device_too),
                cmocka_unit_test(actions_become_intents_with_reason_evidence_and_trial),
                cmocka_unit_test(text_is_cut_at_a_character_and_made_printable),
                cmocka_unit_test(what_cannot_be_had_is_told_with_the_reason),
                cmocka_unit_test(parameters_are_numbers_and_booleans_of_their_declaration),
                cmocka_unit_test(bounded_functions_do_what_their_names_say),
                cmocka_unit_test(messages_are_limited_in_number),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
