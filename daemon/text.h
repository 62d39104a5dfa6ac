/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text that comes from outside (names of guests and of network interfaces, what policies say), and text that is kept. */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>

/* Copies text: cut at a character's end, control characters and what is not UTF-8 replaced by '?'. `size` counts the terminating NUL. */
void text_copy(char *destination, size_t size, const char *source, size_t length);

/* Puts a copy of `value` (NULL: none) in the place of *string, which is freed. 0; -ENOMEM: *string is as it was. */
int text_replace(char **string, const char *value);

#endif
