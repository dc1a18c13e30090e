#include "media/image/image_setup.h"
#include "media/images.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* The most threads that this process had at once, until it is told to stop. */
struct counter {
    atomic_bool stops;
    int most;
};

static int threads_now(void)
{
    char *text = NULL;
    assert_true(g_file_get_contents("/proc/self/status", &text, NULL, NULL));
    const char *at = strstr(text, "Threads:");
    assert_non_null(at);
    int count = atoi(at + sizeof("Threads:") - 1);
    g_free(text);
    return count;
}

static void *count_threads(void *data)
{
    struct counter *counter = data;
    while (!atomic_load(&counter->stops)) {
        counter->most = MR_MAX(counter->most, threads_now());
        usleep(100);
    }
    return NULL;
}

static int most_threads_of(const char *query, struct bytes input)
{
    struct counter counter = {.most = 0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, count_threads, &counter), 0);
    run(query, input);
    atomic_store(&counter.stops, true);
    pthread_join(thread, NULL);
    return counter.most;
}

static void encoder_starts_no_threads(void **state)
{
    (void)state;
    struct bytes input = encode(noise(700, 500, 3), ".png");
    if (!mr_image_can_write(MR_IMAGE_AVIF))
        skip();
    int others = most_threads_of("fm=webp&effort=6", input);
    assert_true(others >= 2); /* it counts itself, and us */
    assert_in_range(most_threads_of("fm=avif&effort=0", input), 1, others);
}

static void what_is_written_is_the_picture(void **state)
{
    (void)state;
    if (!mr_image_can_write(MR_IMAGE_AVIF) || !mr_image_can_read(MR_IMAGE_AVIF))
        skip();
    for (int bands = 3; bands <= 4; bands++) {
        VipsImage *want = quadrants(75, 53, bands);
        if (bands == 4)
            for (int i = 0; i < 75 * 53; i++)
                pixel_at(want, 0, 0)[4 * i + 3] = i % 75 < 37 ? 128 : 255;
        g_object_ref(want);
        struct mr_image_result out = run("fm=avif&q=95", encode(want, ".png"));
        VipsImage *have = decode(out.bytes, out.len);
        assert_int_equal(have->Xsize, 75);
        assert_int_equal(have->Ysize, 53);
        assert_int_equal(have->Bands, bands);
        for (int i = 0; i < 4; i++) {
            int x = i % 2 == 0 ? 15 : 60, y = i < 2 ? 12 : 40;
            assert_true(is_close(pixel_at(have, x, y), pixel_at(want, x, y), bands, 6));
        }
        g_object_unref(have);
        g_object_unref(want);
    }
}

static void profile_stays_where_it_is_to_be_kept(void **state)
{
    (void)state;
    if (!mr_image_can_write(MR_IMAGE_AVIF) || !mr_image_can_read(MR_IMAGE_AVIF))
        skip();
    VipsImage *image = quadrants(64, 48, 3), *tagged = NULL;
    assert_int_equal(vips_copy(image, &tagged, NULL), 0);
    VipsBlob *profile = NULL;
    assert_int_equal(vips_profile_load("p3", &profile, NULL), 0);
    size_t len;
    const void *at = vips_blob_get(profile, &len);
    vips_image_set_blob_copy(tagged, VIPS_META_ICC_NAME, at, len);
    struct bytes input = encode(tagged, ".png");
    const struct {
        const char *query;
        bool is_kept;
    } cases[] = {{"fm=avif", false}, {"fm=avif&icc=keep", true}, {"fm=avif&strip=0&icc=keep", true}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct mr_image_result out = run(cases[i].query, input);
        VipsImage *have = decode(out.bytes, out.len);
        assert_int_equal(vips_image_get_typeof(have, VIPS_META_ICC_NAME) != 0, cases[i].is_kept);
        g_object_unref(have);
    }
    vips_area_unref(VIPS_AREA(profile));
    g_object_unref(image);
}

#define IMAGE_TEST(name) cmocka_unit_test_teardown(name, images_end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IMAGE_TEST(encoder_starts_no_threads),
        IMAGE_TEST(what_is_written_is_the_picture),
        IMAGE_TEST(profile_stays_where_it_is_to_be_kept),
    };
    return cmocka_run_group_tests_name("avif_save", tests, images_setup, images_teardown);
}
