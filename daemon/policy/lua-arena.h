/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory of one Lua state: a fixed piece of address space, mapped once and touched only as it is used. Its size is the policy's cap, so that neither a
 * steady epoch nor a hostile policy ever reaches malloc.
 *
 * Two-level segregated fit (Masmano, Ripoll, Crespo, Real, "TLSF: a new dynamic memory allocator for real-time systems", ECRTS 2004): each call takes constant
 * time however the memory is fragmented, which a first-fit search would not.
 */
#ifndef LUA_ARENA_H
#define LUA_ARENA_H

#include <stddef.h>

struct lua_arena;

#define LUA_ARENA_MIN ((size_t) 64 * 1024)
#define LUA_ARENA_MAX ((size_t) 1024 * 1024 * 1024)

/* `bytes`: LUA_ARENA_MIN .. LUA_ARENA_MAX, the arena's own bookkeeping included. 0, -EINVAL, -ENOMEM. */
int lua_arena_new(struct lua_arena **ret, size_t bytes);
struct lua_arena *lua_arena_free(struct lua_arena *arena);
static inline void lua_arena_freep(struct lua_arena **arena) { lua_arena_free(*arena); }

/* As realloc(3): `pointer` NULL allocates, `size` 0 frees and returns NULL. Aligned for any type. NULL when the arena is full (the old block then stays);
 * making a block smaller never fails. */
void *lua_arena_resize(struct lua_arena *arena, void *pointer, size_t size);
/* Bytes in live blocks, headers included. */
size_t lua_arena_used(const struct lua_arena *arena);

#endif
