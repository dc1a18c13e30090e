#include "variants/variant_options.h"
#include "store/ulid.h"

// clang-format off
const struct mr_option mr_variant_options[] = {
    MR_OPTION_ROW(mr_variant_settings, "cache-memory", SIZE, 0, 0, "SIZE", "64MiB", cache_memory, "images of files that are kept in memory; 0: none"),
    MR_OPTION_ROW(mr_variant_settings, "cache-size", SIZE, 0, 0, "SIZE", "1GiB", cache_size, "the same, on the disk and of all processes; 0: none"),
    MR_OPTION_ROW(mr_variant_settings, "image-cache-control", TEXT, 1, 200, "TEXT", NULL, cache_control, "Cache-Control of images (public, for a day)"),
    MR_OPTION_ROW(mr_variant_settings, "image-fallback", TEXT, 1, 200, "ID", NULL, fallback, "file that is shown where an image cannot be made"),
    MR_OPTION_END,
};
// clang-format on

int mr_variant_settings_check(const struct mr_variant_settings *settings, const char **option, struct mr_fault *fault)
{
    *option = "image-fallback";
    if (settings->fallback == NULL || mr_ulid_is_valid(mr_slice_of(settings->fallback)))
        return MR_OK;
    return mr_fault_set(fault, MR_EPARAM, "must be the id of a file: 26 characters");
}
