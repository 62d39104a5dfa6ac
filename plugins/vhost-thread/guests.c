/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "cpuset.h"
#include "guests.h"
#include "plugins/common/file-io.h"
#include "vhost-thread.h"

enum {
        STAT_FILE_MAX = 2048,
        NAME_MAX_BYTES = 64,
        /* At some 20 us for a thread: 10 ms of listing a guest between two refreshes, of which there are about two a second. */
        THREADS_A_REFRESH = 512,
        FLAG_NO_SETAFFINITY = 0x04000000, /* include/linux/sched.h, PF_NO_SETAFFINITY; io_uring's threads had it before 6.3 */
};

static int compare_guest(const void *key, const void *member) {
        pid_t a = *(const pid_t *) key, b = (*(struct guest *const *) member)->id;
        return (a > b) - (a < b);
}

static int compare_thread(const void *key, const void *member) {
        pid_t a = *(const pid_t *) key, b = ((const struct guest_thread *) member)->id;
        return (a > b) - (a < b);
}

struct guest *guests_find(const struct vhost_state *state, pid_t process) {
        const struct guests *guests = &state->guests;
        if (guests->n == 0)
                return NULL;
        struct guest **found = bsearch(&process, guests->guests, guests->n, sizeof(struct guest *), compare_guest);
        return found ? *found : NULL;
}

struct guest_thread *guest_thread_find(const struct guest *guest, pid_t id) {
        return guest->n_threads == 0 ? NULL : bsearch(&id, guest->threads, guest->n_threads, sizeof *guest->threads, compare_thread);
}

struct guest *guests_of_thread(const struct vhost_state *state, pid_t id, struct guest_thread **ret_thread) {
        for (size_t i = 0; i < state->guests.n; i++)
                if ((*ret_thread = guest_thread_find(state->guests.guests[i], id)))
                        return state->guests.guests[i];
        return NULL;
}

/* --- masks --- */

static void count_reserved(struct guests *guests, struct guest_thread *thread, bool reserved, bool covered) {
        bool before = thread->reserved || thread->covered, after = reserved || covered;
        if (before != after)
                guests->n_reserved += after ? 1 : (size_t) -1;
        thread->reserved = reserved;
        thread->covered = covered;
}

void guest_thread_set_held(struct vhost_state *state, struct guest_thread *thread, const struct affinity_mask *held) {
        bool differs = !affinity_equal(&thread->base, held);

        thread->held = *held;
        if (state->affinity->get(state->affinity->userdata, thread->id, &thread->seen) < 0)
                thread->seen = *held;
        thread->cpuset = cpuset_mark(state, thread->id);
        count_reserved(&state->guests, thread, differs && !thread->covered, differs && thread->covered);
}

void guest_thread_set_base(struct vhost_state *state, struct guest_thread *thread, const struct affinity_mask *base) {
        thread->base = thread->held = *base;
        if (state->affinity->get(state->affinity->userdata, thread->id, &thread->seen) < 0)
                thread->seen = *base;
        thread->asked = 0;
        count_reserved(&state->guests, thread, false, false);
        state->guests.pending = true;
}

/* The thread that a new one with this mask inherited it from: its leader, or another one that was made to leave CPUs. NULL: it has a mask of its own, or its leader's, which
 * is as it was. */
static struct guest_thread *find_heritage(const struct guest *guest, const struct affinity_mask *mask) {
        struct guest_thread *leader = guest_thread_find(guest, guest->id);
        if (leader && leader->read && affinity_equal(&leader->held, mask))
                return leader->reserved ? leader : NULL;
        for (size_t i = 0; i < guest->n_threads; i++)
                if (guest->threads[i].reserved && affinity_equal(&guest->threads[i].held, mask))
                        return guest->threads + i;
        return NULL;
}

static bool was_born_since(const struct guest *guest, uint64_t start_time) {
        return guest->since > 0 && start_time >= guest->since;
}

