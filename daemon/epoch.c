/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One turn of the loop: sample, derive, decide, plan, act, judge. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "clock.h"
#include "daemon/act/reservation.h"
#include "engine-private.h"
#include "log.h"

/* Idle time of VM cores changes slowly and reading it for all CPUs is dear: so often at most. */
#define CPU_SAMPLE_USEC 1000000
/* A reader may ask for level 2 so often at most. */
#define REFRESH_USEC 1000000

/* Decisions need rates, rates need two samples. */
#define FIRST_DECIDING_EPOCH 2

/* --- sample, derive */

void engine_scan(struct engine *engine, bool thorough) {
        for (struct plugin_instance *const *i = plugin_set_instances(engine->plugins); *i; i++) {
                if (!(*i)->plugin->scan)
                        continue;
                int r = (*i)->plugin->scan((*i)->state, thorough);
                if (r < 0)
                        log_debug("Plugin %s: scan failed (%s), trying again at the next one.", (*i)->plugin->name, strerror(-r));
        }
}

static void sample_workers(struct engine *engine) {
        for (struct plugin_instance *const *i = plugin_set_instances(engine->plugins); *i; i++)
                if ((*i)->plugin->sample_workers && (*i)->plugin->sample_workers((*i)->state) < 0)
                        engine->scan_wanted = true;
}

static void sample_cpus(struct engine *engine) {
        for (struct plugin_instance *const *i = plugin_set_instances(engine->plugins); *i; i++)
                if ((*i)->plugin->sample_cpus)
                        (void) (*i)->plugin->sample_cpus((*i)->state);
}

static void sample_queues(struct engine *engine, bool all) {
        struct host *host = engine->host;
        for (size_t i = 0; i < host->n_workers; i++) {
                struct worker *worker = host->workers[i];
                if (!worker->plugin->plugin->sample_queues || (!all && !host_worker_is_busy(host, worker)))
                        continue;
                if (worker->plugin->plugin->sample_queues(worker->plugin->state, &worker->pub) < 0)
                        engine->scan_wanted = true;
        }
}

static void sample_and_derive(struct engine *engine, uint64_t now) {
        engine_hear_announcements(engine);
        if (engine->scan_wanted || now >= engine->next_scan_usec) {
                engine_check_hotplug(engine);
                bool thorough = engine->n_scans++ % THOROUGH_SCAN_EVERY == 0;
                engine_scan(engine, thorough);
                if (thorough)
                        reservation_prune(&engine->actor);
                engine->next_scan_usec = now + engine->config->scan_usec;
                engine->scan_wanted = false;
                engine->settle_wanted = true;
        }
        engine_read_notices(engine);
        engine_tell_jobs(engine);
        sample_workers(engine);
        if (now >= engine->next_cpu_usec) {
                sample_cpus(engine);
                engine->next_cpu_usec = now + CPU_SAMPLE_USEC;
        }
        host_derive_workers(engine->host);
        bool all = now >= engine->next_full_usec;
        if (all)
                engine->next_full_usec = now + engine->config->full_sample_usec;
        engine->host->idle_queues_sampled = all;
        sample_queues(engine, all);
        host_derive(engine->host);
}

void engine_refresh(struct engine *engine) {
        uint64_t now = monotonic_usec();
        if (engine->last_refresh_usec != 0 && now < engine->last_refresh_usec + REFRESH_USEC)
                return;
        engine->last_refresh_usec = now;
        /* The next epoch looks at everything; what is shown now is at most an epoch old. */
        engine->next_full_usec = 0;
}

/* --- act */

/* A stopped policy leaves nothing behind. */
static void undo_stopped_policies(struct engine *engine) {
        unsigned n_restored = 0;
        for (size_t i = 0; i < engine->n_stopped; i++) {
                char source[INTENT_SOURCE_MAX];
                struct restore_report report = { 0 };
                snprintf(source, sizeof source, "policy:%s", engine->stopped[i]);
                engine_abandon_open(engine, source);
                engine_cancel_jobs_of(engine, source);
                int r = transaction_restore(&engine->actor, source, &report);
                log_message(r < 0 ? LOG_WARNING : LOG_NOTICE, "Policy %s: %u of its changes put back, %u failed.", engine->stopped[i], report.restored,
                            report.failed);
                n_restored += report.restored;
        }
        if (engine->n_stopped > 0)
                engine_scan(engine, true);
        /* Also in modes in which nothing is done for new reasons: what was kept off its I/O cores gets their CPUs back. */
        if (n_restored > 0)
                engine_settle(engine);
        engine->n_stopped = 0;
}

/* --- tell */

static const char *event_name(enum host_event_kind kind) {
        static const char *const names[] = {
                [HOST_DEVICE_ADDED] = "device-added",   [HOST_DEVICE_REMOVED] = "device-removed", [HOST_CORE_ADDED] = "core-added",
                [HOST_CORE_REMOVED] = "core-removed",   [HOST_DOMAIN_ADDED] = "domain-added",     [HOST_DOMAIN_REMOVED] = "domain-removed",
                [HOST_DOMAIN_CHANGED] = "domain-changed",
        };
        return names[kind];
}

