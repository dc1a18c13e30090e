/* DESIGN: nearly all requests are a plain JPEG made smaller, and libvips' pipeline costs them more than the pixels do.
 * Here libjpeg decodes to the planes that the file holds (brightness, and two colours at mostly half the resolution),
 * at the last power of two at or above the target. Each plane is resampled by itself to the plane that the encoder
 * wants: nothing is converted to RGB and back, and no colours are brought to full resolution to be halved again.
 *
 * The decoder's rows pass through a window of a few dozen rows; the output's planes are held as a whole. So an image
 * that is mirrored costs nothing, since its positions are only numbered backwards, and a turned one is a transposition
 * of small planes. The decoder has let go its memory when the encoder begins. Colours of which only pixels tell whether
 * they may be halved are brought to full resolution, looked at and halved then.
 *
 * libjpeg reports an error by a call that must not return, from which we longjmp. All calls of libjpeg are made by
 * small functions of the kind step_...(), which hold nothing, and these are called by call_step() alone, where the
 * setjmp is: so no frame of ours that holds something is ever passed over. */
#include "media/image/image_photo.h"
#include "media/image/image_chroma.h"
#include "media/image/photo_plane.h"

#include "base/assert.h"
#include "base/macros.h"

#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs it */
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h> /* needs jpeglib.h before it */

enum {
    PLANES_MAX = 3,
    ROWS_MAX = MAX_SAMP_FACTOR * DCTSIZE, /* of a plane in one row of blocks */
    /* That the decoder reads between two looks at the cancel mark. libjpeg-turbo's fast Huffman decoder passes over bad
     * codes, and the slow one, which a buffer's last blocks get, warns of them: so as little as libvips hands out. */
    BYTES_AT_ONCE = 4096,
    TARGET_MIN = 16 << 10,
};

struct photo {
    struct mr_run *run;
    struct jpeg_decompress_struct in;
    struct jpeg_compress_struct out;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_destination_mgr target;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    size_t input_at;    /* of the input's next byte that the source has not seen */
    bool has_seen_tail; /* what mends the input */
    bool is_in_head, is_corrupt;
    bool looks_at_colours; /* whether they are halved: run->halves_colours is false until then */
    uint8_t *bytes;        /* of the output; g_malloc */
    size_t size;
    uint32_t planes_count;
    struct mr_photo_axes brightness, colours;
    struct mr_photo_plane planes[PLANES_MAX];
    JSAMPROW rows[PLANES_MAX][ROWS_MAX]; /* for one row of blocks */
    JSAMPARRAY all_rows[PLANES_MAX];
};

/* ---- what libjpeg calls */

static struct photo *photo_of(j_common_ptr codec)
{
    return codec->client_data;
}

static void on_jpeg_error(j_common_ptr codec)
{
    longjmp(photo_of(codec)->failed, 1); /* NOLINT(cert-err52-c): there is no other way out of libjpeg */
}

/* A warning tells of damage, behind which libjpeg would paint something. Harmless are a scan header of Samsung's, and
 * bytes between the segments in front of the first scan. */
static void on_jpeg_message(j_common_ptr codec, int level)
{
    struct photo *photo = photo_of(codec);
    int code = codec->err->msg_code;
    if (level >= 0 || code == JWRN_NOT_SEQUENTIAL || (code == JWRN_EXTRANEOUS_DATA && photo->is_in_head))
        return;
    photo->is_corrupt = true;
    on_jpeg_error(codec);
}

static void drop_jpeg_text(j_common_ptr codec)
{
    (void)codec;
}

static void check_progress(j_common_ptr codec)
{
    if (mr_run_is_stopped(photo_of(codec)->run))
        on_jpeg_error(codec);
}

static void no_source_step(j_decompress_ptr in)
{
    (void)in;
}

