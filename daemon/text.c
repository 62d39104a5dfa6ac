/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* Length of the valid UTF-8 character at `text`, 0 when it is none (RFC 3629, section 4). */
static size_t utf8_length(const unsigned char *text, size_t left) {
        size_t length = text[0] < 0x80 ? 1 : text[0] >= 0xc2 && text[0] <= 0xdf ? 2 : (text[0] & 0xf0) == 0xe0 ? 3 : text[0] >= 0xf0 && text[0] <= 0xf4 ? 4 : 0;

        if (length == 0 || length > left)
                return 0;
        for (size_t i = 1; i < length; i++)
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
        if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) || (text[0] == 0xf0 && text[1] < 0x90) ||
            (text[0] == 0xf4 && text[1] > 0x8f))
                return 0;
        return length;
}

void text_copy(char *destination, size_t size, const char *source, size_t length) {
        size_t used = 0;

        for (size_t i = 0; i < length;) {
                const unsigned char *text = (const unsigned char *) source + i;
                size_t step = utf8_length(text, length - i);

                if (used + (step ? step : 1) >= size)
                        break;
                if (step == 0 || text[0] < 0x20 || text[0] == 0x7f || (text[0] == 0xc2 && text[1] < 0xa0)) {
                        destination[used++] = '?';
                        i += step ? step : 1;
                } else {
                        memcpy(destination + used, text, step);
                        used += step;
                        i += step;
                }
        }
        destination[used] = '\0';
}

int text_replace(char **string, const char *value) {
        char *copy = value ? strdup(value) : NULL;
        if (value && !copy)
                return -ENOMEM;
        free(*string);
        *string = copy;
        return 0;
}
