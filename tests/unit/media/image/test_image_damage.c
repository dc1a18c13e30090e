#include "media/images.h"

static void cut_image_is_damaged_wherever_it_is_cut(void **state)
{
    (void)state;
    static const char *const suffixes[] = {".jpg", ".jpg[interlace]", ".png", ".png[interlace]", ".webp", ".gif",
                                           ".tif"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(suffixes); i++) {
        struct bytes file = encode(noise(120, 90, 3), suffixes[i]);
        for (int part = 1; part < 20; part++)
            run_fails(MR_EDAMAGED, "w=50", copy_of(file.at, file.len * (size_t)part / 20));
        images_end_test(NULL);
    }
}

/* The container is whole, the compressed data is not: a decoder that paints grey does not get away with it. */
static void jpeg_that_lacks_a_part_of_its_data_is_damaged(void **state)
{
    (void)state;
    struct bytes file = encode(noise(200, 160, 3), ".jpg[Q=80]");
    struct bytes cut = copy_of(file.at, file.len / 2);
    memcpy(cut.at + cut.len - 3, "\x12\xFF\xD9", 3);
    run_fails(MR_EDAMAGED, "w=50", cut);
    run_fails(MR_EDAMAGED, "", cut);
}

static void what_is_no_image_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "hello", "<svg xmlns='http://www.w3.org/2000/svg'/>", "%PDF-1.7\n",
                                        "2 2\n1 2\n3 4\n"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(texts); i++)
        run_fails(MR_ENOTIMAGE, "w=10", copy_of(texts[i], strlen(texts[i])));
}

static void changed_bytes_give_a_result_or_a_fault(void **state)
{
    (void)state;
    static const char *const suffixes[] = {".jpg", ".jpg[interlace]",           ".png", ".webp", ".gif",
                                           ".tif", ".tif[compression=lzw,tile]"};
    uint32_t random = 3;
    for (size_t i = 0; i < MR_ARRAY_SIZE(suffixes); i++) {
        struct bytes file = encode(quadrants(80, 60, 3), suffixes[i]);
        for (int round = 0; round < 100; round++) {
            struct bytes copy = copy_of(file.at, file.len);
            random = random * 1664525 + 1013904223;
            copy.at[(random >> 8) % copy.len] ^= (uint8_t)(1u << (random >> 29));
            struct mr_image_result out;
            struct mr_fault fault = {0};
            int err = try_run(&out, "w=30&fm=png", copy, &fault);
            assert_true(err == MR_OK || err == MR_EDAMAGED || err == MR_ENOTIMAGE || err == MR_EPIXELS);
            mr_image_result_free(&out);
            g_free(images_owned[--images_owned_count]);
        }
    }
}

/* All pixels, or none: what may be missing is what stands behind them. */
static void cut_file_is_never_half_an_image(void **state)
{
    (void)state;
    static const struct {
        const char *suffix;
        size_t behind; /* bytes */
    } formats[] = {{".jpg", 2}, {".jpg[interlace]", 2}, {".jpg[no_subsample]", 2}, {".png", 12}, {".gif", 1}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(formats); i++) {
        struct bytes file = encode(noise(24, 16, 3), formats[i].suffix);
        for (size_t len = 16; len < file.len; len++) {
            struct mr_image_result out;
            struct mr_fault fault = {0};
            int err = try_run(&out, "fm=png", (struct bytes){file.at, len}, &fault);
            int wanted = len + formats[i].behind < file.len ? MR_EDAMAGED : MR_OK;
            if (err != wanted)
                fail_msg("%s at %zu of %zu: %d", formats[i].suffix, len, file.len, err);
            mr_image_result_free(&out);
        }
    }
}

static int keep_largest(void *context, uint64_t bytes, struct mr_fault *fault)
{
    (void)fault;
    *(uint64_t *)context = MR_MAX(*(uint64_t *)context, bytes);
    return MR_OK;
}

static uint64_t reserved_for(struct bytes file)
{
    uint64_t most = 0;
    const struct mr_image_limits limits = {.pixels = 1000000, .frames = 10, .reserve = keep_largest, .context = &most};
    struct mr_image_ops ops;
    struct mr_image_result out;
    struct mr_fault fault = {0};
    mr_image_ops_init(&ops);
    assert_int_equal(mr_image_run(&out, &ops, file.at, file.len, &limits, NULL, &fault), MR_OK);
    mr_image_result_free(&out);
    return most;
}

/* The last chunk of a WebP is padded: libwebp pads the picture's own inside of it. */
static struct bytes padded_webp(void)
{
    static uint8_t bytes[65536];
    const struct bytes file = encode(noise(60, 40, 3), ".webp");
    const size_t len = file.len + 10;
    assert_in_range(len, 0, sizeof(bytes));
    memcpy(bytes, file.at, file.len);
    memcpy(bytes + file.len, "ODD \1\0\0\0x", 10);
    for (size_t i = 0; i < 4; i++)
        bytes[4 + i] = (uint8_t)((len - 8) >> (8 * i));
    return (struct bytes){bytes, len};
}

static void assert_memory_of_mended(struct bytes file, size_t behind, size_t copied)
{
    struct bytes cut = {file.at, file.len - behind};
    assert_int_equal(reserved_for(cut), reserved_for(file) + copied);
}

/* What is missing behind the last pixel is read behind the input. Of a WebP there is a copy. */
static void memory_of_a_mended_file_is_reserved(void **state)
{
    (void)state;
    assert_memory_of_mended(encode(noise(60, 40, 3), ".jpg"), 2, 0);
    assert_memory_of_mended(encode(noise(60, 40, 3), ".png"), 12, 0);
    assert_memory_of_mended(encode(noise(60, 40, 3), ".gif"), 1, 0);
    struct bytes webp = padded_webp();
    assert_memory_of_mended(webp, 1, webp.len);
}

#define IMAGE_TEST(test) cmocka_unit_test_teardown(test, images_end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IMAGE_TEST(cut_image_is_damaged_wherever_it_is_cut),
        IMAGE_TEST(jpeg_that_lacks_a_part_of_its_data_is_damaged),
        IMAGE_TEST(what_is_no_image_is_refused),
        IMAGE_TEST(cut_file_is_never_half_an_image),
        IMAGE_TEST(memory_of_a_mended_file_is_reserved),
        IMAGE_TEST(changed_bytes_give_a_result_or_a_fault),
    };
    return cmocka_run_group_tests(tests, images_setup, images_teardown);
}
