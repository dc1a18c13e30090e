#include "media/age/age.h"
#include "media/age/age_armor.h"
#include "media/stages.h"

#define BEGIN MR_AGE_ARMOR_BEGIN "\n"
#define END   MR_AGE_ARMOR_END "\n"
#define LINE  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n" /* 48 bytes */

static const struct mr_stage_env no_env;
static const struct chunking at_once;

static const struct chunking chunkings[] = {
    {0}, {.arrival = 1}, {.arrival = 3, .backwards = true}, {.arrival = 65}, {.arrival = 100, .seed = 3}};

static struct outcome dearmor(const char *text, struct chunking chunking)
{
    return run_ops(&mr_stage_dearmor, &no_env, "", text, strlen(text), chunking);
}

static void assert_bytes(const char *text, size_t len)
{
    for (size_t i = 0; i < MR_ARRAY_SIZE(chunkings); i++) {
        struct outcome out = dearmor(text, chunkings[i]);
        if (out.err != MR_OK || out.len != len)
            fail_msg("%s, %zu bytes: %s", out.fault.detail, out.len, text);
    }
}

static void assert_refused(const char *text, int expected)
{
    for (size_t i = 0; i < MR_ARRAY_SIZE(chunkings); i++) {
        struct outcome out = dearmor(text, chunkings[i]);
        if (out.err != expected)
            fail_msg("%s (chunking %zu) for:\n%s", mr_error_name(out.err), i, text);
    }
}

static void armor_is_read_again(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 2, 3, 47, 48, 49, 96, 98304 - 1, 98304, 98304 + 1, 300000};
    for (size_t i = 0; i < MR_ARRAY_SIZE(lengths); i++) {
        const uint8_t *bytes = random_bytes(lengths[i], 3);
        struct outcome text =
            run_well(&mr_stage_armor, &no_env, "", bytes, lengths[i], (struct chunking){.backwards = i % 2});
        struct outcome back = run_well(&mr_stage_dearmor, &no_env, "", text.at, text.len,
                                       (struct chunking){.arrival = lengths[i] > 1000 ? 5000 : 7, .seed = 1});
        assert_int_equal(back.len, lengths[i]);
        assert_memory_equal(back.at, bytes, back.len);
    }
}

static void armor_is_lines_of_64_columns(void **state)
{
    (void)state;
    static const uint8_t zeros[100];
    struct outcome out = run_well(&mr_stage_armor, &no_env, "", zeros, 49, at_once);
    assert_true(mr_slice_is((struct mr_slice){(char *)out.at, out.len}, BEGIN LINE "AA==\n" END));
    out = run_well(&mr_stage_armor, &no_env, "", zeros, 96, at_once);
    assert_true(mr_slice_is((struct mr_slice){(char *)out.at, out.len}, BEGIN LINE LINE END));
    out = run_well(&mr_stage_armor, &no_env, "", "", 0, at_once);
    assert_true(mr_slice_is((struct mr_slice){(char *)out.at, out.len}, BEGIN END));
}

static void line_ends_and_whitespace_outside_are_free(void **state)
{
    (void)state;
    assert_bytes(BEGIN LINE "AAAA\n" END, 51);
    assert_bytes(MR_AGE_ARMOR_BEGIN "\r\nAAAA\r\n" MR_AGE_ARMOR_END "\r\n", 3);
    assert_bytes(BEGIN "AAAA\r\n" END, 3);
    assert_bytes(BEGIN "AAAA\n" MR_AGE_ARMOR_END, 3);
    assert_bytes(BEGIN "AAAA\n" MR_AGE_ARMOR_END "\r", 3);
    assert_bytes("\n \r\n\t\n" BEGIN "AAAA\n" END " \n\t\r\n ", 3);
    assert_bytes(BEGIN LINE END, 48);
    assert_bytes(BEGIN END, 0);
}

static void other_text_is_not_armor(void **state)
{
    (void)state;
    assert_refused("", MR_EFORMAT);
    assert_refused(" \n\n", MR_EFORMAT);
    assert_refused("hello", MR_EFORMAT);
    assert_refused("x\n" BEGIN "AAAA\n" END, MR_EFORMAT);
    assert_refused(" " BEGIN "AAAA\n" END, MR_EFORMAT);
    assert_refused(MR_AGE_ARMOR_BEGIN " \nAAAA\n" END, MR_EFORMAT);
    assert_refused("-----BEGIN AGE ENCRYPTED MESSAGE-----\nAAAA\n" END, MR_EFORMAT);
    assert_refused("-----begin age encrypted file-----\nAAAA\n" END, MR_EFORMAT);
    assert_refused("-----BEGIN AGE ENCRYPTED FILE----", MR_EFORMAT);
}

static void malformed_armor_is_refused(void **state)
{
    (void)state;
    static const char *const inside[] = {
        "\nAAAA\n",             /* an empty line before */
        "AAAA\n\n",             /* and behind */
        LINE "\n",              /* behind a full one */
        "AAAA\nAAAA\n",         /* two short lines */
        LINE "AAAA\n" LINE,     /* a short one in the middle */
        "A" LINE,               /* a long one */
        "AAAA" LINE,            /* as long as whole digits are */
        LINE "AAAAA\n",         /* no whole bytes */
        "AA\n",                 /* no padding */
        "AA=\n",                /* too little */
        "AB==\n",               /* not canonical */
        "AA==AA==\n",           /* padding in the middle */
        "AA=\n=\n",             /* in two lines */
        "AA AA\n",              /* blanks */
        " AAAA\n",              /* before */
        "AAAA \n",              /* behind */
        "AAAA\r\r\n",           /* one CR too many */
        "AA\rA\n",              /* a CR that ends nothing */
        "AA*A\n",               /* no digit */
        "Version: 1\n\nAAAA\n", /* a header */
        "AAAA\n=AAAA\n",        /* a checksum as of PGP */
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(inside); i++) {
        char text[512];
        snprintf(text, sizeof(text), BEGIN "%s" END, inside[i]);
        assert_refused(text, MR_ECORRUPT);
    }
}

