/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a test can ask for at run time: faults, vanishing objects, another load, a dump of the control state. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "plugins/sim/ids.h"
#include "simfs.h"

static const struct {
        const char *name;
        int error;
} error_names[] = {{"EINVAL", EINVAL}, {"ENODEV", ENODEV}, {"EIO", EIO},       {"ENOENT", ENOENT}, {"EBUSY", EBUSY},
                   {"EACCES", EACCES}, {"ENOMEM", ENOMEM}, {"ENOSPC", ENOSPC}, {"EAGAIN", EAGAIN}, {"EINTR", EINTR}};

static int add_fault(struct simfs *fs, const char *pattern, const char *error, const char *count, const char *skip) {
        struct simfs_fault fault = {.count = -1};
        long long number = 0;

        for (size_t i = 0; i < ELEMENTSOF(error_names); i++)
                if (strcmp(error_names[i].name, error) == 0)
                        fault.error = error_names[i].error;
        if (fault.error == 0 || !*pattern || strlen(pattern) >= sizeof(fault.pattern))
                return -EINVAL;
        snprintf(fault.pattern, sizeof(fault.pattern), "%s", pattern);
        if (count && !number_parse(count, &number))
                return -EINVAL;
        if (count)
                fault.count = (long) number;
        if (skip && (!number_parse(skip, &number) || number < 0))
                return -EINVAL;
        if (skip)
                fault.skip = (long) number;
        if (fs->n_faults == SIMFS_FAULTS_MAX)
                return -ENOSPC;
        fs->faults[fs->n_faults++] = fault;
        return 0;
}

int simfs_add_fault_option(struct simfs *fs, const char *option) {
        char copy[256], *error, *count;

        if (strlen(option) >= sizeof(copy))
                return -EINVAL;
        snprintf(copy, sizeof(copy), "%s", option);
        error = strchr(copy, '=');
        if (!error)
                return -EINVAL;
        *error++ = '\0';
        count = strchr(error, ':');
        if (count)
                *count++ = '\0';
        return add_fault(fs, copy, error, count, NULL);
}

int simfs_fault(struct simfs *fs, const char *path) {
        for (size_t i = 0; i < fs->n_faults; i++) {
                struct simfs_fault *fault = fs->faults + i;
                if (fault->count == 0 || fnmatch(fault->pattern, path + (*path == '/'), 0) != 0)
                        continue;
                if (fault->skip > 0) {
                        fault->skip--;
                        continue;
                }
                if (fault->count > 0)
                        fault->count--;
                return -fault->error;
        }
        return 0;
}

static cJSON *dump_workers(const struct simfs *fs) {
        cJSON *workers = cJSON_CreateObject();

        for (size_t i = 0; i < model_n_workers(fs->model); i++) {
                const struct model_worker *worker = model_worker_at(fs->model, i);
                char id[32];
                snprintf(id, sizeof(id), "w.%u", worker->number);
                cJSON *object = cJSON_AddObjectToObject(workers, id);
                cJSON_AddNumberToObject(object, "cpu", worker->cpu);
                cJSON_AddBoolToObject(object, "locked", worker->locked);
                cJSON_AddBoolToObject(object, "from_start", worker->from_start);
                cJSON_AddNumberToObject(object, "work_list_max_stuck_cycles", (double) worker->max_stuck_cycles);
                cJSON_AddNumberToObject(object, "max_disabled_soft_interrupts_cycles", (double) worker->max_disabled_soft_interrupts_cycles);
        }
        return workers;
}

static void dump_devices(const struct simfs *fs, cJSON *devices, cJSON *queues) {
        char id[48];

        for (size_t i = 0; i < model_n_devices(fs->model); i++) {
                const struct model_device *device = model_device_at(fs->model, i);
                char worker[32];
                snprintf(id, sizeof(id), "d.%u", device->number);
                snprintf(worker, sizeof(worker), "w.%u", device->worker->number);
                cJSON_AddStringToObject(devices, id, worker);
                for (size_t j = 0; j < device->n_queues; j++) {
                        const struct model_queue *queue = device->queues + j;
                        snprintf(id, sizeof(id), "vq.%u.%zu", device->number, j);
                        cJSON *object = cJSON_AddObjectToObject(queues, id);
                        cJSON_AddBoolToObject(object, "poll", queue->poll);
                        cJSON_AddNumberToObject(object, "min_processed_data_limit", (double) queue->min_processed_data_limit);
                        cJSON_AddNumberToObject(object, "max_processed_data_limit", (double) queue->max_processed_data_limit);
                        cJSON_AddNumberToObject(object, "max_stuck_pending_items", (double) queue->max_stuck_pending_items);
                        cJSON_AddNumberToObject(object, "max_stuck_cycles", (double) queue->max_stuck_cycles);
                        cJSON_AddNumberToObject(object, "min_poll_rate", (double) queue->min_poll_rate);
                }
        }
}

