/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything that the test driver of libvirt's own library does (test:///default), a row for each operation: it is done on a connection of the test's
 * own, and the plugin, which has another one, must show it. What the driver does not do, or tells no event of, is a row too, so that a libvirt that
 * learns it is noticed.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "daemon/cleanup.h"
#include "fake-services.h"

#define NAMESPACE "https://iocore.org/xmlns/domain/1"
/* Of an element whose change ends what a test waits for: whatever was told before it has come then. */
#define MARK "https://example.org/mark"
#define TEST_UUID "6695eb01-f6a4-8304-79aa-97f2502e193f"
#define OTHER_UUID "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
#define OTHER_XML(vcpus) "<domain type='test'><name>other</name><uuid>" OTHER_UUID "</uuid><memory>4096</memory><vcpu>" vcpus "</vcpu><os><type>hvm</type></os></domain>"
/* A machine that is busy with other tests. */
#define SOON_MSEC 20000
/* An epoch of 100 ms, and what such a machine makes of it. The next look at all domains is not before 30 s. */
#define EPOCH_MSEC 5000
#define EVENTS_MAX 3

extern const struct iocore_plugin iocore_plugin;

struct fixture {
        const struct operation *operation;
        const struct setting *setting;
        struct iocore_context *context;
        struct iocore_services services;
        virConnectPtr host; /* ours, beside the plugin's: all connections of a process to the driver share one host, which ends with the last of them */
        virDomainPtr test, other;
        virDomainSnapshotPtr snapshot;
        char image[PATH_MAX + 8];
        char knob_before[IOCORE_NAME_MAX];
        void *state;
        int callback;
        atomic_uint n_marks; /* that libvirt has told of */
        size_t n_events_before;
        unsigned n_knobs_changed_before;
};

struct operation {
        const char *name;
        int (*prepare)(struct fixture *fixture); /* NULL: nothing; -1 as all calls of libvirt */
        bool (*ready)(struct fixture *fixture);  /* after that; NULL: at once */
        int (*act)(struct fixture *fixture);
        const char *subject;                     /* the domain that is looked at; NULL: "test" */
        bool (*shows)(struct fixture *fixture);
        const char *events[EVENTS_MAX];          /* exactly these, "EVENT DETAIL" */
        enum iocore_domain_state state;
        int refusal; /* the driver does not do it: VIR_ERR_* */
        bool comes;  /* under a name that is not known before: what is told of it is seen when it is */
};

/* What the plugin sets, and how libvirt says it. */
struct setting {
        const char *name, *kind, *value, *said;
        int (*prepare)(struct fixture *fixture);
        bool (*ready)(struct fixture *fixture);
        const char *(*object)(struct fixture *fixture);
        void (*read)(struct fixture *fixture, char *ret, size_t size);
};

/* How long it took at most until all was seen of what libvirt had told. */
static int64_t longest_msec;