/* Hand over a piece of the input, and behind it what mends it. */
static boolean fill_source(j_decompress_ptr in)
{
    struct photo *photo = photo_of((j_common_ptr)in);
    const struct mr_image_mending *mending = &photo->run->scan.mending;
    size_t len = mending->tail != NULL ? mending->len : photo->run->input.len;
    size_t count = MR_MIN(len - photo->input_at, (size_t)BYTES_AT_ONCE);
    check_progress((j_common_ptr)in);
    if (count > 0) {
        in->src->next_input_byte = photo->run->input.at + photo->input_at;
        photo->input_at += count;
    } else if (mending->tail != NULL && !photo->has_seen_tail) {
        in->src->next_input_byte = (const JOCTET *)mending->tail;
        count = mending->tail_len;
        photo->has_seen_tail = true;
    } else {
        ERREXIT(in, JERR_INPUT_EOF);
    }
    in->src->bytes_in_buffer = count;
    return TRUE;
}

static void skip_source(j_decompress_ptr in, long count)
{
    while (count > 0 && (size_t)count > in->src->bytes_in_buffer) {
        count -= (long)in->src->bytes_in_buffer;
        (void)fill_source(in);
    }
    if (count > 0) {
        in->src->next_input_byte += count;
        in->src->bytes_in_buffer -= (size_t)count;
    }
}

static void set_target_room(struct photo *photo, size_t used)
{
    photo->target.next_output_byte = photo->bytes + used;
    photo->target.free_in_buffer = photo->size - used;
}

static void grow_target(j_compress_ptr out, size_t size)
{
    struct photo *photo = photo_of((j_common_ptr)out);
    size_t used = photo->size;
    uint8_t *bytes = g_try_realloc(photo->bytes, size);
    if (bytes == NULL)
        ERREXIT1(out, JERR_OUT_OF_MEMORY, 0);
    photo->bytes = bytes;
    photo->size = size;
    set_target_room(photo, used);
}

static void init_target(j_compress_ptr out)
{
    size_t pixels = (size_t)out->image_width * out->image_height;
    grow_target(out, MR_MAX(pixels / 4, (size_t)TARGET_MIN));
}

static boolean empty_target(j_compress_ptr out)
{
    grow_target(out, 2 * photo_of((j_common_ptr)out)->size);
    return TRUE;
}

static void end_target(j_compress_ptr out)
{
    (void)out;
}

/* ---- calls of libjpeg */

static int call_step(struct photo *photo, void (*step)(struct photo *photo))
{
    if (setjmp(photo->failed) == 0) { /* NOLINT(cert-err52-c): see on_jpeg_error() */
        step(photo);
        return MR_OK;
    }
    if (photo->errors.msg_code == JERR_OUT_OF_MEMORY)
        return mr_fault_set(photo->run->fault, MR_EMEMORY, NULL);
    if (photo->is_corrupt)
        return mr_fault_set(photo->run->fault, MR_EDAMAGED, "The compressed data is corrupt.");
    return mr_run_fail(photo->run);
}

static void set_up(struct photo *photo, struct mr_run *run)
{
    *photo =
        (struct photo){.run = run, .looks_at_colours = mr_plan_looks_at_colours(&run->plan, run->ops, &run->scan.info)};
    run->halves_colours = !photo->looks_at_colours && !mr_image_ops_wants_full_chroma(run->ops);
    jpeg_std_error(&photo->errors);
    photo->errors.error_exit = on_jpeg_error;
    photo->errors.emit_message = on_jpeg_message;
    photo->errors.output_message = drop_jpeg_text;
    photo->progress.progress_monitor = check_progress;
    photo->source = (struct jpeg_source_mgr){.init_source = no_source_step,
                                             .fill_input_buffer = fill_source,
                                             .skip_input_data = skip_source,
                                             .resync_to_restart = jpeg_resync_to_restart,
                                             .term_source = no_source_step};
    photo->target = (struct jpeg_destination_mgr){
        .init_destination = init_target, .empty_output_buffer = empty_target, .term_destination = end_target};
    photo->in.err = photo->out.err = &photo->errors;
    photo->in.client_data = photo->out.client_data = photo;
    for (size_t i = 0; i < PLANES_MAX; i++)
        photo->all_rows[i] = photo->rows[i];
}

