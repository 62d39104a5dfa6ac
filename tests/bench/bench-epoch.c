/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an epoch costs, against a bare loop of the preads that it needs.
 *
 * Each row is measured in processes of its own, so that memory and open files are of that row alone. The parent writes counters, as a kernel would;
 * a child reads them, in turns with the thing that is measured and with the bare loop over the very same open files, each after a rewriting. Times are
 * of the thread's CPU clock: other load on the machine counts little. One JSON object a line.
 */
#include <errno.h>
#include <signal.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "bench-subject.h"
#include "daemon/cleanup.h"
#include "measure.h"
#include "vhost-tree.h"

#define EPOCH_USEC 100000
#define ATTRIBUTE_SIZE 4097 /* what the plugin asks for: a page, and one byte to notice more */
#define LOAD 0.9
/* longer than a host must be quiet until its policies rest */
#define LOOP_SETTLE_USEC 6000000
#define LOOP_USEC 10000000
#define LOOP_STRETCHES 5
#define ROUND_READS 300000 /* preads of a row, which decides how often it is repeated */

/* --- the bare loop ------------------------------------------------------------------------------------------------------------------ */

static bool is_clock_or_worker(const char *path) {
        return ends_with(path, "/vhost/cycles") || (strstr(path, "/vhost/worker/w.") && ends_with(path, "/status"));
}

static bool is_counter(const char *path) {
        return is_clock_or_worker(path) || (strstr(path, "/vhost/vq/vq.") && ends_with(path, "/status"));
}

/* The files that the plugin has open and reads in an epoch: the clock, workers' status, and at level 1 queues' status. */
static void find_files(struct file_set *ret, bool queues) {
        file_set_find(ret, queues ? is_counter : is_clock_or_worker);
}

static void bare_loop(const struct file_set *files) {
        if (!file_set_read(files, ATTRIBUTE_SIZE))
                abort();
}

/* --- taking turns ------------------------------------------------------------------------------------------------------------------- */

static unsigned resident_kib(void) {
        char text[128], *second;
        FILE *file = fopen("/proc/self/statm", "re");
        if (!file || !fgets(text, sizeof text, file) || !(second = strchr(text, ' ')))
                abort();
        fclose(file);
        return (unsigned) (strtoul(second, NULL, 10) * (unsigned long) sysconf(_SC_PAGESIZE) / 1024);
}

struct result {
        double subject_nsec, bare_nsec, cpu_usec, cpu_usec_median;
        unsigned rss_kib;
        size_t n_files;
};

/* The two ends of a conversation between the writer of counters and the reader. */
struct turns {
        int request, answer;
};

static void wait_for_rewriting(const struct turns *turns) {
        char byte = 'r';
        if (write(turns->request, &byte, 1) != 1 || read(turns->answer, &byte, 1) != 1)
                _exit(1);
}

static struct result take_turns(const struct turns *turns, const struct tree *tree, const struct subject_kind *kind, unsigned n_rounds) {
        struct result result = { 0 };
        struct file_set files;
        double *subject_times = calloc(n_rounds, sizeof *subject_times), *bare_times = calloc(n_rounds, sizeof *bare_times);
        uint64_t now = 1000000;
        void *subject = kind->make(tree);

        if (!subject_times || !bare_times)
                abort();
        result.rss_kib = 0;
        /* the first epochs learn where attributes are and what is busy */
        for (unsigned i = 0; i < 5; i++) {
                wait_for_rewriting(turns);
                kind->epoch(subject, now += EPOCH_USEC);
        }
        find_files(&files, true);
        for (unsigned i = 0; i < n_rounds; i++) {
                wait_for_rewriting(turns);
                uint64_t start = cpu_nsec();
                kind->epoch(subject, now += EPOCH_USEC);
                subject_times[i] = (double) (cpu_nsec() - start);

                wait_for_rewriting(turns);
                start = cpu_nsec();
                bare_loop(&files);
                bare_times[i] = (double) (cpu_nsec() - start);
        }
        result.subject_nsec = median(subject_times, n_rounds);
        result.bare_nsec = median(bare_times, n_rounds);
        result.rss_kib = resident_kib();
        result.n_files = files.n;
        kind->free(subject);
        free(subject_times);
        free(bare_times);
        file_set_free(&files);
        return result;
}

/* Measures `kind` on the tree, whose counters go on before each turn. */
static struct result measure_turns(struct tree *tree, const struct subject_kind *kind, unsigned n_rounds) {
        int requests[2], answers[2], results[2];
        struct result result = { 0 };
        char byte;

