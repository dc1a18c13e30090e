/* DESIGN: zlib reads header, blocks and trailer of a member and compares CRC and length (RFC 1952); what stands between
 * and behind members is read here. As gzip(1) does, members may follow each other, and zeros may follow the last one
 * (tapes are padded with them); unlike there, anything else is an error and not a warning.
 *
 * A small body is often here at once, and its output fits: such a one is expanded by libdeflate, which needs just that
 * and takes a quarter to a half of the time. What it does not take is left to zlib, which also says what is wrong. */
#include "media/codec/codec.h"
#include "media/codec/codec_thread.h"
#include "media/codec/expansion.h"

#include "base/assert.h"
#include "base/macros.h"

#include <stdlib.h>
#include <string.h>

#define OUT_MAX (256 * MR_KIB)

enum {
    MAGIC_LEN = 3,
    FLAGS_AT = 3,   /* of a header, RFC 1952, section 2.3 */
    FHCRC = 2,      /* flag: the header has a checksum */
    LENGTH_LEN = 4, /* the member's last bytes: the output's length modulo 2^32 */
    MEMBER_MIN = 18,
    GZIP_ONLY = 16,         /* added to the window bits: a gzip header, and no other */
    WORK_MEMORY = 48 * 1024 /* window and tables of zlib, which live as long as the stage */
};

struct gunzip {
    z_stream z;
    enum { START, MEMBER, BETWEEN, PADDING } at;
    struct mr_expansion expansion;
};

static const struct mr_param_spec params[] = {{.name = NULL}};

