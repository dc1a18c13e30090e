/* base64.h -- base64 of RFC 4648, section 4, for what is public: armor, the fields of age headers, digests. Tables
 * are looked up by the data, so secrets do not belong here. Several hundred MB/s each way.
 *
 * Decoding is strict (section 3.5): one text for each run of bytes. No line ends, no blanks, the bits that stand for
 * nothing are 0, and padding is there where it is asked for and nowhere else. Pure functions; any thread. */
#ifndef MR_BASE_BASE64_H
#define MR_BASE_BASE64_H

#include "base/slice.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mr_base64_padding { MR_BASE64_BARE, MR_BASE64_PADDED };

/* Characters of `len` bytes, without padding. */
#define MR_BASE64_LEN(len) (((len)*4 + 2) / 3)

/* Write the text of in[0..len) without a NUL. Returns its length: MR_BASE64_LEN(len), rounded up to a multiple of 4
 * when padded. */
size_t mr_base64_encode(char *out, const uint8_t *in, size_t len, enum mr_base64_padding padding);

/* Write the bytes of `text`, at most text.len * 3 / 4 of them, and their number. False: not the one text of any bytes;
 * `out` then holds what one likes. */
bool mr_base64_decode(uint8_t *out, size_t *out_len, struct mr_slice text, enum mr_base64_padding padding);

#endif
