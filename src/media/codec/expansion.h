/* expansion.h -- private to gunzip and unzstd: how far an input may expand. A few KiB can hold gigabytes of zeros.
 *
 * Two bounds on the output, each 0 for none: in bytes, and as a multiple of the input read so far. The multiple counts
 * only once MR_EXPANSION_GRACE bytes have come out, so that files of an ordinary size which are packed very well pass:
 * what gzip makes of 5 MB of zeros is a thousandth of them.
 *
 * A response begins with the second MiB of output (MR_EXPANSION_HELD), and a bomb that shows itself later can only be
 * cut. So a doubtful input is expanded twice: first to see whether it passes a bound, with its output dropped, then for
 * its output. Doubtful is what exceeds the ratio at its first MR_EXPANSION_CLEAR bytes of output. The input stays with
 * the runner of the stage meanwhile, up to MR_EXPANSION_LOOK bytes of it; beyond that it counts as good.
 *
 *      BEGIN ----(exceeds the ratio)----> AHEAD ----(ends, or falls below it)----> THROUGH, from the first byte again
 *        +-----------------------(does not exceed it)-----------------------------> THROUGH */
#ifndef MR_MEDIA_EXPANSION_H
#define MR_MEDIA_EXPANSION_H

#include "base/macros.h"
#include "media/stage.h"

#define MR_EXPANSION_GRACE (64 * MR_MIB)
/* Of its output this much is held back, so that a bomb which passes a bound within it still gets its 413. */
#define MR_EXPANSION_HELD MR_MIB
/* Half of it: a stage behind this one may add to what it is given. */
#define MR_EXPANSION_CLEAR (512 * MR_KIB)
#define MR_EXPANSION_PIECE (128 * MR_KIB) /* sizes.piece of the stages */
/* All the input that the runner of a stage keeps unused (stage.h): enough for a ratio of 256 and more. */
#define MR_EXPANSION_LOOK (2 * MR_EXPANSION_PIECE)

struct mr_expander {
    /* As work() of a stage. */
    int (*expand)(void *stage, struct mr_stage_piece *piece, struct mr_fault *fault);
    /* Begin with the first byte of the input again. */
    void (*reset)(void *stage);
};

struct mr_expansion {
    uint64_t bytes_max, ratio_max;
    uint64_t in, out; /* of the stream so far */
    /* Private. */
    enum { MR_EXPANSION_BEGIN, MR_EXPANSION_AHEAD, MR_EXPANSION_THROUGH } phase;
    size_t looked;   /* bytes at the front of the unused input that were expanded */
    uint64_t passed; /* bytes of output that were passed on before the input was expanded again */
};

void mr_expansion_init(struct mr_expansion *expansion, const struct mr_stage_env *env);
/* One work() of a stage: expand the piece, or look ahead, and count both. MR_OK, an error of expand(), or MR_EEXPANSION
 * with the bound and what passed it: bytes, or how many times as large as the input the output is. */
int mr_expansion_work(struct mr_expansion *expansion, const struct mr_expander *expander, void *stage,
                      struct mr_stage_piece *piece, struct mr_fault *fault);
/* Fill *fault with MR_EEXPANSION, a bound and a sentence about it (texts are static), and return it. */
int mr_expansion_refuse(struct mr_fault *fault, const char *limit_name, uint64_t limit, uint64_t value,
                        const char *detail);

#endif
