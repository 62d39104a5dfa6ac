/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal: before a knob is first set its old value is written here, so that everything can be put back by whoever comes after.
 * One writer (a lock on the file); checksummed records; a record that was cut off by a crash is ignored.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "plugins/iocore-plugin.h"

enum journal_kind {
        JOURNAL_KNOB,        /* knob `knob` of `object` */
        JOURNAL_CORE_ADD,    /* I/O core `object` (a CPU number) is being made; old_value: ids of the workers that existed before */
        JOURNAL_CORE_REMOVE, /* I/O core `object`, worker old_value, made by iocored, is being removed by iocored */
};

/* What is known of one thing that iocored has changed. */
struct journal_entry {
        enum journal_kind kind;
        char plugin[IOCORE_ID_MAX];
        char knob[IOCORE_ID_MAX * 2];
        char object[IOCORE_NAME_MAX];
        uint64_t incarnation;
        char source[64];      /* who asked last */
        uint64_t sequence;    /* order of first change */
        char *old_value;      /* before iocored ever set it */
        char *set_value;      /* what iocored last set (read back); NULL: the first set never was confirmed */
        char *pending_value;  /* announced, not confirmed; NULL when none */
};

struct journal;

/* Opens or creates `path` (mode 0600; its directory too, 0755, when only that is missing) and takes the lock. -EBUSY: another daemon holds it
 * (*ret_pid: its pid, 0 unknown); -ELOOP: a symbolic link; -EPERM: not a regular file, or others could have written it; -EFBIG: larger than any journal; -errno.
 * What an earlier daemon of this boot left is read; see journal_n_entries(); what an earlier boot left means nothing any more and is dropped with a notice.
 * Broken records are skipped and counted in *ret_broken; a last line that was cut off is how a crash looks and is not counted. */
int journal_open(struct journal **ret, const char *path, pid_t *ret_pid, unsigned *ret_broken);
struct journal *journal_close(struct journal *journal); /* keeps the file */
static inline void journal_closep(struct journal **journal) { journal_close(*journal); }

/* Announces a change before it is made: written (write(2) done: it survives the daemon, not the host, whose knobs do not survive it either) when this
 * returns 0. Of `entry` kind, plugin, knob, object, incarnation and source are read. A second announcement for the same thing keeps the first old_value, unless the
 * thing has another incarnation. 0 or -errno: nothing was announced. */
int journal_announce(struct journal *journal, const struct journal_entry *entry, const char *old_value, const char *new_value);
/* The announced change was made; `value` is what was really set. 0; -ENOENT: never announced; -errno: known from now on, but
 * not written: the next record that can be written brings the file up to date. */
int journal_confirm(struct journal *journal, enum journal_kind kind, const char *plugin, const char *knob, const char *object, const char *value);
/* The announced change was not made: what was pending is dropped and `source` (NULL: leave it) is who asked last again. An entry that was never confirmed
 * is forgotten. 0; -ENOENT: no such entry; -errno as above. */
int journal_cancel(struct journal *journal, enum journal_kind kind, const char *plugin, const char *knob, const char *object, const char *source);
/* The thing is as it was (or gone): forgotten. The file is emptied when nothing is left. 0 (also when there is no such entry); -errno as above. */
int journal_forget(struct journal *journal, enum journal_kind kind, const char *plugin, const char *knob, const char *object);
/* NULL when there is none. Valid until the next change of the journal. */
const struct journal_entry *journal_find(const struct journal *journal, enum journal_kind kind, const char *plugin, const char *knob, const char *object);
size_t journal_n_entries(const struct journal *journal);
const struct journal_entry *journal_entry(const struct journal *journal, size_t index); /* in order of sequence */

#endif
