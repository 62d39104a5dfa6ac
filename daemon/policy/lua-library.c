/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a policy may call: an allow-list, with bounded functions in the place of those that are not linear in a bounded input. */
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "daemon/cleanup.h"
#include "lua-internal.h"

#define FORMAT_ARGUMENTS_MAX 32
#define UNPACK_MAX 250 /* as many as an expression can write out */
#define SORT_MAX 32768

const char *push_text(lua_State *lua, int index, size_t *ret_length) {
        switch (lua_type(lua, index)) {
        case LUA_TSTRING:
                lua_pushvalue(lua, index);
                break;
        case LUA_TNUMBER:
                lua_pushvalue(lua, index);
                return lua_tolstring(lua, -1, ret_length); /* converts the copy */
        case LUA_TBOOLEAN:
                lua_pushstring(lua, lua_toboolean(lua, index) ? "true" : "false");
                break;
        case LUA_TUSERDATA: {
                const struct object *object = lua_touserdata(lua, index);

                lua_pushfstring(lua, "%s %s", object_kind_name(object->kind), object->id);
                break;
        }
        default:
                lua_pushstring(lua, luaL_typename(lua, index));
        }
        return lua_tolstring(lua, -1, ret_length);
}

static int safe_tostring(lua_State *lua) {
        luaL_checkany(lua, 1);
        push_text(lua, 1, NULL);
        return 1;
}

static int safe_log(lua_State *lua) {
        size_t length;
        const char *text;

        luaL_checkany(lua, 1);
        sandbox_charge(lua, 100);
        text = push_text(lua, 1, &length);
        sandbox_log(sandbox_of(lua), LOG_INFO, text, length);
        return 0;
}

/* Calls the library's own function (upvalue 1) with the same arguments. */
static int call_original(lua_State *lua) {
        lua_pushvalue(lua, lua_upvalueindex(1));
        lua_insert(lua, 1);
        lua_call(lua, lua_gettop(lua) - 1, LUA_MULTRET);
        return lua_gettop(lua);
}

/* Functions that go once over one string. */
static int charged_string(lua_State *lua) {
        size_t length;

        (void) luaL_checklstring(lua, 1, &length);
        sandbox_charge(lua, length / 4);
        return call_original(lua);
}

static int charged_char(lua_State *lua) {
        sandbox_charge(lua, (uint64_t) lua_gettop(lua));
        return call_original(lua);
}

static int bounded_rep(lua_State *lua) {
        size_t length, separator_length;
        const char *text = luaL_checklstring(lua, 1, &length);
        lua_Integer count = luaL_checkinteger(lua, 2);
        const char *separator = luaL_optlstring(lua, 3, "", &separator_length);
        char result[SANDBOX_STRING_MAX];
        size_t used = 0;

        luaL_argcheck(lua, count <= (lua_Integer) SANDBOX_STRING_MAX && (count <= 0 || (uint64_t) count * (length + separator_length) <= sizeof(result)), 2,
                      "result too long");
        sandbox_charge(lua, count > 0 ? (uint64_t) count / 4 : 0);
        for (lua_Integer i = 0; i < count; i++) {
                memcpy(result + used, text, length);
                used += length;
                if (i + 1 < count) {
                        memcpy(result + used, separator, separator_length);
                        used += separator_length;
                }
        }
        lua_pushlstring(lua, result, used);
        return 1;
}

/* find(text, what [, from]): plain text only, in linear time. */
static int plain_find(lua_State *lua) {
        size_t length, what_length;
        const char *text = luaL_checklstring(lua, 1, &length);
        const char *what = luaL_checklstring(lua, 2, &what_length);
        lua_Integer from = luaL_optinteger(lua, 3, 1);
        const char *found;

        if (from < 0)
                from += (lua_Integer) length + 1;
        if (from < 1)
                from = 1;
        if (from > (lua_Integer) length + 1)
                return 0;
        sandbox_charge(lua, (length + what_length) / 4);
        found = memmem(text + from - 1, length - (size_t) from + 1, what, what_length);
        if (!found)
                return 0;
        lua_pushinteger(lua, found - text + 1);
        lua_pushinteger(lua, (lua_Integer) (found - text) + (lua_Integer) what_length);
        return 2;
}

/* format(): no addresses (%p, or %s of a table), few arguments; widths are bounded by Lua itself. */
static int safe_format(lua_State *lua) {
        size_t length;
        const char *format = luaL_checklstring(lua, 1, &length);
        int n = lua_gettop(lua);

        luaL_argcheck(lua, n <= FORMAT_ARGUMENTS_MAX, FORMAT_ARGUMENTS_MAX, "too many arguments");
        sandbox_charge(lua, 10 + length + 10 * (uint64_t) n);
        for (size_t i = 0; i + 1 < length; i++) {
                if (format[i] != '%')
                        continue;
                i += 1 + strspn(format + i + 1, "-+ #0123456789.");
                luaL_argcheck(lua, i >= length || (format[i] != 'p' && format[i] != 'q'), 1, "%p and %q are not offered");
        }
        for (int i = 2; i <= n; i++) {
                int type = lua_type(lua, i);

                if (type == LUA_TSTRING) {
                        size_t argument_length = lua_rawlen(lua, i);

                        sandbox_charge(lua, argument_length / 4);
                } else if (type != LUA_TNUMBER && type != LUA_TBOOLEAN && type != LUA_TNIL) {
                        push_text(lua, i, NULL);
                        lua_replace(lua, i);
                }
        }
        return call_original(lua);
}

