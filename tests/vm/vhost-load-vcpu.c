/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "vhost-load.h"

enum { PERIOD_NSEC = 40000000 };

struct vcpu {
        struct load *load;
        unsigned index;
};

static uint64_t cpu_nsec(void) {
        struct timespec now;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

/* Its share of each period it computes, the rest it is halted. Time that it did not get is not made up for. */
static void *burn(void *userdata) {
        struct vcpu vcpu = *(struct vcpu *) userdata;
        struct load *load = vcpu.load;
        char name[16];

        free(userdata);
        snprintf(name, sizeof name, "CPU %u/KVM", vcpu.index);
        (void) prctl(PR_SET_NAME, name);
        printf("vcpu %d %u\n", (int) gettid(), vcpu.index);
        while (!atomic_load(&load->stop)) {
                double share = atomic_load(&load->vcpu_share);
                uint64_t end = cpu_nsec() + (uint64_t) (share * PERIOD_NSEC);
                while (cpu_nsec() < end && !atomic_load(&load->stop))
                        ;
                if (share < 1)
                        nanosleep(&(struct timespec) { .tv_nsec = (long) ((1 - share) * PERIOD_NSEC) }, NULL);
        }
        return NULL;
}

int vcpus_start(struct load *load) {
        for (unsigned i = 0; i < load->n_vcpus; i++) {
                struct vcpu *vcpu = malloc(sizeof *vcpu);
                if (!vcpu)
                        return fail("malloc");
                *vcpu = (struct vcpu) { .load = load, .index = i };
                int error = pthread_create(&load->vcpus[i], NULL, burn, vcpu);
                if (error > 0) {
                        free(vcpu);
                        load->n_vcpus = i;
                        errno = error;
                        return fail("pthread_create");
                }
        }
        return 0;
}
