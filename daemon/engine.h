/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine: the one place that knows all rooms. Each epoch: sample, derive, decide, plan, act, judge.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include <systemd/sd-event.h>

#include "daemon/act/transaction.h"
#include "daemon/config.h"
#include "daemon/host/host.h"
#include "daemon/jobs.h"
#include "daemon/plan/decision-log.h"
#include "daemon/plugin-loader.h"
#include "daemon/policy/policy-set.h"

struct engine;

/* What the bus wants to hear. All called on the main thread, after the fact. Any may be NULL. */
struct engine_listener {
        void *userdata;
        void (*decided)(void *userdata, const struct decision *decision);
        void (*event)(void *userdata, const char *kind, const char *object, const char *text); /* "core-added" "device-removed" "policy-stopped" "foreign-change" "mode" "reloaded" "overrun" ... */
        void (*epoch)(void *userdata);
        void (*job)(void *userdata, const struct job *job); /* one that has changed since it was told last */
        bool tells_decisions; /* decided() shows them where the log goes, too: they are not logged */
};

struct engine_statistics {
        uint64_t epochs, overruns;       /* an overrun is an epoch that was not begun because the one before was still busy */
        uint64_t last_epoch_usec, worst_epoch_usec; /* how long the work of an epoch took */
        uint64_t last_late_usec, worst_late_usec;   /* how late it began */
        uint64_t malformed;              /* attribute files, ids that did not parse */
        uint64_t decisions;
        uint64_t events_lost;            /* of domains: more in one epoch than are kept */
};

/* Reads the configuration anew for engine_reload(), as the daemon did at its start. 0, -EINVAL with the errors written to `errors`, -errno. */
typedef int (*engine_load_config)(void *userdata, struct config **ret, FILE *errors);

/* Takes `config` on success. Opens journal (plays back what an earlier daemon left), topology, plugins, policies. Logs what fails. 0 or -errno. */
int engine_new(struct engine **ret, struct config *config);
/* Closes everything; does not restore: call engine_restore() before. Returns NULL. */
struct engine *engine_free(struct engine *engine);
static inline void engine_freep(struct engine **engine) { engine_free(*engine); }

/* Arms the epoch timer on `event`. */
int engine_attach(struct engine *engine, sd_event *event);
/* One epoch now, at `now_usec` of the monotonic (or a virtual) clock. Never fails for run-time trouble: that is told and counted. */
void engine_epoch(struct engine *engine, uint64_t now_usec);
/* Puts the host back. Returns 0 when everything was put back. */
int engine_restore(struct engine *engine, struct restore_report *ret);
/* Reads configuration and policies again; on an error the old ones stay and `errors` says why. Keys that need a restart (root, journal, bus, plugins, topology, [plugin.*]) keep
 * their values. -EOPNOTSUPP: no loader was set. */
int engine_reload(struct engine *engine, FILE *errors);
void engine_set_loader(struct engine *engine, engine_load_config load, void *userdata);
/* Plays back the journal that an earlier daemon left, without policies; for `iocored --restore`. Logs what fails. 0: all is as it was. */
int restore_host(const struct config *config, struct restore_report *ret);
void engine_set_listener(struct engine *engine, const struct engine_listener *listener);

/* A client's wish: planned and carried out at once. *ret is the log's entry, valid until the next decision. 0 whatever the verdict; -ENOMEM; -EAGAIN: no second sample yet. */
int engine_submit(struct engine *engine, const struct intent *intent, const struct decision **ret);
/* Why would `intent` not be done now? Plans without acting or remembering; the caller frees *ret. 0; -ENOMEM; -EAGAIN: no second sample yet. */
int engine_why_not(struct engine *engine, const struct intent *intent, struct decision **ret);

/* What became of a wish: 0, or as from domain_wish() in iocore-plugin.h; -ETIMEDOUT: no answer for ten seconds; -ECANCELED: iocored ends. */
typedef void (*engine_wish_done)(void *userdata, int error, const char *reason);
/* What the owner of a domain wants ("class=latency policy=manual"), kept with the domain by the plugin that knows it. `done` is called once, here or in a later epoch. 0; -ENOENT: no such
 * domain; -EPERM: it is banned; -EOPNOTSUPP: its plugin keeps no wishes; -EINVAL: too long; -EBUSY: another one of this domain is under way; -ENOBUFS: too many are. Then it is not called. */
int engine_wish(struct engine *engine, const char *domain, const char *attributes, engine_wish_done done, void *userdata);

/* Where memory is: a wish of a client or of a decision, carried out by a plugin in its own time; see memory_begin() in iocore-plugin.h. `node`: to which it is moved, or IOCORE_NODE_UNKNOWN to look at it
 * only; `cell`: of the guest, or -1. *ret_job: the number of the job. 0; -ENOENT: no such domain, cell or node; -EPERM: iocored observes, or the domain is banned; -EOPNOTSUPP: no plugin can; what memory_begin() returns;
 * ret_reason says more. */
int engine_domain_memory(struct engine *engine, const char *domain, int cell, int node, const char *source, uint64_t *ret_job, char *ret_reason, size_t size);
/* The same for all memory of any process. */
int engine_process_memory(struct engine *engine, pid_t pid, uint64_t start, int node, const char *source, uint64_t *ret_job, char *ret_reason, size_t size);
/* See job_cancel() in iocore-plugin.h. */
int engine_cancel_job(struct engine *engine, uint64_t job);
const struct jobs *engine_jobs(const struct engine *engine);

/* Samples everything once (level 2), for a reader, at most once a second. */
void engine_refresh(struct engine *engine);

enum mode engine_mode(const struct engine *engine);
/* 0; -EINVAL: no such mode; -EPERM: it can only observe, see engine_no_rights(). */
int engine_set_mode(struct engine *engine, enum mode mode, const char *source);
/* Which right the daemon lacks so that it can only observe, in words; NULL: none. */
const char *engine_no_rights(const struct engine *engine);
const struct host *engine_host(const struct engine *engine);
const struct config *engine_config(const struct engine *engine);
struct policy_set *engine_policies(struct engine *engine);
const struct decision_log *engine_decisions(const struct engine *engine);
const struct plugin_set *engine_plugins(const struct engine *engine);
const struct journal *engine_journal(const struct engine *engine);
const struct engine_statistics *engine_statistics(const struct engine *engine);

#endif
