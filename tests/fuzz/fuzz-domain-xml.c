/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libvirt says of a domain: any bytes make a description whose texts are bounded and printable, or none. */
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "plugins/libvirt/domain-xml.h"
#include "plugins/libvirt/wishes.h"
#include "plugins/vhost-thread/affinity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size) {
        if (strnlen(text, size) == size)
                abort();
        for (const unsigned char *c = (const unsigned char *) text; *c; c++)
                if (*c < 0x20 || *c == 0x7f)
                        abort();
}

static void check_list(const char *list) {
        char again[IOCORE_VALUE_MAX];
        struct affinity_mask mask;

        if (list && (affinity_parse(list, &mask) < 0 || affinity_format(&mask, again, sizeof again) < 0 || strcmp(list, again) != 0))
                abort();
}

static void check_wishes(const struct wishes *wishes) {
        struct wishes again;
        char text[IOCORE_REASON_MAX];

        check_text(wishes->foreign, sizeof wishes->foreign);
        if (wishes->foreign[0] && !wishes_are_empty(wishes))
                abort();
        if (wishes_format(wishes, text, sizeof text) < 0 || wishes_xml_parse(text, strlen(text), &again) < 0 || again.weight != wishes->weight ||
            again.policy != wishes->policy || strcmp(again.class, wishes->class) != 0 || strcmp(again.share_within, wishes->share_within) != 0)
                abort();
}

static void check(const struct description *description) {
        if (description->n_vcpus > VCPUS_MAX || description->n_iothreads > IOTHREADS_MAX || description->n_cells == 0 || !description->name[0])
                abort();
        check_text(description->uuid, sizeof description->uuid);
        check_text(description->backing, sizeof description->backing);
        check_list(description->cpuset);
        check_list(description->emulator_cpus);
        check_list(description->nodeset);
        check_wishes(&description->wishes);
        for (size_t i = 0; i < description->n_vcpus; i++) {
                check_list(description->vcpus[i].cpus);
                if (description_vcpu(description, description->vcpus[i].id) != description->vcpus + i || (size_t) description->vcpus[i].cell >= description->n_cells)
                        abort();
        }
        for (size_t i = 0; i < description->n_iothreads; i++)
                check_list(description->iothreads[i].cpus);
        for (size_t i = 0; i < description->n_devices; i++) {
                check_text(description->devices[i].pub.kind, sizeof description->devices[i].pub.kind);
                check_text(description->devices[i].pub.alias, sizeof description->devices[i].pub.alias);
                check_text(description->devices[i].pub.backend, sizeof description->devices[i].pub.backend);
        }
}

/* The first byte says what the rest is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char small[] = "<domain><name>a</name><uuid>6ba7b810-9dad-11d1-80b4-00c04fd430c8</uuid><vcpu>4</vcpu></domain>";
        _cleanup_(description_freep) struct description *description = NULL;
        struct wishes wishes;

        if (size == 0)
                return 0;
        const char *text = (const char *) data + 1;
        if (data[0] == 's') {
                if (domain_xml_parse(small, sizeof small - 1, &description) < 0 || (status_xml_parse(text, size - 1, description) >= 0 && description->pid <= 0))
                        abort();
        } else if (data[0] == 'w') {
                if (wishes_xml_parse(text, size - 1, &wishes) >= 0)
                        check_wishes(&wishes);
        } else if (domain_xml_parse(text, size - 1, &description) >= 0) {
                description_seal(description);
                check(description);
        }
        return 0;
}
