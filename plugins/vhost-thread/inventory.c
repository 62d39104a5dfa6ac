/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "plugins/common/file-io.h"
#include "plugins/common/owner.h"
#include "vhost-thread.h"

enum {
        NAME_FILE_MAX = 80,      /* comm holds 16 bytes, of some kernel threads 64 */
        STAT_FILE_MAX = 2048,    /* 52 numbers of up to 20 digits and the name */
        STATUS_FILE_MAX = 16384, /* grows with CPUs and NUMA nodes */
        /* With more new threads than this since the last but one scan, a walk over all of /proc is no dearer. */
        NEW_THREADS_MAX = 1024,
};

/* One search for vhost workers. `found` is told each one, may return < 0 to end the search with that. */
struct search {
        const struct iocore_services *services;
        struct iocore_context *context;
        int (*found)(void *userdata, const struct vhost_thread *thread);
        void *userdata;
};

void vhost_thread_path(const struct vhost_thread *thread, const char *file, char ret[static VHOST_PATH_MAX]) {
        if (thread->process == thread->id)
                snprintf(ret, VHOST_PATH_MAX, "/proc/%d/%s", (int) thread->id, file);
        else
                snprintf(ret, VHOST_PATH_MAX, "/proc/%d/task/%d/%s", (int) thread->process, (int) thread->id, file);
}

static int read_stat(const struct iocore_services *services, struct iocore_context *context, const struct vhost_thread *thread,
                     struct thread_stat *ret) {
        char path[VHOST_PATH_MAX], text[STAT_FILE_MAX];

        vhost_thread_path(thread, "stat", path);
        ssize_t length = file_read_path(services, context, path, text, sizeof text);
        return length < 0 ? (int) length : thread_parse_stat(text, ret);
}

int vhost_thread_check(const struct vhost_state *state, const struct vhost_thread *thread) {
        struct thread_stat stat;
        int r = read_stat(state->services, state->context, thread, &stat);
        return r < 0 || stat.start_time != thread->start_time ? -ESRCH : 0;
}

/* The process of a thread; -1 when there is no such thread (any more). */
static pid_t read_process_of(const struct iocore_services *services, struct iocore_context *context, pid_t thread) {
        char path[VHOST_PATH_MAX], text[STATUS_FILE_MAX], digits[16];
        size_t length;

        snprintf(path, sizeof path, "/proc/%d/status", (int) thread);
        if (file_read_path(services, context, path, text, sizeof text) < 0)
                return -1;
        const char *value = thread_status_value(text, "Tgid", &length);
        if (!value || length >= sizeof digits)
                return -1;
        memcpy(digits, value, length);
        digits[length] = '\0';
        return thread_parse_id(digits);
}

/* Tells `found` when the thread is a vhost worker. One that vanishes meanwhile, or whose files make no sense, is none. */
static int look_at(const struct search *search, pid_t process, pid_t id) {
        struct vhost_thread thread = { .id = id, .process = process, .schedstat = -1 };
        struct thread_stat stat;
        char path[VHOST_PATH_MAX], name[NAME_FILE_MAX];

        vhost_thread_path(&thread, "comm", path);
        if (file_read_path(search->services, search->context, path, name, sizeof name) <= 0 || !thread_parse_name(name, &thread.creator))
                return 0;
        if (read_stat(search->services, search->context, &thread, &stat) < 0)
                return 0;
        thread.shape = thread_classify(&stat);
        thread.start_time = stat.start_time;
        if (thread.shape == THREAD_OTHER)
                return 0;
        if (thread.shape == THREAD_VHOST_TASK && process == id) {
                /* seen by its own id, not below its process */
                thread.process = read_process_of(search->services, search->context, id);
                if (thread.process < 0)
                        return 0;
        }
        return search->found(search->userdata, &thread);
}

