/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Placements as text: how a policy hands one to the planner. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "daemon/host/cpu-list.h"
#include "placement-internal.h"

/* More cells than any guest has; each costs four characters at least. */
#define CELLS_MAX 1024

static const char *const pin_names[_PLACEMENT_PIN_MAX] = { [PLACEMENT_PIN_NO] = "no", [PLACEMENT_PIN_NODE] = "node", [PLACEMENT_PIN_CPU] = "cpu" };
static const char *const memory_names[_PLACEMENT_MEMORY_MAX] = { [PLACEMENT_MEMORY_STAY] = "stay", [PLACEMENT_MEMORY_DOMAIN] = "domain", [PLACEMENT_MEMORY_CELLS] = "cells" };

const char *placement_pin_to_string(enum placement_pin pin) {
        return (int) pin >= 0 && pin < _PLACEMENT_PIN_MAX ? pin_names[pin] : NULL;
}

const char *placement_memory_to_string(enum placement_memory memory) {
        return (int) memory >= 0 && memory < _PLACEMENT_MEMORY_MAX ? memory_names[memory] : NULL;
}

const char *placement_shape_to_string(enum placement_shape shape) {
        static const char *const names[] = { [PLACEMENT_STAY] = "stay", [PLACEMENT_WHOLE] = "whole", [PLACEMENT_SPLIT] = "split", [PLACEMENT_SPREAD] = "spread" };
        return (int) shape >= 0 && shape <= PLACEMENT_SPREAD ? names[shape] : NULL;
}

/* --- to text */

static int put(char *buffer, size_t size, size_t *used, const char *text) {
        size_t length = strlen(text);
        if (*used + length >= size)
                return -ENAMETOOLONG;
        memcpy(buffer + *used, text, length + 1);
        *used += length;
        return 0;
}

/* Places of nodes as their OS indexes. */
static int put_nodes(const struct host *host, hwloc_const_bitmap_t places, char *buffer, size_t size, size_t *used) {
        hwloc_bitmap_t nodes = hwloc_bitmap_alloc();
        char *list = NULL;
        unsigned place;
        int r = nodes ? 0 : -ENOMEM;
        if (r == 0)
                hwloc_bitmap_foreach_begin(place, places) {
                        if (place >= host->n_nodes || hwloc_bitmap_set(nodes, (unsigned) host->nodes[place].topology->node) < 0)
                                r = -ENOMEM;
                } hwloc_bitmap_foreach_end();
        if (r == 0 && hwloc_bitmap_list_asprintf(&list, nodes) < 0)
                r = -ENOMEM;
        if (r == 0)
                r = put(buffer, size, used, list);
        free(list);
        hwloc_bitmap_free(nodes);
        return r;
}

int placement_request_format(const struct host *host, const struct placement_proposal *proposal, const struct placement_rules *rules, char *ret, size_t size) {
        size_t used = 0;
        int r = 0;
        if (size == 0)
                return -ENAMETOOLONG;
        ret[0] = '\0';
        for (size_t cell = 0; r == 0 && proposal->shape != PLACEMENT_STAY && cell < proposal->n_cells; cell++) {
                char number[32];
                snprintf(number, sizeof number, "%zu@", cell);
                r = put(ret, size, &used, number);
                if (r == 0)
                        r = put_nodes(host, proposal->nodes[cell], ret, size, &used);
                if (r == 0)
                        r = put(ret, size, &used, " ");
        }
        char options[64];
        /* also where nobody can tell which memory it would be: so that this can be said */
        bool moves = proposal->moves_memory || (proposal->memory_untold && rules->memory == PLACEMENT_MEMORY_CELLS);
        snprintf(options, sizeof options, "pin=%s memory=%s emulator=%s", placement_pin_to_string(rules->pin),
                 placement_memory_to_string(moves ? rules->memory : PLACEMENT_MEMORY_STAY), rules->emulator ? "yes" : "no");
        return r < 0 ? r : put(ret, size, &used, options);
}

