/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fake-threads.h"
#include "plugins/vhost-thread/vhost-thread.h"

extern const struct iocore_plugin iocore_plugin;

static void must(bool holds, const char *what) {
        if (holds)
                return;
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
}

static struct fake_thread *find(struct fake_kernel *kernel, pid_t id) {
        for (size_t i = 0; i < kernel->n_threads; i++)
                if (kernel->threads[i].id == id && kernel->threads[i].alive)
                        return kernel->threads + i;
        return NULL;
}

static void to_mask(uint64_t cpus, struct affinity_mask *ret) {
        memset(ret, 0, sizeof *ret);
        for (unsigned cpu = 0; cpu < 64; cpu++)
                if (cpus & UINT64_C(1) << cpu)
                        CPU_SET_S(cpu, sizeof ret->sets, ret->sets);
}

/* What has been written since takes effect before anybody looks. */
static void follow_cpuset(struct fake_kernel *kernel) {
        struct affinity_mask mask;
        uint64_t cpus = 0;
        if (!kernel->linked || affinity_parse(fixture_read(kernel->context, "/sys/fs/cgroup/vm/cpuset.cpus"), &mask) < 0)
                return;
        for (int cpu = 0; cpu < 64; cpu++)
                if (affinity_has(&mask, cpu))
                        cpus |= UINT64_C(1) << cpu;
        if (cpus == kernel->cpuset)
                return;
        kernel->linked = false;
        fake_set_cpuset(kernel, cpus);
        kernel->linked = true;
}

static int get(void *userdata, pid_t id, struct affinity_mask *ret) {
        struct fake_kernel *kernel = userdata;
        follow_cpuset(kernel);
        struct fake_thread *thread = find(kernel, id);
        kernel->n_reads++;
        if (!thread)
                return -ESRCH;
        to_mask(thread->mask & kernel->online, ret);
        return 0;
}

static int get_whole(void *userdata, pid_t id, struct affinity_mask *ret) {
        struct fake_kernel *kernel = userdata;
        follow_cpuset(kernel);
        struct fake_thread *thread = find(kernel, id);
        if (!thread)
                return -ESRCH;
        to_mask(thread->mask, ret);
        return 0;
}

static int set(void *userdata, pid_t id, const struct affinity_mask *wanted) {
        struct fake_kernel *kernel = userdata;
        follow_cpuset(kernel);
        struct fake_thread *thread = find(kernel, id);
        uint64_t cpus = 0;
        if (!thread)
                return -ESRCH;
        if (thread->refuses)
                return -EPERM;
        if (thread->flags & 0x04000000)
                return -EINVAL;
        for (unsigned cpu = 0; cpu < 64; cpu++)
                if (CPU_ISSET_S(cpu, sizeof wanted->sets, wanted->sets))
                        cpus |= UINT64_C(1) << cpu;
        if (!(cpus & kernel->cpuset & kernel->online))
                return -EINVAL;
        thread->mask = cpus & kernel->cpuset;
        kernel->n_sets++;
        return 0;
}

static void put_cpuset(struct fake_kernel *kernel) {
        char threads[FAKE_THREADS_MAX * 8] = "";
        size_t length = 0;

        struct affinity_mask mask;
        char list[256], line[260];
        to_mask(kernel->cpuset & kernel->online, &mask);
        must(affinity_format(&mask, list, sizeof list) == 0, "a cpuset can be written");
        snprintf(line, sizeof line, "%s\n", list);
        fixture_write(kernel->context, "/sys/fs/cgroup/vm/cpuset.cpus.effective", line);
        for (size_t i = 0; i < kernel->n_threads; i++)
                if (kernel->threads[i].alive)
                        length += (size_t) snprintf(threads + length, sizeof threads - length, "%d\n", (int) kernel->threads[i].id);
        fixture_write(kernel->context, "/sys/fs/cgroup/vm/cgroup.threads", threads);
}

void fake_link_cpuset(struct fake_kernel *kernel) {
        char from[PATH_MAX + 64], to[PATH_MAX + 64];
        put_cpuset(kernel);
        snprintf(from, sizeof from, "%s/sys/fs/cgroup/vm/cpuset.cpus.effective", kernel->context->root);
        snprintf(to, sizeof to, "%s/sys/fs/cgroup/vm/cpuset.cpus", kernel->context->root);
        must(link(from, to) == 0, "one file has two names");
        kernel->linked = true;
}

