#define _GNU_SOURCE 1 /* strcasestr */
#include "routes/image_fallback.h"
#include "base/clock.h"
#include "base/counter.h"
#include "media/type.h"
#include "routes/download.h"
#include "store/object.h"
#include <string.h>

#define LIFE_S 60 /* the next version of the server may make the image */

const char *const mr_image_fallback_words[] = {"original", NULL};

int mr_image_fallback_read(struct mr_image_fallback *fallback, struct mr_slice value, struct mr_fault *fault)
{
    static const struct mr_param_spec spec = MR_IMAGE_FALLBACK_PARAM;
    struct mr_param_value word;
    int err = mr_param_parse(&spec, value, &word, fault);
    fallback->wants_original = err == MR_OK;
    return err;
}

/* Is it the picture that is wrong, and not the request, the server or its machine? */
static bool is_of_picture(const struct mr_fault *fault)
{
    switch (fault->error) {
    case MR_ENOTIMAGE:
    case MR_EDAMAGED:
    case MR_EPIXELS:
    case MR_EFRAMES:
    case MR_ETIME:
        return true;
    default:
        return false;
    }
}

static bool is_shown(struct mr_slice type)
{
    struct mr_slice rest = type;
    return mr_slice_is_nocase(mr_slice_cut(&rest, '/'), "image") && mr_media_type_is_inline(type);
}

/* What is not said to be public may be for a client with a key alone. */
struct mr_slice mr_image_fallback_cache_control(struct mr_request *request, const char *usual, uint64_t expires)
{
    const char *word = expires != 0 || strcasestr(usual, "public") != NULL ? "public, " : "";
    uint64_t now_s = mr_clock_wall() / MR_NS_PER_S, left = LIFE_S;
    if (expires != 0)
        left = MR_MIN(left, expires > now_s ? expires - now_s : 0);
    else if (strcasestr(usual, "no-store") != NULL || strcasestr(usual, "private") != NULL ||
             strcasestr(usual, "no-cache") != NULL)
        return mr_slice_of(usual);
    return mr_arena_printf(&request->arena, "%smax-age=%llu", word, (unsigned long long)left);
}

void mr_image_fallback_count(const struct mr_request *request)
{
    mr_counter_add(&mr_app_numbers(mr_app_of(request), request->loop)->variants.fallbacks, 1);
}

bool mr_image_fallback_respond(const struct mr_image_fallback *fallback, struct mr_request *request,
                               struct mr_store_reader *reader, const struct mr_fault *fault,
                               struct mr_slice cache_control, bool varies)
{
    if (!fallback->wants_original || fallback->is_used || !is_of_picture(fault) ||
        !is_shown(mr_slice_of(mr_store_reader_object(reader)->type)))
        return false;
    mr_image_fallback_count(request);
    mr_download_respond_instead(request, reader, cache_control, MR_IMAGE_FALLBACK_STATUS, varies);
    return true;
}

bool mr_image_fallback_begin(struct mr_image_fallback *fallback, const struct mr_app *app, const struct mr_fault *fault)
{
    if (fallback->is_used || app->variants->fallback == NULL || !is_of_picture(fault))
        return false;
    fallback->is_used = true;
    fallback->why = *fault;
    return true;
}

const struct mr_fault *mr_image_fallback_fault(const struct mr_image_fallback *fallback, const struct mr_fault *fault)
{
    bool is_told = fallback->is_used && mr_error_kind(fault->error) != MR_ERROR_OF_LOAD;
    return is_told ? &fallback->why : fault;
}
