/* expansion.h -- private to gunzip and unzstd: how far an input may expand. A few KiB can hold gigabytes of zeros.
 *
 * Two bounds on the output, each 0 for none: in bytes, and as a multiple of the input read so far. The multiple counts
 * only once MR_EXPANSION_GRACE bytes have come out, so that files of an ordinary size which are packed very well pass:
 * what gzip makes of 5 MB of zeros is a thousandth of them. */
#ifndef MR_MEDIA_EXPANSION_H
#define MR_MEDIA_EXPANSION_H

#include "base/macros.h"
#include "media/stage.h"

#define MR_EXPANSION_GRACE (64 * MR_MIB)
/* Of its output this much is held back, so that a bomb which passes a bound within it is still answered with 413. */
#define MR_EXPANSION_HELD MR_MIB

struct mr_expansion {
    uint64_t bytes_max, ratio_max;
    uint64_t in, out; /* of the stream so far */
};

void mr_expansion_init(struct mr_expansion *expansion, const struct mr_stage_env *env);
/* Count what one work() read and wrote. MR_OK, or MR_EEXPANSION with the bound and what passed it: bytes, or how many
 * times as large as the input the output is. */
int mr_expansion_add(struct mr_expansion *expansion, size_t in, size_t out, struct mr_fault *fault);
/* Fill *fault with MR_EEXPANSION, a bound and a sentence about it (texts are static), and return it. */
int mr_expansion_refuse(struct mr_fault *fault, const char *limit_name, uint64_t limit, uint64_t value,
                        const char *detail);

#endif
