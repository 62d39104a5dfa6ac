/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plugin libvirt on the test driver of libvirt's own library (test:///default: one host for the whole process, with one domain, and 8 CPUs as virNodeGetCPUMap() has it), and on a libvirtd that
 * is away or hangs. That a real one with real guests is understood is for the layer libvirt to show.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "daemon/cleanup.h"
#include "fake-services.h"

#define NAMESPACE "https://iocore.org/xmlns/domain/1"
#define OTHER_UUID "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
/* A machine that is busy with other tests. */
#define SOON_SECONDS 20
/* Less than the shortest wait for libvirt, which is two seconds, and more than a busy machine keeps a thread from running. */
#define AT_ONCE_MSEC 1800

extern const struct iocore_plugin iocore_plugin;

struct fixture {
        struct iocore_context *context;
        struct iocore_services services;
        char uri[256];
        const char *resync;
        virConnectPtr host; /* ours, beside the plugin's */
        virDomainPtr test;
        void *state;
        char reason[IOCORE_REASON_MAX];

        /* of the last reserve() */
        unsigned n_wants;
        char wants[1024]; /* "KIND=VALUE ", each */
        unsigned n_told_away, n_told_metadata;
        const char *event; /* that is waited for */
};

static int64_t now_msec(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pause_10_msec(void) {
        nanosleep(&(struct timespec) { .tv_nsec = 10 * 1000 * 1000 }, NULL);
}

/* --- the daemon's side */

static const char *option(struct iocore_context *context, const char *key) {
        const struct fixture *fixture = context->userdata;
        return strcmp(key, "uri") == 0 ? fixture->uri : strcmp(key, "resync") == 0 ? fixture->resync : NULL;
}

static void tell(struct iocore_context *context, const char *kind, const char *object, const char *text) {
        struct fixture *fixture = context->userdata;
        fixture->n_told_away += strcmp(kind, "libvirt") == 0 && strcmp(object, fixture->uri) == 0 && text[0] != '\0';
        fixture->n_told_metadata += strcmp(kind, "metadata") == 0 && text[0] != '\0';
        fake_services.tell(context, kind, object, text);
}

static void open_plugin(struct fixture *fixture) {
        fixture->services = fake_services;
        fixture->services.option = option;
        fixture->services.tell = tell;
        assert_int_equal(iocore_plugin.probe(&fixture->services, fixture->context, fixture->reason, sizeof fixture->reason), 1);
        assert_int_equal(iocore_plugin.open(&fixture->services, fixture->context, &fixture->state, fixture->reason, sizeof fixture->reason), 0);
}

static void close_plugin(struct fixture *fixture) {
        iocore_plugin.close(fixture->state);
        fixture->state = NULL;
}

static struct fixture *new_fixture(const char *uri) {
        struct fixture *fixture = calloc(1, sizeof *fixture);
        assert_non_null(fixture);
        fixture->context = fake_context_new();
        fixture->context->userdata = fixture;
        fixture->context->n_cpus = 8;
        fixture->context->cpus_per_node = 4;
        fixture_write(fixture->context, "sys/devices/system/node/has_memory", "0-1\n");
        snprintf(fixture->uri, sizeof fixture->uri, "%s", uri);
        return fixture;
}

static bool host_is_known(struct fixture *fixture) { return fake_domain(fixture->context, "test") && fake_domain(fixture->context, "test")->n_vcpus == 2; }
static bool holds_soon(struct fixture *fixture, bool (*holds)(struct fixture *fixture));

static int set_up(void **userdata) {
        struct fixture *fixture = *userdata = new_fixture("test:///default");
        int64_t begin = now_msec();
        open_plugin(fixture);
        /* at once, but where the machine is too busy for an answer within the two seconds that open() waits for one */
        if (!host_is_known(fixture) && (now_msec() - begin < 1900 || !holds_soon(fixture, host_is_known)))
                return -1;
        fixture->host = virConnectOpen(fixture->uri);
        assert_non_null(fixture->host);
        fixture->test = virDomainLookupByName(fixture->host, "test");
        assert_non_null(fixture->test);
        fixture->context->in_haste = true;
        return 0;
}

static int tear_down(void **userdata) {
        struct fixture *fixture = *userdata;
        if (fixture->test)
                virDomainFree(fixture->test);
        if (fixture->host)
                virConnectClose(fixture->host);
        if (fixture->state)
                close_plugin(fixture);
        fake_context_free(fixture->context);
        free(fixture);
        return 0;
}

/* One epoch. */
static void turn(struct fixture *fixture) {
        (void) iocore_plugin.announced(fixture->state);
}

static bool holds_soon(struct fixture *fixture, bool (*holds)(struct fixture *fixture)) {
        int64_t end = now_msec() + SOON_SECONDS * 1000;
        for (;;) {
                turn(fixture);
                if (holds(fixture))
                        return true;
                if (now_msec() > end)
                        return false;
                pause_10_msec();
        }
}
#define assert_soon(fixture, holds) assert_true(holds_soon(fixture, holds))

static struct fake_domain *domain(struct fixture *fixture) {
        return fake_domain(fixture->context, "test");
}

static bool saw(struct fixture *fixture) {
        for (size_t i = 0; i < fixture->context->n_events && i < FAKE_EVENTS_MAX; i++)
                if (strcmp(fixture->context->events[i], fixture->event) == 0)
                        return true;
        return false;
}

/* What libvirt is asked may say how something is before its event tells that it has become so. */
static void assert_saw(struct fixture *fixture, const char *event) {
        fixture->event = event;
        assert_soon(fixture, saw);
}

/* --- knobs */

static const struct iocore_knob *knob(const char *kind) {
        for (size_t i = 0; i < iocore_plugin.n_knobs; i++)
                if (strcmp(iocore_plugin.knobs[i].kind, kind) == 0)
                        return iocore_plugin.knobs + i;
        fail_msg("no knob %s", kind);
        return NULL;
}

static int set(struct fixture *fixture, const char *kind, const char *object, const char *value, char *ret) {
        int64_t end = now_msec() + SOON_SECONDS * 1000, begin;
        int r;

        do {
                turn(fixture);
                begin = now_msec();
                r = knob(kind)->set(fixture->state, object, value, ret, IOCORE_VALUE_MAX);
                assert_true(!fixture->context->in_haste || now_msec() - begin < AT_ONCE_MSEC);
                if (r == -EINPROGRESS) {
                        assert_true(fixture->context->in_haste);
                        pause_10_msec();
                }
        } while (r == -EINPROGRESS && now_msec() < end);
        return r;
}

static void assert_set(struct fixture *fixture, const char *kind, const char *object, const char *value) {
        char really[IOCORE_VALUE_MAX], now[IOCORE_VALUE_MAX];
        assert_int_equal(set(fixture, kind, object, value, really), 0);
        assert_string_equal(really, value);
        assert_int_equal(knob(kind)->get(fixture->state, object, now, sizeof now), 0);
        assert_string_equal(now, value);
}

static void assert_get(struct fixture *fixture, const char *kind, const char *object, const char *wanted) {
        char value[IOCORE_VALUE_MAX];
        assert_int_equal(knob(kind)->get(fixture->state, object, value, sizeof value), 0);
        assert_string_equal(value, wanted);
}

/* What the library's own host says of a virtual CPU. */
static void assert_pinned(struct fixture *fixture, unsigned vcpu, const char *wanted) {
        unsigned char maps[2];
        char list[64] = "";

        assert_int_equal(virDomainGetVcpuPinInfo(fixture->test, 2, maps, 1, 0), 2);
        for (int cpu = 0; cpu < 8; cpu++)
                if (VIR_CPU_USABLE(maps, 1, (int) vcpu, cpu))
                        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%d", list[0] ? "," : "", cpu);
        assert_string_equal(list, wanted);
}

static int want(void *userdata, const char *kind, const char *object, const char *value) {
        struct fixture *fixture = userdata;
        char really[IOCORE_VALUE_MAX];

        fixture->n_wants++;
        snprintf(fixture->wants + strlen(fixture->wants), sizeof fixture->wants - strlen(fixture->wants), "%s=%s ", kind, value);
        (void) knob(kind)->set(fixture->state, object, value, really, sizeof really);
        return 0;
}

static void reserve(struct fixture *fixture) {
        turn(fixture);
        fixture->n_wants = 0;
        fixture->wants[0] = '\0';
        assert_int_equal(iocore_plugin.reserve(fixture->state, want, fixture), 0);
}

static bool nothing_is_wanted(struct fixture *fixture) {
        reserve(fixture);
        return fixture->n_wants == 0;
}

static void set_core(struct fixture *fixture, int cpu, bool io_core) {
        fixture->context->cores[cpu].io_core = io_core;
}

/* --- what domains are */

static void the_host_is_in_the_model_when_the_plugin_is_open(void **userdata) {
        struct fixture *fixture = *userdata;
        struct fake_domain *test = domain(fixture);

        assert_non_null(test);
        assert_int_equal(test->pub.state, IOCORE_DOMAIN_RUNNING);
        assert_string_equal(test->pub.uuid, "6695eb01-f6a4-8304-79aa-97f2502e193f");
        assert_int_equal(test->pub.n_vcpus, 2);
        assert_int_equal(test->n_vcpus, 2);
        assert_int_equal(test->n_cells, 1);
        assert_true(test->pub.memory_kib > 0);
        assert_false(test->pub.stale);
        assert_false(test->pub.pinned);
        assert_false(test->pub.bound);
        assert_string_equal(test->vcpus[0].knob, "6695eb01-f6a4-8304-79aa-97f2502e193f.i1.0");
        assert_int_equal(fixture->n_told_away, 0);
        assert_null(iocore_plugin.unavailable(fixture->state, "vcpu.cpus"));
}

static bool is_paused(struct fixture *fixture) { return domain(fixture)->pub.state == IOCORE_DOMAIN_PAUSED; }
static bool is_running(struct fixture *fixture) { return domain(fixture)->pub.state == IOCORE_DOMAIN_RUNNING && domain(fixture)->vcpus[0].knob[0] != '\0'; }
static bool is_shut_off(struct fixture *fixture) { return domain(fixture)->pub.state == IOCORE_DOMAIN_SHUTOFF; }

static void a_domain_is_followed_through_its_life(void **userdata) {
        struct fixture *fixture = *userdata;
        char value[IOCORE_VALUE_MAX], before[IOCORE_NAME_MAX];

        assert_int_equal(virDomainSuspend(fixture->test), 0);
        assert_soon(fixture, is_paused);
        assert_saw(fixture, "test suspended paused");
        assert_int_equal(virDomainResume(fixture->test), 0);
        assert_soon(fixture, is_running);
        assert_saw(fixture, "test resumed unpaused");
        strcpy(before, domain(fixture)->vcpus[1].knob);
        assert_int_equal(virDomainDestroy(fixture->test), 0);
        assert_soon(fixture, is_shut_off);
        assert_saw(fixture, "test stopped destroyed");
        assert_int_equal(knob("vcpu.cpus")->get(fixture->state, before, value, sizeof value), -ENOENT);
        assert_int_equal(virDomainCreate(fixture->test), 0);
        assert_soon(fixture, is_running);
        assert_saw(fixture, "test started booted");
        /* it is another run: what is set there is not what was set on the one before */
        assert_string_not_equal(domain(fixture)->vcpus[1].knob, before);
        assert_int_equal(knob("vcpu.cpus")->get(fixture->state, before, value, sizeof value), -ENOENT);
        assert_int_equal(set(fixture, "vcpu.cpus", before, "3", value), -ENOENT);
}

static bool other_is_known(struct fixture *fixture) { return fake_domain(fixture->context, "other") && fake_domain(fixture->context, "other")->n_vcpus == 3; }
static bool other_is_gone(struct fixture *fixture) { return !fake_domain(fixture->context, "other") && fixture->context->n_domains == 1; }

static virDomainPtr define_with(struct fixture *fixture, const char *name, const char *vcpu, const char *more, bool transient) {
        char text[2048];
        snprintf(text, sizeof text, "<domain type='test'><name>%s</name><uuid>" OTHER_UUID "</uuid><memory>4096</memory>%s%s<os><type>hvm</type></os></domain>", name, vcpu, more);
        virDomainPtr other = transient ? virDomainCreateXML(fixture->host, text, 0) : virDomainDefineXML(fixture->host, text);
        assert_non_null(other);
        return other;
}

static virDomainPtr define_other(struct fixture *fixture, const char *name, bool transient) {
        return define_with(fixture, name, "<vcpu>3</vcpu>", "", transient);
}

static void domains_that_come_and_go_are_in_the_model_as_long_as_they_are(void **userdata) {
        struct fixture *fixture = *userdata;
        virDomainPtr other = define_other(fixture, "other", false);

        /* its description is on its way */
        assert_int_equal(virDomainSetMetadata(other, VIR_DOMAIN_METADATA_ELEMENT, "<iocore class='latency'/>", "x", NAMESPACE, VIR_DOMAIN_AFFECT_CONFIG), 0);
        assert_soon(fixture, other_is_known);
        assert_saw(fixture, "other defined added");
        assert_saw(fixture, "other metadata " NAMESPACE);
        assert_int_equal(fake_domain(fixture->context, "other")->pub.state, IOCORE_DOMAIN_SHUTOFF);
        assert_string_equal(fake_domain(fixture->context, "other")->vcpus[0].knob, "");
        assert_int_equal(virDomainUndefine(other), 0);
        assert_soon(fixture, other_is_gone);
        virDomainFree(other);
}

static void a_domain_that_vanishes_before_it_is_looked_at_leaves_nothing(void **userdata) {
        struct fixture *fixture = *userdata;

        for (int i = 0; i < 50; i++) {
                virDomainPtr other = define_other(fixture, "other", true);
                assert_int_equal(virDomainDestroy(other), 0);
                virDomainFree(other);
                if (i % 10 == 0)
                        turn(fixture);
        }
        assert_true(holds_soon(fixture, other_is_gone));
        /* and whatever is still on its way (a domain of many events is looked at again within a second) does not bring it back for good */
        for (int i = 0; i < 120; i++) {
                pause_10_msec();
                turn(fixture);
        }
        assert_true(holds_soon(fixture, other_is_gone));
        assert_int_equal(fixture->context->n_warnings, 0);
}

static bool other_has_its_uuid_as_name(struct fixture *fixture) { return fake_domain(fixture->context, OTHER_UUID); }

static void a_domain_with_a_name_that_is_too_long_goes_by_its_uuid(void **userdata) {
        struct fixture *fixture = *userdata;
        char name[300];

        memset(name, 'x', sizeof name - 1);
        name[sizeof name - 1] = '\0';
        virDomainPtr other = define_other(fixture, name, false);
        assert_soon(fixture, other_has_its_uuid_as_name);
        assert_int_equal(virDomainUndefine(other), 0);
        assert_soon(fixture, other_is_gone);
        virDomainFree(other);
}

/* --- what is set */

static void virtual_cpus_are_pinned_through_libvirt(void **userdata) {
        struct fixture *fixture = *userdata;
        char object[IOCORE_NAME_MAX], really[IOCORE_VALUE_MAX];

        strcpy(object, domain(fixture)->vcpus[1].knob);
        assert_get(fixture, "vcpu.cpus", object, "0-7");
        assert_set(fixture, "vcpu.cpus", object, "2-3,6");
        assert_pinned(fixture, 0, "0,1,2,3,4,5,6,7");
        assert_pinned(fixture, 1, "2,3,6");
        assert_string_equal(domain(fixture)->vcpus[1].cpus, "2-3,6");
        /* whoever set it was not its owner */
        assert_false(domain(fixture)->vcpus[1].by_hand);
        assert_int_equal(set(fixture, "vcpu.cpus", object, "", really), -EINVAL);
        assert_int_equal(set(fixture, "vcpu.cpus", object, "0-", really), -EINVAL);
        assert_int_equal(set(fixture, "vcpu.cpus", object, "all", really), -EINVAL);
        assert_int_equal(set(fixture, "vcpu.cpus", "6695eb01-f6a4-8304-79aa-97f2502e193f.i1.2", "1", really), -ENOENT);
        assert_int_equal(set(fixture, "vcpu.cpus", "6695eb01-f6a4-8304-79aa-97f2502e193f.77.0", "1", really), -ENOENT);
        assert_int_equal(set(fixture, "vcpu.cpus", OTHER_UUID ".1.0", "1", really), -ENOENT);
        assert_int_equal(set(fixture, "vcpu.cpus", "nonsense", "1", really), -ENOENT);
        assert_pinned(fixture, 1, "2,3,6");
        assert_int_equal(fixture->context->n_knobs_changed, 0);
}

static void where_nothing_is_in_haste_the_answer_is_waited_for(void **userdata) {
        struct fixture *fixture = *userdata;
        char really[IOCORE_VALUE_MAX];

        fixture->context->in_haste = false;
        assert_int_equal(knob("vcpu.cpus")->set(fixture->state, domain(fixture)->vcpus[0].knob, "5", really, sizeof really), 0);
        assert_string_equal(really, "5");
        assert_pinned(fixture, 0, "5");
}

static void the_other_threads_and_the_memory_are_placed_too(void **userdata) {
        struct fixture *fixture = *userdata;
        char object[IOCORE_NAME_MAX];

        strcpy(object, domain(fixture)->emulator_knob);
        assert_string_equal(object, "6695eb01-f6a4-8304-79aa-97f2502e193f.i1");
        assert_get(fixture, "emulator.cpus", object, "0-7");
        assert_set(fixture, "emulator.cpus", object, "0-3");
        assert_string_equal(domain(fixture)->emulator_cpus, "0-3");
        assert_get(fixture, "numatune.nodeset", object, "0-1");
        assert_string_equal(domain(fixture)->pub.memory_nodes, "0-1");
        assert_set(fixture, "numatune.nodeset", object, "1");
        assert_int_equal(domain(fixture)->pub.node, 1);
        assert_string_equal(domain(fixture)->pub.memory_nodes, "1");
        assert_false(domain(fixture)->pub.bound);
}

static bool pinned_by_hand(struct fixture *fixture) { return strcmp(domain(fixture)->vcpus[0].cpus, "4-5") == 0; }

/* The test driver tells no event of pins: the next look does. */
static void what_a_hand_changes_is_told_and_is_the_owners_wish(void **userdata) {
        struct fixture *fixture = *userdata;
        unsigned char map = 0x30;

        assert_set(fixture, "vcpu.cpus", domain(fixture)->vcpus[0].knob, "1");
        assert_int_equal(virDomainPinVcpu(fixture->test, 0, &map, 1), 0);
        assert_int_equal(virDomainSuspend(fixture->test), 0);
        assert_soon(fixture, pinned_by_hand);
        assert_true(domain(fixture)->vcpus[0].by_hand);
        assert_true(domain(fixture)->pub.pinned);
        assert_int_equal(fixture->context->n_knobs_changed, 1);
        assert_string_equal(fixture->context->last_knob_changed, "vcpu.cpus 6695eb01-f6a4-8304-79aa-97f2502e193f.i1.0");
}

/* --- memory that libvirt would not bind anew */

static void end_other(struct fixture *fixture, virDomainPtr other) {
        assert_int_equal(virDomainDestroy(other), 0);
        virDomainFree(other);
        assert_soon(fixture, other_is_gone);
}

static void memory_of_another_mode_than_restrictive_is_fixed(void **userdata) {
        struct fixture *fixture = *userdata;
        static const struct { const char *tuning; bool bound, fixed; int node; } cases[] = {
                { "<numatune><memory mode='strict' nodeset='1'/></numatune>", true, true, 1 },
                { "<numatune><memory mode='interleave' nodeset='0-1'/></numatune>", true, true, IOCORE_NODE_UNKNOWN },
                { "<numatune><memory mode='restrictive' nodeset='1'/></numatune>", true, false, 1 },
                /* what iocored leaves of a domain that had none */
                { "<numatune><memory mode='restrictive' nodeset='0-1'/></numatune>", false, false, IOCORE_NODE_UNKNOWN },
                { "", false, false, IOCORE_NODE_UNKNOWN },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                virDomainPtr other = define_with(fixture, "other", "<vcpu>3</vcpu>", cases[i].tuning, true);
                assert_soon(fixture, other_is_known);
                const struct fake_domain *known = fake_domain(fixture->context, "other");
                assert_int_equal(known->pub.bound, cases[i].bound);
                assert_int_equal(known->pub.memory_fixed, cases[i].fixed);
                assert_int_equal(known->cells[0].node, cases[i].node);
                end_other(fixture, other);
        }
}

/* What libvirt writes beside its socket of a domain that runs, and what the kernel has of the process. */
static void write_process(struct fixture *fixture, const char *name, const char *numad) {
        static const char command[] = "qemu\0-uuid\0" OTHER_UUID;
        char path[PATH_MAX], text[512];

        snprintf(path, sizeof path, "run/libvirt/qemu/%s.xml", name);
        snprintf(text, sizeof text, "<domstatus pid='4242'>%s</domstatus>", numad);
        fixture_write(fixture->context, path, text);
        fixture_write(fixture->context, "proc/4242/stat", "4242 (qemu) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0\n");
        fixture_write(fixture->context, "proc/4242/cmdline", "");
        assert_true(snprintf(path, sizeof path, "%s/proc/4242/cmdline", fixture->context->root) < (int) sizeof path);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(command, 1, sizeof command, file), sizeof command);
        fclose(file);
}

