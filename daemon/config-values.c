/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <hwloc.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "config-values.h"
#include "config.h"
#include "daemon/host/cpu-list.h"

#define WHITESPACE " \t"

static_assert(sizeof(enum mode) == sizeof(int) && sizeof(enum share_within) == sizeof(int) && sizeof(enum foreign_policy) == sizeof(int),
              "config_type_name writes an int");

struct suffix {
        const char *name;
        double factor;
};

__attribute__((format(printf, 3, 4))) static int invalid(char *ret_why, size_t size, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(ret_why, size, format, arguments);
        va_end(arguments);
        return -EINVAL;
}

/* A plain decimal number of at least 0, then a suffix out of `suffixes` (ended by a NULL name) or none. 0, -EINVAL, -ERANGE. */
static int parse_scaled(const char *value, const struct suffix *suffixes, double *ret) {
        size_t digits = strspn(value, "0123456789."); /* no sign, no exponent, no "inf" */
        char *end;
        if (digits == 0 || digits > 30)
                return -EINVAL;
        errno = 0;
        double number = strtod(value, &end);
        if (end != value + digits)
                return -EINVAL;
        end += strspn(end, WHITESPACE);
        for (; suffixes->name; suffixes++)
                if (strcmp(end, suffixes->name) == 0) {
                        number *= suffixes->factor;
                        /* beyond 2^53 a double is no longer exact, and nothing here needs so much */
                        if (errno == ERANGE || number > 9007199254740992.0)
                                return -ERANGE;
                        *ret = number;
                        return 0;
                }
        return -EINVAL;
}

static const struct suffix time_suffixes[] = {
        { "us", 1 }, { "ms", 1e3 }, { "s", 1e6 }, { "", 1e6 }, { "min", 60e6 }, { "h", 3600e6 }, { NULL, 0 },
};
static const struct suffix size_suffixes[] = {
        { "", 1 }, { "K", 1024 }, { "M", 1024.0 * 1024 }, { "G", 1024.0 * 1024 * 1024 }, { NULL, 0 },
};
static const struct suffix no_suffixes[] = { { "", 1 }, { NULL, 0 } };

int parse_duration(const char *string, uint64_t *ret_usec) {
        double usec;
        int r = parse_scaled(string, time_suffixes, &usec);
        if (r == 0)
                *ret_usec = (uint64_t) llround(usec);
        return r;
}

static void format_duration(double usec, char *buffer, size_t size) {
        const struct suffix *unit = &time_suffixes[0];
        for (const struct suffix *s = time_suffixes; s->name; s++)
                if (*s->name && usec >= s->factor)
                        unit = s;
        snprintf(buffer, size, "%g%s", usec / unit->factor, usec > 0 ? unit->name : "s");
}

static int duration_parse(void *field, const char *value, const struct config_range *range, const char *const *names, char *ret_why, size_t size) {
        (void) names;
        uint64_t usec = 0;
        char minimum[32], maximum[32];
        int r = parse_duration(value, &usec);
        if (r == -EINVAL)
                return invalid(ret_why, size, "\"%s\" is not a time; write a number and us, ms, s, min or h (\"100ms\")", value);
        if (r < 0 || (double) usec < range->minimum || (double) usec > range->maximum) {
                format_duration(range->minimum, minimum, sizeof minimum);
                format_duration(range->maximum, maximum, sizeof maximum);
                return invalid(ret_why, size, "%s is not within %s and %s", value, minimum, maximum);
        }
        *(uint64_t *) field = usec;
        return 0;
}

/* A number within the range, whole if asked. */
static int number_within(const char *value, const struct suffix *suffixes, const struct config_range *range, bool whole, double *ret, char *ret_why,
                         size_t size) {
        double number;
        int r = parse_scaled(value, suffixes, &number);
        if (r == -EINVAL || (r == 0 && whole && number != floor(number)))
                return invalid(ret_why, size, "\"%s\" is not a %snumber%s", value, whole ? "whole " : "",
                               suffixes == size_suffixes ? " of bytes (K, M or G may follow)" : "");
        if (r < 0 || number < range->minimum || number > range->maximum)
                return invalid(ret_why, size, "%s is not within %.10g and %.10g", value, range->minimum, range->maximum);
        *ret = number;
        return 0;
}

