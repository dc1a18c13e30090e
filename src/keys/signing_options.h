/* signing_options.h -- what a program can be told of signed addresses: --signing-keys, --sign-life. */
#ifndef MR_KEYS_SIGNING_OPTIONS_H
#define MR_KEYS_SIGNING_OPTIONS_H

#include "base/option_tables.h"

#define MR_SIGN_LIFE_S   86400              /* where none is given: "24h" of --sign-life */
#define MR_SIGN_LIFE_MAX (10 * 366 * 86400) /* seconds */

struct mr_signing_settings {
    char *keys;    /* a file (keys/signing_keys.h); NULL: no address is signed */
    uint64_t life; /* ns; of addresses that the server signs, before it is rounded up (keys/signature.h) */
};

extern const struct mr_option mr_signing_options[];

#endif