static void memory_that_numad_placed_is_where_numad_said(void **userdata) {
        struct fixture *fixture = *userdata;
        static const char vcpu[] = "<vcpu placement='auto'>3</vcpu>", tuning[] = "<numatune><memory mode='strict' placement='auto'/></numatune>";
        char object[IOCORE_NAME_MAX], value[IOCORE_VALUE_MAX];

        write_process(fixture, "other", "<numad nodeset='1' cpuset='4-7'/>");
        virDomainPtr other = define_with(fixture, "other", vcpu, tuning, true);
        assert_soon(fixture, other_is_known);
        const struct fake_domain *known = fake_domain(fixture->context, "other");
        assert_int_equal(known->pub.incarnation, 777);
        strcpy(object, known->emulator_knob);
        assert_get(fixture, "numatune.nodeset", object, "1");
        assert_int_equal(known->cells[0].node, 1);
        assert_int_equal(known->pub.node, 1);
        assert_true(known->pub.memory_fixed);
        assert_false(known->pub.bound);
        end_other(fixture, other);
        /* where nobody tells what numad chose it is not known: not all nodes */
        write_process(fixture, "other", "");
        other = define_with(fixture, "other", vcpu, tuning, true);
        assert_soon(fixture, other_is_known);
        known = fake_domain(fixture->context, "other");
        strcpy(object, known->emulator_knob);
        assert_int_equal(knob("numatune.nodeset")->get(fixture->state, object, value, sizeof value), -EAGAIN);
        assert_int_equal(known->cells[0].node, IOCORE_NODE_UNKNOWN);
        assert_true(known->pub.memory_fixed);
        end_other(fixture, other);
}

