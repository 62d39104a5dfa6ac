/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "cleanup.h"
#include "journal-record.h"

#define CHECKSUM_LENGTH 9 /* eight hex digits and a space */
#define JOURNAL_VERSION 1

static const char *const operations[] = {
        [JOURNAL_HEADER] = "open",
        [JOURNAL_ANNOUNCE] = "announce",
        [JOURNAL_CONFIRM] = "confirm",
        [JOURNAL_CANCEL] = "cancel",
        [JOURNAL_FORGET] = "forget",
};

static const char *const kinds[] = {
        [JOURNAL_KNOB] = "knob",
        [JOURNAL_CORE_ADD] = "core-add",
        [JOURNAL_CORE_REMOVE] = "core-remove",
};

static inline void cjson_deletep(cJSON **json) {
        cJSON_Delete(*json);
}

static int find_string(const char *const *table, size_t n, const char *string) {
        for (size_t i = 0; string && i < n; i++)
                if (strcmp(table[i], string) == 0)
                        return (int) i;
        return -1;
}

void journal_entry_done(struct journal_entry *entry) {
        free(TAKE_PTR(entry->old_value));
        free(TAKE_PTR(entry->set_value));
        free(TAKE_PTR(entry->pending_value));
}

void journal_record_done(struct journal_record *record) {
        journal_entry_done(&record->entry);
}

static const char *get_string(const cJSON *json, const char *name) {
        return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));
}

static bool copy_member(const cJSON *json, const char *name, char *ret, size_t size) {
        const char *string = get_string(json, name);
        if (!string || strlen(string) >= size)
                return false;
        memcpy(ret, string, strlen(string) + 1);
        return true;
}

/* Numbers of 64 bits are kept as strings: JSON's own are doubles. */
static bool get_number(const cJSON *json, const char *name, uint64_t *ret) {
        const char *string = get_string(json, name);
        if (!string || string[0] < '0' || string[0] > '9')
                return false;
        char *end;
        errno = 0;
        uint64_t value = strtoull(string, &end, 10);
        if (errno || *end)
                return false;
        *ret = value;
        return true;
}

/* An absent value stays NULL. */
static int copy_value(const cJSON *json, const char *name, char **ret) {
        const char *string = get_string(json, name);
        if (string && !(*ret = strdup(string)))
                return -ENOMEM;
        return 0;
}

static int parse_entry(const cJSON *json, struct journal_record *record) {
        struct journal_entry *entry = &record->entry;
        int kind = find_string(kinds, ELEMENTSOF(kinds), get_string(json, "kind"));
        if (kind < 0 || !copy_member(json, "plugin", entry->plugin, sizeof entry->plugin) ||
            !copy_member(json, "knob", entry->knob, sizeof entry->knob) || !copy_member(json, "object", entry->object, sizeof entry->object))
                return -EBADMSG;
        entry->kind = (enum journal_kind) kind;
        if (record->operation == JOURNAL_FORGET)
                return 0;
        if (!copy_member(json, "source", entry->source, sizeof entry->source) || !get_number(json, "incarnation", &entry->incarnation) ||
            !get_number(json, "sequence", &entry->sequence))
                return -EBADMSG;
        if (copy_value(json, "old", &entry->old_value) < 0 || copy_value(json, "set", &entry->set_value) < 0 ||
            copy_value(json, "new", &entry->pending_value) < 0)
                return -ENOMEM;
        return entry->old_value ? 0 : -EBADMSG;
}

static int parse_header(const cJSON *json, struct journal_record *record) {
        const cJSON *version = cJSON_GetObjectItemCaseSensitive(json, "version"), *pid = cJSON_GetObjectItemCaseSensitive(json, "pid");
        if (!cJSON_IsNumber(version) || version->valueint != JOURNAL_VERSION || !cJSON_IsNumber(pid) || pid->valueint < 0)
                return -EBADMSG;
        if (!copy_member(json, "boot_id", record->boot_id, sizeof record->boot_id))
                return -EBADMSG;
        record->pid = pid->valueint;
        return 0;
}

static bool checksum_matches(const char *line, size_t length) {
        char expected[CHECKSUM_LENGTH + 1];
        uLong checksum = crc32(0, (const Bytef *) line + CHECKSUM_LENGTH, (uInt) (length - CHECKSUM_LENGTH));
        snprintf(expected, sizeof expected, "%08lx ", checksum);
        return memcmp(line, expected, CHECKSUM_LENGTH) == 0;
}

int journal_record_parse(const char *line, size_t length, struct journal_record *ret) {
        if (length <= CHECKSUM_LENGTH || length > INT32_MAX || !checksum_matches(line, length))
                return -EBADMSG;
        _cleanup_(cjson_deletep) cJSON *json = cJSON_ParseWithLength(line + CHECKSUM_LENGTH, length - CHECKSUM_LENGTH);
        int operation = find_string(operations, ELEMENTSOF(operations), get_string(json, "op"));
        if (operation < 0)
                return -EBADMSG;
        struct journal_record record = { .operation = (enum journal_operation) operation };
        int r = operation == JOURNAL_HEADER ? parse_header(json, &record) : parse_entry(json, &record);
        if (r < 0) {
                journal_record_done(&record);
                return r;
        }
        *ret = record;
        return 0;
}

static bool add_number(cJSON *json, const char *name, uint64_t value) {
        char digits[24];
        snprintf(digits, sizeof digits, "%" PRIu64, value);
        return cJSON_AddStringToObject(json, name, digits);
}

static bool add_value(cJSON *json, const char *name, const char *value) {
        return !value || cJSON_AddStringToObject(json, name, value);
}

static bool add_members(cJSON *json, const struct journal_record *record) {
        const struct journal_entry *entry = &record->entry;
        if (!cJSON_AddStringToObject(json, "op", operations[record->operation]))
                return false;
        if (record->operation == JOURNAL_HEADER)
                return cJSON_AddNumberToObject(json, "version", JOURNAL_VERSION) && cJSON_AddStringToObject(json, "boot_id", record->boot_id) &&
                       cJSON_AddNumberToObject(json, "pid", record->pid);
        if (!cJSON_AddStringToObject(json, "kind", kinds[entry->kind]) || !cJSON_AddStringToObject(json, "plugin", entry->plugin) ||
            !cJSON_AddStringToObject(json, "knob", entry->knob) || !cJSON_AddStringToObject(json, "object", entry->object))
                return false;
        if (record->operation == JOURNAL_FORGET)
                return true;
        return cJSON_AddStringToObject(json, "source", entry->source) && add_number(json, "incarnation", entry->incarnation) &&
               add_number(json, "sequence", entry->sequence) && add_value(json, "old", entry->old_value) &&
               add_value(json, "set", entry->set_value) && add_value(json, "new", entry->pending_value);
}

char *journal_record_format(const struct journal_record *record, size_t *ret_length) {
        _cleanup_(cjson_deletep) cJSON *json = cJSON_CreateObject();
        if (!json || !add_members(json, record))
                return NULL;
        _cleanup_free_ char *text = cJSON_PrintUnformatted(json);
        if (!text)
                return NULL;
        char *line;
        int length = asprintf(&line, "%08lx %s\n", crc32(0, (const Bytef *) text, (uInt) strlen(text)), text);
        if (length < 0)
                return NULL;
        *ret_length = (size_t) length;
        return line;
}
