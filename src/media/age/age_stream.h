/* age_stream.h -- private to age: the payload of a file, chunk by chunk (STREAM with ChaCha20-Poly1305).
 *
 * The payload is cut into chunks of 64 KiB. Each is sealed with the payload key and a nonce of its number and of
 * whether it is the final one, so that none can be moved, dropped or added. The final chunk may be shorter; it is empty
 * only when the payload is. Runs of chunks do not depend on each other: any thread, many at once. */
#ifndef MR_MEDIA_AGE_STREAM_H
#define MR_MEDIA_AGE_STREAM_H

#include "base/error.h"
#include "media/age/age_kdf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MR_AGE_CHUNK = 64 * 1024,
    MR_AGE_TAG = 16,
    MR_AGE_SEALED = MR_AGE_CHUNK + MR_AGE_TAG, /* bytes of a full chunk in the file */
    MR_AGE_NONCE = 16,                         /* bytes before the first chunk */

    MR_AGE_PIECE_CHUNKS = 2, /* that a stage's piece has: 40 us of work, a few times what a job costs */
    MR_AGE_LARGE_CHUNKS = 8, /* with env.large_pieces */
};

/* The payload key of a file key and the nonce before the first chunk. */
void mr_age_stream_key(uint8_t key[MR_AGE_KEY], const uint8_t file_key[MR_AGE_FILE_KEY],
                       const uint8_t nonce[MR_AGE_NONCE]);

/* Seal in[0..len) as the chunks from number `chunk` on; `last`: they are the end of the payload, else len is a multiple
 * of MR_AGE_CHUNK. len is 0 only for an empty payload. Writes MR_AGE_TAG more bytes for each chunk begun (or an empty
 * one); *out_len: how many in all. MR_OK; MR_EMEMORY: there is no memory, or no such cipher in libcrypto (it may be
 * told so: FIPS). */
int mr_age_seal(uint8_t *out, size_t *out_len, const uint8_t key[MR_AGE_KEY], uint64_t chunk, const uint8_t *in,
                size_t len, bool last, struct mr_fault *fault);

/* Open in[0..len) the same way; without `last` len is a multiple of MR_AGE_SEALED. *out_len: bytes of the chunks whose
 * tag was right, up to the first that is wrong or final too early. MR_ECORRUPT: a chunk is damaged or cut, the final
 * one is missing, is empty behind others or has something behind it. MR_EMEMORY: as above. */
int mr_age_open(uint8_t *out, size_t *out_len, const uint8_t key[MR_AGE_KEY], uint64_t chunk, const uint8_t *in,
                size_t len, bool last, struct mr_fault *fault);

#endif
