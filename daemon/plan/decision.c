/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decision.h"

static const char *const verdict_names[_VERDICT_MAX] = {
        [VERDICT_DONE] = "done",
        [VERDICT_WOULD] = "would",
        [VERDICT_UNCHANGED] = "unchanged",
        [VERDICT_REFUSED] = "refused",
        [VERDICT_SUPERSEDED] = "superseded",
        [VERDICT_FAILED] = "failed",
        [VERDICT_OPEN] = "in-progress",
        [VERDICT_PLANNED] = "planned",
};

struct decision *decision_copy(const struct decision *decision) {
        struct decision *copy = malloc(sizeof *copy);
        if (!copy)
                return NULL;
        *copy = *decision;
        copy->steps = calloc(decision->n_steps ? decision->n_steps : 1, sizeof *copy->steps);
        if (!copy->steps) {
                free(copy);
                return NULL;
        }
        if (decision->n_steps > 0)
                memcpy(copy->steps, decision->steps, decision->n_steps * sizeof *copy->steps);
        return copy;
}

struct decision *decision_free(struct decision *decision) {
        if (decision) {
                free(decision->steps);
                free(decision);
        }
        return NULL;
}

const char *verdict_to_string(enum verdict verdict) {
        return (unsigned) verdict < _VERDICT_MAX ? verdict_names[verdict] : NULL;
}

const char *trial_verdict_to_string(enum trial_verdict verdict) {
        switch (verdict) {
        case TRIAL_NOT_ASKED:
                return "not-asked";
        case TRIAL_RUNNING:
                return "running";
        case TRIAL_KEPT:
                return "kept";
        case TRIAL_UNDONE:
                return "undone";
        case TRIAL_INCONCLUSIVE:
                return "inconclusive";
        }
        return NULL;
}

const char *step_kind_to_string(enum step_kind kind) {
        switch (kind) {
        case STEP_CORE_ADD:
                return "core-add";
        case STEP_CORE_CLOSE:
                return "core-close";
        case STEP_UNIT_MOVE:
                return "unit-move";
        case STEP_CORE_REMOVE:
                return "core-remove";
        case STEP_KNOB_SET:
                return "knob-set";
        case STEP_MEMORY_MOVE:
                return "memory-move";
        }
        return NULL;
}

const char *step_result_to_string(enum step_result result) {
        switch (result) {
        case STEP_PENDING:
                return "pending";
        case STEP_DONE:
                return "done";
        case STEP_UNCHANGED:
                return "unchanged";
        case STEP_FAILED:
                return "failed";
        case STEP_UNDONE:
                return "undone";
        }
        return NULL;
}

static int format_what(const struct step *step, char *buffer, size_t size) {
        switch (step->kind) {
        case STEP_CORE_ADD:
                return snprintf(buffer, size, "make CPU %d an I/O core", step->cpu);
        case STEP_CORE_CLOSE:
                return snprintf(buffer, size, "close I/O core CPU %d for new devices", step->cpu);
        case STEP_UNIT_MOVE:
                if (step->cpu == IOCORE_CPU_ANY)
                        return snprintf(buffer, size, "move %s home", step->object);
                return snprintf(buffer, size, "move %s to CPU %d", step->object, step->cpu);
        case STEP_CORE_REMOVE:
                return snprintf(buffer, size, "remove I/O core CPU %d", step->cpu);
        case STEP_KNOB_SET:
                return snprintf(buffer, size, "set %s of %s to %s", step->knob, step->object, step->value);
        case STEP_MEMORY_MOVE:
                if (step->job > 0)
                        return snprintf(buffer, size, "begin job %llu that moves memory of guest cell %d of %s to node %d", (unsigned long long) step->job, step->cell,
                                        step->object, step->node);
                return snprintf(buffer, size, "begin to move memory of guest cell %d of %s to node %d", step->cell, step->object, step->node);
        }
        return snprintf(buffer, size, "unknown step");
}

void step_format(const struct step *step, char *buffer, size_t size) {
        int length = format_what(step, buffer, size);
        if (length < 0 || (size_t) length >= size)
                return;
        if (step->old_value[0] || step->new_value[0]) {
                int more = snprintf(buffer + length, size - (size_t) length, " (%s -> %s)", step->old_value[0] ? step->old_value : "-",
                                    step->new_value[0] ? step->new_value : "-");
                if (more < 0 || (size_t) (length += more) >= size)
                        return;
        }
        const char *result = step_result_to_string(step->result);
        if (step->error < 0)
                snprintf(buffer + length, size - (size_t) length, ": %s (%s)", result, strerror(-step->error));
        else
                snprintf(buffer + length, size - (size_t) length, ": %s", result);
}
