/* What gunzip and unzstd have in common: the bounds of what a body may become (expansion.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "media/codec/codec_thread.h"
#include "media/codec/expansion.h"
#include "media/codecs.h"

#include <cmocka.h>

struct pair {
    const struct mr_stage_ops *pack, *expand;
    uint32_t bomb_ratio; /* zeros are packed better than this */
};

static struct pair gzip = {.pack = &mr_stage_gzip, .expand = &mr_stage_gunzip, .bomb_ratio = 100},
                   zstd = {.pack = &mr_stage_zstd, .expand = &mr_stage_unzstd, .bomb_ratio = 1000};

static struct bytes pack(const struct pair *pair, struct bytes input)
{
    struct run run = {.level = NULL};
    assert_int_equal(run_stage(&run, pair->pack, input.at, input.len), MR_OK);
    return run.out;
}

static void output_up_to_the_bound_passes_and_a_byte_more_does_not(void **state)
{
    const struct pair *pair = *state;
    struct bytes input = make_noise(700000), packed = pack(pair, input);
    struct run run = {.env.expansion_bytes = input.len};
    assert_int_equal(run_stage(&run, pair->expand, packed.at, packed.len), MR_OK);
    run_end(&run);
    run.env.expansion_bytes = input.len - 1;
    assert_int_equal(run_stage(&run, pair->expand, packed.at, packed.len), MR_EEXPANSION);
    assert_string_equal(run.fault.limit_name, "max-expansion");
    assert_int_equal(run.fault.limit, input.len - 1);
    assert_int_equal(run.fault.value, input.len);
    assert_true(run.out.len < input.len);
    run_end(&run);
    free(packed.at);
    free(input.at);
}

static void a_bomb_ends_at_the_ratio(void **state)
{
    const struct pair *pair = *state;
    struct bytes input = make_zeros(MR_EXPANSION_GRACE + 5 * MR_MIB), packed = pack(pair, input);
    struct run run = {.env.expansion_ratio = pair->bomb_ratio};
    assert_int_equal(run_stage(&run, pair->expand, packed.at, packed.len), MR_EEXPANSION);
    assert_string_equal(run.fault.limit_name, "max-expansion-ratio");
    assert_int_equal(run.fault.limit, pair->bomb_ratio);
    assert_in_range(run.fault.value, pair->bomb_ratio + 1, 100000);
    assert_in_range(run.out.len, 0, MR_EXPANSION_CLEAR); /* found before what is held back was full */
    run_end(&run);
    run.env.expansion_ratio = 100000;
    assert_int_equal(run_stage(&run, pair->expand, packed.at, packed.len), MR_OK);
    run_end(&run);
    free(packed.at);
    free(input.at);
}

/* It exceeds the ratio at first, and is good all the same. */
static void what_was_doubtful_comes_out_whole(void **state)
{
    const struct pair *pair = *state;
    struct bytes zeros = make_zeros(3 * MR_MIB), noise = make_noise(100000);
    for (size_t front = 0; front <= 3000; front += 1000) {
        struct bytes input = {0};
        bytes_append(&input, noise.at, front);
        bytes_append(&input, zeros.at, zeros.len);
        bytes_append(&input, noise.at, noise.len);
        struct bytes packed = pack(pair, input);
        for (uint32_t seed = 0; seed < 3; seed++) {
            struct run run = {.seed = seed, .env.expansion_ratio = 200};
            assert_int_equal(run_stage(&run, pair->expand, packed.at, packed.len), MR_OK);
            assert_int_equal(run.out.len, input.len);
            assert_memory_equal(run.out.at, input.at, input.len);
            run_end(&run);
        }
        free(packed.at);
        free(input.at);
    }
    free(noise.at);
    free(zeros.at);
}

/* More of the input than can be looked at passes no bound: what comes after it is not known. */
static void a_bomb_behind_much_input_ends_at_the_ratio(void **state)
{
    const struct pair *pair = *state;
    struct bytes front = make_zeros(MR_MIB), noise = make_noise(400000),
                 zeros = make_zeros(MR_EXPANSION_GRACE + 5 * MR_MIB);
    bytes_append(&front, noise.at, noise.len);
    bytes_append(&front, zeros.at, zeros.len);
    struct bytes packed = pack(pair, front);
    struct run run = {.env.expansion_ratio = 100};
    assert_int_equal(run_stage(&run, pair->expand, packed.at, packed.len), MR_EEXPANSION);
    assert_in_range(run.out.len, MR_EXPANSION_GRACE - MR_MIB, front.len);
    run_end(&run);
    free(packed.at);
    free(zeros.at);
    free(noise.at);
    free(front.at);
}

static void a_small_file_may_be_packed_as_well_as_it_likes(void **state)
{
    const struct pair *pair = *state;
    struct bytes input = make_zeros(MR_EXPANSION_GRACE), packed = pack(pair, input);
    struct run run = {.env.expansion_ratio = 2};
    assert_int_equal(run_stage(&run, pair->expand, packed.at, packed.len), MR_OK);
    run_end(&run);
    free(packed.at);
    free(input.at);
}

static void cancelled_work_is_not_done(void **state)
{
    const struct pair *pair = *state;
    void *stage;
    struct mr_fault fault;
    struct mr_cancel cancel = {.cancelled = true};
    unsigned char out[10];
    struct mr_stage_piece piece = {.in = out, .last = true, .out = out, .out_size = sizeof(out)};
    assert_int_equal(pair->expand->create(&stage, &(struct mr_stage_env){0}, &fault), MR_OK);
    assert_int_equal(pair->expand->work(stage, &piece, &cancel, &fault), MR_ECANCELLED);
    pair->expand->destroy(stage);
}

static int thread_end(void **state)
{
    (void)state;
    mr_codec_thread_end();
    return 0;
}

#define TEST_OF_BOTH(test) cmocka_unit_test_prestate(test, &gzip), cmocka_unit_test_prestate(test, &zstd)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_OF_BOTH(output_up_to_the_bound_passes_and_a_byte_more_does_not),
        TEST_OF_BOTH(a_bomb_ends_at_the_ratio),
        TEST_OF_BOTH(what_was_doubtful_comes_out_whole),
        TEST_OF_BOTH(a_bomb_behind_much_input_ends_at_the_ratio),
        TEST_OF_BOTH(a_small_file_may_be_packed_as_well_as_it_likes),
        TEST_OF_BOTH(cancelled_work_is_not_done),
    };
    return cmocka_run_group_tests(tests, NULL, thread_end);
}
