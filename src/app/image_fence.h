/* image_fence.h -- what an address of an image may ask for: --formats, --operations, --max-size; and --presets
 * (presets.h), --only-presets. Formats, operations and sizes bound what a query says, with a signature and a key as
 * without; of these --formats holds for /pipe too, and the operator's presets are not bounded. Pure functions; any
 * thread. */
#ifndef MR_APP_IMAGE_FENCE_H
#define MR_APP_IMAGE_FENCE_H

#include "base/option_tables.h"
#include "media/image/image.h"

struct mr_fence_settings {
    char *formats;     /* "webp,jpg"; NULL: all */
    char *operations;  /* names of parameters: "w,h,fit"; NULL: all */
    char *max_size;    /* "2000x2000"; NULL: what the limits of images allow */
    char *presets;     /* a file; NULL: none */
    bool only_presets; /* without a signature or a key nothing else may be asked for */
};

extern const struct mr_option mr_fence_options[];

/* Zeroed it allows everything. */
struct mr_image_fence {
    bool bounds_operations;
    uint64_t operations[2];        /* if so, a bit for each row of mr_image_params */
    uint32_t formats;              /* a bit for each enum mr_image_format; 0: all */
    enum mr_image_format fallback; /* the first of them */
    uint32_t width, height;        /* px; 0: any */
};

/* Read the options. MR_OK, or MR_EPARAM: *option names the wrong one. */
int mr_image_fence_read(struct mr_image_fence *out, const struct mr_fence_settings *settings, const char **option,
                        struct mr_fault *fault);

/* May a query have the parameter of this name? MR_OK, or MR_EPARAM that names it and the option. A name that is no
 * parameter is left to mr_image_ops_set(). */
int mr_image_fence_check_name(const struct mr_image_fence *fence, struct mr_slice name, struct mr_fault *fault);
/* May it ask for the format? UNKNOWN may. MR_OK, or MR_EPARAM. */
int mr_image_fence_check_format(const struct mr_image_fence *fence, enum mr_image_format format,
                                struct mr_fault *fault);
/* Keep the output within --max-size: mr_image_ops_bound(). */
int mr_image_fence_bound_size(const struct mr_image_fence *fence, struct mr_image_ops *ops, struct mr_fault *fault);
/* Where the format is not given and would be one that is not allowed, it becomes the first that is. type: the media
 * type of the original. */
void mr_image_fence_choose_format(const struct mr_image_fence *fence, struct mr_image_ops *ops, const char *type);

/* Does the parameter say how large the output is? */
bool mr_image_fence_is_size(struct mr_slice name);

#endif
