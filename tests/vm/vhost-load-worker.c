/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "vhost-load.h"

/* Those that are known: workers live as long as this process does. */
static bool is_new(pid_t id) {
        static pid_t known[2 * PAIRS_MAX];
        static size_t n_known;

        for (size_t i = 0; i < n_known; i++)
                if (known[i] == id)
                        return false;
        if (n_known < ELEMENTSOF(known))
                known[n_known++] = id;
        return true;
}

static bool is_named(const char *directory, const char *id, const char *wanted) {
        char path[512], text[32] = "";

        snprintf(path, sizeof path, "%s/%s/comm", directory, id);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd >= 0 && read(fd, text, sizeof text - 1) > 0 && strcmp(text, wanted) == 0;
}

/* It is called after the thread that became the device's owner. */
int find_new_worker(pid_t *ret, int *ret_schedstat) {
        static const char *const directories[] = { "/proc/self/task", "/proc" };
        char wanted[32], path[512];

        snprintf(wanted, sizeof wanted, "vhost-%d\n", (int) getpid());
        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                _cleanup_closedir_ DIR *directory = opendir(directories[i]);
                if (!directory)
                        return fail(directories[i]);
                for (struct dirent *entry; (entry = readdir(directory));) {
                        pid_t id = (pid_t) strtol(entry->d_name, NULL, 10);
                        if (id <= 0 || !is_named(directories[i], entry->d_name, wanted) || !is_new(id))
                                continue;
                        *ret = id;
                        if (!ret_schedstat)
                                return 0;
                        snprintf(path, sizeof path, "%s/%d/schedstat", directories[i], (int) id);
                        *ret_schedstat = open(path, O_RDONLY | O_CLOEXEC);
                        return *ret_schedstat < 0 ? fail(path) : 0;
                }
        }
        errno = ESRCH;
        return fail("its vhost worker");
}

uint64_t worker_run_nsec(int schedstat) {
        char text[96] = "";
        return pread(schedstat, text, sizeof text - 1, 0) > 0 ? strtoull(text, NULL, 10) : 0;
}