/* --- I/O cores */

static void virtual_cpus_leave_io_cores_and_come_back(void **userdata) {
        struct fixture *fixture = *userdata;

        reserve(fixture);
        assert_int_equal(fixture->n_wants, 0);
        set_core(fixture, 3, true);
        reserve(fixture);
        assert_string_equal(fixture->wants, "vcpu.cpus=0-2,4-7 vcpu.cpus=0-2,4-7 ");
        assert_soon(fixture, nothing_is_wanted);
        assert_pinned(fixture, 0, "0,1,2,4,5,6,7");
        assert_false(domain(fixture)->pub.pinned);
        set_core(fixture, 3, false);
        assert_soon(fixture, nothing_is_wanted);
        assert_pinned(fixture, 0, "0,1,2,3,4,5,6,7");
        assert_pinned(fixture, 1, "0,1,2,3,4,5,6,7");
}

static bool class_is_latency(struct fixture *fixture) { return strcmp(domain(fixture)->pub.class, "latency") == 0; }
static bool is_manual(struct fixture *fixture) { return domain(fixture)->pub.wish == IOCORE_WISH_MANUAL; }
static bool is_automatic(struct fixture *fixture) { return domain(fixture)->pub.wish == IOCORE_WISH_AUTO; }

static int wish(struct fixture *fixture, const char *attributes) {
        int64_t end = now_msec() + SOON_SECONDS * 1000;
        int r;

        do {
                turn(fixture);
                r = iocore_plugin.domain_wish(fixture->state, "test", attributes, fixture->reason, sizeof fixture->reason);
                if (r == -EINPROGRESS)
                        pause_10_msec();
        } while (r == -EINPROGRESS && now_msec() < end);
        return r;
}

