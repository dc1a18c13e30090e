#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "media/codec/codec_thread.h"
#include "media/codecs.h"

#include <cmocka.h>

enum { PIECE = 64 * 1024, WHOLE_MAX = 1024 * 1024 };

/* zlib alone makes `input` of it again: one member, and nothing behind it. */
static void assert_is_member_of(struct bytes packed, struct bytes input)
{
    unsigned char *out = malloc(input.len + 1);
    z_stream z = {.next_in = packed.at, .avail_in = (uInt)packed.len, .next_out = out};
    z.avail_out = (uInt)input.len + 1;
    assert_int_equal(inflateInit2(&z, MAX_WBITS + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    assert_int_equal(z.total_out, input.len);
    assert_memory_equal(out, input.at, input.len);
    inflateEnd(&z);
    free(out);
}

static size_t pack(struct run *run, struct bytes input)
{
    assert_int_equal(run_stage(run, &mr_stage_gzip, input.at, input.len), MR_OK);
    assert_is_member_of(run->out, input);
    size_t len = run->out.len;
    run_end(run);
    return len;
}

static void round_trip(struct bytes input)
{
    for (uint32_t seed = 0; seed < 4; seed++) {
        pack(&(struct run){.seed = seed}, input);
        pack(&(struct run){.seed = seed, .never_whole = true}, input);
    }
    free(input.at);
}

static void any_length_becomes_one_member(void **state)
{
    (void)state;
    static const size_t lens[] = {0,         1,         2,         100,           PIECE - 1, PIECE,
                                  PIECE + 1, 2 * PIECE, WHOLE_MAX, WHOLE_MAX + 1, 9 * PIECE, 10 * PIECE + 7};
    for (size_t i = 0; i < MR_ARRAY_SIZE(lens); i++) {
        round_trip(make_zeros(lens[i]));
        round_trip(make_noise(lens[i]));
        round_trip(make_text(lens[i]));
    }
}

static void every_level_is_taken_and_packs_closer(void **state)
{
    (void)state;
    struct bytes input = make_noise(WHOLE_MAX + PIECE);
    for (size_t i = 0; i < input.len; i++) /* of four letters: there is always a better match further back */
        input.at[i] = (unsigned char)"ACGT"[input.at[i] & 3];
    size_t sizes[10] = {0};
    for (char level[] = "1"; level[0] <= '9'; level[0]++) {
        struct bytes little = {.at = input.at, .len = 5000};
        pack(&(struct run){.level = level}, little);
        sizes[level[0] - '0'] = pack(&(struct run){.level = level}, input);
    }
    assert_true(sizes[9] < sizes[6] && sizes[6] < sizes[1]);
    assert_int_equal(pack(&(struct run){0}, input), sizes[6]);
    free(input.at);
}

static size_t len_of_zlib(struct bytes input, int level)
{
    uLongf len = compressBound(input.len);
    unsigned char *out = malloc(len);
    assert_int_equal(compress2(out, &len, input.at, input.len, level), Z_OK);
    free(out);
    return len;
}

static void cutting_into_pieces_costs_less_than_one_percent(void **state)
{
    (void)state;
    struct bytes input = make_text(20 * PIECE);
    size_t limit = len_of_zlib(input, 6) * 101 / 100;
    assert_true(pack(&(struct run){0}, input) < limit);
    free(input.at);
}

static void what_came_before_a_piece_is_referred_to(void **state)
{
    (void)state;
    struct bytes half = make_noise(16 * 1024), input = {0};
    for (int i = 0; i < 20; i++) /* each piece but the first is a repetition */
        bytes_append(&input, half.at, half.len);
    assert_true(pack(&(struct run){.never_whole = true}, input) < 20 * 1024);
    free(half.at);
    free(input.at);
}

static void noise_grows_by_less_than_a_thousandth(void **state)
{
    (void)state;
    struct bytes input = make_noise(20 * PIECE);
    assert_true(pack(&(struct run){0}, input) < input.len + input.len / 1000);
    free(input.at);
}

/* RFC 1952, section 2.3: deflate, no flags, no time; XFL says fastest or smallest; the system is not known. */
static void header_holds_no_time_and_no_name(void **state)
{
    (void)state;
    static const struct {
        const char *level;
        unsigned char xfl;
    } cases[] = {{"1", 4}, {"6", 0}, {"9", 2}};
    struct bytes input = make_text(1000);
    for (size_t i = 0; i < 2 * MR_ARRAY_SIZE(cases); i++) {
        struct run run = {.level = cases[i / 2].level, .never_whole = i % 2 == 0};
        assert_int_equal(run_stage(&run, &mr_stage_gzip, input.at, input.len), MR_OK);
        const unsigned char expected[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, cases[i / 2].xfl, 255};
        assert_memory_equal(run.out.at, expected, sizeof(expected));
        run_end(&run);
    }
    free(input.at);
}

static void neither_order_nor_threads_change_a_byte(void **state)
{
    (void)state;
    struct bytes input = make_text(12 * PIECE + 5);
    struct run first = {0}, other = {.seed = 8, .threads = HANDS_MAX};
    assert_int_equal(run_stage(&first, &mr_stage_gzip, input.at, input.len), MR_OK);
    assert_int_equal(run_stage(&other, &mr_stage_gzip, input.at, input.len), MR_OK);
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
    assert_int_equal(mr_stage_gzip.create(&stage, &(struct mr_stage_env){0}, &fault), MR_OK);
    assert_int_equal(mr_stage_gzip.work(stage, &piece, &cancel, &fault), MR_ECANCELLED);
    assert_int_equal(fault.error, MR_ECANCELLED);
    mr_stage_gzip.destroy(stage);
}

static void a_thread_can_begin_again_after_its_end(void **state)
{
    (void)state;
    mr_codec_thread_end();
    mr_codec_thread_end();
    round_trip(make_text(3 * PIECE));
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
        cmocka_unit_test(any_length_becomes_one_member),
        cmocka_unit_test(every_level_is_taken_and_packs_closer),
        cmocka_unit_test(cutting_into_pieces_costs_less_than_one_percent),
        cmocka_unit_test(what_came_before_a_piece_is_referred_to),
        cmocka_unit_test(noise_grows_by_less_than_a_thousandth),
        cmocka_unit_test(header_holds_no_time_and_no_name),
        cmocka_unit_test(neither_order_nor_threads_change_a_byte),
        cmocka_unit_test(cancelled_work_is_not_done),
        cmocka_unit_test(a_thread_can_begin_again_after_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, thread_end);
}
