/* DESIGN: one member (RFC 1952) whose deflate stream is made of pieces. Each is compressed alone, on any thread, but
 * primed with the 32 KiB before it, so that matches reach back across the cut. All but the last end in a sync flush: an
 * empty stored block, which ends on a byte, so that pieces can be put one behind the other. The CRC-32 of each is
 * combined with those before it on the loop.
 *
 * A short input is one job for libdeflate, which needs to see all of it, is two to three times as fast and packs as
 * well. */
#include "media/codec/codec.h"
#include "media/codec/codec_thread.h"

#include "base/assert.h"
#include "base/macros.h"

#include <stdlib.h>
#include <string.h>

enum {
    LEVEL_DEFAULT = 6,
    HEADER_LEN = 10,
    TRAILER_LEN = 8,
    FLUSH_LEN = 16,          /* of a sync flush, at most */
    WORK_MEMORY = 700 * 1024 /* of the larger compressor, which is that of libdeflate */
};

#define PIECE     (64 * MR_KIB)
#define HISTORY   (32 * MR_KIB) /* the window of deflate */
#define WHOLE_MAX (1 * MR_MIB)

struct gzip {
    int level;
    bool whole; /* the one piece has header and trailer */
    uint32_t crc;
    uint32_t length; /* modulo 2^32, as the trailer has it */
};

static const struct mr_param_spec params[] = {
    {.name = "level", .type = MR_PARAM_INT, .min = 1, .max = 9, .text = "1 is fastest, 9 smallest; 6 without it"},
    {.name = NULL},
};

static int create(void **out, const struct mr_stage_env *env, struct mr_fault *fault)
{
    (void)env;
    struct gzip *gzip = calloc(1, sizeof(*gzip));
    if (gzip == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    gzip->level = LEVEL_DEFAULT;
    *out = gzip;
    return MR_OK;
}

static int set(void *stage, const struct mr_param_spec *spec, const struct mr_param_value *value,
               struct mr_fault *fault)
{
    (void)fault;
    MR_ASSERT(spec == params);
    struct gzip *gzip = stage;
    gzip->level = (int)value->integer;
    return MR_OK;
}

static void sizes(const void *stage, struct mr_stage_sizes *out)
{
    (void)stage;
    *out = (struct mr_stage_sizes){
        .piece = PIECE,
        .history = HISTORY,
        .out_max = HEADER_LEN + compressBound(PIECE) + FLUSH_LEN,
        .whole_max = WHOLE_MAX,
        .whole_out_max = libdeflate_gzip_compress_bound(NULL, WHOLE_MAX),
        .work_memory = WORK_MEMORY,
    };
}

/* RFC 1952, section 2.3: no name, no time, no system. */
static size_t put_header(unsigned char *out, int level)
{
    const unsigned char xfl = level == 9 ? 2 : level == 1 ? 4 : 0;
    const unsigned char header[HEADER_LEN] = {0x1f, 0x8b, Z_DEFLATED, [8] = xfl, [9] = 255};
    memcpy(out, header, HEADER_LEN);
    return HEADER_LEN;
}

static void put_le32(unsigned char *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(value >> (8 * i));
}

static int deflate_piece(const struct gzip *gzip, struct mr_stage_piece *piece, struct mr_fault *fault)
{
    z_stream *z = mr_codec_deflater(gzip->level);
    if (z == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    size_t header = piece->index == 0 ? put_header(piece->out, gzip->level) : 0;
    if (piece->before_len > 0)
        deflateSetDictionary(z, piece->before, (uInt)piece->before_len);
    z->next_in = piece->in;
    z->avail_in = (uInt)piece->in_len;
    z->next_out = piece->out + header;
    z->avail_out = (uInt)(piece->out_size - header);
    int code = deflate(z, piece->last ? Z_FINISH : Z_SYNC_FLUSH);
    MR_ASSERT(code == (piece->last ? Z_STREAM_END : Z_OK));
    MR_ASSERT(z->avail_in == 0 && z->avail_out > 0);
    piece->out_len = piece->out_size - z->avail_out;
    piece->check = libdeflate_crc32(0, piece->in, piece->in_len);
    return MR_OK;
}

static int deflate_whole(const struct gzip *gzip, struct mr_stage_piece *piece, struct mr_fault *fault)
{
    struct libdeflate_compressor *compressor = mr_codec_whole_deflater(gzip->level);
    if (compressor == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    piece->out_len = libdeflate_gzip_compress(compressor, piece->in, piece->in_len, piece->out, piece->out_size);
    MR_ASSERT(piece->out_len > 0);
    return MR_OK;
}

static int work(void *stage, struct mr_stage_piece *piece, const struct mr_cancel *cancel, struct mr_fault *fault)
{
    const struct gzip *gzip = stage;
    int err = mr_cancel_check(cancel);
    if (err != MR_OK)
        return mr_fault_set(fault, err, NULL);
    piece->status = MR_STAGE_DONE;
    return piece->whole ? deflate_whole(gzip, piece, fault) : deflate_piece(gzip, piece, fault);
}

static int join(void *stage, const struct mr_stage_piece *piece, struct mr_fault *fault)
{
    (void)fault;
    struct gzip *gzip = stage;
    gzip->whole = piece->whole;
    gzip->crc = (uint32_t)crc32_combine(gzip->crc, piece->check, (z_off_t)piece->in_len);
    gzip->length += (uint32_t)piece->in_len;
    return MR_OK;
}

static int finish(void *stage, struct mr_stage_piece *piece, struct mr_fault *fault)
{
    (void)fault;
    const struct gzip *gzip = stage;
    piece->out_len = 0;
    if (gzip->whole)
        return MR_OK;
    put_le32(piece->out, gzip->crc);
    put_le32(piece->out + 4, gzip->length);
    piece->out_len = TRAILER_LEN;
    return MR_OK;
}

const struct mr_stage_ops mr_stage_gzip = {
    .name = "gzip",
    .text = "compress into one gzip member (RFC 1952)",
    .media_type = "application/gzip",
    .suffix = ".gz",
    .kind = MR_STAGE_PARALLEL,
    .params = params,
    .create = create,
    .set = set,
    .sizes = sizes,
    .work = work,
    .join = join,
    .finish = finish,
    .destroy = free,
};
