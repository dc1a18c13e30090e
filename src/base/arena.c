/* DESIGN
 * A list of blocks; allocations are cut from the newest one. A block is a page less what malloc adds; each further one
 * is twice the last, so that a large head takes few of them. What is larger than a quarter of a block gets a block of
 * its own *behind* the newest, whose room stays in use. Under the sanitizers every allocation is a block of its own:
 * that is how they see one run into the next. */
#include "base/arena.h"
#include "base/assert.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_BLOCK (4 * MR_KIB - 64)
#define LAST_BLOCK  (32 * MR_KIB - 64)
#define ALIGNMENT   _Alignof(max_align_t)

#ifdef MR_SANITIZED
#define SHARE_BLOCKS false
#else
#define SHARE_BLOCKS true
#endif

struct mr_arena_block {
    struct mr_arena_block *next;
    size_t size; /* of `bytes` */
    _Alignas(max_align_t) char bytes[];
};

void mr_arena_init(struct mr_arena *arena)
{
    *arena = (struct mr_arena){0};
}

void mr_arena_reset(struct mr_arena *arena)
{
    for (struct mr_arena_block *block = arena->blocks, *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    mr_arena_init(arena);
}

static struct mr_arena_block *new_block(struct mr_arena *arena, size_t size)
{
    MR_ASSERT(size <= SIZE_MAX / 2);
    struct mr_arena_block *block = malloc(sizeof(*block) + size);
    MR_ASSERT(block != NULL);
    block->size = size;
    arena->total += sizeof(*block) + size;
    return block;
}

static void *alloc_alone(struct mr_arena *arena, size_t size)
{
    struct mr_arena_block *block = new_block(arena, size);
    if (arena->blocks == NULL) {
        block->next = NULL;
        arena->blocks = block;
        arena->used = size; /* full */
    } else {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    }
    return block->bytes;
}

static void grow(struct mr_arena *arena)
{
    size_t size = arena->blocks == NULL ? FIRST_BLOCK : MR_MIN(2 * arena->blocks->size, LAST_BLOCK);
    struct mr_arena_block *block = new_block(arena, MR_MAX(size, FIRST_BLOCK));
    block->next = arena->blocks;
    arena->blocks = block;
    arena->used = 0;
}

void *mr_arena_alloc(struct mr_arena *arena, size_t size)
{
    if (!SHARE_BLOCKS)
        return alloc_alone(arena, MR_MAX(size, (size_t)1));
    if (size > FIRST_BLOCK / 4)
        return alloc_alone(arena, size);

    size_t rounded = (MR_MAX(size, (size_t)1) + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    if (arena->blocks == NULL || arena->blocks->size - arena->used < rounded)
        grow(arena);
    void *memory = arena->blocks->bytes + arena->used;
    arena->used += rounded;
    MR_ASSERT(arena->used <= arena->blocks->size);
    return memory;
}

void *mr_arena_zalloc(struct mr_arena *arena, size_t size)
{
    return memset(mr_arena_alloc(arena, size), 0, size);
}

char *mr_arena_copy(struct mr_arena *arena, struct mr_slice slice)
{
    char *copy = mr_arena_alloc(arena, slice.len + 1);
    if (slice.len > 0)
        memcpy(copy, slice.at, slice.len);
    copy[slice.len] = '\0';
    return copy;
}

struct mr_slice mr_arena_join(struct mr_arena *arena, const struct mr_slice *parts, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    char *text = mr_arena_alloc(arena, len + 1), *end = text;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0) /* else it may be no text at all */
            memcpy(end, parts[i].at, parts[i].len);
        end += parts[i].len;
    }
    *end = '\0';
    return (struct mr_slice){.at = text, .len = len};
}

struct mr_slice mr_arena_printf(struct mr_arena *arena, const char *format, ...)
{
    char small[256];
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int len = vsnprintf(small, sizeof(small), format, arguments);
    va_end(arguments);
    MR_ASSERT(len >= 0);

    char *text = mr_arena_alloc(arena, (size_t)len + 1);
    if ((size_t)len < sizeof(small))
        memcpy(text, small, (size_t)len + 1);
    else
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return (struct mr_slice){.at = text, .len = (size_t)len};
}