static void tell_events(struct engine *engine) {
        struct host *host = engine->host;
        for (size_t i = 0; i < host->n_events; i++) {
                const struct host_event *event = &host->events[i];
                char kind[sizeof "domain-" + sizeof event->event];
                if (event->kind == HOST_DOMAIN_EVENT)
                        snprintf(kind, sizeof kind, "domain-%s", event->event);
                engine_tell(engine, event->kind == HOST_DOMAIN_EVENT ? kind : event_name(event->kind), event->id, event->detail);
        }
        if (host->n_domain_events_lost > 0) {
                char text[IOCORE_REASON_MAX];
                engine->statistics.events_lost += host->n_domain_events_lost;
                snprintf(text, sizeof text, "%zu events of domains came too fast in one epoch to be kept", host->n_domain_events_lost);
                log_warning("%s, ignoring; what domains are now is known all the same.", text);
                engine_tell(engine, "events-lost", "domains", text);
        }
        host_clear_events(host);
}

/* Nothing works, nothing came or went, and iocored has changed nothing that it might want to take back. */
static bool host_is_quiet(const struct engine *engine) {
        const struct host *host = engine->host;
        if (host->n_events > 0 || journal_n_entries(engine->journal) > 0)
                return false;
        for (size_t i = 0; i < host->n_workers; i++)
                if (host_worker_is_busy(host, host->workers[i]))
                        return false;
        return true;
}

static bool policies_may_rest(struct engine *engine) {
        engine->n_quiet = host_is_quiet(engine) ? engine->n_quiet + 1 : 0;
        return engine->n_quiet > QUIET_AFTER && engine->n_quiet % QUIET_EVERY != 0;
}

static void decide_plan_act(struct engine *engine) {
        intent_list_clear(&engine->intents);
        int r = policy_set_run(engine->policies, engine->host, &engine->intents);
        if (r < 0)
                log_debug("Policies could not be run: %s, trying again in the next epoch.", strerror(-r));
        tell_events(engine);
        undo_stopped_policies(engine);
        if (engine->intents.n == 0)
                return;
        struct plan plan = { 0 };
        r = planner_plan(engine->planner, engine->host, &engine->capabilities, engine->intents.intents, engine->intents.n, &plan);
        if (r < 0)
                log_warning("No plan was made: %s, trying again in the next epoch.", strerror(-r));
        else
                engine_carry_out_plan(engine, &plan, NULL);
}

void engine_epoch(struct engine *engine, uint64_t now_usec) {
        uint64_t begin = monotonic_usec();

        engine->host->in_haste = true;
        host_begin_epoch(engine->host, now_usec);
        sample_and_derive(engine, now_usec);
        engine_resume_open(engine);
        engine_ask_for_wishes(engine);
        trial_set_observe(engine->trials, engine->host);
        undo_stopped_policies(engine); /* by a client, in whatever mode */
        if (engine->mode == MODE_PAUSED)
                tell_events(engine);
        else if (engine->host->epoch >= FIRST_DECIDING_EPOCH && !policies_may_rest(engine))
                decide_plan_act(engine);
        engine_judge(engine);
        engine_watch_idle_cores(engine);
        if (engine->settle_wanted && engine->mode == MODE_ACTIVE)
                engine_settle(engine);
        engine_tell_further_refusals(engine);

        struct engine_statistics *statistics = &engine->statistics;
        statistics->epochs++;
        statistics->last_epoch_usec = monotonic_usec() - begin;
        if (statistics->last_epoch_usec > statistics->worst_epoch_usec)
                statistics->worst_epoch_usec = statistics->last_epoch_usec;
        if (engine->listener.epoch)
                engine->listener.epoch(engine->listener.userdata);
}

/* --- clients */

int engine_submit(struct engine *engine, const struct intent *intent, const struct decision **ret) {
        struct plan plan = { 0 };
        if (engine->host->epoch < FIRST_DECIDING_EPOCH)
                return -EAGAIN;
        int r = planner_plan(engine->planner, engine->host, &engine->capabilities, intent, 1, &plan);
        if (r < 0)
                return r;
        const struct decision *entry = NULL;
        engine_carry_out_plan(engine, &plan, &entry);
        if (engine->settle_wanted && engine->mode != MODE_OBSERVE)
                engine_settle(engine);
        engine_tell_further_refusals(engine);
        /* What the client changed is in the model's derived part at once, not only after the next epoch. */
        host_derive(engine->host);
        if (!entry)
                return -ENOMEM;
        *ret = entry;
        return 0;
}

int engine_why_not(struct engine *engine, const struct intent *intent, struct decision **ret) {
        struct plan plan = { 0 };
        if (engine->host->epoch < FIRST_DECIDING_EPOCH)
                return -EAGAIN;
        int r = planner_plan(engine->planner, engine->host, &engine->capabilities, intent, 1, &plan);
        if (r < 0)
                return r;
        if (plan.n_decisions == 0)
                return -ENOMEM;
        *ret = TAKE_PTR(plan.decisions[0]);
        plan_done(&plan);
        return 0;
}
