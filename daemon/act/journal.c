/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "fault-point.h"
#include "journal-record.h"
#include "journal.h"
#include "log.h"
#include "root-path.h"

/* 10,000 units with their longest values would fill it; nothing that a daemon wrote is larger. */
#define JOURNAL_SIZE_MAX (256 * 1024 * 1024)
/* Below this size rewriting the file saves nothing. */
#define COMPACT_SIZE_MIN (64 * 1024)

struct journal {
        int fd;
        char *path;
        char boot_id[BOOT_ID_MAX];
        off_t length;        /* of what was written whole */
        off_t header_length; /* the file is cut to this when nothing is left; 0: it does not begin with this daemon's header */
        off_t compact_at;
        bool torn;           /* the file does not end with a newline */
        bool behind;         /* something could not be written: memory knows better than the file */
        struct journal_entry **entries; /* in order of sequence */
        size_t n_entries, n_allocated;
        void *tree; /* the same entries, by what they are of */
        uint64_t last_sequence;
};

static int compare_entries(const void *a, const void *b) {
        const struct journal_entry *x = a, *y = b;
        if (x->kind != y->kind)
                return x->kind < y->kind ? -1 : 1;
        int r = strcmp(x->object, y->object);
        if (r == 0)
                r = strcmp(x->knob, y->knob);
        return r ? r : strcmp(x->plugin, y->plugin);
}

static struct journal_entry *entry_free(struct journal_entry *entry) {
        if (entry)
                journal_entry_done(entry);
        free(entry);
        return NULL;
}

static inline void entry_freep(struct journal_entry **entry) {
        entry_free(*entry);
}

/* Strings that do not fit name nothing that could be in the journal. */
static bool make_key(struct journal_entry *ret, enum journal_kind kind, const char *plugin, const char *knob, const char *object) {
        *ret = (struct journal_entry) { .kind = kind };
        if (strlen(plugin) >= sizeof ret->plugin || strlen(knob) >= sizeof ret->knob || strlen(object) >= sizeof ret->object)
                return false;
        memcpy(ret->plugin, plugin, strlen(plugin) + 1);
        memcpy(ret->knob, knob, strlen(knob) + 1);
        memcpy(ret->object, object, strlen(object) + 1);
        return true;
}

static struct journal_entry *find_entry(const struct journal *journal, const struct journal_entry *key) {
        struct journal_entry *const *found = tfind(key, &journal->tree, compare_entries);
        return found ? *found : NULL;
}

static void drop_entry(struct journal *journal, struct journal_entry *entry) {
        tdelete(entry, &journal->tree, compare_entries);
        size_t i = journal->n_entries - 1; /* the newest go first */
        while (journal->entries[i] != entry)
                i--;
        memmove(journal->entries + i, journal->entries + i + 1, (--journal->n_entries - i) * sizeof *journal->entries);
        entry_free(entry);
}

static void drop_all_entries(struct journal *journal) {
        while (journal->n_entries > 0)
                drop_entry(journal, journal->entries[journal->n_entries - 1]);
}

/* Takes the values of `entry`; on failure nothing changed. The entry's place follows its sequence. */
static int put_entry(struct journal *journal, struct journal_entry *entry) {
        struct journal_entry *present = find_entry(journal, entry);
        if (present && present->sequence == entry->sequence) {
                journal_entry_done(present);
                *present = *entry;
                *entry = (struct journal_entry) { 0 };
                return 0;
        }
        if (journal->n_entries == journal->n_allocated) {
                size_t n = journal->n_allocated ? 2 * journal->n_allocated : 64;
                struct journal_entry **entries = reallocarray(journal->entries, n, sizeof *entries);
                if (!entries)
                        return -ENOMEM;
                journal->entries = entries;
                journal->n_allocated = n;
        }
        _cleanup_(entry_freep) struct journal_entry *added = malloc(sizeof *added);
        if (!added)
                return -ENOMEM;
        if (present)
                drop_entry(journal, present);
        *added = *entry;
        if (!tsearch(added, &journal->tree, compare_entries)) {
                added->old_value = added->set_value = added->pending_value = NULL; /* still the caller's */
                return -ENOMEM;
        }
        size_t i = journal->n_entries;
        while (i > 0 && journal->entries[i - 1]->sequence > added->sequence)
                i--;
        memmove(journal->entries + i + 1, journal->entries + i, (journal->n_entries++ - i) * sizeof *journal->entries);
        if (added->sequence > journal->last_sequence)
                journal->last_sequence = added->sequence;
        journal->entries[i] = TAKE_PTR(added);
        *entry = (struct journal_entry) { 0 };
        return 0;
}

/* --- writing --- */