        fflush(stdout);
        if (pipe(requests) < 0 || pipe(answers) < 0 || pipe(results) < 0)
                abort();
        pid_t pid = fork();
        if (pid < 0)
                abort();
        if (pid == 0) {
                /* the writer's files are not the reader's business */
                tree_close(tree);
                close(requests[0]);
                close(answers[1]);
                struct turns turns = { requests[1], answers[0] };
                result = take_turns(&turns, tree, kind, n_rounds);
                bool whole = write(results[1], &result, sizeof result) == (ssize_t) sizeof result;
                _exit(!whole);
        }
        close(requests[1]);
        close(answers[0]);
        close(results[1]);
        while (read(requests[0], &byte, 1) == 1) {
                tree_advance(tree, true);
                if (write(answers[1], &byte, 1) != 1)
                        break;
        }
        if (read(results[0], &result, sizeof result) != (ssize_t) sizeof result) {
                fprintf(stderr, "bench: %s: the measuring process failed\n", kind->name);
                exit(1);
        }
        (void) waitpid(pid, NULL, 0);
        close(requests[0]);
        close(answers[1]);
        close(results[0]);
        return result;
}

/* --- beside each other --------------------------------------------------------------------------------------------------------------- */

struct bare_timer {
        void *sampler; /* opened the files; does nothing more */
        struct file_set files;
        uint64_t next;
};

static int bare_tick(sd_event_source *source, uint64_t usec, void *userdata) {
        struct bare_timer *timer = userdata;
        (void) usec;
        bare_loop(&timer->files);
        timer->next += EPOCH_USEC;
        return sd_event_source_set_time(source, timer->next);
}

static void *bare_timer_make(const struct tree *tree, bool queues) {
        struct bare_timer *timer = calloc(1, sizeof *timer);
        if (!timer)
                abort();
        timer->sampler = sampler_kind.make(tree);
        find_files(&timer->files, queues);
        return timer;
}

static void bare_timer_attach(void *subject, sd_event *event) {
        struct bare_timer *timer = subject;
        sd_event_source *source = NULL;

        if (sd_event_now(event, CLOCK_MONOTONIC, &timer->next) < 0 ||
            sd_event_add_time(event, &source, CLOCK_MONOTONIC, timer->next, EPOCH_USEC / 100, bare_tick, timer) < 0 ||
            sd_event_source_set_enabled(source, SD_EVENT_ON) < 0)
                abort();
}

