/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wishes.h"

enum { WEIGHT_MAX = 1000 };

static const char *const attribute_names[_WISH_MAX] = {
        [WISH_POLICY] = "policy", [WISH_CLASS] = "class", [WISH_WEIGHT] = "weight", [WISH_SHARE_WITHIN] = "share-within"
};
static const char *const policies[] = { "auto", "manual", NULL };
static const char *const classes[] = { "latency", "throughput", "besteffort", NULL };
static const char *const sharings[] = { "any", "cgroup", "domain", "none", NULL };

const char *wish_name(enum wish_attribute attribute) {
        return attribute_names[attribute];
}

const char *wish_policy_to_string(enum iocore_wish policy) {
        return policy == IOCORE_WISH_AUTO ? "auto" : policy == IOCORE_WISH_MANUAL ? "manual" : "";
}

static int find_attribute(const char *name, size_t length) {
        for (int i = 0; i < _WISH_MAX; i++)
                if (strlen(attribute_names[i]) == length && memcmp(attribute_names[i], name, length) == 0)
                        return i;
        return -EINVAL;
}

static bool is_one_of(const char *const *names, const char *value) {
        while (*names && strcmp(*names, value) != 0)
                names++;
        return *names;
}

/* 0 for anything that is not a weight. */
static unsigned parse_weight(const char *text) {
        size_t length = strlen(text);

        if (length == 0 || length > 4 || strspn(text, "0123456789") != length || text[0] == '0')
                return 0;
        unsigned long weight = strtoul(text, NULL, 10);
        return weight <= WEIGHT_MAX ? (unsigned) weight : 0;
}

static bool is_value(enum wish_attribute attribute, const char *value) {
        switch (attribute) {
        case WISH_POLICY:
                return is_one_of(policies, value);
        case WISH_CLASS:
                return is_one_of(classes, value);
        case WISH_SHARE_WITHIN:
                return is_one_of(sharings, value);
        default:
                return parse_weight(value) > 0;
        }
}

/* A value that is_value(), or "". */
static void assign(struct wishes *wishes, enum wish_attribute attribute, const char *value) {
        switch (attribute) {
        case WISH_POLICY:
                wishes->policy = value[0] == '\0' ? IOCORE_WISH_NONE : strcmp(value, "auto") == 0 ? IOCORE_WISH_AUTO : IOCORE_WISH_MANUAL;
                break;
        case WISH_CLASS:
                snprintf(wishes->class, sizeof wishes->class, "%s", value);
                break;
        case WISH_SHARE_WITHIN:
                snprintf(wishes->share_within, sizeof wishes->share_within, "%s", value);
                break;
        default:
                wishes->weight = parse_weight(value);
        }
}

int wishes_set(struct wishes *wishes, const char *attribute, const char *value) {
        int index = find_attribute(attribute, strlen(attribute));

        if (index < 0 || !is_value((enum wish_attribute) index, value))
                return -EINVAL;
        assign(wishes, (enum wish_attribute) index, value);
        return 0;
}

static const char *values_of(enum wish_attribute attribute) {
        static const char *const texts[_WISH_MAX] = { "manual or auto", "latency, throughput or besteffort", "1 to 1000", "any, cgroup, domain or none" };
        return texts[attribute];
}

static int parse_change(struct wish_changes *changes, char *word, char *ret_reason, size_t size) {
        char *equals = strchr(word, '=');
        int attribute = equals ? find_attribute(word, (size_t) (equals - word)) : -EINVAL;

        if (attribute < 0) {
                snprintf(ret_reason, size, "%.64s: not one of policy=, class=, weight=, share-within=", word);
                return -EINVAL;
        }
        const char *value = equals + 1;
        if (changes->values[attribute]) {
                snprintf(ret_reason, size, "%s is given twice", attribute_names[attribute]);
                return -EINVAL;
        }
        if (value[0] != '\0' && !is_value((enum wish_attribute) attribute, value)) {
                snprintf(ret_reason, size, "%s=%.64s: %s is wanted, or nothing", attribute_names[attribute], value, values_of((enum wish_attribute) attribute));
                return -EINVAL;
        }
        changes->values[attribute] = value;
        return 0;
}

int wish_changes_parse(const char *attributes, struct wish_changes *ret, char *ret_reason, size_t size) {
        size_t n = 0;

        memset(ret, 0, sizeof *ret);
        if (strlen(attributes) >= sizeof ret->text) {
                snprintf(ret_reason, size, "too long");
                return -EINVAL;
        }
        memcpy(ret->text, attributes, strlen(attributes) + 1);
        char *rest = ret->text;
        for (char *word; (word = strsep(&rest, " \t\n"));) {
                if (word[0] == '\0')
                        continue;
                int r = parse_change(ret, word, ret_reason, size);
                if (r < 0)
                        return r;
                n++;
        }
        if (n == 0)
                snprintf(ret_reason, size, "nothing is asked for");
        return n > 0 ? 0 : -EINVAL;
}

void wishes_apply(struct wishes *wishes, const struct wish_changes *changes) {
        for (int i = 0; i < _WISH_MAX; i++)
                if (changes->values[i])
                        assign(wishes, (enum wish_attribute) i, changes->values[i]);
}

bool wishes_are_equal(const struct wishes *a, const struct wishes *b) {
        return a->policy == b->policy && strcmp(a->class, b->class) == 0 && a->weight == b->weight && strcmp(a->share_within, b->share_within) == 0;
}

bool wishes_are_empty(const struct wishes *wishes) {
        return wishes->policy == IOCORE_WISH_NONE && !wishes->class[0] && wishes->weight == 0 && !wishes->share_within[0];
}

int wishes_format(const struct wishes *wishes, char *ret, size_t size) {
        char weight[16] = "";

        if (wishes->weight > 0)
                snprintf(weight, sizeof weight, "%u", wishes->weight);
        const char *const values[_WISH_MAX] = {
                [WISH_POLICY] = wish_policy_to_string(wishes->policy), [WISH_CLASS] = wishes->class, [WISH_WEIGHT] = weight, [WISH_SHARE_WITHIN] = wishes->share_within
        };
        size_t length = (size_t) snprintf(ret, size, "<" WISHES_PREFIX);
        for (int i = 0; i < _WISH_MAX && length < size; i++)
                if (values[i][0] != '\0')
                        length += (size_t) snprintf(ret + length, size - length, " %s=\"%s\"", attribute_names[i], values[i]);
        if (length < size)
                length += (size_t) snprintf(ret + length, size - length, "/>");
        return length < size ? 0 : -EOVERFLOW;
}
