/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strict reading of JSON by cJSON: each value with its place in the document, for messages. For scenario-read.c only. */
#ifndef SIM_SCENARIO_JSON_H
#define SIM_SCENARIO_JSON_H

#include <cjson/cJSON.h>

#include "scenario.h"

#define PLACE_MAX 96
#define USEC_PER_SEC 1000000.0

/* A value and its place in the document, for messages. */
struct place {
        const cJSON *json;
        char path[PLACE_MAX];
};

struct reader {
        char *error;
        size_t size;
        size_t n_queues, n_loads; /* over the whole document, against its bounds */
        const struct scenario *scenario;
};

/* Writes the message "PATH: ..." and returns -EINVAL. */
__attribute__((format(printf, 3, 4))) int json_refuse(struct reader *reader, const char *path, const char *format, ...);
/* False when the object has no such key; ret names the place all the same. */
bool json_member(const struct place *object, const char *key, struct place *ret);
/* The place of an element of an array. */
void json_element(const struct place *array, const cJSON *json, size_t index, struct place *ret);
/* Checks that it is an object whose keys are all among `keys` (NULL-terminated), none twice. */
int json_check(struct reader *reader, const struct place *place, const char *const *keys);
/* Readers of a member: 0, also when it is missing, and then *ret keeps its value; -EINVAL.
 * A number between min and max, times `scale`, rounded to an integer. */
int json_read_number(struct reader *reader, const struct place *object, const char *key, double min, double max, double scale, uint64_t *ret);
int json_read_integer(struct reader *reader, const struct place *object, const char *key, double min, double max, int *ret);
int json_read_unsigned(struct reader *reader, const struct place *object, const char *key, unsigned min, unsigned max, unsigned *ret);
int json_read_seconds(struct reader *reader, const struct place *object, const char *key, uint64_t *ret_usec);
int json_read_bool(struct reader *reader, const struct place *object, const char *key, bool *ret);
/* Names end up in files that are read line by line and in command lines: printable ASCII, no comma. */
int json_read_name(struct reader *reader, const struct place *object, const char *key, char *ret, size_t size);
/* The array's elements are counted, and zeroed room is made for them. A missing key is an empty array. Also -ENOMEM. */
int json_open_array(struct reader *reader, const struct place *object, const char *key, size_t max, size_t size, struct place *ret, void *ret_elements, size_t *ret_n);

#endif
