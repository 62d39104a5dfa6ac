/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hands: they set what is asked for, of each domain one thing after the other, for the domain as it runs (VIR_DOMAIN_AFFECT_LIVE), and read back what holds then. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/cleanup.h"
#include "domain-xml.h"
#include "plugins/vhost-thread/affinity.h"
#include "talk-private.h"
#include "wishes.h"

/* One request, while it is answered. */
struct job {
        struct talk *talk;
        virConnectPtr connection;
        virDomainPtr domain;
        const struct question *question;
        char *text; /* IOCORE_VALUE_MAX bytes: what holds now, or why not */
};

static int refused(const struct job *job) {
        return libvirt_error(job->text, IOCORE_VALUE_MAX);
}

/* --- CPUs */

static int n_host_cpus(virConnectPtr connection) {
        return virNodeGetCPUMap(connection, NULL, NULL, 0);
}

/* To be freed; NULL also when the host has not all of them. *ret_n: bytes. */
static unsigned char *bytes_from_list(const char *list, int n_cpus, size_t *ret_n) {
        struct affinity_mask mask;
        size_t n = (size_t) VIR_CPU_MAPLEN(n_cpus);

        if (affinity_parse(list, &mask) < 0)
                return NULL;
        unsigned char *bytes = calloc(n, 1);
        for (int cpu = 0; bytes && cpu < n_cpus; cpu++)
                if (affinity_has(&mask, cpu)) {
                        bytes[cpu / 8] |= (unsigned char) (1u << cpu % 8);
                        CPU_CLR_S((size_t) cpu, sizeof mask.sets, mask.sets);
                }
        if (bytes && !affinity_is_empty(&mask)) {
                free(bytes);
                return NULL;
        }
        *ret_n = n;
        return bytes;
}

static int format_bytes(const unsigned char *bytes, size_t n, char *ret) {
        struct affinity_mask mask = { 0 };

        for (size_t cpu = 0; cpu < n * 8 && cpu < AFFINITY_CPUS_MAX; cpu++)
                if (bytes[cpu / 8] & 1u << cpu % 8)
                        CPU_SET_S(cpu, sizeof mask.sets, mask.sets);
        return affinity_format(&mask, ret, IOCORE_VALUE_MAX);
}

static int set_vcpu(const struct job *job, unsigned char *bytes, size_t n) {
        int r = virDomainPinVcpuFlags(job->domain, job->question->number, bytes, (int) n, VIR_DOMAIN_AFFECT_LIVE);

        if (r < 0) {
                int error = refused(job);
                /* The test driver knows the flag for none of its domains; for others "as it is" could mean the configuration of one that has just ended. */
                const char *type = virConnectGetType(job->connection);
                if (!type || strcasecmp(type, "test") != 0)
                        return error;
                if (virDomainPinVcpu(job->domain, job->question->number, bytes, (int) n) < 0)
                        return refused(job);
        }
        size_t n_maps = (size_t) job->question->number + 1;
        _cleanup_free_ unsigned char *maps = calloc(n_maps, n);
        if (!maps)
                return -ENOMEM;
        r = virDomainGetVcpuPinInfo(job->domain, (int) n_maps, maps, (int) n, VIR_DOMAIN_AFFECT_CURRENT);
        if (r < 0)
                return refused(job);
        return (size_t) r < n_maps ? -ENOENT : format_bytes(maps + (n_maps - 1) * n, n, job->text);
}

static int set_emulator(const struct job *job, unsigned char *bytes, size_t n) {
        if (virDomainPinEmulator(job->domain, bytes, (int) n, VIR_DOMAIN_AFFECT_LIVE) < 0)
                return refused(job);
        memset(bytes, 0, n);
        return virDomainGetEmulatorPinInfo(job->domain, bytes, (int) n, VIR_DOMAIN_AFFECT_CURRENT) < 0 ? refused(job) : format_bytes(bytes, n, job->text);
}

static int set_iothread(const struct job *job, unsigned char *bytes, size_t n) {
        virDomainIOThreadInfoPtr *threads = NULL;

        if (virDomainPinIOThread(job->domain, job->question->number, bytes, (int) n, VIR_DOMAIN_AFFECT_LIVE) < 0)
                return refused(job);
        int n_threads = virDomainGetIOThreadInfo(job->domain, &threads, VIR_DOMAIN_AFFECT_CURRENT);
        int r = n_threads < 0 ? refused(job) : -ENOENT;
        for (int i = 0; i < n_threads; i++) {
                if (threads[i]->iothread_id == job->question->number)
                        r = format_bytes(threads[i]->cpumap, (size_t) threads[i]->cpumaplen, job->text);
                virDomainIOThreadInfoFree(threads[i]);
        }
        free(threads);
        return r;
}