/* Reads what a thread has that iocored has not touched. */
static void read_thread(struct vhost_state *state, struct guest *guest, struct guest_thread *thread, bool is_new) {
        struct affinity_mask mask;

        if (vhost_mask_read(state, thread->id, &mask) < 0)
                return; /* it is gone, or refused: then it cannot be set either */
        struct guest_thread *heritage = is_new && was_born_since(guest, thread->start_time) ? find_heritage(guest, &mask) : NULL;
        bool read = thread->read;
        thread->read = true;
        if (!heritage) {
                if (!read || !affinity_equal(&thread->base, &mask))
                        guest_thread_set_base(state, thread, &mask);
                return;
        }
        /* The journal knows the leader's own way back; another one's it does not know: there the new thread gets what it would have had, and is asked for like any. */
        thread->base = heritage->base;
        if (guest_is_leader(guest, heritage)) {
                thread->covered = true;
                state->guests.n_reserved++;
                guest_thread_set_held(state, thread, &mask);
        } else if (vhost_mask_set(state, thread->id, &heritage->base, &mask) >= 0)
                guest_thread_set_base(state, thread, &mask);
        else
                thread->read = false;
}

void guests_worker_born(struct vhost_state *state, const struct vhost_thread *worker) {
        struct affinity_mask mask;

        if (state->guests.n_reserved == 0 || worker->shape != THREAD_VHOST_TASK)
                return;
        const struct guest *guest = guests_find(state, worker->process);
        if (!guest || !was_born_since(guest, worker->start_time) || vhost_mask_read(state, worker->id, &mask) < 0)
                return;
        const struct guest_thread *heritage = find_heritage(guest, &mask);
        if (heritage)
                (void) vhost_mask_set(state, worker->id, &heritage->base, &mask); /* one that is refused is put back with its process */
}

/* --- threads of a guest --- */

static void drop_thread(struct vhost_state *state, struct guest *guest, size_t index) {
        struct guest_thread *thread = guest->threads + index;

        if (thread->told)
                guest_tell(state, guest, thread, NULL);
        count_reserved(&state->guests, thread, false, false);
        memmove(thread, thread + 1, (guest->n_threads - index - 1) * sizeof *thread);
        guest->n_threads--;
}

/* The place for a thread of this id. NULL: no memory. */
static struct guest_thread *insert_thread(struct guest *guest, pid_t id, uint64_t start_time) {
        if (guest->n_threads == guest->n_allocated) {
                size_t n = guest->n_allocated > 0 ? guest->n_allocated * 2 : 8;
                struct guest_thread *threads = reallocarray(guest->threads, n, sizeof *threads);
                if (!threads)
                        return NULL;
                guest->threads = threads;
                guest->n_allocated = n;
        }
        size_t index = guest->n_threads;
        while (index > 0 && guest->threads[index - 1].id > id)
                index--;
        memmove(guest->threads + index + 1, guest->threads + index, (guest->n_threads - index) * sizeof *guest->threads);
        guest->n_threads++;
        guest->threads[index] = (struct guest_thread) { .id = id, .start_time = start_time };
        return guest->threads + index;
}

/* The name in the text of a stat file: between the first and the last parenthesis. */
static void name_of(const char *text, char ret[static NAME_MAX_BYTES]) {
        const char *begin = strchr(text, '('), *end = strrchr(text, ')');
        size_t length = begin && end && end > begin ? (size_t) (end - begin - 1) : 0;

        length = length < NAME_MAX_BYTES ? length : NAME_MAX_BYTES - 1;
        if (length > 0)
                memcpy(ret, begin + 1, length);
        ret[length] = '\0';
}

static bool is_ended(ssize_t error) {
        return error == -ENOENT || error == -ESRCH;
}

static int look_at_thread(struct vhost_state *state, struct guest *guest, pid_t id) {
        char path[GUEST_PATH_MAX], text[STAT_FILE_MAX], name[NAME_MAX_BYTES];
        struct thread_stat stat;

        snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int) guest->id, (int) id);
        ssize_t length = file_read_path(state->services, state->context, path, text, sizeof text);
        struct guest_thread *thread = guest_thread_find(guest, id);
        if (thread && length < 0 && !is_ended(length))
                thread->listed = true; /* nothing is known: what it had must not be forgotten */
        if (length <= 0 || thread_parse_stat(text, &stat) < 0)
                return 0; /* it has ended */
        if (thread_classify(&stat) == THREAD_VHOST_TASK)
                return 0;
        if (thread && thread->start_time != stat.start_time) {
                drop_thread(state, guest, (size_t) (thread - guest->threads));
                thread = NULL;
        }
        bool is_new = !thread;
        if (is_new && !(thread = insert_thread(guest, id, stat.start_time)))
                return -ENOMEM;
        name_of(text, name);
        thread->vcpu = guest_is_vcpu_name(name);
        thread->fixed = stat.flags & FLAG_NO_SETAFFINITY;
        thread->listed = true;
        if (!thread->reserved && !thread->covered && !thread->foreign)
                read_thread(state, guest, thread, is_new);
        return 0;
}

