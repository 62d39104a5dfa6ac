/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hosts, rules and intents out of the fuzzer's bytes; then intents that are raw bytes altogether. No rule may be broken. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/planner-model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
        const uint8_t *data;
        size_t size;
};

static uint32_t next_bytes(void *userdata) {
        struct bytes *bytes = userdata;
        uint32_t value = 0;
        size_t n = bytes->size < 2 ? bytes->size : 2;
        memcpy(&value, bytes->data, n);
        bytes->data += n;
        bytes->size -= n;
        return value;
}

static void must_not_be_broken(const char *broken) {
        if (broken) {
                fprintf(stderr, "%s\n", broken);
                abort();
        }
}

static void plan_raw_intents(struct world *world, struct planner *planner, const struct bytes *rest) {
        struct intent intents[2];
        struct plan plan = { 0 };
        memset(intents, 0, sizeof intents);
        for (size_t i = 0; i < sizeof intents; i++)
                ((uint8_t *) intents)[i] = rest->size > 0 ? rest->data[i % rest->size] : 0xff;
        /* an enum of any int, as a confused caller would pass it; the same for a trial that nobody reads */
        if (planner_plan(planner, world->host, &world->capabilities, intents, 2, &plan) < 0)
                return;
        if (plan.n_decisions != 2)
                abort();
        for (size_t i = 0; i < plan.n_decisions; i++)
                if (memchr(plan.decisions[i]->text, '\0', sizeof plan.decisions[i]->text) == NULL || plan.decisions[i]->intent.n_evidence > INTENT_EVIDENCE_MAX)
                        abort();
        plan_done(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static struct host *host; /* read once: hwloc takes longer than all the rest */
        struct world world = { 0 };
        struct bytes bytes = { data, size };
        struct draw draw = { next_bytes, &bytes };
        struct planner *planner;
        struct plan plan = { 0 };
        char buffer[512];

        if (!host)
                host = model_host("pack:2 numa:1 l3:2 core:2 pu:2");
        world_draw(&world, host, &draw);
        if (planner_new(&planner, &world.rules) < 0 ||
            planner_plan(planner, host, &world.capabilities, world.intents, world.n_intents, &plan) < 0)
                abort();
        must_not_be_broken(world_carry_out(&world, &plan, buffer, sizeof buffer));
        for (size_t i = 0; i < plan.n_decisions; i++) {
                if (i % 5 == 4 && plan.decisions[i]->verdict == VERDICT_DONE)
                        plan.decisions[i]->verdict = VERDICT_FAILED;
                planner_report(planner, host, plan.decisions[i]);
                if (i % 7 == 6)
                        planner_report_undone(planner, host, plan.decisions[i]);
        }
        plan_done(&plan);
        plan_raw_intents(&world, planner, &bytes);
        planner_free(planner);
        world_done(&world);
        return 0;
}
