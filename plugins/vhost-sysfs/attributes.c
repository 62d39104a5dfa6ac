/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "attributes.h"

#define DECIMALS_MAX 20 /* of 2^64 - 1 */
#define ID_DIGITS_MAX 9

_Static_assert(ATTRIBUTE_SLACK >= 8 * STATUS_NAME_WORDS, "a name may be compared across the end of the text");

static inline uint64_t load_word(const char *text) {
        uint64_t word;
        memcpy(&word, text, sizeof word);
        return word;
}

void attribute_buffer_init(struct attribute_buffer *buffer) {
        memset(buffer, 0, sizeof *buffer);
        /* the first line follows a newline like all the others */
        buffer->storage[ATTRIBUTE_SLACK - 1] = '\n';
}

ssize_t attribute_buffer_read(struct attribute_buffer *buffer, int fd) {
        char *text = attribute_text(buffer);
        ssize_t n;

        do
                n = pread(fd, text, ATTRIBUTE_TEXT_SIZE, 0);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if (n == ATTRIBUTE_TEXT_SIZE)
                return -EFBIG;
        text[n] = '\0';
        return n;
}

int status_name_init(struct status_name *ret, const char *name) {
        char padded[8 * STATUS_NAME_WORDS] = "\n", mask[8 * STATUS_NAME_WORDS] = "";
        size_t length = strlen(name);

        if (length == 0 || length + 2 > sizeof padded)
                return -EINVAL;
        /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): compared as words, never as a string */
        memcpy(padded + 1, name, length);
        padded[length + 1] = ':';
        memset(mask, 0xff, length + 2);
        memcpy(ret->words, padded, sizeof padded);
        memcpy(ret->masks, mask, sizeof mask);
        ret->length = (unsigned) length + 2;
        return 0;
}

/* `line` points to the newline before the name. */
static inline bool name_matches(const char *line, const struct status_name *name) {
        _Static_assert(STATUS_NAME_WORDS == 3, "written out, as compilers do not unroll this loop at -O2");
        uint64_t difference = (load_word(line) ^ name->words[0]) & name->masks[0];
        difference |= (load_word(line + 8) ^ name->words[1]) & name->masks[1];
        difference |= (load_word(line + 16) ^ name->words[2]) & name->masks[2];
        return difference == 0;
}

static const uint64_t powers_of_ten[] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000 };

/* Takes up to eight digits; returns how many there were. */
static inline unsigned parse_eight(const char *digits, uint64_t *ret) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        /* A digit is a byte whose upper half is 3 and stays 3 when 6 is added. Source of the three multiplications: pairs of digits, pairs of
         * pairs, pairs of those, each step adding the upper half to the lower one times 10, 100, 10000. */
        uint64_t word = load_word(digits) ^ 0x3030303030303030u;
        uint64_t others = (word | (word + 0x0606060606060606u)) & 0xf0f0f0f0f0f0f0f0u;
        unsigned n = others ? (unsigned) __builtin_ctzll(others) / 8 : 8;
        if (n == 0)
                return 0;
        word <<= 64 - 8 * n;
        word = (word * 10 + (word >> 8)) & 0x00ff00ff00ff00ffu;
        word = (word * 100 + (word >> 16)) & 0x0000ffff0000ffffu;
        word = (word * 10000 + (word >> 32)) & 0x00000000ffffffffu;
        *ret = word;
        return n;
#else
        unsigned n = 0;
        uint64_t value = 0;
        for (; n < 8 && digits[n] >= '0' && digits[n] <= '9'; n++)
                value = value * 10 + (uint64_t) (digits[n] - '0');
        *ret = value;
        return n;
#endif
}

/* Decimal digits up to what is none. Returns how many; 0 when there is none or the value does not fit. */
static inline unsigned parse_digits(const char *text, uint64_t *ret) {
        uint64_t value, part;
        unsigned n = parse_eight(text, &value);

        for (unsigned last = n; last == 8;) {
                last = parse_eight(text + n, &part);
                if (last == 0)
                        break;
                n += last;
                if (n > DECIMALS_MAX)
                        return 0;
                if (__builtin_mul_overflow(value, powers_of_ten[last], &value) || __builtin_add_overflow(value, part, &value))
                        return 0;
        }
        if (n > 0)
                *ret = value;
        return n;
}

/* The newline before the line of `name` in text[from..to), or NULL. */
static const char *find_name(const char *from, const char *to, const struct status_name *name) {
        for (const char *line = from; line < to; line++) {
                line = memchr(line, '\n', (size_t) (to - line));
                if (!line)
                        return NULL;
                if (name_matches(line, name))
                        return line;
        }
        return NULL;
}

