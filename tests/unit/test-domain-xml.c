/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's XML, and the wishes in it, as plain data. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "daemon/cleanup.h"
#include "plugins/libvirt/domain-xml.h"
#include "plugins/libvirt/wishes.h"

#define UUID "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
#define HEAD "<domain type='kvm' id='7'><name>web</name><uuid>" UUID "</uuid>"

static struct description *parse(const char *text) {
        struct description *description = NULL;
        assert_int_equal(domain_xml_parse(text, strlen(text), &description), 0);
        assert_non_null(description);
        return description;
}

static void assert_refused(const char *text, int error) {
        struct description *description = NULL;
        assert_int_equal(domain_xml_parse(text, strlen(text), &description), error);
        assert_null(description);
}

/* As libvirt 9.0 writes it of a domain that runs, shortened. */
static const char running[] =
        HEAD
        "<metadata><other:thing xmlns:other='https://example.org/'><other:policy policy='manual'/></other:thing>"
        "<iocore:iocore xmlns:iocore='https://iocore.org/xmlns/domain/1' policy='auto' class='latency' weight='200' share-within='domain'/></metadata>"
        "<memory unit='KiB'>4194304</memory><currentMemory unit='KiB'>2097152</currentMemory>"
        "<memoryBacking><hugepages/></memoryBacking>"
        "<vcpu placement='static' cpuset='0-7' current='3'>4</vcpu>"
        "<vcpus><vcpu id='0' enabled='yes' hotpluggable='no'/><vcpu id='1' enabled='no' hotpluggable='yes'/>"
        "<vcpu id='2' enabled='yes' hotpluggable='yes'/><vcpu id='3' enabled='yes' hotpluggable='yes'/></vcpus>"
        "<iothreads>2</iothreads><iothreadids><iothread id='1'/><iothread id='4'/></iothreadids>"
        "<cputune><vcpupin vcpu='2' cpuset='4-5,7'/><vcpupin vcpu='1' cpuset='6'/><emulatorpin cpuset='0-1'/><iothreadpin iothread='4' cpuset='3'/></cputune>"
        "<numatune><memory mode='strict' nodeset='0-1'/><memnode cellid='1' mode='strict' nodeset='1'/></numatune>"
        "<cpu mode='host-passthrough'><numa><cell id='0' cpus='0-1' memory='2097152' unit='KiB'/><cell id='1' cpus='2-3' memory='2' unit='GiB'/></numa></cpu>"
        "<devices>"
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2' queues='4' iothread='4'/><target dev='vda' bus='virtio'/><alias name='virtio-disk0'/></disk>"
        "<interface type='bridge'><source bridge='br0'/><target dev='vnet3'/><driver name='vhost' queues='2'/><alias name='net0'/></interface>"
        "<interface type='direct'><source dev='eth1' mode='bridge'/><target dev='macvtap0'/></interface>"
        "<interface type='hostdev'><source><address type='pci' domain='0x0000' bus='0x3b' slot='0x02' function='0x1'/></source></interface>"
        "<hostdev mode='subsystem' type='pci'><source><address domain='0x0001' bus='0x5e' slot='0x00' function='0x0'/></source><alias name='hostdev0'/></hostdev>"
        "<hostdev mode='subsystem' type='usb'><source><address bus='1' device='3'/></source></hostdev>"
        "<graphics type='vnc' port='5900'/>"
        "</devices></domain>";

static void the_threads_of_a_domain_are_those_that_are_plugged_in(void **userdata) {
        (void) userdata;
        _cleanup_(description_freep) struct description *description = parse(running);

        assert_string_equal(description->name, "web");
        assert_string_equal(description->uuid, UUID);
        assert_int_equal(description->n_vcpus, 3);
        assert_int_equal(description->vcpus[0].id, 0);
        assert_int_equal(description->vcpus[1].id, 2);
        assert_int_equal(description->vcpus[2].id, 3);
        assert_null(description_vcpu(description, 1));
        assert_null(description->vcpus[0].cpus);
        assert_string_equal(description->vcpus[1].cpus, "4-5,7");
        assert_true(description->vcpus[1].pinned);
        assert_false(description->vcpus[0].pinned);
        assert_int_equal(description->vcpus[0].cell, 0);
        assert_int_equal(description->vcpus[1].cell, 1);
        assert_int_equal(description->n_iothreads, 2);
        assert_null(description_iothread(description, 1)->cpus);
        assert_string_equal(description_iothread(description, 4)->cpus, "3");
        assert_null(description_iothread(description, 2));
        assert_string_equal(description->emulator_cpus, "0-1");
        assert_string_equal(description->cpuset, "0-7");
        assert_false(description->placement_auto);
}

