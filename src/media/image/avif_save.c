#include "media/image/avif_save.h"

#include "base/assert.h"
#include "base/macros.h"

#include <libheif/heif.h>
#include <string.h>

enum {
    SPEED_MOST = 9,
    AVIF_ROWS = 16,
};

/* What is to be released, whatever fails. */
struct avif {
    struct mr_run *run;
    VipsTarget *target; /* borrowed */
    struct heif_context *context;
    struct heif_encoder *encoder;
    struct heif_image *image;
    struct heif_image_handle *handle;
};

static bool is_ok(struct heif_error error)
{
    return error.code == heif_error_Ok;
}

/* Other encoders of AV1 may lack a parameter, and do without. */
static bool is_set(struct heif_error error)
{
    return is_ok(error) || error.subcode == heif_suberror_Unsupported_parameter;
}

static bool set_up_encoder(struct avif *avif, const struct mr_avif_settings *settings)
{
    if (!is_ok(heif_context_get_encoder_for_format(avif->context, heif_compression_AV1, &avif->encoder)))
        return false;
    struct heif_encoder *encoder = avif->encoder;
    return is_ok(heif_encoder_set_lossy_quality(encoder, settings->quality)) &&
           is_ok(heif_encoder_set_lossless(encoder, settings->lossless)) &&
           is_set(heif_encoder_set_parameter_integer(encoder, "speed", SPEED_MOST - settings->effort)) &&
           is_set(heif_encoder_set_parameter_string(encoder, "chroma", settings->halves_colours ? "420" : "444")) &&
           is_set(heif_encoder_set_parameter_integer(encoder, "threads", 1));
}

/* The pixels are computed as they are asked for. */
static bool copy_rows(struct avif *avif, uint8_t *plane, size_t stride)
{
    VipsImage *image = avif->run->image;
    size_t len = (size_t)image->Xsize * (size_t)image->Bands;
    VipsRegion *region = vips_region_new(image);
    bool is_whole = region != NULL;
    for (int top = 0; is_whole && top < image->Ysize; top += AVIF_ROWS) {
        VipsRect rows = {0, top, image->Xsize, MR_MIN(AVIF_ROWS, image->Ysize - top)};
        is_whole = !mr_run_is_stopped(avif->run) && vips_region_prepare(region, &rows) == 0;
        for (int y = top; is_whole && y < top + rows.height; y++)
            memcpy(plane + (size_t)y * stride, region->data + (ptrdiff_t)(y - region->valid.top) * region->bpl, len);
    }
    VIPS_UNREF(region);
    return is_whole;
}

static bool fill_image(struct avif *avif)
{
    const VipsImage *image = avif->run->image;
    enum heif_chroma chroma = image->Bands == 4 ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB;
    int stride;
    if (!is_ok(heif_image_create(image->Xsize, image->Ysize, heif_colorspace_RGB, chroma, &avif->image)) ||
        !is_ok(heif_image_add_plane(avif->image, heif_channel_interleaved, image->Xsize, image->Ysize, 8)))
        return false;
    uint8_t *plane = heif_image_get_plane(avif->image, heif_channel_interleaved, &stride);
    return plane != NULL && copy_rows(avif, plane, (size_t)stride);
}

static bool find_blob(const struct avif *avif, const char *field, const void **at, size_t *len)
{
    return vips_image_get_typeof(avif->run->image, field) != 0 &&
           vips_image_get_blob(avif->run->image, field, at, len) == 0 && *len <= INT32_MAX;
}

static bool encode_image(struct avif *avif)
{
    const void *at;
    size_t len;
    if (find_blob(avif, VIPS_META_ICC_NAME, &at, &len) &&
        !is_ok(heif_image_set_raw_color_profile(avif->image, "rICC", at, len)))
        return false;
    struct heif_encoding_options *options = heif_encoding_options_alloc();
    if (options == NULL)
        return false;
    options->save_alpha_channel = avif->run->image->Bands == 4;
    bool is_encoded =
        is_ok(heif_context_encode_image(avif->context, avif->image, avif->encoder, options, &avif->handle));
    heif_encoding_options_free(options);
    if (is_encoded && find_blob(avif, VIPS_META_EXIF_NAME, &at, &len))
        is_encoded = is_ok(heif_context_add_exif_metadata(avif->context, avif->handle, at, (int)len));
    return is_encoded;
}

static struct heif_error on_avif_written(struct heif_context *context, const void *bytes, size_t len, void *target)
{
    static const struct heif_error written = {heif_error_Ok, heif_suberror_Unspecified, "written"};
    static const struct heif_error stopped = {heif_error_Encoding_error, heif_suberror_Cannot_write_output_data,
                                              "stopped"};
    (void)context;
    return vips_target_write(target, bytes, len) == 0 ? written : stopped;
}

static bool write_avif(struct avif *avif)
{
    struct heif_writer writer = {.writer_api_version = 1, .write = on_avif_written};
    return is_ok(heif_context_write(avif->context, &writer, avif->target)) && vips_target_end(avif->target) == 0;
}

int mr_avif_save(struct mr_run *run, VipsTarget *target, const struct mr_avif_settings *settings)
{
    MR_ASSERT((run->image->Bands == 3 || run->image->Bands == 4) && run->image->BandFmt == VIPS_FORMAT_UCHAR);
    struct avif avif = {.run = run, .target = target, .context = heif_context_alloc()};
    bool is_saved = avif.context != NULL && set_up_encoder(&avif, settings) && fill_image(&avif) &&
                    encode_image(&avif) && write_avif(&avif);
    heif_image_handle_release(avif.handle);
    heif_image_release(avif.image);
    if (avif.encoder != NULL)
        heif_encoder_release(avif.encoder);
    if (avif.context != NULL)
        heif_context_free(avif.context);
    return is_saved ? MR_OK : mr_run_fail(run);
}
