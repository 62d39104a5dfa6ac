/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* policy { name =, doc =, params =, on_... = }: what a file declares, checked. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "daemon/cleanup.h"
#include "lua-internal.h"

static const char other_name[] = "goes by the name of its file, not by the one that it declares";
static const char *const event_names[_POLICY_EVENT_MAX] = { "on_start", "on_epoch", "on_domain", "on_device", "on_core", "on_nic" };

static bool is_identifier(const char *name, size_t length, size_t size) {
        return length > 0 && length < size && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == length && (name[0] < '0' || name[0] > '9');
}

static int compare_parameters(const void *a, const void *b) {
        return strcmp(((const struct policy_parameter *) a)->name, ((const struct policy_parameter *) b)->name);
}

static double parameter_number(lua_State *lua, const struct policy_parameter *parameter, const char *key) {
        double value;

        if (lua_type(lua, -1) != LUA_TNUMBER)
                luaL_error(lua, "params.%s.%s is not a number", parameter->name, key);
        value = lua_tonumber(lua, -1);
        if (!isfinite(value))
                luaL_error(lua, "params.%s.%s is not finite", parameter->name, key);
        return value;
}

static void parameter_text(lua_State *lua, const struct policy_parameter *parameter, const char *key, char *destination, size_t size) {
        size_t length;
        const char *text;

        if (lua_type(lua, -1) != LUA_TSTRING)
                luaL_error(lua, "params.%s.%s is not a string", parameter->name, key);
        text = lua_tolstring(lua, -1, &length);
        text_copy(destination, size, text, length);
}

/* The value on top of the stack is one of the words. Those are looked at last, so it waits in `default_word`. */
static void parameter_word(lua_State *lua, const struct policy_parameter *parameter, const char *key, char *destination) {
        size_t length = 0;
        const char *word = lua_type(lua, -1) == LUA_TSTRING ? lua_tolstring(lua, -1, &length) : "";

        if (!is_identifier(word, length, POLICY_WORD_MAX))
                luaL_error(lua, "params.%s.%s is not a word of a-z, 0-9 and _", parameter->name, key);
        memcpy(destination, word, length + 1);
}

static void parameter_words(lua_State *lua, struct policy_parameter *parameter) {
        size_t n = lua_istable(lua, -1) ? lua_rawlen(lua, -1) : 0;

        if (n < 2 || n > POLICY_WORDS_MAX)
                luaL_error(lua, "params.%s.values is not a list of 2 to %d words", parameter->name, POLICY_WORDS_MAX);
        for (size_t i = 0; i < n; i++) {
                lua_rawgeti(lua, -1, (lua_Integer) i + 1);
                parameter_word(lua, parameter, "values", parameter->words[i]);
                lua_pop(lua, 1);
        }
        parameter->n_words = n;
}

/* One key of a parameter's table; the value is on top of the stack. */
static void parameter_key(lua_State *lua, struct policy_parameter *parameter, const char *key, bool *has_default, char *default_word) {
        if (strcmp(key, "default") == 0 && lua_type(lua, -1) == LUA_TSTRING) {
                parameter_word(lua, parameter, key, default_word);
                *has_default = true;
        } else if (strcmp(key, "values") == 0)
                parameter_words(lua, parameter);
        else if (strcmp(key, "default") == 0) {
                parameter->is_boolean = lua_isboolean(lua, -1);
                parameter->fallback = parameter->is_boolean ? lua_toboolean(lua, -1) : parameter_number(lua, parameter, key);
                *has_default = true;
        } else if (strcmp(key, "min") == 0)
                parameter->minimum = parameter_number(lua, parameter, key);
        else if (strcmp(key, "max") == 0)
                parameter->maximum = parameter_number(lua, parameter, key);
        else if (strcmp(key, "unit") == 0)
                parameter_text(lua, parameter, key, parameter->unit, sizeof(parameter->unit));
        else if (strcmp(key, "doc") == 0)
                parameter_text(lua, parameter, key, parameter->doc, sizeof(parameter->doc));
        else
                luaL_error(lua, "params.%s has an unknown key", parameter->name);
}

