/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "fault-point.h"
#include "transaction-internal.h"

void shorten(char *ret, size_t size, const char *text) {
        size_t length = strlen(text);
        length = length < size ? length : size - 1;
        memcpy(ret, text, length);
        ret[length] = '\0';
}

static int remember(struct transaction *run, struct undo *undo, const struct hand *hand, const char *live) {
        shorten(undo->kind, sizeof undo->kind, hand->knob->kind);
        shorten(undo->object, sizeof undo->object, hand->object);
        undo->instance = hand->instance;
        undo->cpu_before = hand->unit ? unit_cpu(hand->unit) : IOCORE_CPU_ANY;
        const struct journal_entry *entry = hand_entry(run->actor, hand);
        if (entry && entry->set_value)
                memcpy(undo->source_before, entry->source, sizeof undo->source_before);
        undo->before = strdup(live);
        return undo->before ? 0 : -ENOMEM;
}

/* --- what must be set before a unit can go where it shall --- */

struct preparation {
        struct transaction *run;
        size_t step;
        int error; /* -ENOMEM */
};

static int prepare_one(void *userdata, const char *kind, const char *object, const char *value) {
        struct preparation *preparation = userdata;
        struct transaction *run = preparation->run;
        char live[IOCORE_VALUE_MAX], set[IOCORE_VALUE_MAX];
        struct hand hand;
        struct undo undo = { .step = preparation->step };
        if (want_begin(run->actor, kind, object, value, &hand, live) <= 0)
                return 0;
        if (run->n_prepared == run->n_allocated) {
                size_t n = run->n_allocated ? 2 * run->n_allocated : 4;
                struct undo *prepared = reallocarray(run->prepared, n, sizeof *prepared);
                if (!prepared)
                        return preparation->error = -ENOMEM;
                run->prepared = prepared;
                run->n_allocated = n;
        }
        if (remember(run, &undo, &hand, live) < 0)
                return preparation->error = -ENOMEM;
        hand.source = run->decision->intent.source;
        int r = hand_set_journaled(run->actor, &hand, live, value, set, &undo.changed);
        run->unannounced = run->unannounced || hand.unannounced;
        want_end(run->actor, &hand, value, r);
        run->prepared[run->n_prepared++] = undo;
        return 0;
}

/* Where this is refused the move shows what is missing. */
static int prepare(struct transaction *run, const struct hand *hand, const struct step *step) {
        struct preparation preparation = { .run = run, .step = (size_t) (step - run->decision->steps) };
        const struct iocore_plugin *plugin = hand->instance->plugin;
        if (step->kind != STEP_UNIT_MOVE || !plugin->prepare || !hand->unit || !run->actor->reservation)
                return 0;
        int r = plugin->prepare(hand->instance->state, &hand->unit->pub, step->cpu, prepare_one, &preparation);
        return preparation.error < 0 ? preparation.error : r == -ENOMEM ? r : 0;
}

bool value_may_be_written_otherwise(const char *kind) {
        return strncmp(kind, "unit.", 5) != 0 && strncmp(kind, "worker.", 7) != 0 && strncmp(kind, "queue.", 6) != 0;
}

/* What was set before a unit's move may have changed what it has. Unless iocored had set that, it is what the unit would have without iocored (a cpuset has its CPUs again), and
 * where it returns to. */
static int look_again(struct transaction *run, struct undo *undo, const struct hand *hand, char *live) {
        int r = hand_get(hand, live);
        if (r < 0 || hand_entry(run->actor, hand))
                return r;
        char *before = strdup(live);
        if (!before)
                return -ENOMEM;
        free(undo->before);
        undo->before = before;
        return 0;
}

/* `value` NULL: the unit's home. */
static int set_knob(struct transaction *run, struct step *step, struct undo *undo, struct hand *hand, const char *value) {
        char live[IOCORE_VALUE_MAX], set[IOCORE_VALUE_MAX];
        hand->source = run->decision->intent.source;
        int r = hand_get(hand, live);
        if (r < 0)
                return r;
        shorten(step->old_value, sizeof step->old_value, live);
        shorten(step->new_value, sizeof step->new_value, live);
        if (value && strcmp(live, value) == 0) {
                step->result = STEP_UNCHANGED;
                return 0;
        }
        r = hand_check_foreign(run->actor, hand, live);
        run->foreign = r == -ESTALE;
        if (r >= 0)
                r = remember(run, undo, hand, live);
        if (r < 0)
                return r;
        size_t n_prepared = run->n_prepared;
        r = value ? prepare(run, hand, step) : 0;
        if (r >= 0 && run->n_prepared > n_prepared)
                r = look_again(run, undo, hand, live);
        if (r >= 0 && value)
                r = hand_set_journaled(run->actor, hand, live, value, set, &undo->changed);
        else if (r >= 0)
                r = unit_go_home(run->actor, hand, live, set, &undo->changed);
        if (run->n_prepared > n_prepared)
                undo->changed = true; /* a cpuset that is rewritten may change the masks of all that is in it */
        if (r == -EOPNOTSUPP && !undo->changed && value_may_be_written_otherwise(hand->knob->kind)) {
                step->result = STEP_UNCHANGED;
                return 0;
        }
        run->unannounced = run->unannounced || hand->unannounced;
        undo->asked = r == -EINPROGRESS;
        if (r < 0)
                return r;
        shorten(step->new_value, sizeof step->new_value, set);
        step->result = undo->changed ? STEP_DONE : STEP_UNCHANGED;
        return 0;
}

