/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text that comes from outside: names of guests and of network interfaces, what policies say. */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>

/* Copies text: cut at a character's end, control characters and what is not UTF-8 replaced by '?'. `size` counts the terminating NUL. */
void text_copy(char *destination, size_t size, const char *source, size_t length);

#endif
