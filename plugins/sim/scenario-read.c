/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From JSON to struct scenario. Strict: a key that nobody knows, a value out of bounds or of another type is an error, told with its place. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "scenario-json.h"

#define DEFAULT_RING 256      /* entries of a vhost-net ring as QEMU sets it up */
/* Where no pid is given: above the kernel's highest possible pid (4194304), so that nobody ever signals or pins a stranger. */
#define FIRST_PID 5000000

static int read_costs(struct reader *reader, const struct place *object, struct scenario_costs *costs) {
        static const char *const keys[] = {"request", "byte", "kick", "exit", "poll", "turn", "mm_switch", "roam", "remote", NULL};
        const struct {
                const char *key;
                double max, scale;
                uint64_t *value;
        } fields[] = {
                {"request", 1e7, 1, &costs->request},      {"byte", 1000, SCENARIO_SHARE, &costs->byte_share},
                {"kick", 1e7, 1, &costs->kick},            {"exit", 1e7, 1, &costs->exit},
                {"poll", 1e6, 1, &costs->poll},            {"turn", 1e6, 1, &costs->turn},
                {"mm_switch", 1e6, 1, &costs->mm_switch},  {"roam", 1e6, 1, &costs->roam},
                {"remote", 10, SCENARIO_SHARE, &costs->remote_share},
        };
        struct place place;
        int r;

        if (!json_member(object, "costs", &place))
                return 0;
        r = json_check(reader, &place, keys);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(fields); i++)
                r = json_read_number(reader, &place, fields[i].key, 0, fields[i].max, fields[i].scale, fields[i].value);
        if (r < 0)
                return r;
        if (costs->poll == 0)
                return json_refuse(reader, place.path, "poll must be at least 1: a look at a queue takes time");
        if (costs->request == 0)
                return json_refuse(reader, place.path, "request must be at least 1: serving a request takes time");
        return 0;
}

static int read_topology(struct reader *reader, const struct place *document, struct scenario_topology *topology) {
        static const char *const keys[] = {"sockets", "nodes", "cores", "threads", "ghz", NULL};
        struct place place;
        unsigned nodes = 0;
        int r;

        if (!json_member(document, "topology", &place))
                return json_refuse(reader, "topology", "is missing");
        r = json_check(reader, &place, keys);
        if (r >= 0)
                r = json_read_unsigned(reader, &place, "sockets", 1, 64, &topology->sockets);
        nodes = topology->sockets;
        if (r >= 0)
                r = json_read_unsigned(reader, &place, "nodes", 1, 256, &nodes);
        if (r >= 0)
                r = json_read_unsigned(reader, &place, "cores", 1, 4096, &topology->cores_per_node);
        if (r >= 0)
                r = json_read_unsigned(reader, &place, "threads", 1, 8, &topology->threads_per_core);
        if (r >= 0)
                r = json_read_number(reader, &place, "ghz", 0.1, 100, 1000, &topology->cycles_per_usec);
        if (r < 0)
                return r;
        if (nodes % topology->sockets != 0)
                return json_refuse(reader, place.path, "nodes must be a multiple of sockets");
        topology->nodes_per_socket = nodes / topology->sockets;
        if ((uint64_t) nodes * topology->cores_per_node * topology->threads_per_core > SCENARIO_CPUS_MAX)
                return json_refuse(reader, place.path, "more than %u CPUs", SCENARIO_CPUS_MAX);
        return 0;
}

