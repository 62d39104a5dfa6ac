/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <limits.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "pattern.h"
#include "regex-cost.h"
#include "thread-info.h"

enum {
        PATTERNS_MAX = 16,
        NAME_MAX_LENGTH = 31,   /* of a pattern */
        TEXT_MAX = 256,         /* of a regular expression or a template */
        THREAD_NAME_MAX = 63,
        GROUPS_MAX = 10,        /* the whole name and \1 to \9 */
};

enum field { REGEX, KIND, BACKEND, QUEUE, DOMAIN, OWNER, _FIELD_MAX };
static const char *const field_names[_FIELD_MAX] = { "regex", "kind", "backend", "queue", "domain", "owner" };

static const struct builtin {
        const char *name, *module;
        const char *fields[_FIELD_MAX];
} builtins[] = {
        /* Xen, Linux drivers/net/xen-netback: the thread that gives packets to the guest and the one that frees the guest's own. Each queue has both; kernels that do not
         * number queues have one queue, and those before 5.17 cut a name off after 15 bytes. */
        { "netback", "xen_netback",
          { [REGEX] = "^vif([0-9]+)\\.([0-9]+)(-q([0-9]+))?-(g|gu|gue|gues|guest|guest-|guest-r|guest-rx|d|de|dea|deal|deall|deallo|dealloc)$", [KIND] = "net",
            [BACKEND] = "vif\\1.\\2", [QUEUE] = "\\4", [DOMAIN] = "dom\\1" } },
        /* netmap, LINUX/netmap_linux.c: nmkth:THREAD:RING, made by THREAD of the process whose ring it serves */
        { "netmap", "netmap", { [REGEX] = "^nmkth:([0-9]+):", [KIND] = "net", [BACKEND] = "netmap:\\1", [OWNER] = "\\1" } },
};

struct pattern {
        char name[NAME_MAX_LENGTH + 1];
        const struct builtin *builtin; /* NULL: none */
        regex_t regex;
        bool compiled;
        char fields[_FIELD_MAX][TEXT_MAX];
};

struct pattern_set {
        struct pattern patterns[PATTERNS_MAX];
        size_t n;
};

struct pattern_set *pattern_set_free(struct pattern_set *set) {
        if (!set)
                return NULL;
        for (size_t i = 0; i < set->n; i++)
                if (set->patterns[i].compiled)
                        regfree(&set->patterns[i].regex);
        free(set);
        return NULL;
}

static void pattern_set_freep(struct pattern_set **set) {
        pattern_set_free(*set);
}

/* --- the options */

static const struct builtin *find_builtin(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(builtins); i++)
                if (strcmp(builtins[i].name, name) == 0)
                        return &builtins[i];
        return NULL;
}

static int compile(struct pattern *pattern, char *ret_reason, size_t size) {
        char error[128];

        const char *why = regex_too_costly(pattern->fields[REGEX]);
        int r = why ? 0 : regcomp(&pattern->regex, pattern->fields[REGEX], REG_EXTENDED);
        if (r == REG_ESPACE) {
                snprintf(ret_reason, size, "pattern %s: %s", pattern->name, strerror(ENOMEM));
                return -ENOMEM;
        }
        if (r != 0) {
                regerror(r, &pattern->regex, error, sizeof error);
                why = error;
        }
        if (why) {
                snprintf(ret_reason, size, "option %s.regex: \"%.64s\": %s%s", pattern->name, pattern->fields[REGEX], why, r == 0 ? " may take for ever" : "");
                return -EINVAL;
        }
        pattern->compiled = true;
        return 0;
}

static int check_template(const struct pattern *pattern, enum field field, char *ret_reason, size_t size) {
        for (const char *c = pattern->fields[field]; (c = strchr(c, '\\')); c += 2) {
                if (c[1] == '\\' || (c[1] >= '1' && c[1] <= '9' && (size_t) (c[1] - '0') <= pattern->regex.re_nsub))
                        continue;
                snprintf(ret_reason, size, "option %s.%s: \"%.64s\": the regular expression has no group for \"%.2s\"", pattern->name, field_names[field],
                         pattern->fields[field], c);
                return -EINVAL;
        }
        return 0;
}

static int read_fields(struct pattern *pattern, pattern_option option, void *userdata, char *ret_reason, size_t size) {
        char key[NAME_MAX_LENGTH + 16];

        for (enum field field = 0; field < _FIELD_MAX; field++) {
                snprintf(key, sizeof key, "%s.%s", pattern->name, field_names[field]);
                const char *value = option(userdata, key);
                if (!value)
                        value = pattern->builtin ? pattern->builtin->fields[field] : NULL;
                if (!value)
                        continue;
                size_t limit = field == KIND ? sizeof((struct pattern_match *) NULL)->kind : TEXT_MAX;
                if (strlen(value) >= limit) {
                        snprintf(ret_reason, size, "option %s: longer than %zu bytes", key, limit - 1);
                        return -EINVAL;
                }
                memcpy(pattern->fields[field], value, strlen(value) + 1);
        }
        if (pattern->fields[REGEX][0] != '\0')
                return 0;
        snprintf(ret_reason, size, "option patterns: \"%s\" is not built in, and there is no option %s.regex", pattern->name, pattern->name);
        return -EINVAL;
}

