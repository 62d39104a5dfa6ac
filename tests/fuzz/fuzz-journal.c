/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal is read back after crashes: any bytes must do no harm. The same bytes are tried twice: as they are, and with a right checksum put before each line,
 * so that what is behind the checksum is reached too.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "daemon/act/journal-record.h"
#include "daemon/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was parsed is written and parsed again: the same. */
static void check_record(const char *line, size_t length) {
        struct journal_record record, again;
        if (journal_record_parse(line, length, &record) < 0)
                return;
        size_t n;
        char *text = journal_record_format(&record, &n);
        assert(text && text[n - 1] == '\n' && !memchr(text, '\n', n - 1));
        assert(journal_record_parse(text, n - 1, &again) == 0);
        assert(again.operation == record.operation && strcmp(again.entry.object, record.entry.object) == 0);
        assert(again.entry.sequence == record.entry.sequence && again.entry.incarnation == record.entry.incarnation);
        free(text);
        journal_record_done(&record);
        journal_record_done(&again);
}

static void check_journal(const char *path, size_t n_expected) {
        struct journal *journal = NULL;
        unsigned broken;
        assert(journal_open(&journal, path, NULL, &broken) == 0);
        assert(n_expected == SIZE_MAX || journal_n_entries(journal) == n_expected);
        for (size_t i = 0; i < journal_n_entries(journal); i++) {
                const struct journal_entry *entry = journal_entry(journal, i);
                assert(entry->old_value && journal_find(journal, entry->kind, entry->plugin, entry->knob, entry->object) == entry);
                assert(i == 0 || journal_entry(journal, i - 1)->sequence <= entry->sequence);
        }
        size_t n = journal_n_entries(journal);
        journal_close(journal);
        if (n_expected == SIZE_MAX)
                check_journal(path, n); /* it was written anew: nothing is broken any more */
        else
                assert(broken == 0);
}

static void write_journal(const char *path, const uint8_t *data, size_t size, int with_checksums) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        FILE *file = fdopen(fd, "w");
        if (!file)
                abort();
        for (size_t begin = 0, end; begin < size; begin = end + 1) {
                const uint8_t *newline = memchr(data + begin, '\n', size - begin);
                end = newline ? (size_t) (newline - data) : size;
                if (with_checksums)
                        fprintf(file, "%08lx ", crc32(0, data + begin, (uInt) (end - begin)));
                fwrite(data + begin, 1, end - begin, file);
                if (newline || with_checksums)
                        fputc('\n', file);
        }
        fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size > 65536)
                return 0;
        log_set_max_level(LOG_CRIT);
        char line[65536 + 16], path[64];
        for (size_t begin = 0; begin < size;) {
                const uint8_t *newline = memchr(data + begin, '\n', size - begin);
                size_t length = newline ? (size_t) (newline - data) - begin : size - begin;
                int n = snprintf(line, sizeof line, "%08lx ", crc32(0, data + begin, (uInt) length));
                memcpy(line + n, data + begin, length);
                check_record(line, length + (size_t) n);
                begin += length + 1;
        }
        /* in memory where that is to be had: the file is written anew several times a run */
        snprintf(path, sizeof path, "%s/fuzz-journal.%d", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int) getpid());
        for (int with_checksums = 0; with_checksums < 2; with_checksums++) {
                write_journal(path, data, size, with_checksums);
                check_journal(path, SIZE_MAX);
        }
        unlink(path);
        return 0;
}