struct fake_kernel *fake_kernel_new(void) {
        struct fake_kernel *kernel = calloc(1, sizeof *kernel);
        must(kernel, "there is memory");
        kernel->context = fake_context_new();
        kernel->context->userdata = kernel;
        kernel->online = kernel->cpuset = 0xff;
        kernel->next_id = 100;
        kernel->clock = 50;
        kernel->calls = (struct affinity_calls) { .get = get, .set = set, .userdata = kernel, .get_whole = get_whole };
        fixture_directory(kernel->context, "/proc");
        fixture_write(kernel->context, "/proc/self/mountinfo", "30 20 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n");
        put_cpuset(kernel);
        return kernel;
}

void fake_kernel_free(struct fake_kernel *kernel) {
        fake_close(kernel);
        fake_context_free(kernel->context);
        free(kernel);
}

static void put_thread(struct fake_kernel *kernel, const char *directory, const struct fake_thread *thread, const char *name, pid_t parent) {
        char path[128], text[512];
        snprintf(path, sizeof path, "%s/comm", directory);
        snprintf(text, sizeof text, "%s\n", name);
        fixture_write(kernel->context, path, text);
        snprintf(path, sizeof path, "%s/stat", directory);
        snprintf(text, sizeof text, "%d (%s) S %d 0 0 0 -1 %u 0 0 0 0 3 7 0 0 20 0 1 0 %" PRIu64 " 0 0 18446744073709551615 0 0\n", (int) thread->id, name, (int) parent,
                 thread->flags, thread->start_time);
        fixture_write(kernel->context, path, text);
        snprintf(path, sizeof path, "%s/status", directory);
        snprintf(text, sizeof text, "Name:\t%s\nTgid:\t%d\nPid:\t%d\nPPid:\t%d\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\n", name, (int) thread->process, (int) thread->id,
                 (int) parent);
        fixture_write(kernel->context, path, text);
        snprintf(path, sizeof path, "%s/schedstat", directory);
        fixture_write(kernel->context, path, "1000 200 3\n");
        snprintf(path, sizeof path, "%s/cgroup", directory);
        fixture_write(kernel->context, path, "0::/vm\n");
}

static void put(struct fake_kernel *kernel, const struct fake_thread *thread, const char *name) {
        char directory[64];
        snprintf(directory, sizeof directory, "/proc/%d", (int) thread->id);
        put_thread(kernel, directory, thread, name, thread->flags & 0x00200000 ? 2 : 1);
        if (thread->flags & 0x00200000)
                return;
        snprintf(directory, sizeof directory, "/proc/%d/task/%d", (int) thread->process, (int) thread->id);
        put_thread(kernel, directory, thread, name, 1);
}

static uint64_t ticks_now(void) {
        struct timespec now;
        uint64_t per_second = (uint64_t) sysconf(_SC_CLK_TCK);
        clock_gettime(CLOCK_BOOTTIME, &now);
        return (uint64_t) now.tv_sec * per_second + (uint64_t) now.tv_nsec * per_second / 1000000000u;
}

static struct fake_thread *add(struct fake_kernel *kernel, struct fake_thread model, const char *name) {
        /* Places of the dead are used again, their ids are not. */
        size_t index = 0;
        while (index < kernel->n_threads && kernel->threads[index].alive)
                index++;
        must(index < FAKE_THREADS_MAX, "there is room for a thread");
        if (index == kernel->n_threads)
                kernel->n_threads++;
        model.id = kernel->next_id++;
        model.process = model.process ? model.process : model.id;
        model.alive = true;
        model.was_there = kernel->state == NULL && kernel->n_wants == 0;
        model.start_time = model.was_there ? kernel->clock++ : ticks_now();
        kernel->threads[index] = model;
        put(kernel, kernel->threads + index, name);
        return kernel->threads + index;
}

struct fake_thread *fake_process(struct fake_kernel *kernel, const char *name, uint64_t mask) {
        return add(kernel, (struct fake_thread) { .flags = FAKE_PLAIN, .mask = mask, .natural = mask }, name);
}

struct fake_thread *fake_clone(struct fake_kernel *kernel, struct fake_thread *creator, const char *name, unsigned flags) {
        struct fake_thread model = { .process = creator->process, .flags = flags, .mask = creator->mask, .natural = creator->natural };
        return add(kernel, model, name);
}