static int set_cpus(const struct job *job, int (*set)(const struct job *job, unsigned char *bytes, size_t n)) {
        int n_cpus = n_host_cpus(job->connection);
        size_t n;

        if (n_cpus <= 0)
                return refused(job);
        _cleanup_free_ unsigned char *bytes = bytes_from_list(job->question->value, n_cpus, &n);
        if (!bytes) {
                snprintf(job->text, IOCORE_VALUE_MAX, "not a list of CPUs of this host, which has %d", n_cpus);
                return -EINVAL;
        }
        return set(job, bytes, n);
}

/* --- IOThreads */

/* The names of the values, in the order of their questions: in libvirt's statistics after "iothread.ID.", and when they are set. */
static const struct {
        const char *suffix, *name;
} polling[POLL_VALUES] = {
        { ".poll-max-ns", VIR_DOMAIN_IOTHREAD_POLL_MAX_NS },
        { ".poll-grow", VIR_DOMAIN_IOTHREAD_POLL_GROW },
        { ".poll-shrink", VIR_DOMAIN_IOTHREAD_POLL_SHRINK },
};

static bool is_polling(virTypedParameterPtr parameter, enum question_kind *ret_kind, unsigned *ret_id, uint64_t *ret_value) {
        static const char prefix[] = "iothread.";
        char *end;

        if ((parameter->type != VIR_TYPED_PARAM_ULLONG && parameter->type != VIR_TYPED_PARAM_UINT) || strncmp(parameter->field, prefix, sizeof prefix - 1) != 0)
                return false;
        unsigned long id = strtoul(parameter->field + sizeof prefix - 1, &end, 10);
        if (id == 0 || id > UINT32_MAX)
                return false;
        for (unsigned i = 0; i < POLL_VALUES; i++)
                if (strcmp(end, polling[i].suffix) == 0) {
                        *ret_kind = ASK_IOTHREAD_POLL + i;
                        *ret_id = (unsigned) id;
                        *ret_value = parameter->type == VIR_TYPED_PARAM_UINT ? parameter->value.ui : parameter->value.ul;
                        return true;
                }
        return false;
}

static void tell_polling(const struct job *job, uint64_t serial, enum question_kind kind, unsigned id, uint64_t value) {
        char text[32];

        snprintf(text, sizeof text, "%" PRIu64, value);
        struct news *news = news_new(NEWS_ANSWERED, job->question->uuid, text);
        if (!news)
                return;
        news->question = kind;
        news->number = id;
        news->serial = serial;
        talk_tell(job->talk, news);
}

/* Asks QEMU itself. Each IOThread's polling is told; ret_value is what is asked about. */
static int read_polling(const struct job *job, bool tell_all, uint64_t *ret_value) {
        virDomainPtr domains[] = { job->domain, NULL };
        virDomainStatsRecordPtr *records = NULL;
        int found = -ENOENT;

        talk_lock(job->talk);
        uint64_t serial = job->talk->serial;
        talk_unlock(job->talk);
        int n = virDomainListGetStats(domains, VIR_DOMAIN_STATS_IOTHREAD, &records, 0);
        if (n < 0)
                return refused(job);
        for (int i = 0; i < n; i++)
                for (int k = 0; k < records[i]->nparams; k++) {
                        enum question_kind kind;
                        uint64_t value;
                        unsigned id;
                        if (!is_polling(records[i]->params + k, &kind, &id, &value))
                                continue;
                        if (id == job->question->number && kind == job->question->kind) {
                                *ret_value = value;
                                found = 0;
                        }
                        if (tell_all)
                                tell_polling(job, serial, kind, id, value);
                }
        virDomainStatsRecordListFree(records);
        return tell_all ? 0 : found;
}

