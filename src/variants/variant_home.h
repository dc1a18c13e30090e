/* variant_home.h -- DATA/variants: the directory of the files of variants, and the index of what is in them. Opened
 * once for all processes of the server, before the fork. It is a cache: what is in doubt is removed, and without it the
 * server serves nevertheless. On the main thread. */
#ifndef MR_VARIANTS_VARIANT_HOME_H
#define MR_VARIANTS_VARIANT_HOME_H

#include "store/store.h"
#include "variants/variant_index.h"

struct mr_variant_home {
    int directory;
    struct mr_variant_index *index;
    size_t mapped; /* bytes of the index */
    unsigned processes;
};

struct mr_variant_home_config {
    const struct mr_store_home *store; /* borrowed */
    uint64_t size_max;                 /* of all files together; 0: what an earlier server left is removed */
    unsigned processes;
};

/* *out NULL: nothing is kept on the disk, as it was told, or for a reason that the log has. */
void mr_variant_home_open(struct mr_variant_home **out, const struct mr_variant_home_config *config);
/* Clears *home; NULL has no effect. */
void mr_variant_home_close(struct mr_variant_home **home);

#endif