static int64_t now_msec(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One epoch. */
static void turn(struct fixture *fixture) {
        (void) iocore_plugin.announced(fixture->state);
}

/* True: it holds before `msec` are over. */
static bool holds_within(struct fixture *fixture, int64_t msec, bool (*holds)(struct fixture *fixture)) {
        for (int64_t end = now_msec() + msec; !holds(fixture); turn(fixture)) {
                if (now_msec() > end)
                        return false;
                nanosleep(&(struct timespec) { .tv_nsec = 2 * 1000 * 1000 }, NULL);
        }
        return true;
}

static struct fake_domain *subject(struct fixture *fixture) {
        return fake_domain(fixture->context, fixture->operation && fixture->operation->subject ? fixture->operation->subject : "test");
}

/* --- operations */

static virDomainPtr other(struct fixture *fixture) {
        if (!fixture->other)
                fixture->other = virDomainLookupByName(fixture->host, "other");
        return fixture->other;
}
static int kept(virDomainPtr *place, virDomainPtr domain) {
        if (*place)
                virDomainFree(*place);
        *place = domain;
        return domain ? 0 : -1;
}

static int suspend(struct fixture *f) { return virDomainSuspend(f->test); }
static int resume(struct fixture *f) { return virDomainResume(f->test); }
static int reboot(struct fixture *f) { return virDomainReboot(f->test, 0); }
static int reset(struct fixture *f) { return virDomainReset(f->test, 0); }
static int shut_down(struct fixture *f) { return virDomainShutdown(f->test); }
static int shut_down_by_agent(struct fixture *f) { return virDomainShutdownFlags(f->test, VIR_DOMAIN_SHUTDOWN_GUEST_AGENT); }
static int destroy(struct fixture *f) { return virDomainDestroy(f->test); }
static int destroy_gracefully(struct fixture *f) { return virDomainDestroyFlags(f->test, VIR_DOMAIN_DESTROY_GRACEFUL); }
static int create(struct fixture *f) { return virDomainCreate(f->test); }
static int create_paused(struct fixture *f) { return virDomainCreateWithFlags(f->test, VIR_DOMAIN_START_PAUSED); }
static int crash(struct fixture *f) { return virDomainCoreDump(f->test, f->image, VIR_DUMP_CRASH); }
static int dump(struct fixture *f) { return virDomainCoreDump(f->test, f->image, 0); }
static int interrupt(struct fixture *f) { return virDomainInjectNMI(f->test, 0); }
static int save(struct fixture *f) { return virDomainSave(f->test, f->image); }
static int restore(struct fixture *f) { return virDomainRestore(f->host, f->image); }
static int restore_paused(struct fixture *f) { return virDomainRestoreFlags(f->host, f->image, NULL, VIR_DOMAIN_SAVE_PAUSED); }
static int managed_save(struct fixture *f) { return virDomainManagedSave(f->test, 0); }
static int managed_save_remove(struct fixture *f) { return virDomainManagedSaveRemove(f->test, 0); }
static int take_snapshot(struct fixture *f) {
        f->snapshot = virDomainSnapshotCreateXML(f->test, "<domainsnapshot><name>one</name></domainsnapshot>", 0);
        return f->snapshot ? 0 : -1;
}
static int take_snapshot_and_destroy(struct fixture *f) { return take_snapshot(f) < 0 ? -1 : destroy(f); }
static int revert(struct fixture *f) { return virDomainRevertToSnapshot(f->snapshot, 0); }
static int revert_paused(struct fixture *f) { return virDomainRevertToSnapshot(f->snapshot, VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED); }
static int delete_snapshot(struct fixture *f) { return virDomainSnapshotDelete(f->snapshot, 0); }
static int rename_it(struct fixture *f) { return virDomainRename(f->test, "renamed", 0); }
static int set_autostart(struct fixture *f) { return virDomainSetAutostart(f->test, 1); }
static int pm_suspend(struct fixture *f) { return virDomainPMSuspendForDuration(f->test, VIR_NODE_SUSPEND_TARGET_MEM, 0, 0); }
static int pm_wake_up(struct fixture *f) { return virDomainPMWakeup(f->test, 0); }

static int define(struct fixture *f) { return kept(&f->other, virDomainDefineXML(f->host, OTHER_XML("3"))); }
static int define_with_five(struct fixture *f) { return kept(&f->other, virDomainDefineXML(f->host, OTHER_XML("5"))); }
static int undefine(struct fixture *f) { return virDomainUndefine(other(f)); }
static int create_other(struct fixture *f) { return virDomainCreate(other(f)); }
static int define_and_create(struct fixture *f) { return define(f) < 0 ? -1 : create_other(f); }
static int create_transient(struct fixture *f) { return kept(&f->other, virDomainCreateXML(f->host, OTHER_XML("3"), 0)); }
static int create_transient_paused(struct fixture *f) { return kept(&f->other, virDomainCreateXML(f->host, OTHER_XML("3"), VIR_DOMAIN_START_PAUSED)); }
static int destroy_other(struct fixture *f) { return virDomainDestroy(other(f)); }
static int shut_down_other(struct fixture *f) { return virDomainShutdown(other(f)); }
static int save_other(struct fixture *f) { return virDomainSave(other(f), f->image); }
static int create_transient_and_save(struct fixture *f) { return create_transient(f) < 0 ? -1 : save_other(f); }

#define DISK "<disk type='file' device='disk'><source file='/disk'/><target dev='vdb' bus='virtio'/></disk>"
static int attach(struct fixture *f) { return virDomainAttachDevice(f->test, DISK); }
static int attach_live(struct fixture *f) { return virDomainAttachDeviceFlags(f->test, DISK, VIR_DOMAIN_AFFECT_LIVE); }
static int detach(struct fixture *f) { return virDomainDetachDevice(f->test, DISK); }
static int detach_live(struct fixture *f) { return virDomainDetachDeviceFlags(f->test, DISK, VIR_DOMAIN_AFFECT_LIVE); }
static int detach_by_alias(struct fixture *f) { return virDomainDetachDeviceAlias(f->test, "ua-disk", VIR_DOMAIN_AFFECT_LIVE); }
static int update_device(struct fixture *f) { return virDomainUpdateDeviceFlags(f->test, DISK, VIR_DOMAIN_AFFECT_LIVE); }

static int set_memory(struct fixture *f) { return virDomainSetMemory(f->test, 1048576); }
static int set_memory_live(struct fixture *f) { return virDomainSetMemoryFlags(f->test, 1048576, VIR_DOMAIN_AFFECT_LIVE); }
static int set_max_memory(struct fixture *f) { return virDomainSetMaxMemory(f->test, 4194304); }
static int set_memory_period(struct fixture *f) { return virDomainSetMemoryStatsPeriod(f->test, 3, VIR_DOMAIN_AFFECT_LIVE); }
static int unplug_vcpu(struct fixture *f) { return virDomainSetVcpusFlags(f->test, 1, VIR_DOMAIN_AFFECT_LIVE); }
static int plug_vcpu(struct fixture *f) { return virDomainSetVcpus(f->test, 2); }
static int set_one_vcpu(struct fixture *f) { return virDomainSetVcpu(f->test, "1", 0, VIR_DOMAIN_AFFECT_LIVE); }
static int set_guest_vcpus(struct fixture *f) { return virDomainSetGuestVcpus(f->test, "1", 0, 0); }

static unsigned char cpus_4_and_5[] = { 0x30 };
static int pin_vcpu(struct fixture *f) { return virDomainPinVcpu(f->test, 1, cpus_4_and_5, 1); }
static int pin_vcpu_live(struct fixture *f) { return virDomainPinVcpuFlags(f->test, 1, cpus_4_and_5, 1, VIR_DOMAIN_AFFECT_LIVE); }
static int pin_emulator(struct fixture *f) { return virDomainPinEmulator(f->test, cpus_4_and_5, 1, VIR_DOMAIN_AFFECT_LIVE); }
static int add_iothread(struct fixture *f) { return virDomainAddIOThread(f->test, 7, VIR_DOMAIN_AFFECT_LIVE); }
static int remove_iothread(struct fixture *f) { return virDomainDelIOThread(f->test, 7, VIR_DOMAIN_AFFECT_LIVE); }
static int pin_iothread(struct fixture *f) { return virDomainPinIOThread(f->test, 7, cpus_4_and_5, 1, VIR_DOMAIN_AFFECT_LIVE); }
/* Polling is read when an IOThread is new. */
static int add_iothread_that_polls(struct fixture *f) {
        virTypedParameter parameter = { .field = VIR_DOMAIN_IOTHREAD_POLL_MAX_NS, .type = VIR_TYPED_PARAM_ULLONG, .value.ul = 12345 };
        return add_iothread(f) < 0 ? -1 : virDomainSetIOThreadParams(f->test, 7, &parameter, 1, VIR_DOMAIN_AFFECT_LIVE);
}
static int bind_memory(struct fixture *f) {
        char node[] = "1";
        virTypedParameter parameter = { .field = VIR_DOMAIN_NUMA_NODESET, .type = VIR_TYPED_PARAM_STRING, .value.s = node };
        return virDomainSetNumaParameters(f->test, &parameter, 1, VIR_DOMAIN_AFFECT_LIVE);
}

static int set_wish(struct fixture *f) {
        return virDomainSetMetadata(f->test, VIR_DOMAIN_METADATA_ELEMENT, "<iocore class='latency' weight='300'/>", "x", NAMESPACE, VIR_DOMAIN_AFFECT_LIVE);
}
static int set_wish_for_next_start(struct fixture *f) {
        return virDomainSetMetadata(f->test, VIR_DOMAIN_METADATA_ELEMENT, "<iocore class='latency'/>", "x", NAMESPACE, VIR_DOMAIN_AFFECT_CONFIG);
}
static int remove_wish(struct fixture *f) { return virDomainSetMetadata(f->test, VIR_DOMAIN_METADATA_ELEMENT, NULL, NULL, NAMESPACE, VIR_DOMAIN_AFFECT_LIVE); }
static int set_title(struct fixture *f) { return virDomainSetMetadata(f->test, VIR_DOMAIN_METADATA_TITLE, "Title", NULL, NULL, VIR_DOMAIN_AFFECT_LIVE); }

static int freeze(struct fixture *f) { return virDomainFSFreeze(f->test, NULL, 0, 0); }
static int thaw(struct fixture *f) { return virDomainFSThaw(f->test, NULL, 0, 0); }
static int trim(struct fixture *f) { return virDomainFSTrim(f->test, NULL, 0, 0); }
static int set_password(struct fixture *f) { return virDomainSetUserPassword(f->test, "somebody", "word", 0); }
static int set_time(struct fixture *f) { return virDomainSetTime(f->test, 1, 0, 0); }
static int get_guest_info(struct fixture *f) {
        virTypedParameterPtr parameters = NULL;
        int n = 0;
        return virDomainGetGuestInfo(f->test, 0, &parameters, &n, 0);
}
static int get_guest_vcpus(struct fixture *f) {
        virTypedParameterPtr parameters = NULL;
        unsigned n = 0;
        return virDomainGetGuestVcpus(f->test, &parameters, &n, 0);
}

static int migrate(struct fixture *f) { return virDomainMigrate(f->test, f->host, VIR_MIGRATE_LIVE, "there", NULL, 0) ? 0 : -1; }
static int migrate_by_peers(struct fixture *f) { return virDomainMigrateToURI3(f->test, "test:///default", NULL, 0, VIR_MIGRATE_LIVE | VIR_MIGRATE_PEER2PEER); }
static int abort_job(struct fixture *f) { return virDomainAbortJob(f->test); }
static int keep_alive(struct fixture *f) { return virConnectSetKeepAlive(f->host, 1, 4); }

/* --- what is to be seen of them */

static bool is_gone(struct fixture *f) { return !subject(f); }
static bool runs(struct fixture *f) { return subject(f) && subject(f)->vcpus[0].knob[0] != '\0' && strcmp(subject(f)->vcpus[0].knob, f->knob_before) == 0; }
/* What was set on the run before is not set on this one. */
static bool runs_anew(struct fixture *f) { return subject(f) && subject(f)->vcpus[0].knob[0] != '\0' && strcmp(subject(f)->vcpus[0].knob, f->knob_before) != 0; }
static bool has_nothing_to_place(struct fixture *f) { return subject(f) && subject(f)->vcpus[0].knob[0] == '\0' && subject(f)->emulator_knob[0] == '\0'; }
static bool has_three_vcpus(struct fixture *f) { return subject(f) && subject(f)->n_vcpus == 3 && subject(f)->pub.memory_kib == 4096; }
static bool has_three_vcpus_to_place(struct fixture *f) { return has_three_vcpus(f) && subject(f)->vcpus[2].knob[0] != '\0'; }
static bool has_five_vcpus(struct fixture *f) { return subject(f) && subject(f)->n_vcpus == 5 && subject(f)->pub.n_vcpus == 5; }
static bool is_the_one_that_test_was(struct fixture *f) { return subject(f) && strcmp(subject(f)->pub.uuid, TEST_UUID) == 0 && f->context->n_domains == 1; }
static bool has_a_gib(struct fixture *f) { return subject(f)->pub.memory_kib == 1048576; }
static bool has_a_cell_of_four_gib(struct fixture *f) { return subject(f)->cells[0].memory_kib == 4194304; }
static bool has_one_vcpu(struct fixture *f) { return subject(f)->n_vcpus == 1 && subject(f)->pub.n_vcpus == 1; }
static bool has_two_vcpus(struct fixture *f) { return subject(f)->n_vcpus == 2 && subject(f)->pub.n_vcpus == 2 && strcmp(subject(f)->vcpus[1].knob, TEST_UUID ".i1.1") == 0; }
static bool one_knob_is_told(struct fixture *f, const char *knob) {
        return f->context->n_knobs_changed == f->n_knobs_changed_before + 1 && strcmp(f->context->last_knob_changed, knob) == 0;
}
static bool has_a_pinned_vcpu(struct fixture *f) {
        const struct fake_domain *domain = subject(f);
        return strcmp(domain->vcpus[1].cpus, "4-5") == 0 && domain->vcpus[1].by_hand && !domain->vcpus[0].by_hand && domain->pub.pinned &&
               one_knob_is_told(f, "vcpu.cpus " TEST_UUID ".i1.1");
}
static bool has_a_pinned_emulator(struct fixture *f) {
        return strcmp(subject(f)->emulator_cpus, "4-5") == 0 && subject(f)->emulator_by_hand && !subject(f)->pub.pinned && one_knob_is_told(f, "emulator.cpus " TEST_UUID ".i1");
}
/* Not pinned, it may use the CPUs that are online, of which the driver says that they are these. */
static bool has_an_iothread(struct fixture *f) {
        return subject(f)->n_iothreads == 1 && subject(f)->iothreads[0].id == 7 && strcmp(subject(f)->iothreads[0].cpus, "0,2,4") == 0 && !subject(f)->iothreads[0].by_hand;
}
static bool has_no_iothread(struct fixture *f) { return subject(f)->n_iothreads == 0; }
static bool has_a_pinned_iothread(struct fixture *f) {
        return strcmp(subject(f)->iothreads[0].cpus, "4-5") == 0 && subject(f)->iothreads[0].by_hand && one_knob_is_told(f, "iothread.cpus " TEST_UUID ".i1.7");
}
static bool has_an_iothread_that_polls(struct fixture *f) { return subject(f)->n_iothreads == 1 && subject(f)->iothreads[0].poll_max_ns == 12345; }
static bool is_bound_to_node_1(struct fixture *f) {
        const struct iocore_domain *pub = &subject(f)->pub;
        return pub->bound && pub->memory_fixed && pub->node == 1 && subject(f)->cells[0].node == 1 && one_knob_is_told(f, "numatune.nodeset " TEST_UUID ".i1");
}
static bool has_a_wish(struct fixture *f) { return strcmp(subject(f)->pub.class, "latency") == 0 && subject(f)->pub.weight == 300; }
static bool has_no_wish(struct fixture *f) { return subject(f)->pub.class[0] == '\0' && subject(f)->pub.weight == 0; }

#define RUNS .state = IOCORE_DOMAIN_RUNNING, .shows = runs
#define RUNS_ANEW .state = IOCORE_DOMAIN_RUNNING, .shows = runs_anew
#define IS_OFF .state = IOCORE_DOMAIN_SHUTOFF, .shows = has_nothing_to_place
#define RUNS_AND(what) .state = IOCORE_DOMAIN_RUNNING, .shows = what
#define OTHER .subject = "other"
#define GOES .subject = "other", .state = IOCORE_DOMAIN_SHUTOFF, .shows = is_gone

static const struct operation operations[] = {
        { "suspend", NULL, NULL, suspend, .events = { "suspended paused" }, .state = IOCORE_DOMAIN_PAUSED, .shows = runs },
        { "resume", suspend, NULL, resume, .events = { "resumed unpaused" }, RUNS },
        { "reboot_without_an_event", NULL, NULL, reboot, RUNS },
        { "reset_without_an_event", NULL, NULL, reset, RUNS },
        { "shut_down", NULL, NULL, shut_down, .events = { "stopped shutdown" }, IS_OFF },
        { "destroy", NULL, NULL, destroy, .events = { "stopped destroyed" }, IS_OFF },
        { "destroy_gracefully", NULL, NULL, destroy_gracefully, .events = { "stopped destroyed" }, IS_OFF },
        { "destroy_when_paused", suspend, NULL, destroy, .events = { "stopped destroyed" }, IS_OFF },
        { "create", destroy, NULL, create, .events = { "started booted" }, RUNS_ANEW },
        { "crash", NULL, NULL, crash, .events = { "stopped crashed" }, IS_OFF },
        { "create_after_a_crash", crash, NULL, create, .events = { "started booted" }, RUNS_ANEW },
        { "dump_without_an_event", NULL, NULL, dump, RUNS },
        { "interrupt_without_an_event", NULL, NULL, interrupt, RUNS },
        { "save", NULL, NULL, save, .events = { "stopped saved" }, IS_OFF },
        { "restore", save, NULL, restore, .events = { "started restored" }, RUNS_ANEW },
        { "managed_save", NULL, NULL, managed_save, .events = { "stopped saved" }, IS_OFF },
        { "create_after_a_managed_save", managed_save, NULL, create, .events = { "started booted" }, RUNS_ANEW },
        { "remove_a_managed_save", managed_save, NULL, managed_save_remove, IS_OFF },
        { "take_a_snapshot", NULL, NULL, take_snapshot, RUNS },
        { "revert_to_a_snapshot", take_snapshot, NULL, revert, .events = { "stopped from-snapshot", "started from-snapshot" }, RUNS_ANEW },
        { "revert_to_a_snapshot_when_off", take_snapshot_and_destroy, NULL, revert, .events = { "started from-snapshot" }, RUNS_ANEW },
        { "revert_to_a_snapshot_and_pause", take_snapshot, NULL, revert_paused, .events = { "stopped from-snapshot", "started from-snapshot", "suspended from-snapshot" },
          .state = IOCORE_DOMAIN_PAUSED, .shows = runs_anew },
        { "delete_a_snapshot", take_snapshot, NULL, delete_snapshot, RUNS },
        { "rename", destroy, NULL, rename_it, .subject = "renamed", .comes = true, .events = { "undefined renamed", "defined renamed" }, .state = IOCORE_DOMAIN_SHUTOFF,
          .shows = is_the_one_that_test_was },
        { "set_autostart", NULL, NULL, set_autostart, RUNS },

        { "define", NULL, NULL, define, OTHER, .comes = true, .events = { "defined added" }, .state = IOCORE_DOMAIN_SHUTOFF, .shows = has_three_vcpus },
        { "define_again", define, has_three_vcpus, define_with_five, OTHER, .events = { "defined updated" }, .state = IOCORE_DOMAIN_SHUTOFF, .shows = has_five_vcpus },
        { "create_what_was_defined", define, has_three_vcpus, create_other, OTHER, .events = { "started booted" }, RUNS_AND(has_three_vcpus_to_place) },
        { "undefine", define, has_three_vcpus, undefine, .events = { "undefined removed" }, GOES },
        { "undefine_what_runs", define_and_create, has_three_vcpus_to_place, undefine, OTHER, .events = { "undefined removed" }, RUNS_AND(has_three_vcpus_to_place) },
        { "create_a_transient_one", NULL, NULL, create_transient, OTHER, .events = { "started booted" }, RUNS_AND(has_three_vcpus_to_place) },
        { "destroy_a_transient_one", create_transient, has_three_vcpus_to_place, destroy_other, .events = { "stopped destroyed" }, GOES },
        { "shut_down_a_transient_one", create_transient, has_three_vcpus_to_place, shut_down_other, .events = { "stopped shutdown" }, GOES },
        { "save_a_transient_one", create_transient, has_three_vcpus_to_place, save_other, .events = { "stopped saved" }, GOES },
        { "restore_a_transient_one", create_transient_and_save, is_gone, restore, OTHER, .events = { "started restored" }, RUNS_AND(has_three_vcpus_to_place) },

        { "set_memory_without_an_event", NULL, NULL, set_memory, RUNS_AND(has_a_gib) },
        { "set_memory_of_the_run_without_an_event", NULL, NULL, set_memory_live, RUNS_AND(has_a_gib) },
        { "set_most_memory_when_off", destroy, NULL, set_max_memory, .state = IOCORE_DOMAIN_SHUTOFF, .shows = has_a_cell_of_four_gib },
        { "ask_for_memory_statistics", NULL, NULL, set_memory_period, RUNS },
        { "unplug_a_vcpu_without_an_event", NULL, NULL, unplug_vcpu, RUNS_AND(has_one_vcpu) },
        { "plug_a_vcpu_without_an_event", unplug_vcpu, has_one_vcpu, plug_vcpu, RUNS_AND(has_two_vcpus) },
        { "pin_a_vcpu_without_an_event", NULL, NULL, pin_vcpu, RUNS_AND(has_a_pinned_vcpu) },
        { "pin_the_emulator_without_an_event", NULL, NULL, pin_emulator, RUNS_AND(has_a_pinned_emulator) },
        { "add_an_iothread_without_an_event", NULL, NULL, add_iothread, RUNS_AND(has_an_iothread) },
        { "remove_an_iothread_without_an_event", add_iothread, has_an_iothread, remove_iothread, RUNS_AND(has_no_iothread) },
        { "pin_an_iothread_without_an_event", add_iothread, has_an_iothread, pin_iothread, RUNS_AND(has_a_pinned_iothread) },
        { "let_an_iothread_poll", NULL, NULL, add_iothread_that_polls, RUNS_AND(has_an_iothread_that_polls) },
        { "bind_memory_without_an_event", NULL, NULL, bind_memory, RUNS_AND(is_bound_to_node_1) },
        { "set_a_wish", NULL, NULL, set_wish, .events = { "metadata " NAMESPACE }, RUNS_AND(has_a_wish) },
        { "remove_a_wish", set_wish, has_a_wish, remove_wish, .events = { "metadata " NAMESPACE }, RUNS_AND(has_no_wish) },
        { "set_a_wish_for_the_next_start", NULL, NULL, set_wish_for_next_start, .events = { "metadata " NAMESPACE }, RUNS_AND(has_no_wish) },
        { "set_a_title", NULL, NULL, set_title, RUNS },

        /* of the guest's agent: it changes nothing here, nor does the driver tell that there is one */
        { "freeze_file_systems", NULL, NULL, freeze, RUNS },
        { "thaw_file_systems", freeze, NULL, thaw, RUNS },
        { "trim_file_systems", NULL, NULL, trim, RUNS },
        { "set_a_password", NULL, NULL, set_password, RUNS },
        { "set_the_time", NULL, NULL, set_time, RUNS },

        { "shutting_down_by_the_agent_is_not_done", NULL, NULL, shut_down_by_agent, .refusal = VIR_ERR_INVALID_ARG, RUNS },
        { "creating_paused_is_not_done", destroy, NULL, create_paused, .refusal = VIR_ERR_INVALID_ARG, IS_OFF },
        { "creating_a_transient_one_paused_is_not_done", NULL, NULL, create_transient_paused, .refusal = VIR_ERR_INVALID_ARG, RUNS },
        { "restoring_paused_is_not_done", save, NULL, restore_paused, .refusal = VIR_ERR_INVALID_ARG, IS_OFF },
        { "putting_to_sleep_is_not_done", NULL, NULL, pm_suspend, .refusal = VIR_ERR_NO_SUPPORT, RUNS },
        { "waking_up_is_not_done", NULL, NULL, pm_wake_up, .refusal = VIR_ERR_NO_SUPPORT, RUNS },
        { "attaching_a_device_is_not_done", NULL, NULL, attach, .refusal = VIR_ERR_NO_SUPPORT, RUNS },
        { "attaching_a_device_to_the_run_is_not_done", NULL, NULL, attach_live, .refusal = VIR_ERR_NO_SUPPORT, RUNS },
        { "detaching_a_device_is_not_done", NULL, NULL, detach, .refusal = VIR_ERR_NO_SUPPORT, RUNS },
        { "detaching_a_device_of_the_run_is_not_done", NULL, NULL, detach_live, .refusal = VIR_ERR_NO_SUPPORT, RUNS },
        { "detaching_a_device_by_its_alias_is_not_done", NULL, NULL, detach_by_alias, .refusal = VIR_ERR_NO_SUPPORT, RUNS },
        { "updating_a_device_is_not_done", NULL, NULL, update_device, .refusal = VIR_ERR_NO_SUPPORT, RUNS },
        { "plugging_one_vcpu_of_several_is_not_done", NULL, NULL, set_one_vcpu, .refusal = VIR_ERR_NO_SUPPORT, RUNS },
        { "setting_vcpus_in_the_guest_is_not_done", NULL, NULL, set_guest_vcpus, .refusal = VIR_ERR_NO_SUPPORT, RUNS },
        { "asking_for_vcpus_of_the_guest_is_not_done", NULL, NULL, get_guest_vcpus, .refusal = VIR_ERR_NO_SUPPORT, RUNS },
        { "asking_for_what_the_guest_is_is_not_done", NULL, NULL, get_guest_info, .refusal = VIR_ERR_NO_SUPPORT, RUNS },
        { "pinning_a_vcpu_of_the_run_alone_is_not_done", NULL, NULL, pin_vcpu_live, .refusal = VIR_ERR_INVALID_ARG, RUNS },
        { "migrating_is_not_done", NULL, NULL, migrate, .refusal = VIR_ERR_NO_SUPPORT, RUNS },
        { "migrating_by_peers_is_not_done", NULL, NULL, migrate_by_peers, .refusal = VIR_ERR_ARGUMENT_UNSUPPORTED, RUNS },
        { "aborting_a_job_is_not_done", NULL, NULL, abort_job, .refusal = VIR_ERR_NO_SUPPORT, RUNS },
        { "keeping_a_connection_alive_is_not_done", NULL, NULL, keep_alive, .refusal = VIR_ERR_NO_SUPPORT, RUNS },
};

/* --- the fixture */

static const char *option(struct iocore_context *context, const char *key) {
        (void) context;
        return strcmp(key, "uri") == 0 ? "test:///default" : NULL;
}

static void on_metadata(virConnectPtr connection, virDomainPtr domain, int type, const char *uri, void *userdata) {
        struct fixture *fixture = userdata;

        (void) connection, (void) domain;
        if (type == VIR_DOMAIN_METADATA_ELEMENT && uri && strcmp(uri, MARK) == 0)
                atomic_fetch_add(&fixture->n_marks, 1);
}

static bool test_is_known(struct fixture *fixture) { return fake_domain(fixture->context, "test") && fake_domain(fixture->context, "test")->n_vcpus == 2; }

static struct fixture *new_fixture(void) {
        char reason[IOCORE_REASON_MAX];
        struct fixture *fixture = calloc(1, sizeof *fixture);

        assert_non_null(fixture);
        fixture->context = fake_context_new();
        fixture->context->n_cpus = 8;
        fixture->context->cpus_per_node = 4;
        fixture_write(fixture->context, "sys/devices/system/node/has_memory", "0-1\n");
        snprintf(fixture->image, sizeof fixture->image, "%s/image", fixture->context->root);
        fixture->services = fake_services;
        fixture->services.option = option;
        assert_int_equal(iocore_plugin.open(&fixture->services, fixture->context, &fixture->state, reason, sizeof reason), 0);
        fixture->host = virConnectOpen("test:///default");
        assert_non_null(fixture->host);
        fixture->test = virDomainLookupByName(fixture->host, "test");
        assert_non_null(fixture->test);
        fixture->callback = virConnectDomainEventRegisterAny(fixture->host, NULL, VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_metadata), fixture, NULL);
        assert_true(fixture->callback >= 0);
        /* it is there at once, but where the machine is too busy for an answer while open() waits for one */
        assert_true(holds_within(fixture, SOON_MSEC, test_is_known));
        fixture->context->in_haste = true;
        strcpy(fixture->knob_before, fake_domain(fixture->context, "test")->vcpus[0].knob);
        return fixture;
}

