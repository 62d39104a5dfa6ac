/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a host offers to iocored. Each check reads files of /proc, /sys and /run below a root that may be any directory, and never fails: what is missing, cannot be
 * read or is not what the kernel writes is an answer too.
 */
#ifndef DOCTOR_H
#define DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum doctor_answer {
        DOCTOR_YES,
        DOCTOR_PARTLY,
        DOCTOR_NO,
        DOCTOR_NOT_APPLICABLE, /* this kind of machine has no such thing */
        DOCTOR_UNKNOWN,        /* it could not be looked at; `found` says why */
};

struct doctor_finding {
        enum doctor_answer answer;
        char found[1024];
        char advice[512]; /* how to get it, or what to mind when it is there; "" */
};

/* What one pass over /proc finds. */
struct doctor_processes {
        int error;                  /* 0, or why /proc could not be listed */
        unsigned n_processes;
        unsigned n_kernel_workers;  /* vhost workers that are kernel threads */
        unsigned n_task_workers;    /* vhost workers that are threads of their owner's process */
        unsigned n_pretenders;      /* named like a worker, but made by a user */
        unsigned n_unreadable;      /* processes whose threads may not be listed */
        pid_t irqbalance;           /* a process of that name, 0: none */
};

/* Mounts of interest. */
struct doctor_mounts {
        int error;                 /* 0, or why the list of mounts could not be read */
        bool proc_found;
        char hidepid[16];          /* of /proc; "" */
        char cpuset_v1[256];       /* where the cpuset hierarchy of v1 is mounted; "" */
        char unified[256];         /* where the hierarchy of v2 is mounted; "" */
};

struct doctor_host {
        int root; /* directory */
        /* Tries to open the kernel's process connector: 0 or -errno. NULL: the root is not this machine's, do not try. */
        int (*try_connector)(void);
        int status_error;          /* 0, or why this process' own status could not be read */
        uint64_t capabilities;     /* effective ones of this process */
        struct doctor_processes processes;
        struct doctor_mounts mounts;
};

struct doctor_check {
        const char *name;
        const char *doc;
        void (*look)(const struct doctor_host *host, struct doctor_finding *ret);
};

/* NULL-terminated by name. */
extern const struct doctor_check doctor_checks[];

const char *doctor_answer_to_string(enum doctor_answer answer);

/* ---- doctor-host.c */

/* Opens `root` and looks once at processes, mounts and this process' rights. 0, or -errno of opening the directory. */
int doctor_host_open(struct doctor_host *ret, const char *root);
void doctor_host_close(struct doctor_host *host);
/* Opens `path` ("/proc/stat") below the root, whatever links say, never waiting for a writer. fd or -errno. */
int doctor_open(const struct doctor_host *host, const char *path, int flags);
/* Reads a small text file, without white space at its end. 0; -EFBIG: longer than size - 1; -EBADMSG: it holds NUL bytes; -EISDIR or -EINVAL: no regular file; -errno. */
int doctor_read(const struct doctor_host *host, const char *path, char *ret, size_t size);
/* Is there anything of that name? 1, 0, -errno when that cannot be told. */
int doctor_exists(const struct doctor_host *host, const char *path);
/* Has the blank-separated list `words` the word? */
bool doctor_has_word(const char *words, const char *word);
/* Does this process have the capability CAP_*? */
bool doctor_may(const struct doctor_host *host, int capability);

/* Sets answer and text; adds to the text; sets the advice. Texts are made fit for terminals and JSON. */
void finding_set(struct doctor_finding *finding, enum doctor_answer answer, const char *format, ...) __attribute__((format(printf, 3, 4)));
void finding_add(struct doctor_finding *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));
void finding_advise(struct doctor_finding *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* DOCTOR_UNKNOWN: `path` cannot be read, by `error` (-errno); or holds what the kernel does not write there. */
void finding_unreadable(struct doctor_finding *finding, const char *path, int error);
void finding_nonsense(struct doctor_finding *finding, const char *path, const char *text);

/* ---- the checks: doctor-checks-vhost.c, doctor-checks-host.c, doctor-checks-cpu.c, doctor-checks-kvm.c */

void doctor_check_kernel(const struct doctor_host *host, struct doctor_finding *ret);
void doctor_check_vhost(const struct doctor_host *host, struct doctor_finding *ret);
void doctor_check_control_interface(const struct doctor_host *host, struct doctor_finding *ret);
void doctor_check_workers(const struct doctor_host *host, struct doctor_finding *ret);
void doctor_check_connector(const struct doctor_host *host, struct doctor_finding *ret);
void doctor_check_rights(const struct doctor_host *host, struct doctor_finding *ret);
void doctor_check_proc(const struct doctor_host *host, struct doctor_finding *ret);
void doctor_check_cpuset(const struct doctor_host *host, struct doctor_finding *ret);
void doctor_check_systemd(const struct doctor_host *host, struct doctor_finding *ret);
void doctor_check_smt(const struct doctor_host *host, struct doctor_finding *ret);
void doctor_check_numa(const struct doctor_host *host, struct doctor_finding *ret);
void doctor_check_isolated(const struct doctor_host *host, struct doctor_finding *ret);
void doctor_check_posted_interrupts(const struct doctor_host *host, struct doctor_finding *ret);
void doctor_check_halt_polling(const struct doctor_host *host, struct doctor_finding *ret);
void doctor_check_ksm(const struct doctor_host *host, struct doctor_finding *ret);
void doctor_check_irqbalance(const struct doctor_host *host, struct doctor_finding *ret);

#endif