static void what_a_hand_pinned_to_several_cpus_stays_unless_its_owner_says_auto(void **userdata) {
        struct fixture *fixture = *userdata;
        unsigned char map = 0x30;

        assert_int_equal(virDomainPinVcpu(fixture->test, 0, &map, 1), 0);
        assert_int_equal(virDomainSuspend(fixture->test), 0);
        assert_soon(fixture, pinned_by_hand);
        set_core(fixture, 5, true);
        reserve(fixture);
        /* the other one leaves */
        assert_string_equal(fixture->wants, "vcpu.cpus=0-4,6-7 ");
        assert_string_equal(fixture->context->last_told,
                            "not-isolated 6695eb01-f6a4-8304-79aa-97f2502e193f.i1.0: vCPU 0 of test stays: it is pinned by hand, and its owner does not say policy=auto");
        assert_soon(fixture, nothing_is_wanted);
        assert_pinned(fixture, 0, "4,5");
        assert_int_equal(wish(fixture, "policy=auto"), 0);
        assert_soon(fixture, is_automatic);
        assert_soon(fixture, nothing_is_wanted);
        assert_pinned(fixture, 0, "4");
        set_core(fixture, 5, false);
        assert_soon(fixture, nothing_is_wanted);
        assert_pinned(fixture, 0, "4,5");
}