static void the_memory_of_a_domain_is_that_of_its_cells(void **userdata) {
        (void) userdata;
        _cleanup_(description_freep) struct description *description = parse(running);

        assert_int_equal(description->memory_kib, 2097152);
        assert_string_equal(description->backing, "hugepages");
        assert_string_equal(description->nodeset, "0-1");
        assert_true(description->nodeset_fixed);
        assert_int_equal(description->n_cells, 2);
        assert_int_equal(description->cells[0].memory_kib, 2097152);
        assert_int_equal(description->cells[0].node, IOCORE_NODE_UNKNOWN);
        assert_int_equal(description->cells[1].memory_kib, 2097152);
        assert_int_equal(description->cells[1].node, 1);
}

static void devices_are_known_by_what_the_host_calls_them(void **userdata) {
        (void) userdata;
        _cleanup_(description_freep) struct description *description = parse(running);
        const struct { const char *kind, *alias, *backend, *host; unsigned queues, iothread; const char *bus; } wanted[] = {
                { "disk", "virtio-disk0", "vda", "", 4, 4, "virtio" }, { "interface", "net0", "vnet3", "br0", 2, 0, "" },
                { "interface", "", "macvtap0", "eth1", 1, 0, "" },     { "interface", "", "0000:3b:02.1", "", 1, 0, "" },
                { "hostdev", "hostdev0", "0001:5e:00.0", "", 0, 0, "" }, { "hostdev", "", "", "", 0, 0, "" },
        };

        assert_int_equal(description->n_devices, ELEMENTSOF(wanted));
        for (size_t i = 0; i < ELEMENTSOF(wanted); i++) {
                const struct described_device *device = description->devices + i;
                assert_string_equal(device->pub.kind, wanted[i].kind);
                assert_string_equal(device->pub.alias, wanted[i].alias);
                assert_string_equal(device->pub.bus, wanted[i].bus);
                assert_string_equal(device->pub.backend, wanted[i].backend);
                assert_string_equal(device->host_device, wanted[i].host);
                assert_int_equal(device->pub.n_queues, wanted[i].queues);
                assert_int_equal(device->pub.iothread, wanted[i].iothread);
                assert_int_equal(device->pub.node, IOCORE_NODE_UNKNOWN);
        }
}

static void the_wishes_are_those_of_our_namespace_alone(void **userdata) {
        (void) userdata;
        _cleanup_(description_freep) struct description *description = parse(running);
        const struct wishes *wishes = &description->wishes;

        assert_true(wishes->present);
        assert_int_equal(wishes->policy, IOCORE_WISH_AUTO);
        assert_string_equal(wishes->class, "latency");
        assert_int_equal(wishes->weight, 200);
        assert_string_equal(wishes->share_within, "domain");
        assert_string_equal(wishes->foreign, "");
}

static void a_small_domain_has_one_cell_with_all_of_its_memory(void **userdata) {
        (void) userdata;
        _cleanup_(description_freep) struct description *description = parse(
                HEAD "<memory unit='KiB'>1048576</memory><vcpu placement='auto'>2</vcpu><numatune><memory mode='restrictive' nodeset='1'/></numatune></domain>");

        assert_int_equal(description->n_cells, 1);
        assert_int_equal(description->cells[0].memory_kib, 1048576);
        assert_int_equal(description->memory_kib, 1048576);
        assert_int_equal(description->n_vcpus, 2);
        assert_true(description->placement_auto);
        assert_false(description->nodeset_fixed);
        assert_false(description->wishes.present);
        /* numad chose it, nobody bound it */
        assert_int_equal(description->cells[0].node, IOCORE_NODE_UNKNOWN);
}