/* Table functions that go once over the list. */
static int charged_list(lua_State *lua) {
        luaL_checktype(lua, 1, LUA_TTABLE);
        sandbox_charge(lua, lua_rawlen(lua, 1));
        return call_original(lua);
}

static int bounded_sort(lua_State *lua) {
        size_t length;

        luaL_checktype(lua, 1, LUA_TTABLE);
        length = lua_rawlen(lua, 1);
        luaL_argcheck(lua, length <= SORT_MAX, 1, "too many elements to sort");
        sandbox_charge(lua, length * 16);
        return call_original(lua);
}

static int bounded_unpack(lua_State *lua) {
        lua_Integer first = luaL_optinteger(lua, 2, 1), last;

        luaL_checktype(lua, 1, LUA_TTABLE);
        last = luaL_opt(lua, luaL_checkinteger, 3, (lua_Integer) lua_rawlen(lua, 1));
        luaL_argcheck(lua, last < first || (lua_Unsigned) last - (lua_Unsigned) first < UNPACK_MAX, 1, "too many results to unpack");
        sandbox_charge(lua, UNPACK_MAX / 4);
        return call_original(lua);
}

struct replacement {
        const char *name;
        lua_CFunction function; /* NULL: the library's own; otherwise gets it as upvalue 1 */
};

/* Opens a library below its own name, and pushes a new table with the allowed functions of it. */
static void push_allowed(lua_State *lua, lua_CFunction open, const char *name, const struct replacement *allowed, size_t n) {
        luaL_requiref(lua, name, open, 0);
        lua_createtable(lua, 0, (int) n);
        for (size_t i = 0; i < n; i++) {
                lua_getfield(lua, -2, allowed[i].name);
                if (allowed[i].function)
                        lua_pushcclosure(lua, allowed[i].function, 1);
                lua_setfield(lua, -2, allowed[i].name);
        }
        lua_remove(lua, -2);
}

static const struct replacement base_functions[] = {
        { "assert", NULL }, { "error", NULL }, { "ipairs", NULL }, { "next", NULL }, { "pairs", NULL }, { "pcall", NULL }, { "rawequal", NULL },
        { "rawlen", NULL }, { "select", NULL }, { "tonumber", NULL }, { "type", NULL }, { "_VERSION", NULL }, { "tostring", safe_tostring },
        { "print", safe_log },
};
static const struct replacement string_functions[] = {
        { "byte", charged_string }, { "char", charged_char }, { "find", plain_find }, { "format", safe_format }, { "len", NULL },
        { "lower", charged_string }, { "rep", bounded_rep }, { "reverse", charged_string }, { "sub", NULL }, { "upper", charged_string },
};
static const struct replacement table_functions[] = {
        { "concat", charged_list }, { "insert", charged_list }, { "pack", NULL }, { "remove", charged_list }, { "sort", bounded_sort },
        { "unpack", bounded_unpack },
};
/* No random numbers: the same snapshots give the same intents. */
static const struct replacement math_functions[] = {
        { "abs", NULL }, { "acos", NULL }, { "asin", NULL }, { "atan", NULL }, { "ceil", NULL }, { "cos", NULL }, { "deg", NULL }, { "exp", NULL },
        { "floor", NULL }, { "fmod", NULL }, { "huge", NULL }, { "log", NULL }, { "max", NULL }, { "maxinteger", NULL }, { "min", NULL },
        { "mininteger", NULL }, { "modf", NULL }, { "pi", NULL }, { "rad", NULL }, { "sin", NULL }, { "sqrt", NULL }, { "tan", NULL },
        { "tointeger", NULL }, { "type", NULL }, { "ult", NULL },
};

void library_push_environment(lua_State *lua) {
        push_allowed(lua, luaopen_base, LUA_GNAME, base_functions, ELEMENTSOF(base_functions));
        push_allowed(lua, luaopen_table, LUA_TABLIBNAME, table_functions, ELEMENTSOF(table_functions));
        lua_setfield(lua, -2, "table");
        push_allowed(lua, luaopen_math, LUA_MATHLIBNAME, math_functions, ELEMENTSOF(math_functions));
        lua_setfield(lua, -2, "math");
        push_allowed(lua, luaopen_string, LUA_STRLIBNAME, string_functions, ELEMENTSOF(string_functions));
        /* Method calls on strings reach the library through their shared metatable, not through the environment. */
        lua_pushliteral(lua, "");
        lua_createtable(lua, 0, 2);
        lua_pushvalue(lua, -3);
        lua_setfield(lua, -2, "__index");
        lua_pushboolean(lua, 0);
        lua_setfield(lua, -2, "__metatable");
        lua_setmetatable(lua, -2);
        lua_pop(lua, 1);
        lua_setfield(lua, -2, "string");
        lua_pushvalue(lua, -1);
        lua_setfield(lua, -2, "_G");
        lua_pushcfunction(lua, safe_log);
        lua_setfield(lua, -2, "log");
        lua_pushcfunction(lua, declare_policy);
        lua_setfield(lua, -2, "policy");
}