static int read_load(struct reader *reader, const struct place *place, unsigned n_queues, struct scenario_load *load) {
        static const char *const keys[] = {"at", "ramp", "queue", "packets", "bytes", "noise", "in_flight", "think", NULL};
        struct place open_loop, closed_loop;
        int r;

        load->queue = SCENARIO_ALL_QUEUES;
        load->bytes = 1500;
        r = json_check(reader, place, keys);
        if (r >= 0)
                r = json_read_seconds(reader, place, "at", &load->at_usec);
        if (r >= 0)
                r = json_read_seconds(reader, place, "ramp", &load->ramp_usec);
        if (r >= 0)
                r = json_read_integer(reader, place, "queue", 0, n_queues - 1, &load->queue);
        if (r >= 0)
                r = json_read_number(reader, place, "packets", 0, 1e8, 1, &load->rate);
        if (r >= 0)
                r = json_read_number(reader, place, "bytes", 1, 65536, 1, &load->bytes);
        if (r >= 0)
                r = json_read_number(reader, place, "noise", 0, 1, SCENARIO_SHARE, &load->noise_share);
        if (r >= 0)
                r = json_read_number(reader, place, "in_flight", 1, 65536, 1, &load->in_flight);
        if (r >= 0)
                r = json_read_number(reader, place, "think", 1e-6, 1000, USEC_PER_SEC, &load->think_usec);
        if (r < 0)
                return r;
        bool open = json_member(place, "packets", &open_loop), closed = json_member(place, "in_flight", &closed_loop);
        if (open == closed)
                return json_refuse(reader, place->path, "needs either \"packets\" (open loop) or \"in_flight\" (closed loop)");
        if (closed && load->think_usec == 0)
                return json_refuse(reader, place->path, "\"in_flight\" needs \"think\"");
        if (open && load->think_usec > 0)
                return json_refuse(reader, place->path, "\"think\" belongs to \"in_flight\"");
        if (closed && load->ramp_usec > 0)
                return json_refuse(reader, place->path, "\"ramp\" belongs to \"packets\"");
        return 0;
}

static int read_loads(struct reader *reader, const struct place *object, struct scenario_device *device) {
        struct place array, place;
        const cJSON *json;
        size_t i = 0;
        int r;

        r = json_open_array(reader, object, "load", 4096, sizeof(*device->loads), &array, &device->loads, &device->n_loads);
        if (r < 0 || device->n_loads == 0)
                return r;
        cJSON_ArrayForEach(json, array.json) {
                json_element(&array, json, i, &place);
                r = read_load(reader, &place, device->n_queues, device->loads + i);
                if (r < 0)
                        return r;
                if (i > 0 && device->loads[i].at_usec < device->loads[i - 1].at_usec)
                        return json_refuse(reader, place.path, "is earlier than the one before it");
                i++;
        }
        return 0;
}

static int read_device(struct reader *reader, const struct place *place, const struct scenario_costs *costs, struct scenario_device *device) {
        static const char *const keys[] = {"backend", "queues", "worker", "can_poll", "ring", "costs", "load", NULL};
        int r;

        device->n_queues = 2;
        device->can_poll = true;
        device->ring = DEFAULT_RING;
        device->costs = *costs;
        r = json_check(reader, place, keys);
        if (r >= 0)
                r = json_read_name(reader, place, "backend", device->backend, sizeof(device->backend));
        if (r >= 0)
                r = json_read_unsigned(reader, place, "queues", 1, 256, &device->n_queues);
        if (r >= 0)
                r = json_read_unsigned(reader, place, "worker", 1, (unsigned) reader->scenario->n_workers + 1, &device->worker);
        if (r >= 0)
                r = json_read_bool(reader, place, "can_poll", &device->can_poll);
        if (r >= 0)
                r = json_read_number(reader, place, "ring", 1, 65536, 1, &device->ring);
        if (r >= 0)
                r = read_costs(reader, place, &device->costs);
        if (r >= 0)
                r = read_loads(reader, place, device);
        return r;
}

static int read_devices(struct reader *reader, const struct place *object, const struct scenario_costs *costs, struct scenario_vm *vm) {
        struct place array, place;
        const cJSON *json;
        size_t i = 0;
        int r;

        r = json_open_array(reader, object, "devices", 1024, sizeof(*vm->devices), &array, &vm->devices, &vm->n_devices);
        if (r < 0 || vm->n_devices == 0)
                return r;
        cJSON_ArrayForEach(json, array.json) {
                json_element(&array, json, i, &place);
                r = read_device(reader, &place, costs, vm->devices + i);
                if (r < 0)
                        return r;
                i++;
        }
        return 0;
}

static int read_vcpu_loads(struct reader *reader, const struct place *object, struct scenario_vm *vm) {
        static const char *const keys[] = {"at", "busy", NULL};
        struct place array, place;
        const cJSON *json;
        size_t i = 0;
        int r;

        r = json_open_array(reader, object, "vcpu_load", 4096, sizeof(*vm->vcpu_loads), &array, &vm->vcpu_loads, &vm->n_vcpu_loads);
        if (r < 0 || vm->n_vcpu_loads == 0)
                return r;
        cJSON_ArrayForEach(json, array.json) {
                struct scenario_vcpu_load *load = vm->vcpu_loads + i;
                json_element(&array, json, i, &place);
                r = json_check(reader, &place, keys);
                if (r >= 0)
                        r = json_read_seconds(reader, &place, "at", &load->at_usec);
                if (r >= 0)
                        r = json_read_number(reader, &place, "busy", 0, 1, SCENARIO_SHARE, &load->busy_share);
                if (r < 0)
                        return r;
                if (i > 0 && load->at_usec < vm->vcpu_loads[i - 1].at_usec)
                        return json_refuse(reader, place.path, "is earlier than the one before it");
                i++;
        }
        return 0;
}

