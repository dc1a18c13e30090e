/* macros.h -- the few general macros of the house. */
#ifndef MR_BASE_MACROS_H
#define MR_BASE_MACROS_H

#include <stddef.h>

/* The struct that embeds *pointer as its member: how a job or a handle finds what it serves. */
// clang-format off
#define mr_container_of(pointer, type, member) ((type *)(void *)((char *)(pointer) - offsetof(type, member)))
// clang-format on

#define MR_ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define MR_MIN(a, b) ((a) < (b) ? (a) : (b))
#define MR_MAX(a, b) ((a) > (b) ? (a) : (b))

#define MR_KIB ((size_t)1024)
#define MR_MIB (1024 * MR_KIB)
#define MR_GIB (1024 * MR_MIB)

#define MR_PRINTF(format_index, first_index) __attribute__((format(printf, format_index, first_index)))

/* Fields written by different threads are kept this far apart, so that they do not share a cache line. */
#define MR_CACHE_LINE 64

#endif
