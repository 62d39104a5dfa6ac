/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The knobs "thread.cpus" (object TID.STARTTIME) and "process.cpus" (object PID.STARTTIME.SINCE). Both must work in a process that knows nothing but the name and the
 * value: `iocored --restore` after a crash.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "guests.h"
#include "plugins/common/file-io.h"
#include "vhost-thread.h"

enum { STAT_FILE_MAX = 2048, THREAD_PATH_MAX = 80 };

/* Decimal digits up to `end`. */
static bool parse_number(const char **text, char end, uint64_t *ret) {
        char *after;

        if (**text < '0' || **text > '9')
                return false;
        errno = 0;
        unsigned long long value = strtoull(*text, &after, 10);
        if (errno != 0 || *after != end)
                return false;
        *text = end ? after + 1 : after;
        *ret = value;
        return true;
}

bool thread_object_parse(const char *object, struct thread_object *ret, bool with_since) {
        struct thread_object parsed = { 0 };
        uint64_t id;

        if (!parse_number(&object, '.', &id) || id == 0 || id > INT32_MAX)
                return false;
        parsed.id = (pid_t) id;
        if (!parse_number(&object, with_since ? '.' : '\0', &parsed.start_time))
                return false;
        if (with_since && !parse_number(&object, '\0', &parsed.since))
                return false;
        *ret = parsed;
        return true;
}

static int read_stat(struct vhost_state *state, const char *path, struct thread_stat *ret) {
        char text[STAT_FILE_MAX];

        ssize_t length = file_read_path(state->services, state->context, path, text, sizeof text);
        if (length < 0 && length != -ENOENT && length != -ESRCH)
                return (int) length;
        return length <= 0 || thread_parse_stat(text, ret) < 0 ? -ESRCH : 0;
}

/* The thread that the object names, if it still is that one. -ENOENT: there is none, or none of that form. */
static int find_object(struct vhost_state *state, const char *object, bool with_since, struct thread_object *ret) {
        char path[THREAD_PATH_MAX];
        struct thread_stat stat;

        if (!thread_object_parse(object, ret, with_since))
                return -ENOENT;
        /* A thread that is no leader is not listed in /proc, but it opens. */
        snprintf(path, sizeof path, "/proc/%d/stat", (int) ret->id);
        int r = read_stat(state, path, &stat);
        return r < 0 ? r : stat.start_time == ret->start_time ? 0 : -ESRCH;
}

static int cpus_get(struct vhost_state *state, const char *object, bool with_since, char *ret_value, size_t size) {
        struct thread_object thread;
        struct affinity_mask mask;

        int r = find_object(state, object, with_since, &thread);
        if (r >= 0)
                r = vhost_mask_read(state, thread.id, &mask);
        return r < 0 ? r : affinity_format(&mask, ret_value, size);
}

/* `before` and `really` are the masks of the thread. */
static int cpus_set(struct vhost_state *state, const char *object, bool with_since, const char *value, struct thread_object *ret_thread,
                    struct affinity_mask *ret_before, struct affinity_mask *ret_really) {
        struct affinity_mask wanted;
        struct guest_thread *known = NULL;

        *ret_thread = (struct thread_object) { 0 };
        int r = affinity_parse(value, &wanted);
        if (r < 0)
                return r;
        r = find_object(state, object, with_since, ret_thread);
        if (r >= 0)
                r = vhost_mask_read(state, ret_thread->id, ret_before);
        if (r >= 0)
                r = vhost_mask_set(state, ret_thread->id, &wanted, ret_really);
        if (guests_of_thread(state, ret_thread->id, &known) && known->start_time == ret_thread->start_time) {
                known->set_error = r < 0 ? r : 0;
                if (r >= 0)
                        guest_thread_set_held(state, known, ret_really);
        }
        return r;
}

int thread_cpus_get(void *userdata, const char *object, char *ret_value, size_t size) {
        return cpus_get(userdata, object, false, ret_value, size);
}

int thread_cpus_set(void *userdata, const char *object, const char *value, char *ret_value, size_t size) {
        struct thread_object thread;
        struct affinity_mask before, really;

        int r = cpus_set(userdata, object, false, value, &thread, &before, &really);
        return r < 0 ? r : affinity_format(&really, ret_value, size);
}