/* --- from text */

static int bad(char *text, size_t size, const char *word) {
        snprintf(text, size, "\"%.60s\" is no part of a placement", word);
        return -EINVAL;
}

static int find_name(const char *const *names, int n, const char *name) {
        for (int i = 0; i < n; i++)
                if (strcmp(names[i], name) == 0)
                        return i;
        return -1;
}

static int take_option(const char *word, struct placement_request *request) {
        int found = -1;
        if (strncmp(word, "pin=", 4) == 0 && (found = find_name(pin_names, _PLACEMENT_PIN_MAX, word + 4)) >= 0)
                request->pin = (enum placement_pin) found;
        else if (strncmp(word, "memory=", 7) == 0 && (found = find_name(memory_names, _PLACEMENT_MEMORY_MAX, word + 7)) >= 0)
                request->memory = (enum placement_memory) found;
        else if (strcmp(word, "emulator=yes") == 0 || strcmp(word, "emulator=no") == 0)
                request->emulator = word[9] == 'y';
        else
                return -EINVAL;
        return 0;
}

/* A list of OS indexes as places; -EINVAL also for a node that is not there. */
static int take_nodes(const struct host *host, const char *list, hwloc_bitmap_t *ret) {
        hwloc_bitmap_t nodes = NULL, places = hwloc_bitmap_alloc();
        int r = places ? cpu_list_parse(list, &nodes) : -ENOMEM;
        unsigned node;
        if (r == 0 && hwloc_bitmap_iszero(nodes))
                r = -EINVAL;
        if (r == 0)
                hwloc_bitmap_foreach_begin(node, nodes) {
                        size_t place = 0;
                        while (place < host->n_nodes && host->nodes[place].topology->node != (int) node)
                                place++;
                        if (place == host->n_nodes)
                                r = -EINVAL;
                        else if (hwloc_bitmap_set(places, (unsigned) place) < 0)
                                r = -ENOMEM;
                        if (r < 0)
                                break;
                } hwloc_bitmap_foreach_end();
        hwloc_bitmap_free(nodes);
        if (r < 0) {
                hwloc_bitmap_free(places);
                return r == -ENOMEM ? r : -EINVAL;
        }
        *ret = places;
        return 0;
}

/* "N@NODES"; cells come in their order. */
static int take_cell(const struct host *host, char *word, char *at, struct placement_request *request) {
        char expected[32];
        *at = '\0';
        snprintf(expected, sizeof expected, "%zu", request->n_cells);
        bool in_order = strcmp(word, expected) == 0 && request->n_cells < CELLS_MAX;
        *at = '@';
        if (!in_order)
                return -EINVAL;
        hwloc_bitmap_t *nodes = reallocarray(request->nodes, request->n_cells + 1, sizeof(hwloc_bitmap_t));
        if (!nodes)
                return -ENOMEM;
        request->nodes = nodes;
        int r = take_nodes(host, at + 1, &nodes[request->n_cells]);
        if (r == 0)
                request->n_cells++;
        return r;
}

int placement_request_parse(const struct host *host, const char *text, struct placement_request *ret, char *ret_text, size_t size) {
        _cleanup_(placement_request_done) struct placement_request request = { .pin = PLACEMENT_PIN_NODE };
        _cleanup_free_ char *copy = strdup(text);
        char *rest = copy, *word;
        bool any = false;
        if (!copy)
                return -ENOMEM;
        while ((word = strsep(&rest, " "))) {
                char *at = strchr(word, '@');
                int r = at ? take_cell(host, word, at, &request) : take_option(word, &request);
                if (r < 0)
                        return r == -ENOMEM ? r : bad(ret_text, size, word);
                any = true;
        }
        if (!any)
                return bad(ret_text, size, text);
        *ret = request;
        request = (struct placement_request) { 0 };
        return 0;
}
