/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scenario-json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIME_MAX 1e6 /* seconds; eleven days of virtual time */

int json_refuse(struct reader *reader, const char *path, const char *format, ...) {
        int n = snprintf(reader->error, reader->size, "%s%s", path, *path ? ": " : "");
        va_list arguments;

        if (n < 0 || (size_t) n >= reader->size)
                return -EINVAL;
        va_start(arguments, format);
        vsnprintf(reader->error + n, reader->size - (size_t) n, format, arguments);
        va_end(arguments);
        return -EINVAL;
}

bool json_member(const struct place *object, const char *key, struct place *ret) {
        ret->json = cJSON_GetObjectItemCaseSensitive(object->json, key);
        if (snprintf(ret->path, sizeof(ret->path), "%s%s%s", object->path, *object->path ? "." : "", key) >= PLACE_MAX)
                ret->path[PLACE_MAX - 1] = '\0'; /* cut: the beginning still tells */
        return ret->json;
}

void json_element(const struct place *array, const cJSON *json, size_t index, struct place *ret) {
        ret->json = json;
        snprintf(ret->path, sizeof(ret->path), "%.*s[%zu]", PLACE_MAX - 24, array->path, index);
}

int json_check(struct reader *reader, const struct place *place, const char *const *keys) {
        const cJSON *child, *other;

        if (!cJSON_IsObject(place->json))
                return json_refuse(reader, place->path, "must be an object");
        cJSON_ArrayForEach(child, place->json) {
                size_t i = 0;
                while (keys[i] && strcmp(keys[i], child->string) != 0)
                        i++;
                if (!keys[i])
                        return json_refuse(reader, place->path, "unknown key \"%.64s\"", child->string);
                for (other = child->next; other; other = other->next)
                        if (strcmp(other->string, child->string) == 0)
                                return json_refuse(reader, place->path, "key \"%.64s\" is given twice", child->string);
        }
        return 0;
}

int json_read_number(struct reader *reader, const struct place *object, const char *key, double min, double max, double scale, uint64_t *ret) {
        struct place place;

        if (!json_member(object, key, &place))
                return 0;
        if (!cJSON_IsNumber(place.json))
                return json_refuse(reader, place.path, "must be a number");
        double value = place.json->valuedouble;
        if (!(value >= min && value <= max)) /* NaN too */
                return json_refuse(reader, place.path, "must be between %g and %g", min, max);
        *ret = (uint64_t) (value * scale + 0.5);
        return 0;
}

int json_read_integer(struct reader *reader, const struct place *object, const char *key, double min, double max, int *ret) {
        struct place place;

        if (!json_member(object, key, &place))
                return 0;
        if (!cJSON_IsNumber(place.json))
                return json_refuse(reader, place.path, "must be a number");
        double value = place.json->valuedouble;
        if (!(value >= min && value <= max) || value != (double) (int) value)
                return json_refuse(reader, place.path, "must be a whole number between %g and %g", min, max);
        *ret = (int) value;
        return 0;
}

int json_read_unsigned(struct reader *reader, const struct place *object, const char *key, unsigned min, unsigned max, unsigned *ret) {
        int value = (int) *ret, r = json_read_integer(reader, object, key, min, max, &value);

        *ret = (unsigned) value;
        return r;
}

int json_read_seconds(struct reader *reader, const struct place *object, const char *key, uint64_t *ret_usec) {
        return json_read_number(reader, object, key, 0, TIME_MAX, USEC_PER_SEC, ret_usec);
}

int json_read_bool(struct reader *reader, const struct place *object, const char *key, bool *ret) {
        struct place place;

        if (!json_member(object, key, &place))
                return 0;
        if (!cJSON_IsBool(place.json))
                return json_refuse(reader, place.path, "must be true or false");
        *ret = cJSON_IsTrue(place.json);
        return 0;
}

int json_read_name(struct reader *reader, const struct place *object, const char *key, char *ret, size_t size) {
        struct place place;

        if (!json_member(object, key, &place))
                return 0;
        if (!cJSON_IsString(place.json))
                return json_refuse(reader, place.path, "must be a string");
        const char *value = place.json->valuestring;
        size_t length = strlen(value);
        if (length == 0 || length >= size)
                return json_refuse(reader, place.path, "must have 1 to %zu characters", size - 1);
        for (size_t i = 0; i < length; i++)
                if (value[i] < ' ' || value[i] > '~' || value[i] == ',')
                        return json_refuse(reader, place.path, "must be printable ASCII without a comma");
        memcpy(ret, value, length + 1);
        return 0;
}

/* The array's elements are counted, and zeroed room is made for them. A missing key is an empty array. */
int json_open_array(struct reader *reader, const struct place *object, const char *key, size_t max, size_t size, struct place *ret, void *ret_elements,
                      size_t *ret_n) {
        void **elements = ret_elements;

        if (!json_member(object, key, ret))
                return 0;
        if (!cJSON_IsArray(ret->json))
                return json_refuse(reader, ret->path, "must be an array");
        size_t n = (size_t) cJSON_GetArraySize(ret->json);
        if (n > max)
                return json_refuse(reader, ret->path, "has more than %zu elements", max);
        if (n == 0)
                return 0;
        *elements = calloc(n, size);
        if (!*elements)
                return -ENOMEM;
        *ret_n = n;
        return 0;
}
