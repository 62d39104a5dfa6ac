/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "mover.h"

/* Nobody knows yet how long one takes. */
#define CHUNK_FIRST 1
/* No status of a page: nothing was said of it. */
#define UNTOLD INT_MIN

void mover_init(struct mover *mover, const struct mover_host *host, pid_t pid, int node, size_t page_size, const struct memory_range *ranges, size_t n_ranges) {
        *mover = (struct mover) { .host = host, .pid = pid, .node = node, .page_size = page_size, .ranges = ranges, .n_ranges = n_ranges, .chunk = CHUNK_FIRST };
        for (size_t i = 0; i < MOVER_WINDOW; i++)
                mover->to[i] = node;
        for (size_t i = 0; i < n_ranges; i++)
                if (ranges[i].end > ranges[i].start)
                        mover->total += ranges[i].kib * 1024 / page_size;
}

static long query(struct mover *mover, size_t at, size_t n) {
        return mover->host->move(mover->host->userdata, mover->pid, n, mover->pages + at, NULL, mover->status + at);
}

/* The next addresses, all of one size of pages. False: there are none. */
static bool next_window(struct mover *mover) {
        mover->at = mover->n = 0;
        for (; mover->range < mover->n_ranges; mover->range++, mover->address = 0) {
                const struct memory_range *range = mover->ranges + mover->range;
                uint64_t size = range->page_kib * 1024;

                if (mover->n > 0 && size != mover->window_page)
                        return true;
                if (size != mover->window_page)
                        mover->chunk = CHUNK_FIRST;
                mover->window_page = size;
                if (mover->address < range->start)
                        mover->address = range->start;
                while (mover->address < range->end) {
                        mover->pages[mover->n] = (void *) (uintptr_t) mover->address; /* NOLINT(performance-no-int-to-ptr): of another process */
                        mover->weight[mover->n++] = size > mover->page_size ? size / mover->page_size : 1;
                        mover->address += size;
                        /* A huge page of many small ones goes whole, and is to be counted whole. */
                        if (mover->n == MOVER_WINDOW || (size == mover->page_size && mover->address % (MOVER_WINDOW * size) == 0))
                                return true;
                }
        }
        return mover->n > 0;
}

/* A process that is ending has no memory any more, which the kernel calls an invalid argument: mm/migrate.c, find_mm_struct(). */
static int no_memory_left(long error) {
        return error == -EINVAL ? -ESRCH : (int) error;
}

/* Keeps of the window what is on another node. */
static int look_at_window(struct mover *mover) {
        size_t n = 0;

        long r = query(mover, 0, mover->n);
        if (r < 0)
                return no_memory_left(r);
        for (size_t i = 0; i < mover->n; i++) {
                if (mover->status[i] < 0 || mover->status[i] == mover->node)
                        continue; /* not there (never touched, swapped out), or right */
                mover->pages[n] = mover->pages[i];
                mover->weight[n++] = mover->weight[i];
        }
        mover->n = n;
        return 0;
}

static bool any_moved(const struct mover *mover, size_t n) {
        for (size_t i = mover->at; i < mover->at + n; i++)
                if (mover->status[i] < 0 || mover->status[i] == mover->node)
                        return true;
        return false;
}

/* What has become of the pages [at, at + n): those that are to be tried again are put at the end of that part. Returns how many. When none moved, those of which the kernel said why not
 * are given up. */
static size_t sort_out(struct mover *mover, size_t n, const int *told) {
        size_t left = mover->at + n;
        bool progress = any_moved(mover, n);

        for (size_t i = mover->at + n; i-- > mover->at;) {
                if (mover->status[i] == mover->node)
                        mover->moved += mover->weight[i];
                else if (mover->status[i] < 0)
                        mover->total -= mover->total > mover->weight[i] ? mover->weight[i] : mover->total; /* it went away */
                else if (!progress && told[i - mover->at] < 0 && told[i - mover->at] != UNTOLD)
                        mover->failed += mover->weight[i];
                else {
                        left--;
                        mover->pages[left] = mover->pages[i];
                        mover->weight[left] = mover->weight[i];
                }
        }
        return mover->at + n - left;
}

