/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What plugins tell the engine on their own: what announced itself, what somebody else changed, and what they want to be set besides the decisions. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "daemon/act/hands.h"
#include "daemon/act/reservation.h"
#include "engine-private.h"
#include "log.h"

/* How many wishes of plugins that could not be set are told by name in one epoch; of further ones the number: a host may have thousands of threads that all resist. */
#define REFUSALS_TOLD_MAX 8

void engine_hear_announcements(struct engine *engine) {
        for (struct plugin_instance *const *i = plugin_set_instances(engine->plugins); *i; i++) {
                const struct iocore_plugin *plugin = (*i)->plugin;
                if (!plugin->announced || (*i)->announces_no_more)
                        continue;
                int r = plugin->announced((*i)->state);
                if (r > 0)
                        engine->settle_wanted = true;
                if (r >= 0)
                        continue;
                (*i)->announces_no_more = true;
                engine->scan_wanted = true;
                log_warning("Plugin %s does not hear any more of what comes and goes (%s); from now on it looks once in each scan.", plugin->name, strerror(-r));
                engine_tell(engine, "discovery", plugin->name, "announcements failed; what comes and goes is found by scans only");
        }
}

/* --- notices */

/* Somebody else changed it, or the kernel did and it is as it was set again, or what was asked for came late, or it is gone. */
static void look_at_changed_knob(struct engine *engine, const char *kind, const char *object) {
        char live[IOCORE_VALUE_MAX], set[IOCORE_VALUE_MAX];
        struct actor *actor = &engine->actor;
        struct hand hand;
        engine_check_hotplug(engine); /* it may have been the kernel, just now */
        if (asks_is_open(engine->asks, kind, object))
                return; /* it may be what was asked for: known when it answers */
        if (hand_find(actor, kind, object, &hand) < 0 || hand_get(&hand, live) < 0)
                return;
        reservation_look_again(engine->reservation, kind, object, live);
        const struct journal_entry *entry = hand_entry(actor, &hand);
        if (entry && entry->pending_value && strcmp(live, entry->pending_value) == 0) {
                (void) hand_settle(actor, &hand, live); /* what was asked for has come about late */
                return;
        }
        if (!entry || !entry->set_value)
                return;
        _cleanup_free_ char *ours = strdup(entry->set_value);
        char source[sizeof entry->source];
        memcpy(source, entry->source, sizeof source);
        int r = ours ? hand_check_foreign(actor, &hand, live) : -ENOMEM;
        if (r < 0 && r != -ESTALE)
                log_warning("%s of %s was changed by somebody else, which could not be recorded: %s.", kind, object, strerror(-r));
        if (r < 0 || actor->foreign != FOREIGN_CONTEST || engine->mode == MODE_OBSERVE || strcmp(live, ours) == 0)
                return;
        bool changed;
        hand.source = source;
        r = hand_set_journaled(actor, &hand, live, ours, set, &changed);
        if (r < 0 && !error_is_gone(r))
                log_warning("%s of %s cannot be set back to what iocored had set: %s.", kind, object, strerror(-r));
}

void engine_read_notices(struct engine *engine) {
        struct notices *notices = plugin_set_notices(engine->plugins);
        struct notice notice;
        while (notices_take(notices, &notice)) {
                if (notice.what == NOTICE_KNOB_CHANGED)
                        look_at_changed_knob(engine, notice.kind, notice.object);
                else
                        engine_tell(engine, notice.kind, notice.object, notice.text);
        }
        unsigned n_dropped = notices_take_dropped(notices);
        if (n_dropped > 0)
                log_warning("%u messages of plugins were dropped: there were too many of them.", n_dropped);
}

/* --- idle cores */

/* Below this an I/O core does nothing that would be worth one: a VM that answers a ping a second. */
#define IDLE_LOAD 0.01

static void tell_idle(struct engine *engine, struct cpu *core) {
        char number[16], text[IOCORE_REASON_MAX];
        unsigned seconds = (unsigned) ((engine->host->now_usec - core->idle_since_usec) / 1000000);
        snprintf(number, sizeof number, "%d", core->topology->cpu);
        if (core->n_units == 0)
                snprintf(text, sizeof text, "reserved, but for %u s no unit is on it", seconds);
        else
                snprintf(text, sizeof text, "reserved, but for %u s its %zu %s had next to nothing to do", seconds, core->n_units, core->n_units == 1 ? "unit" : "units");
        log_notice("I/O core CPU %s: %s.", number, text);
        engine_tell(engine, "core-idle", number, text);
        core->idle_told = true;
}

