/* magic.h -- a struct that is handed over as `void *context` says what it is: its member `uint32_t magic` has a number
 * of its own from the moment it is made. A function that is given another struct, or one that was freed and used again,
 * stops the program. */
#ifndef MR_BASE_MAGIC_H
#define MR_BASE_MAGIC_H

#include "base/assert.h"
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The struct of that type behind a `void *`. */
#define mr_from_context(context, type, number) ((type *)mr_check_magic((context), offsetof(type, magic), (number)))

static inline void *mr_check_magic(void *context, size_t at, uint32_t number)
{
    uint32_t magic;
    memcpy(&magic, (const char *)context + at, sizeof(magic));
    MR_ASSERT(magic == number);
    return context;
}

#endif
