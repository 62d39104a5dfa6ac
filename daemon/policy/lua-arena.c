/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lua-arena.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* All sizes are multiples of GRAIN and include the header; headers sit 8 bytes before a multiple of GRAIN, so that payloads are aligned. */
#define GRAIN 16u
#define HEADER 8u
#define SUBCLASSES_LOG2 3u
#define SUBCLASSES (1u << SUBCLASSES_LOG2)
#define CLASSES 28u /* of block sizes up to 2^(4 + 3 + 27) bytes, more than LUA_ARENA_MAX */

struct block {
        uint32_t size;   /* bit 0: free */
        uint32_t before; /* size of the block in front, 0: this is the first */
        /* the payload; while the block is free: the neighbours in its list, as offsets, 0 = none */
        uint32_t next, previous;
};

struct lua_arena {
        size_t bytes, used;
        uint32_t first, end; /* offsets of the first block and of the end mark */
        uint32_t class_map;
        uint8_t subclass_map[CLASSES];
        uint32_t lists[CLASSES][SUBCLASSES];
};

static struct block *at(struct lua_arena *arena, uint32_t offset) {
        return (struct block *) ((char *) arena + offset);
}

static uint32_t offset_of(const struct lua_arena *arena, const struct block *block) {
        return (uint32_t) ((const char *) block - (const char *) arena);
}

static uint32_t block_size(const struct block *block) {
        return block->size & ~1u;
}

static bool block_is_free(const struct block *block) {
        return block->size & 1u;
}

static struct block *block_after(struct block *block) {
        return (struct block *) ((char *) block + block_size(block));
}

static unsigned log2_floor(uint32_t value) {
        return 31u - (unsigned) __builtin_clz(value);
}

static void size_to_class(uint32_t size, unsigned *ret_class, unsigned *ret_subclass) {
        uint32_t grains = size / GRAIN;

        if (grains < SUBCLASSES) {
                *ret_class = 0;
                *ret_subclass = grains;
        } else {
                unsigned log2 = log2_floor(grains);

                *ret_class = log2 - SUBCLASSES_LOG2 + 1;
                *ret_subclass = (grains >> (log2 - SUBCLASSES_LOG2)) & (SUBCLASSES - 1);
        }
}

static void list_insert(struct lua_arena *arena, struct block *block) {
        unsigned class, subclass;
        uint32_t *head;

        size_to_class(block_size(block), &class, &subclass);
        head = &arena->lists[class][subclass];
        block->size |= 1u;
        block->previous = 0;
        block->next = *head;
        if (*head)
                at(arena, *head)->previous = offset_of(arena, block);
        *head = offset_of(arena, block);
        arena->class_map |= 1u << class;
        arena->subclass_map[class] |= (uint8_t) (1u << subclass);
}

static void list_remove(struct lua_arena *arena, struct block *block) {
        unsigned class, subclass;

        size_to_class(block_size(block), &class, &subclass);
        if (block->next)
                at(arena, block->next)->previous = block->previous;
        if (block->previous)
                at(arena, block->previous)->next = block->next;
        else {
                arena->lists[class][subclass] = block->next;
                if (!block->next) {
                        arena->subclass_map[class] &= (uint8_t) ~(1u << subclass);
                        if (!arena->subclass_map[class])
                                arena->class_map &= ~(1u << class);
                }
        }
        block->size &= ~1u;
}

/* A free block of at least `size` bytes, or NULL. Rounded up to the next class: every block found there fits, none is searched. */
static struct block *find_free(struct lua_arena *arena, uint32_t size) {
        unsigned class, subclass;
        uint32_t map, grains = size / GRAIN;

        if (grains >= SUBCLASSES)
                size += GRAIN * ((1u << (log2_floor(grains) - SUBCLASSES_LOG2)) - 1);
        size_to_class(size, &class, &subclass);
        if (class >= CLASSES)
                return NULL;
        map = arena->subclass_map[class] & (~0u << subclass);
        if (!map) {
                uint32_t classes = class + 1 < CLASSES ? arena->class_map & (~0u << (class + 1)) : 0;

                if (!classes)
                        return NULL;
                class = (unsigned) __builtin_ctz(classes);
                map = arena->subclass_map[class];
        }
        return at(arena, arena->lists[class][__builtin_ctz(map)]);
}

