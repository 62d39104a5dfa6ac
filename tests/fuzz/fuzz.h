/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What targets share: to say what must hold, and text of exactly its size, so that reading behind it is seen. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void must(bool holds, const char *what) {
        if (holds)
                return;
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
}

/* A copy with a NUL at its end; the caller frees it. */
static inline char *text_of(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1);
        must(text != NULL, "there is memory");
        memcpy(text, data, size);
        text[size] = '\0';
        return text;
}

#endif