/* The parameter's table is on top of the stack. */
static void declare_parameter(lua_State *lua, struct policy_parameter *parameter) {
        bool has_default = false;
        char default_word[POLICY_WORD_MAX] = "";

        if (!lua_istable(lua, -1))
                luaL_error(lua, "params.%s is not a table", parameter->name);
        parameter->minimum = -HUGE_VAL;
        parameter->maximum = HUGE_VAL;
        lua_pushnil(lua);
        while (lua_next(lua, -2)) {
                if (lua_type(lua, -2) != LUA_TSTRING)
                        luaL_error(lua, "params.%s has a key that is no string", parameter->name);
                parameter_key(lua, parameter, lua_tostring(lua, -2), &has_default, default_word);
                lua_pop(lua, 1);
        }
        if (!has_default)
                luaL_error(lua, "params.%s has no default", parameter->name);
        if ((parameter->n_words > 0) != (default_word[0] != '\0'))
                luaL_error(lua, "params.%s: a word as default and a list of values belong together", parameter->name);
        if (parameter->n_words > 0) {
                parameter->fallback = -1;
                for (size_t i = 0; i < parameter->n_words; i++)
                        if (strcmp(parameter->words[i], default_word) == 0)
                                parameter->fallback = (double) i;
                parameter->minimum = 0;
                parameter->maximum = (double) parameter->n_words - 1;
        }
        if (parameter->is_boolean) {
                parameter->minimum = 0;
                parameter->maximum = 1;
        }
        if (parameter->minimum > parameter->fallback || parameter->fallback > parameter->maximum)
                luaL_error(lua, "params.%s: the default is not within min and max", parameter->name);
        parameter->value = parameter->fallback;
}

/* The table `params` is on top of the stack. */
static void declare_parameters(lua_State *lua, struct lua_sandbox *sandbox) {
        if (!lua_istable(lua, -1))
                luaL_error(lua, "params is not a table");
        lua_pushnil(lua);
        while (lua_next(lua, -2)) {
                struct policy_parameter *parameter;
                const char *name;
                size_t length;

                if (sandbox->n_parameters >= SANDBOX_PARAMETERS_MAX)
                        luaL_error(lua, "more than %d params", SANDBOX_PARAMETERS_MAX);
                if (lua_type(lua, -2) != LUA_TSTRING)
                        luaL_error(lua, "params has a key that is no string");
                name = lua_tolstring(lua, -2, &length);
                parameter = &sandbox->parameters[sandbox->n_parameters];
                memset(parameter, 0, sizeof(*parameter));
                if (!is_identifier(name, length, sizeof(parameter->name)) || strcmp(name, "enabled") == 0)
                        luaL_error(lua, "a name in params is not a word of a-z, 0-9 and _, or is 'enabled'");
                memcpy(parameter->name, name, length + 1);
                declare_parameter(lua, parameter);
                sandbox->n_parameters++;
                lua_pop(lua, 1);
        }
        qsort(sandbox->parameters, sandbox->n_parameters, sizeof(*sandbox->parameters), compare_parameters);
        lua_rawgeti(lua, LUA_REGISTRYINDEX, sandbox->parameter_index);
        for (size_t i = 0; i < sandbox->n_parameters; i++) {
                lua_pushinteger(lua, (lua_Integer) i);
                lua_setfield(lua, -2, sandbox->parameters[i].name);
        }
        lua_pop(lua, 1);
}

/* One key of the declaration; the value is on top of the stack. */
static void declare_key(lua_State *lua, struct lua_sandbox *sandbox, const char *key) {
        size_t length;
        const char *text;

        if (strcmp(key, "params") == 0) {
                declare_parameters(lua, sandbox);
                return;
        }
        if (strcmp(key, "name") == 0 || strcmp(key, "doc") == 0) {
                if (lua_type(lua, -1) != LUA_TSTRING)
                        luaL_error(lua, "%s is not a string", key);
                text = lua_tolstring(lua, -1, &length);
                if (key[0] == 'd')
                        text_copy(sandbox->doc, sizeof(sandbox->doc), text, length);
                else if (strcmp(text, sandbox->name) != 0)
                        sandbox_log(sandbox, LOG_NOTICE, other_name, strlen(other_name));
                return;
        }
        for (size_t event = 0; event < _POLICY_EVENT_MAX; event++)
                if (strcmp(key, event_names[event]) == 0) {
                        if (!lua_isfunction(lua, -1))
                                luaL_error(lua, "%s is not a function", key);
                        lua_pushvalue(lua, -1);
                        sandbox->handlers[event] = luaL_ref(lua, LUA_REGISTRYINDEX);
                        return;
                }
        luaL_error(lua, "policy has no '%s'", key);
}

int declare_policy(lua_State *lua) {
        struct lua_sandbox *sandbox = sandbox_of(lua);

        luaL_checktype(lua, 1, LUA_TTABLE);
        lua_settop(lua, 1);
        if (sandbox->declared)
                return luaL_error(lua, "policy { } was already called");
        sandbox->declared = true;
        lua_pushnil(lua);
        while (lua_next(lua, 1)) {
                if (lua_type(lua, -2) != LUA_TSTRING)
                        return luaL_error(lua, "policy has a key that is no string");
                declare_key(lua, sandbox, lua_tostring(lua, -2));
                lua_pop(lua, 1);
        }
        push_new_object(lua, OBJECT_POLICY, sizeof(struct object));
        return 1;
}
