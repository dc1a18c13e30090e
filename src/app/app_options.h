/* app_options.h -- what a program can be told of what its handlers share: --memory-budget, --api-keys, --read,
 * --file-cache-control, --identity, --allow-request-identity. */
#ifndef MR_APP_APP_OPTIONS_H
#define MR_APP_APP_OPTIONS_H

#include "base/option_tables.h"

enum mr_app_readers {
    MR_APP_READ_PUBLIC, /* the ID of a file is all that is needed to read it */
    MR_APP_READ_KEY,    /* a key with the right `read` is needed, or a signed address */
    MR_APP_READ_SIGNED  /* a signed address is needed, or such a key; the server signs those of files that it tells */
};

struct mr_app_settings {
    uint64_t memory_budget;         /* bytes, of each process; 0: not given */
    char *api_keys;                 /* a file (keys/api_keys.h); NULL: no key is needed */
    int read;                       /* enum mr_app_readers */
    char *file_cache_control;       /* of files; NULL: what `read` says */
    struct mr_option_list identity; /* files */
    bool allow_request_identity;
};

extern const struct mr_option mr_app_memory_options[];   /* --memory-budget */
extern const struct mr_option mr_app_key_options[];      /* --api-keys, --read, --file-cache-control */
extern const struct mr_option mr_app_identity_options[]; /* the others */

#endif