static int set_up_operation(void **userdata) {
        const struct operation *operation = *userdata;
        struct fixture *fixture = *userdata = new_fixture();
        fixture->operation = operation;
        return 0;
}

static int set_up_setting(void **userdata) {
        const struct setting *setting = *userdata;
        struct fixture *fixture = *userdata = new_fixture();
        fixture->setting = setting;
        return 0;
}

static int tear_down(void **userdata) {
        struct fixture *fixture = *userdata;

        (void) virConnectDomainEventDeregisterAny(fixture->host, fixture->callback);
        if (fixture->snapshot)
                virDomainSnapshotFree(fixture->snapshot);
        if (fixture->other)
                virDomainFree(fixture->other);
        virDomainFree(fixture->test);
        virConnectClose(fixture->host);
        iocore_plugin.close(fixture->state);
        fake_context_free(fixture->context);
        free(fixture);
        return 0;
}

/* --- operations are followed */

static bool is_marked(struct fixture *fixture) { return atomic_load(&fixture->n_marks) > 0; }

/*
 * Returns when libvirt has told all that it had to tell, the plugin first, which registered before us: what that means is in the model after the next
 * turn. It makes the plugin look at "test", too, as any event does.
 */
static void wait_for_events(struct fixture *fixture) {
        atomic_store(&fixture->n_marks, 0);
        assert_int_equal(virDomainSetMetadata(fixture->test, VIR_DOMAIN_METADATA_ELEMENT, "<mark/>", "mark", MARK, 0), 0);
        for (int64_t end = now_msec() + SOON_MSEC; !is_marked(fixture) && now_msec() < end;)
                nanosleep(&(struct timespec) { .tv_nsec = 1000 * 1000 }, NULL);
        assert_true(is_marked(fixture));
}

