/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parsers of the control interface's attribute files: pure functions over buffers.
 *
 * status_parse() runs for each busy queue in each epoch, in about the time that a third of its pread takes. It remembers for each object where each
 * attribute was found last time, looks there first, and reads names and digits eight bytes at a time. That is why a text that it is given lies in a
 * struct attribute_buffer, which may be read some bytes before and behind the text.
 */
#ifndef ATTRIBUTES_H
#define ATTRIBUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* sysfs shows at most one page of an attribute. A file that fills more is not one of the interface's. */
#define ATTRIBUTE_SIZE_MAX 4096
#define ATTRIBUTE_SLACK 32
/* "\n" NAME ":" as it stands in a status file, in whole words. The longest that is looked for is "poll_pending_cycles". */
#define STATUS_NAME_WORDS 3
#define STATUS_FIELDS_MAX 16
#define DEVICE_QUEUES_MAX 1024

/* The text, with one byte more than a page to notice what is too long, and slack on both sides. */
struct attribute_buffer {
        char storage[ATTRIBUTE_SLACK + ATTRIBUTE_SIZE_MAX + 1 + ATTRIBUTE_SLACK];
};
#define ATTRIBUTE_TEXT_SIZE (ATTRIBUTE_SIZE_MAX + 1)

static inline char *attribute_text(struct attribute_buffer *buffer) { return buffer->storage + ATTRIBUTE_SLACK; }

/* Makes the slack harmless; once. */
void attribute_buffer_init(struct attribute_buffer *buffer);
/* One pread of the text. Returns its length; -EFBIG: more than a page; another -errno. Allocates nothing. */
ssize_t attribute_buffer_read(struct attribute_buffer *buffer, int fd);

/* An attribute that is looked for in status files, made ready for comparing by words. */
struct status_name {
        uint64_t words[STATUS_NAME_WORDS], masks[STATUS_NAME_WORDS];
        unsigned length; /* with newline and colon */
};
/* -EINVAL: the name is empty or too long. */
int status_name_init(struct status_name *ret, const char *name);

/* Where an object's attributes were found in its status file. Zero-initialised: nothing is known yet. */
struct status_memory {
        uint16_t offsets[STATUS_FIELDS_MAX];
        uint32_t known; /* bit i: the object has names[i] */
        bool learned;
};

/*
 * Reads the unsigned values of the attributes that the object is known to have. The first call learns which ones it has: those that are there with a valid
 * value. The other values become 0. Returns the mask of the values that were read; a bit of memory->known that is missing in it: the attribute vanished or its value is malformed.
 */
uint32_t status_parse(const struct attribute_buffer *buffer, size_t length, const struct status_name *names, unsigned n_names,
                      struct status_memory *memory, uint64_t *values);
/* Makes the next status_parse() learn anew. */
static inline void status_memory_forget(struct status_memory *memory) { *memory = (struct status_memory) { 0 }; }

/* A whole single-value file: decimal digits, one newline at most. 0; -EINVAL; -ERANGE. */
int attribute_parse_unsigned(const char *text, size_t length, uint64_t *ret);
/* The same with a sign: cpu, owner. */
int attribute_parse_int(const char *text, size_t length, int *ret);
/* "0" or "1" (also "N" / "Y" as module parameters have it). */
int attribute_parse_bool(const char *text, size_t length, bool *ret);

/* Ids: "w.3", "d.4", "vq.4.1". Numbers have no leading zero and fit 9 digits. 0 or -EINVAL. `text` need not end with a NUL. */
int worker_id_parse(const char *text, size_t length, uint32_t *ret_number);
int device_id_parse(const char *text, size_t length, uint32_t *ret_number);
int queue_id_parse(const char *text, size_t length, uint32_t *ret_device, uint32_t *ret_index);

/* Walks the elements of a TAB separated list that ends with a newline. *position starts at 0. Returns the next element's start and its length, NULL at the
 * end. Empty elements are passed over. */
const char *list_next(const char *text, size_t length, size_t *position, size_t *ret_length);

#endif