/* A guest of which each virtual CPU has a CPU of its own was laid out by hand. */
static bool is_pinned(const struct guest *guest) {
        size_t n = 0;
        for (size_t i = 0; i < guest->n_threads; i++) {
                const struct guest_thread *thread = guest->threads + i;
                if (!thread->vcpu || !thread->read)
                        continue;
                if (affinity_only_cpu(&thread->base) < 0)
                        return false;
                n++;
        }
        return n > 0;
}

static int read_start_time(struct vhost_state *state, pid_t process, uint64_t *ret) {
        char path[GUEST_PATH_MAX], text[STAT_FILE_MAX];
        struct thread_stat stat;

        snprintf(path, sizeof path, "/proc/%d/stat", (int) process);
        ssize_t length = file_read_path(state->services, state->context, path, text, sizeof text);
        if (length < 0 && !is_ended(length))
                return (int) length;
        if (length <= 0 || thread_parse_stat(text, &stat) < 0)
                return -ESRCH;
        *ret = stat.start_time;
        return 0;
}

DIR *guest_open_directory(struct vhost_state *state, const char *path) {
        _cleanup_close_ int fd = state->services->open_path(state->context, path, O_RDONLY | O_DIRECTORY);
        DIR *directory = fd < 0 ? NULL : fdopendir(fd);
        if (directory)
                (void) TAKE_FD(fd);
        return directory;
}

/* The kernel leaves some threads out of a list in which others end while it is read: only what cannot be opened any more has ended. */
static int drop_ended(struct vhost_state *state, struct guest *guest) {
        for (size_t i = guest->n_threads; i-- > 0;) {
                int r = guest->threads[i].listed ? 0 : look_at_thread(state, guest, guest->threads[i].id);
                if (r < 0)
                        return r;
                if (!guest->threads[i].listed)
                        drop_thread(state, guest, i);
        }
        return 0;
}

/* 0; -ESRCH: it has ended; -ENOMEM. */
static int list_threads(struct vhost_state *state, struct guest *guest) {
        char path[GUEST_PATH_MAX];
        uint64_t start_time;

        int error = read_start_time(state, guest->id, &start_time);
        if (error == -ESRCH || (error >= 0 && start_time != guest->start_time))
                return -ESRCH;
        snprintf(path, sizeof path, "/proc/%d/task", (int) guest->id);
        _cleanup_closedir_ DIR *directory = error >= 0 ? guest_open_directory(state, path) : NULL;
        if (!directory)
                return 0; /* no memory, no file descriptor, or it ends just now: looked at again by the next scan */
        for (size_t i = 0; i < guest->n_threads; i++)
                guest->threads[i].listed = false;
        for (struct dirent *entry; (entry = readdir(directory));) {
                pid_t id = thread_parse_id(entry->d_name);
                int r = id < 0 ? 0 : look_at_thread(state, guest, id);
                if (r < 0)
                        return r;
        }
        int r = drop_ended(state, guest);
        if (r < 0)
                return r;
        guest->changed = false;
        guest->pinned = is_pinned(guest);
        state->guests.pending = true;
        return 0;
}

/* --- guests --- */

static void drop_guest(struct vhost_state *state, size_t index) {
        struct guests *guests = &state->guests;
        struct guest *guest = guests->guests[index];

        while (guest->n_threads > 0)
                drop_thread(state, guest, guest->n_threads - 1);
        if (guest->told_pinned)
                guest_tell_pinned(state, guest, false);
        memmove(guests->guests + index, guests->guests + index + 1, (guests->n - index - 1) * sizeof(struct guest *));
        guests->n--;
        free(guest->threads);
        free(guest);
}

