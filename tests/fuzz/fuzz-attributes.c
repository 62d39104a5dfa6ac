/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parsers of the vhost control interface, of owners and of /proc/stat. A text is parsed as each of the files that it might be; the status parser sees it twice,
 * the second time cut short and with what it remembers of the first.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/common/owner.h"
#include "plugins/cpu/stat.h"
#include "plugins/vhost-sysfs/vhost-sysfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)           \
        do {                       \
                if (!(condition))  \
                        abort();   \
        } while (0)

/* What status_parse() found has to be what the line says. */
static void check_status(struct attribute_buffer *buffer, size_t length, const struct status_name *names, struct status_memory *memory) {
        uint64_t values[_QUEUE_ATTRIBUTE_MAX];
        const char *text = attribute_text(buffer);

        uint32_t found = status_parse(buffer, length, names, _QUEUE_ATTRIBUTE_MAX, memory, values);
        CHECK((found & ~memory->known) == 0);
        for (unsigned i = 0; i < _QUEUE_ATTRIBUTE_MAX; i++) {
                if (!(found & 1u << i)) {
                        CHECK(values[i] == 0 || memory->known & 1u << i || memory->learned);
                        continue;
                }
                size_t name_length = names[i].length - 2, place = memory->offsets[i];
                CHECK(place + name_length + 1 < length);
                CHECK(memcmp(text + place, queue_attribute_names[i], name_length) == 0 && text[place + name_length] == ':');
                const char *value = text + place + name_length + 1, *end = memchr(value, '\n', (size_t) (text + length - value));
                uint64_t expected;
                CHECK(attribute_parse_unsigned(value, (size_t) ((end ? end : text + length) - value), &expected) == 0);
                CHECK(expected == values[i]);
        }
}

static void fuzz_status(const char *data, size_t size) {
        static struct attribute_buffer buffer;
        struct status_name names[_QUEUE_ATTRIBUTE_MAX];
        struct status_memory memory = { 0 };

        if (size > ATTRIBUTE_SIZE_MAX)
                return;
        attribute_buffer_init(&buffer);
        for (int i = 0; i < _QUEUE_ATTRIBUTE_MAX; i++)
                CHECK(status_name_init(&names[i], queue_attribute_names[i]) == 0);
        char *text = attribute_text(&buffer);
        memcpy(text, data, size);
        check_status(&buffer, size, names, &memory);
        size_t cut = size ? (unsigned char) data[0] % size : 0;
        memmove(text, data + cut, size - cut);
        text[size - cut] = '\0';
        check_status(&buffer, size - cut, names, &memory);
}

static void fuzz_single_values(const char *data, size_t size) {
        uint32_t number, index;
        uint64_t value;
        size_t position = 0, length;
        const char *element;
        int integer;
        bool flag;

        (void) attribute_parse_unsigned(data, size, &value);
        (void) attribute_parse_int(data, size, &integer);
        (void) attribute_parse_bool(data, size, &flag);
        while ((element = list_next(data, size, &position, &length))) {
                CHECK(length > 0 && element >= data && element + length <= data + size);
                char id[IOCORE_ID_MAX];
                /* one spelling for each number: what parses is what would be printed */
                if (worker_id_parse(element, length, &number) == 0)
                        CHECK((size_t) snprintf(id, sizeof id, "w.%" PRIu32, number) == length && memcmp(id, element, length) == 0);
                if (device_id_parse(element, length, &number) == 0)
                        CHECK((size_t) snprintf(id, sizeof id, "d.%" PRIu32, number) == length && memcmp(id, element, length) == 0);
                if (queue_id_parse(element, length, &number, &index) == 0)
                        CHECK((size_t) snprintf(id, sizeof id, "vq.%" PRIu32 ".%" PRIu32, number, index) == length && memcmp(id, element, length) == 0);
        }
}

static int cpu_node(void *userdata, int cpu) {
        (void) userdata;
        CHECK(cpu >= 0 && cpu < 64);
        return cpu / 32;
}

static void fuzz_proc(const char *data, size_t size) {
        char name[IOCORE_NAME_MAX], *text = malloc(size + 1);
        struct cpu_times times;
        size_t position = 0, before;
        int r;

        CHECK(text);
        memcpy(text, data, size);
        text[size] = '\0';
        int node = owner_parse_node(text, 64, cpu_node, NULL);
        CHECK(node >= IOCORE_NODE_UNKNOWN);
        bool found = owner_parse_cgroup(text, name) == 0;
        CHECK(found == (name[0] != '\0') && strnlen(name, sizeof name) < sizeof name);
        for (const char *c = name; *c; c++)
                CHECK(*c > 0x20 && *c < 0x7f);
        if (owner_parse_name(data, size, name) == 0)
                CHECK(strnlen(name, sizeof name) > 0 && strnlen(name, sizeof name) < sizeof name);
        free(text);
        do {
                before = position;
                r = cpu_stat_next(data, size, &position, &times);
                CHECK(position <= size && (r == 0 || r == -EAGAIN || position > before));
                CHECK(r != 1 || times.busy <= times.total);
        } while (r != 0 && r != -EAGAIN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        /* an allocation of just that size, so that reading behind it is seen */
        char *exact = malloc(size ? size : 1);
        CHECK(exact);
        memcpy(exact, data, size);
        fuzz_status(exact, size);
        fuzz_single_values(exact, size);
        fuzz_proc(exact, size);
        free(exact);
        return 0;
}
