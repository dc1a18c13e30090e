/* DESIGN: each piece is a frame of its own (RFC 8878) with content size and checksum, so that pieces need nothing of
 * each other here, and a reader can expand them in parallel as well. What that costs is matches across the cut: see
 * PIECE. A short input is one frame by that alone. */
#include "media/codec/codec.h"
#include "media/codec/codec_thread.h"

#include "base/assert.h"
#include "base/macros.h"

#include <stdlib.h>

enum { LEVEL_DEFAULT = 3, LEVEL_MAX = 19 };

/* By measurement, against one frame of the whole file (text and programs): with 512 KiB the output is larger by 4 % at
 * level 1 and 10 % at 19, with 1 MiB by 1 and 4 %, with 2 MiB by 0.5 and 2 %. Smaller pieces are not faster at any
 * level; those of 2 MiB take twice the memory from level 10 on, and at 19 most of a second, for which a worker is deaf.
 */
#define PIECE (1 * MR_MIB)

/* Up to `level` a compressor takes `memory` for a piece. */
static const struct need {
    int level;
    size_t memory;
} needs[] = {{2, 1 * MR_MIB}, {4, 3 * MR_MIB}, {8, 7 * MR_MIB}, {12, 13 * MR_MIB}, {LEVEL_MAX, 18 * MR_MIB}};

struct zstd {
    int level;
};

static const struct mr_param_spec params[] = {
    {.name = "level",
     .type = MR_PARAM_INT,
     .min = 1,
     .max = LEVEL_MAX,
     .text = "1 is fastest, 19 smallest; 3 without it"},
    {.name = NULL},
};

static int create(void **out, const struct mr_stage_env *env, struct mr_fault *fault)
{
    (void)env;
    struct zstd *zstd = calloc(1, sizeof(*zstd));
    if (zstd == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    zstd->level = LEVEL_DEFAULT;
    *out = zstd;
    return MR_OK;
}

static int set(void *stage, const struct mr_param_spec *spec, const struct mr_param_value *value,
               struct mr_fault *fault)
{
    (void)fault;
    MR_ASSERT(spec == params);
    struct zstd *zstd = stage;
    zstd->level = (int)value->integer;
    return MR_OK;
}

static void sizes(const void *stage, struct mr_stage_sizes *out)
{
    const struct zstd *zstd = stage;
    const struct need *need = needs;
    while (need->level < zstd->level)
        need++;
    *out = (struct mr_stage_sizes){
        .piece = PIECE,
        .out_max = ZSTD_compressBound(PIECE),
        .work_memory = need->memory,
    };
}

static int work(void *stage, struct mr_stage_piece *piece, const struct mr_cancel *cancel, struct mr_fault *fault)
{
    const struct zstd *zstd = stage;
    piece->out_len = 0;
    piece->status = MR_STAGE_DONE;
    int err = mr_cancel_check(cancel);
    if (err != MR_OK)
        return mr_fault_set(fault, err, NULL);
    if (piece->in_len == 0 && piece->index > 0) /* the input ended with the last piece: no empty frame behind it */
        return MR_OK;
    ZSTD_CCtx *compressor = mr_codec_zstd_compressor(zstd->level);
    if (compressor == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    size_t code = ZSTD_compress2(compressor, piece->out, piece->out_size, piece->in, piece->in_len);
    mr_codec_zstd_done();
    if (ZSTD_isError(code)) { /* there is room: it can only be memory */
        MR_ASSERT(ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation);
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    }
    piece->out_len = code;
    return MR_OK;
}

const struct mr_stage_ops mr_stage_zstd = {
    .name = "zstd",
    .text = "compress into Zstandard frames (RFC 8878)",
    .media_type = "application/zstd",
    .suffix = ".zst",
    .kind = MR_STAGE_PARALLEL,
    .params = params,
    .create = create,
    .set = set,
    .sizes = sizes,
    .work = work,
    .destroy = free,
};
