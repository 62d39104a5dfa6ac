/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "work.h"

/* For the thread to end what it has in hand. */
#define CLOSE_WAIT_SECONDS 2

struct task {
        struct task *next;
        struct iocore_job job; /* id 0: none */
        char domain[IOCORE_NAME_MAX];
        pid_t pid;
        uint64_t start;
        int process; /* its directory in /proc */
        size_t n_cells;
        int cell, node;
        bool changed; /* to be told */
        bool over;    /* to be told, and forgotten */
        atomic_bool stop;
        int error;
        struct memory memory;
        bool read;   /* `memory` is filled */
        bool tell_memory;
        uint64_t read_usec; /* that reading it took */
        struct memory after; /* where it is when the move is over, if it was looked at again */
        bool looked_again;
        struct mover mover;
};

struct work {
        pthread_mutex_t lock;
        pthread_cond_t wake;
        pthread_t thread;
        struct task *tasks; /* in order */
        size_t n_tasks;
        atomic_bool news;
        bool stop;
        unsigned n_users; /* the thread, and whoever opened it: the last one frees */
        int root;
        const struct mover_host *host;
        uint64_t rate;           /* bytes a second that are moved at most; 0: as fast as it goes */
        uint64_t next_move_usec; /* not before, for that */
};

static uint64_t now_usec(void) {
        struct timespec now;
        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

static void task_free(struct task *task) {
        closep(&task->process);
        memory_done(&task->memory);
        memory_done(&task->after);
        free(task);
}

/* Called with the lock held; gives it back. */
static void release(struct work *work) {
        bool last = --work->n_users == 0;
        (void) pthread_mutex_unlock(&work->lock);
        if (!last)
                return;
        while (work->tasks) {
                struct task *next = work->tasks->next;
                task_free(work->tasks);
                work->tasks = next;
        }
        (void) pthread_cond_destroy(&work->wake);
        (void) pthread_mutex_destroy(&work->lock);
        closep(&work->root);
        free(work);
}

/* --- what the thread does, without the lock */

static const char *say(int error) {
        switch (error) {
        case -ESRCH:
                return "the process is gone";
        case -EPERM:
                return "not allowed: CAP_SYS_NICE and CAP_SYS_PTRACE are needed";
        case -EACCES:
                return "the cpuset of the process (or of iocored) forbids that node, or its memory may not be looked at";
        case -ENODEV:
                return "the node has no memory";
        case -ENOSPC:
                return "the node is full";
        default:
                return strerrordesc_np(-error) ?: "unknown error";
        }
}

/* Keeps the ranges of the guest cell that is asked for. */
static int choose_ranges(struct task *task) {
        struct memory *memory = &task->memory;
        size_t n = 0;

        if (task->cell < 0 || task->n_cells <= 1)
                return 0;
        if (!memory->told)
                return -ENOTSUP;
        for (size_t i = 0; i < memory->n_ranges; i++)
                if (memory->ranges[i].cell == task->cell)
                        memory->ranges[n++] = memory->ranges[i];
        memory->n_ranges = n;
        return 0;
}

static int read_memory(struct task *task, int node, struct memory *ret) {
        uint64_t begin = now_usec();
        int r = memory_read(task->process, task->n_cells, node, &task->stop, ret);
        task->read_usec = now_usec() - begin;
        return r;
}

/* Before a move is over, so that whoever waited for it finds the memory of the domain where it is now. What cannot be read is read when its turn comes. */
static void look_again(struct task *task) {
        task->looked_again = read_memory(task, -1, &task->after) == 0;
}

/* One piece of work. 1: there is more to do. */
static int step(const struct work *work, struct task *task) {
        if (!task->read) {
                int r = read_memory(task, task->node, &task->memory);
                if (r < 0)
                        return r;
                task->read = true;
                if (task->node == IOCORE_NODE_UNKNOWN)
                        return 0;
                r = choose_ranges(task);
                if (r < 0)
                        return r;
                mover_init(&task->mover, work->host, task->pid, task->node, (size_t) sysconf(_SC_PAGESIZE), task->memory.ranges, task->memory.n_ranges);
                return 1;
        }
        /* The kernel takes a pid, which may be another process's by now. */
        if (!memory_process_lives(task->process, task->start))
                return -ESRCH;
        int r = mover_slice(&task->mover);
        if (r <= 0 && r != -ESRCH && task->domain[0] != '\0')
                look_again(task);
        return r;
}

/* --- the thread */

static void finish(struct task *task, int r) {
        task->error = r;
        task->over = true;
        task->job.state = task->stop && r != 0 ? IOCORE_JOB_CANCELLED : r == 0 ? IOCORE_JOB_DONE : IOCORE_JOB_FAILED;
        task->tell_memory = task->node == IOCORE_NODE_UNKNOWN || task->looked_again;
        if (task->looked_again) {
                memory_done(&task->memory);
                task->memory = task->after;
                task->after = (struct memory) { 0 };
        }
        if (task->job.state == IOCORE_JOB_FAILED && r == -ENOTSUP)
                snprintf(task->job.text, sizeof task->job.text, "nothing tells which memory of the process is that of guest cell %d", task->cell);
        else if (task->job.state == IOCORE_JOB_FAILED)
                snprintf(task->job.text, sizeof task->job.text, "%s", say(r));
        else if (task->job.failed_pages > 0)
                snprintf(task->job.text, sizeof task->job.text, "pages that are pinned, or shared, stay where they are");
}

/* What is only read first; then what was asked first, when it is time to move again. *ret_waits: there is something that has to wait for that. */
static struct task *next_task(const struct work *work, bool *ret_waits) {
        struct task *first = NULL;
        for (struct task *task = work->tasks; task; task = task->next) {
                if (task->over)
                        continue;
                if (task->stop || task->node == IOCORE_NODE_UNKNOWN)
                        return task;
                first = first ?: task;
        }
        *ret_waits = first && first->read && now_usec() < work->next_move_usec;
        return *ret_waits ? NULL : first;
}

/* Until somebody wants something, or it is time to move again. */
static void wait_for_work(struct work *work, bool moves) {
        const struct timespec until = { .tv_sec = (time_t) (work->next_move_usec / 1000000), .tv_nsec = (long) (work->next_move_usec % 1000000 * 1000) };
        if (moves)
                (void) pthread_cond_clockwait(&work->wake, &work->lock, CLOCK_MONOTONIC, &until);
        else
                (void) pthread_cond_wait(&work->wake, &work->lock);
}

/* Until so much may have been moved since `begin`. */
static void pace(struct work *work, uint64_t begin, uint64_t pages) {
        if (work->rate > 0)
                work->next_move_usec = begin + pages * (uint64_t) sysconf(_SC_PAGESIZE) * 1000000 / work->rate;
}

static void *run(void *userdata) {
        struct work *work = userdata;
        struct task *task;

        (void) pthread_mutex_lock(&work->lock);
        while (!work->stop) {
                bool waits = false;
                task = next_task(work, &waits);
                if (!task) {
                        wait_for_work(work, waits);
                        continue;
                }
                int r = -ECANCELED;
                if (!task->stop) {
                        task->job.state = IOCORE_JOB_RUNNING;
                        (void) pthread_mutex_unlock(&work->lock);
                        uint64_t begin = now_usec(), moved = task->mover.moved;
                        r = step(work, task);
                        uint64_t usec = now_usec() - begin;
                        (void) pthread_mutex_lock(&work->lock);
                        task->job.busy_usec += usec;
                        if (task->mover.moved > moved)
                                pace(work, begin, task->mover.moved - moved);
                        task->job.total_pages = task->mover.total;
                        task->job.moved_pages = task->mover.moved;
                        task->job.failed_pages = task->mover.failed;
                }
                if (r <= 0)
                        finish(task, r);
                task->changed = true;
                atomic_store(&work->news, true);
        }
        release(work);
        return NULL;
}

/* --- the main thread's side */

int work_open(struct work **ret, int root, const struct mover_host *host, uint64_t rate) {
        _cleanup_free_ struct work *work = calloc(1, sizeof *work);
        sigset_t all, before;

        if (!work) {
                close(root);
                return -ENOMEM;
        }
        *work = (struct work) { .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .n_users = 2, .root = root, .host = host, .rate = rate };
        (void) sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
        int r = pthread_create(&work->thread, NULL, run, work);
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r != 0) {
                close(root);
                return -r;
        }
        (void) pthread_setname_np(work->thread, "numa");
        *ret = TAKE_PTR(work);
        return 0;
}

