/* sha256.h -- SHA-256: of bytes in memory, and as a stage that passes on what it is given. The stage has no name that a
 * request could use: a pipeline puts it behind the last stage when the digest of its output is wanted. */
#ifndef MR_MEDIA_SHA256_H
#define MR_MEDIA_SHA256_H

#include "media/stage.h"

#define MR_SHA256_LEN 32

/* Some hundred MB/s to two GB/s: on a worker. */
void mr_sha256(uint8_t out[MR_SHA256_LEN], const void *bytes, size_t len);

/* SEQUENTIAL; no parameters. */
extern const struct mr_stage_ops mr_stage_sha256;
/* The digest of all that went through; NULL: the stream has not ended. */
const uint8_t *mr_stage_sha256_result(const void *stage);

#endif