/* Other threads of a process than its first. */
static int search_process(const struct search *search, pid_t process) {
        char path[VHOST_PATH_MAX];
        struct stat status;

        snprintf(path, sizeof path, "/proc/%d/task", (int) process);
        _cleanup_close_ int fd = search->services->open_path(search->context, path, O_RDONLY | O_DIRECTORY);
        /* A directory of one thread has three links: nothing to list. */
        if (fd < 0 || fstat(fd, &status) < 0 || status.st_nlink == 3)
                return 0;
        _cleanup_closedir_ DIR *directory = fdopendir(fd);
        if (!directory)
                return 0;
        (void) TAKE_FD(fd);
        for (struct dirent *entry; (entry = readdir(directory));) {
                pid_t id = thread_parse_id(entry->d_name);
                int r = id < 0 || id == process ? 0 : look_at(search, process, id);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int search_everywhere(const struct search *search) {
        _cleanup_close_ int fd = search->services->open_path(search->context, "/proc", O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return fd;
        _cleanup_closedir_ DIR *directory = fdopendir(fd);
        if (!directory)
                return -errno;
        (void) TAKE_FD(fd);
        for (struct dirent *entry; (entry = readdir(directory));) {
                pid_t id = thread_parse_id(entry->d_name);
                if (id < 0)
                        continue;
                int r = look_at(search, id, id);
                if (r >= 0)
                        r = search_process(search, id);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The newest thread id of the host, the last word of /proc/loadavg; 0 when it cannot be had. */
static pid_t read_newest(const struct iocore_services *services, struct iocore_context *context) {
        char text[128];
        ssize_t length = file_read_path(services, context, "/proc/loadavg", text, sizeof text);
        if (length <= 0)
                return 0;
        trim_end(text, (size_t) length);
        const char *word = strrchr(text, ' ');
        pid_t id = word ? thread_parse_id(word + 1) : -1;
        return id < 0 ? 0 : id;
}

/* Ids are given out in ascending order, so those between two readings are the new ones. False: they cannot be told, or are too many. */
static bool search_new(const struct search *search, pid_t after, pid_t newest, int *ret) {
        if (after <= 0 || newest < after || newest - after > NEW_THREADS_MAX)
                return false;
        *ret = 0;
        for (pid_t id = after + 1; id <= newest && *ret >= 0; id++)
                *ret = look_at(search, id, id);
        return true;
}

static int compare_id(const void *key, const void *member) {
        pid_t a = *(const pid_t *) key, b = (*(struct vhost_thread *const *) member)->id;
        return (a > b) - (a < b);
}

struct vhost_thread *vhost_thread_find(const struct vhost_state *state, pid_t id) {
        if (state->n_threads == 0)
                return NULL;
        struct vhost_thread **found = bsearch(&id, state->threads, state->n_threads, sizeof(struct vhost_thread *), compare_id);
        return found ? *found : NULL;
}

static void forget(struct vhost_state *state, size_t index) {
        struct vhost_thread *thread = state->threads[index];

        memmove(state->threads + index, state->threads + index + 1, (state->n_threads - index - 1) * sizeof(struct vhost_thread *));
        state->n_threads--;
        if (thread->unit)
                state->services->unit_remove(state->context, thread->unit);
        if (thread->worker)
                state->services->worker_remove(state->context, thread->worker);
        closep(&thread->schedstat);
        free(thread);
}

void vhost_forget_all(struct vhost_state *state) {
        while (state->n_threads > 0)
                forget(state, state->n_threads - 1);
        free(state->threads);
        state->threads = NULL;
        state->n_allocated = 0;
}

void vhost_refresh_cpu(struct vhost_state *state, struct vhost_thread *thread) {
        struct affinity_mask mask;
        int r = state->affinity->get(state->affinity->userdata, thread->id, &mask);
        thread->worker->cpu = r < 0 ? IOCORE_CPU_ANY : affinity_only_cpu(&mask);
        /* Whoever bound it has let it go; the other way round a change by hand is for the daemon to notice. */
        if (thread->worker->cpu == IOCORE_CPU_ANY)
                thread->unit->manual = false;
}

bool vhost_is_bound_elsewhere(const struct vhost_state *state, const struct vhost_thread *thread) {
        int cpu = thread->worker->cpu;
        return cpu >= 0 && (cpu >= state->n_cpus || !state->cores[cpu]);
}

static void refresh_owner(struct vhost_state *state, struct vhost_thread *thread) {
        struct owner owner = { .node = IOCORE_NODE_UNKNOWN };
        struct iocore_unit *unit = thread->unit;

        unit->owner = thread->shape == THREAD_VHOST_TASK ? thread->process : read_process_of(state->services, state->context, thread->creator);
        /* One that has ended leaves its worker a moment longer: what was known of it stays. */
        if (unit->owner < 0 || owner_read(state->services, state->context, unit->owner, &owner) < 0)
                return;
        unit->node = owner.node;
        memcpy(unit->domain, owner.domain, sizeof unit->domain);
}

/* Fills the two objects of a new thread. */
static void describe(struct vhost_state *state, struct vhost_thread *thread) {
        struct iocore_worker *worker = thread->worker;
        struct iocore_unit *unit = thread->unit;

        worker->incarnation = unit->incarnation = thread->start_time;
        worker->pid = thread->id;
        worker->locked = worker->shared = worker->is_default = false;
        worker->plugin_data = unit->plugin_data = thread;
        vhost_refresh_cpu(state, thread);
        unit->worker = worker;
        unit->device = NULL;
        unit->node = IOCORE_NODE_UNKNOWN;
        unit->domain[0] = '\0';
        refresh_owner(state, thread);
        /* Nobody binds a worker to one CPU by accident. If it was an iocored before this one, its journal is played back next, and that lets it go. */
        unit->manual = vhost_is_bound_elsewhere(state, thread);
}

static int reserve(struct vhost_state *state) {
        if (state->n_threads < state->n_allocated)
                return 0;
        size_t n = state->n_allocated > 0 ? state->n_allocated * 2 : 16;
        struct vhost_thread **threads = reallocarray(state->threads, n, sizeof(struct vhost_thread *));
        if (!threads)
                return -ENOMEM;
        state->threads = threads;
        state->n_allocated = n;
        return 0;
}

static int remember(void *userdata, const struct vhost_thread *found) {
        struct vhost_state *state = userdata;
        char path[VHOST_PATH_MAX], object[IOCORE_ID_MAX];

        if (vhost_thread_find(state, found->id))
                return 0;
        int r = reserve(state);
        if (r < 0)
                return r;
        vhost_thread_path(found, "schedstat", path);
        int fd = state->services->open_path(state->context, path, O_RDONLY);
        if (fd == -ENOENT || fd == -ESRCH)
                return 0;
        struct vhost_thread *thread = malloc(sizeof *thread);
        if (!thread) {
                closep(&fd);
                return -ENOMEM;
        }
        *thread = *found;
        thread->schedstat = fd < 0 ? -1 : fd;
        thread->placed = IOCORE_CPU_ANY;

        size_t index = state->n_threads;
        while (index > 0 && state->threads[index - 1]->id > thread->id)
                index--;
        memmove(state->threads + index + 1, state->threads + index, (state->n_threads - index) * sizeof(struct vhost_thread *));
        state->threads[index] = thread;
        state->n_threads++;

        snprintf(object, sizeof object, "t.%d", (int) thread->id);
        if (!(thread->worker = state->services->worker_add(state->context, object)) ||
            !(thread->unit = state->services->unit_add(state->context, object))) {
                r = -errno;
                forget(state, index);
                return r == -ENOMEM ? r : 0;
        }
        describe(state, thread);
        return 0;
}

int vhost_scan(struct vhost_state *state, bool thorough) {
        const struct search search = { .services = state->services, .context = state->context, .found = remember, .userdata = state };
        pid_t newest = read_newest(state->services, state->context); /* before looking: what comes later is looked at next time */
        int r;

        for (size_t i = state->n_threads; i-- > 0;)
                if (vhost_thread_check(state, state->threads[i]) < 0)
                        forget(state, i);
        for (size_t i = 0; i < state->n_threads; i++) {
                vhost_refresh_cpu(state, state->threads[i]);
                if (thorough)
                        refresh_owner(state, state->threads[i]);
        }

        /* From the scan before the last one on: a thread exists for a moment before it has its name. */
        if (thorough || !search_new(&search, state->newest[1], newest, &r))
                r = search_everywhere(&search);
        state->newest[1] = state->newest[0];
        state->newest[0] = newest;
        return r;
}

static int stop_search(void *userdata, const struct vhost_thread *thread) {
        (void) userdata;
        (void) thread;
        return -EEXIST;
}

bool vhost_any_worker(const struct iocore_services *services, struct iocore_context *context) {
        const struct search search = { .services = services, .context = context, .found = stop_search };
        return search_everywhere(&search) == -EEXIST;
}
