#include "variants/variant_options.h"

// clang-format off
const struct mr_option mr_variant_options[] = {
    MR_OPTION_ROW(mr_variant_settings, "cache-memory", SIZE, 0, 0, "SIZE", "64MiB", cache_memory, "images of files that are kept in memory; 0: none"),
    MR_OPTION_ROW(mr_variant_settings, "cache-size", SIZE, 0, 0, "SIZE", "1GiB", cache_size, "the same, on the disk and of all processes; 0: none"),
    MR_OPTION_ROW(mr_variant_settings, "image-cache-control", TEXT, 1, 200, "TEXT", NULL, cache_control, "Cache-Control of images (public, for a day)"),
    MR_OPTION_END,
};
// clang-format on
