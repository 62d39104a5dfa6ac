/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks at a host below a root. Nothing here trusts what it reads: a fixture, a copy of somebody's /proc, a hostile name. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <mntent.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "daemon/cleanup.h"
#include "daemon/text.h"
#include "doctor.h"
#include "plugins/vhost-thread/thread-info.h"

/* A host with more is read in part, which is enough for its first mounts: /proc and the cgroups come before those of containers. */
#define MOUNTS_TEXT_MAX (1024 * 1024)

static void endmntentp(FILE **file) {
        if (*file)
                endmntent(*file);
}

/* ---- files */

static int open_below(int directory, const char *path, int flags) {
        /* a FIFO in the place of a file does not make us wait; with O_PATH nothing does, and the kernel wants no such flag */
        const int careful = flags & O_PATH ? O_CLOEXEC : O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
        const struct open_how how = {
                .flags = (uint64_t) (flags | careful),
                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
        };
        const char *relative = path + strspn(path, "/");
        long fd;

        if (relative[0] == '\0')
                relative = ".";
        fd = syscall(SYS_openat2, directory, relative, &how, sizeof(how));
        /* Linux before 5.6; EPERM: a sandbox that does not know the call */
        if (fd < 0 && (errno == ENOSYS || errno == EPERM))
                fd = openat(directory, relative, (int) how.flags);
        return fd < 0 ? -errno : (int) fd;
}

int doctor_open(const struct doctor_host *host, const char *path, int flags) {
        return open_below(host->root, path, flags);
}

static int read_text(int fd, char *ret, size_t size) {
        struct stat status;
        size_t n = 0;
        ssize_t r;

        if (fstat(fd, &status) < 0)
                return -errno;
        if (!S_ISREG(status.st_mode))
                return S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
        while (n < size && (r = read(fd, ret + n, size - n)) != 0) {
                if (r < 0 && errno == EINTR)
                        continue;
                if (r < 0)
                        return -errno;
                n += (size_t) r;
        }
        if (n == size)
                return -EFBIG;
        ret[n] = '\0';
        if (strlen(ret) != n)
                return -EBADMSG;
        while (n > 0 && strchr(" \t\n", ret[n - 1]))
                ret[--n] = '\0';
        return 0;
}

static int read_below(int directory, const char *path, char *ret, size_t size) {
        _cleanup_close_ int fd = open_below(directory, path, O_RDONLY);

        return fd < 0 ? fd : read_text(fd, ret, size);
}

int doctor_read(const struct doctor_host *host, const char *path, char *ret, size_t size) {
        return read_below(host->root, path, ret, size);
}

int doctor_exists(const struct doctor_host *host, const char *path) {
        _cleanup_close_ int fd = doctor_open(host, path, O_PATH);

        if (fd >= 0)
                return 1;
        return fd == -ENOENT || fd == -ENOTDIR ? 0 : fd;
}

bool doctor_has_word(const char *words, const char *word) {
        const size_t length = strlen(word);

        for (const char *p = words; (p = strstr(p, word)); p++)
                if ((p == words || strchr(" \t\n", p[-1])) && (p[length] == '\0' || strchr(" \t\n", p[length])))
                        return true;
        return false;
}

/* ---- processes */

/* Is there a vhost worker at `directory` (/proc/TID or /proc/PID/task/TID), or somebody who calls himself so? */
static void look_at_thread(int directory, const char *id, bool is_process, struct doctor_processes *processes) {
        char path[NAME_MAX + sizeof("/comm")], text[1024];
        struct thread_stat stat;
        pid_t creator;

        (void) snprintf(path, sizeof(path), "%s/comm", id);
        if (read_below(directory, path, text, sizeof(text)) < 0)
                return; /* it has ended meanwhile */
        if (is_process && strcmp(text, "irqbalance") == 0)
                processes->irqbalance = thread_parse_id(id);
        if (!thread_parse_name(text, &creator))
                return;
        (void) snprintf(path, sizeof(path), "%s/stat", id);
        if (read_below(directory, path, text, sizeof(text)) < 0 || thread_parse_stat(text, &stat) < 0)
                return;
        switch (thread_classify(&stat)) {
        case THREAD_VHOST_KERNEL:
                processes->n_kernel_workers++;
                break;
        case THREAD_VHOST_TASK:
                processes->n_task_workers++;
                break;
        case THREAD_PATTERN: /* not told by flags */
        case THREAD_OTHER:
                processes->n_pretenders++;
                break;
        }
}

static DIR *open_directory(int directory, const char *path, int *ret_error) {
        _cleanup_close_ int fd = open_below(directory, path, O_RDONLY | O_DIRECTORY);
        DIR *opened = fd >= 0 ? fdopendir(fd) : NULL;

        *ret_error = fd < 0 ? fd : opened ? 0 : -errno;
        if (opened)
                (void) TAKE_FD(fd);
        return opened;
}

static void look_at_threads(int proc, const char *id, struct doctor_processes *processes) {
        char path[NAME_MAX + sizeof("/task")];
        int error;

        (void) snprintf(path, sizeof(path), "%s/task", id);
        _cleanup_closedir_ DIR *tasks = open_directory(proc, path, &error);
        if (!tasks) {
                processes->n_unreadable += error == -EACCES || error == -EPERM;
                return;
        }
        for (struct dirent *entry; (entry = readdir(tasks));)
                if (thread_parse_id(entry->d_name) > 0 && strcmp(entry->d_name, id) != 0)
                        look_at_thread(dirfd(tasks), entry->d_name, false, processes);
}