/* Somebody sets what vCPU 0 may use, CPUs as bits; the event of another thing brings it in. */
static void set_by_hand(struct fixture *fixture, unsigned char map, unsigned n_known) {
        assert_int_equal(virDomainPinVcpu(fixture->test, 0, &map, 1), 0);
        assert_int_equal(virDomainSuspend(fixture->test), 0);
        for (int64_t end = now_msec() + SOON_SECONDS * 1000; fixture->context->n_knobs_changed < n_known && now_msec() < end; pause_10_msec())
                turn(fixture);
        assert_int_equal(fixture->context->n_knobs_changed, n_known);
}

static void what_is_in_other_hands_is_asked_for_no_more(void **userdata) {
        struct fixture *fixture = *userdata;
        char object[IOCORE_NAME_MAX];

        strcpy(object, domain(fixture)->vcpus[0].knob);
        set_core(fixture, 3, true);
        assert_soon(fixture, nothing_is_wanted);
        set_by_hand(fixture, 0xff, 1);
        iocore_plugin.foreign(fixture->state, "vcpu.cpus", object, IOCORE_FOREIGN_MANUAL);
        assert_true(nothing_is_wanted(fixture));
        assert_string_equal(fixture->context->last_told, "not-isolated 6695eb01-f6a4-8304-79aa-97f2502e193f.i1.0: vCPU 0 of test stays: somebody else has set its CPUs");
        assert_pinned(fixture, 0, "0,1,2,3,4,5,6,7");
        assert_pinned(fixture, 1, "0,1,2,4,5,6,7");
}