static int add(struct pattern_set *set, const char *name, size_t length, pattern_option option, void *userdata, char *ret_reason, size_t size) {
        if (length > NAME_MAX_LENGTH || set->n == PATTERNS_MAX) {
                snprintf(ret_reason, size, "option patterns: \"%.*s\": %s", (int) (length < 64 ? length : 64), name,
                         set->n == PATTERNS_MAX ? "there are too many" : "the name is too long");
                return -EINVAL;
        }
        struct pattern *pattern = &set->patterns[set->n++];
        memcpy(pattern->name, name, length);
        pattern->builtin = find_builtin(pattern->name);
        int r = read_fields(pattern, option, userdata, ret_reason, size);
        if (r >= 0)
                r = compile(pattern, ret_reason, size);
        for (enum field field = REGEX + 1; r >= 0 && field < _FIELD_MAX; field++)
                r = check_template(pattern, field, ret_reason, size);
        return r;
}

int pattern_set_new(pattern_option option, void *userdata, struct pattern_set **ret, char *ret_reason, size_t size) {
        _cleanup_(pattern_set_freep) struct pattern_set *set = calloc(1, sizeof *set);
        int r = 0;

        if (!set) {
                snprintf(ret_reason, size, "%s", strerror(ENOMEM));
                return -ENOMEM;
        }
        const char *names = option(userdata, "patterns");
        for (size_t i = 0; !names && i < ELEMENTSOF(builtins) && r >= 0; i++)
                r = add(set, builtins[i].name, strlen(builtins[i].name), option, userdata, ret_reason, size);
        for (const char *word = names; r >= 0 && word && *(word += strspn(word, " \t")); word += strcspn(word, " \t"))
                r = add(set, word, strcspn(word, " \t"), option, userdata, ret_reason, size);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(set);
        return 0;
}

const char *pattern_set_module(const struct pattern_set *set, size_t index) {
        if (index >= set->n)
                return NULL;
        return set->patterns[index].builtin ? set->patterns[index].builtin->module : "";
}

bool pattern_set_is_configured(const struct pattern_set *set) {
        for (size_t i = 0; i < set->n; i++)
                if (!set->patterns[i].builtin)
                        return true;
        return false;
}

/* --- matching */

/* For people and the bus: bytes that are no text become '?'. What does not fit is cut off. */
static void append(char *ret, size_t size, size_t *length, const char *text, size_t text_length) {
        for (size_t i = 0; i < text_length && *length + 1 < size; i++)
                ret[(*length)++] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?';
        ret[*length] = '\0';
}

static void expand(const char *template, const char *name, const regmatch_t *groups, char *ret, size_t size) {
        size_t length = 0;

        ret[0] = '\0';
        for (const char *c = template; *c; c++) {
                if (*c != '\\') {
                        append(ret, size, &length, c, 1);
                        continue;
                }
                c++; /* check_template() has seen to it that there is one */
                if (*c == '\\') {
                        append(ret, size, &length, c, 1);
                        continue;
                }
                const regmatch_t *group = &groups[*c - '0'];
                if (group->rm_so >= 0)
                        append(ret, size, &length, name + group->rm_so, (size_t) (group->rm_eo - group->rm_so));
        }
}

static int parse_queue(const char *text) {
        char *end;
        if (text[0] < '0' || text[0] > '9')
                return -1;
        errno = 0;
        unsigned long queue = strtoul(text, &end, 10);
        return errno == 0 && *end == '\0' && queue <= INT_MAX ? (int) queue : -1;
}

bool pattern_set_match(const struct pattern_set *set, const char *name, struct pattern_match *ret) {
        regmatch_t groups[GROUPS_MAX];
        char number[32];

        if (strnlen(name, THREAD_NAME_MAX + 1) > THREAD_NAME_MAX)
                return false;
        for (size_t i = 0; i < set->n; i++) {
                const struct pattern *pattern = &set->patterns[i];
                if (regexec(&pattern->regex, name, GROUPS_MAX, groups, 0) != 0)
                        continue;
                ret->pattern = pattern->name;
                expand(pattern->fields[KIND], name, groups, ret->kind, sizeof ret->kind);
                expand(pattern->fields[BACKEND], name, groups, ret->backend, sizeof ret->backend);
                expand(pattern->fields[DOMAIN], name, groups, ret->domain, sizeof ret->domain);
                expand(pattern->fields[QUEUE], name, groups, number, sizeof number);
                ret->queue_pair = parse_queue(number);
                expand(pattern->fields[OWNER], name, groups, number, sizeof number);
                ret->creator = thread_parse_id(number);
                return true;
        }
        return false;
}