/* One record, one write(2): a crash leaves a whole line or a torn last one. What was written in part (a full disk) is cut off again. */
static int append_line(struct journal *journal, const char *line, size_t length) {
        char newline = '\n';
        if (journal->torn && write(journal->fd, &newline, 1) != 1)
                return errno ? -errno : -EIO;
        if (journal->torn) {
                journal->torn = false;
                journal->length++;
        }
        ssize_t n;
        do
                n = write(journal->fd, line, length);
        while (n < 0 && errno == EINTR);
        if (n == (ssize_t) length) {
                journal->length += n;
                fault_point_after_journal();
                return 0;
        }
        int r = n < 0 ? -errno : -ENOSPC;
        if (n > 0 && ftruncate(journal->fd, journal->length) < 0)
                journal->torn = true;
        return r;
}

static char *format_header(const struct journal *journal, size_t *ret_length) {
        struct journal_record record = { .operation = JOURNAL_HEADER, .pid = getpid() };
        memcpy(record.boot_id, journal->boot_id, strlen(journal->boot_id) + 1);
        return journal_record_format(&record, ret_length);
}

static int write_whole(int fd, const char *data, size_t length) {
        while (length > 0) {
                ssize_t n = write(fd, data, length);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -ENOSPC;
                data += n;
                length -= (size_t) n;
        }
        return 0;
}

static int write_record(int fd, enum journal_operation operation, const struct journal_entry *entry, off_t *length) {
        struct journal_record record = { .operation = operation, .entry = *entry }; /* values borrowed */
        size_t n;
        _cleanup_free_ char *line = journal_record_format(&record, &n);
        if (!line)
                return -ENOMEM;
        *length += (off_t) n;
        return write_whole(fd, line, n);
}

static int lock_file(int fd) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
                return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
        return 0;
}

/*
 * Writes what is known into a new file that takes the old one's place: whoever looks sees the one or the other, whole. The lock belongs to
 * the inode, so the new one is locked before it gets its name; who waits at the old one finds out that it has no name any more (open_locked()).
 */
static int compact(struct journal *journal) {
        char path[PATH_MAX];
        if (snprintf(path, sizeof path, "%s.new", journal->path) >= (int) sizeof path)
                return -ENAMETOOLONG;
        if (unlink(path) < 0 && errno != ENOENT)
                return -errno;
        _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        size_t header_length = 0;
        _cleanup_free_ char *header = format_header(journal, &header_length);
        int r = header ? lock_file(fd) : -ENOMEM;
        if (r >= 0)
                r = write_whole(fd, header, header_length);
        off_t length = (off_t) header_length;
        for (size_t i = 0; i < journal->n_entries && r >= 0; i++)
                r = write_record(fd, JOURNAL_ANNOUNCE, journal->entries[i], &length);
        if (r >= 0 && rename(path, journal->path) < 0)
                r = -errno;
        if (r < 0) {
                (void) unlink(path);
                return r;
        }
        close(journal->fd);
        journal->fd = TAKE_FD(fd);
        journal->length = length;
        journal->header_length = (off_t) header_length;
        journal->torn = journal->behind = false;
        return 0;
}

static void set_compact_at(struct journal *journal) {
        journal->compact_at = 4 * journal->length > COMPACT_SIZE_MIN ? 4 * journal->length : COMPACT_SIZE_MIN;
}

static int append_record(struct journal *journal, enum journal_operation operation, const struct journal_entry *entry) {
        struct journal_record record = { .operation = operation, .entry = *entry }; /* values borrowed */
        size_t length;
        _cleanup_free_ char *line = journal_record_format(&record, &length);
        if (!line)
                return -ENOMEM;
        if (journal->header_length == 0 || journal->behind) {
                /* The file has no header of this boot yet, or not all of what came before: it could not be written then. */
                int r = compact(journal);
                if (r < 0)
                        return r;
        }
        return append_line(journal, line, length);
}

static void compact_if_large(struct journal *journal) {
        if (journal->length < journal->compact_at)
                return;
        /* When it fails the long file is as good as the short one: tried again when it has grown by as much. */
        (void) compact(journal);
        set_compact_at(journal);
}

/* --- reading --- */

static int read_all(int fd, char **ret, size_t *ret_size) {
        struct stat st;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size > JOURNAL_SIZE_MAX)
                return -EFBIG;
        size_t size = (size_t) st.st_size, n = 0;
        _cleanup_free_ char *data = malloc(size + 1);
        if (!data)
                return -ENOMEM;
        while (n < size) {
                ssize_t got = pread(fd, data + n, size - n, (off_t) n);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return -errno;
                if (got == 0)
                        break;
                n += (size_t) got;
        }
        data[n] = '\0';
        *ret = TAKE_PTR(data);
        *ret_size = n;
        return 0;
}