static size_t n_events_wanted(const struct operation *operation) {
        size_t n = 0;
        while (n < EVENTS_MAX && operation->events[n])
                n++;
        return n;
}

static bool events_have_come(struct fixture *fixture) {
        return fixture->context->n_events - fixture->n_events_before >= n_events_wanted(fixture->operation) + 1;
}

/* Those of the operation, in their order, and the mark: of a domain that is not known before, the mark may be heard first. */
static void assert_events(struct fixture *fixture) {
        size_t n = 0, n_wanted = n_events_wanted(fixture->operation);

        assert_true(fixture->context->n_events <= FAKE_EVENTS_MAX);
        for (size_t i = fixture->n_events_before; i < fixture->context->n_events; i++) {
                const char *event = strchr(fixture->context->events[i], ' ') + 1;
                if (strcmp(event, "metadata " MARK) == 0)
                        continue;
                if (n == n_wanted)
                        fail_msg("there is an event more: %s", fixture->context->events[i]);
                assert_string_equal(event, fixture->operation->events[n++]);
        }
        assert_int_equal(n, n_wanted);
        assert_int_equal(fixture->context->n_events - fixture->n_events_before, n_wanted + 1);
}

static void assert_refused(struct fixture *fixture) {
        virResetLastError();
        assert_int_equal(fixture->operation->act(fixture), -1);
        assert_int_equal(virGetLastErrorCode(), fixture->operation->refusal);
}

