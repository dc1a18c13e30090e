/* meta_internal.h -- private to meta*.c: the two halves of ID.meta, its first line and its head. */
#ifndef MR_STORE_FS_META_INTERNAL_H
#define MR_STORE_FS_META_INTERNAL_H

#include "store/fs/meta.h"

enum { MR_META_PARTS = 3 }; /* head, private part, payload */

/* MR_EIO: the bytes are not what was written; `why` follows a colon and has no stop. */
int mr_meta_refuse(struct mr_fault *fault, const char *why);

/* The first line and the parts, in *out, which is to be freed. MR_EPARAM: they are longer than MR_META_MAX together. */
int mr_meta_join(const struct mr_slice parts[MR_META_PARTS], char **out, size_t *out_len, struct mr_fault *fault);
/* Check the first line and all that it says of the bytes, and find the parts in them. */
int mr_meta_cut(struct mr_slice bytes, struct mr_slice parts[MR_META_PARTS], struct mr_fault *fault);

/* The text of the head, which is to be freed. MR_EPARAM: it is longer than MR_META_HEAD_MAX. */
int mr_meta_head_write(const struct mr_meta *meta, char **head, size_t *len, struct mr_fault *fault);
/* Fill *meta, whose payload is set. After a failure it may be filled in part. */
int mr_meta_head_read(struct mr_meta *meta, struct mr_slice text, struct mr_fault *fault);
/* The same for a head as most objects have it. False: it is not such a one, or wrong, or there is no memory; it is to
 * be read by mr_meta_head_read() then. */
bool mr_meta_usual_read(struct mr_meta *meta, struct mr_slice text);
/* A digest in hex, in lower case. */
bool mr_meta_sha256_read(uint8_t sha256[MR_OBJECT_SHA256_LEN], struct mr_slice hex);

#endif
