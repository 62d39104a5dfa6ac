/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "notices.h"

/* More than that between two epochs is a plugin gone wild, or a host of which nobody can read what happens. */
#define WAITING_MAX 4096
/* So many objects are remembered; when there are more, all are forgotten and may be told once more. */
#define SUBJECTS_MAX 16384
/* So many different texts for one object; a further one takes the place of the first. */
#define TEXTS_MAX 4

/* What was told of one object. */
struct subject {
        char *kind, *object;
        char *texts[TEXTS_MAX];
        size_t n_texts;
};

struct notices {
        struct notice *waiting; /* from `first` on */
        size_t first, n, n_allocated;
        unsigned n_dropped;
        void *subjects; /* tree of struct subject */
        size_t n_subjects;
};

static int compare_subjects(const void *a, const void *b) {
        const struct subject *x = a, *y = b;
        int r = strcmp(x->object, y->object);
        return r ? r : strcmp(x->kind, y->kind);
}

static void subject_free(void *pointer) {
        struct subject *subject = pointer;
        for (size_t i = 0; i < subject->n_texts; i++)
                free(subject->texts[i]);
        free(subject->kind);
        free(subject->object);
        free(subject);
}

int notices_new(struct notices **ret) {
        *ret = calloc(1, sizeof **ret);
        return *ret ? 0 : -ENOMEM;
}

struct notices *notices_free(struct notices *notices) {
        if (!notices)
                return NULL;
        tdestroy(notices->subjects, subject_free);
        free(notices->waiting);
        free(notices);
        return NULL;
}

static void append(struct notices *notices, enum notice_what what, const char *kind, const char *object, const char *text) {
        if (notices->n == notices->n_allocated) {
                size_t n = notices->n_allocated ? 2 * notices->n_allocated : 16;
                struct notice *waiting = n <= WAITING_MAX ? reallocarray(notices->waiting, n, sizeof *waiting) : NULL;
                if (!waiting) {
                        notices->n_dropped++;
                        return;
                }
                notices->waiting = waiting;
                notices->n_allocated = n;
        }
        struct notice *notice = notices->waiting + notices->n++;
        notice->what = what;
        snprintf(notice->kind, sizeof notice->kind, "%s", kind);
        snprintf(notice->object, sizeof notice->object, "%s", object);
        snprintf(notice->text, sizeof notice->text, "%s", text);
}

static struct subject *find_subject(const struct notices *notices, const char *kind, const char *object) {
        struct subject key = { .kind = (char *) kind, .object = (char *) object }; /* only compared */
        struct subject *const *found = tfind(&key, &notices->subjects, compare_subjects);
        return found ? *found : NULL;
}

static struct subject *add_subject(struct notices *notices, const char *kind, const char *object) {
        if (notices->n_subjects >= SUBJECTS_MAX) {
                tdestroy(notices->subjects, subject_free);
                notices->subjects = NULL;
                notices->n_subjects = 0;
        }
        struct subject *subject = calloc(1, sizeof *subject);
        if (!subject)
                return NULL;
        subject->kind = strdup(kind);
        subject->object = strdup(object);
        if (!subject->kind || !subject->object || !tsearch(subject, &notices->subjects, compare_subjects)) {
                subject_free(subject);
                return NULL;
        }
        notices->n_subjects++;
        return subject;
}

/* True: it was not told before. What cannot be remembered is not told, or it might be told for ever. */
static bool remember(struct notices *notices, const char *kind, const char *object, const char *text) {
        struct subject *subject = find_subject(notices, kind, object);
        for (size_t i = 0; subject && i < subject->n_texts; i++)
                if (strcmp(subject->texts[i], text) == 0)
                        return false;
        char *copy = strdup(text);
        if (copy && !subject)
                subject = add_subject(notices, kind, object);
        if (!copy || !subject) {
                free(copy);
                notices->n_dropped++;
                return false;
        }
        if (subject->n_texts == TEXTS_MAX) {
                free(subject->texts[0]);
                memmove(subject->texts, subject->texts + 1, --subject->n_texts * sizeof *subject->texts);
        }
        subject->texts[subject->n_texts++] = copy;
        return true;
}

bool notices_tell(struct notices *notices, const char *kind, const char *object, const char *text) {
        if (text[0] == '\0') {
                struct subject *subject = find_subject(notices, kind, object);
                if (!subject)
                        return false;
                tdelete(subject, &notices->subjects, compare_subjects);
                subject_free(subject);
                notices->n_subjects--;
        } else if (!remember(notices, kind, object, text))
                return false;
        append(notices, NOTICE_TOLD, kind, object, text);
        return true;
}

void notices_knob_changed(struct notices *notices, const char *kind, const char *object) {
        append(notices, NOTICE_KNOB_CHANGED, kind, object, "");
}

bool notices_take(struct notices *notices, struct notice *ret) {
        if (notices->first == notices->n)
                return false;
        *ret = notices->waiting[notices->first++];
        if (notices->first == notices->n)
                notices->first = notices->n = 0;
        return true;
}

unsigned notices_take_dropped(struct notices *notices) {
        unsigned n = notices->n_dropped;
        notices->n_dropped = 0;
        return n;
}
