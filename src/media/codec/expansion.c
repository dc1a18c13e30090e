#include "media/codec/expansion.h"

#include <stdio.h>
#include <string.h>

void mr_expansion_init(struct mr_expansion *expansion, const struct mr_stage_env *env)
{
    *expansion = (struct mr_expansion){.bytes_max = env->expansion_bytes, .ratio_max = env->expansion_ratio};
    expansion->phase = expansion->ratio_max != 0 ? MR_EXPANSION_BEGIN : MR_EXPANSION_THROUGH;
}

int mr_expansion_refuse(struct mr_fault *fault, const char *limit_name, uint64_t limit, uint64_t value,
                        const char *detail)
{
    int err = mr_fault_limit(fault, MR_EEXPANSION, limit_name, limit, value);
    if (fault != NULL)
        snprintf(fault->detail, sizeof(fault->detail), "%s", detail);
    return err;
}

/* Count what one expand() read and wrote. */
static int count_expanded(struct mr_expansion *expansion, size_t in, size_t out, struct mr_fault *fault)
{
    expansion->in += in;
    expansion->out += out;
    if (expansion->bytes_max != 0 && expansion->out > expansion->bytes_max)
        return mr_expansion_refuse(fault, "max-expansion", expansion->bytes_max, expansion->out,
                                   "The output has more bytes than are allowed.");
    if (expansion->ratio_max == 0 || expansion->out <= MR_EXPANSION_GRACE)
        return MR_OK;
    uint64_t ratio = (expansion->out - 1) / MR_MAX(expansion->in, 1) + 1; /* rounded up */
    if (ratio > expansion->ratio_max)
        return mr_expansion_refuse(fault, "max-expansion-ratio", expansion->ratio_max, ratio,
                                   "The output is more times as large as the input than is allowed.");
    return MR_OK;
}

/* The input is done with up to where it was expanded, and the output is passed on. */
static void go_through(struct mr_expansion *expansion, struct mr_stage_piece *piece)
{
    piece->in_used = expansion->looked;
    expansion->looked = 0;
    expansion->phase = MR_EXPANSION_THROUGH;
}

/* The input is good as far as can be seen: it is expanded again for its output. */
static void begin_again(struct mr_expansion *expansion, struct mr_stage_piece *piece)
{
    piece->status = MR_STAGE_FULL;
    expansion->looked = 0;
    expansion->in = expansion->out = 0;
    expansion->phase = MR_EXPANSION_THROUGH;
}

static void drop_passed(struct mr_expansion *expansion, struct mr_stage_piece *piece)
{
    size_t part = (size_t)MR_MIN((uint64_t)piece->out_len, expansion->passed);
    expansion->passed -= part;
    piece->out_len -= part;
    if (part > 0)
        memmove(piece->out, piece->out + part, piece->out_len);
}

/* Is there no input left to look at, and will none be added to it? */
static bool has_seen_all(const struct mr_stage_piece *piece)
{
    return piece->status == MR_STAGE_DONE || (piece->status == MR_STAGE_WANT && piece->in_len >= MR_EXPANSION_LOOK);
}

/* While it is not known whether the input is doubtful its output is passed on, and its input kept. */
static void judge_begin(struct mr_expansion *expansion, struct mr_stage_piece *piece)
{
    if (expansion->in * expansion->ratio_max >= MR_EXPANSION_CLEAR || has_seen_all(piece)) {
        go_through(expansion, piece);
    } else if (expansion->out > MR_EXPANSION_CLEAR) {
        expansion->passed = expansion->out - piece->out_len;
        piece->out_len = 0;
        expansion->phase = MR_EXPANSION_AHEAD;
    }
}

/* Returns whether the input must be expanded again. */
static bool judge_ahead(struct mr_expansion *expansion, struct mr_stage_piece *piece)
{
    piece->out_len = 0;
    if (expansion->out > expansion->in * expansion->ratio_max && !has_seen_all(piece))
        return false;
    begin_again(expansion, piece);
    return true;
}

int mr_expansion_work(struct mr_expansion *expansion, const struct mr_expander *expander, void *stage,
                      struct mr_stage_piece *piece, struct mr_fault *fault)
{
    struct mr_stage_piece part = *piece; /* what was not expanded yet */
    part.in += expansion->looked;
    part.in_len -= expansion->looked;
    int err = expander->expand(stage, &part, fault);
    if (err == MR_OK)
        err = count_expanded(expansion, part.in_used, part.out_len, fault);
    if (err != MR_OK)
        return err;
    expansion->looked += part.in_used;
    piece->in_used = 0;
    piece->out_len = part.out_len;
    piece->status = part.status;
    if (expansion->phase == MR_EXPANSION_BEGIN) {
        judge_begin(expansion, piece);
    } else if (expansion->phase == MR_EXPANSION_THROUGH) {
        go_through(expansion, piece);
        drop_passed(expansion, piece);
    } else if (judge_ahead(expansion, piece)) {
        expander->reset(stage);
    }
    return MR_OK;
}