void work_close(struct work *work) {
        struct timespec until;

        if (!work)
                return;
        (void) pthread_mutex_lock(&work->lock);
        work->stop = true;
        for (struct task *task = work->tasks; task; task = task->next)
                task->stop = true;
        (void) pthread_cond_signal(&work->wake);
        (void) pthread_mutex_unlock(&work->lock);
        (void) clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += CLOSE_WAIT_SECONDS;
        if (pthread_timedjoin_np(work->thread, NULL, &until) != 0)
                (void) pthread_detach(work->thread);
        (void) pthread_mutex_lock(&work->lock);
        release(work);
}

int work_begin(struct work *work, const struct iocore_memory *memory, uint64_t job) {
        struct task *task = calloc(1, sizeof *task), **last;
        if (!task)
                return -ENOMEM;
        task->process = -1;
        task->job.id = job;
        task->pid = memory->pid;
        task->n_cells = memory->n_cells;
        task->cell = memory->cell;
        task->node = memory->node;
        snprintf(task->domain, sizeof task->domain, "%s", memory->domain);
        int r = memory_open_process(work->root, memory->pid, memory->start, &task->process, &task->start);
        if (r < 0) {
                task_free(task);
                return r;
        }
        (void) pthread_mutex_lock(&work->lock);
        r = work->n_tasks >= WORK_TASKS_MAX ? -EBUSY : 0;
        if (r == 0) {
                for (last = &work->tasks; *last; last = &(*last)->next)
                        ;
                *last = task;
                work->n_tasks++;
                (void) pthread_cond_signal(&work->wake);
        }
        (void) pthread_mutex_unlock(&work->lock);
        if (r < 0)
                task_free(task);
        return r;
}

