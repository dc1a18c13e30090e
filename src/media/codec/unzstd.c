/* DESIGN: libzstd expands a frame and compares its checksum (RFC 8878). The start of each frame is looked at here
 * first: for its magic, since libzstd may also know the formats from before the standard, whose memory is not bounded;
 * and for its window, which is what the decoder will hold. */
#include "media/codec/codec.h"
#include "media/codec/expansion.h"
#include "media/codec/zstd_frame.h"

#include "base/assert.h"
#include "base/macros.h"

#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define OUT_MAX (256 * MR_KIB)
/* What lives as long as the stage: the decoder's tables; and, known when a frame begins, its window and a block or two
 * of input and of output, which the stage takes from the budget itself. */
#define WORK_MEMORY  (160 * MR_KIB)
#define BLOCK_MEMORY (384 * MR_KIB)

struct unzstd {
    ZSTD_DCtx *decoder;
    bool started; /* there was a frame */
    bool in_frame;
    struct mr_expansion expansion;
    struct mr_budget *budget; /* borrowed, or NULL */
    uint64_t charged;         /* bytes taken from it */
    uint64_t window;          /* the largest so far: the decoder keeps it */
    uint64_t window_max;      /* that a frame may ask for */
};

static const struct mr_param_spec params[] = {{.name = NULL}};

/* libzstd has a bound of its own, which is a power of two: the one at or above ours. */
static int window_log(uint64_t window)
{
    ZSTD_bounds bounds = ZSTD_dParam_getBounds(ZSTD_d_windowLogMax);
    int log = bounds.lowerBound;
    while (log < bounds.upperBound && UINT64_C(1) << log < window)
        log++;
    return log;
}

