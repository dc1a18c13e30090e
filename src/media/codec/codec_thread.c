/* DESIGN: one of each kind a thread. A compressor of another level than the last piece's is made again: a stream has
 * one level, and streams of many levels at once are rare. */
#include "media/codec/codec_thread.h"
#include "media/codec/codec.h"

#include "base/assert.h"
#include "base/macros.h"

#define ZSTD_KEPT_MAX (16 * MR_MIB)

static _Thread_local struct {
    z_stream deflater;
    int deflater_level; /* 0: there is none */
    struct libdeflate_compressor *whole_deflater;
    int whole_level;
    struct libdeflate_decompressor *whole_inflater;
    ZSTD_CCtx *zstd_compressor;
} own;

static void free_deflater(void)
{
    if (own.deflater_level != 0)
        deflateEnd(&own.deflater); /* Z_DATA_ERROR after a piece that was not finished is no error here */
    own.deflater_level = 0;
}

z_stream *mr_codec_deflater(int level)
{
    if (own.deflater_level == level)
        return deflateReset(&own.deflater) == Z_OK ? &own.deflater : NULL;
    free_deflater();
    own.deflater = (z_stream){0};
    if (deflateInit2(&own.deflater, level, Z_DEFLATED, -MAX_WBITS, MAX_MEM_LEVEL - 1, Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    own.deflater_level = level;
    return &own.deflater;
}

struct libdeflate_compressor *mr_codec_whole_deflater(int level)
{
    if (own.whole_deflater == NULL || own.whole_level != level) {
        libdeflate_free_compressor(own.whole_deflater);
        own.whole_deflater = libdeflate_alloc_compressor(level);
        own.whole_level = level;
    }
    return own.whole_deflater;
}

struct libdeflate_decompressor *mr_codec_whole_inflater(void)
{
    if (own.whole_inflater == NULL)
        own.whole_inflater = libdeflate_alloc_decompressor();
    return own.whole_inflater;
}

static void set(ZSTD_CCtx *compressor, ZSTD_cParameter parameter, int value)
{
    size_t code = ZSTD_CCtx_setParameter(compressor, parameter, value);
    MR_ASSERT(!ZSTD_isError(code));
}

ZSTD_CCtx *mr_codec_zstd_compressor(int level)
{
    if (own.zstd_compressor == NULL)
        own.zstd_compressor = ZSTD_createCCtx();
    if (own.zstd_compressor == NULL)
        return NULL;
    ZSTD_CCtx_reset(own.zstd_compressor, ZSTD_reset_session_and_parameters);
    set(own.zstd_compressor, ZSTD_c_compressionLevel, level);
    set(own.zstd_compressor, ZSTD_c_checksumFlag, 1);
    return own.zstd_compressor;
}

static void free_zstd(void)
{
    ZSTD_freeCCtx(own.zstd_compressor);
    own.zstd_compressor = NULL;
}

void mr_codec_zstd_done(void)
{
    if (ZSTD_sizeof_CCtx(own.zstd_compressor) > ZSTD_KEPT_MAX)
        free_zstd();
}

void mr_codec_thread_end(void)
{
    free_deflater();
    libdeflate_free_compressor(own.whole_deflater);
    own.whole_deflater = NULL;
    libdeflate_free_decompressor(own.whole_inflater);
    own.whole_inflater = NULL;
    free_zstd();
}