static void cjson_deletep(cJSON **json) {
        cJSON_Delete(*json);
}

/* What iocored may change and has to put back, in ascending order of ids: two dumps of the same state are the same bytes. */
static int dump(const struct simfs *fs, const char *path) {
        _cleanup_(cjson_deletep) cJSON *json = cJSON_CreateObject();
        _cleanup_free_ char *text = NULL, *temporary = NULL;
        char id[32];
        int failed;

        snprintf(id, sizeof(id), "w.%u", model_default_worker(fs->model)->number);
        cJSON_AddStringToObject(json, "default", id);
        cJSON_AddItemToObject(json, "workers", dump_workers(fs));
        dump_devices(fs, cJSON_AddObjectToObject(json, "devices"), cJSON_AddObjectToObject(json, "queues"));
        text = cJSON_Print(json);
        if (!text || asprintf(&temporary, "%s.new", path) < 0)
                return -ENOMEM;
        FILE *file = fopen(temporary, "we");
        if (!file)
                return -errno;
        failed = fputs(text, file) < 0 || fputc('\n', file) < 0;
        failed |= fclose(file) != 0;
        return failed || rename(temporary, path) < 0 ? -EIO : 0;
}

static int vanish(struct simfs *fs, const char *id) {
        unsigned number = 0;
        int r = -EINVAL;

        if (id_parse(id, "d", &number))
                r = model_vanish_device(fs->model, number);
        else if (id_parse(id, "w", &number))
                r = model_vanish_worker(fs->model, number);
        simfs_proc_update_vms(fs);
        return r;
}

static int scale_load(struct simfs *fs, const char *factor) {
        char *end;
        double value = strtod(factor, &end);

        if (end == factor || *end != '\0' || !(value >= 0 && value <= 1000))
                return -EINVAL;
        model_scale_load(fs->model, (uint64_t) (value * SCENARIO_SHARE + 0.5));
        return 0;
}

/* Lets that many milliseconds of the host's time pass at once. */
static int advance(struct simfs *fs, const char *milliseconds) {
        long long number = 0;
        int r;

        if (!number_parse(milliseconds, &number) || number < 0 || number > 3600000)
                return -EINVAL;
        r = model_advance(fs->model, (uint64_t) number * 1000);
        simfs_proc_update_vms(fs);
        simfs_proc_update_stat(fs);
        return r;
}

static int set_default(struct simfs *fs, const char *id) {
        unsigned number = 0;

        return id_parse(id, "w", &number) ? model_set_default_worker(fs->model, number) : -EINVAL;
}

int simfs_command(struct simfs *fs, char *line) {
        char *words[5] = {NULL}, *rest = line, *word;
        size_t n = 0;

        while ((word = strsep(&rest, " \t\n")))
                if (*word) {
                        if (n == ELEMENTSOF(words))
                                return -EINVAL;
                        words[n++] = word;
                }
        if (n == 0)
                return 0;
        if (n >= 3 && strcmp(words[0], "fail") == 0)
                return add_fault(fs, words[1], words[2], words[3], words[4]);
        if (n == 1 && strcmp(words[0], "heal") == 0) {
                fs->n_faults = 0;
                return 0;
        }
        if (n != 2)
                return -EINVAL;
        if (strcmp(words[0], "vanish") == 0)
                return vanish(fs, words[1]);
        if (strcmp(words[0], "load") == 0)
                return scale_load(fs, words[1]);
        if (strcmp(words[0], "default") == 0)
                return set_default(fs, words[1]);
        if (strcmp(words[0], "advance") == 0)
                return advance(fs, words[1]);
        if (strcmp(words[0], "dump") == 0)
                return dump(fs, words[1]);
        return -EINVAL;
}
