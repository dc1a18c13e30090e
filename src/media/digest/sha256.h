/* sha256.h -- SHA-256 (FIPS 180-4): of bytes in memory, and of a stream piece by piece. Some hundred MB/s to two GB/s:
 * on a worker, or on another thread that may compute. */
#ifndef MR_MEDIA_SHA256_H
#define MR_MEDIA_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MR_SHA256_LEN 32

void mr_sha256(uint8_t out[MR_SHA256_LEN], const void *bytes, size_t len);

/* Of a stream. Zeroed memory is one that has no byte yet. One thread at a time. */
struct mr_sha256 {
    void *context; /* private, owned */
};

/* The next bytes. False: there is no memory, which only the first call can find. */
bool mr_sha256_add(struct mr_sha256 *hash, const void *bytes, size_t len);
/* The digest of all of them; *hash has no byte then. False: as above, of one without bytes. */
bool mr_sha256_end(struct mr_sha256 *hash, uint8_t out[MR_SHA256_LEN]);
/* Forget what was added. */
void mr_sha256_clear(struct mr_sha256 *hash);

#endif