static void what_is_contested_comes_back_to_what_it_was_before(void **userdata) {
        struct fixture *fixture = *userdata;
        char object[IOCORE_NAME_MAX];

        strcpy(object, domain(fixture)->vcpus[0].knob);
        set_core(fixture, 3, true);
        assert_soon(fixture, nothing_is_wanted);
        set_by_hand(fixture, 0x30, 1);
        assert_true(domain(fixture)->pub.pinned);
        iocore_plugin.foreign(fixture->state, "vcpu.cpus", object, IOCORE_FOREIGN_CONTEST);
        assert_false(domain(fixture)->pub.pinned);
        assert_set(fixture, "vcpu.cpus", object, "0-2,4-7");
        assert_true(nothing_is_wanted(fixture));
        set_core(fixture, 3, false);
        assert_soon(fixture, nothing_is_wanted);
        assert_pinned(fixture, 0, "0,1,2,3,4,5,6,7");
}

static void a_decision_is_what_a_virtual_cpu_comes_back_to(void **userdata) {
        struct fixture *fixture = *userdata;
        char object[IOCORE_NAME_MAX];

        strcpy(object, domain(fixture)->vcpus[0].knob);
        assert_set(fixture, "vcpu.cpus", object, "4-5");
        set_core(fixture, 5, true);
        assert_soon(fixture, nothing_is_wanted);
        assert_pinned(fixture, 0, "4");
        set_core(fixture, 4, true); /* nothing would be left: what is near */
        assert_soon(fixture, nothing_is_wanted);
        assert_pinned(fixture, 0, "6,7");
        set_core(fixture, 4, false);
        set_core(fixture, 5, false);
        assert_soon(fixture, nothing_is_wanted);
        assert_pinned(fixture, 0, "4,5");
}

static void a_decision_that_is_undone_leaves_no_trace(void **userdata) {
        struct fixture *fixture = *userdata;
        char object[IOCORE_NAME_MAX];

        strcpy(object, domain(fixture)->vcpus[0].knob);
        set_core(fixture, 3, true);
        assert_soon(fixture, nothing_is_wanted);
        assert_set(fixture, "vcpu.cpus", object, "4-5");
        assert_set(fixture, "vcpu.cpus", object, "0-2,4-7");
        set_core(fixture, 3, false);
        assert_soon(fixture, nothing_is_wanted);
        assert_pinned(fixture, 0, "0,1,2,3,4,5,6,7");
}

/* No knob that is read makes a domain vanish under whoever goes through them. */
static void assert_stays_for_a_while(struct fixture *fixture, const char *object) {
        char value[IOCORE_VALUE_MAX];
        for (int64_t end = now_msec() + 300; now_msec() < end; pause_10_msec()) {
                assert_int_equal(knob("vcpu.cpus")->get(fixture->state, object, value, sizeof value), 0);
                assert_non_null(fake_domain(fixture->context, "other"));
        }
}

static int want_of_one_that_ends(void *userdata, const char *kind, const char *object, const char *value) {
        struct fixture *fixture = userdata;
        (void) kind, (void) value;
        if (!strstr(object, OTHER_UUID))
                return 0;
        fixture->n_wants++;
        virDomainPtr other = virDomainLookupByName(fixture->host, "other");
        if (other) {
                assert_int_equal(virDomainDestroy(other), 0);
                virDomainFree(other);
                assert_stays_for_a_while(fixture, object);
        }
        return 0;
}

static void a_domain_that_ends_while_it_has_to_leave_io_cores_is_there_to_the_end_of_that(void **userdata) {
        struct fixture *fixture = *userdata;

        for (int haste = 0; haste < 2; haste++) {
                virDomainPtr other = define_other(fixture, "other", true);
                fixture->context->in_haste = haste;
                assert_soon(fixture, other_is_known);
                set_core(fixture, 3, true);
                fixture->n_wants = 0;
                assert_int_equal(iocore_plugin.reserve(fixture->state, want_of_one_that_ends, fixture), 0);
                assert_int_equal(fixture->n_wants, 3); /* of each of its vCPUs */
                assert_soon(fixture, other_is_gone);
                set_core(fixture, 3, false);
                virDomainFree(other);
        }
}

static void a_domain_whose_owner_wants_it_left_alone_stays_on_io_cores(void **userdata) {
        struct fixture *fixture = *userdata;

        assert_int_equal(wish(fixture, "policy=manual"), 0);
        assert_soon(fixture, is_manual);
        set_core(fixture, 3, true);
        reserve(fixture);
        assert_int_equal(fixture->n_wants, 0);
        assert_string_equal(fixture->context->last_told, "not-isolated 6695eb01-f6a4-8304-79aa-97f2502e193f.i1.1: vCPU 1 of test stays: its owner wants it to be left alone");
}

