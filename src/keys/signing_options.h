/* signing_options.h -- what a program can be told of signed addresses: --signing-keys, --sign, --sign-life. */
#ifndef MR_KEYS_SIGNING_OPTIONS_H
#define MR_KEYS_SIGNING_OPTIONS_H

#include "base/option_tables.h"

#define MR_SIGN_LIFE_S   86400              /* where none is given: "24h" of --sign-life */
#define MR_SIGN_LIFE_MAX (10 * 366 * 86400) /* seconds */

enum mr_sign {
    MR_SIGN_PUBLIC,   /* images need a signature where other machines can reach the server */
    MR_SIGN_REQUIRED, /* everywhere */
    MR_SIGN_OPTIONAL, /* nowhere; one that is there must be right */
};

struct mr_signing_settings {
    char *keys;    /* a file (keys/signing_keys.h); NULL: no address is signed */
    int sign;      /* enum mr_sign */
    uint64_t life; /* ns; of addresses that the server signs, before it is rounded up (keys/signature.h) */
};

extern const struct mr_option mr_signing_options[];

#endif