static void armor_without_its_end_is_refused(void **state)
{
    (void)state;
    static const char text[] = BEGIN LINE "AAAA\n" MR_AGE_ARMOR_END;
    for (size_t len = sizeof(BEGIN) - 1; len < sizeof(text) - 1; len++) {
        char part[sizeof(text)];
        snprintf(part, sizeof(part), "%.*s", (int)len, text);
        assert_refused(part, MR_ECORRUPT);
    }
    assert_refused(BEGIN "AAAA\n-----END AGE ENCRYPTED FILE---- -\n", MR_ECORRUPT);
    assert_refused(BEGIN "AAAA\n-----END SOMETHING ELSE-----\n", MR_ECORRUPT);
    assert_refused(BEGIN "AAAA\n" MR_AGE_ARMOR_END " \n", MR_ECORRUPT);
}

static void bytes_behind_the_end_are_refused(void **state)
{
    (void)state;
    assert_refused(BEGIN "AAAA\n" END "x", MR_ECORRUPT);
    assert_refused(BEGIN "AAAA\n" END "\n \nx\n", MR_ECORRUPT);
    assert_refused(BEGIN "AAAA\n" END BEGIN "AAAA\n" END, MR_ECORRUPT);
}

static void whitespace_outside_has_a_bound(void **state)
{
    (void)state;
    char text[2 * MR_AGE_ARMOR_SPACE_MAX + 200];
    for (int extra = 0; extra < 2; extra++) {
        int spaces = MR_AGE_ARMOR_SPACE_MAX - 1 + extra; /* and the line's end */
        snprintf(text, sizeof(text), "%*s\n" BEGIN "AAAA\n" END, spaces, "");
        assert_int_equal(dearmor(text, at_once).err, extra ? MR_EFORMAT : MR_OK);
        snprintf(text, sizeof(text), BEGIN "AAAA\n" END "%*s\n", spaces, "");
        assert_int_equal(dearmor(text, (struct chunking){.arrival = 50}).err, extra ? MR_ECORRUPT : MR_OK);
    }
}

static void full_output_is_said_and_the_rest_comes_with_the_next_call(void **state)
{
    (void)state;
    static const char text[] = BEGIN LINE LINE LINE "AAAA\n" END;
    unsigned char out[100];
    struct mr_stage_piece piece = {
        .in = (const unsigned char *)text, .in_len = sizeof(text) - 1, .last = true, .out = out};
    struct mr_fault fault;
    void *stage;
    assert_int_equal(make_stage(&stage, &mr_stage_dearmor, &no_env, "", &fault), MR_OK);
    piece.out_size = sizeof(out);
    assert_int_equal(mr_stage_dearmor.work(stage, &piece, &stages_no_cancel, &fault), MR_OK);
    assert_int_equal(piece.status, MR_STAGE_FULL);
    assert_int_equal(piece.out_len, 96);
    piece.in += piece.in_used;
    piece.in_len -= piece.in_used;
    assert_int_equal(mr_stage_dearmor.work(stage, &piece, &stages_no_cancel, &fault), MR_OK);
    assert_int_equal(piece.status, MR_STAGE_DONE);
    assert_int_equal(piece.out_len, 51);
    assert_int_equal(piece.in_used, piece.in_len);
    mr_stage_dearmor.destroy(stage);
}

static void first_bytes_tell_armor(void **state)
{
    (void)state;
    static const char *const armor[] = {BEGIN, "\n" BEGIN, "\r\n \t-----", "-----BEGIN X-----", "    "};
    static const char *const other[] = {"", "age-encryption.org/v1\n", "----", " ----x", "hello -----"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(armor); i++)
        assert_ptr_equal(mr_age_armor_sniff((const unsigned char *)armor[i], strlen(armor[i])), &mr_stage_dearmor);
    for (size_t i = 0; i < MR_ARRAY_SIZE(other); i++)
        assert_null(mr_age_armor_sniff((const unsigned char *)other[i], strlen(other[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(armor_is_read_again, stages_end_test),
        cmocka_unit_test_teardown(armor_is_lines_of_64_columns, stages_end_test),
        cmocka_unit_test_teardown(line_ends_and_whitespace_outside_are_free, stages_end_test),
        cmocka_unit_test_teardown(other_text_is_not_armor, stages_end_test),
        cmocka_unit_test_teardown(malformed_armor_is_refused, stages_end_test),
        cmocka_unit_test_teardown(armor_without_its_end_is_refused, stages_end_test),
        cmocka_unit_test_teardown(bytes_behind_the_end_are_refused, stages_end_test),
        cmocka_unit_test_teardown(whitespace_outside_has_a_bound, stages_end_test),
        cmocka_unit_test_teardown(full_output_is_said_and_the_rest_comes_with_the_next_call, stages_end_test),
        cmocka_unit_test_teardown(first_bytes_tell_armor, stages_end_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
