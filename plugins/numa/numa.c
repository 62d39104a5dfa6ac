/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory and NUMA nodes: how much each node has, where that of domains is, and how it comes to another node. */
#include <errno.h>
#include <fcntl.h>
#include <numa.h>
#include <numaif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "nodes.h"
#include "work.h"

#define OPTION_INTERVAL "memory-interval"
#define DEFAULT_INTERVAL_SECONDS 60
#define INTERVAL_SECONDS_MAX 86400
#define OPTION_RATE "move-rate"
#define RATE_MIB_MAX (1024 * 1024)
/* A domain whose numa_maps takes long is read less often, and so are all together: at most this part of the time is spent on what nobody asked for. */
#define DOMAIN_SHARE 200
#define ALL_SHARE 20

struct known {
        char name[IOCORE_NAME_MAX];
        char memory_nodes[sizeof ((struct iocore_domain *) NULL)->memory_nodes]; /* that its memory may be on */
        uint64_t due_usec; /* 0: at once */
        uint64_t seen; /* the scan */
};

struct numa {
        const struct iocore_services *services;
        struct iocore_context *context;
        struct nodes *nodes;
        struct work *work;
        uint64_t interval_usec;
        uint64_t next_usec;       /* nothing is read before, unless asked for */
        uint64_t last_busy_usec;  /* that reading a domain took */
        struct known *known;      /* by name */
        size_t n_known, n_allocated, n_sorted;
        uint64_t scan;
        struct known *due;        /* the most overdue one of this scan */
        struct iocore_memory due_memory;
};