int guests_add(struct vhost_state *state, pid_t process) {
        struct guests *guests = &state->guests;
        uint64_t start_time;

        if (guests_find(state, process) || read_start_time(state, process, &start_time) < 0)
                return 0;
        if (guests->n == guests->n_allocated) {
                size_t n = guests->n_allocated > 0 ? guests->n_allocated * 2 : 16;
                struct guest **larger = reallocarray(guests->guests, n, sizeof(struct guest *));
                if (!larger)
                        return -ENOMEM;
                guests->guests = larger;
                guests->n_allocated = n;
        }
        struct guest *guest = calloc(1, sizeof *guest);
        if (!guest)
                return -ENOMEM;
        guest->id = process;
        guest->start_time = start_time;
        guest->changed = true;
        size_t index = guests->n;
        while (index > 0 && guests->guests[index - 1]->id > process)
                index--;
        memmove(guests->guests + index + 1, guests->guests + index, (guests->n - index) * sizeof(struct guest *));
        guests->guests[index] = guest;
        guests->n++;
        return 0;
}

static int add_owners(struct vhost_state *state) {
        for (size_t i = 0; i < state->n_threads; i++) {
                pid_t owner = state->threads[i]->unit->owner;
                int r = owner > 0 ? guests_add(state, owner) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* One with very many threads is not listed as often as one of them comes or goes. */
static bool is_due(struct guest *guest) {
        if (!guest->changed)
                return false;
        if (guest->n_skips == 0)
                return true;
        guest->n_skips--;
        return false;
}

int guests_refresh(struct vhost_state *state) {
        struct guests *guests = &state->guests;
        int r = add_owners(state);

        if (r >= 0)
                r = guests_search(state);
        if (r < 0)
                return r;
        for (size_t i = guests->n; i-- > 0;) {
                struct guest *guest = guests->guests[i];
                if (!is_due(guest))
                        continue;
                r = list_threads(state, guest);
                if (r == -ESRCH)
                        drop_guest(state, i);
                else if (r < 0)
                        return r;
                else
                        guest->n_skips = (unsigned) (guest->n_threads / THREADS_A_REFRESH);
        }
        return 0;
}

void guests_change_all(struct vhost_state *state) {
        struct guests *guests = &state->guests;

        guests->search = true;
        for (size_t i = 0; i < guests->n; i++) {
                guests->guests[i]->changed = true;
                guests->guests[i]->n_skips = 0;
        }
}

/* Threads that nobody can make leave their CPU, told whenever that changed. */
static void count_pinned(struct vhost_state *state) {
        _cleanup_free_ unsigned *counts = calloc((size_t) state->n_cpus, sizeof *counts);
        if (!counts)
                return; /* counted by the next thorough scan */
        for (size_t i = 0; i < state->guests.n; i++)
                for (size_t k = 0; k < state->guests.guests[i]->n_threads; k++) {
                        const struct guest_thread *thread = state->guests.guests[i]->threads + k;
                        int cpu = thread->read ? affinity_only_cpu(&thread->base) : -1;
                        if (cpu >= 0 && cpu < state->n_cpus)
                                counts[cpu]++;
                }
        for (int cpu = 0; cpu < state->n_cpus; cpu++)
                if (counts[cpu] != state->guests.n_pinned[cpu]) {
                        state->guests.n_pinned[cpu] = counts[cpu];
                        (void) state->services->cpu_pinned(state->context, cpu, counts[cpu]);
                }
}

int guests_scan(struct vhost_state *state, bool thorough) {
        struct guests *guests = &state->guests;

        if (thorough) {
                guests->generation++;
                guests_change_all(state);
        } else if (!guests->active && guests->n_reserved == 0)
                return 0;
        int r = guests_refresh(state);
        if (r >= 0 && thorough)
                count_pinned(state);
        return r;
}

int guests_open(struct vhost_state *state) {
        state->guests.candidates = calloc(GUEST_CANDIDATES_MAX, sizeof *state->guests.candidates);
        state->guests.n_pinned = calloc((size_t) state->n_cpus, sizeof *state->guests.n_pinned);
        state->guests.generation = 1;
        return state->guests.candidates && state->guests.n_pinned ? 0 : -ENOMEM;
}

void guests_close(struct vhost_state *state) {
        struct guests *guests = &state->guests;

        while (guests->n > 0)
                drop_guest(state, guests->n - 1);
        free(guests->guests);
        free(guests->candidates);
        free(guests->n_pinned);
}
