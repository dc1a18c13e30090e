#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "media/codec/codec_thread.h"
#include "media/expanders.h"

#include <cmocka.h>

/* Append a member of the `len` bytes at `in`, made by zlib; header: NULL for a plain one. */
static void append_member(struct bytes *out, const void *in, size_t len, gz_header *header)
{
    z_stream z = {.next_in = in, .avail_in = (uInt)len};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    if (header != NULL)
        assert_int_equal(deflateSetHeader(&z, header), Z_OK);
    size_t room = deflateBound(&z, len) + 1000;
    unsigned char *packed = malloc(room);
    z.next_out = packed;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    bytes_append(out, packed, z.total_out);
    deflateEnd(&z);
    free(packed);
}

static struct bytes member_of(const void *in, size_t len)
{
    struct bytes out = {0};
    append_member(&out, in, len, NULL);
    return out;
}

static void a_member_of_any_length_is_expanded(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 1, 2, 1000, 131072, 262143, 262144, 262145, 524288, 1500000};
    static struct bytes (*const make[])(size_t) = {make_zeros, make_noise, make_text};
    for (size_t i = 0; i < MR_ARRAY_SIZE(lens) * MR_ARRAY_SIZE(make); i++) {
        struct bytes input = make[i % MR_ARRAY_SIZE(make)](lens[i / MR_ARRAY_SIZE(make)]);
        struct bytes packed = member_of(input.at, input.len);
        assert_expands_to(&mr_stage_gunzip, packed, input);
        free(packed.at);
        free(input.at);
    }
}

static void what_gzip_made_is_expanded(void **state)
{
    (void)state;
    struct bytes input = make_text(2000000);
    for (char level[] = "1"; level[0] <= '9'; level[0] += 4) {
        struct run run = {.level = level};
        assert_int_equal(run_stage(&run, &mr_stage_gzip, input.at, input.len), MR_OK);
        assert_expands_to(&mr_stage_gunzip, run.out, input);
        run_end(&run);
    }
    free(input.at);
}

static void members_in_a_row_are_one_output(void **state)
{
    (void)state;
    struct bytes input = make_text(300000), packed = {0};
    append_member(&packed, input.at, 0, NULL);
    append_member(&packed, input.at, 200000, NULL);
    append_member(&packed, input.at, 0, NULL);
    append_member(&packed, input.at + 200000, 1, NULL);
    append_member(&packed, input.at + 200001, 99999, NULL);
    assert_expands_to(&mr_stage_gunzip, packed, input);
    free(packed.at);
    free(input.at);
}

static void every_field_of_a_header_is_passed_over(void **state)
{
    (void)state;
    unsigned char extra[300] = "extra", name[] = "a name", comment[] = "a comment";
    struct bytes input = make_text(3000), packed = {0};
    for (int fields = 0; fields < 16; fields++) {
        gz_header header = {.text = 1, .time = 1234567, .os = 3, .hcrc = fields & 1};
        header.name = (fields & 2) != 0 ? name : NULL;
        header.comment = (fields & 4) != 0 ? comment : NULL;
        header.extra = (fields & 8) != 0 ? extra : NULL;
        header.extra_len = sizeof(extra);
        packed.len = 0;
        append_member(&packed, input.at, input.len, &header);
        assert_expands_to(&mr_stage_gunzip, packed, input);
    }
    free(packed.at);
    free(input.at);
}

static void a_wrong_checksum_of_a_header_is_corrupt(void **state)
{
    (void)state;
    struct bytes packed = {0};
    gz_header header = {.hcrc = 1};
    append_member(&packed, "text", 4, &header);
    packed.at[10] ^= 1;
    assert_refused(&mr_stage_gunzip, packed.at, packed.len, MR_ECORRUPT);
    free(packed.at);
}

static void zeros_behind_the_last_member_are_padding(void **state)
{
    (void)state;
    struct bytes input = make_text(3000), packed = member_of(input.at, input.len), zeros = make_zeros(200000);
    static const size_t lens[] = {1, 2, 512, 200000};
    size_t len = packed.len;
    for (size_t i = 0; i < MR_ARRAY_SIZE(lens); i++) {
        packed.len = len;
        bytes_append(&packed, zeros.at, lens[i]);
        assert_expands_to(&mr_stage_gunzip, packed, input);
    }
    free(zeros.at);
    free(packed.at);
    free(input.at);
}