int work_cancel(struct work *work, uint64_t job) {
        int r = -ENOENT;

        (void) pthread_mutex_lock(&work->lock);
        for (struct task *task = work->tasks; task; task = task->next)
                if (task->job.id == job && !task->over) {
                        task->stop = true;
                        r = 0;
                }
        (void) pthread_cond_signal(&work->wake);
        (void) pthread_mutex_unlock(&work->lock);
        return r;
}

bool work_looks(struct work *work) {
        bool looks = false;

        (void) pthread_mutex_lock(&work->lock);
        for (const struct task *task = work->tasks; task; task = task->next)
                looks = looks || task->job.id == 0;
        (void) pthread_mutex_unlock(&work->lock);
        return looks;
}

static void report_memory(struct task *task, struct work_report *ret) {
        int error = task->node == IOCORE_NODE_UNKNOWN ? task->error : 0; /* a move may fail, and be looked at all the same */
        *ret = (struct work_report) { .kind = WORK_MEMORY, .pid = task->pid, .error = error, .busy_usec = task->read_usec, .memory = task->memory };
        memcpy(ret->domain, task->domain, sizeof ret->domain);
        task->memory = (struct memory) { 0 };
        task->tell_memory = false;
}

/* With the lock held. */
static bool take(struct work *work, struct work_report *ret) {
        for (struct task **at = &work->tasks; *at; at = &(*at)->next) {
                struct task *task = *at;
                bool told = true;

                if (!task->changed)
                        continue;
                if (task->tell_memory) /* before that the job is over: who waited for it finds it */
                        report_memory(task, ret);
                else {
                        task->changed = false;
                        told = task->job.id > 0;
                        *ret = (struct work_report) { .kind = WORK_JOB, .job = task->job };
                        memcpy(ret->domain, task->domain, sizeof ret->domain);
                        if (task->over) {
                                *at = task->next;
                                work->n_tasks--;
                                task_free(task);
                                return told || take(work, ret);
                        }
                }
                if (told)
                        return true;
        }
        return false;
}

bool work_take(struct work *work, struct work_report *ret) {
        if (!atomic_load(&work->news))
                return false;
        (void) pthread_mutex_lock(&work->lock);
        bool taken = take(work, ret);
        if (!taken)
                atomic_store(&work->news, false);
        (void) pthread_mutex_unlock(&work->lock);
        return taken;
}
