/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The wishes of a domain's owner: the attributes of our metadata element, and the words in which iocorectl asks for them. No I/O. */
#ifndef LIBVIRT_WISHES_H
#define LIBVIRT_WISHES_H

#include "description.h"

#define WISHES_NAMESPACE "https://iocore.org/xmlns/domain/1"
#define WISHES_PREFIX "iocore"

/* A set of attributes to be changed: a NULL stays as it is, "" is taken away. Values are borrowed from `text`. */
enum wish_attribute { WISH_POLICY, WISH_CLASS, WISH_WEIGHT, WISH_SHARE_WITHIN, _WISH_MAX };

struct wish_changes {
        char text[IOCORE_REASON_MAX];
        const char *values[_WISH_MAX];
};

const char *wish_name(enum wish_attribute attribute);
/* One attribute as it stands in the element. 0; -EINVAL: no such attribute or value. */
int wishes_set(struct wishes *wishes, const char *attribute, const char *value);
/* "class=latency policy=manual weight=": 0; -EINVAL, with a reason: no such attribute or value, an attribute twice, or nothing at all. */
int wish_changes_parse(const char *attributes, struct wish_changes *ret, char *ret_reason, size_t size);
/* What the wishes are with the changes made. */
void wishes_apply(struct wishes *wishes, const struct wish_changes *changes);
/* But for what is foreign in them. */
bool wishes_are_equal(const struct wishes *a, const struct wishes *b);
bool wishes_are_empty(const struct wishes *wishes);
/* The element, without a namespace, as virDomainSetMetadata() wants it. 0; -EOVERFLOW. */
int wishes_format(const struct wishes *wishes, char *ret, size_t size);
const char *wish_policy_to_string(enum iocore_wish policy);

#endif
