/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ids.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Digits without leading zeros; *end points behind them. */
static bool parse_number(const char *string, const char **end, unsigned *ret) {
        unsigned long value;
        char *stop;

        if (*string < '0' || *string > '9' || (string[0] == '0' && string[1] >= '0' && string[1] <= '9'))
                return false;
        errno = 0;
        value = strtoul(string, &stop, 10);
        if (errno != 0 || value > UINT_MAX)
                return false;
        *end = stop;
        *ret = (unsigned) value;
        return true;
}

bool id_parse(const char *string, const char *prefix, unsigned *ret) {
        size_t length = strlen(prefix);
        unsigned number = 0;
        const char *end = NULL;

        if (strncmp(string, prefix, length) != 0 || string[length] != '.')
                return false;
        if (!parse_number(string + length + 1, &end, &number) || *end != '\0' || number == 0)
                return false;
        *ret = number;
        return true;
}

bool id_parse_queue(const char *string, unsigned *ret_device, unsigned *ret_index) {
        unsigned device = 0, index = 0;
        const char *end = NULL;

        if (strncmp(string, "vq.", 3) != 0 || !parse_number(string + 3, &end, &device) || *end != '.' || device == 0)
                return false;
        if (!parse_number(end + 1, &end, &index) || *end != '\0')
                return false;
        *ret_device = device;
        *ret_index = index;
        return true;
}

bool number_parse(const char *string, long long *ret) {
        const char *digits = *string == '-' ? string + 1 : string;
        long long value;
        char *end;

        if (*digits < '0' || *digits > '9')
                return false;
        errno = 0;
        value = strtoll(string, &end, 10);
        if (errno != 0 || *end != '\0')
                return false;
        *ret = value;
        return true;
}
