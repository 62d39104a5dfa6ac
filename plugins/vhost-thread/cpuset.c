/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cpuset.h"
#include "plugins/common/file-io.h"
#include "vhost-thread.h"

enum { MOUNTS_FILE_MAX = 262144, CGROUP_FILE_MAX = 16384, LIST_FILE_MAX = 65536 };

/* Is `word` one of the words of a comma-separated list? */
static bool has_word(const char *list, size_t length, const char *word) {
        size_t word_length = strlen(word);

        while (length > 0) {
                const char *comma = memchr(list, ',', length);
                size_t n = comma ? (size_t) (comma - list) : length;
                if (n == word_length && memcmp(list, word, n) == 0)
                        return true;
                n += comma ? 1 : 0;
                list += n;
                length -= n;
        }
        return false;
}

static bool is_octal(char c) {
        return c >= '0' && c <= '7';
}

/* Copies one field of mountinfo, in which \ooo stands for white space and backslashes. */
static bool copy_field(const char *field, size_t length, char *ret, size_t size) {
        size_t n = 0;

        for (size_t i = 0; i < length; i++) {
                char c = field[i];
                if (c == '\\' && i + 3 < length && is_octal(field[i + 1]) && is_octal(field[i + 2]) && is_octal(field[i + 3])) {
                        c = (char) ((field[i + 1] - '0') << 6 | (field[i + 2] - '0') << 3 | (field[i + 3] - '0'));
                        i += 3;
                }
                if (n + 1 >= size || c == '\0')
                        return false;
                ret[n++] = c;
        }
        ret[n] = '\0';
        return n > 0 && ret[0] == '/';
}

/* proc(5): id parent major:minor root mount-point options [optional fields] - type source super-options */
static bool parse_mount(const char *line, size_t length, struct cpuset_mount *ret) {
        enum { ROOT = 3, POINT = 4, FIELDS_MAX = 32 };
        struct { const char *text; size_t length; } fields[FIELDS_MAX];
        size_t n = 0, dash = 0;

        while (length > 0 && n < FIELDS_MAX) {
                const char *space = memchr(line, ' ', length);
                size_t field = space ? (size_t) (space - line) : length;
                fields[n].text = line;
                fields[n].length = field;
                if (dash == 0 && n > POINT && field == 1 && *line == '-')
                        dash = n;
                n++;
                field += space ? 1 : 0;
                line += field;
                length -= field;
        }
        if (dash == 0 || n < dash + 4)
                return false;
        bool v1 = fields[dash + 1].length == 6 && memcmp(fields[dash + 1].text, "cgroup", 6) == 0;
        bool v2 = fields[dash + 1].length == 7 && memcmp(fields[dash + 1].text, "cgroup2", 7) == 0;
        if (!v2 && !(v1 && has_word(fields[dash + 3].text, fields[dash + 3].length, "cpuset")))
                return false;
        ret->v1 = v1;
        return copy_field(fields[POINT].text, fields[POINT].length, ret->path, sizeof ret->path) &&
               copy_field(fields[ROOT].text, fields[ROOT].length, ret->root, sizeof ret->root);
}

bool cpuset_parse_mounts(const char *text, struct cpuset_mount *ret) {
        static struct cpuset_mount const none;
        bool found = false;

        *ret = none;
        for (const char *line = text; *line;) {
                size_t length = strcspn(line, "\n");
                struct cpuset_mount mount = { 0 };
                /* A hierarchy of v1 that has the controller takes it away from the unified one. */
                if (parse_mount(line, length, &mount) && (!found || (mount.v1 && !ret->v1))) {
                        *ret = mount;
                        found = true;
                }
                line += length;
                line += *line == '\n';
        }
        return found;
}

int cpuset_parse_cgroup(const char *text, bool v1, char *ret, size_t size) {
        for (const char *line = text; *line;) {
                size_t length = strcspn(line, "\n");
                const char *end = line + length, *controllers = memchr(line, ':', length);
                const char *path = controllers ? memchr(controllers + 1, ':', (size_t) (end - controllers - 1)) : NULL;
                if (path) {
                        size_t n = (size_t) (path - controllers - 1);
                        if (v1 ? has_word(controllers + 1, n, "cpuset") : n == 0 && controllers == line + 1 && line[0] == '0') {
                                size_t path_length = (size_t) (end - path - 1);
                                if (path_length == 0 || path[1] != '/')
                                        return -EINVAL;
                                if (path_length >= size)
                                        return -ENAMETOOLONG;
                                memcpy(ret, path + 1, path_length);
                                ret[path_length] = '\0';
                                /* "/../x" is a cgroup outside of this one's namespace */
                                return strncmp(ret, "/..", 3) == 0 ? -EINVAL : 0;
                        }
                }
                line = end + (*end == '\n');
        }
        return -ENOENT;
}

