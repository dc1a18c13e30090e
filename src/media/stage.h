/* stage.h -- what turns a stream of bytes into another: gzip, gunzip, zstd, unzstd, encrypt, decrypt, and the armor
 * around the last two. A stage is a small table of functions; it knows bytes, and neither HTTP nor threads nor loops.
 *
 * The runner of a stage (pipe/) cuts the input into pieces, calls work() for each on a worker and passes the outputs on
 * in order. Of two kinds:
 *
 *   PARALLEL     the pieces of one stream do not depend on each other: work() of many of them runs at once
 *   SEQUENTIAL   each continues where the last one stopped: one work() of a stream at a time
 *
 *      create, set for each parameter, check          the loop, before the body is read
 *      open      until it says OPEN                   a worker; alone; may eat the input's first bytes (a header)
 *      work      for each piece                       a worker; PARALLEL: several at once, so the stage is read only
 *      join      after work(), in the input's order   the loop; microseconds: what ties pieces together (a CRC)
 *      finish    after the last join                  the loop; microseconds: the last bytes of the output
 *      destroy                                        the loop; from any state, no work() running
 *
 * Whole bodies: a PARALLEL stage with sizes.whole_max gets an input of at most that size as one piece, with
 * piece->whole set: for codecs that are faster when they see all of it.
 *
 * All functions return MR_OK or an error with *fault filled. After an error only destroy() follows, and the output that
 * was passed on until then is never ended cleanly. */
#ifndef MR_MEDIA_STAGE_H
#define MR_MEDIA_STAGE_H

#include "base/budget.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/param.h"
#include "base/slice.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mr_stage_kind { MR_STAGE_PARALLEL, MR_STAGE_SEQUENTIAL };

enum mr_stage_status {
    MR_STAGE_WANT, /* open, SEQUENTIAL work: go on with more input (what was left unused comes again, in front) */
    MR_STAGE_FULL, /* SEQUENTIAL work: there is more to do with the rest of the input before anything else: call again
                    */
    MR_STAGE_OPEN, /* open: go on with work() */
    MR_STAGE_DONE, /* work: this piece is done; SEQUENTIAL with `last`: the stream is */
};

struct mr_stage_piece {
    /* From the caller. */
    uint64_t index;              /* PARALLEL: number of the piece, from 0 */
    const unsigned char *before; /* PARALLEL: the input right before `in`, up to sizes.history bytes of it */
    size_t before_len;
    const unsigned char *in; /* sizes.piece bytes; fewer (also none) only in the last piece. SEQUENTIAL, open: any */
    size_t in_len;
    bool last;          /* nothing comes after `in` */
    bool whole;         /* `in` is all there is, up to sizes.whole_max bytes, and index is 0 */
    unsigned char *out; /* room for sizes.out_max bytes (whole: sizes.whole_out_max) */
    size_t out_size;

    /* From the stage. */
    size_t out_len;
    size_t in_used; /* open and SEQUENTIAL: bytes of `in` that are done with; the rest comes again. SEQUENTIAL: while it
                       WANTs more, twice sizes.piece are never left unused */
    enum mr_stage_status status;
    uint32_t check; /* from work() to join() */
};

/* Asked once all parameters are set. */
struct mr_stage_sizes {
    size_t piece;         /* input bytes of a piece */
    size_t history;       /* of the input before it that work() wants to see; at most `piece` */
    size_t out_max;       /* room that work(), open() and finish() need */
    size_t whole_max;     /* 0: no special way for short inputs */
    size_t whole_out_max; /* output of such a one */
    size_t work_memory;   /* beside input and output, of one work(): an estimate for the memory budget */
    bool open_is_heavy;   /* open() computes for 100 ms or more */
};

/* What a stage is given beside its parameters; borrowed for the stage's life unless it says otherwise. */
struct mr_stage_env {
    struct mr_budget *budget;             /* for what only open() or work() can know that it needs; NULL: none */
    const struct mr_age_keys *identities; /* encrypt, decrypt: that the server holds; or NULL */
    struct mr_slice identity;             /* decrypt: sent with the request ("AGE-SECRET-KEY-1..."); during create */
    struct mr_slice passphrase;           /* encrypt, decrypt: sent with the request; during create; .at NULL: none */
    uint64_t expansion_bytes, expansion_ratio; /* gunzip, unzstd: of the output; 0: no bound */
    uint64_t zstd_window;                      /* unzstd: bytes that a frame may ask for; 0: MR_UNZSTD_WINDOW */
    uint32_t work_factor;                      /* decrypt: of a passphrase; 0: MR_AGE_WORK_FACTOR */
    bool large_pieces; /* encrypt, decrypt: the workers are this stream's alone, so that fewer pieces are better */
};

struct mr_stage_ops {
    const char *name;       /* what stands in the path: "gzip" */
    const char *text;       /* one line for GET /pipe and the docs */
    const char *media_type; /* of the output: "application/gzip" */
    const char *suffix;     /* what a file's name gains by it: ".gz"; with is_undone it loses that. NULL: nothing */
    bool is_undone;
    enum mr_stage_kind kind;
    const struct mr_param_spec *params; /* ends with a row whose name is NULL */
    /* Bytes of output after which it is known well enough that the stage will not refuse the input; until then a
     * response should not begin. 0: no more than for others. */
    size_t held_back;

    int (*create)(void **out, const struct mr_stage_env *env, struct mr_fault *fault);
    int (*set)(void *stage, const struct mr_param_spec *spec, const struct mr_param_value *value,
               struct mr_fault *fault);                /* NULL: there is no parameter */
    int (*check)(void *stage, struct mr_fault *fault); /* is it complete? NULL: always */
    void (*sizes)(const void *stage, struct mr_stage_sizes *out);
    int (*open)(void *stage, struct mr_stage_piece *piece, const struct mr_cancel *cancel,
                struct mr_fault *fault); /* NULL: nothing to open */
    int (*work)(void *stage, struct mr_stage_piece *piece, const struct mr_cancel *cancel, struct mr_fault *fault);
    int (*join)(void *stage, const struct mr_stage_piece *piece, struct mr_fault *fault); /* NULL: nothing to tie */
    /* Uses out, out_size and out_len of *piece only. NULL: nothing to add. */
    int (*finish)(void *stage, struct mr_stage_piece *piece, struct mr_fault *fault);
    void (*destroy)(void *stage);

    /* Must another stage come before this one, by the first bytes of the input (64, or all of it)? NULL: no. */
    const struct mr_stage_ops *(*sniff)(const unsigned char *bytes, size_t len);
    /* Must another stage come after it, by its parameters? NULL: no. */
    const struct mr_stage_ops *(*wrap)(const void *stage);
};

#endif
