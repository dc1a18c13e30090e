#include "app/image_fence.h"
#include "base/assert.h"
#include "base/macros.h"
#include "base/number.h"
#include <string.h>

enum { SIDE_MAX_OF_FENCE = 65535 }; /* px */

// clang-format off
const struct mr_option mr_fence_options[] = {
    MR_OPTION_ROW(mr_fence_settings, "formats",    TEXT, 0, 200,  "LIST", NULL, formats,    NULL),
    MR_OPTION_ROW(mr_fence_settings, "operations", TEXT, 0, 1000, "LIST", NULL, operations, NULL),
    MR_OPTION_ROW(mr_fence_settings, "max-size",   TEXT, 0, 20,   "WxH",  NULL, max_size,   "what images may be asked for by URL (all)"),
    MR_OPTION_ROW(mr_fence_settings, "presets",    TEXT, 0, 1000, "FILE", NULL, presets,    NULL),
    MR_OPTION_ROW(mr_fence_settings, "only-presets", BOOL, 0, 0, NULL, NULL, only_presets,  "names of operations on images; and nothing else without a key"),
    MR_OPTION_END,
};
// clang-format on

/* ---- the options ---- */

static int add_format(struct mr_image_fence *fence, struct mr_slice word, struct mr_fault *fault)
{
    struct mr_image_ops ops;
    mr_image_ops_init(&ops);
    if (mr_image_ops_set(&ops, MR_SLICE("fm"), word, NULL) != MR_OK)
        return mr_fault_set(fault, MR_EPARAM,
                            "\"%.*s\" is no format of an output (jpg, png, webp, avif, gif, tiff, jxl)",
                            MR_SLICE_ARG(mr_param_sent_name(word)));
    if (fence->formats == 0)
        fence->fallback = ops.format;
    fence->formats |= 1u << ops.format;
    return MR_OK;
}

static int add_operation(struct mr_image_fence *fence, struct mr_slice word, struct mr_fault *fault)
{
    const struct mr_param_spec *spec = mr_param_find(mr_image_params, word);
    if (spec == NULL)
        return mr_fault_set(fault, MR_EPARAM, "\"%.*s\" is no parameter of image (see docs/image.md)",
                            MR_SLICE_ARG(mr_param_sent_name(word)));
    size_t row = (size_t)(spec - mr_image_params);
    MR_ASSERT(row / 64 < MR_ARRAY_SIZE(fence->operations));
    fence->operations[row / 64] |= UINT64_C(1) << row % 64;
    fence->bounds_operations = true;
    return MR_OK;
}

static int read_fence_list(struct mr_image_fence *out, const char *text,
                           int (*add)(struct mr_image_fence *, struct mr_slice, struct mr_fault *),
                           struct mr_fault *fault)
{
    int err = MR_OK;
    struct mr_slice rest = mr_slice_of(text), word;
    while (text != NULL && err == MR_OK && rest.at != NULL) {
        word = mr_slice_trim(mr_slice_cut(&rest, ','));
        err = add(out, word, fault);
    }
    return err;
}

static int read_size(struct mr_image_fence *out, const char *text, struct mr_fault *fault)
{
    uint64_t width, height;
    struct mr_slice rest = mr_slice_of(text), first;
    if (text == NULL)
        return MR_OK;
    first = mr_slice_cut(&rest, 'x');
    if (rest.at == NULL || !mr_number_parse(first, SIDE_MAX_OF_FENCE, &width) ||
        !mr_number_parse(rest, SIDE_MAX_OF_FENCE, &height) || width == 0 || height == 0)
        return mr_fault_set(fault, MR_EPARAM, "must be width and height in pixels from 1 to %d, as 2000x1500",
                            SIDE_MAX_OF_FENCE);
    out->width = (uint32_t)width;
    out->height = (uint32_t)height;
    return MR_OK;
}

int mr_image_fence_read(struct mr_image_fence *out, const struct mr_fence_settings *settings, const char **option,
                        struct mr_fault *fault)
{
    *out = (struct mr_image_fence){.formats = 0};
    if (settings->formats == NULL)
        *out = (struct mr_image_fence){.formats = MR_IMAGE_BITS_USUAL, .fallback = MR_IMAGE_JPEG};
    *option = "formats";
    int err = read_fence_list(out, settings->formats, add_format, fault);
    if (err != MR_OK)
        return err;
    *option = "operations";
    err = read_fence_list(out, settings->operations, add_operation, fault);
    if (err != MR_OK)
        return err;
    *option = "max-size";
    return read_size(out, settings->max_size, fault);
}

/* ---- a query ---- */

int mr_image_fence_check_name(const struct mr_image_fence *fence, struct mr_slice name, struct mr_fault *fault)
{
    const struct mr_param_spec *spec = mr_param_find(mr_image_params, name);
    if (!fence->bounds_operations || spec == NULL || mr_image_passes_over(name))
        return MR_OK;
    size_t row = (size_t)(spec - mr_image_params);
    if ((fence->operations[row / 64] & UINT64_C(1) << row % 64) != 0)
        return MR_OK;
    return mr_fault_set(fault, MR_EPARAM, "\"%s\" is not among the --operations of this server.", spec->name);
}

static bool allows_format(const struct mr_image_fence *fence, enum mr_image_format format)
{
    return fence->formats == 0 || (fence->formats & 1u << format) != 0;
}

int mr_image_fence_check_format(const struct mr_image_fence *fence, enum mr_image_format format, struct mr_fault *fault)
{
    struct mr_image_ops ops = {.format = format};
    return mr_image_ops_allow(&ops, fence->formats, fence->fallback, fault);
}

int mr_image_fence_bound_size(const struct mr_image_fence *fence, struct mr_image_ops *ops, struct mr_fault *fault)
{
    return fence->width == 0 ? MR_OK : mr_image_ops_bound(ops, fence->width, fence->height, fault);
}

void mr_image_fence_choose_format(const struct mr_image_fence *fence, struct mr_image_ops *ops, const char *type)
{
    if (fence->formats == 0 || ops->format != MR_IMAGE_UNKNOWN)
        return;
    enum mr_image_format format = mr_image_default_format(type);
    bool is_allowed = format != MR_IMAGE_UNKNOWN
                          ? allows_format(fence, format)
                          : allows_format(fence, MR_IMAGE_JPEG) && allows_format(fence, MR_IMAGE_PNG);
    if (!is_allowed)
        ops->format = fence->fallback;
}

bool mr_image_fence_is_size(struct mr_slice name)
{
    static const char *const names[] = {"w",         "h",       "dpr",        "ar",       "min-w", "min-h",
                                        "max-w",     "max-h",   "fit",        "rect",     "trim",  "trim-color",
                                        "trim-md",   "orient",  "rot",        "rot-type", "pad",   "pad-left",
                                        "pad-right", "pad-top", "pad-bottom", "frame",    "page",  NULL};
    for (size_t i = 0; names[i] != NULL; i++)
        if (mr_slice_is(name, names[i]))
            return true;
    return false;
}
