/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which processes are guests: those that run virtual CPUs, whether they have vhost workers or not. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cleanup.h"
#include "guests.h"
#include "plugins/common/file-io.h"
#include "vhost-thread.h"

enum {
        NAME_MAX_BYTES = 64,
        THREADS_MAX = 2048, /* of one process: those of virtual CPUs are among its first */
        /* Threads of candidates that are looked at in one refresh, some 10 ms; the other candidates wait. */
        LOOKS_A_REFRESH = 2048,
        /* When there are more candidates than can be remembered, all processes are looked at, but for no more than a twentieth of the time. */
        SEARCH_SHARE = 20,
};

bool guest_is_vcpu_name(const char *name) {
        static const char before[] = "CPU ", after[] = "/KVM";
        if (strncmp(name, before, sizeof before - 1) != 0)
                return false;
        size_t digits = strspn(name + sizeof before - 1, "0123456789");
        return digits > 0 && strcmp(name + sizeof before - 1 + digits, after) == 0;
}

/* Adds the number of threads that were looked at to *n_looks. */
static bool has_vcpu(struct vhost_state *state, pid_t process, unsigned *n_looks) {
        char path[GUEST_PATH_MAX], name[NAME_MAX_BYTES];

        snprintf(path, sizeof path, "/proc/%d/task", (int) process);
        _cleanup_closedir_ DIR *directory = guest_open_directory(state, path);
        struct stat status;
        /* A guest has a thread for its virtual CPU beside its first one; a directory of one thread has three links. */
        if (!directory || fstat(dirfd(directory), &status) < 0 || status.st_nlink == 3)
                return false;
        struct dirent *entry;
        for (unsigned n = 0; n < THREADS_MAX && (entry = readdir(directory));) {
                pid_t id = thread_parse_id(entry->d_name);
                if (id < 0)
                        continue;
                n++;
                ++*n_looks;
                snprintf(path, sizeof path, "%d/comm", (int) id);
                ssize_t length = file_read_at(dirfd(directory), path, name, sizeof name);
                if (length > 0) {
                        trim_end(name, (size_t) length);
                        if (guest_is_vcpu_name(name))
                                return true;
                }
        }
        return false;
}

/* QEMU without debug-threads, and other monitors: threads have other names, but a virtual machine is open. */
static bool has_machine(struct vhost_state *state, pid_t process) {
        enum { FILES_MAX = 4096 };
        char path[GUEST_PATH_MAX], target[32];

        snprintf(path, sizeof path, "/proc/%d/fd", (int) process);
        _cleanup_closedir_ DIR *directory = guest_open_directory(state, path);
        if (!directory)
                return false;
        struct dirent *entry;
        for (unsigned n = 0; n < FILES_MAX && (entry = readdir(directory)); n++) {
                ssize_t length = readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1);
                target[length > 0 ? length : 0] = '\0';
                if (strcmp(target, "anon_inode:kvm-vm") == 0)
                        return true;
        }
        return false;
}

static uint64_t monotonic_usec(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000u + (uint64_t) now.tv_nsec / 1000u;
}

static int search_processes(struct vhost_state *state) {
        struct guests *guests = &state->guests;
        unsigned n_looks = 0;

        guests->searched = monotonic_usec();
        _cleanup_closedir_ DIR *directory = guest_open_directory(state, "/proc");
        if (!directory)
                return 0;
        for (struct dirent *entry; (entry = readdir(directory));) {
                pid_t process = thread_parse_id(entry->d_name);
                if (process < 0 || guests_find(state, process) || !(has_vcpu(state, process, &n_looks) || has_machine(state, process)))
                        continue;
                int r = guests_add(state, process);
                if (r < 0)
                        return r;
        }
        guests->search_took = monotonic_usec() - guests->searched;
        return 0;
}

static int look_at_candidates(struct vhost_state *state) {
        struct guests *guests = &state->guests;
        unsigned n_looks = 0;
        size_t done = 0;
        int r = 0;

        while (done < guests->n_candidates && n_looks < LOOKS_A_REFRESH && r >= 0)
                if (has_vcpu(state, guests->candidates[done++], &n_looks))
                        r = guests_add(state, guests->candidates[done - 1]);
        guests->crowded |= r < 0; /* for want of memory: it is found with all others */
        guests->n_candidates -= done;
        memmove(guests->candidates, guests->candidates + done, guests->n_candidates * sizeof *guests->candidates);
        return r;
}

int guests_search(struct vhost_state *state) {
        struct guests *guests = &state->guests;

        if (!guests->search && !(guests->crowded && monotonic_usec() - guests->searched >= guests->search_took * SEARCH_SHARE))
                return look_at_candidates(state);
        int r = search_processes(state);
        if (r < 0)
                return r;
        guests->search = guests->crowded = false;
        guests->n_candidates = 0;
        return 0;
}

void guests_process_changed(struct vhost_state *state, pid_t process) {
        struct guests *guests = &state->guests;

        if (!guests->active && guests->n_reserved == 0)
                return;
        struct guest *guest = guests_find(state, process);
        if (guest) {
                guest->changed = true;
                return;
        }
        for (size_t i = 0; i < guests->n_candidates; i++)
                if (guests->candidates[i] == process)
                        return;
        if (guests->n_candidates < GUEST_CANDIDATES_MAX)
                guests->candidates[guests->n_candidates++] = process;
        else
                guests->crowded = true;
}
