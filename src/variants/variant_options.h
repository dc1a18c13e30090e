/* variant_options.h -- what a program can be told of the images it makes of stored files: --cache-memory,
 * --cache-size, --image-cache-control, --image-fallback. */
#ifndef MR_VARIANTS_VARIANT_OPTIONS_H
#define MR_VARIANTS_VARIANT_OPTIONS_H

#include "base/option_tables.h"

struct mr_variant_settings {
    uint64_t cache_memory; /* bytes of images that a process keeps in memory; 0: none */
    uint64_t cache_size;   /* bytes of the files in which the server keeps images; 0: none */
    char *cache_control;   /* of images; NULL: what --read says */
    char *fallback;        /* the ID of a file that is shown where an image cannot be made; NULL: none */
};

extern const struct mr_option mr_variant_options[];

/* MR_OK; or the name of the option that is wrong, and a fault for a person. */
int mr_variant_settings_check(const struct mr_variant_settings *settings, const char **option, struct mr_fault *fault);

#endif
