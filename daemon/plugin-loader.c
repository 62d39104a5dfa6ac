/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "log.h"
#include "plugin-loader.h"
#include "plugin-services.h"
#include "trusted-path.h"

#define SUFFIX ".so"

struct loaded_plugin {
        struct plugin_instance instance; /* what the model and the actor know */
        struct iocore_plugin plugin;     /* the daemon's own copy, zeros for what an older plugin does not know */
        struct iocore_context context;
        struct plugin_info info;
        bool checked; /* `plugin` is filled */
        void *handle;
        /* Kept while the object is loaded: the linker tells objects apart by their path, and "/proc/self/fd/N" is one only as long as N is taken. */
        int fd;
        char fd_path[32];
};

struct plugin_set {
        struct host *host;
        const struct config *config;
        struct loaded_plugin **plugins; /* those found, in order of rank */
        size_t n_plugins;
        struct plugin_instance **instances;
        char *reason; /* buffer of plugin_set_unavailable() */
        struct notices *notices;
        struct jobs *jobs;
};

__attribute__((format(printf, 3, 4))) static
int refuse(struct loaded_plugin *loaded, int error, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(loaded->info.reason, sizeof loaded->info.reason, format, arguments);
        va_end(arguments);
        loaded->info.status = PLUGIN_REFUSED;
        return error;
}

/* --- loading --- */