/* --- wishes */

static void assert_metadata(struct fixture *fixture, const char *uri, const char *wanted) {
        for (unsigned scope = VIR_DOMAIN_AFFECT_LIVE; scope <= VIR_DOMAIN_AFFECT_CONFIG; scope++) {
                _cleanup_free_ char *element = virDomainGetMetadata(fixture->test, VIR_DOMAIN_METADATA_ELEMENT, uri, scope);
                if (wanted) {
                        assert_non_null(element);
                        assert_string_equal(element, wanted);
                } else
                        assert_null(element);
        }
}

static void the_owners_wishes_are_set_without_touching_the_rest(void **userdata) {
        struct fixture *fixture = *userdata;

        assert_int_equal(virDomainSetMetadata(fixture->test, VIR_DOMAIN_METADATA_ELEMENT, "<thing key='value'>text</thing>", "other", "https://example.org/", 3), 0);
        assert_int_equal(wish(fixture, "class=latency weight=300"), 0);
        assert_soon(fixture, class_is_latency);
        assert_int_equal(domain(fixture)->pub.weight, 300);
        assert_int_equal(domain(fixture)->pub.wish, IOCORE_WISH_NONE);
        assert_saw(fixture, "test metadata " NAMESPACE);
        assert_metadata(fixture, NAMESPACE, "<iocore class=\"latency\" weight=\"300\"/>");
        assert_int_equal(wish(fixture, "weight= policy=manual"), 0);
        assert_soon(fixture, is_manual);
        assert_string_equal(domain(fixture)->pub.class, "latency");
        assert_int_equal(domain(fixture)->pub.weight, 0);
        assert_metadata(fixture, NAMESPACE, "<iocore policy=\"manual\" class=\"latency\"/>");
        assert_int_equal(wish(fixture, "class= policy="), 0);
        assert_metadata(fixture, NAMESPACE, NULL);
        assert_metadata(fixture, "https://example.org/", "<thing key=\"value\">text</thing>");
}

static void a_wish_that_is_none_says_why(void **userdata) {
        struct fixture *fixture = *userdata;

        assert_int_equal(wish(fixture, "class=fast"), -EINVAL);
        assert_string_equal(fixture->reason, "class=fast: latency, throughput or besteffort is wanted, or nothing");
        assert_int_equal(iocore_plugin.domain_wish(fixture->state, "nobody", "class=latency", fixture->reason, sizeof fixture->reason), -ENOENT);
        assert_metadata(fixture, NAMESPACE, NULL);
}

static bool metadata_is_told(struct fixture *fixture) { return fixture->n_told_metadata > 0; }

static void an_element_of_another_author_is_told_once_and_left_as_it_is(void **userdata) {
        struct fixture *fixture = *userdata;
        static const char foreign[] = "<iocore class=\"latency\" colour=\"red\"/>";

        assert_int_equal(virDomainSetMetadata(fixture->test, VIR_DOMAIN_METADATA_ELEMENT, foreign, "x", NAMESPACE, 3), 0);
        assert_soon(fixture, metadata_is_told);
        assert_string_equal(domain(fixture)->pub.class, "");
        assert_string_equal(fixture->context->last_told,
                            "metadata test: its element in our namespace is not one of ours (the attribute colour): left as it is, and not heeded");
        assert_int_equal(wish(fixture, "class=throughput"), -EEXIST);
        assert_non_null(strstr(fixture->reason, "the attribute colour"));
        assert_metadata(fixture, NAMESPACE, foreign);
        assert_int_equal(virDomainSuspend(fixture->test), 0);
        assert_soon(fixture, is_paused);
        assert_int_equal(virDomainSetMetadata(fixture->test, VIR_DOMAIN_METADATA_ELEMENT, "<iocore class='latency'/>", "x", NAMESPACE, 3), 0);
        assert_soon(fixture, class_is_latency);
        assert_string_equal(fixture->context->last_told, "metadata test: ");
}

/* --- libvirt that is not there, or does not answer */

static bool away_is_told(struct fixture *fixture) { return fixture->n_told_away > 0; }

static void without_libvirt_the_plugin_waits_and_says_so_once(void **userdata) {
        struct fixture *fixture = *userdata = new_fixture("qemu+unix:///system?socket=/nonexistent/libvirt-sock");
        char value[IOCORE_VALUE_MAX];

        open_plugin(fixture);
        /* where the machine is too busy for an attempt to end within the two seconds of open(), it is told later */
        assert_soon(fixture, away_is_told);
        assert_int_equal(fixture->n_told_away, 1);
        assert_int_equal(fixture->context->n_domains, 0);
        /* nobody knows: what is in the journal stays there */
        assert_int_equal(knob("vcpu.cpus")->get(fixture->state, OTHER_UUID ".17.0", value, sizeof value), -EAGAIN);
        assert_int_equal(knob("vcpu.cpus")->set(fixture->state, OTHER_UUID ".17.0", "1", value, sizeof value), -EAGAIN);
        assert_non_null(strstr(iocore_plugin.unavailable(fixture->state, "vcpu.cpus"), "libvirt does not answer"));
        assert_null(iocore_plugin.unavailable(fixture->state, "rights"));
        assert_null(iocore_plugin.unavailable(fixture->state, "grow"));
        for (int64_t end = now_msec() + 1500; now_msec() < end; turn(fixture))
                pause_10_msec();
        assert_int_equal(fixture->n_told_away, 1);
}