static int create(void **out, const struct mr_stage_env *env, struct mr_fault *fault)
{
    struct gunzip *gunzip = calloc(1, sizeof(*gunzip));
    if (gunzip == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    if (inflateInit2(&gunzip->z, MAX_WBITS + GZIP_ONLY) != Z_OK) {
        free(gunzip);
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    }
    mr_expansion_init(&gunzip->expansion, env);
    *out = gunzip;
    return MR_OK;
}

static void destroy(void *stage)
{
    struct gunzip *gunzip = stage;
    inflateEnd(&gunzip->z);
    free(gunzip);
}

static void sizes(const void *stage, struct mr_stage_sizes *out)
{
    (void)stage;
    *out = (struct mr_stage_sizes){.piece = MR_EXPANSION_PIECE, .out_max = OUT_MAX, .work_memory = WORK_MEMORY};
}

/* Does the input begin as a gzip file? Of a shorter one all that is there is compared. */
static int enter_first(struct gunzip *gunzip, struct mr_fault *fault)
{
    static const unsigned char magic[MAGIC_LEN] = {0x1f, 0x8b, Z_DEFLATED};
    const z_stream *z = &gunzip->z;
    if (z->avail_in == 0)
        return mr_fault_set(fault, MR_EFORMAT, "The body is empty.");
    if (memcmp(z->next_in, magic, MR_MIN(z->avail_in, sizeof(magic))) != 0)
        return mr_fault_set(fault, MR_EFORMAT, "The body is not a gzip file.");
    gunzip->at = MEMBER;
    return MR_OK;
}

/* Outside of members, with input left: begin the next one, or pass over the padding. */
static int go_between(struct gunzip *gunzip, struct mr_fault *fault)
{
    z_stream *z = &gunzip->z;
    if (gunzip->at == BETWEEN && *z->next_in != 0) {
        inflateReset(z);
        gunzip->at = MEMBER;
        return MR_OK;
    }
    gunzip->at = PADDING;
    for (; z->avail_in > 0 && *z->next_in == 0; z->avail_in--)
        z->next_in++;
    if (z->avail_in > 0)
        return mr_fault_set(fault, MR_ECORRUPT, "Behind the zeros after the gzip data there is something else.");
    return MR_OK;
}

static int go_in_member(struct gunzip *gunzip, struct mr_fault *fault)
{
    int code = inflate(&gunzip->z, Z_NO_FLUSH);
    if (code == Z_OK || code == Z_BUF_ERROR) /* the second: nothing more to read, or no room */
        return MR_OK;
    if (code == Z_MEM_ERROR)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    if (code != Z_STREAM_END)
        return mr_fault_set(fault, MR_ECORRUPT, "The gzip data is damaged: %s.", gunzip->z.msg);
    gunzip->at = BETWEEN;
    return MR_OK;
}

/* Until the input is read and its output written, or there is no room. */
static int go(struct gunzip *gunzip, bool last, struct mr_fault *fault)
{
    const z_stream *z = &gunzip->z;
    int err = MR_OK;
    while (err == MR_OK) {
        if (gunzip->at == MEMBER) {
            err = go_in_member(gunzip, fault);
            if (gunzip->at == MEMBER && (z->avail_in == 0 || z->avail_out == 0))
                break;
        } else if (gunzip->at == START && (last || z->avail_in >= MAGIC_LEN)) {
            err = enter_first(gunzip, fault);
        } else if (gunzip->at != START && z->avail_in > 0) {
            err = go_between(gunzip, fault);
        } else {
            break;
        }
    }
    return err;
}

static int inflate_part(struct gunzip *gunzip, struct mr_stage_piece *piece, struct mr_fault *fault)
{
    z_stream *z = &gunzip->z;
    z->next_in = piece->in;
    z->avail_in = (uInt)piece->in_len;
    z->next_out = piece->out;
    z->avail_out = (uInt)piece->out_size;
    int err = go(gunzip, piece->last, fault);
    if (err != MR_OK)
        return err;
    if (piece->last && gunzip->at == MEMBER && z->avail_out > 0)
        return mr_fault_set(fault, MR_ECORRUPT, "The gzip data ends too soon.");
    piece->in_used = piece->in_len - z->avail_in;
    piece->out_len = piece->out_size - z->avail_out;
    piece->status = gunzip->at == MEMBER && z->avail_out == 0 ? MR_STAGE_FULL
                    : piece->last                             ? MR_STAGE_DONE
                                                              : MR_STAGE_WANT;
    return MR_OK;
}

static uint32_t get_le32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* One member with all of its output, if `piece` is that. libdeflate would not compare the checksum of a header. */
static bool inflate_whole(struct mr_stage_piece *piece)
{
    const unsigned char *in = piece->in;
    size_t len = piece->in_len;
    if (!piece->last || len < MEMBER_MIN || (in[FLAGS_AT] & FHCRC) != 0 ||
        get_le32(in + len - LENGTH_LEN) > piece->out_size)
        return false;
    struct libdeflate_decompressor *inflater = mr_codec_whole_inflater();
    if (inflater == NULL || libdeflate_gzip_decompress_ex(inflater, in, len, piece->out, piece->out_size,
                                                          &piece->in_used, &piece->out_len) != LIBDEFLATE_SUCCESS)
        return false;
    piece->status = MR_STAGE_DONE;
    return piece->in_used == len;
}

static int gunzip_expand(void *stage, struct mr_stage_piece *piece, struct mr_fault *fault)
{
    struct gunzip *gunzip = stage;
    return gunzip->at == START && inflate_whole(piece) ? MR_OK : inflate_part(gunzip, piece, fault);
}

static void gunzip_reset(void *stage)
{
    struct gunzip *gunzip = stage;
    inflateReset(&gunzip->z);
    gunzip->at = START;
}

static const struct mr_expander gunzip_expander = {.expand = gunzip_expand, .reset = gunzip_reset};

static int work(void *stage, struct mr_stage_piece *piece, const struct mr_cancel *cancel, struct mr_fault *fault)
{
    struct gunzip *gunzip = stage;
    int err = mr_cancel_check(cancel);
    if (err != MR_OK)
        return mr_fault_set(fault, err, NULL);
    return mr_expansion_work(&gunzip->expansion, &gunzip_expander, gunzip, piece, fault);
}

const struct mr_stage_ops mr_stage_gunzip = {
    .name = "gunzip",
    .text = "expand gzip members (RFC 1952)",
    .media_type = "application/octet-stream",
    .suffix = ".gz",
    .is_undone = true,
    .kind = MR_STAGE_SEQUENTIAL,
    .held_back = MR_EXPANSION_HELD,
    .params = params,
    .create = create,
    .sizes = sizes,
    .work = work,
    .destroy = destroy,
};
