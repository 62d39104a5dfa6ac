/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes are a scenario or an error with its reason; what is a scenario can be played. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/sim/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char error[SCENARIO_ERROR_MAX] = "";
        struct scenario *scenario = NULL;
        struct model *model = NULL;

        if (scenario_parse(&scenario, (const char *) data, size, error, sizeof(error)) < 0) {
                if (!*error)
                        abort();
                return 0;
        }
        /* a large host is no better find than a small one, but a slow one */
        if (scenario_n_cpus(scenario) <= 64 && scenario->n_vms <= 64 && model_new(&model, scenario) == 0) {
                for (unsigned i = 0; i < 20; i++) {
                        unsigned number = 0;
                        (void) model_worker_create(model, (int) (i % 4), &number);
                        (void) model_move(model, i % 3 + 1, i % 5 + 1);
                        (void) model_queue_set_poll(model, i % 3 + 1, i & 1, i & 2);
                        (void) model_worker_set_locked(model, i % 4 + 1, i & 1);
                        (void) model_advance(model, scenario->quantum_usec);
                }
                for (size_t i = 0; i < model_n_workers(model); i++) {
                        const struct model_worker *worker = model_worker_at(model, i);
                        if (worker->counters.total_work_cycles + worker->counters.cycles + worker->counters.wait != model_cycles(model) - worker->born_cycles)
                                abort();
                }
        }
        model_free(model);
        scenario_free(scenario);
        return 0;
}
