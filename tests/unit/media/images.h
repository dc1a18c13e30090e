/* images.h -- images made in memory with libvips, and what is read back from results. A function that fails ends the
 * test. Everything it hands out is given back by images_end_test(), the teardown of each test. */
#ifndef MR_TESTS_IMAGES_H
#define MR_TESTS_IMAGES_H

#include "base/macros.h"
#include "media/image/image.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

#include <cmocka.h>

struct bytes {
    uint8_t *at;
    size_t len;
};

static const struct mr_image_limits generous = {.pixels = 100000000, .frames = 100};

static void *images_owned[256]; /* memory of g_malloc */
static size_t images_owned_count;

static inline void *images_own(void *memory)
{
    assert_true(images_owned_count < MR_ARRAY_SIZE(images_owned));
    images_owned[images_owned_count++] = memory;
    return memory;
}

static inline int images_end_test(void **state)
{
    (void)state;
    while (images_owned_count > 0)
        g_free(images_owned[--images_owned_count]);
    vips_error_clear();
    return 0;
}

static inline int images_setup(void **state)
{
    (void)state;
    int err = mr_image_setup();
    vips_operation_block_set("VipsForeignLoadNsgif", FALSE); /* it reads the GIFs that we write */
    return err;
}

static inline int images_teardown(void **state)
{
    (void)state;
    mr_image_thread_end();
    mr_image_teardown();
    return 0;
}

static inline uint8_t *pixel_at(VipsImage *image, int x, int y)
{
    return image->data + ((size_t)y * (size_t)image->Xsize + (size_t)x) * (size_t)image->Bands;
}

/* ---- pixels: the result of each is the caller's to encode, which frees it */

/* Of quadrants(), in the order of quadrant_of(). */
static const uint8_t corner_colours[4][4] = {
    {220, 30, 30, 255}, {30, 180, 30, 255}, {30, 30, 220, 255}, {250, 250, 250, 255}};

/* Four plain areas, each a colour of its own: shows which way is up. bands: 1 to 4. */
static inline VipsImage *quadrants(int width, int height, int bands)
{
    size_t row = (size_t)width * (size_t)bands, size = row * (size_t)height;
    uint8_t *pixels = malloc(size);
    assert_non_null(pixels);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            memcpy(pixels + (size_t)y * row + (size_t)x * (size_t)bands,
                   corner_colours[(y >= height / 2) * 2 + (x >= width / 2)], (size_t)bands);
    VipsImage *image = vips_image_new_from_memory_copy(pixels, size, width, height, bands, VIPS_FORMAT_UCHAR);
    free(pixels);
    assert_non_null(image);
    image->Type = bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
    return image;
}

/* One colour everywhere. */
static inline VipsImage *plain(int width, int height, int bands, const uint8_t *colour)
{
    VipsImage *image = quadrants(width, height, bands);
    for (int i = 0; i < width * height; i++)
        memcpy(pixel_at(image, i % width, i / width), colour, (size_t)bands);
    return image;
}

/* Hard to compress, so that a cut anywhere takes pixels away. */
static inline VipsImage *noise(int width, int height, int bands)
{
    VipsImage *image = quadrants(width, height, bands);
    uint32_t state = 1;
    for (int i = 0; i < width * height * bands; i++) {
        state = state * 1664525 + 1013904223;
        pixel_at(image, 0, 0)[i] = (uint8_t)(state >> 24);
    }
    return image;
}

/* ---- files */

/* suffix: as for libvips' savers, with options: ".jpg[Q=90]". */
static inline struct bytes encode(VipsImage *image, const char *suffix)
{
    void *at = NULL;
    struct bytes out = {0};
    if (vips_image_write_to_buffer(image, suffix, &at, &out.len, NULL) != 0)
        fail_msg("%s: %s", suffix, vips_error_buffer());
    g_object_unref(image);
    out.at = images_own(at);
    return out;
}