static void step_read_head(struct photo *photo)
{
    jpeg_create_decompress(&photo->in);
    photo->in.src = &photo->source;
    photo->in.progress = &photo->progress;
    photo->is_in_head = true;
    (void)jpeg_read_header(&photo->in, TRUE);
    photo->is_in_head = false;
}

/* Of a file with several scans all of them are read here. */
static void step_start_decoder(struct photo *photo)
{
    photo->in.scale_num = 1;
    photo->in.scale_denom = photo->run->plan.shrink;
    photo->in.out_color_space = photo->in.jpeg_color_space;
    photo->in.raw_data_out = TRUE;
    (void)jpeg_start_decompress(&photo->in);
}

static void step_read_rows(struct photo *photo)
{
    (void)jpeg_read_raw_data(&photo->in, photo->all_rows, ROWS_MAX);
}

static void step_start_encoder(struct photo *photo)
{
    const struct mr_image_ops *ops = photo->run->ops;
    struct jpeg_compress_struct *out = &photo->out;
    jpeg_create_compress(out);
    out->dest = &photo->target;
    out->progress = &photo->progress;
    out->image_width = photo->run->plan.out_width;
    out->image_height = photo->run->plan.out_height;
    out->input_components = (int)photo->planes_count;
    out->in_color_space = photo->planes_count == 1 ? JCS_GRAYSCALE : JCS_YCbCr;
    jpeg_set_defaults(out);
    jpeg_set_quality(out, ops->quality, TRUE);
    bool is_halved = photo->planes_count > 1 && photo->run->halves_colours;
    out->comp_info[0].h_samp_factor = out->comp_info[0].v_samp_factor = is_halved ? 2 : 1;
    out->optimize_coding = TRUE;
    out->write_JFIF_header = FALSE;
    if (mr_image_ops_interlaces(ops))
        jpeg_simple_progression(out);
    out->raw_data_in = TRUE;
    jpeg_start_compress(out, TRUE);
}

/* Behind the last row comes the last row again, to the end of its block. */
static void step_write_rows(struct photo *photo)
{
    struct jpeg_compress_struct *out = &photo->out;
    const JDIMENSION high = (JDIMENSION)out->max_v_samp_factor * DCTSIZE;
    while (out->next_scanline < out->image_height) {
        for (uint32_t i = 0; i < photo->planes_count; i++) {
            const struct mr_photo_plane *plane = &photo->planes[i];
            uint32_t count = (uint32_t)out->comp_info[i].v_samp_factor * DCTSIZE,
                     first = out->next_scanline / high * count;
            for (uint32_t row = 0; row < count; row++)
                photo->rows[i][row] = plane->out + MR_MIN(first + row, plane->out_height - 1) * plane->out_stride;
        }
        (void)jpeg_write_raw_data(out, photo->all_rows, high);
    }
    jpeg_finish_compress(out);
}

/* ---- the sizes of planes */

/* Of a block of the plane when it is decoded: libjpeg decodes halved colours at twice the size where it can. */
static uint32_t block_width(const jpeg_component_info *component)
{
#if JPEG_LIB_VERSION >= 70
    return (uint32_t)component->DCT_h_scaled_size;
#else
    return (uint32_t)component->DCT_scaled_size;
#endif
}

static uint32_t block_height(const jpeg_component_info *component)
{
#if JPEG_LIB_VERSION >= 70
    return (uint32_t)component->DCT_v_scaled_size;
#else
    return (uint32_t)component->DCT_scaled_size;
#endif
}

/* Which of its sides an image with this EXIF orientation is stored backwards along. */
static bool is_mirrored_x(uint8_t orientation)
{
    return orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
}

static bool is_mirrored_y(uint8_t orientation)
{
    return orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
}

static bool is_turned(const struct photo *photo)
{
    return photo->run->plan.orientation >= 5;
}