static bool has_its_state(struct fixture *fixture) {
        const struct fake_domain *domain = subject(fixture);

        if (!domain)
                return fixture->operation->shows == is_gone;
        /* what has ended can be placed no more, from then on */
        return domain->pub.state == fixture->operation->state && (domain->pub.state != IOCORE_DOMAIN_SHUTOFF || has_nothing_to_place(fixture));
}

static void prepare(struct fixture *fixture, int (*how)(struct fixture *fixture), bool (*ready)(struct fixture *fixture)) {
        if (!how)
                return;
        assert_true(how(fixture) >= 0);
        wait_for_events(fixture);
        turn(fixture);
        assert_true(!ready || holds_within(fixture, SOON_MSEC, ready));
}

static void an_operation_is_followed(void **userdata) {
        struct fixture *fixture = *userdata;
        const struct operation *operation = fixture->operation;

        prepare(fixture, operation->prepare, operation->ready);
        fixture->n_events_before = fixture->context->n_events;
        fixture->n_knobs_changed_before = fixture->context->n_knobs_changed;
        if (operation->refusal)
                assert_refused(fixture);
        else
                assert_true(operation->act(fixture) >= 0);
        wait_for_events(fixture);
        int64_t begin = now_msec();
        turn(fixture);
        assert_true(!operation->comes || (holds_within(fixture, EPOCH_MSEC, events_have_come) && holds_within(fixture, EPOCH_MSEC, has_its_state)));
        assert_events(fixture);
        assert_true(has_its_state(fixture));
        assert_true(holds_within(fixture, EPOCH_MSEC, operation->shows));
        longest_msec = now_msec() - begin > longest_msec ? now_msec() - begin : longest_msec;
        assert_true(has_its_state(fixture));
        assert_events(fixture);
        assert_int_equal(fixture->context->n_warnings, 0);
}

