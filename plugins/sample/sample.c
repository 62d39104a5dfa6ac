/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A complete plugin, to start your own from. Its host is a directory of small files, one for each unit; the file's content is the CPU that
 * does the unit's work, "any" when none in particular:
 *
 *     $ cat /run/iocore-sample/s.1
 *     any
 *
 * See README.md for what each function must and must not do.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <iocore-plugin.h>

struct sample {
        const struct iocore_services *services;
        struct iocore_context *context;
        const char *directory;
        struct entry *entries; /* the units that the model has */
};

struct entry {
        struct entry *next;
        struct iocore_unit *unit;
        bool seen; /* by the scan under way */
};

static const char *directory_of(const struct iocore_services *services, struct iocore_context *context) {
        const char *directory = services->option(context, "directory");
        return directory ? directory : "/run/iocore-sample";
}

static int open_unit(const struct sample *sample, const char *id, int flags) {
        char path[4096];
        if (strncmp(id, "s.", 2) != 0 || strchr(id, '/'))
                return -ENOENT; /* not one of ours, whoever asks */
        int n = snprintf(path, sizeof path, "%s/%s", sample->directory, id);
        if (n < 0 || (size_t) n >= sizeof path)
                return -ENAMETOOLONG;
        return sample->services->open_path(sample->context, path, flags);
}

/* --- knobs: get before set is what makes undo possible --- */

static int get_place(void *state, const char *object, char *ret_value, size_t size) {
        int fd = open_unit(state, object, O_RDONLY);
        if (fd < 0)
                return fd;
        ssize_t n = read(fd, ret_value, size - 1);
        int r = n < 0 ? -errno : 0;
        close(fd);
        if (r < 0)
                return r;
        ret_value[n] = '\0';
        ret_value[strcspn(ret_value, "\n")] = '\0';
        return 0;
}

static bool is_place(const struct sample *sample, const char *value) {
        if (strcmp(value, "any") == 0)
                return true;
        char *end;
        long cpu = strtol(value, &end, 10);
        return end != value && *end == '\0' && cpu >= 0 && cpu < sample->services->cpu_count(sample->context);
}

static int set_place(void *state, const char *object, const char *value, char *ret_value, size_t size) {
        if (!is_place(state, value))
                return -EINVAL;
        char line[64];
        int length = snprintf(line, sizeof line, "%s\n", value);
        if (length < 0 || (size_t) length >= sizeof line)
                return -EINVAL;
        int fd = open_unit(state, object, O_WRONLY);
        if (fd < 0)
                return fd;
        /* One write: whoever reads, or comes after a crash, finds the old line or the new one. What is left behind it is nobody's. */
        ssize_t n = write(fd, line, (size_t) length);
        int r = n == length ? 0 : n < 0 ? -errno : -EIO;
        if (r == 0 && ftruncate(fd, length) < 0)
                r = -errno;
        close(fd);
        /* What was really set, not what was asked for. */
        return r < 0 ? r : get_place(state, object, ret_value, size);
}

static const struct iocore_knob knobs[] = {
        { "unit.place", "the CPU that does the unit's work, or any", get_place, set_place },
};

/* --- inventory --- */

static struct entry *find_entry(const struct sample *sample, const char *id) {
        struct entry *entry = sample->entries;
        while (entry && strcmp(entry->unit->id, id) != 0)
                entry = entry->next;
        return entry;
}

static int add_entry(struct sample *sample, const char *id) {
        struct iocore_unit *unit = sample->services->unit_add(sample->context, id);
        if (!unit)
                return errno == ENOMEM ? -ENOMEM : 0; /* a file of a name that is no id: not ours */
        struct entry *entry = calloc(1, sizeof *entry);
        if (!entry) {
                sample->services->unit_remove(sample->context, unit);
                return -ENOMEM;
        }
        unit->owner = -1;
        unit->node = IOCORE_NODE_UNKNOWN;
        *entry = (struct entry) { .next = sample->entries, .unit = unit, .seen = true };
        sample->entries = entry;
        return 0;
}

static void remove_vanished(struct sample *sample) {
        for (struct entry **place = &sample->entries; *place;) {
                struct entry *entry = *place;
                if (entry->seen) {
                        place = &entry->next;
                        continue;
                }
                *place = entry->next;
                sample->services->unit_remove(sample->context, entry->unit);
                free(entry);
        }
}