/* --- steps --- */

static int run_unit_move(struct transaction *run, struct step *step, struct undo *undo) {
        char value[IOCORE_VALUE_MAX];
        struct hand hand;
        int r = hand_find(run->actor, "unit.place", step->object, &hand);
        if (r >= 0)
                r = hand_get(&hand, value);
        /* A VM that ended between two scans must not keep an I/O core from growing or shrinking: of its units nothing is left to be moved. */
        enum intent_action action = run->decision->intent.action;
        if (error_is_gone(r) && (action == INTENT_GROW || action == INTENT_SHRINK)) {
                step->result = STEP_UNCHANGED;
                return 0;
        }
        if (r < 0)
                return r;
        if (step->cpu == IOCORE_CPU_ANY)
                return set_knob(run, step, undo, &hand, NULL);
        /* It was to become an I/O core by an earlier decision of the same plan, which failed. */
        const struct cpu *core = host_cpu(run->actor->host, step->cpu);
        if (!core || !core->io_core)
                return -ENOENT;
        r = unit_place(&hand, step->cpu, value);
        return r < 0 ? r : set_knob(run, step, undo, &hand, value);
}

static int run_knob_set(struct transaction *run, struct step *step, struct undo *undo) {
        struct hand hand;
        int r = hand_find(run->actor, step->knob, step->object, &hand);
        return r < 0 ? r : set_knob(run, step, undo, &hand, step->value);
}

static int run_core_close(struct transaction *run, struct step *step, struct undo *undo) {
        const struct cpu *core = host_cpu(run->actor->host, step->cpu);
        const char *worker = step->object[0] ? step->object : core && core->worker ? core->worker->pub.id : "";
        struct hand hand;
        step->result = STEP_UNCHANGED;
        if (!worker[0])
                return 0; /* no worker takes new units there */
        int r = hand_find(run->actor, "worker.locked", worker, &hand);
        if (r == -EOPNOTSUPP)
                return 0;
        return r < 0 ? r : set_knob(run, step, undo, &hand, "1");
}

/* Which plugin makes I/O cores: the one that has the host's workers. */
static struct plugin_instance *core_maker(const struct actor *actor) {
        struct plugin_instance *first = NULL;
        for (struct plugin_instance *const *p = actor->plugins; *p; p++) {
                const struct iocore_plugin *plugin = (*p)->plugin;
                if (plugin->core_add && plugin->provides && strcmp(plugin->provides, "vhost") == 0)
                        return *p;
                if (plugin->core_add && !first)
                        first = *p;
        }
        return first;
}

static int announce_core(struct transaction *run, enum journal_kind kind, const struct plugin_instance *instance, int cpu, const char *old_value) {
        struct journal_entry entry = { .kind = kind };
        shorten(entry.plugin, sizeof entry.plugin, instance->plugin->name);
        shorten(entry.source, sizeof entry.source, run->decision->intent.source);
        snprintf(entry.object, sizeof entry.object, "%d", cpu);
        int r = journal_announce(run->actor->journal, &entry, old_value, "");
        run->unannounced = r < 0;
        return r;
}

/* A core_add() that failed may have come half-way. */
static void clean_up_after_core_add(struct transaction *run, struct plugin_instance *instance, int cpu, const char *ids_before) {
        struct actor *actor = run->actor;
        bool gone;
        if (instance->plugin->scan)
                (void) instance->plugin->scan(instance->state, true);
        const struct worker *worker = actor_unconfirmed_worker(actor, instance, cpu, ids_before);
        char id[IOCORE_ID_MAX] = "";
        if (worker)
                memcpy(id, worker->pub.id, sizeof id);
        /* What cannot be removed now stays in the journal. */
        (void) actor_take_down_core(actor, instance, cpu, id, run->decision->intent.source, &gone);
}

/* The journal has room for one core: one that could not be unmade earlier goes before another is made. */
int transaction_clear_place(struct transaction *run, const struct plugin_instance *instance, int cpu) {
        char number[16];
        bool gone;
        snprintf(number, sizeof number, "%d", cpu);
        const struct journal_entry *left = journal_find(run->actor->journal, JOURNAL_CORE_ADD, instance->plugin->name, "", number);
        return left ? actor_take_down_entry(run->actor, left, &gone) : 0;
}

