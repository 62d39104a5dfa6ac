/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One line of the journal: crc32 of the rest in hex, a space, one JSON object, a newline. Every record but `forget` holds the whole
 * state of its entry, so that what is read last is true whatever went missing before it.
 */
#ifndef JOURNAL_RECORD_H
#define JOURNAL_RECORD_H

#include <stddef.h>
#include <sys/types.h>

#include "journal.h"

#define BOOT_ID_MAX 40

enum journal_operation {
        JOURNAL_HEADER,   /* who writes: boot id and pid */
        JOURNAL_ANNOUNCE, /* the entry's state, `new` about to be set */
        JOURNAL_CONFIRM,  /* the entry's state after it was set */
        JOURNAL_CANCEL,   /* the entry's state after it was not set */
        JOURNAL_FORGET,   /* the entry is no more */
        _JOURNAL_OPERATION_MAX,
        _JOURNAL_OPERATION_INVALID = -1,
};

struct journal_record {
        enum journal_operation operation;
        /* JOURNAL_HEADER */
        char boot_id[BOOT_ID_MAX];
        pid_t pid;
        /* all others; owns its values */
        struct journal_entry entry;
};

/* Frees the values of an entry, not the entry. */
void journal_entry_done(struct journal_entry *entry);
void journal_record_done(struct journal_record *record);

/* Parses a line without its newline. 0; -EBADMSG: cut off, damaged or not a record; -ENOMEM. Nothing to free on failure. */
int journal_record_parse(const char *line, size_t length, struct journal_record *ret);
/* The line with its newline, to be freed by the caller; NULL: out of memory. */
char *journal_record_format(const struct journal_record *record, size_t *ret_length);

#endif