/* --- and what the plugin does by libvirt */

static const char *object_of_vcpu(struct fixture *f) { return fake_domain(f->context, "test")->vcpus[1].knob; }
static const char *object_of_emulator(struct fixture *f) { return fake_domain(f->context, "test")->emulator_knob; }
static const char *object_of_iothread(struct fixture *f) { return fake_domain(f->context, "test")->iothreads[0].knob; }

static void format_cpus(unsigned char map, char *ret, size_t size) {
        ret[0] = '\0';
        for (int cpu = 0; cpu < 8; cpu++)
                if (map & 1u << cpu)
                        snprintf(ret + strlen(ret), size - strlen(ret), "%s%d", ret[0] ? "," : "", cpu);
}

static void read_vcpu(struct fixture *fixture, char *ret, size_t size) {
        unsigned char maps[2];
        assert_int_equal(virDomainGetVcpuPinInfo(fixture->test, 2, maps, 1, 0), 2);
        assert_int_equal(maps[0], 0xff);
        format_cpus(maps[1], ret, size);
}

static void read_emulator(struct fixture *fixture, char *ret, size_t size) {
        unsigned char map = 0;
        assert_int_equal(virDomainGetEmulatorPinInfo(fixture->test, &map, 1, VIR_DOMAIN_AFFECT_LIVE), 1);
        format_cpus(map, ret, size);
}