const struct cpuset_mount *cpuset_find_mount(struct vhost_state *state) {
        if (!state->cpuset_mount) {
                _cleanup_free_ char *text = malloc(MOUNTS_FILE_MAX);
                struct cpuset_mount *mount = calloc(1, sizeof *mount);
                if (!text || !mount) {
                        free(mount);
                        return NULL;
                }
                ssize_t length = file_read_path(state->services, state->context, "/proc/self/mountinfo", text, MOUNTS_FILE_MAX);
                if (length > 0 || length == -EFBIG)
                        (void) cpuset_parse_mounts(text, mount);
                state->cpuset_mount = mount;
        }
        return state->cpuset_mount->path[0] ? state->cpuset_mount : NULL;
}

int cpuset_directory(struct vhost_state *state, pid_t thread, char *ret, size_t size) {
        const struct cpuset_mount *mount = cpuset_find_mount(state);
        char path[64], text[CGROUP_FILE_MAX], cgroup[PATH_MAX];

        if (!mount)
                return -ENOENT;
        snprintf(path, sizeof path, "/proc/%d/cgroup", (int) thread);
        ssize_t length = file_read_path(state->services, state->context, path, text, sizeof text);
        if (length < 0)
                return length == -ENOENT ? -ESRCH : (int) length;
        int r = cpuset_parse_cgroup(text, mount->v1, cgroup, sizeof cgroup);
        if (r < 0)
                return r;
        const char *below = cgroup;
        if (strcmp(mount->root, "/") != 0) {
                size_t n = strlen(mount->root);
                if (strncmp(cgroup, mount->root, n) != 0 || (cgroup[n] != '/' && cgroup[n] != '\0'))
                        return -ENOENT;
                below += n;
        }
        int n = snprintf(ret, size, "%s%s", mount->path, strcmp(below, "/") == 0 ? "" : below);
        return n < 0 || (size_t) n >= size ? -ENAMETOOLONG : 0;
}

int cpuset_read_list(struct vhost_state *state, const char *directory, const char *file, struct affinity_mask *ret) {
        char path[PATH_MAX + NAME_MAX + 2];
        _cleanup_free_ char *text = malloc(LIST_FILE_MAX);

        if (!text)
                return -ENOMEM;
        snprintf(path, sizeof path, "%s/%s", directory, file);
        ssize_t length = file_read_path(state->services, state->context, path, text, LIST_FILE_MAX);
        if (length < 0)
                return (int) length;
        if (trim_end(text, (size_t) length) == 0) {
                memset(ret, 0, sizeof *ret);
                return 0;
        }
        return affinity_parse(text, ret);
}

int cpuset_effective(struct vhost_state *state, const char *directory, struct affinity_mask *ret) {
        const struct cpuset_mount *mount = cpuset_find_mount(state);
        char path[PATH_MAX];

        if (!mount || strlen(directory) >= sizeof path)
                return -ENOENT;
        memcpy(path, directory, strlen(directory) + 1);
        for (;;) {
                int r = cpuset_read_list(state, path, mount->v1 ? "cpuset.effective_cpus" : "cpuset.cpus.effective", ret);
                if (r == -ENOENT && mount->v1)
                        r = cpuset_read_list(state, path, "cpuset.cpus", ret);
                if (r != -ENOENT || strlen(path) <= strlen(mount->path))
                        return r;
                *strrchr(path, '/') = '\0';
        }
}

int cpuset_allowed(struct vhost_state *state, pid_t thread, struct affinity_mask *ret) {
        char directory[PATH_MAX];
        int r = cpuset_directory(state, thread, directory, sizeof directory);
        return r < 0 ? r : cpuset_effective(state, directory, ret);
}

/* FNV-1a: two values only have to differ when what they stand for does. */
static uint64_t mix(uint64_t mark, const void *bytes, size_t length) {
        for (size_t i = 0; i < length; i++)
                mark = (mark ^ ((const unsigned char *) bytes)[i]) * 0x100000001b3u;
        return mark;
}

uint64_t cpuset_mark(struct vhost_state *state, pid_t thread) {
        char directory[PATH_MAX];
        struct affinity_mask allowed;

        if (cpuset_directory(state, thread, directory, sizeof directory) < 0 || cpuset_effective(state, directory, &allowed) < 0)
                return 0;
        return mix(mix(0xcbf29ce484222325u, directory, strlen(directory)), allowed.sets, sizeof allowed.sets);
}
