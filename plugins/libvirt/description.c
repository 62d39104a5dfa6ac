/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "description.h"

struct description *description_free(struct description *description) {
        if (!description)
                return NULL;
        for (size_t i = 0; i < description->n_vcpus; i++)
                free(description->vcpus[i].cpus);
        for (size_t i = 0; i < description->n_iothreads; i++)
                free(description->iothreads[i].cpus);
        free(description->vcpus);
        free(description->iothreads);
        free(description->cells);
        free(description->devices);
        free(description->name);
        free(description->cpuset);
        free(description->online);
        free(description->emulator_cpus);
        free(description->nodeset);
        free(description->all_nodes);
        free(description->auto_nodes);
        free(description->auto_cpus);
        free(description);
        return NULL;
}

struct described_vcpu *description_vcpu(const struct description *description, unsigned id) {
        size_t low = 0, high = description->n_vcpus;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (description->vcpus[middle].id == id)
                        return description->vcpus + middle;
                if (description->vcpus[middle].id < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return NULL;
}

struct described_iothread *description_iothread(const struct description *description, unsigned id) {
        for (size_t i = 0; i < description->n_iothreads; i++)
                if (description->iothreads[i].id == id)
                        return description->iothreads + i;
        return NULL;
}

/* FNV-1a, 64 bits: two pictures of a domain that differ and look the same are less likely than a broken memory. */
static uint64_t mix(uint64_t hash, const void *data, size_t size) {
        const unsigned char *bytes = data;

        for (size_t i = 0; i < size; i++)
                hash = (hash ^ bytes[i]) * 0x100000001b3u;
        return hash;
}

static uint64_t mix_text(uint64_t hash, const char *text) {
        return text ? mix(hash, text, strlen(text) + 1) : mix(hash, "\xff", 1);
}

static uint64_t mix_number(uint64_t hash, uint64_t number) {
        return mix(hash, &number, sizeof number);
}

static uint64_t mix_wishes(uint64_t hash, const struct wishes *wishes) {
        hash = mix_number(hash, (uint64_t) wishes->policy << 32 | wishes->weight);
        hash = mix_text(mix_text(hash, wishes->class), wishes->share_within);
        return mix_text(mix_number(hash, wishes->present), wishes->foreign);
}

static uint64_t mix_threads(uint64_t hash, const struct description *description) {
        for (size_t i = 0; i < description->n_vcpus; i++) {
                const struct described_vcpu *vcpu = description->vcpus + i;
                hash = mix_number(mix_number(hash, vcpu->id), (uint64_t) vcpu->tid << 32 | (uint32_t) vcpu->cell);
                hash = mix_text(mix_number(hash, vcpu->pinned), vcpu->cpus);
        }
        for (size_t i = 0; i < description->n_iothreads; i++) {
                const struct described_iothread *iothread = description->iothreads + i;
                hash = mix_number(mix_number(hash, iothread->id), (uint64_t) iothread->tid << 1 | iothread->pinned);
                hash = mix_text(hash, iothread->cpus);
        }
        return mix_text(mix_text(mix_number(hash, description->emulator_pinned), description->emulator_cpus), description->online);
}

static uint64_t mix_devices(uint64_t hash, const struct description *description) {
        for (size_t i = 0; i < description->n_cells; i++)
                hash = mix_number(mix_number(hash, description->cells[i].memory_kib), (uint64_t) description->cells[i].node);
        for (size_t i = 0; i < description->n_devices; i++) {
                const struct iocore_domain_device *device = &description->devices[i].pub;
                hash = mix_text(mix_text(mix_text(hash, device->kind), device->alias), device->backend);
                hash = mix_text(hash, device->bus);
                hash = mix_number(mix_number(hash, (uint64_t) device->n_queues << 32 | device->iothread), (uint64_t) device->node);
        }
        return hash;
}

void description_seal(struct description *description) {
        uint64_t hash = 0xcbf29ce484222325u;

        hash = mix_text(mix_text(hash, description->uuid), description->name);
        hash = mix_number(hash, (uint64_t) description->state << 2 | (uint64_t) description->active << 1 | description->persistent);
        hash = mix_number(mix_number(hash, (uint64_t) description->pid), description->start);
        hash = mix_text(mix_number(hash, description->memory_kib), description->backing);
        hash = mix_number(hash, (uint64_t) (uint32_t) description->id << 3 | (uint64_t) description->placement_auto << 2 | (uint64_t) description->memory_auto << 1 | description->nodeset_fixed);
        hash = mix_text(mix_text(mix_text(hash, description->cpuset), description->nodeset), description->all_nodes);
        hash = mix_text(mix_text(hash, description->auto_nodes), description->auto_cpus);
        hash = mix_devices(mix_threads(mix_wishes(hash, &description->wishes), description), description);
        description->fingerprint = hash;
}
