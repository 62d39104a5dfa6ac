/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is asked of the hands, the oldest first; and which of it is the main thread's to hear, by what it is about. */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "talk-private.h"

/* How long an answer may take: beyond what a libvirt that is well needs, and not for ever. */
#define ANSWER_USEC (10 * 1000 * 1000ULL)
/* The kernel moves all memory of the domain before it answers; the daemon gives up before that. */
#define ANSWER_NODESET_USEC (2 * 3600 * 1000 * 1000ULL)
/* An answer that nobody fetches is soon no more than what once was. */
#define FORGET_USEC (5 * 1000 * 1000ULL)

static int compare(const void *a, const void *b) {
        const struct question *x = &((const struct request *) a)->question, *y = &((const struct request *) b)->question;

        if (x->kind != y->kind)
                return x->kind < y->kind ? -1 : 1;
        if (x->number != y->number)
                return x->number < y->number ? -1 : 1;
        if (x->id != y->id)
                return x->id < y->id ? -1 : 1;
        return strcmp(x->uuid, y->uuid);
}

static void request_free(struct request *request) {
        free(request->value);
        free(request->text);
        free(request);
}

static void ignore(void *request) {
        (void) request; /* the list frees it */
}

void requests_free(struct talk *talk) {
        tdestroy(talk->awaited, ignore);
        while (talk->requests) {
                struct request *next = talk->requests->next;
                request_free(talk->requests);
                talk->requests = next;
        }
}

/* Nobody waits for it any more. */
static void abandon(struct talk *talk, struct request *request) {
        tdelete(request, &talk->awaited, compare);
        request->abandoned = true;
        talk->n_abandoned++;
}

static void unlink_request(struct talk *talk, struct request **link) {
        struct request *request = *link;

        *link = request->next;
        if (talk->end_of_requests == &request->next)
                talk->end_of_requests = link;
        if (request->abandoned)
                talk->n_abandoned--;
        else
                tdelete(request, &talk->awaited, compare);
        request_free(request);
}

static void drop(struct talk *talk, struct request *request) {
        struct request **link = &talk->requests;

        while (*link != request)
                link = &(*link)->next;
        unlink_request(talk, link);
}

/* At most once a second: there may be thousands. */
static void drop_forgotten(struct talk *talk, uint64_t now) {
        if (now < talk->next_forget_usec)
                return;
        talk->next_forget_usec = now + 1000 * 1000;
        for (struct request **link = &talk->requests; *link;) {
                const struct request *request = *link;
                if (request->stage == STAGE_ANSWERED && (request->abandoned || now - request->answered_usec > FORGET_USEC))
                        unlink_request(talk, link);
                else
                        link = &(*link)->next;
        }
}

/* The request for the same value; one for another is dropped, or abandoned if it has begun. */
static struct request *find_request(struct talk *talk, const struct question *question) {
        const struct request key = { .question = *question };
        struct request *const *found = tfind(&key, &talk->awaited, compare), *request = found ? *found : NULL;

        if (!request || strcmp(request->value, question->value) == 0)
                return request;
        if (request->stage == STAGE_ASKED)
                abandon(talk, request);
        else
                drop(talk, request);
        return NULL;
}

/* NULL: no memory. */
static struct request *add_request(struct talk *talk, const struct question *question, uint64_t now, bool awaited) {
        struct request *request = calloc(1, sizeof *request);

        if (!request)
                return NULL;
        request->question = *question;
        request->question.value = request->value = strdup(question->value);
        request->asked_usec = now;
        request->abandoned = !awaited;
        if (!request->value || (awaited && !tsearch(request, &talk->awaited, compare))) {
                request_free(request);
                return NULL;
        }
        talk->n_abandoned += !awaited;
        *talk->end_of_requests = request;
        talk->end_of_requests = &request->next;
        pthread_cond_broadcast(&talk->changed);
        return request;
}