static int unsigned_parse(void *field, const char *value, const struct config_range *range, const char *const *names, char *ret_why, size_t size) {
        (void) names;
        double number = 0;
        int r = number_within(value, no_suffixes, range, true, &number, ret_why, size);
        if (r == 0)
                *(unsigned *) field = (unsigned) number;
        return r;
}

static int count_parse(void *field, const char *value, const struct config_range *range, const char *const *names, char *ret_why, size_t size) {
        (void) names;
        double number = 0;
        int r = number_within(value, no_suffixes, range, true, &number, ret_why, size);
        if (r == 0)
                *(size_t *) field = (size_t) number;
        return r;
}

static int size_parse(void *field, const char *value, const struct config_range *range, const char *const *names, char *ret_why, size_t size) {
        (void) names;
        double number = 0;
        int r = number_within(value, size_suffixes, range, true, &number, ret_why, size);
        if (r == 0)
                *(size_t *) field = (size_t) number;
        return r;
}

static int number_parse(void *field, const char *value, const struct config_range *range, const char *const *names, char *ret_why, size_t size) {
        (void) names;
        return number_within(value, no_suffixes, range, false, field, ret_why, size);
}

static int boolean_parse(void *field, const char *value, const struct config_range *range, const char *const *names, char *ret_why, size_t size) {
        (void) range, (void) names;
        static const char *const yes[] = { "yes", "true", "on", "1" }, *const no[] = { "no", "false", "off", "0" };
        for (size_t i = 0; i < ELEMENTSOF(yes); i++) {
                if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
                        *(bool *) field = strcmp(value, yes[i]) == 0;
                        return 0;
                }
        }
        return invalid(ret_why, size, "\"%s\" is neither yes nor no", value);
}

static int name_parse(void *field, const char *value, const struct config_range *range, const char *const *names, char *ret_why, size_t size) {
        (void) range;
        char all[CONFIG_WHY_MAX / 2] = "";
        for (int i = 0; names[i]; i++) {
                if (strcmp(value, names[i]) == 0) {
                        *(int *) field = i;
                        return 0;
                }
                size_t length = strlen(all);
                snprintf(all + length, sizeof all - length, "%s%s", i > 0 ? ", " : "", names[i]);
        }
        return invalid(ret_why, size, "\"%s\" is none of %s", value, all);
}

static void string_clear(void *field) {
        free(*(char **) field);
        *(char **) field = NULL;
}

static int string_parse(void *field, const char *value, const struct config_range *range, const char *const *names, char *ret_why, size_t size) {
        (void) range, (void) names, (void) ret_why, (void) size;
        char *copy = NULL;
        if (*value && !(copy = strdup(value)))
                return -ENOMEM;
        string_clear(field);
        *(char **) field = copy;
        return 0;
}

static int path_parse(void *field, const char *value, const struct config_range *range, const char *const *names, char *ret_why, size_t size) {
        if (value[0] != '/')
                return invalid(ret_why, size, "\"%s\" is not an absolute path", value);
        return string_parse(field, value, range, names, ret_why, size);
}

static int bus_parse(void *field, const char *value, const struct config_range *range, const char *const *names, char *ret_why, size_t size) {
        const char *colon = strchr(value, ':');
        bool address = colon && colon != value && strchr(colon, '=');
        if (!address && strcmp(value, "system") != 0 && strcmp(value, "user") != 0 && strcmp(value, "none") != 0)
                return invalid(ret_why, size, "\"%s\" is none of system, user, none, or a D-Bus address", value);
        return string_parse(field, value, range, names, ret_why, size);
}

static void words_clear(void *field) {
        char **words = *(char ***) field;
        for (size_t i = 0; words && words[i]; i++)
                free(words[i]);
        free(words);
        *(char ***) field = NULL;
}

static void words_freep(char ***words) {
        words_clear(words);
}

