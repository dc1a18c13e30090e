#include "media/age/age_armor.h"
#include "base/assert.h"
#include "base/base64.h"
#include "base/macros.h"
#include "media/age/age.h"

enum {
    PIECE_LINES = 2048,
    PIECE = PIECE_LINES * MR_AGE_ARMOR_BYTES,
    OUT_MAX = PIECE_LINES * (MR_AGE_ARMOR_COLUMNS + 1),
};

/* A stage without state. */
static int create(void **out, const struct mr_stage_env *env, struct mr_fault *fault)
{
    static char nothing;
    (void)env;
    (void)fault;
    *out = &nothing;
    return MR_OK;
}

static void destroy(void *self)
{
    (void)self;
}

static const struct mr_param_spec params[] = {{.name = NULL}};

static void sizes(const void *self, struct mr_stage_sizes *out)
{
    (void)self;
    *out = (struct mr_stage_sizes){.piece = PIECE, .out_max = OUT_MAX};
}

static void write_line(struct mr_stage_piece *piece, struct mr_slice line)
{
    MR_ASSERT(piece->out_size >= line.len);
    memcpy(piece->out, line.at, line.len);
    piece->out_len = line.len;
}

static int open_stage(void *self, struct mr_stage_piece *piece, const struct mr_cancel *cancel, struct mr_fault *fault)
{
    (void)self;
    (void)cancel;
    (void)fault;
    write_line(piece, MR_SLICE(MR_AGE_ARMOR_BEGIN "\n"));
    piece->in_used = 0;
    piece->status = MR_STAGE_OPEN;
    return MR_OK;
}

static int work(void *self, struct mr_stage_piece *piece, const struct mr_cancel *cancel, struct mr_fault *fault)
{
    (void)self;
    (void)cancel; /* 200 us */
    (void)fault;
    MR_ASSERT(piece->last ? piece->in_len <= PIECE : piece->in_len == PIECE);
    MR_ASSERT(piece->out_size >= OUT_MAX);
    char *at = (char *)piece->out;
    for (size_t done = 0; done < piece->in_len; done += MR_AGE_ARMOR_BYTES) {
        size_t part = MR_MIN(piece->in_len - done, (size_t)MR_AGE_ARMOR_BYTES);
        at += mr_base64_encode(at, piece->in + done, part, MR_BASE64_PADDED);
        *at++ = '\n';
    }
    piece->out_len = (size_t)(at - (char *)piece->out);
    piece->status = MR_STAGE_DONE;
    return MR_OK;
}

static int finish(void *self, struct mr_stage_piece *piece, struct mr_fault *fault)
{
    (void)self;
    (void)fault;
    write_line(piece, MR_SLICE(MR_AGE_ARMOR_END "\n"));
    return MR_OK;
}

const struct mr_stage_ops mr_stage_armor = {
    .name = "armor",
    .text = "write an age file as text (PEM)",
    .media_type = "application/x-pem-file",
    .kind = MR_STAGE_PARALLEL,
    .params = params,
    .create = create,
    .sizes = sizes,
    .open = open_stage,
    .work = work,
    .finish = finish,
    .destroy = destroy,
};