/* Cuts what `block` has beyond `size` off and makes it free, together with a free block behind it. */
static void trim(struct lua_arena *arena, struct block *block, uint32_t size) {
        struct block *rest, *after;

        if (block_size(block) - size < GRAIN)
                return;
        rest = (struct block *) ((char *) block + size);
        rest->size = block_size(block) - size;
        rest->before = size;
        block->size = size;
        after = block_after(rest);
        if (block_is_free(after)) {
                list_remove(arena, after);
                rest->size += block_size(after);
        }
        block_after(rest)->before = rest->size;
        list_insert(arena, rest);
}

static void *allocate(struct lua_arena *arena, uint32_t size) {
        struct block *block = find_free(arena, size);

        if (!block)
                return NULL;
        list_remove(arena, block);
        trim(arena, block, size);
        arena->used += block_size(block);
        return (char *) block + HEADER;
}

static void release(struct lua_arena *arena, struct block *block) {
        struct block *after = block_after(block);

        arena->used -= block_size(block);
        if (block_is_free(after)) {
                list_remove(arena, after);
                block->size += block_size(after);
        }
        if (block->before) {
                struct block *front = (struct block *) ((char *) block - block->before);

                if (block_is_free(front)) {
                        list_remove(arena, front);
                        front->size += block->size;
                        block = front;
                }
        }
        block_after(block)->before = block->size;
        list_insert(arena, block);
}

/* Smaller in place, or larger by the free block behind it. */
static bool resize_in_place(struct lua_arena *arena, struct block *block, uint32_t size) {
        uint32_t old_size = block_size(block);

        if (size > old_size) {
                struct block *after = block_after(block);

                if (!block_is_free(after) || old_size + block_size(after) < size)
                        return false;
                list_remove(arena, after);
                block->size += block_size(after);
                block_after(block)->before = block->size;
        }
        trim(arena, block, size);
        arena->used += block_size(block);
        arena->used -= old_size;
        return true;
}

int lua_arena_new(struct lua_arena **ret, size_t bytes) {
        struct lua_arena *arena;
        struct block *block;

        if (bytes < LUA_ARENA_MIN || bytes > LUA_ARENA_MAX)
                return -EINVAL;
        bytes &= ~(size_t) (GRAIN - 1);
        arena = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (arena == MAP_FAILED)
                return -ENOMEM;
        arena->bytes = bytes;
        arena->first = (uint32_t) ((sizeof(*arena) + GRAIN - 1) / GRAIN * GRAIN + (GRAIN - HEADER));
        arena->end = (uint32_t) (bytes - HEADER);
        block = at(arena, arena->first);
        block->size = arena->end - arena->first;
        list_insert(arena, block);
        /* The end mark is a block that is never free; only its header is within the arena. */
        at(arena, arena->end)->size = 0;
        at(arena, arena->end)->before = block_size(block);
        *ret = arena;
        return 0;
}

struct lua_arena *lua_arena_free(struct lua_arena *arena) {
        if (arena)
                munmap(arena, arena->bytes);
        return NULL;
}

void *lua_arena_resize(struct lua_arena *arena, void *pointer, size_t size) {
        struct block *block = pointer ? (struct block *) ((char *) pointer - HEADER) : NULL;
        uint32_t rounded;
        void *copy;

        if (size == 0) {
                if (block)
                        release(arena, block);
                return NULL;
        }
        if (size > arena->bytes)
                return NULL;
        rounded = (uint32_t) ((size + HEADER + GRAIN - 1) / GRAIN * GRAIN);
        if (!block)
                return allocate(arena, rounded);
        if (resize_in_place(arena, block, rounded))
                return pointer;
        copy = allocate(arena, rounded);
        if (!copy)
                return NULL;
        memcpy(copy, pointer, block_size(block) - HEADER);
        release(arena, block);
        return copy;
}

size_t lua_arena_used(const struct lua_arena *arena) {
        return arena->used;
}
