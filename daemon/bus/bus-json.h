/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Building the state's JSON document: bus-state.c and bus-state-domains.c. */
#ifndef BUS_JSON_H
#define BUS_JSON_H

#include <math.h>

#include <cjson/cJSON.h>

#include "bus-internal.h"

/* Names are literals and are not copied. cJSON's functions take NULL and do nothing: a document that memory did not suffice for lacks
 * members, and most likely cannot be printed either. */
static inline cJSON *add(cJSON *to, const char *name, cJSON *item) {
        if (item && !cJSON_AddItemToObjectCS(to, name, item)) {
                cJSON_Delete(item);
                return NULL;
        }
        return item;
}

/* Six decimals are more than any of these values is good for, and print in a third of the time of seventeen. Large ones are counters and
 * stay exact. */
static inline void add_number(cJSON *to, const char *name, double value) {
        (void) add(to, name, cJSON_CreateNumber(fabs(value) < 1e9 ? round(value * 1e6) / 1e6 : value));
}

static inline void add_number_or_null(cJSON *to, const char *name, bool known, double value) {
        if (known)
                add_number(to, name, value);
        else
                (void) add(to, name, cJSON_CreateNull());
}

static inline void add_bool(cJSON *to, const char *name, bool value) {
        (void) add(to, name, cJSON_CreateBool(value));
}

static inline void add_string(cJSON *to, const char *name, const char *value) {
        struct bus_text text;

        (void) add(to, name, cJSON_CreateString(bus_text(&text, value)));
}

static inline cJSON *add_array(cJSON *to, const char *name) {
        return add(to, name, cJSON_CreateArray());
}

static inline cJSON *add_object(cJSON *to, const char *name) {
        return add(to, name, cJSON_CreateObject());
}

static inline cJSON *append_object(cJSON *array) {
        cJSON *object = cJSON_CreateObject();

        if (object && !cJSON_AddItemToArray(array, object)) {
                cJSON_Delete(object);
                return NULL;
        }
        return object;
}

/* The section "domains". */
void bus_state_add_domains(struct bus *bus, cJSON *to);

#endif