static int check_times(struct reader *reader, const struct place *place, const struct scenario_vm *vm) {
        if (vm->leaves_usec <= vm->arrives_usec)
                return json_refuse(reader, place->path, "leaves before it arrives");
        if (vm->pauses_usec != SCENARIO_NEVER && vm->pauses_usec < vm->arrives_usec)
                return json_refuse(reader, place->path, "pauses before it arrives");
        if (vm->resumes_usec != SCENARIO_NEVER && (vm->pauses_usec == SCENARIO_NEVER || vm->resumes_usec <= vm->pauses_usec))
                return json_refuse(reader, place->path, "resumes without having paused before");
        return 0;
}

/* One element of "vms": the VM as written; copies are made by add_vms(). */
static int read_vm(struct reader *reader, const struct place *place, const struct scenario_costs *costs, struct scenario_vm *vm, unsigned *ret_count) {
        static const char *const keys[] = {"name", "count", "vcpus", "node", "pid", "arrives", "leaves", "pauses", "resumes", "vcpu_load", "devices", NULL};
        struct place unused;
        int r;

        vm->n_vcpus = 1;
        vm->leaves_usec = vm->pauses_usec = vm->resumes_usec = SCENARIO_NEVER;
        r = json_check(reader, place, keys);
        if (r >= 0 && !json_member(place, "name", &unused))
                r = json_refuse(reader, place->path, "has no name");
        if (r >= 0)
                r = json_read_name(reader, place, "name", vm->name, sizeof(vm->name) - 12);
        if (r >= 0)
                r = json_read_unsigned(reader, place, "count", 1, SCENARIO_VMS_MAX, ret_count);
        if (r >= 0)
                r = json_read_unsigned(reader, place, "vcpus", 1, 1024, &vm->n_vcpus);
        if (r >= 0)
                r = json_read_integer(reader, place, "node", 0, scenario_n_nodes(reader->scenario) - 1, &vm->node);
        if (r >= 0)
                r = json_read_integer(reader, place, "pid", 2, INT32_MAX - SCENARIO_VMS_MAX, &vm->pid);
        if (r >= 0)
                r = json_read_seconds(reader, place, "arrives", &vm->arrives_usec);
        if (r >= 0)
                r = json_read_seconds(reader, place, "leaves", &vm->leaves_usec);
        if (r >= 0)
                r = json_read_seconds(reader, place, "pauses", &vm->pauses_usec);
        if (r >= 0)
                r = json_read_seconds(reader, place, "resumes", &vm->resumes_usec);
        if (r >= 0)
                r = check_times(reader, place, vm);
        if (r >= 0)
                r = read_vcpu_loads(reader, place, vm);
        if (r >= 0)
                r = read_devices(reader, place, costs, vm);
        return r;
}

static void *copy_array(const void *elements, size_t n, size_t size) {
        void *copy = calloc(n ? n : 1, size);

        if (copy && n > 0)
                memcpy(copy, elements, n * size);
        return copy;
}

static int copy_vm(struct scenario_vm *copy, const struct scenario_vm *vm) {
        *copy = *vm;
        copy->vcpu_loads = NULL;
        copy->devices = copy_array(vm->devices, vm->n_devices, sizeof(*vm->devices));
        if (!copy->devices)
                return -ENOMEM;
        for (size_t i = 0; i < copy->n_devices; i++)
                copy->devices[i].loads = NULL;
        copy->vcpu_loads = copy_array(vm->vcpu_loads, vm->n_vcpu_loads, sizeof(*vm->vcpu_loads));
        if (!copy->vcpu_loads)
                return -ENOMEM;
        for (size_t i = 0; i < copy->n_devices; i++) {
                copy->devices[i].loads = copy_array(vm->devices[i].loads, vm->devices[i].n_loads, sizeof(*vm->devices[i].loads));
                if (!copy->devices[i].loads)
                        return -ENOMEM;
        }
        return 0;
}