static bool name_is_valid(const char *name) {
        size_t length = strlen(name);
        return length > 0 && length < IOCORE_ID_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

static int check_knobs(struct loaded_plugin *loaded) {
        const struct iocore_plugin *plugin = &loaded->plugin;
        if (plugin->n_knobs > 0 && !plugin->knobs)
                return refuse(loaded, -EINVAL, "says that it has %zu knobs, but has no table of them", plugin->n_knobs);
        for (size_t i = 0; i < plugin->n_knobs; i++) {
                const struct iocore_knob *knob = plugin->knobs + i;
                if (!knob->kind || !knob->get || !knob->set)
                        return refuse(loaded, -EINVAL, "knob %zu lacks kind, get or set", i);
                if (knob->kind[0] == '\0' || strlen(knob->kind) >= sizeof((struct journal_entry *) NULL)->knob)
                        return refuse(loaded, -EINVAL, "the kind of knob %zu is empty or too long", i);
        }
        return 0;
}

/* The smallest plugin that makes sense ends with close(). */
#define SIZE_MIN (offsetof(struct iocore_plugin, close) + sizeof(((struct iocore_plugin *) NULL)->close))

static int copy_plugin(struct loaded_plugin *loaded) {
        const struct iocore_plugin *symbol = dlsym(loaded->handle, "iocore_plugin");
        if (!symbol)
                return refuse(loaded, -EINVAL, "exports no symbol iocore_plugin");
        Dl_info info;
        ElfW(Sym) *entry = NULL;
        size_t symbol_size = dladdr1(symbol, &info, (void **) &entry, RTLD_DL_SYMENT) && entry ? entry->st_size : 0;
        if (symbol_size < SIZE_MIN)
                return refuse(loaded, -EINVAL, "its iocore_plugin has %zu bytes, at least %zu are needed", symbol_size, SIZE_MIN);
        if (symbol->abi != IOCORE_PLUGIN_ABI)
                return refuse(loaded, -EPROTO, "built for plugin ABI %u, this daemon has %u", symbol->abi, IOCORE_PLUGIN_ABI);
        if (symbol->size < SIZE_MIN || symbol->size > symbol_size)
                return refuse(loaded, -EINVAL, "says that its iocore_plugin has %u bytes, it has %zu", symbol->size, symbol_size);
        memcpy(&loaded->plugin, symbol, symbol->size < sizeof loaded->plugin ? symbol->size : sizeof loaded->plugin);
        return 0;
}

static int check_plugin(struct loaded_plugin *loaded, const char *name) {
        const struct iocore_plugin *plugin = &loaded->plugin;
        if (!plugin->name || strcmp(plugin->name, name) != 0)
                return refuse(loaded, -EINVAL, "calls itself \"%.*s\", which is not the name of its file", IOCORE_ID_MAX, plugin->name ?: "");
        if (!plugin->probe || !plugin->open || !plugin->close)
                return refuse(loaded, -EINVAL, "lacks probe, open or close");
        return check_knobs(loaded);
}

static int load(struct loaded_plugin *loaded, const char *directory, const char *name) {
        char path[PATH_MAX], reason[IOCORE_REASON_MAX] = "";
        if (!name_is_valid(name))
                return refuse(loaded, -EINVAL, "not a name for a plugin: a-z, 0-9 and -, at most %d", IOCORE_ID_MAX - 1);
        if (snprintf(path, sizeof path, "%s/%s" SUFFIX, directory, name) >= (int) sizeof path)
                return refuse(loaded, -ENAMETOOLONG, "its path is too long");
        loaded->fd = trusted_open(path, reason, sizeof reason);
        if (loaded->fd < 0)
                return refuse(loaded, loaded->fd, "%s", reason[0] ? reason : strerror(-loaded->fd));
        /* What was checked is what is loaded, whatever the path names by now. */
        snprintf(loaded->fd_path, sizeof loaded->fd_path, "/proc/self/fd/%d", loaded->fd);
        loaded->handle = dlopen(loaded->fd_path, RTLD_NOW | RTLD_LOCAL);
        if (!loaded->handle)
                return refuse(loaded, -ENOEXEC, "cannot be loaded: %s", dlerror());
        int r = copy_plugin(loaded);
        if (r >= 0)
                r = check_plugin(loaded, name);
        if (r >= 0) {
                loaded->checked = true;
                loaded->info.doc = loaded->plugin.doc;
                loaded->info.options = loaded->plugin.options;
        }
        return r;
}

static struct loaded_plugin *loaded_free(struct loaded_plugin *loaded) {
        if (!loaded)
                return NULL;
        if (loaded->handle)
                dlclose(loaded->handle);
        /* An object that refuses to be unloaded keeps its name, and so the number of its descriptor. */
        bool resident = false;
        if (loaded->handle) {
                void *still = dlopen(loaded->fd_path, RTLD_LAZY | RTLD_NOLOAD);
                resident = still != NULL;
                if (still)
                        dlclose(still);
        }
        if (loaded->fd >= 0 && !resident)
                close(loaded->fd);
        free(loaded);
        return NULL;
}

static inline void loaded_freep(struct loaded_plugin **loaded) {
        loaded_free(*loaded);
}

/* --- finding --- */

static bool is_wanted(const struct config *config, const char *name) {
        if (!config->plugins)
                return true;
        for (char **wanted = config->plugins; *wanted; wanted++)
                if (strcmp(*wanted, name) == 0)
                        return true;
        return false;
}

static int add_plugin(struct plugin_set *set, const char *name, struct loaded_plugin **ret) {
        _cleanup_(loaded_freep) struct loaded_plugin *loaded = calloc(1, sizeof *loaded);
        struct loaded_plugin **plugins = reallocarray(set->plugins, set->n_plugins + 1, sizeof *plugins);
        if (plugins)
                set->plugins = plugins;
        if (!loaded || !plugins)
                return -ENOMEM;
        loaded->fd = -1;
        snprintf(loaded->info.name, sizeof loaded->info.name, "%s", name);
        *ret = set->plugins[set->n_plugins++] = TAKE_PTR(loaded);
        return 0;
}

static int is_shared_object(const struct dirent *entry) {
        size_t length = strlen(entry->d_name), suffix = strlen(SUFFIX);
        /* A link is followed, and judged, by trusted_open(). */
        bool may_be_file = entry->d_type == DT_REG || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN;
        return may_be_file && entry->d_name[0] != '.' && length > suffix && strcmp(entry->d_name + length - suffix, SUFFIX) == 0;
}

static int load_directory(struct plugin_set *set) {
        struct dirent **entries;
        const char *directory = set->config->plugin_directory;
        int n = directory ? scandir(directory, &entries, is_shared_object, alphasort) : 0, r = 0;
        if (n < 0) {
                log_warning("%s: cannot read the directory of plugins: %m", directory);
                return errno == ENOMEM ? -ENOMEM : 0;
        }
        for (int i = 0; i < n; i++) {
                char name[NAME_MAX + 1];
                snprintf(name, sizeof name, "%.*s", (int) (strlen(entries[i]->d_name) - strlen(SUFFIX)), entries[i]->d_name);
                struct loaded_plugin *loaded;
                if (r >= 0 && is_wanted(set->config, name)) {
                        r = add_plugin(set, name, &loaded);
                        if (r >= 0 && load(loaded, directory, name) < 0)
                                log_warning("plugin %s: %s", name, loaded->info.reason);
                }
                free(entries[i]);
        }
        if (directory)
                free(entries);
        return r;
}

/* --- opening --- */

static int compare_rank(const void *a, const void *b) {
        const struct loaded_plugin *x = *(struct loaded_plugin *const *) a, *y = *(struct loaded_plugin *const *) b;
        if (x->plugin.rank != y->plugin.rank)
                return x->plugin.rank < y->plugin.rank ? -1 : 1;
        return strcmp(x->info.name, y->info.name);
}

/* The plugin before this one whose probe said yes and that provides the same. */
static const struct loaded_plugin *provider_before(const struct plugin_set *set, size_t index) {
        const char *provides = set->plugins[index]->plugin.provides;
        for (size_t i = 0; provides && i < index; i++) {
                const struct loaded_plugin *other = set->plugins[i];
                /* Also one that did not open: a plugin of lower rank would not understand what it sees on such a host. */
                if (other->checked && other->instance.plugin && other->plugin.provides && strcmp(other->plugin.provides, provides) == 0)
                        return other;
        }
        return NULL;
}

static void probe_and_open(struct plugin_set *set, size_t index) {
        struct loaded_plugin *loaded = set->plugins[index];
        struct plugin_info *info = &loaded->info;
        const struct loaded_plugin *other = provider_before(set, index);
        if (other) {
                info->status = PLUGIN_SUPERSEDED;
                snprintf(info->reason, sizeof info->reason, "%s provides %s on this host", other->info.name, loaded->plugin.provides);
                return;
        }
        loaded->context = (struct iocore_context) {
                .name = info->name, .instance = &loaded->instance, .host = set->host, .config = set->config, .notices = set->notices, .jobs = set->jobs,
        };
        int r = loaded->plugin.probe(&plugin_services, &loaded->context, info->reason, sizeof info->reason);
        info->reason[sizeof info->reason - 1] = '\0';
        if (r <= 0) {
                info->status = r == 0 ? PLUGIN_NOT_FOR_THIS_HOST : PLUGIN_REFUSED;
                if (r < 0 && !info->reason[0])
                        snprintf(info->reason, sizeof info->reason, "its probe failed: %s", strerror(-r));
                return;
        }
        info->reason[0] = '\0';
        loaded->instance.plugin = &loaded->plugin; /* from here on the model may name it as an owner */
        r = loaded->plugin.open(&plugin_services, &loaded->context, &loaded->instance.state, info->reason, sizeof info->reason);
        info->reason[sizeof info->reason - 1] = '\0';
        if (r < 0) {
                host_remove_plugin(set->host, &loaded->instance);
                info->status = PLUGIN_REFUSED;
                if (!info->reason[0])
                        snprintf(info->reason, sizeof info->reason, "cannot be opened: %s", strerror(-r));
                log_warning("plugin %s: %s", info->name, info->reason);
                return;
        }
        info->reason[0] = '\0';
        info->status = PLUGIN_OPEN;
}

static int open_all(struct plugin_set *set) {
        set->instances = calloc(set->n_plugins + 1, sizeof *set->instances);
        if (!set->instances)
                return -ENOMEM;
        if (set->n_plugins > 0)
                qsort(set->plugins, set->n_plugins, sizeof *set->plugins, compare_rank);
        size_t n = 0;
        for (size_t i = 0; i < set->n_plugins; i++) {
                if (set->plugins[i]->checked)
                        probe_and_open(set, i);
                if (set->plugins[i]->info.status == PLUGIN_OPEN)
                        set->instances[n++] = &set->plugins[i]->instance;
        }
        return 0;
}

/* What was asked for by name must be there. A missing one gets an entry that says so. */
static int check_wanted(struct plugin_set *set) {
        int r = 0;
        for (char **wanted = set->config->plugins; wanted && *wanted; wanted++) {
                struct loaded_plugin *found = NULL;
                for (size_t i = 0; i < set->n_plugins; i++)
                        if (strcmp(set->plugins[i]->info.name, *wanted) == 0)
                                found = set->plugins[i];
                if (!found) {
                        int added = add_plugin(set, *wanted, &found);
                        if (added < 0)
                                return added;
                        refuse(found, -ENOENT, "there is no %s" SUFFIX " in %s", *wanted, set->config->plugin_directory ?: "any directory");
                }
                if (found->info.status != PLUGIN_OPEN)
                        r = -ENOENT;
        }
        return r;
}

static bool provides(const struct plugin_set *set, const char *what) {
        for (struct plugin_instance **p = set->instances; *p; p++)
                if ((*p)->plugin->provides && strcmp((*p)->plugin->provides, what) == 0)
                        return true;
        return false;
}

int plugin_set_load(struct plugin_set **ret, const struct config *config) {
        _cleanup_(plugin_set_freep) struct plugin_set *set = calloc(1, sizeof *set);
        if (!set)
                return -ENOMEM;
        set->config = config;
        int r = load_directory(set);
        if (r >= 0)
                *ret = TAKE_PTR(set);
        return r;
}

int plugin_set_new(struct plugin_set **ret, const struct config *config, struct host *host) {
        _cleanup_(plugin_set_freep) struct plugin_set *set = NULL;
        int r = plugin_set_load(&set, config);
        if (r < 0)
                return r;
        set->host = host;
        set->reason = calloc(1, IOCORE_REASON_MAX);
        r = set->reason ? notices_new(&set->notices) : -ENOMEM;
        if (r >= 0)
                r = jobs_new(&set->jobs);
        if (r >= 0)
                r = open_all(set);
        if (r < 0)
                return r;
        r = check_wanted(set);
        if (r == -ENOMEM)
                return r;
        if (r >= 0 && !provides(set, "vhost"))
                r = -ENODEV;
        *ret = TAKE_PTR(set);
        return r;
}

struct plugin_set *plugin_set_free(struct plugin_set *set) {
        if (!set)
                return NULL;
        for (size_t i = set->n_plugins; i-- > 0;) {
                struct loaded_plugin *loaded = set->plugins[i];
                if (loaded->info.status == PLUGIN_OPEN && loaded->instance.plugin) {
                        loaded->plugin.close(loaded->instance.state);
                        host_remove_plugin(set->host, &loaded->instance);
                }
                loaded_free(loaded);
        }
        free(set->plugins);
        free(set->instances);
        free(set->reason);
        notices_free(set->notices);
        jobs_free(set->jobs);
        free(set);
        return NULL;
}

/* --- asking --- */

struct plugin_instance *const *plugin_set_instances(const struct plugin_set *set) {
        return set->instances;
}

struct notices *plugin_set_notices(const struct plugin_set *set) {
        return set->notices;
}

struct jobs *plugin_set_jobs(const struct plugin_set *set) {
        return set->jobs;
}

size_t plugin_set_size(const struct plugin_set *set) {
        return set->n_plugins;
}

const struct plugin_info *plugin_set_info(const struct plugin_set *set, size_t index) {
        return index < set->n_plugins ? &set->plugins[index]->info : NULL;
}

/* The owner of a knob's object, where the model has it. */
static const struct plugin_instance *owner_of(const struct host *host, const char *kind, const char *object) {
        if (strncmp(kind, "unit.", 5) == 0 && host_unit(host, object))
                return host_unit(host, object)->plugin;
        if (strncmp(kind, "worker.", 7) == 0 && host_worker(host, object))
                return host_worker(host, object)->plugin;
        if (strncmp(kind, "queue.", 6) == 0 && host_queue(host, object))
                return host_queue(host, object)->plugin;
        return NULL;
}

static bool has(const struct iocore_plugin *plugin, const char *kind) {
        if (strcmp(kind, "grow") == 0)
                return plugin->core_add != NULL;
        for (size_t i = 0; i < plugin->n_knobs; i++)
                if (strcmp(plugin->knobs[i].kind, kind) == 0)
                        return true;
        return false;
}

static const char *memory_unavailable(const struct plugin_set *set) {
        for (struct plugin_instance **p = set->instances; *p; p++)
                if ((*p)->plugin->memory_begin && (*p)->plugin->job_cancel)
                        return NULL;
        return "no open plugin moves memory: see the plugin numa in iocorectl status";
}

const char *plugin_set_unavailable(const struct plugin_set *set, const char *kind, const char *object) {
        const struct plugin_instance *owner = object ? owner_of(set->host, kind, object) : NULL;
        const char *why = NULL;
        if (strcmp(kind, MEMORY_MOVE) == 0)
                return memory_unavailable(set);
        for (struct plugin_instance **p = set->instances; *p; p++) {
                const struct iocore_plugin *plugin = (*p)->plugin;
                if (owner && owner != *p)
                        continue;
                /* A table of knobs is constant; what this very host lacks is for the plugin to say. */
                const char *reason = plugin->unavailable ? plugin->unavailable((*p)->state, kind) : NULL;
                if (!reason && has(plugin, kind))
                        return NULL;
                why = why ?: reason;
        }
        if (why)
                return why;
        snprintf(set->reason, IOCORE_REASON_MAX, "no open plugin offers %s", kind);
        return set->reason;
}