static void fail(struct mover *mover, size_t n) {
        for (size_t i = mover->at; i < mover->at + n; i++)
                mover->failed += mover->weight[i];
        mover->at += n;
}

/* So many pages as take MOVER_CALL_USEC, by what the last call took. */
static void adapt(struct mover *mover, size_t n, uint64_t usec) {
        if (usec > MOVER_CALL_USEC)
                mover->chunk = n * MOVER_CALL_USEC / usec;
        else if (usec < MOVER_CALL_USEC / 2 && n == mover->chunk)
                mover->chunk *= 2;
        if (mover->chunk < 1)
                mover->chunk = 1;
        if (mover->chunk > MOVER_WINDOW)
                mover->chunk = MOVER_WINDOW;
}

/*
 * One call for a part of the window. What it says of single pages is not to be relied on: of those that it gave up together nothing is said, and pages of a huge page that went with its first
 * one are told as busy. So it is asked afterwards where they are. A page that does not move is given up when it was tried alone, or when the kernel tried all
 * that were given to it and moved none (mm/migrate.c, do_pages_move()); each call moves pages, gives up pages or halves what is tried at once, so that it ends.
 */
static int move_some(struct mover *mover) {
        size_t n = mover->n - mover->at < mover->chunk ? mover->n - mover->at : mover->chunk;
        int told[MOVER_WINDOW];

        for (size_t i = 0; i < n; i++)
                told[i] = UNTOLD;
        uint64_t begin = mover->host->now_usec(mover->host->userdata);
        long r = mover->host->move(mover->host->userdata, mover->pid, n, mover->pages + mover->at, mover->to, told);
        uint64_t usec = mover->host->now_usec(mover->host->userdata) - begin;
        if (r < 0 && r != -ENOMEM)
                return no_memory_left(r);
        long q = query(mover, mover->at, n);
        if (q < 0)
                return no_memory_left(q);
        size_t wrong = sort_out(mover, n, told);
        mover->at += n - wrong;
        if (r == -ENOMEM) {
                if (wrong == 1 && n == 1)
                        return -ENOSPC;
                mover->chunk = 1; /* is there really no room for one more? */
                return 0;
        }
        if (wrong < n) {
                adapt(mover, n, usec);
                return 0;
        }
        if (n == 1 || r > 0)
                fail(mover, n);
        else
                mover->chunk = n / 2;
        return 0;
}

/* At the end of a pass: shall those that did not move be tried once more? Not where most are pinned, as those of a domain with a device of its own are. */
static bool try_again(struct mover *mover) {
        mover->total = mover->moved + mover->failed;
        if (mover->failed == 0 || mover->failed > mover->moved || mover->moved == mover->moved_before || ++mover->pass == MOVER_PASSES)
                return false;
        mover->moved_before = mover->moved;
        mover->failed = 0;
        mover->range = 0;
        mover->address = 0;
        return true;
}

int mover_slice(struct mover *mover) {
        uint64_t begin = mover->host->now_usec(mover->host->userdata);
        int r = 0;

        do {
                if (mover->at == mover->n) {
                        if (!next_window(mover)) {
                                if (!try_again(mover))
                                        return 0;
                                continue;
                        }
                        r = look_at_window(mover);
                }
                if (r >= 0 && mover->at < mover->n)
                        r = move_some(mover);
                if (r < 0)
                        return r;
        } while (mover->host->now_usec(mover->host->userdata) - begin < MOVER_SLICE_USEC);
        if (mover->total < mover->moved + mover->failed)
                mover->total = mover->moved + mover->failed; /* more came meanwhile */
        return 1;
}