static inline struct bytes copy_of(const void *at, size_t len)
{
    struct bytes out = {.at = images_own(g_malloc(len + 1)), .len = len};
    memcpy(out.at, at, len);
    return out;
}

/* EXIF with an orientation, a camera and a GPS directory with one field. */
static inline struct bytes exif_of(uint16_t orientation)
{
    uint8_t block[] = {'E',  'x',  'i', 'f', 0, 0, 'M', 'M', 0,   42,  0,   0,  0, 8, 0, 3,        /* 3 fields */
                       0x01, 0x0F, 0,   2,   0, 0, 0,   4,   'C', 'a', 'm', 0,                     /* Make */
                       0x01, 0x12, 0,   3,   0, 0, 0,   1,   0,   0,   0,   0,                     /* Orientation */
                       0x88, 0x25, 0,   4,   0, 0, 0,   1,   0,   0,   0,   50,                    /* GPS IFD */
                       0,    0,    0,   0,                                                         /* no next */
                       0,    1,    0,   1,   0, 2, 0,   0,   0,   2,   'N', 0,  0, 0, 0, 0, 0, 0}; /* GPS: N */
    block[37] = (uint8_t)orientation;
    return copy_of(block, sizeof(block));
}

/* A JPEG with a segment put in right behind its SOI. */
static inline struct bytes with_segment(struct bytes jpeg, uint8_t marker, struct bytes body)
{
    struct bytes out = {.at = images_own(g_malloc(jpeg.len + body.len + 4)), .len = jpeg.len + body.len + 4};
    uint8_t head[] = {0xFF, 0xD8, 0xFF, marker, (uint8_t)((body.len + 2) >> 8), (uint8_t)(body.len + 2)};
    memcpy(out.at, head, sizeof(head));
    memcpy(out.at + sizeof(head), body.at, body.len);
    memcpy(out.at + sizeof(head) + body.len, jpeg.at + 2, jpeg.len - 2);
    return out;
}

/* ---- running */

/* Parameters as in a query: "w=300&fit=crop". */
static inline struct mr_image_ops ops_of(const char *query)
{
    struct mr_image_ops ops;
    struct mr_fault fault = {0};
    mr_image_ops_init(&ops);
    for (struct mr_slice rest = mr_slice_of(query); rest.at != NULL && rest.len > 0;) {
        struct mr_slice value = mr_slice_cut(&rest, '&');
        struct mr_slice name = mr_slice_cut(&value, '=');
        if (mr_image_ops_set(&ops, name, value, &fault) != MR_OK)
            fail_msg("%s: %s", query, fault.detail);
    }
    if (mr_image_ops_check(&ops, &fault) != MR_OK)
        fail_msg("%s: %s", query, fault.detail);
    return ops;
}

static inline int try_run(struct mr_image_result *out, const char *query, struct bytes input, struct mr_fault *fault)
{
    struct mr_image_ops ops = ops_of(query);
    return mr_image_run(out, &ops, input.at, input.len, &generous, NULL, fault);
}

/* A run that must succeed; its bytes are given back at the end of the test. */
static inline struct mr_image_result run(const char *query, struct bytes input)
{
    struct mr_image_result out;
    struct mr_fault fault = {0};
    int err = try_run(&out, query, input, &fault);
    if (err != MR_OK)
        fail_msg("%s: %s %s", query, mr_error_name((enum mr_error)err), fault.detail);
    images_own(out.bytes);
    return out;
}

/* A run that must fail so. */
static inline void run_fails(enum mr_error wanted, const char *query, struct bytes input)
{
    struct mr_image_result out;
    struct mr_fault fault = {0};
    int err = try_run(&out, query, input, &fault);
    if (err == MR_OK)
        images_own(out.bytes);
    if (err != (int)wanted)
        fail_msg("%s: %s (%s), not %s", query, mr_error_name((enum mr_error)err), fault.detail, mr_error_name(wanted));
    assert_int_equal(fault.error, wanted);
}

/* ---- reading. The loaders that the tests read with are those that the stage allows. */