static int create(void **out, const struct mr_stage_env *env, struct mr_fault *fault)
{
    struct unzstd *unzstd = calloc(1, sizeof(*unzstd));
    if (unzstd == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    unzstd->decoder = ZSTD_createDCtx();
    if (unzstd->decoder == NULL) {
        free(unzstd);
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    }
    unzstd->window_max = env->zstd_window != 0 ? env->zstd_window : MR_UNZSTD_WINDOW;
    size_t code = ZSTD_DCtx_setParameter(unzstd->decoder, ZSTD_d_windowLogMax, window_log(unzstd->window_max));
    MR_ASSERT(!ZSTD_isError(code));
    mr_expansion_init(&unzstd->expansion, env);
    unzstd->budget = env->budget;
    *out = unzstd;
    return MR_OK;
}

static void destroy(void *stage)
{
    struct unzstd *unzstd = stage;
    ZSTD_freeDCtx(unzstd->decoder);
    if (unzstd->budget != NULL)
        mr_budget_give_back(unzstd->budget, unzstd->charged);
    free(unzstd);
}

static void sizes(const void *stage, struct mr_stage_sizes *out)
{
    (void)stage;
    *out = (struct mr_stage_sizes){.piece = MR_EXPANSION_PIECE, .out_max = OUT_MAX, .work_memory = WORK_MEMORY};
}

static int refuse_start(const struct unzstd *unzstd, size_t len, struct mr_fault *fault)
{
    if (unzstd->started)
        return mr_fault_set(fault, MR_ECORRUPT, "Behind the Zstandard data there is something else.");
    return mr_fault_set(fault, MR_EFORMAT, len == 0 ? "The body is empty." : "The body is not a Zstandard file.");
}

/* Look at the start of a frame. */
static int enter_frame(struct unzstd *unzstd, const unsigned char *in, size_t len, struct mr_fault *fault)
{
    if (len == 0 || !mr_zstd_is_frame(in, len))
        return refuse_start(unzstd, len, fault);
    uint64_t window = mr_zstd_window(in, len);
    if (window > unzstd->window_max)
        return mr_expansion_refuse(fault, "max-zstd-window", unzstd->window_max, window,
                                   "The Zstandard data needs a larger window to be expanded than is allowed.");
    unzstd->started = unzstd->in_frame = true;
    unzstd->window = MR_MAX(unzstd->window, window);
    return MR_OK;
}

static int go_in_frame(struct unzstd *unzstd, ZSTD_inBuffer *in, ZSTD_outBuffer *out, struct mr_fault *fault)
{
    size_t code = ZSTD_decompressStream(unzstd->decoder, out, in);
    if (!ZSTD_isError(code)) {
        unzstd->in_frame = code != 0;
        return MR_OK;
    }
    if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    return mr_fault_set(fault, MR_ECORRUPT, "The Zstandard data is damaged: %s.", ZSTD_getErrorName(code));
}

/* So much of the window is filled when `more` bytes have come out. */
static int hold_window(struct unzstd *unzstd, uint64_t more, struct mr_fault *fault)
{
    struct mr_budget *budget = unzstd->budget;
    uint64_t wanted = MR_MIN(unzstd->window, unzstd->expansion.out + more) + BLOCK_MEMORY;
    if (budget == NULL || wanted <= unzstd->charged)
        return MR_OK;
    if (!mr_budget_try_take(budget, wanted - unzstd->charged))
        return mr_fault_limit(fault, MR_EBUDGET, "memory-budget", budget->limit, mr_budget_used(budget) + wanted);
    unzstd->charged = wanted;
    return MR_OK;
}

/* Until the input is read and its output written, or there is no room. */
static int go(struct unzstd *unzstd, ZSTD_inBuffer *in, ZSTD_outBuffer *out, bool last, struct mr_fault *fault)
{
    int err = MR_OK;
    while (err == MR_OK) {
        size_t left = in->size - in->pos;
        if (unzstd->in_frame) {
            err = hold_window(unzstd, out->size, fault);
            if (err == MR_OK)
                err = go_in_frame(unzstd, in, out, fault);
            if (unzstd->in_frame && (in->pos == in->size || out->pos == out->size))
                break;
        } else if (left >= MR_ZSTD_HEADER_MAX || (last && (left > 0 || !unzstd->started))) {
            err = enter_frame(unzstd, (const unsigned char *)in->src + in->pos, left, fault);
        } else {
            break;
        }
    }
    return err;
}

static int unzstd_expand(void *stage, struct mr_stage_piece *piece, struct mr_fault *fault)
{
    struct unzstd *unzstd = stage;
    ZSTD_inBuffer in = {.src = piece->in, .size = piece->in_len};
    ZSTD_outBuffer out = {.dst = piece->out, .size = piece->out_size};
    int err = go(unzstd, &in, &out, piece->last, fault);
    if (err != MR_OK)
        return err;
    if (piece->last && unzstd->in_frame && out.pos < out.size)
        return mr_fault_set(fault, MR_ECORRUPT, "The Zstandard data ends too soon.");
    piece->in_used = in.pos;
    piece->out_len = out.pos;
    piece->status = unzstd->in_frame && out.pos == out.size ? MR_STAGE_FULL
                    : piece->last                           ? MR_STAGE_DONE
                                                            : MR_STAGE_WANT;
    return MR_OK;
}

static void unzstd_reset(void *stage)
{
    struct unzstd *unzstd = stage;
    ZSTD_DCtx_reset(unzstd->decoder, ZSTD_reset_session_only);
    unzstd->started = unzstd->in_frame = false;
}

static const struct mr_expander unzstd_expander = {.expand = unzstd_expand, .reset = unzstd_reset};

static int work(void *stage, struct mr_stage_piece *piece, const struct mr_cancel *cancel, struct mr_fault *fault)
{
    struct unzstd *unzstd = stage;
    int err = mr_cancel_check(cancel);
    if (err != MR_OK)
        return mr_fault_set(fault, err, NULL);
    return mr_expansion_work(&unzstd->expansion, &unzstd_expander, unzstd, piece, fault);
}

const struct mr_stage_ops mr_stage_unzstd = {
    .name = "unzstd",
    .text = "expand Zstandard frames (RFC 8878)",
    .media_type = "application/octet-stream",
    .suffix = ".zst",
    .is_undone = true,
    .kind = MR_STAGE_SEQUENTIAL,
    .held_back = MR_EXPANSION_HELD,
    .params = params,
    .create = create,
    .sizes = sizes,
    .work = work,
    .destroy = destroy,
};
