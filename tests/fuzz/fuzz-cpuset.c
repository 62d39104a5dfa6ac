/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the cpuset of a thread is and what it allows: /proc/self/mountinfo, /proc/TID/cgroup, lists of CPUs and the masks of /proc/TID/status. Names of mounts and of cgroups are
 * anybody's choice. The first byte chooses what is tried.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "plugins/vhost-thread/cpuset.h"
#include "plugins/vhost-thread/vhost-thread.h"

static void must_be_path(const char *path, size_t size, const char *what) {
        must(strnlen(path, size) < size && path[0] == '/', what);
}

/* As the kernel writes it, seq_path(): each of these as a backslash and three octal digits. */
static void write_field(FILE *file, const char *text) {
        for (const char *c = text; *c; c++) {
                if (strchr(" \t\n\\", *c))
                        fprintf(file, "\\%03o", (unsigned) *c);
                else
                        fputc(*c, file);
        }
}

static void try_mounts(const char *text) {
        static struct cpuset_mount mount, again;
        static char line[8 * PATH_MAX + 128];
        bool found = cpuset_parse_mounts(text, &mount);

        must(found == (mount.path[0] != '\0'), "what was found has a path");
        if (!found)
                return;
        must_be_path(mount.path, sizeof mount.path, "a mount point is an absolute path");
        must_be_path(mount.root, sizeof mount.root, "the root of a mount is an absolute path");
        FILE *file = fmemopen(line, sizeof line, "w");
        if (!file)
                return;
        fputs("30 20 0:26 ", file);
        write_field(file, mount.root);
        fputc(' ', file);
        write_field(file, mount.path);
        fputs(mount.v1 ? " rw - cgroup x rw,cpu,cpuset\n" : " rw shared:4 - cgroup2 x rw\n", file);
        must(fclose(file) == 0, "a mount can be written");
        must(cpuset_parse_mounts(line, &again), "a mount is understood when written again");
        must(again.v1 == mount.v1 && strcmp(again.path, mount.path) == 0 && strcmp(again.root, mount.root) == 0, "and means the same");
}

static void try_cgroup(const char *text, bool v1) {
        char path[PATH_MAX], few[8];
        int r = cpuset_parse_cgroup(text, v1, path, sizeof path);

        must(r == 0 || r == -ENOENT || r == -EINVAL || r == -ENAMETOOLONG, "it fails as it says");
        if (r == 0) {
                must_be_path(path, sizeof path, "a cgroup is an absolute path");
                must(!strchr(path, '\n'), "a cgroup's path is of one line");
        }
        int shorter = cpuset_parse_cgroup(text, v1, few, sizeof few);
        must(r != 0 || shorter == (strlen(path) < sizeof few ? 0 : -ENAMETOOLONG), "what does not fit is refused, not cut off");
}

static void try_groups(const char *text, size_t length) {
        static char groups[AFFINITY_CPUS_MAX / 4 + AFFINITY_CPUS_MAX / 32 + 1];
        struct affinity_mask mask, same;
        size_t n = 0;

        if (affinity_parse_groups(text, length, &mask) < 0)
                return;
        must(!affinity_is_empty(&mask), "a mask that is taken has a CPU");
        for (int group = AFFINITY_CPUS_MAX / 32 - 1; group >= 0; group--) {
                uint32_t bits = 0;
                for (int cpu = 0; cpu < 32; cpu++)
                        bits |= (uint32_t) affinity_has(&mask, 32 * group + cpu) << cpu;
                n += (size_t) snprintf(groups + n, sizeof groups - n, "%08x%s", bits, group ? "," : "");
        }
        must(affinity_parse_groups(groups, n, &same) == 0 && affinity_equal(&mask, &same), "a mask means the same when written again");
}

/* Three texts, divided by NUL: what the files of a whole host say. */
struct files {
        const char *mounts, *cgroup, *list;
};

static int open_text(struct iocore_context *context, const char *path, int flags) {
        const struct files *files = (const void *) context;
        const char *name = strrchr(path, '/');

        (void) flags;
        must(path[0] == '/', "each path is absolute");
        if (strcmp(name, "/cpuset.effective_cpus") == 0 && files->list[0] == '\0')
                return -ENOENT; /* the one file of v1 that old kernels lack */
        const char *text = strcmp(path, "/proc/self/mountinfo") == 0 ? files->mounts : strcmp(path, "/proc/7/cgroup") == 0 ? files->cgroup : files->list;
        int fd = memfd_create("text", MFD_CLOEXEC);
        if (fd >= 0 && write(fd, text, strlen(text)) < 0) {
                close(fd);
                return -EIO;
        }
        return fd < 0 ? -errno : fd;
}

static void try_host(const char *text, size_t size) {
        static const struct iocore_services services = { .size = sizeof services, .open_path = open_text };
        struct files files = { .mounts = text };
        struct vhost_state state = { .services = &services, .context = (void *) &files };
        struct affinity_mask allowed;
        char directory[PATH_MAX];

        files.cgroup = files.mounts + strlen(files.mounts) + (strlen(files.mounts) < size);
        files.list = files.cgroup + strlen(files.cgroup) + (files.cgroup + strlen(files.cgroup) < text + size);
        int r = cpuset_directory(&state, 7, directory, sizeof directory);
        if (r == 0) {
                const struct cpuset_mount *mount = cpuset_find_mount(&state);
                must(strncmp(directory, mount->path, strlen(mount->path)) == 0, "a cpuset is below the mount");
                must(cpuset_effective(&state, directory, &allowed) != 0 || cpuset_mark(&state, 7) != 0, "what allows something can be told from other cpusets");
        }
        must((cpuset_allowed(&state, 7, &allowed) == 0) <= (r == 0), "only a cpuset that was found allows something");
        free(state.cpuset_mount);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size == 0 || size > 16384)
                return 0;
        char *text = text_of(data + 1, size - 1);
        switch ((uint8_t) (data[0] - '0') % 5) {
        case 0:
                try_mounts(text);
                break;
        case 1:
                try_cgroup(text, true);
                break;
        case 2:
                try_cgroup(text, false);
                break;
        case 3:
                try_groups(text, strlen(text));
                break;
        default:
                try_host(text, size - 1);
        }
        free(text);
        return 0;
}