int process_cpus_get(void *userdata, const char *object, char *ret_value, size_t size) {
        return cpus_get(userdata, object, true, ret_value, size);
}

struct correction {
        struct vhost_state *state;
        struct thread_object leader;
        const struct guest *guest; /* NULL: not known to this process */
        struct affinity_mask before, really;
};

/* A worker that was born meanwhile need not leave I/O cores: one that inherited a mask that iocored made narrower has all that its owner would have. NULL: it is not to be changed. */
static const struct affinity_mask *for_worker(const struct correction *correction, pid_t id) {
        const struct vhost_thread *worker = vhost_thread_find(correction->state, id);
        if (worker && worker->is_set)
                return NULL;
        if (affinity_within(&correction->before, &correction->really))
                return &correction->really;
        const struct guest_thread *leader = correction->guest ? guest_thread_find(correction->guest, correction->leader.id) : NULL;
        return leader && !affinity_equal(&leader->base, &correction->before) ? &leader->base : NULL;
}

/* True: it has just what its leader had, was born meanwhile, and was changed. */
static bool correct_one(const struct correction *correction, pid_t id) {
        struct vhost_state *state = correction->state;
        struct guest_thread *known = correction->guest ? guest_thread_find(correction->guest, id) : NULL;
        const struct affinity_mask *wanted = &correction->really;
        char path[THREAD_PATH_MAX];
        struct affinity_mask mask;
        struct thread_stat stat;

        if (known && !known->covered)
                return false; /* it has an entry of its own in the journal, or needs none */
        snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int) correction->leader.id, (int) id);
        if (vhost_mask_read(state, id, &mask) < 0 || !affinity_equal(&mask, &correction->before) || read_stat(state, path, &stat) < 0 ||
            stat.start_time < correction->leader.since)
                return false;
        if (thread_classify(&stat) == THREAD_VHOST_TASK && !(wanted = for_worker(correction, id)))
                return false;
        if (vhost_mask_set(state, id, wanted, &mask) < 0)
                return false;
        if (known)
                guest_thread_set_held(state, known, &mask);
        return true;
}

/* Returns how many were changed. */
static unsigned correct_born(const struct correction *correction) {
        char path[THREAD_PATH_MAX];
        unsigned n = 0;

        snprintf(path, sizeof path, "/proc/%d/task", (int) correction->leader.id);
        _cleanup_close_ int fd = correction->state->services->open_path(correction->state->context, path, O_RDONLY | O_DIRECTORY);
        _cleanup_closedir_ DIR *directory = fd < 0 ? NULL : fdopendir(fd);
        if (!directory)
                return 0;
        (void) TAKE_FD(fd);
        for (struct dirent *entry; (entry = readdir(directory));) {
                pid_t id = thread_parse_id(entry->d_name);
                n += id > 0 && id != correction->leader.id && correct_one(correction, id);
        }
        return n;
}

/*
 * On the way back the leader comes last: as long as it has what iocored gave it, whoever comes after a crash in between finds the journal's value there and does all of it
 * again. The other way round those that were not corrected yet would stay as they are.
 */
static void correct_before_leader(struct correction *correction, const char *object, const char *value) {
        struct vhost_state *state = correction->state;

        if (affinity_parse(value, &correction->really) < 0 || find_object(state, object, true, &correction->leader) < 0 ||
            vhost_mask_read(state, correction->leader.id, &correction->before) < 0)
                return;
        correction->guest = guests_find(state, correction->leader.id);
        if (!affinity_equal(&correction->before, &correction->really) && affinity_within(&correction->before, &correction->really))
                (void) correct_born(correction);
}

int process_cpus_set(void *userdata, const char *object, const char *value, char *ret_value, size_t size) {
        enum { PASSES_MAX = 4 };
        struct correction correction = { .state = userdata };

        correct_before_leader(&correction, object, value);
        int r = cpus_set(userdata, object, true, value, &correction.leader, &correction.before, &correction.really);
        if (r < 0)
                return r;
        /* What is born while this lasts may have inherited from one that was not corrected yet. */
        for (int pass = 0; pass < PASSES_MAX && !affinity_equal(&correction.before, &correction.really); pass++)
                if (correct_born(&correction) == 0)
                        break;
        return affinity_format(&correction.really, ret_value, size);
}