static int ask(struct talk *talk, const struct question *question, uint64_t until, char *ret_text, size_t size, uint64_t *ret_serial) {
        uint64_t now = talk_now();

        drop_forgotten(talk, now);
        struct request *request = find_request(talk, question);
        if (!request && !talk->status.connected)
                return -ENOTCONN;
        if (!request && !talk->status.writable)
                return -EROFS;
        if (!request && !(request = add_request(talk, question, now, true)))
                return -ENOMEM;
        while (request->stage != STAGE_ANSWERED && (now = talk_now()) < until)
                talk_pause(talk, until);
        if (request->stage == STAGE_ANSWERED) {
                int r = request->result;
                snprintf(ret_text, size, "%s", request->text ? request->text : "");
                *ret_serial = request->serial;
                drop(talk, request);
                return r;
        }
        if (until == 0 && now - request->asked_usec < (question->kind == ASK_NODESET ? ANSWER_NODESET_USEC : ANSWER_USEC))
                return -EINPROGRESS;
        if (request->stage == STAGE_QUEUED)
                drop(talk, request);
        else
                abandon(talk, request);
        return -ETIMEDOUT;
}

int talk_ask(struct talk *talk, const struct question *question, uint64_t usec, char *ret_text, size_t size, uint64_t *ret_serial) {
        ret_text[0] = '\0';
        *ret_serial = 0;
        talk_lock(talk);
        int r = ask(talk, question, usec > 0 ? talk_now() + usec : 0, ret_text, size, ret_serial);
        talk_unlock(talk);
        return r;
}

/* By a request that nobody waits for, and that no hypervisor has answered yet. */
static bool is_asked(const struct talk *talk, const struct question *question) {
        const struct request key = { .question = *question };
        for (const struct request *request = talk->n_abandoned > 0 ? talk->requests : NULL; request; request = request->next)
                if (request->abandoned && request->stage != STAGE_ANSWERED && compare(request, &key) == 0)
                        return true;
        return false;
}

void talk_read_polling(struct talk *talk, const char *uuid, int id) {
        struct question question = { .kind = ASK_IOTHREADS, .id = id, .value = "" };

        snprintf(question.uuid, sizeof question.uuid, "%s", uuid);
        talk_lock(talk);
        if (talk->status.connected && !is_asked(talk, &question))
                (void) add_request(talk, &question, talk_now(), false);
        drop_forgotten(talk, talk_now());
        talk_unlock(talk);
}

bool talk_is_abandoned(struct talk *talk, const struct question *question, char *ret) {
        const struct request key = { .question = *question };
        bool found = false;

        talk_lock(talk);
        for (const struct request *request = talk->n_abandoned > 0 ? talk->requests : NULL; request; request = request->next)
                if (request->abandoned && request->stage != STAGE_ANSWERED && compare(request, &key) == 0) {
                        snprintf(ret, IOCORE_VALUE_MAX, "%s", request->value);
                        found = true;
                }
        talk_unlock(talk);
        return found;
}

/* Does the answer take as long as QEMU, or as the kernel with all memory of the domain, likes? libvirt ends its own waiting for all else after half a minute. */
static bool may_take_for_ever(const struct request *request) {
        return request->question.kind == ASK_IOTHREADS || kind_is_polling(request->question.kind) || request->question.kind == ASK_NODESET;
}

/* One hand for a domain: what is asked of one domain is done in order. One hand is kept for what does not take for ever, however many hypervisors hang; and memory of one domain only is
 * moved at a time: two would share the bandwidth and be done no earlier, and what is asked of hypervisors would wait for them. */
struct request *next_request(struct talk *talk) {
        const struct request *busy[HANDS];
        size_t n_busy = 0, n_long = 0;
        bool moves = false;

        for (const struct request *request = talk->requests; request && n_busy < HANDS; request = request->next)
                if (request->stage == STAGE_ASKED) {
                        busy[n_busy++] = request;
                        n_long += may_take_for_ever(request);
                        moves = moves || request->question.kind == ASK_NODESET;
                }
        for (struct request *request = talk->requests; request; request = request->next) {
                bool waits = (n_long >= HANDS - 1 && may_take_for_ever(request)) || (moves && request->question.kind == ASK_NODESET);
                if (request->stage != STAGE_QUEUED)
                        continue;
                for (size_t i = 0; i < n_busy; i++)
                        waits = waits || strcmp(busy[i]->question.uuid, request->question.uuid) == 0;
                if (!waits)
                        return request;
        }
        return NULL;
}