struct fake_thread *fake_kthread(struct fake_kernel *kernel, const struct fake_thread *creator) {
        char name[32];
        snprintf(name, sizeof name, "vhost-%d", (int) creator->id);
        return add(kernel, (struct fake_thread) { .flags = FAKE_KTHREAD, .mask = kernel->cpuset, .natural = kernel->cpuset }, name);
}

static void exit_one(struct fake_kernel *kernel, struct fake_thread *thread) {
        char path[64];
        thread->alive = false;
        snprintf(path, sizeof path, "/proc/%d", (int) thread->id);
        fixture_remove(kernel->context, path);
        if (thread->process != thread->id) {
                snprintf(path, sizeof path, "/proc/%d/task/%d", (int) thread->process, (int) thread->id);
                fixture_remove(kernel->context, path);
        }
}

void fake_exit(struct fake_kernel *kernel, struct fake_thread *thread) {
        pid_t process = thread->process, id = thread->id;
        if (id == process)
                for (size_t i = 0; i < kernel->n_threads; i++)
                        if (kernel->threads[i].alive && kernel->threads[i].process == process && kernel->threads[i].id != process)
                                exit_one(kernel, kernel->threads + i);
        exit_one(kernel, thread);
}

void fake_rename(struct fake_kernel *kernel, struct fake_thread *thread, const char *name) {
        put(kernel, thread, name);
}

void fake_taskset(struct fake_thread *thread, uint64_t mask) {
        thread->mask = thread->natural = mask;
}

void fake_set_cpuset(struct fake_kernel *kernel, uint64_t cpus) {
        uint64_t before = kernel->cpuset;
        kernel->cpuset = cpus;
        put_cpuset(kernel);
        for (size_t i = 0; i < kernel->n_threads; i++) {
                struct fake_thread *thread = kernel->threads + i;
                if (kernel->old)
                        thread->mask = thread->natural = cpus;
                else {
                        thread->mask = thread->mask & cpus ? thread->mask & cpus : cpus;
                        thread->natural = thread->natural == before ? cpus : thread->natural & cpus ? thread->natural & cpus : cpus;
                }
        }
}

void fake_open(struct fake_kernel *kernel) {
        char reason[IOCORE_REASON_MAX];
        must(vhost_open_with(&fake_services, kernel->context, &kernel->calls, &kernel->state, reason, sizeof reason) == 0, "the plugin opens");
}

void fake_close(struct fake_kernel *kernel) {
        unsigned n_sets = kernel->n_sets;
        iocore_plugin.close(kernel->state);
        must(kernel->n_sets == n_sets, "nothing is set by close()");
        kernel->state = NULL;
}

static const struct iocore_knob *find_knob(const char *kind) {
        for (size_t i = 0; i < iocore_plugin.n_knobs; i++)
                if (strcmp(iocore_plugin.knobs[i].kind, kind) == 0)
                        return iocore_plugin.knobs + i;
        must(false, "the knob exists");
        return NULL;
}

static struct fake_want *find_entry(const struct fake_kernel *kernel, const char *kind, const char *object) {
        for (size_t i = 0; i < kernel->n_wants; i++)
                if (strcmp(kernel->wants[i].kind, kind) == 0 && strcmp(kernel->wants[i].object, object) == 0)
                        return (struct fake_want *) kernel->wants + i;
        return NULL;
}

const struct fake_want *fake_find_want(const struct fake_kernel *kernel, const char *kind, const char *object) {
        return find_entry(kernel, kind, object);
}

static void forget(struct fake_kernel *kernel, struct fake_want *want) {
        size_t index = (size_t) (want - kernel->wants);
        memmove(want, want + 1, (kernel->n_wants - index - 1) * sizeof *want);
        kernel->n_wants--;
}

/* 0: go on; -ESTALE: hands off; -EALREADY: the plugin has to think again. */
static int check_foreign(struct fake_kernel *kernel, struct fake_want *entry, const char *live) {
        char kind[64], object[IOCORE_NAME_MAX];
        if (!entry || strcmp(live, entry->set_value) == 0)
                return 0;
        memcpy(kind, entry->kind, sizeof kind);
        memcpy(object, entry->object, sizeof object);
        if (kernel->foreign == IOCORE_FOREIGN_CONTEST)
                snprintf(entry->set_value, sizeof entry->set_value, "%s", live);
        else
                forget(kernel, entry);
        iocore_plugin.foreign(kernel->state, kind, object, kernel->foreign);
        return kernel->foreign == IOCORE_FOREIGN_MANUAL ? -ESTALE : kernel->foreign == IOCORE_FOREIGN_ADOPT ? -EALREADY : 0;
}