static void works_again(struct engine *engine, struct cpu *core) {
        char number[16];
        core->idle_since_usec = 0;
        if (!core->idle_told)
                return;
        core->idle_told = false;
        snprintf(number, sizeof number, "%d", core->topology->cpu);
        engine_tell(engine, "core-idle", number, "");
}

void engine_watch_idle_cores(struct engine *engine) {
        struct host *host = engine->host;
        uint64_t after = engine->config->idle_core_usec;
        for (size_t i = 0; i < host->n_cpus; i++) {
                struct cpu *core = &host->cpus[i];
                if (!core->io_core_ours || !core->io_core)
                        continue;
                if (core->load >= IDLE_LOAD || core->load_average >= IDLE_LOAD)
                        works_again(engine, core);
                else if (core->idle_since_usec == 0)
                        core->idle_since_usec = host->now_usec;
                else if (!core->idle_told && after > 0 && host->now_usec - core->idle_since_usec >= after)
                        tell_idle(engine, core);
        }
}

/* --- reservation */

void engine_tell_refused(void *userdata, const char *kind, const char *object, const char *value, int error, bool unannounced) {
        struct engine *engine = userdata;
        char name[IOCORE_NAME_MAX], text[IOCORE_REASON_MAX];
        snprintf(name, sizeof name, "%.63s %.63s", kind, object);
        snprintf(text, sizeof text, "cannot be set to %.100s: %s%s", value,
                 unannounced ? "the journal, without which it could not be put back, cannot be written: " : "",
                 error == -EOPNOTSUPP ? "the kernel leaves it as it is" : strerrordesc_np(-error) ?: "unknown error");
        if (engine->n_refusals++ >= REFUSALS_TOLD_MAX)
                return;
        log_warning("%s %s.", name, text);
        engine_tell(engine, "not-reserved", name, text);
}

void engine_tell_further_refusals(struct engine *engine) {
        char text[IOCORE_REASON_MAX];
        unsigned n = engine->n_refusals;
        engine->n_refusals = 0;
        if (n <= REFUSALS_TOLD_MAX)
                return;
        snprintf(text, sizeof text, "%u more could not be set", n - REFUSALS_TOLD_MAX);
        log_warning("Reservation of I/O cores: %s.", text);
        engine_tell(engine, "not-reserved", "", text);
}

static void list_io_cores(const struct host *host, char *ret, size_t size) {
        hwloc_bitmap_t cores = hwloc_bitmap_alloc();
        ret[0] = '\0';
        for (size_t i = 0; cores && i < host->n_cpus; i++)
                if (host->cpus[i].io_core && host->cpus[i].io_core_ours)
                        (void) hwloc_bitmap_set(cores, (unsigned) i);
        if (cores && !hwloc_bitmap_iszero(cores))
                (void) hwloc_bitmap_list_snprintf(ret, size, cores);
        hwloc_bitmap_free(cores);
}

void engine_tell_reserved(struct engine *engine, const struct reservation_report *report) {
        char text[IOCORE_REASON_MAX], cores[96];
        size_t n = (size_t) snprintf(text, sizeof text, "%u %s set:", report->n_set, report->n_set == 1 ? "knob" : "knobs");
        for (size_t i = 0; i < report->n_kinds && n < sizeof text; i++)
                n += (size_t) snprintf(text + n, sizeof text - n, "%s %u %.20s", i > 0 ? "," : "", report->kinds[i].n_set, report->kinds[i].kind);
        list_io_cores(engine->host, cores, sizeof cores);
        if (n < sizeof text)
                n += (size_t) snprintf(text + n, sizeof text - n, "; %s%s", cores[0] ? "keep off CPUs " : "no CPU is an I/O core any more", cores);
        if (report->n_refused > 0 && n < sizeof text)
                (void) snprintf(text + n, sizeof text - n, "; %u could not be set", report->n_refused);
        log_notice("Reservation of I/O cores: %s.", text);
        engine_tell(engine, "reserved", cores, text);
}

void engine_settle(struct engine *engine) {
        struct reservation_report report;
        engine->settle_wanted = false;
        engine_read_notices(engine); /* what somebody else changed is theirs before anything is asked for */
        int r = reservation_settle(&engine->actor, "reservation", &report);
        if (r < 0)
                log_debug("A plugin could not say what it wants to be set for the I/O cores: %s, trying again at the next scan.", strerror(-r));
        /* What has not answered is asked for in the next epoch; it is no refusal. */
        engine->settle_wanted = report.n_in_progress > 0;
        if (report.n_set > 0)
                engine_tell_reserved(engine, &report);
}
