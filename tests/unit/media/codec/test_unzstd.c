#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "media/codec/codec_thread.h"
#include "media/codec/zstd_frame.h"
#include "media/expanders.h"

#include <cmocka.h>

/* Append a frame of the `len` bytes at `in`, as zstd(1) writes one when it does not know the size; window_log: 0 for
 * the level's own. */
static void append_frame(struct bytes *out, const void *in, size_t len, int window_log)
{
    ZSTD_CCtx *compressor = mr_codec_zstd_compressor(3);
    if (window_log != 0)
        assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(compressor, ZSTD_c_windowLog, window_log)));
    size_t room = ZSTD_compressBound(len);
    unsigned char *packed = malloc(room);
    ZSTD_inBuffer from = {.src = in, .size = len};
    ZSTD_outBuffer to = {.dst = packed, .size = room};
    ZSTD_compressStream2(compressor, &to, &from, ZSTD_e_continue);
    assert_int_equal(ZSTD_compressStream2(compressor, &to, &from, ZSTD_e_end), 0);
    bytes_append(out, packed, to.pos);
    free(packed);
}

/* RFC 8878, section 3.1.2. */
static void append_skippable(struct bytes *out, unsigned char kind, uint32_t len)
{
    unsigned char header[8] = {(unsigned char)(0x50 + kind), 0x2a, 0x4d, 0x18};
    for (int i = 0; i < 4; i++)
        header[4 + i] = (unsigned char)(len >> (8 * i));
    struct bytes content = make_noise(len);
    bytes_append(out, header, sizeof(header));
    bytes_append(out, content.at, content.len);
    free(content.at);
}

static struct bytes frame_of(const void *in, size_t len)
{
    struct bytes out = {0};
    append_frame(&out, in, len, 0);
    return out;
}

static void a_frame_of_any_length_is_expanded(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 1, 2, 1000, 131072, 262143, 262144, 262145, 524288, 1500000};
    static struct bytes (*const make[])(size_t) = {make_zeros, make_noise, make_text};
    for (size_t i = 0; i < MR_ARRAY_SIZE(lens) * MR_ARRAY_SIZE(make); i++) {
        struct bytes input = make[i % MR_ARRAY_SIZE(make)](lens[i / MR_ARRAY_SIZE(make)]);
        struct bytes packed = frame_of(input.at, input.len);
        assert_expands_to(&mr_stage_unzstd, packed, input);
        free(packed.at);
        free(input.at);
    }
}

static void what_zstd_made_is_expanded(void **state)
{
    (void)state;
    struct bytes input = make_text(3000000);
    static const char *const levels[] = {"1", "3", "12"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(levels); i++) {
        struct run run = {.level = levels[i]};
        assert_int_equal(run_stage(&run, &mr_stage_zstd, input.at, input.len), MR_OK);
        assert_expands_to(&mr_stage_unzstd, run.out, input);
        run_end(&run);
    }
    free(input.at);
}

static void frames_in_a_row_are_one_output(void **state)
{
    (void)state;
    struct bytes input = make_text(300000), packed = {0};
    append_skippable(&packed, 15, 200000);
    append_frame(&packed, input.at, 200000, 0);
    append_frame(&packed, input.at, 0, 0);
    append_skippable(&packed, 0, 0);
    append_skippable(&packed, 3, 10);
    append_frame(&packed, input.at + 200000, 1, 0);
    append_frame(&packed, input.at + 200001, 99999, 20);
    append_skippable(&packed, 7, 1);
    assert_expands_to(&mr_stage_unzstd, packed, input);
    free(packed.at);
    free(input.at);
}

static void a_skippable_frame_alone_is_no_output(void **state)
{
    (void)state;
    struct bytes packed = {0};
    append_skippable(&packed, 4, 100);
    assert_expands_to(&mr_stage_unzstd, packed, (struct bytes){0});
    for (size_t len = 1; len < packed.len; len++)
        assert_refused(&mr_stage_unzstd, packed.at, len, MR_ECORRUPT);
    free(packed.at);
}

static void what_is_no_zstandard_file_has_the_wrong_format(void **state)
{
    (void)state;
    assert_refused(&mr_stage_unzstd, "", 0, MR_EFORMAT);
    assert_refused(&mr_stage_unzstd, "\0", 1, MR_EFORMAT);
    assert_refused(&mr_stage_unzstd, "\x28\xb5\x2f\xfe", 4, MR_EFORMAT);
    assert_refused(&mr_stage_unzstd, "some plain text of a client", 27, MR_EFORMAT);
    assert_refused(&mr_stage_unzstd, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00",
                   20, MR_EFORMAT);
    assert_refused(&mr_stage_unzstd, "\x27\xb5\x2f\xfd\x00\x00\x00\x00\x00\x00", 10,
                   MR_EFORMAT); /* v0.7, from before the standard */
}

static void anything_else_behind_it_is_corrupt(void **state)
{
    (void)state;
    struct bytes packed = frame_of("text", 4);
    size_t len = packed.len;
    static const char garbage[][30] = {"x", "", "\x28\xb5\x2f\xfe", "\x60\x2a\x4d\x18", "\x27\xb5\x2f\xfd"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(garbage); i++) {
        packed.len = len;
        bytes_append(&packed, garbage[i], i == 0 ? 1 : sizeof(garbage[i]));
        assert_refused(&mr_stage_unzstd, packed.at, packed.len, MR_ECORRUPT);
    }
    free(packed.at);
}