uint32_t status_parse(const struct attribute_buffer *buffer, size_t length, const struct status_name *names, unsigned n_names,
                      struct status_memory *memory, uint64_t *values) {
        /* places count from the newline before the first line */
        const char *start = buffer->storage + ATTRIBUTE_SLACK - 1, *end = start + 1 + length;
        const char *cursor = start;
        ptrdiff_t shift = 0; /* by how much this time's lines lie further behind than last time's */
        uint32_t found = 0;

        for (unsigned i = 0; i < n_names; i++) {
                values[i] = 0;
                if (memory->learned && !(memory->known & (1u << i)))
                        continue;
                ptrdiff_t place = memory->offsets[i] + shift;
                if (__builtin_expect(!memory->learned || place < 0 || place > (ptrdiff_t) length || !name_matches(start + place, &names[i]), 0)) {
                        const char *line = find_name(cursor, end, &names[i]);
                        if (!line)
                                line = find_name(start, cursor, &names[i]);
                        if (!line)
                                continue;
                        place = line - start;
                        shift = place - memory->offsets[i];
                }
                memory->offsets[i] = (uint16_t) place;
                const char *digits = start + place + names[i].length;
                unsigned n = digits < end ? parse_digits(digits, &values[i]) : 0;
                /* what lies behind the end is of an earlier, longer text */
                if (n == 0 || digits + n > end || (digits + n < end && digits[n] != '\n'))
                        continue;
                cursor = digits + n;
                found |= 1u << i;
        }
        if (!memory->learned) {
                memory->known = found;
                memory->learned = true;
        }
        return found;
}

int attribute_parse_unsigned(const char *text, size_t length, uint64_t *ret) {
        uint64_t value = 0;

        if (length > 0 && text[length - 1] == '\n')
                length--;
        if (length == 0)
                return -EINVAL;
        for (size_t i = 0; i < length; i++) {
                if (text[i] < '0' || text[i] > '9')
                        return -EINVAL;
                if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, (uint64_t) (text[i] - '0'), &value))
                        return -ERANGE;
        }
        *ret = value;
        return 0;
}

int attribute_parse_int(const char *text, size_t length, int *ret) {
        bool negative = length > 0 && text[0] == '-';
        uint64_t value;

        int r = attribute_parse_unsigned(text + negative, length - negative, &value);
        if (r < 0)
                return r;
        if (value > INT_MAX)
                return -ERANGE;
        *ret = negative ? -(int) value : (int) value;
        return 0;
}

int attribute_parse_bool(const char *text, size_t length, bool *ret) {
        if (length == 2 && text[1] == '\n')
                length--;
        if (length != 1 || !text[0] || !strchr("01NY", text[0]))
                return -EINVAL;
        *ret = text[0] == '1' || text[0] == 'Y';
        return 0;
}

/* Takes "." NUMBER off the front; returns what is left or NULL. */
static const char *id_number(const char *text, const char *end, uint32_t *ret) {
        uint32_t value = 0;
        const char *c = text + 1;

        if (text >= end || *text != '.' || c >= end || (*c == '0' && c + 1 < end && c[1] != '.'))
                return NULL;
        for (; c < end && *c >= '0' && *c <= '9'; c++) {
                if (c - text > ID_DIGITS_MAX)
                        return NULL;
                value = value * 10 + (uint32_t) (*c - '0');
        }
        if (c == text + 1)
                return NULL;
        *ret = value;
        return c;
}

static int single_id_parse(char prefix, const char *text, size_t length, uint32_t *ret_number) {
        uint32_t number;

        if (length < 3 || text[0] != prefix || id_number(text + 1, text + length, &number) != text + length)
                return -EINVAL;
        *ret_number = number;
        return 0;
}

int worker_id_parse(const char *text, size_t length, uint32_t *ret_number) {
        return single_id_parse('w', text, length, ret_number);
}

int device_id_parse(const char *text, size_t length, uint32_t *ret_number) {
        return single_id_parse('d', text, length, ret_number);
}

int queue_id_parse(const char *text, size_t length, uint32_t *ret_device, uint32_t *ret_index) {
        uint32_t device, queue;

        if (length < 6 || text[0] != 'v' || text[1] != 'q')
                return -EINVAL;
        const char *rest = id_number(text + 2, text + length, &device);
        if (!rest || id_number(rest, text + length, &queue) != text + length)
                return -EINVAL;
        *ret_device = device;
        *ret_index = queue;
        return 0;
}

const char *list_next(const char *text, size_t length, size_t *position, size_t *ret_length) {
        size_t start = *position;

        while (start < length && (text[start] == '\t' || text[start] == '\n'))
                start++;
        size_t end = start;
        while (end < length && text[end] != '\t' && text[end] != '\n')
                end++;
        *position = end;
        if (end == start)
                return NULL;
        *ret_length = end - start;
        return text + start;
}
