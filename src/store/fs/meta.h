/* meta.h -- the file ID.meta: an object as the file system keeps it. Encoding and decoding, which touch no file.
 *
 *      millrace-object 1 HEAD PRIVATE PAYLOAD XXH3\n      lengths in decimal; XXH3-64 in 16 hex digits
 *      HEAD bytes      {"id":"01M8K7...","rev":1, ...}\n  JSON, what is known of the object
 *      PRIVATE bytes   kept and not read by this version
 *      PAYLOAD bytes   all of the payload, or none: it lies in segments then
 *
 * so that a shell can cut it (head -c, sed 2p). XXH3 covers everything behind the line. Each object has one encoding
 * but for the white space and order of the head. Members of the head are those below and `segments`, an array of
 * [NUMBER, STORED, PLAIN, ROOM]; all others are kept over a rewrite. Any thread. */
#ifndef MR_STORE_FS_META_H
#define MR_STORE_FS_META_H

#include "base/macros.h"
#include "store/object.h"

#define MR_META_MAX          (64 * MR_KIB) /* of the file */
#define MR_META_HEAD_MAX     (16 * MR_KIB)
#define MR_META_PRIVATE_MAX  (16 * MR_KIB)
#define MR_META_PAYLOAD_MAX  (32 * MR_KIB)
#define MR_META_SEGMENTS_MAX 256
#define MR_META_QUICK_MAX    (2 * MR_KIB) /* of a head that a loop may decode */

/* A part of the payload in the file ID.NUMBER. */
struct mr_meta_segment {
    uint32_t number; /* from 1; a number is never used twice */
    uint32_t room;   /* bytes of the file before the payload's */
    uint64_t stored; /* bytes of the file */
    uint64_t plain;  /* bytes of the payload in it; today stored - room */
};

struct mr_meta {
    struct mr_object object;
    struct mr_meta_segment *segments; /* owned; in the order of the payload, which is that of their numbers */
    size_t segment_count;             /* 0: the payload is `payload` */
    char *unknown;                    /* owned: members of the head that this version does not know, as JSON; or NULL */
    struct mr_slice private_part;     /* borrowed, from the bytes that were decoded */
    struct mr_slice payload;          /* the same */
};

/* MR_OK or MR_EMEMORY; after both mr_meta_free() may be called. */
int mr_meta_init(struct mr_meta *meta);
void mr_meta_free(struct mr_meta *meta);

/* Make the bytes of the file. MR_OK: *out is to be freed by free(). MR_EPARAM: a limit ("metadata" for the head, or
 * "object" for the file) is passed by what users set. MR_EMEMORY. It asserts that the payload's length is the object's
 * size, and that the other bounds above hold. */
int mr_meta_encode(const struct mr_meta *meta, char **out, size_t *len, struct mr_fault *fault);

/* Read the bytes of a file into *meta, which holds nothing yet; they must stay as they are as long as it does. id: the
 * object that it must be; NULL: any. MR_OK. MR_EIO: it is not what mr_meta_encode() made, or of a version that is not
 * known; the fault says in which way. MR_EMEMORY. After a failure *meta holds nothing. */
int mr_meta_decode(struct mr_meta *meta, const char *id, struct mr_slice bytes, struct mr_fault *fault);

/* May a loop decode these bytes? A head of 16 KiB can be such that it takes 6 ms; one of MR_META_QUICK_MAX takes 0.4 ms
 * at most, and a usual one 1 us. */
bool mr_meta_is_quick(struct mr_slice bytes);

#endif