static inline VipsImage *decode(const void *bytes, size_t len)
{
    VipsImage *lazy = vips_image_new_from_buffer(bytes, len, "", NULL);
    if (lazy == NULL)
        fail_msg("cannot be read back: %s", vips_error_buffer());
    VipsImage *image = vips_image_copy_memory(lazy);
    g_object_unref(lazy);
    assert_non_null(image);
    return image;
}

static inline bool is_close(const uint8_t *have, const uint8_t *want, int bands, int tolerance)
{
    for (int i = 0; i < bands; i++)
        if (abs(have[i] - want[i]) > tolerance)
            return false;
    return true;
}

/* By the sampling factors of the first component of SOF0 or SOF2, or by av1C, of which that of alpha says that it is
 * grey. */
static inline bool has_halved_colours(const struct mr_image_result *result)
{
    const uint8_t *bytes = result->bytes;
    for (size_t i = 0; i + 12 <= result->len; i++) {
        bool is_frame = bytes[i] == 0xFF && (bytes[i + 1] == 0xC0 || bytes[i + 1] == 0xC2);
        if (result->format == MR_IMAGE_JPEG && is_frame && memcmp(bytes + i + 2, "\x00\x11\x08", 3) == 0)
            return bytes[i + 11] == 0x22;
        if (result->format == MR_IMAGE_AVIF && memcmp(bytes + i, "av1C", 4) == 0 && (bytes[i + 6] & 0x10) == 0)
            return (bytes[i + 6] & 0x0C) == 0x0C;
    }
    fail_msg("no header");
    return false;
}

/* The colour in the middle of a quadrant: 0 top left, 1 top right, 2 bottom left, 3 bottom right. */
static inline const uint8_t *quadrant_of(VipsImage *image, int index)
{
    return pixel_at(image, image->Xsize * (1 + 2 * (index % 2)) / 4, image->Ysize * (1 + 2 * (index / 2)) / 4);
}

static const int upright[4] = {0, 1, 2, 3};

/* The result shows `quadrants`, in the order that `wanted` says. */
static inline void check_quadrants(const struct mr_image_result *result, const int wanted[4], int tolerance)
{
    VipsImage *image = decode(result->bytes, result->len);
    assert_int_equal(image->Xsize, result->width);
    assert_int_equal(image->Ysize, result->height);
    assert_int_equal(image->Type, VIPS_INTERPRETATION_sRGB);
    for (int i = 0; i < 4; i++) {
        const uint8_t *have = quadrant_of(image, i);
        if (!is_close(have, corner_colours[wanted[i]], 3, tolerance))
            fail_msg("quadrant %d is %u %u %u", i, have[0], have[1], have[2]);
    }
    g_object_unref(image);
}

static inline void check_pixel(const char *query, struct bytes input, int quadrant, const uint8_t *wanted,
                               int tolerance)
{
    struct mr_image_result out = run(query, input);
    VipsImage *image = decode(out.bytes, out.len);
    const uint8_t *have = quadrant_of(image, quadrant);
    if (!is_close(have, wanted, image->Bands, tolerance))
        fail_msg("%s: %u %u %u", query, have[0], have[1], have[2]);
    g_object_unref(image);
}

/* Do these bytes stand somewhere in it? */
static inline bool holds_bytes(const struct mr_image_result *result, const void *bytes, size_t len)
{
    for (size_t i = 0; i + len <= result->len; i++)
        if (memcmp((const char *)result->bytes + i, bytes, len) == 0)
            return true;
    return false;
}

/* What a scan says of an ordinary JPEG. */
static inline struct mr_image_info jpeg_info(uint32_t width, uint32_t height)
{
    return (struct mr_image_info){.format = MR_IMAGE_JPEG,
                                  .width = width,
                                  .height = height,
                                  .frames = 1,
                                  .scans = 1,
                                  .bands = 3,
                                  .bits = 8,
                                  .orientation = 1};
}

#endif