static uint64_t now_usec(void) {
        struct timespec now;
        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

/* --- libnuma */

/* Its own write to stderr, and the second one ends the process. What fails is told by whoever asked. */
__attribute__((visibility("default"))) void numa_warn(int number, char *where, ...);
__attribute__((visibility("default"))) void numa_error(char *where);

void numa_warn(int number, char *where, ...) {
        (void) number, (void) where;
}

void numa_error(char *where) {
        (void) where;
}

static long host_move(void *userdata, pid_t pid, unsigned long n, void **pages, const int *to, int *status) {
        const int *flags = userdata;
        long r = numa_move_pages(pid, n, pages, to, status, *flags);
        return r < 0 ? -errno : r;
}

static uint64_t host_now(void *userdata) {
        (void) userdata;
        return now_usec();
}

/* Pages that other processes have too (a memory backend that is shared with a vhost-user switch) move only for who has CAP_SYS_NICE. */
static int all_pages = MPOL_MF_MOVE_ALL, own_pages = MPOL_MF_MOVE;
static const struct mover_host host_all = { .move = host_move, .now_usec = host_now, .userdata = &all_pages };
static const struct mover_host host_own = { .move = host_move, .now_usec = host_now, .userdata = &own_pages };

static const struct mover_host *choose_host(void) {
        void *page = NULL;
        int status;
        return numa_move_pages(0, 0, &page, NULL, &status, MPOL_MF_MOVE_ALL) == 0 ? &host_all : &host_own;
}

/* --- life */

static int numa_probe(const struct iocore_services *services, struct iocore_context *context, char *ret_reason, size_t size) {
        if (services->size < sizeof(struct iocore_services) || !services->node_memory || !services->domain_memory_rest || !services->domain_visit || !services->job_update) {
                snprintf(ret_reason, size, "this iocored knows too little of memory: it is older than the plugin");
                return 0;
        }
        _cleanup_close_ int fd = services->open_path(context, "/sys/devices/system/node/online", O_RDONLY);
        if (fd < 0) {
                snprintf(ret_reason, size, "looked for /sys/devices/system/node/online: %s", strerror(-fd));
                return 0;
        }
        if (numa_available() < 0) {
                snprintf(ret_reason, size, "the kernel (or a filter of system calls) has no NUMA policies");
                return 0;
        }
        return 1;
}

static void numa_close(void *userdata) {
        struct numa *numa = userdata;

        work_close(numa->work);
        nodes_close(numa->nodes);
        free(numa->known);
        free(numa);
}

/* Seconds; -EINVAL. */
static long read_interval(const struct iocore_services *services, struct iocore_context *context) {
        const char *text = services->option(context, OPTION_INTERVAL);
        char *end;

        if (!text)
                return DEFAULT_INTERVAL_SECONDS;
        errno = 0;
        long seconds = strtol(text, &end, 10);
        if (errno != 0 || end == text || (*end != '\0' && strcmp(end, "s") != 0) || seconds < 1 || seconds > INTERVAL_SECONDS_MAX)
                return -EINVAL;
        return seconds;
}

/* Bytes a second; 0: as fast as it goes; -EINVAL. */
static int64_t read_rate(const struct iocore_services *services, struct iocore_context *context) {
        const char *text = services->option(context, OPTION_RATE);
        char *end;

        if (!text || strcmp(text, "unlimited") == 0)
                return 0;
        errno = 0;
        long mib = strtol(text, &end, 10);
        if (errno != 0 || end == text || *end != '\0' || mib < 1 || mib > RATE_MIB_MAX)
                return -EINVAL;
        return (int64_t) mib * 1024 * 1024;
}

static int open_parts(struct numa *numa, uint64_t rate, char *ret_reason, size_t size) {
        int r = nodes_open(&numa->nodes, numa->services, numa->context);
        if (r < 0) {
                snprintf(ret_reason, size, "the nodes of the host: %s", strerror(-r));
                return r;
        }
        int root = numa->services->open_path(numa->context, "/", O_PATH | O_DIRECTORY);
        if (root < 0) {
                snprintf(ret_reason, size, "/: %s", strerror(-root));
                return root;
        }
        r = work_open(&numa->work, root, choose_host(), rate);
        if (r < 0)
                snprintf(ret_reason, size, "the thread that looks at memory: %s", strerror(-r));
        return r;
}

static int numa_open(const struct iocore_services *services, struct iocore_context *context, void **ret_state, char *ret_reason, size_t size) {
        long interval = read_interval(services, context);
        int64_t rate = read_rate(services, context);

        if (interval < 0) {
                snprintf(ret_reason, size, OPTION_INTERVAL ": 1s to %ds is wanted", INTERVAL_SECONDS_MAX);
                return -EINVAL;
        }
        if (rate < 0) {
                snprintf(ret_reason, size, OPTION_RATE ": 1 to %d (MiB a second) or unlimited is wanted", RATE_MIB_MAX);
                return -EINVAL;
        }
        struct numa *numa = calloc(1, sizeof *numa);
        if (!numa)
                return -ENOMEM;
        *numa = (struct numa) { .services = services, .context = context, .interval_usec = (uint64_t) interval * 1000000 };
        int r = open_parts(numa, (uint64_t) rate, ret_reason, size);
        if (r < 0) {
                numa_close(numa);
                return r;
        }
        nodes_tell(numa->nodes);
        *ret_state = numa;
        return 0;
}

/* --- what is read now and then */

static int compare_known(const void *a, const void *b) {
        return strcmp(((const struct known *) a)->name, ((const struct known *) b)->name);
}

static struct known *find_known(struct numa *numa, const char *name) {
        struct known key = { .due_usec = 0 };
        snprintf(key.name, sizeof key.name, "%s", name);
        return numa->n_sorted > 0 ? bsearch(&key, numa->known, numa->n_sorted, sizeof *numa->known, compare_known) : NULL;
}

/* In the array's room for new ones, which are sorted in when all were visited. */
static void add_known(struct numa *numa, const struct iocore_domain *domain) {
        if (numa->n_known == numa->n_allocated) {
                size_t n = numa->n_allocated ? 2 * numa->n_allocated : 16;
                struct known *known = reallocarray(numa->known, n, sizeof *known);
                if (!known)
                        return; /* at the next scan */
                if (numa->due)
                        numa->due = known + (numa->due - numa->known);
                numa->known = known;
                numa->n_allocated = n;
        }
        struct known *known = numa->known + numa->n_known++;
        *known = (struct known) { .seen = numa->scan };
        memcpy(known->name, domain->id, sizeof known->name);
        memcpy(known->memory_nodes, domain->memory_nodes, sizeof known->memory_nodes);
}

static void read_soon(struct numa *numa, struct known *known) {
        known->due_usec = numa->next_usec = 0;
}

static void visit_domain(void *userdata, struct iocore_domain *domain, size_t n_cells) {
        struct numa *numa = userdata;
        struct known *known = find_known(numa, domain->id);

        if (!known) {
                add_known(numa, domain);
                return;
        }
        known->seen = numa->scan;
        /* Its memory has moved to these, or, if they are only more, is about to: the kernel does that before it says that they are set. */
        if (strcmp(known->memory_nodes, domain->memory_nodes) != 0) {
                memcpy(known->memory_nodes, domain->memory_nodes, sizeof known->memory_nodes);
                read_soon(numa, known);
        }
        if (numa->due && numa->due->due_usec <= known->due_usec)
                return;
        numa->due = known;
        numa->due_memory = (struct iocore_memory) {
                .pid = domain->pid, .start = domain->incarnation, .domain = domain->id, .n_cells = n_cells, .cell = -1, .node = IOCORE_NODE_UNKNOWN,
        };
}

static void forget_gone(struct numa *numa) {
        size_t n = 0;

        for (size_t i = 0; i < numa->n_known; i++)
                if (numa->known[i].seen == numa->scan)
                        numa->known[n++] = numa->known[i];
        if (n != numa->n_sorted || n != numa->n_known) {
                if (n > 0)
                        qsort(numa->known, n, sizeof *numa->known, compare_known);
                numa->n_sorted = numa->n_known = n;
        }
}

static int numa_scan(void *userdata, bool thorough) {
        struct numa *numa = userdata;
        uint64_t now = now_usec();

        (void) thorough;
        nodes_tell(numa->nodes);
        numa->scan++;
        numa->due = NULL;
        numa->services->domain_visit(numa->context, visit_domain, numa);
        if (numa->due && numa->due->due_usec <= now && numa->next_usec <= now && !work_looks(numa->work)) {
                (void) work_begin(numa->work, &numa->due_memory, 0); /* one that is gone is told as such by whoever knows domains */
                numa->due->due_usec = now + numa->interval_usec;
        }
        forget_gone(numa);
        return 0;
}

/* --- what the thread found out */

struct telling {
        struct numa *numa;
        const struct work_report *report;
};

static void tell_domain(void *userdata, struct iocore_domain *domain, size_t n_cells) {
        const struct telling *telling = userdata;
        const struct work_report *report = telling->report;
        const struct numa *numa = telling->numa;

        if (domain->pid != report->pid || strcmp(domain->id, report->domain) != 0 || n_cells != report->memory.n_cells)
                return; /* not it, or not as it was: read again when its turn comes */
        for (size_t i = 0; i < n_cells && report->memory.told; i++)
                (void) numa->services->domain_memory(numa->context, domain, (unsigned) i, report->memory.cells[i], NUMA_NODES_MAX);
        (void) numa->services->domain_memory_rest(numa->context, domain, report->memory.cells[n_cells], NUMA_NODES_MAX);
}

static void take_memory(struct numa *numa, struct work_report *report) {
        struct known *known = find_known(numa, report->domain);
        uint64_t now = now_usec();

        numa->last_busy_usec = report->busy_usec;
        bool again = known && known->due_usec == 0; /* asked for since this was begun */
        numa->next_usec = again ? 0 : now + report->busy_usec * ALL_SHARE;
        if (known && !again && known->due_usec < now + report->busy_usec * DOMAIN_SHARE)
                known->due_usec = now + report->busy_usec * DOMAIN_SHARE;
        if (report->error == 0)
                numa->services->domain_visit(numa->context, tell_domain, &(struct telling) { .numa = numa, .report = report });
        /* Of a process that went away whoever knows domains tells; that it is not allowed is the same for all. */
        if (report->error == -EACCES || report->error == -EPERM)
                numa->services->tell(numa->context, "discovery", "numa_maps", "iocored may not look at the memory of domains: CAP_SYS_PTRACE is missing");
        memory_done(&report->memory);
}

static int numa_announced(void *userdata) {
        struct numa *numa = userdata;
        struct work_report report;

        while (work_take(numa->work, &report)) {
                if (report.kind == WORK_JOB) {
                        struct known *known = report.job.state == IOCORE_JOB_CANCELLED ? find_known(numa, report.domain) : NULL;
                        if (known) /* it has moved something, and ended before it was looked at */
                                read_soon(numa, known);
                        numa->services->job_update(numa->context, &report.job);
                } else
                        take_memory(numa, &report);
        }
        return 0;
}

/* --- jobs */

static int numa_memory_begin(void *userdata, const struct iocore_memory *memory, uint64_t job, char *ret_reason, size_t size) {
        struct numa *numa = userdata;

        if (memory->node != IOCORE_NODE_UNKNOWN && !nodes_has(numa->nodes, memory->node)) {
                snprintf(ret_reason, size, "node %d has no memory", memory->node);
                return -EINVAL;
        }
        int r = work_begin(numa->work, memory, job);
        if (r == -ESRCH)
                snprintf(ret_reason, size, "there is no such process (any more)");
        else if (r == -EBUSY)
                snprintf(ret_reason, size, "%d jobs with memory wait already", WORK_TASKS_MAX);
        return r;
}

static int numa_job_cancel(void *userdata, uint64_t job) {
        return work_cancel(((struct numa *) userdata)->work, job);
}

static void numa_describe(void *userdata, void (*say)(void *userdata, const char *key, const char *value), void *say_userdata) {
        const struct numa *numa = userdata;
        char text[IOCORE_REASON_MAX];

        snprintf(text, sizeof text, "%u nodes; of each domain read every %llu s, the last took %.1f ms", nodes_count(numa->nodes),
                 (unsigned long long) (numa->interval_usec / 1000000), (double) numa->last_busy_usec / 1000);
        say(say_userdata, "memory", text);
}

static const struct iocore_option options[] = {
        { OPTION_INTERVAL, "how often the memory of a domain is looked at" },
        { OPTION_RATE, "MiB a second that all jobs together move at most, or unlimited" },
        { NULL, NULL },
};

__attribute__((visibility("default"))) extern const struct iocore_plugin iocore_plugin;

const struct iocore_plugin iocore_plugin = {
        .abi = IOCORE_PLUGIN_ABI,
        .size = sizeof(struct iocore_plugin),
        .name = "numa",
        .doc = "memory of NUMA nodes and of domains: where it is, and moving it",
        .rank = 60,
        .probe = numa_probe,
        .open = numa_open,
        .close = numa_close,
        .scan = numa_scan,
        .announced = numa_announced,
        .describe = numa_describe,
        .memory_begin = numa_memory_begin,
        .job_cancel = numa_job_cancel,
        .options = options,
};