/* As daemon/settle.c does. */
static void look_at_changed_knob(struct fake_kernel *kernel) {
        char kind[64], object[IOCORE_NAME_MAX], live[256], ours[256];
        if (kernel->n_heard == kernel->context->n_knobs_changed)
                return;
        must(kernel->context->n_knobs_changed == kernel->n_heard + 1, "one knob changed in this turn");
        kernel->n_heard++;
        must(sscanf(kernel->context->last_knob_changed, "%63s %127s", kind, object) == 2, "a knob is named");
        struct fake_want *entry = find_entry(kernel, kind, object);
        if (!entry || find_knob(kind)->get(kernel->state, object, live, sizeof live) < 0)
                return;
        memcpy(ours, entry->set_value, sizeof ours);
        if (check_foreign(kernel, entry, live) == 0)
                (void) find_knob(kind)->set(kernel->state, object, ours, entry->set_value, sizeof entry->set_value);
}

int fake_want(struct fake_kernel *kernel, const char *kind, const char *object, const char *value) {
        const struct iocore_knob *knob = find_knob(kind);
        char live[256], really[256];
        kernel->n_asked++;
        if (kernel->refuse)
                return -EPERM;
        int r = knob->get(kernel->state, object, live, sizeof live);
        if (r < 0)
                return r;
        struct fake_want *entry = find_entry(kernel, kind, object);
        if (strcmp(live, value) != 0) {
                r = check_foreign(kernel, entry, live);
                if (r < 0)
                        return r;
                r = knob->set(kernel->state, object, value, really, sizeof really);
                if (r < 0)
                        return r;
        } else
                memcpy(really, live, sizeof really);
        if (!entry && strcmp(live, really) == 0)
                return 0;
        if (!entry) {
                must(kernel->n_wants < FAKE_WANTS_MAX, "the journal has room");
                entry = kernel->wants + kernel->n_wants++;
                snprintf(entry->kind, sizeof entry->kind, "%s", kind);
                snprintf(entry->object, sizeof entry->object, "%s", object);
                memcpy(entry->old_value, live, sizeof entry->old_value);
        }
        memcpy(entry->set_value, really, sizeof entry->set_value);
        if (strcmp(entry->set_value, entry->old_value) == 0)
                forget(kernel, entry);
        return 0;
}

static int want_one(void *userdata, const char *kind, const char *object, const char *value) {
        (void) fake_want(userdata, kind, object, value);
        return 0;
}

void fake_reserve(struct fake_kernel *kernel) {
        must(iocore_plugin.reserve(kernel->state, want_one, kernel) == 0, "reserve() succeeds");
}

void fake_turn(struct fake_kernel *kernel, bool thorough) {
        must(iocore_plugin.scan(kernel->state, thorough) == 0, "scan() succeeds");
        look_at_changed_knob(kernel);
        fake_reserve(kernel);
}

void fake_restore(struct fake_kernel *kernel) {
        for (int pass = 0; pass < 3; pass++)
                for (size_t i = kernel->n_wants; i-- > 0;) {
                        struct fake_want *entry = kernel->wants + i;
                        if (pass != (strcmp(entry->kind, "partition.cpus") == 0 ? 0 : strcmp(entry->kind, "unit.place") == 0 ? 1 : 2))
                                continue;
                        const struct iocore_knob *knob = find_knob(entry->kind);
                        char live[256], really[256];
                        if (knob->get(kernel->state, entry->object, live, sizeof live) >= 0 && strcmp(live, entry->old_value) != 0 && strcmp(live, entry->set_value) == 0)
                                (void) knob->set(kernel->state, entry->object, entry->old_value, really, sizeof really);
                        forget(kernel, entry);
                }
}

void fake_core(struct fake_kernel *kernel, int cpu, bool add) {
        char worker[IOCORE_ID_MAX];
        int r = add ? iocore_plugin.core_add(kernel->state, cpu, worker, sizeof worker) : iocore_plugin.core_remove(kernel->state, cpu, "");
        must(r == 0, "an I/O core is made or removed");
}

int fake_place(struct fake_kernel *kernel, const struct fake_thread *worker, int cpu) {
        char object[32], value[16];
        snprintf(object, sizeof object, "t.%d", (int) worker->id);
        snprintf(value, sizeof value, "%d", cpu);
        return fake_want(kernel, "unit.place", object, value);
}
