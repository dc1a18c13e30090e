/* age_armor.h -- private to age: the text around an age file, strict PEM (RFC 7468, figure 3).
 *
 *   -----BEGIN AGE ENCRYPTED FILE-----
 *   full lines of 64 columns of base64, then one that may be shorter, padded
 *   -----END AGE ENCRYPTED FILE-----
 *
 * So that one file has one armor, reading is strict: a line ends with LF or CRLF (the very last one also with nothing);
 * whitespace may stand before the first line and behind the last one, at most MR_AGE_ARMOR_SPACE_MAX bytes each, and
 * nothing else may. */
#ifndef MR_MEDIA_AGE_ARMOR_H
#define MR_MEDIA_AGE_ARMOR_H

#include "media/stage.h"

#define MR_AGE_ARMOR_BEGIN "-----BEGIN AGE ENCRYPTED FILE-----"
#define MR_AGE_ARMOR_END   "-----END AGE ENCRYPTED FILE-----"

enum { MR_AGE_ARMOR_BYTES = 48, MR_AGE_ARMOR_COLUMNS = 64, MR_AGE_ARMOR_SPACE_MAX = 1024 };

/* &mr_stage_dearmor for what begins as armor does, behind whitespace; NULL for all else. No age file begins so. */
const struct mr_stage_ops *mr_age_armor_sniff(const unsigned char *bytes, size_t len);

#endif