static int scan(void *state, bool thorough) {
        (void) thorough;
        struct sample *sample = state;
        int fd = sample->services->open_path(sample->context, sample->directory, O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return fd;
        DIR *directory = fdopendir(fd);
        if (!directory) {
                close(fd);
                return -ENOMEM;
        }
        for (struct entry *entry = sample->entries; entry; entry = entry->next)
                entry->seen = false;
        int r = 0;
        for (const struct dirent *found; r >= 0 && (found = readdir(directory));) {
                if (strncmp(found->d_name, "s.", 2) != 0)
                        continue;
                struct entry *entry = find_entry(sample, found->d_name);
                if (entry)
                        entry->seen = true;
                else
                        r = add_entry(sample, found->d_name);
        }
        closedir(directory);
        remove_vanished(sample);
        return r;
}

/* --- structure --- */

static int place(void *state, const struct iocore_unit *unit, int cpu, char *ret_value, size_t size) {
        (void) state;
        (void) unit;
        int n = cpu == IOCORE_CPU_ANY ? snprintf(ret_value, size, "any") : snprintf(ret_value, size, "%d", cpu);
        return n < 0 || (size_t) n >= size ? -EINVAL : 0;
}

static int core_add(void *state, int cpu, char *ret_worker, size_t size) {
        const struct sample *sample = state;
        if (size > 0)
                ret_worker[0] = '\0'; /* no worker of its own is needed */
        return sample->services->core_set(sample->context, cpu, NULL, true);
}

static int core_remove(void *state, int cpu, const char *worker) {
        (void) worker;
        const struct sample *sample = state;
        char value[32], number[32];
        snprintf(number, sizeof number, "%d", cpu);
        for (const struct entry *entry = sample->entries; entry; entry = entry->next)
                if (get_place(state, entry->unit->id, value, sizeof value) >= 0 && strcmp(value, number) == 0)
                        return -EBUSY;
        return sample->services->core_set(sample->context, cpu, NULL, false);
}

static const char *unavailable(void *state, const char *kind) {
        (void) state;
        return strncmp(kind, "queue.", 6) == 0 ? "the sample host has no queues" : NULL;
}

/* --- life --- */

static int probe(const struct iocore_services *services, struct iocore_context *context, char *ret_reason, size_t size) {
        const char *directory = directory_of(services, context);
        int fd = services->open_path(context, directory, O_RDONLY | O_DIRECTORY);
        if (fd < 0) {
                snprintf(ret_reason, size, "%s: %s", directory, strerror(-fd));
                return fd == -ENOENT ? 0 : fd;
        }
        close(fd);
        return 1;
}

static void close_sample(void *state) {
        struct sample *sample = state;
        while (sample->entries) {
                struct entry *entry = sample->entries;
                sample->entries = entry->next;
                free(entry); /* the units are the model's, and go with the plugin */
        }
        free(sample);
}

static int open_sample(const struct iocore_services *services, struct iocore_context *context, void **ret_state, char *ret_reason, size_t size) {
        struct sample *sample = calloc(1, sizeof *sample);
        if (!sample)
                return -ENOMEM;
        *sample = (struct sample) { .services = services, .context = context, .directory = directory_of(services, context) };
        int r = scan(sample, true);
        if (r < 0) {
                snprintf(ret_reason, size, "%s: %s", sample->directory, strerror(-r));
                close_sample(sample);
                return r;
        }
        services->log(context, LOG_DEBUG, "units are the files s.* of %s", sample->directory);
        *ret_state = sample;
        return 0;
}

/* What directory_of() asks for: the daemon refuses a configuration with any other key in [plugin.sample]. */
static const struct iocore_option options[] = {
        { "directory", "where the units' files are" },
        { NULL, NULL },
};

/* The one symbol that the daemon looks for. */
__attribute__((visibility("default"))) extern const struct iocore_plugin iocore_plugin;
const struct iocore_plugin iocore_plugin = {
        .abi = IOCORE_PLUGIN_ABI,
        .size = sizeof iocore_plugin,
        .name = "sample", /* as the file: sample.so */
        .doc = "a directory of small files, to start your own plugin from",
        .provides = "vhost",
        .rank = 1000, /* every other plugin that provides this is asked first */
        .probe = probe,
        .open = open_sample,
        .close = close_sample,
        .scan = scan,
        .knobs = knobs,
        .n_knobs = sizeof knobs / sizeof knobs[0],
        .place = place,
        .core_add = core_add,
        .core_remove = core_remove,
        .unavailable = unavailable,
        .options = options,
};
