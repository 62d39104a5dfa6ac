/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The checks in the order in which they are shown. */
#include "doctor.h"

const struct doctor_check doctor_checks[] = {
        {"kernel", "the kernel's release", doctor_check_kernel},
        {"vhost", "devices and modules of vhost", doctor_check_vhost},
        {"control-interface", "the vhost control interface of ELVIS and IOcm kernels", doctor_check_control_interface},
        {"workers", "vhost workers, and their shape", doctor_check_workers},
        {"connector", "the kernel's process connector", doctor_check_connector},
        {"rights", "capabilities of this process", doctor_check_rights},
        {"proc", "all processes can be seen in /proc", doctor_check_proc},
        {"cpuset", "cgroups with cpusets", doctor_check_cpuset},
        {"systemd", "systemd runs", doctor_check_systemd},
        {"smt", "several CPUs in a physical core", doctor_check_smt},
        {"numa", "several NUMA nodes", doctor_check_numa},
        {"isolated-cpus", "CPUs that the administrator has isolated", doctor_check_isolated},
        {"posted-interrupts", "guests take interrupts without an exit", doctor_check_posted_interrupts},
        {"halt-polling", "vCPUs poll before they halt", doctor_check_halt_polling},
        {"ksm", "equal pages of guests are merged", doctor_check_ksm},
        {"irqbalance", "irqbalance moves interrupts", doctor_check_irqbalance},
        {0},
};