static int set_polling(const struct job *job) {
        const char *name = polling[job->question->kind - ASK_IOTHREAD_POLL].name;
        virTypedParameterPtr parameters = NULL;
        int n = 0, allocated = 0;
        char *end;
        uint64_t value;

        errno = 0;
        unsigned long long wanted = strtoull(job->question->value, &end, 10);
        if (errno != 0 || end == job->question->value || *end != '\0' || (job->question->kind != ASK_IOTHREAD_POLL && wanted > UINT32_MAX))
                return -EINVAL;
        int r = job->question->kind == ASK_IOTHREAD_POLL ? virTypedParamsAddULLong(&parameters, &n, &allocated, name, wanted)
                                                         : virTypedParamsAddUInt(&parameters, &n, &allocated, name, (unsigned) wanted);
        if (r < 0)
                return -ENOMEM;
        r = virDomainSetIOThreadParams(job->domain, job->question->number, parameters, n, VIR_DOMAIN_AFFECT_LIVE);
        virTypedParamsFree(parameters, n);
        if (r < 0)
                return refused(job);
        r = read_polling(job, false, &value);
        if (r >= 0)
                snprintf(job->text, IOCORE_VALUE_MAX, "%" PRIu64, value);
        return r;
}

/* --- memory */

static int read_nodeset(const struct job *job) {
        virTypedParameter parameters[2];
        int n = ELEMENTSOF(parameters);
        const char *nodes = NULL;
        struct affinity_mask mask;

        memset(parameters, 0, sizeof parameters);
        if (virDomainGetNumaParameters(job->domain, parameters, &n, VIR_DOMAIN_AFFECT_LIVE) < 0)
                return refused(job);
        int r = virTypedParamsGetString(parameters, n, VIR_DOMAIN_NUMA_NODESET, &nodes);
        r = r == 1 && affinity_parse(nodes, &mask) >= 0 ? affinity_format(&mask, job->text, IOCORE_VALUE_MAX) : -EIO;
        virTypedParamsClear(parameters, n);
        return r;
}

/* A mode is given, too: of a domain that has none libvirt would make it "strict", and refuse all further changes. */
static int set_nodeset(const struct job *job) {
        virTypedParameterPtr parameters = NULL;
        int n = 0, allocated = 0;

        if (virTypedParamsAddString(&parameters, &n, &allocated, VIR_DOMAIN_NUMA_NODESET, job->question->value) < 0 ||
            virTypedParamsAddInt(&parameters, &n, &allocated, VIR_DOMAIN_NUMA_MODE, VIR_DOMAIN_NUMATUNE_MEM_RESTRICTIVE) < 0) {
                virTypedParamsFree(parameters, n);
                return -ENOMEM;
        }
        int r = virDomainSetNumaParameters(job->domain, parameters, n, VIR_DOMAIN_AFFECT_LIVE);
        virTypedParamsFree(parameters, n);
        return r < 0 ? refused(job) : read_nodeset(job);
}

/* --- metadata */

/* What the live domain says and what its configuration says may differ: each keeps what is not to be changed. */
static int plan_wishes(const struct job *job, unsigned scope, const struct wish_changes *changes, bool *ret_change, struct wishes *ret) {
        struct wishes before = { 0 };

        _cleanup_free_ char *element = virDomainGetMetadata(job->domain, VIR_DOMAIN_METADATA_ELEMENT, WISHES_NAMESPACE, scope);
        if (!element && virGetLastErrorCode() != VIR_ERR_NO_DOMAIN_METADATA)
                return refused(job);
        int r = element ? wishes_xml_parse(element, strlen(element), &before) : 0;
        if (r < 0)
                return r;
        if (before.foreign[0] != '\0') {
                snprintf(job->text, IOCORE_VALUE_MAX, "its metadata has an element of somebody else in our namespace (%s): left as it is", before.foreign);
                return -EEXIST;
        }
        *ret = before;
        wishes_apply(ret, changes);
        *ret_change = !wishes_are_equal(ret, &before);
        return 0;
}

static int write_wishes(const struct job *job, unsigned scope, const struct wishes *wishes) {
        char element[IOCORE_REASON_MAX];

        int r = wishes_format(wishes, element, sizeof element);
        if (r < 0)
                return r;
        r = virDomainSetMetadata(job->domain, VIR_DOMAIN_METADATA_ELEMENT, wishes_are_empty(wishes) ? NULL : element, WISHES_PREFIX, WISHES_NAMESPACE, scope);
        return r < 0 ? refused(job) : 0;
}