/* Returns 1 when the record tells of another boot. */
static int replay(struct journal *journal, struct journal_record *record) {
        struct journal_entry *present;
        switch (record->operation) {
        case JOURNAL_HEADER:
                return record->boot_id[0] && journal->boot_id[0] && strcmp(record->boot_id, journal->boot_id) != 0;
        case JOURNAL_FORGET:
                present = find_entry(journal, &record->entry);
                if (present)
                        drop_entry(journal, present);
                return 0;
        default:
                return put_entry(journal, &record->entry);
        }
}

static int replay_all(struct journal *journal, const char *data, size_t size, unsigned *broken) {
        const char *end = data + size;
        bool other_boot = false;
        size_t n_dropped = 0;
        for (const char *line = data, *newline; line < end && (newline = memchr(line, '\n', (size_t) (end - line))); line = newline + 1) {
                if (newline == line)
                        continue;
                struct journal_record record;
                int r = journal_record_parse(line, (size_t) (newline - line), &record);
                if (r == -EBADMSG) {
                        (*broken)++;
                        continue;
                }
                if (r >= 0 && record.operation == JOURNAL_HEADER)
                        other_boot = false;
                if (r >= 0) {
                        r = replay(journal, &record);
                        journal_record_done(&record);
                }
                if (r < 0)
                        return r;
                other_boot = other_boot || r > 0;
                if (other_boot) {
                        n_dropped += journal->n_entries;
                        drop_all_entries(journal);
                }
        }
        if (n_dropped > 0)
                log_notice("%s: %zu records are of an earlier boot of this host and mean nothing now, dropped", journal->path, n_dropped);
        return 0;
}

static pid_t holder(int fd) {
        char data[512];
        ssize_t n = pread(fd, data, sizeof data, 0);
        const char *newline = n > 0 ? memchr(data, '\n', (size_t) n) : NULL;
        struct journal_record record;
        if (!newline || journal_record_parse(data, (size_t) (newline - data), &record) < 0)
                return 0;
        pid_t pid = record.pid;
        journal_record_done(&record);
        return pid;
}

/* --- opening --- */