static void an_element_of_another_author_is_left_alone_whole(void **userdata) {
        (void) userdata;
        static const struct { const char *element, *foreign; } cases[] = {
                { "<i:iocore policy='auto' color='red'/>", "the attribute color" },
                { "<i:iocore policy='maybe'/>", "the attribute policy" },
                { "<i:iocore policy=''/>", "the attribute policy" },
                { "<i:iocore weight='0'/>", "the attribute weight" },
                { "<i:iocore weight='1001'/>", "the attribute weight" },
                { "<i:iocore weight='99999999999999999999'/>", "the attribute weight" },
                { "<i:iocore i:policy='auto'/>", "the attribute policy" },
                { "<i:iocore class='latency'><i:more/></i:iocore>", "the content more" },
                { "<i:iocore class='latency'>words</i:iocore>", "the content text" },
                { "<i:policy profile='lat'/>", "the element policy" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[1024];
                snprintf(text, sizeof text, HEAD "<metadata xmlns:i='" WISHES_NAMESPACE "'>%s</metadata><vcpu>1</vcpu></domain>", cases[i].element);
                _cleanup_(description_freep) struct description *description = parse(text);
                assert_string_equal(description->wishes.foreign, cases[i].foreign);
                assert_int_equal(description->wishes.policy, IOCORE_WISH_NONE);
                assert_string_equal(description->wishes.class, "");
        }
}

/* libvirt itself keeps the first of two elements of one namespace; whoever else manages domains may not. */
static void two_elements_in_our_namespace_are_somebody_elses(void **userdata) {
        (void) userdata;
        _cleanup_(description_freep) struct description *description =
                parse(HEAD "<metadata xmlns:i='" WISHES_NAMESPACE "'><i:iocore policy='auto'/><x/><i:iocore policy='manual'/></metadata><vcpu>1</vcpu></domain>");
        assert_true(description->wishes.present);
        assert_string_equal(description->wishes.foreign, "a second element iocore");
        assert_int_equal(description->wishes.policy, IOCORE_WISH_NONE);
}

static void vcpus_with_numbers_beyond_all_bounds_are_not_believed(void **userdata) {
        (void) userdata;
        enum { LAST = VCPUS_MAX - 1 };
        char text[1024];

        snprintf(text, sizeof text, HEAD "<vcpu>%d</vcpu><vcpus><vcpu id='0' enabled='yes'/><vcpu id='%d' enabled='yes'/></vcpus><memory>4</memory>"
                 "<cpu><numa><cell id='0' cpus='0-%d' memory='2'/><cell id='1' cpus='%d' memory='2'/></numa></cpu></domain>", VCPUS_MAX, LAST, LAST - 1, LAST);
        _cleanup_(description_freep) struct description *description = parse(text);
        assert_int_equal(description->vcpus[0].cell, 0);
        assert_int_equal(description->vcpus[1].cell, 1);
        snprintf(text, sizeof text, HEAD "<vcpu>%d</vcpu><vcpus><vcpu id='%d' enabled='yes'/></vcpus></domain>", VCPUS_MAX, VCPUS_MAX);
        assert_refused(text, -E2BIG);
        snprintf(text, sizeof text, HEAD "<vcpu current='1'>%d</vcpu></domain>", VCPUS_MAX + 1);
        assert_refused(text, -E2BIG);
}

static void a_hostile_name_stays_what_it_is_and_a_device_is_made_printable(void **userdata) {
        (void) userdata;
        enum { LONG = 10240 };
        static char text[LONG + 1024], name[LONG + 1];

        memset(name, 'n', LONG);
        snprintf(text, sizeof text, "<domain><name>%s</name><uuid>" UUID "</uuid><vcpu>1</vcpu></domain>", name);
        _cleanup_(description_freep) struct description *description = parse(text);
        assert_string_equal(description->name, name);

        _cleanup_(description_freep) struct description *odd = parse(
                "<domain><name>a&#9;\"'&lt;&gt;&amp;\xc3\xa4&#10;b</name><uuid>" UUID "</uuid><vcpu>1</vcpu><devices>"
                "<interface type='bridge'><target dev='tap&#10;&#9;x\x7f'/><source bridge='../../../etc'/><alias name='\xc3\xa4'/></interface></devices></domain>");
        assert_string_equal(odd->name, "a\t\"'<>&\xc3\xa4\nb");
        assert_string_equal(odd->devices[0].pub.backend, "tap??x?");
}

static void what_is_cut_is_cut_between_characters(void **userdata) {
        (void) userdata;
        char text[2048], alias[256] = "";

        for (size_t i = 0; i < 40; i++)
                strcat(alias, "\xe2\x82\xac"); /* three bytes each */
        snprintf(text, sizeof text, HEAD "<vcpu>1</vcpu><devices><disk><alias name='%s'/></disk></devices></domain>", alias);
        _cleanup_(description_freep) struct description *description = parse(text);
        assert_int_equal(strlen(description->devices[0].pub.alias), 63);
        alias[63] = '\0';
        assert_string_equal(description->devices[0].pub.alias, alias);
}

static void what_is_no_domain_is_refused(void **userdata) {
        (void) userdata;
        assert_refused("", -EBADMSG);
        assert_refused("<domain", -EBADMSG);
        assert_refused("<network><name>web</name><uuid>" UUID "</uuid></network>", -EBADMSG);
        assert_refused("<domain><uuid>" UUID "</uuid></domain>", -EBADMSG);
        assert_refused("<domain><name/><uuid>" UUID "</uuid></domain>", -EBADMSG);
        assert_refused("<domain><name>web</name></domain>", -EBADMSG);
        assert_refused("<domain><name>web</name><uuid>6BA7B810-9dad-11d1-80b4-00c04fd430c8</uuid></domain>", -EBADMSG);
        assert_refused("<domain><name>web</name><uuid>" UUID "0</uuid></domain>", -EBADMSG);
        assert_refused(HEAD "<vcpu>many</vcpu></domain>", -EBADMSG);
        assert_refused(HEAD "<vcpu>-1</vcpu></domain>", -EBADMSG);
        assert_refused(HEAD "<vcpu>4294967295</vcpu></domain>", -E2BIG);
        assert_refused(HEAD "<vcpus><vcpu id='1' enabled='yes'/><vcpu id='1' enabled='yes'/></vcpus></domain>", -EBADMSG);
        assert_refused(HEAD "<iothreads>4000000000</iothreads></domain>", -E2BIG);
        assert_refused(HEAD "<iothreadids><iothread id='0'/></iothreadids></domain>", -EBADMSG);
        assert_refused(HEAD "<cpu><numa><cell id='1' memory='1'/></numa></cpu></domain>", -EBADMSG);
}

static void no_entity_is_expanded_and_no_document_type_is_taken(void **userdata) {
        (void) userdata;
        static const char laughs[] =
                "<!DOCTYPE domain [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>"
                "<!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'><!ENTITY e '&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;'><!ENTITY f '&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;'>]>"
                "<domain><name>&f;</name><uuid>" UUID "</uuid></domain>";
        static const char file[] = "<!DOCTYPE domain [<!ENTITY file SYSTEM 'file:///etc/passwd'>]><domain><name>&file;</name><uuid>" UUID "</uuid></domain>";
        static const char elsewhere[] = "<!DOCTYPE domain SYSTEM 'http://127.0.0.1:9/domain.dtd'>" HEAD "</domain>";

        assert_refused(laughs, -EBADMSG);
        assert_refused(file, -EBADMSG);
        assert_refused(elsewhere, -EBADMSG);
        assert_refused("<domain><name>&file;</name><uuid>" UUID "</uuid></domain>", -EBADMSG);
        /* the words alone are nothing bad */
        _cleanup_(description_freep) struct description *description =
                parse(HEAD "<metadata><x:y xmlns:x='https://example.org/'><![CDATA[<!DOCTYPE x>]]></x:y></metadata><vcpu>1</vcpu></domain>");
        assert_string_equal(description->name, "web");
}

static void a_domain_of_a_thousand_disks_is_read_in_a_moment(void **userdata) {
        (void) userdata;
        enum { DISKS = 1000 };
        size_t size = 512 * (DISKS + 4), length;
        _cleanup_free_ char *text = malloc(size);
        struct timespec before, after;

        length = (size_t) snprintf(text, size, HEAD "<vcpu>4</vcpu><devices>");
        for (int i = 0; i < DISKS; i++)
                length += (size_t) snprintf(text + length, size - length,
                                            "<disk type='block' device='disk'><driver name='qemu' type='raw' cache='none' io='native' iothread='1'/><source dev='/dev/mapper/volume-%d' "
                                            "index='1'/><backingStore/><target dev='vd%d' bus='virtio'/><alias name='virtio-disk%d'/><address type='pci' domain='0x0000' bus='0x%02x' "
                                            "slot='0x%02x' function='0x0'/></disk>", i, i, i, i / 32, i % 32);
        length += (size_t) snprintf(text + length, size - length, "</devices></domain>");
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
        _cleanup_(description_freep) struct description *description = parse(text);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
        assert_int_equal(description->n_devices, DISKS);
        assert_string_equal(description->devices[999].pub.backend, "vd999");
        double msec = (double) (after.tv_sec - before.tv_sec) * 1e3 + (double) (after.tv_nsec - before.tv_nsec) / 1e6;
        print_message("%zu KiB of XML in %.1f ms\n", length / 1024, msec);
        assert_true(msec < 1000);
}

static void what_is_too_long_is_not_read(void **userdata) {
        (void) userdata;
        struct description *description = NULL;
        _cleanup_free_ char *text = malloc(DOMAIN_XML_MAX + 1);

        memset(text, ' ', DOMAIN_XML_MAX + 1);
        assert_int_equal(domain_xml_parse(text, DOMAIN_XML_MAX + 1, &description), -E2BIG);
}

static void libvirts_own_record_tells_process_and_threads(void **userdata) {
        (void) userdata;
        static const char status[] = "<domstatus state='running' reason='booted' pid='195139'><monitor path='/x' type='unix'/>"
                                     "<vcpus><vcpu id='0' pid='195156'/><vcpu id='2' pid='195157'/><vcpu id='9' pid='5'/></vcpus><domain type='kvm'/></domstatus>";
        _cleanup_(description_freep) struct description *description = parse(running);

        assert_int_equal(status_xml_parse(status, strlen(status), description), 0);
        assert_int_equal(description->pid, 195139);
        assert_int_equal(description->vcpus[0].tid, 195156);
        assert_int_equal(description->vcpus[1].tid, 195157);
        assert_int_equal(description->vcpus[2].tid, 0);
        assert_int_equal(status_xml_parse("<domain/>", 9, description), -EBADMSG);
        assert_int_equal(status_xml_parse("<domstatus pid='-4'/>", 21, description), -EBADMSG);
}

static void what_numad_chose_is_known_from_libvirts_own_record(void **userdata) {
        (void) userdata;
        static const char status[] = "<domstatus pid='7'><numad nodeset='1' cpuset='4,5-7'/></domstatus>", odd[] = "<domstatus pid='7'><numad nodeset='x'/></domstatus>";
        _cleanup_(description_freep) struct description *description =
                parse(HEAD "<memory>1024</memory><vcpu placement='auto'>2</vcpu><numatune><memory mode='strict' placement='auto'/></numatune></domain>");

        assert_true(description->memory_auto);
        assert_true(description->nodeset_fixed);
        assert_null(description->nodeset);
        assert_int_equal(status_xml_parse(odd, strlen(odd), description), 0);
        assert_null(description->auto_nodes);
        description_seal(description);
        uint64_t before = description->fingerprint;
        assert_int_equal(status_xml_parse(status, strlen(status), description), 0);
        assert_string_equal(description->auto_nodes, "1");
        assert_string_equal(description->auto_cpus, "4-7");
        description_seal(description);
        assert_true(description->fingerprint != before);
}

static void two_pictures_that_differ_have_different_fingerprints(void **userdata) {
        (void) userdata;
        _cleanup_(description_freep) struct description *a = parse(running), *b = parse(running);

        description_seal(a);
        description_seal(b);
        assert_true(a->fingerprint == b->fingerprint);
        b->vcpus[0].tid = 1;
        description_seal(b);
        assert_false(a->fingerprint == b->fingerprint);
        b->vcpus[0].tid = 0;
        b->wishes.weight = 3;
        description_seal(b);
        assert_false(a->fingerprint == b->fingerprint);
        b->wishes.weight = a->wishes.weight;
        b->devices[2].pub.node = 1;
        description_seal(b);
        assert_false(a->fingerprint == b->fingerprint);
}

static void changes_of_wishes_leave_the_others(void **userdata) {
        (void) userdata;
        struct wishes wishes = { .policy = IOCORE_WISH_MANUAL, .class = "latency", .weight = 5 };
        struct wish_changes changes;
        char reason[IOCORE_REASON_MAX], text[256];

        assert_int_equal(wish_changes_parse("  class=  weight=77\tshare-within=cgroup ", &changes, reason, sizeof reason), 0);
        wishes_apply(&wishes, &changes);
        assert_int_equal(wishes_format(&wishes, text, sizeof text), 0);
        assert_string_equal(text, "<iocore policy=\"manual\" weight=\"77\" share-within=\"cgroup\"/>");
        assert_false(wishes_are_empty(&wishes));
        assert_int_equal(wish_changes_parse("policy= weight= share-within=", &changes, reason, sizeof reason), 0);
        wishes_apply(&wishes, &changes);
        assert_true(wishes_are_empty(&wishes));
}

static void a_wish_that_is_none_is_refused_with_what_would_be_one(void **userdata) {
        (void) userdata;
        static const struct { const char *text, *reason; } cases[] = {
                { "", "nothing is asked for" },
                { "class", "class: not one of policy=, class=, weight=, share-within=" },
                { "color=red", "color=red: not one of policy=, class=, weight=, share-within=" },
                { "class=fast", "class=fast: latency, throughput or besteffort is wanted, or nothing" },
                { "weight=0", "weight=0: 1 to 1000 is wanted, or nothing" },
                { "weight=1001", "weight=1001: 1 to 1000 is wanted, or nothing" },
                { "weight=07", "weight=07: 1 to 1000 is wanted, or nothing" },
                { "policy=auto policy=manual", "policy is given twice" },
        };
        struct wish_changes changes;
        char reason[IOCORE_REASON_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(wish_changes_parse(cases[i].text, &changes, reason, sizeof reason), -EINVAL);
                assert_string_equal(reason, cases[i].reason);
        }
}

static void wishes_are_read_again_as_they_were_written(void **userdata) {
        (void) userdata;
        const struct wishes wishes = { .policy = IOCORE_WISH_AUTO, .class = "besteffort", .weight = 1000, .share_within = "none" };
        struct wishes read;
        char text[256];

        assert_int_equal(wishes_format(&wishes, text, sizeof text), 0);
        assert_int_equal(wishes_xml_parse(text, strlen(text), &read), 0);
        assert_int_equal(read.policy, wishes.policy);
        assert_string_equal(read.class, wishes.class);
        assert_int_equal(read.weight, wishes.weight);
        assert_string_equal(read.share_within, wishes.share_within);
        assert_string_equal(read.foreign, "");
        assert_int_equal(wishes_xml_parse("<iocore", 7, &read), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_threads_of_a_domain_are_those_that_are_plugged_in),
                cmocka_unit_test(the_memory_of_a_domain_is_that_of_its_cells),
                cmocka_unit_test(devices_are_known_by_what_the_host_calls_them),
                cmocka_unit_test(the_wishes_are_those_of_our_namespace_alone),
                cmocka_unit_test(a_small_domain_has_one_cell_with_all_of_its_memory),
                cmocka_unit_test(an_element_of_another_author_is_left_alone_whole),
                cmocka_unit_test(a_hostile_name_stays_what_it_is_and_a_device_is_made_printable),
                cmocka_unit_test(what_is_cut_is_cut_between_characters),
                cmocka_unit_test(what_is_no_domain_is_refused),
                cmocka_unit_test(no_entity_is_expanded_and_no_document_type_is_taken),
                cmocka_unit_test(a_domain_of_a_thousand_disks_is_read_in_a_moment),
                cmocka_unit_test(what_is_too_long_is_not_read),
                cmocka_unit_test(libvirts_own_record_tells_process_and_threads),
                cmocka_unit_test(what_numad_chose_is_known_from_libvirts_own_record),
                cmocka_unit_test(two_elements_in_our_namespace_are_somebody_elses),
                cmocka_unit_test(vcpus_with_numbers_beyond_all_bounds_are_not_believed),
                cmocka_unit_test(two_pictures_that_differ_have_different_fingerprints),
                cmocka_unit_test(changes_of_wishes_leave_the_others),
                cmocka_unit_test(a_wish_that_is_none_is_refused_with_what_would_be_one),
                cmocka_unit_test(wishes_are_read_again_as_they_were_written),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