/* One side of a plane of the output, of `shown` px from `from` on of a side of `whole`. px: of a position, 1 or 2. */
static struct mr_resample_grid grid_of(uint32_t whole, uint32_t from, uint32_t shown, uint32_t px, bool is_mirrored)
{
    return (struct mr_resample_grid){.whole = whole,
                                     .from = is_mirrored ? whole - from : from,
                                     .step = is_mirrored ? -(double)px : px,
                                     .count = (shown + px - 1) / px};
}

/* px: of the output, that a position of the plane is wide and high. */
static int make_axes(struct mr_photo_axes *axes, const struct photo *photo, const jpeg_component_info *component,
                     uint32_t px)
{
    const struct mr_plan *plan = &photo->run->plan;
    const struct jpeg_decompress_struct *in = &photo->in;
    bool turned = is_turned(photo);
    struct mr_resample_grid x =
        grid_of(plan->load_width, turned ? plan->crop_top : plan->crop_left,
                turned ? plan->out_height : plan->out_width, px, is_mirrored_x(plan->orientation));
    struct mr_resample_grid y =
        grid_of(plan->load_height, turned ? plan->crop_left : plan->crop_top,
                turned ? plan->out_width : plan->out_height, px, is_mirrored_y(plan->orientation));
    /* What the decoder gives at a side's end beyond the image counts for nothing. */
    double span_x =
        (double)in->image_width * component->h_samp_factor * block_width(component) / in->max_h_samp_factor / DCTSIZE;
    double span_y =
        (double)in->image_height * component->v_samp_factor * block_height(component) / in->max_v_samp_factor / DCTSIZE;
    int err = mr_resample_axis_make_grid(&axes->x, component->downsampled_width, span_x, &x);
    return err != MR_OK ? err : mr_resample_axis_make_grid(&axes->y, component->downsampled_height, span_y, &y);
}

static int make_plane(struct mr_photo_plane *plane, const struct photo *photo, const struct mr_photo_axes *axes,
                      const jpeg_component_info *component)
{
    uint32_t across = (uint32_t)component->h_samp_factor;
    uint32_t blocks = (component->width_in_blocks + across - 1) / across * across;
    plane->axes = axes;
    plane->stride = (size_t)blocks * block_width(component);
    plane->rows_read = (uint32_t)component->v_samp_factor * block_height(component);
    plane->is_upwards = is_mirrored_y(photo->run->plan.orientation);
    return mr_photo_plane_make(plane);
}

/* Both colours are alike: the scan let through nothing else. */
static int make_planes(struct photo *photo)
{
    const uint32_t count = (uint32_t)photo->in.num_components;
    const jpeg_component_info *components = photo->in.comp_info;
    int err = make_axes(&photo->brightness, photo, &components[0], 1);
    if (err == MR_OK && count > 1)
        err = make_axes(&photo->colours, photo, &components[1], photo->run->halves_colours ? 2 : 1);
    photo->planes_count = count;
    for (uint32_t i = 0; i < count && err == MR_OK; i++)
        err = make_plane(&photo->planes[i], photo, i == 0 ? &photo->brightness : &photo->colours, &components[i]);
    return err == MR_OK ? MR_OK : mr_fault_set(photo->run->fault, MR_EMEMORY, NULL);
}

static void free_axes(struct mr_photo_axes *axes)
{
    mr_resample_axis_free(&axes->x);
    mr_resample_axis_free(&axes->y);
}

static void free_input_side(struct photo *photo)
{
    jpeg_destroy_decompress(&photo->in);
    free_axes(&photo->brightness);
    free_axes(&photo->colours);
    for (size_t i = 0; i < PLANES_MAX; i++)
        mr_photo_plane_end_input(&photo->planes[i]);
}

/* ---- what is done with planes */