static int make_directory(const char *path) {
        _cleanup_free_ char *copy = strdup(path);
        if (!copy)
                return -ENOMEM;
        return mkdir(dirname(copy), 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* What others could have written would make iocored set whatever they like. */
static int check_file(const struct stat *st) {
        if (!S_ISREG(st->st_mode) || st->st_nlink > 1 || (st->st_mode & 022))
                return -EPERM;
        return st->st_uid == 0 || st->st_uid == geteuid() ? 0 : -EPERM;
}

static int open_locked(const char *path, pid_t *ret_pid) {
        for (;;) {
                int flags = O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
                _cleanup_close_ int fd = open(path, flags, 0600);
                if (fd < 0 && errno == ENOENT) {
                        int r = make_directory(path);
                        if (r < 0)
                                return r;
                        fd = open(path, flags, 0600);
                }
                if (fd < 0)
                        return -errno;
                struct stat st, named;
                if (fstat(fd, &st) < 0)
                        return -errno;
                int r = check_file(&st);
                if (r < 0)
                        return r;
                r = lock_file(fd);
                if (r == -EBUSY && ret_pid)
                        *ret_pid = holder(fd);
                if (r < 0)
                        return r;
                /* Between open and lock its holder may have put another file in its place. */
                if (lstat(path, &named) == 0 && named.st_dev == st.st_dev && named.st_ino == st.st_ino)
                        return TAKE_FD(fd);
        }
}

static void read_boot_id(char *ret, size_t size) {
        ret[0] = '\0'; /* unknown: nothing counts as stale */
        _cleanup_close_ int fd = root_open("/", "/proc/sys/kernel/random/boot_id", O_RDONLY);
        ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);
        ret[n > 0 ? n : 0] = '\0';
        ret[strcspn(ret, "\n")] = '\0';
}

int journal_open(struct journal **ret, const char *path, pid_t *ret_pid, unsigned *ret_broken) {
        if (ret_pid)
                *ret_pid = 0;
        _cleanup_(journal_closep) struct journal *journal = calloc(1, sizeof *journal);
        if (!journal)
                return -ENOMEM;
        journal->fd = -1;
        journal->path = strdup(path);
        if (!journal->path)
                return -ENOMEM;
        read_boot_id(journal->boot_id, sizeof journal->boot_id);
        journal->fd = open_locked(path, ret_pid);
        if (journal->fd < 0)
                return journal->fd;

        _cleanup_free_ char *data = NULL;
        size_t size = 0;
        unsigned broken = 0;
        int r = read_all(journal->fd, &data, &size);
        if (r >= 0)
                r = replay_all(journal, data, size, &broken);
        if (r < 0)
                return r;
        journal->length = (off_t) size;
        journal->torn = size > 0 && data[size - 1] != '\n';
        /* From here on the file begins with this daemon's header. If that cannot be (a full disk), what was read can still be put back, but nothing
         * new is announced: see append_record(). */
        (void) compact(journal);
        set_compact_at(journal);
        if (ret_broken)
                *ret_broken = broken;
        *ret = TAKE_PTR(journal);
        return 0;
}

struct journal *journal_close(struct journal *journal) {
        if (!journal)
                return NULL;
        drop_all_entries(journal);
        free(journal->entries);
        if (journal->fd >= 0)
                close(journal->fd);
        free(journal->path);
        free(journal);
        return NULL;
}

/* --- changes --- */

static int duplicate(const char *value, char **ret) {
        *ret = value ? strdup(value) : NULL;
        return value && !*ret ? -ENOMEM : 0;
}

/*
 * Writes the new state of an entry and makes it true in memory. What is only announced must be in the file or it is nothing; what has happened
 * is true even when it cannot be written, and the file catches up with the next record that can.
 */
static int change(struct journal *journal, enum journal_operation operation, const struct journal_entry *fixed, const char *old_value,
                  const char *set_value, const char *pending_value) {
        struct journal_entry entry = *fixed;
        entry.old_value = entry.set_value = entry.pending_value = NULL;
        int r = duplicate(old_value, &entry.old_value);
        if (r >= 0)
                r = duplicate(set_value, &entry.set_value);
        if (r >= 0)
                r = duplicate(pending_value, &entry.pending_value);
        int written = r;
        if (r >= 0)
                written = append_record(journal, operation, &entry);
        if (written >= 0 || (r >= 0 && operation != JOURNAL_ANNOUNCE)) {
                r = put_entry(journal, &entry);
                journal->behind = journal->behind || written < 0;
        }
        journal_entry_done(&entry);
        if (written >= 0)
                compact_if_large(journal);
        return written < 0 ? written : r;
}

int journal_announce(struct journal *journal, const struct journal_entry *entry, const char *old_value, const char *new_value) {
        struct journal_entry fixed;
        if (!old_value || !new_value || !make_key(&fixed, entry->kind, entry->plugin, entry->knob, entry->object))
                return -EINVAL;
        const struct journal_entry *present = find_entry(journal, &fixed);
        bool same = present && present->incarnation == entry->incarnation;
        fixed.incarnation = entry->incarnation;
        fixed.sequence = same ? present->sequence : journal->last_sequence + 1;
        memcpy(fixed.source, entry->source, sizeof fixed.source);
        fixed.source[sizeof fixed.source - 1] = '\0';
        return change(journal, JOURNAL_ANNOUNCE, &fixed, same ? present->old_value : old_value, same ? present->set_value : NULL, new_value);
}

int journal_confirm(struct journal *journal, enum journal_kind kind, const char *plugin, const char *knob, const char *object, const char *value) {
        const struct journal_entry *present = journal_find(journal, kind, plugin, knob, object);
        return present ? change(journal, JOURNAL_CONFIRM, present, present->old_value, value, NULL) : -ENOENT;
}

int journal_cancel(struct journal *journal, enum journal_kind kind, const char *plugin, const char *knob, const char *object, const char *source) {
        const struct journal_entry *present = journal_find(journal, kind, plugin, knob, object);
        if (!present)
                return -ENOENT;
        if (!present->set_value)
                return journal_forget(journal, kind, plugin, knob, object);
        struct journal_entry fixed = *present;
        if (source && strlen(source) < sizeof fixed.source)
                memcpy(fixed.source, source, strlen(source) + 1);
        return change(journal, JOURNAL_CANCEL, &fixed, present->old_value, present->set_value, NULL);
}

int journal_forget(struct journal *journal, enum journal_kind kind, const char *plugin, const char *knob, const char *object) {
        struct journal_entry key, *present;
        if (!make_key(&key, kind, plugin, knob, object) || !(present = find_entry(journal, &key)))
                return 0;
        int r = 0;
        if (journal->n_entries > 1 || journal->header_length == 0)
                r = append_record(journal, JOURNAL_FORGET, &key);
        else if (ftruncate(journal->fd, journal->header_length) < 0)
                r = -errno;
        else {
                journal->length = journal->header_length;
                journal->torn = journal->behind = false;
                set_compact_at(journal);
                fault_point_after_journal();
        }
        drop_entry(journal, present);
        journal->behind = journal->behind || r < 0;
        if (r >= 0)
                compact_if_large(journal);
        return r;
}

const struct journal_entry *journal_find(const struct journal *journal, enum journal_kind kind, const char *plugin, const char *knob, const char *object) {
        struct journal_entry key;
        return make_key(&key, kind, plugin, knob, object) ? find_entry(journal, &key) : NULL;
}

size_t journal_n_entries(const struct journal *journal) {
        return journal->n_entries;
}

const struct journal_entry *journal_entry(const struct journal *journal, size_t index) {
        return index < journal->n_entries ? journal->entries[index] : NULL;
}