static void read_iothread(struct fixture *fixture, char *ret, size_t size) {
        virDomainIOThreadInfoPtr *threads = NULL;
        assert_int_equal(virDomainGetIOThreadInfo(fixture->test, &threads, VIR_DOMAIN_AFFECT_LIVE), 1);
        assert_int_equal(threads[0]->iothread_id, 7);
        format_cpus(threads[0]->cpumap[0], ret, size);
        virDomainIOThreadInfoFree(threads[0]);
        free(threads);
}

static void read_polling(struct fixture *fixture, char *ret, size_t size) {
        virDomainPtr domains[] = { fixture->test, NULL };
        virDomainStatsRecordPtr *records = NULL;
        unsigned long long ns = 0;

        assert_int_equal(virDomainListGetStats(domains, VIR_DOMAIN_STATS_IOTHREAD, &records, 0), 1);
        assert_int_equal(virTypedParamsGetULLong(records[0]->params, records[0]->nparams, "iothread.7.poll-max-ns", &ns), 1);
        virDomainStatsRecordListFree(records);
        snprintf(ret, size, "%llu", ns);
}

static void read_nodeset(struct fixture *fixture, char *ret, size_t size) {
        virTypedParameter parameters[2] = { 0 };
        const char *nodes = NULL;
        int n = ELEMENTSOF(parameters), mode = -1;

        assert_int_equal(virDomainGetNumaParameters(fixture->test, parameters, &n, VIR_DOMAIN_AFFECT_LIVE), 0);
        assert_int_equal(virTypedParamsGetString(parameters, n, VIR_DOMAIN_NUMA_NODESET, &nodes), 1);
        assert_int_equal(virTypedParamsGetInt(parameters, n, VIR_DOMAIN_NUMA_MODE, &mode), 1);
        /* the one mode that it can be changed in */
        assert_int_equal(mode, VIR_DOMAIN_NUMATUNE_MEM_RESTRICTIVE);
        snprintf(ret, size, "%s", nodes);
        virTypedParamsClear(parameters, n);
}