static void anything_else_behind_it_is_corrupt(void **state)
{
    (void)state;
    struct bytes packed = member_of("text", 4), member = member_of("text", 4);
    size_t len = packed.len;
    static const unsigned char garbage[][8] = {{'x'},  {0, 0, 'x'},     {0x1f, 0x8b, 7},
                                               {0x1f}, {0x8b, 0x1f, 8}, {0x78, 0x9c, 3, 0, 0, 0, 0, 1} /* zlib */};
    for (size_t i = 0; i < MR_ARRAY_SIZE(garbage); i++) {
        packed.len = len;
        bytes_append(&packed, garbage[i], sizeof(garbage[i]));
        assert_refused(&mr_stage_gunzip, packed.at, packed.len, MR_ECORRUPT);
    }
    static const size_t zeros[] = {1, 100, 131072}; /* a member behind padding: gzip ignores it, and we do not */
    for (size_t i = 0; i < MR_ARRAY_SIZE(zeros); i++) {
        struct bytes padding = make_zeros(zeros[i]);
        packed.len = len;
        bytes_append(&packed, padding.at, zeros[i] - (zeros[i] > len ? len : 0)); /* up to a cut, in the last case */
        bytes_append(&packed, member.at, member.len);
        assert_refused(&mr_stage_gunzip, packed.at, packed.len, MR_ECORRUPT);
        free(padding.at);
    }
    free(member.at);
    free(packed.at);
}

static void what_is_no_gzip_file_has_the_wrong_format(void **state)
{
    (void)state;
    assert_refused(&mr_stage_gunzip, "", 0, MR_EFORMAT);
    assert_refused(&mr_stage_gunzip, "\0", 1, MR_EFORMAT);
    assert_refused(&mr_stage_gunzip, "\x1f\x8c", 2, MR_EFORMAT);
    assert_refused(&mr_stage_gunzip, "\x1f\x8b\x07", 3, MR_EFORMAT);
    assert_refused(&mr_stage_gunzip, "some plain text of a client", 27, MR_EFORMAT);
    assert_refused(&mr_stage_gunzip, "\x28\xb5\x2f\xfd\x24\x00\x01\x00\x00\x99\xe9\xd8\x51", 13,
                   MR_EFORMAT);                                                          /* Zstandard */
    assert_refused(&mr_stage_gunzip, "\x78\x9c\x03\x00\x00\x00\x00\x01", 8, MR_EFORMAT); /* zlib, RFC 1950 */
}

static void every_truncation_is_corrupt(void **state)
{
    (void)state;
    struct bytes input = make_text(600), packed = {0};
    gz_header header = {.name = (unsigned char *)"name", .hcrc = 1};
    append_member(&packed, input.at, 300, &header);
    size_t first = packed.len;
    append_member(&packed, input.at, 300, NULL);
    for (size_t len = 1; len < packed.len; len++)
        if (len != first)
            assert_refused(&mr_stage_gunzip, packed.at, len, MR_ECORRUPT);
    free(packed.at);
    free(input.at);
}

/* Few bits mean nothing: FTEXT, time, XFL, system, and those between the end of the deflate data and the next byte. */
static bool means_nothing(size_t bit, size_t len)
{
    return bit == 24 || (bit >= 32 && bit < 80) || (bit >= 8 * (len - 9) && bit < 8 * (len - 8));
}

static void every_flipped_bit_is_noticed_or_means_nothing(void **state)
{
    (void)state;
    struct bytes input = make_text(300), packed = member_of(input.at, input.len);
    for (size_t bit = 0; bit < 8 * packed.len; bit++) {
        struct run run = {.seed = (uint32_t)bit};
        packed.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
        int err = run_stage(&run, &mr_stage_gunzip, packed.at, packed.len);
        packed.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
        if (err == MR_OK) {
            assert_true(means_nothing(bit, packed.len));
            assert_int_equal(run.out.len, input.len);
            assert_memory_equal(run.out.at, input.at, input.len);
        } else {
            assert_int_equal(err, bit < 24 ? MR_EFORMAT : MR_ECORRUPT);
        }
        run_end(&run);
    }
    free(packed.at);
    free(input.at);
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
        cmocka_unit_test(a_member_of_any_length_is_expanded),
        cmocka_unit_test(what_gzip_made_is_expanded),
        cmocka_unit_test(members_in_a_row_are_one_output),
        cmocka_unit_test(every_field_of_a_header_is_passed_over),
        cmocka_unit_test(a_wrong_checksum_of_a_header_is_corrupt),
        cmocka_unit_test(zeros_behind_the_last_member_are_padding),
        cmocka_unit_test(anything_else_behind_it_is_corrupt),
        cmocka_unit_test(what_is_no_gzip_file_has_the_wrong_format),
        cmocka_unit_test(every_truncation_is_corrupt),
        cmocka_unit_test(every_flipped_bit_is_noticed_or_means_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, thread_end);
}
