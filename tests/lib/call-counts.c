/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "call-counts.h"

struct call_counts call_counts;

#define COUNT(what) (call_counts.what += call_counts.counting)

/* The plugins find them, too. */
#pragma GCC visibility push(default)

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER
#endif

#ifdef ADDRESS_SANITIZER
int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void *, size_t), void (*free_hook)(const volatile void *));

static void on_malloc(const volatile void *pointer, size_t size) {
        (void) pointer;
        (void) size;
        COUNT(allocations);
}

static void on_free(const volatile void *pointer) {
        (void) pointer;
        COUNT(frees);
}

void call_counts_begin(void) {
        if (__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) <= 0)
                abort();
}
#else
/* glibc's own names for what is replaced here. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *pointer, size_t size);
void __libc_free(void *pointer);

void *malloc(size_t size) {
        COUNT(allocations);
        return __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
        COUNT(allocations);
        return __libc_calloc(n, size);
}

void *realloc(void *pointer, size_t size) {
        COUNT(allocations);
        return __libc_realloc(pointer, size);
}

void free(void *pointer) {
        if (pointer)
                COUNT(frees);
        __libc_free(pointer);
}

void call_counts_begin(void) {}
#endif

static mode_t mode_of(int flags, va_list arguments) {
        return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

int open(const char *path, int flags, ...) {
        va_list arguments;
        va_start(arguments, flags);
        mode_t mode = mode_of(flags, arguments);
        va_end(arguments);
        COUNT(opens);
        return (int) syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...) {
        va_list arguments;
        va_start(arguments, flags);
        mode_t mode = mode_of(flags, arguments);
        va_end(arguments);
        COUNT(opens);
        return (int) syscall(SYS_openat, directory, path, flags, mode);
}

int close(int fd) {
        COUNT(closes);
        return (int) syscall(SYS_close, fd);
}

int snprintf(char *buffer, size_t size, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        COUNT(formats);
        int n = vsnprintf(buffer, size, format, arguments);
        va_end(arguments);
        return n;
}

#pragma GCC visibility pop
