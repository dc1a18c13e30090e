/* codec_thread.h -- private to the codecs: compressors that a thread keeps from piece to piece.
 *
 * A new one for each piece would cost more than it seems, since all of its memory is touched for the first time: gzip
 * at level 6 then takes half as long again (34 and 22 MB/s), at level 1 twice as long, zstd at level 9 a fifth longer.
 *
 * Each function returns the calling thread's own, ready for a new piece at `level`, or NULL: out of memory. It is
 * borrowed until the next call on the same thread, so a work() that has returned holds none of it.
 * mr_codec_thread_end() (codec.h) frees them. */
#ifndef MR_MEDIA_CODEC_THREAD_H
#define MR_MEDIA_CODEC_THREAD_H

#define ZLIB_CONST 1 /* zlib's input is const */
#include <libdeflate.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

/* Raw deflate (RFC 1951), window 32 KiB, nothing fed yet. */
z_stream *mr_codec_deflater(int level);
struct libdeflate_compressor *mr_codec_whole_deflater(int level);
/* Takes any input; there is no level. */
struct libdeflate_decompressor *mr_codec_whole_inflater(void);
/* Set to level and checksum. mr_codec_zstd_done() after the piece: from level 13 on a compressor is larger than a
 * thread should keep, and so slow that a new one does not matter. */
ZSTD_CCtx *mr_codec_zstd_compressor(int level);
void mr_codec_zstd_done(void);

#endif
