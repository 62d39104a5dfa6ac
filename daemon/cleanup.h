/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cleanup attributes: _cleanup_(host_freep) struct host *host = NULL; */
#ifndef CLEANUP_H
#define CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void freep(void *p) {
        free(*(void **) p);
}
static inline void closep(int *fd) {
        if (*fd >= 0)
                close(*fd);
}
static inline void fclosep(FILE **file) {
        if (*file)
                fclose(*file);
}
static inline void closedirp(DIR **directory) {
        if (*directory)
                closedir(*directory);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_fclose_ _cleanup_(fclosep)
#define _cleanup_closedir_ _cleanup_(closedirp)

/* Hands ownership on: the variable is left empty. */
#define TAKE_PTR(p) ({ __typeof__(p) *_take = &(p); __typeof__(p) _taken = *_take; *_take = NULL; _taken; })
#define TAKE_FD(fd) ({ int *_take = &(fd); int _taken = *_take; *_take = -1; _taken; })
#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))

#endif
