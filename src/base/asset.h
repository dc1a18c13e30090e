/* asset.h -- a file of assets/, embedded in the program when it was built (cmake/Assets.cmake). */
#ifndef MR_BASE_ASSET_H
#define MR_BASE_ASSET_H

#include <stddef.h>

struct mr_asset {
    const char *name;           /* within assets/; NULL: the end of a table */
    const char *type;           /* media type */
    const unsigned char *bytes; /* with a NUL behind the last one, so that a text can be used as one */
    size_t len;
    const unsigned char *gzip; /* the same, compressed (RFC 1952) */
    size_t gzip_len;
};

#endif