static uint64_t monotonic_usec(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

static double used_usec(void) {
        struct rusage usage;
        if (getrusage(RUSAGE_SELF, &usage) < 0)
                abort();
        return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Both loops run on one CPU, half an epoch apart, so that neither has the better caches or the quieter neighbour. */
static void take_place(int index) {
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        cpu_set_t cpu;

        CPU_ZERO(&cpu);
        CPU_SET(n > 1 ? (size_t) n - 1 : 0, &cpu);
        if (sched_setaffinity(0, sizeof cpu, &cpu) < 0)
                fprintf(stderr, "bench: the loops stay where the kernel puts them: %s\n", strerror(errno));
        nanosleep(&(struct timespec) { .tv_nsec = index * EPOCH_USEC * 500 }, NULL);
}

static void run_for(sd_event *event, uint64_t usec) {
        uint64_t now, end = monotonic_usec() + usec;
        while ((now = monotonic_usec()) < end)
                if (sd_event_run(event, end - now) < 0)
                        abort();
}

/* Lets the event loop run: some time to settle, then the time that counts. Never returns. */
static void loop_child(int result_fd, void (*attach)(void *subject, sd_event *event), void *subject) {
        struct result result = { 0 };
        sd_event *event = NULL;

        if (sd_event_new(&event) < 0)
                abort();
        attach(subject, event);
        run_for(event, LOOP_SETTLE_USEC);
        /* The whole time counts. The median of its stretches is told beside it: what a neighbour of this machine disturbs, and what is done once in ten seconds, is not in it. */
        double stretches[LOOP_STRETCHES];
        for (int i = 0; i < LOOP_STRETCHES; i++) {
                double before = used_usec();
                run_for(event, LOOP_USEC / LOOP_STRETCHES);
                stretches[i] = (used_usec() - before) * 1e6 * LOOP_STRETCHES / LOOP_USEC;
        }
        for (int i = 0; i < LOOP_STRETCHES; i++)
                result.cpu_usec += stretches[i] / LOOP_STRETCHES;
        result.cpu_usec_median = median(stretches, LOOP_STRETCHES);
        result.rss_kib = resident_kib();
        _exit(write(result_fd, &result, sizeof result) != (ssize_t) sizeof result);
}

/* The engine at 10 epochs a second and, beside it, a bare timer loop with the same preads. `busy`: counters go on, queues are read too. */
static void measure_loops(struct tree *tree, bool busy, struct result *ret_engine, struct result *ret_bare) {
        struct result *results[] = { ret_engine, ret_bare };
        int pipes[2][2];
        pid_t pids[2];

        fflush(stdout);
        for (int i = 0; i < 2; i++) {
                if (pipe(pipes[i]) < 0 || (pids[i] = fork()) < 0)
                        abort();
                if (pids[i] > 0)
                        continue;
                take_place(i);
                if (i == 0)
                        loop_child(pipes[i][1], engine_kind.attach, engine_kind.make(tree));
                else
                        loop_child(pipes[i][1], bare_timer_attach, bare_timer_make(tree, busy));
        }
        /* the time of the host goes on until both have ended */
        for (int running = 2; running > 0;) {
                tree_advance(tree, busy);
                nanosleep(&(struct timespec) { .tv_nsec = EPOCH_USEC * 1000 }, NULL);
                for (int i = 0; i < 2; i++)
                        if (pids[i] > 0 && waitpid(pids[i], NULL, WNOHANG) == pids[i]) {
                                pids[i] = 0;
                                running--;
                        }
        }
        for (int i = 0; i < 2; i++) {
                close(pipes[i][1]);
                if (read(pipes[i][0], results[i], sizeof **results) != (ssize_t) sizeof **results) {
                        fprintf(stderr, "bench: a loop failed\n");
                        exit(1);
                }
                close(pipes[i][0]);
        }
}

/* --- rows --------------------------------------------------------------------------------------------------------------------------- */

/* All queues are busy: level 1. */
static void row_busy(unsigned n_workers, unsigned n_devices, unsigned n_queues) {
        struct tree tree;
        unsigned n_rounds = ROUND_READS / (n_queues + n_workers);

        n_rounds = n_rounds < 30 ? 30 : n_rounds > 400 ? 400 : n_rounds;
        tree_make(&tree, n_workers, n_devices, n_queues, LOAD);
        struct result sampler = measure_turns(&tree, &sampler_kind, n_rounds);
        struct result engine = measure_turns(&tree, &engine_kind, n_rounds);
        tree_remove(&tree);
        printf("{\"bench\":\"epoch\",\"queues\":%u,\"devices\":%u,\"workers\":%u,\"level\":1,\"sample_ratio\":%.2f,\"epoch_ratio\":%.2f,\"epoch_usec\":%.0f,"
               "\"preads\":%zu,\"nsec_per_queue\":%.0f,\"rss_kib\":%u}\n",
               n_queues, n_devices, n_workers, sampler.subject_nsec / sampler.bare_nsec, engine.subject_nsec / engine.bare_nsec, engine.subject_nsec / 1000,
               sampler.n_files, engine.subject_nsec / n_queues, engine.rss_kib);
        fflush(stdout);
}

/* 10 epochs a second on the clock of the wall. */
static void row_loop(unsigned n_workers, unsigned n_devices, unsigned n_queues, bool busy) {
        struct result engine = { 0 }, bare = { 0 };
        struct tree tree;

        tree_make(&tree, n_workers, n_devices, n_queues, busy ? LOAD : 0);
        measure_loops(&tree, busy, &engine, &bare);
        tree_remove(&tree);
        printf("{\"bench\":\"epoch\",\"queues\":%u,\"devices\":%u,\"workers\":%u,\"level\":%d,\"cpu_us_per_s\":%.0f,\"bare_us_per_s\":%.0f,\"cpu_ratio\":%.2f,\"cpu_ratio_median\":%.2f,"
               "\"rss_kib\":%u}\n",
               n_queues, n_devices, n_workers, busy, engine.cpu_usec, bare.cpu_usec, engine.cpu_usec / bare.cpu_usec,
               engine.cpu_usec_median / bare.cpu_usec_median, engine.rss_kib);
        fflush(stdout);
}

int main(void) {
        raise_files_limit();
        row_busy(8, 25, 100);
        row_busy(64, 250, 1000);
        row_busy(64, 2500, 10000);
        row_loop(64, 250, 1000, false);
        row_loop(4, 14, 28, false);
        row_loop(4, 14, 28, true);
        return 0;
}