static void every_truncation_is_corrupt(void **state)
{
    (void)state;
    struct bytes input = make_text(600), packed = {0};
    append_frame(&packed, input.at, 300, 0);
    size_t first = packed.len;
    append_frame(&packed, input.at, 300, 0);
    for (size_t len = 1; len < packed.len; len++)
        if (len != first)
            assert_refused(&mr_stage_unzstd, packed.at, len, MR_ECORRUPT);
    free(packed.at);
    free(input.at);
}

static void every_flipped_bit_is_noticed_or_means_nothing(void **state)
{
    (void)state;
    struct bytes input = make_text(300), packed = frame_of(input.at, input.len);
    size_t passed = 0;
    for (size_t bit = 0; bit < 8 * packed.len; bit++) {
        struct run run = {.seed = (uint32_t)bit};
        packed.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
        int err = run_stage(&run, &mr_stage_unzstd, packed.at, packed.len);
        packed.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
        if (err == MR_OK) { /* the window's size may be another, and a bit of the descriptor is unused */
            assert_int_equal(run.out.len, input.len);
            assert_memory_equal(run.out.at, input.at, input.len);
            passed++;
        } else {
            assert_true(bit < 32 ? err == MR_EFORMAT : err == MR_ECORRUPT || err == MR_EEXPANSION);
        }
        run_end(&run);
    }
    assert_true(passed < 16);
    free(packed.at);
    free(input.at);
}

static void a_window_up_to_the_bound_passes_and_a_larger_one_does_not(void **state)
{
    (void)state;
    struct bytes input = make_text(100000);
    for (int log = 20; log <= 27; log++) {
        struct bytes packed = {0};
        append_frame(&packed, input.at, input.len, log);
        struct run run = {.seed = 1};
        assert_int_equal(run_stage(&run, &mr_stage_unzstd, packed.at, packed.len), log <= 23 ? MR_OK : MR_EEXPANSION);
        if (log > 23) {
            assert_string_equal(run.fault.limit_name, "max-zstd-window");
            assert_int_equal(run.fault.limit, 8 << 20);
            assert_int_equal(run.fault.value, 1 << log);
        }
        run_end(&run);
        free(packed.at);
    }
    free(input.at);
}

static void the_bound_of_the_window_is_the_environment_s(void **state)
{
    (void)state;
    static const uint64_t bounds[] = {1 << 27, (1 << 27) - 1, (1 << 26) + 1, 1 << 20};
    struct bytes input = make_text(100000), packed = {0};
    append_frame(&packed, input.at, input.len, 27);
    for (size_t i = 0; i < MR_ARRAY_SIZE(bounds); i++) {
        struct run run = {.seed = 1, .env.zstd_window = bounds[i]};
        int err = run_stage(&run, &mr_stage_unzstd, packed.at, packed.len);
        assert_int_equal(err, bounds[i] >= 1 << 27 ? MR_OK : MR_EEXPANSION);
        if (err != MR_OK)
            assert_int_equal(run.fault.limit, bounds[i]);
        run_end(&run);
    }
    free(packed.at);
    free(input.at);
}

/* RFC 8878, sections 3.1.1.1.1 to 3.1.1.1.4. */
static void window_of_a_header_is_read_as_the_standard_says(void **state)
{
    (void)state;
#define WINDOW(bytes) mr_zstd_window((const unsigned char *)("\x28\xb5\x2f\xfd" bytes), 3 + sizeof(bytes))
    assert_int_equal(WINDOW("\x00\x00"), 1024);
    assert_int_equal(WINDOW("\x00\x07"), 1024 + 7 * 128);
    assert_int_equal(WINDOW("\x04\x68"), 8 << 20);
    assert_int_equal(WINDOW("\x00\x69"), (8 << 20) + (1 << 20));
    assert_int_equal(WINDOW("\x00\xff"), (UINT64_C(1) << 41) + 7 * (UINT64_C(1) << 38));
    assert_int_equal(WINDOW("\x20\x05"), 5);
    assert_int_equal(WINDOW("\x21\xaa\x05"), 5);
    assert_int_equal(WINDOW("\x60\x01\x02"), 0x201 + 256);
    assert_int_equal(WINDOW("\xa0\x01\x02\x03\x04"), 0x04030201);
    assert_int_equal(WINDOW("\xe3\xaa\xbb\xcc\xdd\x01\x02\x03\x04\x05\x06\x07\x08"), UINT64_C(0x0807060504030201));
    assert_int_equal(WINDOW("\xe3\xaa\xbb\xcc\xdd\x01\x02\x03\x04\x05\x06\x07"), 0); /* cut off */
    assert_int_equal(WINDOW("\x00"), 0);
#undef WINDOW
    assert_int_equal(mr_zstd_window((const unsigned char *)"\x50\x2a\x4d\x18\x00\xff\x00\x00", 8), 0);
}

static int thread_end(void **state)
{
    (void)state;
    mr_codec_thread_end();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_of_any_length_is_expanded),
        cmocka_unit_test(what_zstd_made_is_expanded),
        cmocka_unit_test(frames_in_a_row_are_one_output),
        cmocka_unit_test(a_skippable_frame_alone_is_no_output),
        cmocka_unit_test(what_is_no_zstandard_file_has_the_wrong_format),
        cmocka_unit_test(anything_else_behind_it_is_corrupt),
        cmocka_unit_test(every_truncation_is_corrupt),
        cmocka_unit_test(every_flipped_bit_is_noticed_or_means_nothing),
        cmocka_unit_test(a_window_up_to_the_bound_passes_and_a_larger_one_does_not),
        cmocka_unit_test(the_bound_of_the_window_is_the_environment_s),
        cmocka_unit_test(window_of_a_header_is_read_as_the_standard_says),
    };
    return cmocka_run_group_tests(tests, NULL, thread_end);
}