int transaction_add_core(struct transaction *run, struct plugin_instance *instance, int cpu, struct undo *undo) {
        struct actor *actor = run->actor;
        char number[16];
        snprintf(number, sizeof number, "%d", cpu);
        _cleanup_free_ char *ids = actor_worker_ids(actor, instance);
        int r = ids ? transaction_clear_place(run, instance, cpu) : -ENOMEM;
        if (r >= 0)
                r = announce_core(run, JOURNAL_CORE_ADD, instance, cpu, ids);
        if (r < 0)
                return r;
        undo->instance = instance;
        fault_point_before_write();
        r = instance->plugin->core_add(instance->state, cpu, undo->worker, sizeof undo->worker);
        fault_point_after_write();
        undo->worker[sizeof undo->worker - 1] = '\0';
        if (r < 0) {
                clean_up_after_core_add(run, instance, cpu, ids);
                return r;
        }
        undo->changed = true;
        struct cpu *core = host_cpu(actor->host, cpu);
        if (core)
                core->io_core_ours = true;
        return journal_confirm(actor->journal, JOURNAL_CORE_ADD, instance->plugin->name, "", number, undo->worker);
}

static int run_core_add(struct transaction *run, struct step *step, struct undo *undo) {
        const struct cpu *core = host_cpu(run->actor->host, step->cpu);
        struct plugin_instance *instance = core_maker(run->actor);
        if (!core)
                return -EINVAL;
        if (!instance)
                return -EOPNOTSUPP;
        if (core->io_core) {
                step->result = STEP_UNCHANGED;
                return 0;
        }
        int r = transaction_add_core(run, instance, step->cpu, undo);
        if (r < 0)
                return r;
        shorten(step->new_value, sizeof step->new_value, undo->worker);
        step->result = STEP_DONE;
        return 0;
}

static int run_core_remove(struct transaction *run, struct step *step, struct undo *undo) {
        struct actor *actor = run->actor;
        struct cpu *core = host_cpu(actor->host, step->cpu);
        if (!core)
                return -EINVAL;
        struct plugin_instance *instance = core->plugin ? core->plugin : core_maker(actor);
        if (!instance || !instance->plugin->core_remove)
                return -EOPNOTSUPP;
        char number[16], worker[IOCORE_ID_MAX];
        snprintf(number, sizeof number, "%d", step->cpu);
        const struct journal_entry *added = journal_find(actor->journal, JOURNAL_CORE_ADD, instance->plugin->name, "", number);
        /* A core that the step before has closed may already be none to its plugin, but its worker is still there. */
        if (!added) {
                step->result = STEP_UNCHANGED;
                return core->io_core ? -EPERM : 0;
        }
        actor_core_worker(actor, instance, added, worker);
        if (step->object[0] && strcmp(step->object, worker) != 0)
                return -EINVAL;
        shorten(step->old_value, sizeof step->old_value, worker);
        int r = announce_core(run, JOURNAL_CORE_REMOVE, instance, step->cpu, worker);
        if (r < 0)
                return r;
        undo->instance = instance;
        fault_point_before_write();
        r = instance->plugin->core_remove(instance->state, step->cpu, worker);
        fault_point_after_write();
        if (r < 0 && r != -ENOENT) {
                (void) journal_cancel(actor->journal, JOURNAL_CORE_REMOVE, instance->plugin->name, "", number, NULL);
                return r;
        }
        undo->changed = true;
        core->io_core_ours = false;
        (void) actor_forget_core(actor, instance->plugin->name, step->cpu, worker); /* what stays is found to be gone */
        step->result = STEP_DONE;
        return 0;
}

/* --- */

int transaction_run_step(struct transaction *run, struct step *step, struct undo *undo) {
        switch (step->kind) {
        case STEP_CORE_ADD:
                return run_core_add(run, step, undo);
        case STEP_CORE_CLOSE:
                return run_core_close(run, step, undo);
        case STEP_UNIT_MOVE:
                return run_unit_move(run, step, undo);
        case STEP_CORE_REMOVE:
                return run_core_remove(run, step, undo);
        case STEP_KNOB_SET:
                return run_knob_set(run, step, undo);
        case STEP_MEMORY_MOVE:
                return transaction_begin_memory(run, step, undo);
        }
        return -EINVAL;
}

int transaction_start(struct transaction *run) {
        struct decision *decision = run->decision;
        bool changed = false, open = false;
        int r = 0;
        for (size_t i = 0; i < decision->n_steps && r >= 0; i++) {
                struct step *step = decision->steps + i;
                step->result = STEP_PENDING;
                step->error = 0;
                step->old_value[0] = step->new_value[0] = '\0';
                step->job = 0;
                if (open && transaction_moves_memory(step))
                        continue; /* when all else has answered: what moved once is not undone in a moment */
                r = transaction_run_step(run, step, run->undos + i);
                if (r == -EINPROGRESS && run->may_stay_open) {
                        transaction_wait_for(run, i);
                        open = true;
                        r = 0;
                } else if (r < 0) {
                        step->result = STEP_FAILED;
                        step->error = r;
                        run->failed = i;
                }
                changed = changed || step->result == STEP_DONE;
        }
        if (open) {
                decision->verdict = VERDICT_OPEN;
                return -EINPROGRESS;
        }
        if (r < 0)
                transaction_undo(run, run->failed);
        else
                transaction_tell_jobs(decision);
        decision->verdict = r < 0 ? VERDICT_FAILED : changed ? VERDICT_DONE : VERDICT_UNCHANGED;
        actor_mark_our_cores(run->actor);
        return r;
}