/* The words of `value` behind those of `before`, all copied. */
static int words_join(char *const *before, const char *value, char ***ret) {
        size_t n = 0, n_before = 0;
        while (before && before[n_before])
                n_before++;
        /* each word takes at least one byte and a blank */
        _cleanup_(words_freep) char **words = calloc(n_before + strlen(value) / 2 + 2, sizeof *words);
        if (!words)
                return -ENOMEM;
        for (; n < n_before; n++)
                if (!(words[n] = strdup(before[n])))
                        return -ENOMEM;
        for (const char *p = value + strspn(value, WHITESPACE); *p; p += strspn(p, WHITESPACE)) {
                size_t length = strcspn(p, WHITESPACE);
                if (!(words[n++] = strndup(p, length)))
                        return -ENOMEM;
                p += length;
        }
        *ret = n > 0 ? TAKE_PTR(words) : NULL;
        return 0;
}

static int words_parse(void *field, const char *value, const struct config_range *range, const char *const *names, char *ret_why, size_t size) {
        (void) range, (void) names, (void) ret_why, (void) size;
        char **words;
        int r = words_join(*(char ***) field, value, &words);
        if (r < 0)
                return r;
        words_clear(field);
        *(char ***) field = words;
        return 0;
}

static int paths_parse(void *field, const char *value, const struct config_range *range, const char *const *names, char *ret_why, size_t size) {
        for (const char *p = value + strspn(value, WHITESPACE); *p; p += strspn(p, WHITESPACE)) {
                size_t length = strcspn(p, WHITESPACE);
                if (*p != '/')
                        return invalid(ret_why, size, "\"%.*s\" is not an absolute path", (int) length, p);
                p += length;
        }
        return words_parse(field, value, range, names, ret_why, size);
}

static int cpus_or_why(const char *value, hwloc_bitmap_t *ret, char *ret_why, size_t size) {
        int r = cpu_list_parse(value, ret);
        if (r == -EINVAL)
                return invalid(ret_why, size, "\"%s\" is not a CPU list; write numbers and ranges with commas (\"0-3,8\")", value);
        if (r == -ERANGE)
                return invalid(ret_why, size, "\"%s\": a CPU number is too large or a range runs backwards", value);
        return r;
}

static void cpus_clear(void *field) {
        hwloc_bitmap_free(*(hwloc_bitmap_t *) field);
        *(hwloc_bitmap_t *) field = NULL;
}

static int cpus_parse(void *field, const char *value, const struct config_range *range, const char *const *names, char *ret_why, size_t size) {
        (void) range, (void) names;
        hwloc_bitmap_t *set = field, cpus;
        int r = cpus_or_why(value, &cpus, ret_why, size);
        if (r < 0)
                return r;
        if (*set && hwloc_bitmap_or(cpus, cpus, *set) < 0) {
                hwloc_bitmap_free(cpus);
                return -ENOMEM;
        }
        cpus_clear(field);
        *set = cpus;
        return 0;
}

static int cpu_list_text_parse(void *field, const char *value, const struct config_range *range, const char *const *names, char *ret_why, size_t size) {
        (void) range, (void) names;
        char **text = field, *joined = NULL;
        hwloc_bitmap_t cpus;
        int r = cpus_or_why(value, &cpus, ret_why, size);
        if (r < 0)
                return r;
        hwloc_bitmap_free(cpus);
        if (*value && asprintf(&joined, "%s%s%s", *text ? *text : "", *text ? "," : "", value) < 0)
                return -ENOMEM;
        if (joined) {
                free(*text);
                *text = joined;
        }
        return 0;
}

const struct config_type config_type_duration = { .parse = duration_parse };
const struct config_type config_type_unsigned = { .parse = unsigned_parse };
const struct config_type config_type_size = { .parse = size_parse };
const struct config_type config_type_count = { .parse = count_parse };
const struct config_type config_type_number = { .parse = number_parse };
const struct config_type config_type_boolean = { .parse = boolean_parse };
const struct config_type config_type_name = { .parse = name_parse };
const struct config_type config_type_string = { .parse = string_parse, .clear = string_clear };
const struct config_type config_type_path = { .parse = path_parse, .clear = string_clear };
const struct config_type config_type_bus = { .parse = bus_parse, .clear = string_clear };
const struct config_type config_type_words = { .parse = words_parse, .clear = words_clear, .is_list = true };
const struct config_type config_type_paths = { .parse = paths_parse, .clear = words_clear, .is_list = true };
const struct config_type config_type_cpus = { .parse = cpus_parse, .clear = cpus_clear, .is_list = true };
const struct config_type config_type_cpu_list = { .parse = cpu_list_text_parse, .clear = string_clear, .is_list = true };