static int set_wish(const struct job *job) {
        static const unsigned scopes[] = { VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_CONFIG };
        const bool has[] = { virDomainIsActive(job->domain) == 1, virDomainIsPersistent(job->domain) == 1 };
        bool change[ELEMENTSOF(scopes)] = { false };
        struct wishes wishes[ELEMENTSOF(scopes)];
        struct wish_changes changes;

        int r = wish_changes_parse(job->question->value, &changes, job->text, IOCORE_VALUE_MAX);
        for (size_t i = 0; i < ELEMENTSOF(scopes) && r >= 0; i++)
                if (has[i])
                        r = plan_wishes(job, scopes[i], &changes, change + i, wishes + i);
        for (size_t i = 0; i < ELEMENTSOF(scopes) && r >= 0; i++)
                if (has[i] && change[i])
                        r = write_wishes(job, scopes[i], wishes + i);
        talk_look(job->talk, job->question->uuid);
        return r;
}

/* --- */

static int answer(const struct job *job) {
        uint64_t ignored;

        switch (job->question->kind) {
        case ASK_VCPU_CPUS:
                return set_cpus(job, set_vcpu);
        case ASK_EMULATOR_CPUS:
                return set_cpus(job, set_emulator);
        case ASK_IOTHREAD_CPUS:
                return set_cpus(job, set_iothread);
        case ASK_IOTHREAD_POLL:
        case ASK_IOTHREAD_GROW:
        case ASK_IOTHREAD_SHRINK:
                return set_polling(job);
        case ASK_IOTHREADS:
                return read_polling(job, true, &ignored);
        case ASK_NODESET:
                return set_nodeset(job);
        case ASK_WISH:
                return set_wish(job);
        }
        return -EINVAL;
}

static bool is_meant(const struct job *job) {
        return job->question->id < 0 || virDomainGetID(job->domain) == (unsigned) job->question->id;
}

static void hand_answer(struct talk *talk, virConnectPtr connection, const struct question *question, int *ret_result, char *ret_text) {
        struct job job = { .talk = talk, .connection = connection, .question = question, .text = ret_text };

        ret_text[0] = '\0';
        job.domain = virDomainLookupByUUIDString(connection, question->uuid);
        if (!job.domain) {
                *ret_result = refused(&job);
                return;
        }
        int r = is_meant(&job) ? answer(&job) : -ENOENT;
        /* Whatever was refused of a domain that has ended, it is that it has ended. */
        if (r < 0 && !is_meant(&job))
                r = -ENOENT;
        *ret_result = r;
        virDomainFree(job.domain);
}

static void tell_abandoned(struct talk *talk, const struct question *question, uint64_t serial, int result, const char *text) {
        struct news *news = question->kind == ASK_IOTHREADS ? NULL : news_new(NEWS_ANSWERED, question->uuid, result < 0 ? NULL : text);

        if (!news)
                return;
        news->question = question->kind;
        news->number = question->number;
        news->serial = serial;
        talk_tell(talk, news);
        if (result < 0)
                talk_look(talk, question->uuid);
}

/* With the lock, which is given up meanwhile: nobody else removes a request that is being asked. */
static void serve(struct talk *talk, struct request *request) {
        _cleanup_free_ char *text = calloc(1, IOCORE_VALUE_MAX);
        virConnectPtr connection = talk->connection;
        int result = text ? -ENOTCONN : -ENOMEM;

        request->stage = STAGE_ASKED;
        if (connection && text) {
                (void) virConnectRef(connection);
                talk_unlock(talk);
                hand_answer(talk, connection, &request->question, &result, text);
                (void) virConnectClose(connection);
                talk_lock(talk);
        }
        request->result = result;
        request->text = text && text[0] ? strdup(text) : NULL;
        if (result >= 0 && text && text[0] && !request->text)
                request->result = -ENOMEM;
        request->answered_usec = talk_now();
        request->stage = STAGE_ANSWERED;
        request->serial = ++talk->serial;
        uint64_t serial = request->serial;
        bool abandoned = request->abandoned;
        struct question question = request->question;
        pthread_cond_broadcast(&talk->changed);
        talk_unlock(talk);
        if (abandoned)
                tell_abandoned(talk, &question, serial, result, text ? text : "");
        else
                atomic_store(&talk->news_waits, true); /* somebody asks again in each epoch; this makes it known that it is worth it */
        talk_lock(talk);
}

void *hand_run(void *userdata) {
        struct talk *talk = userdata;

        talk_lock(talk);
        while (!talk->stop) {
                struct request *request = next_request(talk);
                if (request)
                        serve(talk, request);
                else
                        pthread_cond_wait(&talk->changed, &talk->lock);
        }
        talk_unlock(talk);
        talk_unref(talk);
        return NULL;
}