static int listen_to_nobody(struct fixture *fixture) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", fixture->context->root) < (int) sizeof address.sun_path);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof address), 0);
        assert_int_equal(listen(fd, 4), 0);
        snprintf(fixture->uri, sizeof fixture->uri, "qemu+unix:///system?socket=%.200s", address.sun_path);
        return fd;
}

static void a_libvirt_that_hangs_keeps_nobody_waiting(void **userdata) {
        struct fixture *fixture = *userdata = new_fixture("");
        int fd = listen_to_nobody(fixture);
        int64_t begin = now_msec(), longest = 0;

        open_plugin(fixture);
        assert_in_range(now_msec() - begin, 1900, 4900); /* two seconds were worth a try; after five it is gone */
        fixture->context->in_haste = true;
        for (int64_t end = now_msec() + SOON_SECONDS * 1000; now_msec() < end && fixture->n_told_away == 0;) {
                int64_t before = now_msec();
                turn(fixture);
                assert_int_equal(iocore_plugin.scan(fixture->state, true), 0);
                reserve(fixture);
                longest = now_msec() - before > longest ? now_msec() - before : longest;
                pause_10_msec();
        }
        print_message("the longest turn took %d ms\n", (int) longest);
        assert_true(longest < AT_ONCE_MSEC);
        assert_int_equal(fixture->n_told_away, 1);
        assert_non_null(strstr(fixture->context->last_told, "no answer for 5 s"));
        begin = now_msec();
        close_plugin(fixture);
        assert_true(now_msec() - begin < SOON_SECONDS * 1000); /* it would hang for ever */
        close(fd); /* the thread that waits there ends */
        pause_10_msec();
}

static void an_option_that_is_none_is_refused(void **userdata) {
        static const char *const bad[] = { "", "0", "-1", "3601", "10m", "x", "99999999999999999999" };
        struct fixture *fixture = *userdata = new_fixture("test:///default");

        fixture->services = fake_services;
        fixture->services.option = option;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                fixture->resync = bad[i];
                assert_int_equal(iocore_plugin.open(&fixture->services, fixture->context, &fixture->state, fixture->reason, sizeof fixture->reason), -EINVAL);
                assert_string_equal(fixture->reason, "resync: 1s to 3600s is wanted");
        }
        fixture->resync = "1s";
        open_plugin(fixture);
}

static void a_host_without_libvirt_is_not_for_the_plugin(void **userdata) {
        struct fixture *fixture = *userdata = new_fixture("");

        assert_int_equal(iocore_plugin.probe(&fake_services, fixture->context, fixture->reason, sizeof fixture->reason), 0);
        assert_non_null(strstr(fixture->reason, "/run/libvirt/libvirt-sock"));
        fixture_write(fixture->context, "run/libvirt/virtqemud-sock", "");
        assert_int_equal(iocore_plugin.probe(&fake_services, fixture->context, fixture->reason, sizeof fixture->reason), 1);
        struct iocore_services old = fake_services;
        old.size = offsetof(struct iocore_services, domain_set_vcpus);
        assert_int_equal(iocore_plugin.probe(&old, fixture->context, fixture->reason, sizeof fixture->reason), 0);
}

#define on_the_test_host(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define alone(test) cmocka_unit_test_teardown(test, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                on_the_test_host(the_host_is_in_the_model_when_the_plugin_is_open),
                on_the_test_host(a_domain_is_followed_through_its_life),
                on_the_test_host(domains_that_come_and_go_are_in_the_model_as_long_as_they_are),
                on_the_test_host(a_domain_that_vanishes_before_it_is_looked_at_leaves_nothing),
                on_the_test_host(a_domain_with_a_name_that_is_too_long_goes_by_its_uuid),
                on_the_test_host(virtual_cpus_are_pinned_through_libvirt),
                on_the_test_host(where_nothing_is_in_haste_the_answer_is_waited_for),
                on_the_test_host(the_other_threads_and_the_memory_are_placed_too),
                on_the_test_host(what_a_hand_changes_is_told_and_is_the_owners_wish),
                on_the_test_host(virtual_cpus_leave_io_cores_and_come_back),
                on_the_test_host(what_a_hand_pinned_to_several_cpus_stays_unless_its_owner_says_auto),
                on_the_test_host(memory_of_another_mode_than_restrictive_is_fixed),
                on_the_test_host(memory_that_numad_placed_is_where_numad_said),
                on_the_test_host(a_decision_is_what_a_virtual_cpu_comes_back_to),
                on_the_test_host(what_is_in_other_hands_is_asked_for_no_more),
                on_the_test_host(what_is_contested_comes_back_to_what_it_was_before),
                on_the_test_host(a_decision_that_is_undone_leaves_no_trace),
                on_the_test_host(a_domain_that_ends_while_it_has_to_leave_io_cores_is_there_to_the_end_of_that),
                on_the_test_host(a_domain_whose_owner_wants_it_left_alone_stays_on_io_cores),
                on_the_test_host(the_owners_wishes_are_set_without_touching_the_rest),
                on_the_test_host(a_wish_that_is_none_says_why),
                on_the_test_host(an_element_of_another_author_is_told_once_and_left_as_it_is),
                alone(without_libvirt_the_plugin_waits_and_says_so_once),
                alone(a_libvirt_that_hangs_keeps_nobody_waiting),
                alone(an_option_that_is_none_is_refused),
                alone(a_host_without_libvirt_is_not_for_the_plugin),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
