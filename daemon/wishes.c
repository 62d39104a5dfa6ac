/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What owners of domains want: handed to the plugin that keeps it with the domain, which may take a while to answer. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine-private.h"

/* Somebody sits before it: longer than that nobody waits for a libvirtd that hangs. */
#define WISH_PATIENCE_USEC 10000000u
/* More than so many at once are no person's. */
#define WISHES_MAX 64

struct wish {
        char domain[IOCORE_NAME_MAX];
        char attributes[IOCORE_REASON_MAX];
        uint64_t since_usec;
        engine_wish_done done;
        void *userdata;
};

struct wishes {
        struct wish wishes[WISHES_MAX];
        size_t n;
};

int wishes_new(struct wishes **ret) {
        *ret = calloc(1, sizeof **ret);
        return *ret ? 0 : -ENOMEM;
}

static void finish(struct wishes *wishes, size_t index, int error, const char *reason) {
        struct wish wish = wishes->wishes[index];
        memmove(wishes->wishes + index, wishes->wishes + index + 1, (wishes->n - index - 1) * sizeof *wishes->wishes);
        wishes->n--;
        wish.done(wish.userdata, error, reason);
}

struct wishes *wishes_free(struct wishes *wishes) {
        while (wishes && wishes->n > 0)
                finish(wishes, 0, -ECANCELED, "iocored ends");
        free(wishes);
        return NULL;
}

static struct plugin_instance *keeper_of(const struct domain *domain) {
        return domain->plugin && domain->plugin->plugin->domain_wish ? domain->plugin : NULL;
}

/* -EINPROGRESS: no answer yet. */
static int ask(const struct engine *engine, const struct wish *wish, char *ret_reason, size_t size) {
        const struct domain *domain = host_domain(engine->host, wish->domain);
        struct plugin_instance *keeper = domain ? keeper_of(domain) : NULL;
        ret_reason[0] = '\0';
        if (!domain) {
                snprintf(ret_reason, size, "the domain has vanished meanwhile");
                return -ENOENT;
        }
        if (!keeper)
                return -EOPNOTSUPP;
        int r = keeper->plugin->domain_wish(keeper->state, wish->domain, wish->attributes, ret_reason, size);
        ret_reason[size - 1] = '\0';
        return r > 0 ? 0 : r;
}

bool engine_domain_is_banned(const struct engine *engine, const char *domain) {
        for (char **pattern = engine->config->rules.banned_domains; pattern && *pattern; pattern++)
                if (fnmatch(*pattern, domain, 0) == 0)
                        return true;
        return false;
}

int engine_wish(struct engine *engine, const char *name, const char *attributes, engine_wish_done done, void *userdata) {
        struct wishes *wishes = engine->wishes;
        const struct domain *domain = host_domain(engine->host, name);
        if (!domain)
                return -ENOENT;
        if (engine_domain_is_banned(engine, name))
                return -EPERM;
        if (!keeper_of(domain))
                return -EOPNOTSUPP;
        if (strlen(attributes) >= sizeof wishes->wishes[0].attributes)
                return -EINVAL;
        for (size_t i = 0; i < wishes->n; i++)
                if (strcmp(wishes->wishes[i].domain, name) == 0)
                        return -EBUSY;
        if (wishes->n == WISHES_MAX)
                return -ENOBUFS;
        struct wish *wish = &wishes->wishes[wishes->n++];
        *wish = (struct wish) { .since_usec = engine->host->now_usec, .done = done, .userdata = userdata };
        snprintf(wish->domain, sizeof wish->domain, "%s", name);
        snprintf(wish->attributes, sizeof wish->attributes, "%s", attributes);
        char reason[IOCORE_REASON_MAX];
        int r = ask(engine, wish, reason, sizeof reason);
        if (r != -EINPROGRESS)
                finish(wishes, wishes->n - 1, r, reason);
        return 0;
}

void engine_ask_for_wishes(struct engine *engine) {
        struct wishes *wishes = engine->wishes;
        char reason[IOCORE_REASON_MAX];
        for (size_t i = wishes->n; i-- > 0;) {
                int r = ask(engine, &wishes->wishes[i], reason, sizeof reason);
                if (r == -EINPROGRESS && engine->host->now_usec - wishes->wishes[i].since_usec >= WISH_PATIENCE_USEC)
                        r = -ETIMEDOUT;
                if (r != -EINPROGRESS)
                        finish(wishes, i, r, reason);
        }
}
