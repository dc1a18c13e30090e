#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "media/codec/codec_thread.h"
#include "media/codecs.h"

#include <cmocka.h>

static struct mr_stage_sizes sizes_at(const char *level)
{
    void *stage = NULL;
    struct mr_fault fault;
    struct mr_stage_sizes sizes;
    assert_int_equal(mr_stage_zstd.create(&stage, &(struct mr_stage_env){0}, &fault), MR_OK);
    if (level != NULL)
        set_level(&mr_stage_zstd, stage, level);
    mr_stage_zstd.sizes(stage, &sizes);
    mr_stage_zstd.destroy(stage);
    return sizes;
}

/* libzstd alone makes `input` of it again, all frames in one go. */
static void assert_is_frames_of(struct bytes packed, struct bytes input)
{
    unsigned char *out = malloc(input.len + 1);
    assert_int_equal(ZSTD_decompress(out, input.len + 1, packed.at, packed.len), input.len);
    assert_memory_equal(out, input.at, input.len);
    free(out);
}

static size_t pack(struct run *run, struct bytes input)
{
    assert_int_equal(run_stage(run, &mr_stage_zstd, input.at, input.len), MR_OK);
    assert_is_frames_of(run->out, input);
    size_t len = run->out.len;
    run_end(run);
    return len;
}

static void round_trip(struct bytes input)
{
    for (uint32_t seed = 0; seed < 3; seed++)
        pack(&(struct run){.seed = seed}, input);
    free(input.at);
}

static void any_length_becomes_frames(void **state)
{
    (void)state;
    struct mr_stage_sizes sizes = sizes_at(NULL);
    const size_t lens[] = {0,
                           1,
                           2,
                           100,
                           sizes.piece - 1,
                           sizes.piece,
                           sizes.piece + 1,

                           4 * sizes.piece,
                           5 * sizes.piece + 7};
    for (size_t i = 0; i < MR_ARRAY_SIZE(lens); i++) {
        round_trip(make_zeros(lens[i]));
        round_trip(make_noise(lens[i]));
        round_trip(make_text(lens[i]));
    }
}

/* RFC 8878, section 3.1.1: magic, then the descriptor with the sizes' lengths and the checksum's flag. */
static void each_piece_is_a_frame_with_its_size_and_a_checksum(void **state)
{
    (void)state;
    struct mr_stage_sizes sizes = sizes_at(NULL);
    struct bytes input = make_text(3 * sizes.piece + 1000);
    struct run run = {.seed = 5};
    assert_int_equal(run_stage(&run, &mr_stage_zstd, input.at, input.len), MR_OK);
    size_t at = 0, content = 0, frames = 0;
    for (; at < run.out.len; frames++) {
        assert_int_equal(ZSTD_getFrameContentSize(run.out.at + at, run.out.len - at),
                         MR_MIN(sizes.piece, input.len - content));
        assert_true((run.out.at[at + 4] & 4) != 0);
        content += sizes.piece;
        at += ZSTD_findFrameCompressedSize(run.out.at + at, run.out.len - at);
    }
    assert_int_equal(at, run.out.len);
    assert_int_equal(frames, 4);
    run_end(&run);
    free(input.at);
}

static void no_input_is_one_empty_frame(void **state)
{
    (void)state;
    struct run run = {0};
    assert_int_equal(run_stage(&run, &mr_stage_zstd, "", 0), MR_OK);
    assert_int_equal(ZSTD_getFrameContentSize(run.out.at, run.out.len), 0);
    assert_int_equal(ZSTD_findFrameCompressedSize(run.out.at, run.out.len), run.out.len);
    run_end(&run);
}

static void nothing_stands_behind_an_input_that_ends_with_a_piece(void **state)
{
    (void)state;
    struct bytes input = make_text(2 * sizes_at(NULL).piece);
    size_t known = pack(&(struct run){.seed = 2}, input);
    size_t late = pack(&(struct run){.seed = 3}, input);
    assert_int_equal(known, late);
    free(input.at);
}

static void every_level_is_taken_and_packs_closer(void **state)
{
    (void)state;
    struct bytes input = make_text(3 << 20), little = {.at = input.at, .len = 100000};
    size_t lens[20];
    for (int i = 1; i <= 19; i++) {
        char level[4];
        snprintf(level, sizeof(level), "%d", i);
        lens[i] = pack(&(struct run){.level = level}, i < 16 ? input : little);
    }
    assert_true(lens[15] < lens[9] && lens[9] < lens[1]);
    assert_int_equal(pack(&(struct run){0}, input), lens[3]);
    free(input.at);
}

static void memory_of_a_level_is_what_it_says(void **state)
{
    (void)state;
    for (int i = 1; i <= 19; i++) {
        char level[4];
        snprintf(level, sizeof(level), "%d", i);
        struct mr_stage_sizes sizes = sizes_at(level);
        size_t len = sizes.piece, room = ZSTD_compressBound(len);
        struct bytes input = make_zeros(len);
        unsigned char *out = malloc(room);
        mr_codec_thread_end();
        ZSTD_CCtx *compressor = mr_codec_zstd_compressor(i);
        assert_false(ZSTD_isError(ZSTD_compress2(compressor, out, room, input.at, len)));
        assert_true(ZSTD_sizeof_CCtx(compressor) <= sizes.work_memory);
        assert_true(ZSTD_sizeof_CCtx(compressor) >= sizes.work_memory / 8);
        free(out);
        free(input.at);
    }
}

static void neither_order_nor_threads_change_a_byte(void **state)
{
    (void)state;
    struct bytes input = make_text(7 * sizes_at(NULL).piece / 2);
    struct run first = {0}, other = {.seed = 8, .threads = HANDS_MAX};
    assert_int_equal(run_stage(&first, &mr_stage_zstd, input.at, input.len), MR_OK);
    assert_int_equal(run_stage(&other, &mr_stage_zstd, input.at, input.len), MR_OK);
    assert_int_equal(first.out.len, other.out.len);
    assert_memory_equal(first.out.at, other.out.at, first.out.len);
    run_end(&first);
    run_end(&other);
    free(input.at);
}

static void cancelled_work_is_not_done(void **state)
{
    (void)state;
    void *stage;
    struct mr_fault fault;
    struct mr_cancel cancel = {.cancelled = true};
    unsigned char out[1000];
    struct mr_stage_piece piece = {.in = out, .last = true, .out = out, .out_size = sizeof(out)};
    assert_int_equal(mr_stage_zstd.create(&stage, &(struct mr_stage_env){0}, &fault), MR_OK);
    assert_int_equal(mr_stage_zstd.work(stage, &piece, &cancel, &fault), MR_ECANCELLED);
    mr_stage_zstd.destroy(stage);
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
        cmocka_unit_test(any_length_becomes_frames),
        cmocka_unit_test(each_piece_is_a_frame_with_its_size_and_a_checksum),
        cmocka_unit_test(no_input_is_one_empty_frame),
        cmocka_unit_test(nothing_stands_behind_an_input_that_ends_with_a_piece),
        cmocka_unit_test(every_level_is_taken_and_packs_closer),
        cmocka_unit_test(memory_of_a_level_is_what_it_says),
        cmocka_unit_test(neither_order_nor_threads_change_a_byte),
        cmocka_unit_test(cancelled_work_is_not_done),
    };
    return cmocka_run_group_tests(tests, NULL, thread_end);
}
