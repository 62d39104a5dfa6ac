/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What engine.c (its life), epoch.c (one turn) and judge.c (trials) share. */
#ifndef ENGINE_PRIVATE_H
#define ENGINE_PRIVATE_H

#include "daemon/act/asks.h"
#include "daemon/engine.h"
#include "daemon/plan/planner.h"
#include "daemon/plan/trial.h"

/* Every so many scans one does not trust the plugins' hints that nothing changed; it costs some 20 us a device, as its owner is looked up again. */
#define THOROUGH_SCAN_EVERY 60
/* A host that has been quiet for QUIET_AFTER epochs is shown to the policies in every QUIET_EVERYth epoch only, see iocored-policy(7): a Lua state that wakes up with
 * cold caches costs as much as reading 50 workers does. */
#define QUIET_AFTER 50
#define QUIET_EVERY 10
/* How many policies may be stopped in one epoch and be told apart. */
#define STOPPED_MAX 64

/* So many decisions may wait for somebody to answer; what is beyond is refused. A policy that pins a host full of VMs anew makes one decision for each. */
#define OPEN_DECISIONS_MAX 64

struct open_decision {
        struct decision *decision; /* its id is that of the log's entry, 0: there was no memory for one */
        struct transaction *transaction;
};

struct engine {
        struct config *config;
        struct host *host;
        struct journal *journal;
        struct plugin_set *plugins;
        struct planner *planner;
        struct planner_capabilities capabilities;
        struct policy_set *policies;
        struct trial_set *trials;
        struct decision_log *log;
        struct actor actor;
        struct reservation *reservation;
        struct asks *asks;
        struct open_decision open[OPEN_DECISIONS_MAX];
        size_t n_open;
        struct wishes *wishes;
        char in_progress[IOCORE_REASON_MAX]; /* engine_in_progress() */
        struct hotplug *hotplug; /* NULL: CPUs do not come and go here */
        struct intent_list intents;
        struct engine_listener listener;
        struct engine_statistics statistics;
        engine_load_config load_config;
        void *load_config_userdata;
        enum mode mode;
        char no_rights[IOCORE_REASON_MAX]; /* why this process can only observe; "" */

        sd_event_source *timer;
        sd_event_source **watches; /* one for each plugin that has an fd, NULL-terminated */
        uint64_t next_epoch_usec;

        uint64_t next_scan_usec, next_full_usec, next_cpu_usec, last_refresh_usec;
        unsigned n_scans;
        char stopped[STOPPED_MAX][POLICY_NAME_MAX]; /* policies that were stopped in this epoch: their knobs go back when it ends */
        size_t n_stopped;
        unsigned n_quiet;           /* epochs in a row in which there was nothing to decide about */
        bool scan_wanted; /* a plugin's fd or a failed step says that the picture is old */
        bool settle_wanted; /* I/O cores, their units or the threads that must leave them may have changed: plugins are asked what they want to be set */
        unsigned n_refusals; /* of wishes of plugins, since the epoch (or what a client asked for) began */
};

void engine_tell(struct engine *engine, const char *kind, const char *object, const char *text);

/* Carries out what may be carried out, logs and remembers. Takes the decision. *ret (may be NULL): its entry in the log. 0 or -ENOMEM. */
int engine_carry_out(struct engine *engine, struct decision *decision, const struct decision **ret);
/* All of a plan, in order; empties it. */
void engine_carry_out_plan(struct engine *engine, struct plan *plan, const struct decision **ret_last);
/* Asks again for what has not answered, and ends the decisions for which all has. */
void engine_resume_open(struct engine *engine);
/* What `source` has under way is undone; it ends as other open decisions do. */
void engine_abandon_open(struct engine *engine, const char *source);
/* This is the end: nobody waits any longer. */
void engine_drop_open(struct engine *engine);
/* See planner_capabilities.in_progress. */
const char *engine_in_progress(struct engine *engine, const char *knob, const char *object);
/* Tells what was set on wishes of plugins. */
void engine_tell_reserved(struct engine *engine, const struct reservation_report *report);
/* Lets each plugin look for new and vanished objects. */
void engine_scan(struct engine *engine, bool thorough);
/* Lets each plugin add and remove what has announced itself since the last epoch. */
void engine_hear_announcements(struct engine *engine);
/* Passes on what plugins told, and looks at what they say that somebody else changed. */
void engine_read_notices(struct engine *engine);
/* wishes.c. 0 or -ENOMEM. */
int wishes_new(struct wishes **ret);
struct wishes *wishes_free(struct wishes *wishes);
/* Asks again for what owners of domains want and was not answered. */
void engine_ask_for_wishes(struct engine *engine);
/* NULL in *ret where the host does not tell which CPUs are online. 0 or -ENOMEM. */
int hotplug_new(struct hotplug **ret, const struct config *config);
struct hotplug *hotplug_free(struct hotplug *hotplug);
/* Looks which CPUs are online; one short read when they are the same as before. */
void engine_check_hotplug(struct engine *engine);
/* Is it out of bounds for iocored? */
bool engine_domain_is_banned(const struct engine *engine, const char *domain);
/* Passes on how far jobs of plugins are, to the model as well. */
void engine_tell_jobs(struct engine *engine);
/* Says anew in the model which domains' memory moves, and how much is still to come to each node: to be called when a job or an open decision begins, goes on or ends. */
void engine_mark_what_moves(struct engine *engine);
/* Ends what `source` has begun and is not over; NULL: whatever moves memory. */
void engine_cancel_jobs_of(struct engine *engine, const char *source);
/* Tells I/O cores made by iocored that have had nothing to do for a while. */
void engine_watch_idle_cores(struct engine *engine);
/* Sets what plugins want so that nothing but units runs on the I/O cores. */
void engine_settle(struct engine *engine);
/* See actor.on_refused. `userdata`: the engine. */
void engine_tell_refused(void *userdata, const char *kind, const char *object, const char *value, int error, bool unannounced);
/* At the end of an epoch: those that were too many to be told one by one. */
void engine_tell_further_refusals(struct engine *engine);
/* Ends trials that are over: keeps or undoes. */
void engine_judge(struct engine *engine);

#endif
