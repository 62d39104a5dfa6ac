/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All that iocored may change of a machine, read in one go: a shell needs ten seconds for it where it is emulated and busy. For each thread "thread TID STARTTIME MASK CGROUPS", for each
 * cpuset "cpuset DIRECTORY - CPUS", in no order. What ends meanwhile is left out, and what is no setting of anybody's.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* linux/sched.h */
#define PF_WQ_WORKER 0x00000020ul
#define PF_KTHREAD   0x00200000ul

/* The text of a file, its size cut to that of `ret`. */
static bool read_text(const char *path, char *ret, size_t size) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        size_t length = 0;
        ssize_t n = fd < 0 ? -1 : 1;

        while (n > 0 && length < size - 1) {
                n = read(fd, ret + length, size - 1 - length);
                if (n > 0)
                        length += (size_t) n;
        }
        ret[length] = '\0';
        if (fd >= 0)
                close(fd);
        return n >= 0 && length > 0;
}

/* Of /proc/TID/stat: the 22nd field. The name in parentheses may hold anything. */
static bool start_time(const char *stat, char *ret, size_t size) {
        const char *at = strrchr(stat, ')');

        for (int field = 2; at && field < 22; field++)
                at = strchr(at + 1, ' ');
        if (!at)
                return false;
        snprintf(ret, size, "%.*s", (int) strcspn(at + 1, " "), at + 1);
        return true;
}

/*
 * Kernel threads whose mask is the kernel's own and passing business: a workqueue's rescuer keeps that of whom it helped last, and whenever no worker can be had within a few
 * milliseconds it helps; a worker, or any other, that is being born has not got its own yet.
 */
static bool is_passing(const char *stat, const char *tid) {
        const char *name = strchr(stat, '('), *end = strrchr(stat, ')');
        unsigned long flags;

        if (!name || !end || sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %lu", &flags) != 1 || !(flags & PF_KTHREAD))
                return false;
        bool named = strncmp(name, "(kworker/", strlen("(kworker/")) == 0;
        if (flags & PF_WQ_WORKER)
                return !named || strncmp(name, "(kworker/R-", strlen("(kworker/R-")) == 0;
        return named || (strncmp(name, "(kthreadd)", strlen("(kthreadd)")) == 0 && strcmp(tid, "2") != 0);
}

static void print_thread(const char *directory, const char *tid) {
        char path[128], stat[1024], status[8192], cgroups[8192], start[32];

        snprintf(path, sizeof path, "%s/%s/stat", directory, tid);
        if (!read_text(path, stat, sizeof stat) || !start_time(stat, start, sizeof start) || is_passing(stat, tid))
                return;
        snprintf(path, sizeof path, "%s/%s/cgroup", directory, tid);
        if (!read_text(path, cgroups, sizeof cgroups))
                return;
        snprintf(path, sizeof path, "%s/%s/status", directory, tid);
        const char *mask = read_text(path, status, sizeof status) ? strstr(status, "\nCpus_allowed:\t") : NULL;
        if (!mask)
                return;
        mask += strlen("\nCpus_allowed:\t");
        for (char *c = cgroups; *c; c++)
                if (*c == '\n')
                        *c = c[1] ? ' ' : '\0';
        printf("thread %s %s %.*s %s\n", tid, start, (int) strcspn(mask, "\n"), mask, cgroups);
}

static void print_threads(const char *pid) {
        char path[64];
        const struct dirent *entry;

        snprintf(path, sizeof path, "/proc/%.20s/task", pid);
        DIR *directory = opendir(path);
        while (directory && (entry = readdir(directory)))
                if (isdigit((unsigned char) entry->d_name[0]))
                        print_thread(path, entry->d_name);
        if (directory)
                closedir(directory);
}

static int print_cpuset(const char *path, const struct stat *status, int type, struct FTW *at) {
        char text[4096];

        (void) status;
        if (type != FTW_F || strcmp(path + at->base, "cpuset.cpus") != 0)
                return 0;
        (void) read_text(path, text, sizeof text);
        text[strcspn(text, "\n")] = '\0';
        printf("cpuset %.*s - %s\n", at->base - 1, path, text);
        return 0;
}

int main(void) {
        const struct dirent *entry;
        DIR *proc = opendir("/proc");

        if (!proc) {
                perror("/proc");
                return EXIT_FAILURE;
        }
        while ((entry = readdir(proc)))
                if (isdigit((unsigned char) entry->d_name[0]))
                        print_threads(entry->d_name);
        closedir(proc);
        (void) nftw("/sys/fs/cgroup", print_cpuset, 32, FTW_PHYS);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