/* With a count, the copies are named NAME1 .. NAMEn, their pids follow each other, and without a "node" they go round the nodes. */
static int add_vms(struct reader *reader, struct scenario *scenario, const struct place *place, struct scenario_vm *vm, unsigned count) {
        struct place unused;
        bool counted = json_member(place, "count", &unused), spread = counted && !json_member(place, "node", &unused);
        size_t n_queues = 0, n_loads = vm->n_vcpu_loads;

        for (size_t i = 0; i < vm->n_devices; i++) {
                n_queues += vm->devices[i].n_queues;
                n_loads += vm->devices[i].n_loads;
        }
        if (count > SCENARIO_VMS_MAX - scenario->n_vms)
                return json_refuse(reader, place->path, "makes more than %u VMs", SCENARIO_VMS_MAX);
        if (n_queues * count > SCENARIO_QUEUES_MAX - reader->n_queues)
                return json_refuse(reader, place->path, "makes more than %u queues", SCENARIO_QUEUES_MAX);
        if (n_loads * count > SCENARIO_PHASES_MAX - reader->n_loads)
                return json_refuse(reader, place->path, "makes more than %u phases", SCENARIO_PHASES_MAX);
        reader->n_queues += n_queues * count;
        reader->n_loads += n_loads * count;

        struct scenario_vm *vms = reallocarray(scenario->vms, scenario->n_vms + count, sizeof(*vms));
        if (!vms)
                return -ENOMEM;
        scenario->vms = vms;
        for (unsigned i = 0; i < count; i++) {
                struct scenario_vm *copy = vms + scenario->n_vms++;
                int r = copy_vm(copy, vm);
                if (r < 0)
                        return r;
                if (counted)
                        snprintf(copy->name, sizeof(copy->name), "%.*s%u", (int) sizeof(copy->name) - 12, vm->name, i + 1);
                copy->pid = vm->pid > 0 ? vm->pid + (int) i : FIRST_PID + (int) scenario->n_vms;
                if (spread)
                        copy->node = (int) (i % scenario_n_nodes(scenario));
                for (size_t j = 0; j < copy->n_devices; j++)
                        if (!*copy->devices[j].backend)
                                snprintf(copy->devices[j].backend, sizeof(copy->devices[j].backend), "tap%zu.%zu", scenario->n_vms - 1, j);
        }
        return 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp((*(const struct scenario_vm *const *) a)->name, (*(const struct scenario_vm *const *) b)->name);
}

static int compare_pids(const void *a, const void *b) {
        int x = (*(const struct scenario_vm *const *) a)->pid, y = (*(const struct scenario_vm *const *) b)->pid;

        return (x > y) - (x < y);
}

/* A name and a pid belong to one VM, even if the VMs never meet: the daemon tells VMs apart by them. */
static int check_unique(struct reader *reader, const struct scenario *scenario) {
        _cleanup_free_ const struct scenario_vm **sorted = calloc(scenario->n_vms + 1, sizeof(*sorted));

        if (!sorted)
                return -ENOMEM;
        for (size_t i = 0; i < scenario->n_vms; i++)
                sorted[i] = scenario->vms + i;
        qsort(sorted, scenario->n_vms, sizeof(*sorted), compare_names);
        for (size_t i = 1; i < scenario->n_vms; i++)
                if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
                        return json_refuse(reader, "vms", "two are named \"%s\"", sorted[i]->name);
        qsort(sorted, scenario->n_vms, sizeof(*sorted), compare_pids);
        for (size_t i = 1; i < scenario->n_vms; i++)
                if (sorted[i - 1]->pid == sorted[i]->pid)
                        return json_refuse(reader, "vms", "two have the pid %d", sorted[i]->pid);
        return 0;
}

static int read_vms(struct reader *reader, const struct place *document, const struct scenario_costs *costs, struct scenario *scenario) {
        struct place array, place;
        const cJSON *json;
        size_t i = 0;

        if (!json_member(document, "vms", &array))
                return 0;
        if (!cJSON_IsArray(array.json))
                return json_refuse(reader, array.path, "must be an array");
        cJSON_ArrayForEach(json, array.json) {
                struct scenario_vm vm = {0};
                unsigned count = 1;
                json_element(&array, json, i++, &place);
                int r = read_vm(reader, &place, costs, &vm, &count);
                if (r >= 0)
                        r = add_vms(reader, scenario, &place, &vm, count);
                scenario_vm_done(&vm);
                if (r < 0)
                        return r;
        }
        return check_unique(reader, scenario);
}

