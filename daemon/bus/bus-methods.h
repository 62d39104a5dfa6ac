/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Methods of the Manager: those of bus-wishes.c, and what they share with those of bus-manager.c. */
#ifndef BUS_METHODS_H
#define BUS_METHODS_H

#include "bus-internal.h"

#define BUS_METHOD(name) int name(sd_bus_message *message, void *userdata, sd_bus_error *error)

BUS_METHOD(bus_method_grow);
BUS_METHOD(bus_method_shrink);
BUS_METHOD(bus_method_move);
BUS_METHOD(bus_method_poll);
BUS_METHOD(bus_method_limit);
BUS_METHOD(bus_method_set);
BUS_METHOD(bus_method_why_not);
BUS_METHOD(bus_method_set_wish); /* bus-domain.c */
BUS_METHOD(bus_method_advise);   /* bus-domain.c */

/* bus-jobs.c */
#define BUS_JOB "(tsssiittttttss)"
#define BUS_CELL_MEMORY "(ia(it))"
BUS_METHOD(bus_method_move_memory);
BUS_METHOD(bus_method_move_process_memory);
BUS_METHOD(bus_method_read_memory);
BUS_METHOD(bus_method_get_memory);
BUS_METHOD(bus_method_list_jobs);
BUS_METHOD(bus_method_cancel_job);
void bus_job_changed(struct bus *bus, const struct job *job);

/* Copies a string that came in, if it fits and has no control characters; otherwise sets `error`, in which it is called `what`, and returns
 * its negative errno. */
int bus_take_string(char *to, size_t size, const char *from, const char *what, sd_bus_error *error);
/* 0 or, with `error` set, a negative errno. `id` was checked by bus_take_string(). */
int bus_check_exists(struct bus *bus, enum bus_class class, const char *what, const char *id, sd_bus_error *error);
/* For what anybody may ask and takes a look at the whole host: so much time in each window goes into it at most, on top of one answer. 0: `ret_begin` is for bus_looked(), to be called when
 * the answer is worked out; otherwise, with `error` set, a negative errno: ask again a moment later. */
int bus_may_look(struct bus *bus, uint64_t *ret_begin, sd_bus_error *error);
void bus_looked(struct bus *bus, uint64_t begin);
/* "client:uid=0", of whoever sent the message. 0 or -errno. */
int bus_client_source(sd_bus_message *message, char *ret, size_t size);

#endif
