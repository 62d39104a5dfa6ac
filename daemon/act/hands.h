/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What transaction and restore share: reaching a knob of an object, and setting it with the journal told before and after. */
#ifndef HANDS_H
#define HANDS_H

#include "transaction.h"

/* One knob of one object. `kind` and `object` are borrowed. */
struct hand {
        struct plugin_instance *instance;
        const struct iocore_knob *knob;
        const char *object;
        uint64_t incarnation; /* of the object in the model; 0 when ids are never reused or it is not in the model */
        struct unit *unit;    /* knobs of units only */

        /* Given by who changes something: */
        const char *source; /* who asked for it, for the journal; borrowed */
        bool insist;        /* it is the way back, which must be open even when the journal cannot be written */

        bool unannounced; /* set when a change was not made because the journal could not be written */
        bool adopted;     /* set by hand_check_foreign(): what somebody else set is what is gone on from */
};

/* Is the object of such a knob one of the model's (a unit, a worker, a queue, a device, a domain)? */
bool hand_kind_is_modelled(const char *kind);
/* 0; -ENOENT: the model has no such unit, worker, queue, device or domain (a kind names its object before the dot); -EOPNOTSUPP: no open plugin has the knob. */
int hand_find(const struct actor *actor, const char *kind, const char *object, struct hand *ret);
/* The same in the plugin of that name, for what the journal names: the object need not be in the model. -ENODEV: no such plugin is open; -EOPNOTSUPP: it does not
 * have that knob; -ENOENT: what the model has under this id is another incarnation, or (incarnation != 0) nothing. */
int hand_find_journaled(const struct actor *actor, const struct journal_entry *entry, struct hand *ret);

/* Is what the journal names gone for good: does its plugin say so, or has another one its id? Costs a read. */
bool hand_is_gone(const struct actor *actor, const struct journal_entry *entry);
/* ret: IOCORE_VALUE_MAX bytes. Errors as in struct iocore_knob. */
int hand_get(const struct hand *hand, char *ret);
/* Sets without the journal, passing the fault points. ret: IOCORE_VALUE_MAX bytes. */
int hand_set(const struct hand *hand, const char *value, char *ret);
/* Announces, sets, and confirms; or forgets, when the value is the original again. `live`: the value before. On a failure the announcement is taken back if the
 * live value still holds, otherwise *ret_changed is true; it stays, so that both values are known, while get() says -EAGAIN. -EOPNOTSUPP: set without an error, but the value did not change; -EINPROGRESS: asked
 * for, see asks.h, the announcement stays; -EBUSY: something else has been asked for there and not answered, nothing was done (unless it insists: then it takes that one's place). */
int hand_set_journaled(struct actor *actor, struct hand *hand, const char *live, const char *value, char *ret, bool *ret_changed);
/* What follows on a set() of `value` that returned `r` and `ret` (not -EINPROGRESS): looks what holds and confirms, forgets or takes back. Returns and fills as hand_set_journaled().
 * `announced`: this value was announced before it was set, and `source_before` ("" nobody) had set the one before. */
int hand_conclude(struct actor *actor, const struct hand *hand, const char *live, const char *value, int r, bool announced, const char *source_before, char *ret,
                  bool *ret_changed);
/* Tells the journal that `value` holds: nothing is announced any more. 0; -errno: that could not be written. */
int hand_settle(struct actor *actor, const struct hand *hand, const char *value);
/* The journal's entry for this knob of this very object; NULL. An entry of an earlier incarnation is forgotten. */
const struct journal_entry *hand_entry(const struct actor *actor, const struct hand *hand);
int hand_forget(const struct actor *actor, const struct hand *hand);

/* Is the object gone, in the words of iocore-plugin.h? */
static inline bool error_is_gone(int error) {
        return error == -ENOENT || error == -ENODEV || error == -ESRCH;
}

/* Where a unit is now: what the model derived is one epoch old, its worker is not. */
static inline int unit_cpu(const struct unit *unit) {
        return unit->pub.worker && unit->pub.worker->cpu != IOCORE_CPU_ANY ? unit->pub.worker->cpu : unit->core;
}

/* Puts a unit home: its original value if that can still be set, else where units are by birth. `live` as above. *ret_changed as above. */
int unit_go_home(struct actor *actor, struct hand *hand, const char *live, char *ret, bool *ret_changed);

/* The value of unit.place for `cpu`. -EOPNOTSUPP: the plugin does not place units; -ENOENT: no worker there. ret: IOCORE_VALUE_MAX bytes. */
int unit_place(const struct hand *hand, int cpu, char *ret);

/* Marks the knob's object as somebody else's. */
void object_set_manual(const struct actor *actor, const char *kind, const char *object);
/* Is `live` what iocored had set, or nothing that it ever set? Otherwise somebody else's change is told, to the plugin too, and actor->foreign done to it. 0: go on; -ESTALE: hands off, the object
 * is manual now; -errno: the journal cannot be written. */
int hand_check_foreign(struct actor *actor, struct hand *hand, const char *live);

/* The open plugin of that name. NULL: there is none. */
struct plugin_instance *actor_plugin(const struct actor *actor, const char *name);
/* The ids of a plugin's workers, each followed by a space; to be freed. NULL: out of memory. */
char *actor_worker_ids(const struct actor *actor, const struct plugin_instance *instance);
/* Was this worker made by iocored? */
bool actor_worker_is_ours(const struct actor *actor, const struct plugin_instance *instance, const struct iocore_worker *worker);
/* Brings cpu.io_core_ours up to date after plugins said anew what is an I/O core: to them a closed core is none. */
void actor_mark_our_cores(const struct actor *actor);
/* The worker that was made for `cpu` but never confirmed: bound to it, not of those that existed before, not the kernel's default. NULL: there is none. */
struct worker *actor_unconfirmed_worker(const struct actor *actor, const struct plugin_instance *instance, int cpu, const char *ids_before);
/*
 * Unmakes an I/O core that iocored made: its worker takes no new units, the units still there go home, core_remove(). `worker`: its id or "". The
 * journal forgets the core and its worker's knobs. 0 (also when it was gone already, then *ret_gone is true) or -errno: still there and still in the journal.
 */
int actor_take_down_core(struct actor *actor, struct plugin_instance *instance, int cpu, const char *worker, const char *source, bool *ret_gone);
/* The CPU of an I/O core went offline, and the kernel has put its units wherever it liked, which is nobody's change: they go home, and if iocored had made the core it is unmade.
 * *ret_n_units: how many were there. 0 (also when it is no I/O core); -errno as above. */
int actor_abandon_core(struct actor *actor, int cpu, unsigned *ret_n_units);
/* The worker of a core that the journal knows; "" when it has none. ret: IOCORE_ID_MAX bytes. */
void actor_core_worker(const struct actor *actor, const struct plugin_instance *instance, const struct journal_entry *entry, char *ret);
/* The same for what the journal knows of a core. -ENODEV: its plugin is not open. */
int actor_take_down_entry(struct actor *actor, const struct journal_entry *entry, bool *ret_gone);
/* The journal forgets a core that is no more, and what was set on its worker ("" when it had none). 0 or the first -errno. */
int actor_forget_core(struct actor *actor, const char *plugin, int cpu, const char *worker);

#endif
