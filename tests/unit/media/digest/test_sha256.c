#include "media/digest/sha256.h"

#include "media/stages.h"

/* FIPS 180-2, appendix B */
static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char million[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
static const char nothing[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static void assert_digest(const uint8_t digest[MR_SHA256_LEN], const char *expected)
{
    char text[2 * MR_SHA256_LEN + 1];
    for (size_t i = 0; i < MR_SHA256_LEN; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(text, expected);
}

static void bytes_have_the_digest_of_the_standard(void **state)
{
    uint8_t digest[MR_SHA256_LEN];
    (void)state;
    mr_sha256(digest, "abc", 3);
    assert_digest(digest, abc);
    mr_sha256(digest, "", 0);
    assert_digest(digest, nothing);
}

static void assert_passes(const void *in, size_t len, struct chunking chunking, const char *expected)
{
    void *stage;
    struct mr_fault fault;
    assert_int_equal(make_stage(&stage, &mr_stage_sha256, &(struct mr_stage_env){0}, "", &fault), MR_OK);
    assert_null(mr_stage_sha256_result(stage));
    struct outcome out = run_stage(&mr_stage_sha256, stage, in, len, chunking);
    assert_int_equal(out.err, MR_OK);
    assert_int_equal(out.len, len);
    assert_memory_equal(out.at, in, len);
    assert_digest(mr_stage_sha256_result(stage), expected);
    mr_stage_sha256.destroy(stage);
}

static void a_stream_passes_in_any_pieces_and_has_the_same_digest(void **state)
{
    uint8_t *letters = stages_own(malloc(1000000));
    (void)state;
    memset(letters, 'a', 1000000);
    for (uint32_t seed = 0; seed < 4; seed++) {
        assert_passes("abc", 3, (struct chunking){.arrival = seed, .seed = seed}, abc);
        assert_passes("", 0, (struct chunking){.arrival = seed, .seed = seed}, nothing);
        assert_passes(letters, 1000000, (struct chunking){.arrival = 40000 * seed, .seed = seed}, million);
    }
}

static void a_stream_that_has_not_ended_has_no_digest(void **state)
{
    void *stage;
    struct mr_fault fault;
    unsigned char out[8];
    struct mr_stage_piece piece = {
        .in = (const unsigned char *)"abc", .in_len = 3, .out = out, .out_size = sizeof(out)};
    (void)state;
    assert_int_equal(make_stage(&stage, &mr_stage_sha256, &(struct mr_stage_env){0}, "", &fault), MR_OK);
    assert_int_equal(mr_stage_sha256.work(stage, &piece, &stages_no_cancel, &fault), MR_OK);
    assert_int_equal(piece.status, MR_STAGE_WANT);
    assert_null(mr_stage_sha256_result(stage));
    mr_stage_sha256.destroy(stage);
}

static void cancelled_work_is_not_done(void **state)
{
    void *stage;
    struct mr_fault fault;
    struct mr_cancel cancel = {.cancelled = true};
    unsigned char out[8];
    struct mr_stage_piece piece = {.in = out, .last = true, .out = out, .out_size = sizeof(out)};
    (void)state;
    assert_int_equal(make_stage(&stage, &mr_stage_sha256, &(struct mr_stage_env){0}, "", &fault), MR_OK);
    assert_int_equal(mr_stage_sha256.work(stage, &piece, &cancel, &fault), MR_ECANCELLED);
    mr_stage_sha256.destroy(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(bytes_have_the_digest_of_the_standard, stages_end_test),
        cmocka_unit_test_teardown(a_stream_passes_in_any_pieces_and_has_the_same_digest, stages_end_test),
        cmocka_unit_test_teardown(a_stream_that_has_not_ended_has_no_digest, stages_end_test),
        cmocka_unit_test_teardown(cancelled_work_is_not_done, stages_end_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