/* Rows below a cut are decoded, too: whether a file is damaged must not depend on what is asked for. */
static int resample_all(struct photo *photo)
{
    while (photo->in.output_scanline < photo->in.output_height) {
        for (uint32_t i = 0; i < photo->planes_count; i++) {
            struct mr_photo_plane *plane = &photo->planes[i];
            uint8_t *at = mr_photo_plane_room(plane);
            for (uint32_t row = 0; row < plane->rows_read; row++)
                photo->rows[i][row] = at + row * plane->stride;
        }
        int err = call_step(photo, step_read_rows);
        if (err != MR_OK)
            return err;
        for (uint32_t i = 0; i < photo->planes_count; i++)
            mr_photo_plane_take(&photo->planes[i]);
    }
    for (uint32_t i = 0; i < photo->planes_count; i++)
        MR_ASSERT(mr_photo_plane_is_done(&photo->planes[i]));
    return MR_OK;
}

static int turn_planes(struct photo *photo)
{
    for (uint32_t i = 0; is_turned(photo) && i < photo->planes_count; i++)
        if (mr_photo_plane_turn(&photo->planes[i]) != MR_OK)
            return mr_fault_set(photo->run->fault, MR_EMEMORY, NULL);
    return MR_OK;
}

static bool have_edges(const struct mr_photo_plane *blue, const struct mr_photo_plane *red)
{
    struct mr_chroma_edges edges = {.strong = 0};
    for (uint32_t y = 0; y + 2 <= blue->out_height; y += 2) {
        const uint8_t *blue_row = blue->out + y * blue->out_stride, *red_row = red->out + y * red->out_stride;
        mr_chroma_edges_add_planes(&edges, blue_row, blue_row + blue->out_stride, red_row, red_row + red->out_stride,
                                   blue->out_width);
    }
    return mr_chroma_edges_show(&edges);
}

/* Colours that were resampled at full resolution keep it where that shows. */
static void choose_chroma(struct photo *photo)
{
    struct mr_photo_plane *blue = &photo->planes[1], *red = &photo->planes[2];
    if (!photo->looks_at_colours || have_edges(blue, red))
        return;
    mr_photo_plane_halve(blue);
    mr_photo_plane_halve(red);
    photo->run->halves_colours = true;
}

/* ---- the whole */

/* Limits were checked, and sizes planned, for what the scan saw. */
static int check_head(struct photo *photo)
{
    const struct mr_image_info *info = &photo->run->scan.info;
    const struct jpeg_decompress_struct *in = &photo->in;
    if (in->image_width == info->width && in->image_height == info->height && in->num_components == info->bands &&
        in->jpeg_color_space == (info->bands == 1 ? JCS_GRAYSCALE : JCS_YCbCr))
        return MR_OK;
    return mr_fault_set(photo->run->fault, MR_EDAMAGED, "The container and the image in it do not fit each other.");
}

static int decode_planes(struct photo *photo)
{
    int err = call_step(photo, step_read_head);
    if (err == MR_OK)
        err = check_head(photo);
    if (err == MR_OK)
        err = call_step(photo, step_start_decoder);
    if (err == MR_OK)
        err = make_planes(photo);
    if (err == MR_OK)
        err = resample_all(photo);
    free_input_side(photo);
    return err == MR_OK ? turn_planes(photo) : err;
}

static int encode_planes(struct photo *photo)
{
    int err = call_step(photo, step_start_encoder);
    if (err == MR_OK)
        err = call_step(photo, step_write_rows);
    jpeg_destroy_compress(&photo->out);
    return err;
}

int mr_run_photo(struct mr_run *run, void **bytes, size_t *len)
{
    MR_ASSERT(run->plan.is_photo);
    struct photo *photo = malloc(sizeof(*photo));
    if (photo == NULL)
        return mr_fault_set(run->fault, MR_EMEMORY, NULL);
    set_up(photo, run);
    int err = decode_planes(photo);
    if (err == MR_OK) {
        choose_chroma(photo);
        err = encode_planes(photo);
    }
    for (uint32_t i = 0; i < PLANES_MAX; i++)
        mr_photo_plane_free(&photo->planes[i]);
    if (err == MR_OK) {
        *bytes = photo->bytes;
        *len = photo->size - photo->target.free_in_buffer;
    } else {
        g_free(photo->bytes);
    }
    free(photo);
    return err;
}