static int read_workers(struct reader *reader, const struct place *document, struct scenario *scenario) {
        static const char *const keys[] = {"cpu", "locked", NULL};
        struct place array, place;
        const cJSON *json;
        size_t i = 0;
        int r;

        r = json_open_array(reader, document, "workers", SCENARIO_CPUS_MAX, sizeof(*scenario->workers), &array, &scenario->workers, &scenario->n_workers);
        if (r < 0 || scenario->n_workers == 0)
                return r;
        cJSON_ArrayForEach(json, array.json) {
                struct scenario_worker *worker = scenario->workers + i;
                json_element(&array, json, i++, &place);
                worker->cpu = IOCORE_CPU_ANY;
                r = json_check(reader, &place, keys);
                if (r >= 0)
                        r = json_read_integer(reader, &place, "cpu", -1, scenario_n_cpus(scenario) - 1, &worker->cpu);
                if (r >= 0)
                        r = json_read_bool(reader, &place, "locked", &worker->locked);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_scenario(struct reader *reader, const struct place *document, struct scenario *scenario) {
        static const char *const keys[] = {"name", "doc", "seed", "quantum", "duration", "move", "topology", "costs", "workers", "vms", NULL};
        /* Of the order of a 2.2 GHz Xeon of the ELVIS papers: a 1500 byte packet takes 0.75 us, a kick 1.1 us. */
        struct scenario_costs costs = {
                .request = 1200, .byte_share = 307, .kick = 2500, .exit = 3000, .poll = 150, .turn = 300, .mm_switch = 600, .roam = 800, .remote_share = 307};
        struct place unused;
        int r;

        scenario->seed = 1;
        scenario->quantum_usec = 1000;
        scenario->duration_usec = SCENARIO_NEVER;
        scenario->topology = (struct scenario_topology){.sockets = 1, .nodes_per_socket = 1, .cores_per_node = 4, .threads_per_core = 1, .cycles_per_usec = 2200};
        snprintf(scenario->name, sizeof(scenario->name), "unnamed");
        r = json_check(reader, document, keys);
        if (r >= 0 && json_member(document, "doc", &unused) && !cJSON_IsString(unused.json))
                r = json_refuse(reader, "doc", "must be a string");
        if (r >= 0)
                r = json_read_name(reader, document, "name", scenario->name, sizeof(scenario->name));
        if (r >= 0) /* beyond 2^53 a double skips integers */
                r = json_read_number(reader, document, "seed", 0, 9007199254740991.0, 1, &scenario->seed);
        if (r >= 0)
                r = json_read_number(reader, document, "quantum", 1e-5, 1, USEC_PER_SEC, &scenario->quantum_usec);
        if (r >= 0)
                r = json_read_seconds(reader, document, "duration", &scenario->duration_usec);
        if (r >= 0)
                r = json_read_number(reader, document, "move", 0, 10, USEC_PER_SEC, &scenario->move_usec);
        if (r >= 0)
                r = read_topology(reader, document, &scenario->topology);
        if (r >= 0)
                r = read_costs(reader, document, &costs);
        if (r >= 0)
                r = read_workers(reader, document, scenario);
        if (r >= 0)
                r = read_vms(reader, document, &costs, scenario);
        return r;
}

static void cjson_deletep(cJSON **json) {
        cJSON_Delete(*json);
}

int scenario_parse(struct scenario **ret, const char *text, size_t length, char *ret_error, size_t size) {
        const char *end = NULL;
        _cleanup_(cjson_deletep) cJSON *json = cJSON_ParseWithLengthOpts(text, length, &end, false);
        _cleanup_(scenario_freep) struct scenario *scenario = calloc(1, sizeof(*scenario));
        struct reader reader = {.error = ret_error, .size = size, .scenario = scenario};
        struct place document = {.json = json};
        int r;

        if (!scenario) {
                snprintf(ret_error, size, "out of memory");
                return -ENOMEM;
        }
        if (!json) {
                size_t line = 1;
                for (const char *p = text; end && p < end && p < text + length; p++)
                        line += *p == '\n';
                return json_refuse(&reader, "", "line %zu: not JSON", line);
        }
        for (; end < text + length && *end; end++)
                if (!strchr(" \t\r\n", *end))
                        return json_refuse(&reader, "", "there is more after the document");
        r = read_scenario(&reader, &document, scenario);
        if (r == -ENOMEM)
                snprintf(ret_error, size, "out of memory");
        if (r < 0)
                return r;
        *ret = TAKE_PTR(scenario);
        return 0;
}
