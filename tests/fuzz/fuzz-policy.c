/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lua source to intents: any text is refused, stopped, or asks for what the planner can take as it is. A text that mentions "policy" is a whole file, any
 * other the body of on_epoch(host, p).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/host/host.h"
#include "daemon/plan/intent.h"
#include "daemon/policy/lua-sandbox.h"
#include "fuzz.h"

#define EPOCHS 3

int LLVMFuzzerInitialize(int *argc, char ***argv);
static struct host *host;

static void add(const char *unit_id, const char *queue_id, int node, int core, double load) {
        struct unit *unit = host_unit_add(host, NULL, unit_id);
        struct queue *queue = host_queue_add(host, NULL, queue_id);

        must(unit && queue, "the model takes an object");
        unit->pub.node = node;
        unit->core = core;
        unit->load = unit->load_average = load;
        unit->rates_valid = true;
        queue->pub.unit = &unit->pub;
        queue->pub.can_poll = true;
        queue->pub.fields = IOCORE_QUEUE_BUSY | IOCORE_QUEUE_WORKS;
        queue->n_samples = 2;
        queue->load = load;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
        struct topology *topology;

        (void) argc;
        (void) argv;
        must(topology_new(&topology, "/", "pack:2 [numa] core:4 pu:1", NULL, NULL) == 0, "a topology can be made");
        must(host_new(&host, topology) == 0, "a host can be made");
        host->epoch = 1;
        add("d.1", "vq.1.0", 0, 0, 0.5);
        add("d.2", "vq.2.0", 0, -1, 0.2);
        host->cpus[0].io_core = host->cpus[0].io_core_ours = true;
        must(host_worker_add(host, NULL, "w.1") && host_domain_add(host, NULL, "vm"), "the model takes an object");
        host_clear_events(host);
        return 0;
}

static bool is_text(const char *text, size_t size) {
        size_t length = strnlen(text, size);

        for (size_t i = 0; i < length; i++)
                if ((unsigned char) text[i] < 0x20 || text[i] == 0x7f)
                        return false;
        return length < size;
}

static void check(const struct intent *intent) {
        must(intent->action >= 0 && intent->action < _INTENT_ACTION_MAX, "an action that there is");
        must(strcmp(intent->source, "policy:fuzz") == 0 && intent->priority == 50, "an intent of this policy's");
        must(intent->cpu == IOCORE_CPU_ANY || host_cpu(host, intent->cpu), "a CPU that there is");
        must(intent->node == IOCORE_NODE_UNKNOWN || host_node(host, intent->node), "a node that there is");
        must(is_text(intent->object, sizeof(intent->object)) && is_text(intent->knob, sizeof(intent->knob)) && is_text(intent->value, sizeof(intent->value)) &&
                     is_text(intent->reason, sizeof(intent->reason)),
             "text without control characters");
        must(intent->n_evidence <= INTENT_EVIDENCE_MAX, "as much evidence as fits");
        for (size_t i = 0; i < intent->n_evidence; i++)
                must(isfinite(intent->evidence[i].value) && is_text(intent->evidence[i].name, sizeof(intent->evidence[i].name)), "evidence is finite");
        must(intent->trial >= TRIAL_NONE && intent->trial < _TRIAL_MEASURE_MAX, "a measure that there is");
}

static void run(struct lua_sandbox *sandbox, const struct policy_limits *limits) {
        struct intent_list intents = { 0 };
        char error[IOCORE_REASON_MAX] = "";
        int r = 0;

        for (unsigned i = 0; i < EPOCHS && r == 0; i++) {
                host->epoch++;
                for (size_t j = 0; j < host->n_queues; j++)
                        host->queues[j]->sampled_epoch = host->epoch;
                intent_list_clear(&intents);
                lua_sandbox_begin(sandbox, host, &intents);
                r = lua_sandbox_call(sandbox, POLICY_ON_EPOCH, NULL, error, sizeof(error));
                lua_sandbox_end(sandbox);
                must(intents.n <= limits->intents_per_epoch, "no more intents than allowed");
                for (size_t j = 0; j < intents.n; j++)
                        check(&intents.intents[j]);
        }
        must(r == 0 || (error[0] && is_text(error, sizeof(error))), "an error is told");
        must(lua_sandbox_memory(sandbox) <= limits->memory_bytes, "no more memory than allowed");
        intent_list_done(&intents);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const struct policy_limits limits = { .instructions_per_event = 20000, .memory_bytes = 256 * 1024, .intents_per_epoch = 16 };
        static const char before[] = "return policy { on_epoch = function(host, p)\n", after[] = "\nend }";
        struct lua_sandbox *sandbox = NULL;
        char error[IOCORE_REASON_MAX] = "", *text;
        bool whole;
        int r;

        if (size > SANDBOX_SOURCE_MAX)
                return 0;
        whole = size > 0 && memmem(data, size, "policy", 6);
        if (whole) {
                text = malloc(size);
                if (text)
                        memcpy(text, data, size);
        } else {
                int length = asprintf(&text, "%s%.*s%s", before, (int) strnlen((const char *) data, size), (const char *) data, after);

                if (length < 0)
                        text = NULL;
                else
                        size = (size_t) length;
        }
        if (!text)
                return 0;
        r = lua_sandbox_new(&sandbox, "fuzz", 50, text, size, &limits, NULL, error, sizeof(error));
        free(text);
        if (r < 0)
                must(error[0] && is_text(error, sizeof(error)), "why it is refused is told");
        else
                run(sandbox, &limits);
        lua_sandbox_free(sandbox);
        return 0;
}