static void look_at_processes(const struct doctor_host *host, struct doctor_processes *ret) {
        _cleanup_closedir_ DIR *proc = open_directory(host->root, "/proc", &ret->error);

        if (!proc)
                return;
        for (struct dirent *entry; (entry = readdir(proc));) {
                if (thread_parse_id(entry->d_name) <= 0)
                        continue;
                ret->n_processes++;
                look_at_thread(dirfd(proc), entry->d_name, true, ret);
                look_at_threads(dirfd(proc), entry->d_name, ret);
        }
}

/* ---- mounts */

static void option_value(const struct mntent *entry, const char *option, char *ret, size_t size) {
        const char *value = hasmntopt(entry, option);

        value = value ? strchr(value, '=') : NULL;
        if (value)
                (void) snprintf(ret, size, "%.*s", (int) strcspn(value + 1, ","), value + 1);
}

/* A directory whose name is too long for us is as good as none. */
static void keep_first(char *kept, size_t size, const char *directory) {
        if (kept[0] == '\0' && strlen(directory) < size)
                memcpy(kept, directory, strlen(directory) + 1);
}

static void look_at_mount(const struct mntent *entry, struct doctor_mounts *ret) {
        if (strcmp(entry->mnt_dir, "/proc") == 0 && strcmp(entry->mnt_type, "proc") == 0) {
                ret->proc_found = true;
                option_value(entry, "hidepid", ret->hidepid, sizeof(ret->hidepid)); /* what is mounted on top counts, and comes later */
        } else if (strcmp(entry->mnt_type, "cgroup") == 0 && hasmntopt(entry, "cpuset"))
                keep_first(ret->cpuset_v1, sizeof(ret->cpuset_v1), entry->mnt_dir);
        else if (strcmp(entry->mnt_type, "cgroup2") == 0)
                keep_first(ret->unified, sizeof(ret->unified), entry->mnt_dir);
}

static void look_at_mounts(const struct doctor_host *host, struct doctor_mounts *ret) {
        _cleanup_free_ char *text = calloc(1, MOUNTS_TEXT_MAX);
        char line[8192];
        struct mntent entry;

        ret->error = text ? doctor_read(host, "/proc/self/mounts", text, MOUNTS_TEXT_MAX) : -ENOMEM;
        if (ret->error == -EFBIG) {
                text[MOUNTS_TEXT_MAX - 1] = '\0';
                ret->error = 0;
        }
        if (ret->error < 0 || text[0] == '\0')
                return;
        _cleanup_(endmntentp) FILE *file = fmemopen(text, strlen(text), "r");
        if (!file) {
                ret->error = -errno;
                return;
        }
        while (getmntent_r(file, &entry, line, sizeof(line)))
                look_at_mount(&entry, ret);
}

/* ---- rights of this process */

static int parse_capabilities(const char *status, uint64_t *ret) {
        size_t length;
        const char *value = thread_status_value(status, "CapEff", &length);
        char digits[17], *end;

        if (!value || length == 0 || length >= sizeof(digits))
                return -EBADMSG;
        memcpy(digits, value, length);
        digits[length] = '\0';
        if (strspn(digits, "0123456789abcdefABCDEF") != length)
                return -EBADMSG;
        *ret = strtoull(digits, &end, 16);
        return 0;
}

static void look_at_rights(struct doctor_host *host) {
        char text[16384];

        host->status_error = doctor_read(host, "/proc/self/status", text, sizeof(text));
        if (host->status_error == 0)
                host->status_error = parse_capabilities(text, &host->capabilities);
}

bool doctor_may(const struct doctor_host *host, int capability) {
        return host->status_error == 0 && host->capabilities & UINT64_C(1) << capability;
}

/* ---- the host */

int doctor_host_open(struct doctor_host *ret, const char *root) {
        int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        *ret = (struct doctor_host){.root = fd};
        look_at_rights(ret);
        look_at_mounts(ret, &ret->mounts);
        look_at_processes(ret, &ret->processes);
        return 0;
}

void doctor_host_close(struct doctor_host *host) {
        if (host->root >= 0)
                (void) close(host->root);
        host->root = -1;
}

/* ---- findings */

const char *doctor_answer_to_string(enum doctor_answer answer) {
        static const char *const words[] = {
                [DOCTOR_YES] = "yes",
                [DOCTOR_PARTLY] = "partly",
                [DOCTOR_NO] = "no",
                [DOCTOR_NOT_APPLICABLE] = "n/a",
                [DOCTOR_UNKNOWN] = "unknown",
        };

        return words[answer];
}

__attribute__((format(printf, 3, 0))) static void write_text(char *ret, size_t size, const char *format, va_list arguments) {
        char text[2048];

        (void) vsnprintf(text, sizeof(text), format, arguments);
        text_copy(ret, size, text, strlen(text));
}

void finding_set(struct doctor_finding *finding, enum doctor_answer answer, const char *format, ...) {
        va_list arguments;

        finding->answer = answer;
        va_start(arguments, format);
        write_text(finding->found, sizeof(finding->found), format, arguments);
        va_end(arguments);
}

void finding_add(struct doctor_finding *finding, const char *format, ...) {
        const size_t used = strlen(finding->found);
        va_list arguments;

        va_start(arguments, format);
        write_text(finding->found + used, sizeof(finding->found) - used, format, arguments);
        va_end(arguments);
}

void finding_advise(struct doctor_finding *finding, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        write_text(finding->advice, sizeof(finding->advice), format, arguments);
        va_end(arguments);
}

void finding_unreadable(struct doctor_finding *finding, const char *path, int error) {
        finding_set(finding, DOCTOR_UNKNOWN, "%s: %s", path, strerror(-error));
        if (error == -EACCES || error == -EPERM)
                finding_advise(finding, "look as root");
}

void finding_nonsense(struct doctor_finding *finding, const char *path, const char *text) {
        finding_set(finding, DOCTOR_UNKNOWN, "%s holds \"%.64s\", which is not what a kernel writes there", path, text);
}