static const struct setting settings[] = {
        { "a_vcpu_is_pinned", "vcpu.cpus", "2-3,6", "2,3,6", NULL, NULL, object_of_vcpu, read_vcpu },
        { "the_emulator_is_pinned", "emulator.cpus", "0-1", "0,1", NULL, NULL, object_of_emulator, read_emulator },
        { "an_iothread_is_pinned", "iothread.cpus", "5", "5", add_iothread, has_an_iothread, object_of_iothread, read_iothread },
        { "an_iothread_is_made_to_poll", "iothread.poll-max-ns", "54321", "54321", add_iothread, has_an_iothread, object_of_iothread, read_polling },
        { "memory_is_bound", "numatune.nodeset", "1", "1", NULL, NULL, object_of_emulator, read_nodeset },
};

static void what_is_set_is_what_libvirt_says(void **userdata) {
        struct fixture *fixture = *userdata;
        const struct setting *setting = fixture->setting;
        char object[IOCORE_NAME_MAX], really[IOCORE_VALUE_MAX], value[IOCORE_VALUE_MAX];
        const struct iocore_knob *knob = iocore_plugin.knobs;

        prepare(fixture, setting->prepare, setting->ready);
        strcpy(object, setting->object(fixture));
        fixture->n_events_before = fixture->context->n_events;
        while (strcmp(knob->kind, setting->kind) != 0)
                assert_true(++knob < iocore_plugin.knobs + iocore_plugin.n_knobs);
        int r = knob->set(fixture->state, object, setting->value, really, sizeof really);
        for (int64_t end = now_msec() + SOON_MSEC; r == -EINPROGRESS && now_msec() < end; r = knob->set(fixture->state, object, setting->value, really, sizeof really)) {
                nanosleep(&(struct timespec) { .tv_nsec = 1000 * 1000 }, NULL);
                turn(fixture);
        }
        assert_int_equal(r, 0);
        assert_string_equal(really, setting->value);
        setting->read(fixture, value, sizeof value);
        assert_string_equal(value, setting->said);
        /* the driver tells of none of these; they are our own, and nobody else's change */
        fixture->n_knobs_changed_before = fixture->context->n_knobs_changed;
        wait_for_events(fixture);
        turn(fixture);
        assert_int_equal(fixture->context->n_events, fixture->n_events_before + 1);
        assert_int_equal(knob->get(fixture->state, object, value, sizeof value), 0);
        assert_string_equal(value, setting->value);
        assert_int_equal(fixture->context->n_knobs_changed, fixture->n_knobs_changed_before);
}

static int tell_longest(void **userdata) {
        (void) userdata;
        print_message("the longest that anything was shown after libvirt had told it: %d ms\n", (int) longest_msec);
        return 0;
}

int main(void) {
        struct CMUnitTest tests[ELEMENTSOF(operations) + ELEMENTSOF(settings)];
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(operations); i++)
                tests[n++] = (struct CMUnitTest) { operations[i].name, an_operation_is_followed, set_up_operation, tear_down, (void *) (operations + i) };
        for (size_t i = 0; i < ELEMENTSOF(settings); i++)
                tests[n++] = (struct CMUnitTest) { settings[i].name, what_is_set_is_what_libvirt_says, set_up_setting, tear_down, (void *) (settings + i) };
        return cmocka_run_group_tests(tests, NULL, tell_longest);
}
