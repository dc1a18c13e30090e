/* codec.h -- the stages that make bodies smaller and large again (stage.h): gzip, gunzip, zstd, unzstd.
 *
 *   stage   kind        parameters              reads                        writes
 *   gzip    PARALLEL    level 1..9, default 6   anything                     one gzip member (RFC 1952)
 *   gunzip  SEQUENTIAL  none                    gzip members, then zeros     what they hold
 *   zstd    PARALLEL    level 1..19, default 3  anything                     Zstandard frames (RFC 8878)
 *   unzstd  SEQUENTIAL  none                    Zstandard frames             what they hold
 *
 * The same input and level always give the same output: no time, name or chance is in it, and it does not matter how
 * many workers there are. No input at all is an input too: gzip makes an empty member of it, zstd an empty frame.
 *
 * gunzip and unzstd return MR_EFORMAT when the input does not begin as their format does (also when it is empty),
 * MR_ECORRUPT when it is damaged, ends too soon or has something else behind its end, and MR_EEXPANSION when the output
 * passes a bound of the environment (expansion.h) or a Zstandard frame needs a window of more than
 * zstd_window bytes of the environment. Checksums are compared: what ends cleanly is what was once compressed. */
#ifndef MR_MEDIA_CODEC_H
#define MR_MEDIA_CODEC_H

#include "media/stage.h"

/* What `zstd -19` may use; --ultra and --long go beyond. RFC 8878, section 3.1.1.1.2, asks for as much at least. */
#define MR_UNZSTD_WINDOW     (UINT64_C(8) << 20)
#define MR_UNZSTD_WINDOW_MAX (UINT64_C(1) << 31) /* that libzstd takes at most */

extern const struct mr_stage_ops mr_stage_gzip, mr_stage_gunzip, mr_stage_zstd, mr_stage_unzstd;

/* Free what the calling thread keeps from piece to piece (codec_thread.h). Each thread that ran work(), before it ends;
 * a thread that goes on to work starts afresh. */
void mr_codec_thread_end(void);

#endif
