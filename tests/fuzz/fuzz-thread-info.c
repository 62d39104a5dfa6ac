/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What /proc tells about threads, and CPU lists: any text is refused or understood in one way only. The first byte chooses the parser. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "plugins/iocore-plugin.h"
#include "plugins/vhost-thread/affinity.h"
#include "plugins/vhost-thread/thread-info.h"

static void try_name(const char *text) {
        pid_t creator = -1;
        char again[32];
        if (!thread_parse_name(text, &creator))
                return;
        must(creator > 0, "a creator has an id");
        snprintf(again, sizeof again, "vhost-%d\n", (int) creator);
        pid_t same = -1;
        must(thread_parse_name(again, &same) && same == creator, "a name means the same when written again");
}

static void try_stat(const char *text) {
        struct thread_stat stat;
        if (thread_parse_stat(text, &stat) < 0)
                return;
        must(stat.parent >= 0, "a parent is no negative number");
        enum thread_shape shape = thread_classify(&stat);
        must(shape != THREAD_VHOST_KERNEL || stat.parent == 2, "kernel threads are children of kthreadd");
}

static void try_list(const char *text) {
        struct affinity_mask mask, same;
        static char list[65536];
        if (affinity_parse(text, &mask) < 0)
                return;
        must(affinity_within(&mask, &mask), "a list that is taken has a CPU");
        must(affinity_format(&mask, list, sizeof list) == 0, "a mask can be written");
        must(affinity_parse(list, &same) == 0 && affinity_within(&mask, &same) && affinity_within(&same, &mask), "a list means the same when written again");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct thread_times times;
        size_t length;

        if (size == 0 || size > 65536)
                return 0;
        char *text = text_of(data + 1, size - 1);
        switch ((uint8_t) (data[0] - '0') % 5) {
        case 0:
                try_name(text);
                break;
        case 1:
                try_stat(text);
                break;
        case 2:
                (void) thread_parse_schedstat(text, &times);
                break;
        case 3: {
                const char *value = thread_status_value(text, "Tgid", &length);
                must(!value || (value >= text && value + length < text + size), "a value lies within its text");
                break;
        }
        default:
                try_list(text);
        }
        free(text);
        return 0;
}
