/* variant_numbers.h -- what is counted of variants. The caller owns the memory and may share it between processes. Any
 * thread may read it: all are relaxed atomics. */
#ifndef MR_VARIANTS_VARIANT_NUMBERS_H
#define MR_VARIANTS_VARIANT_NUMBERS_H

#include "base/histogram.h"

enum mr_variant_way {
    MR_VARIANT_KEPT,   /* it was in memory */
    MR_VARIANT_READ,   /* it was on the disk */
    MR_VARIANT_JOINED, /* another request had begun it */
    MR_VARIANT_MADE,
    MR_VARIANT_WAYS
};

/* Of one loop. */
struct mr_variant_numbers {
    struct mr_histogram time[MR_VARIANT_WAYS]; /* ns from the request's first byte to the response's first */
    _Atomic uint64_t fallbacks;                /* responses with something else, as the image could not be made */
};

/* Of one process. */
struct mr_variant_cache_numbers {
    _Atomic uint64_t bytes, images; /* kept now: gauges, 0 when the process ends */
    _Atomic uint64_t evicted;       /* images that others took the room of */
    /* On the disk. */
    _Atomic uint64_t disk_written; /* images */
    _Atomic uint64_t disk_evicted; /* files */
    _Atomic uint64_t disk_damaged; /* images that were not what was written */
    _Atomic uint64_t disk_failed;  /* writes and reads that the disk refused */
};

#endif
