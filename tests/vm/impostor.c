/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process and a thread of it that call themselves as vhost workers are called.
 *
 *     impostor NAME
 *
 * Prints "PROCESS THREAD", their ids, and stays until a signal ends it.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void take_name(const char *name) {
        if (prctl(PR_SET_NAME, name) < 0)
                perror("impostor: PR_SET_NAME");
}

static void *impersonate(void *name) {
        take_name(name);
        printf("%d %d\n", (int) getpid(), (int) gettid());
        fflush(stdout);
        for (;;)
                pause();
        return NULL;
}

int main(int argc, char *argv[]) {
        pthread_t thread;

        if (argc != 2) {
                fprintf(stderr, "usage: impostor NAME\n");
                return 2;
        }
        take_name(argv[1]);
        int error = pthread_create(&thread, NULL, impersonate, argv[1]);
        if (error) {
                fprintf(stderr, "impostor: pthread_create: %s\n", strerror(error));
                return 1;
        }
        for (;;)
                pause();
}
