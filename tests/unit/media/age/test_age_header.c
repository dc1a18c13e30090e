#include "media/age/age_header.h"
#include "media/stages.h"

#define LINE   "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" /* a full line */
#define B43    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"                      /* 32 bytes */
#define B22    "AAAAAAAAAAAAAAAAAAAAAA"                                           /* 16 bytes */
#define V1     "age-encryption.org/v1\n"
#define X25519 "-> X25519 " B43 "\n" B43 "\n"
#define SCRYPT "-> scrypt " B22 " 10\n" B43 "\n"
#define OTHER  "-> example.com/x one two three four\n\n"
#define END    "--- " B43 "\n"

static int read_text(const char *text, struct mr_age_header *header, struct mr_fault *fault)
{
    return mr_age_header_read(header, mr_slice_of(text), true, fault);
}

static void assert_refused(const char *text, int expected)
{
    struct mr_age_header header;
    struct mr_fault fault = {0};
    int err = read_text(text, &header, &fault);
    if (err != expected)
        fail_msg("%s instead of %s for:\n%s", mr_error_name(err), mr_error_name(expected), text);
    assert_int_equal(fault.error, expected);
}

static size_t count_stanzas(const char *text)
{
    struct mr_age_header header;
    struct mr_age_stanza stanza;
    struct mr_fault fault = {0};
    if (read_text(text, &header, &fault) != MR_OK)
        fail_msg("%s for:\n%s", fault.detail, text);
    size_t count = 0;
    for (struct mr_slice rest = header.stanzas; mr_age_header_next(&rest, &stanza);)
        count++;
    return count;
}

static void fields_of_a_header_are_found(void **state)
{
    (void)state;
    static const char text[] = V1 "-> X25519 " B22 "AAAAAAAAAAAAAAAAAAAAE\nE" B22 "AAAAAAAAAAAAAAAAAAAA\n" OTHER
                                  "--- " B22 "AAAAAAAAAAAAAAAAAAAAI\nrest";
    struct mr_age_header header;
    struct mr_age_stanza stanza;
    assert_int_equal(read_text(text, &header, NULL), MR_OK);
    assert_int_equal(header.len, sizeof(text) - 1 - 4);
    assert_int_equal(header.mac[31], 2);
    assert_ptr_equal(header.covered.at, text);
    assert_int_equal(header.covered.len, strstr(text, "---") + 3 - text);
    struct mr_slice rest = header.stanzas;
    assert_true(mr_age_header_next(&rest, &stanza));
    assert_int_equal(stanza.type, MR_AGE_X25519);
    assert_int_equal(stanza.share[31], 1);
    assert_int_equal(stanza.body[0], 16);
    assert_true(mr_age_header_next(&rest, &stanza));
    assert_int_equal(stanza.type, MR_AGE_OTHER);
    assert_false(mr_age_header_next(&rest, &stanza));
}

static void stanzas_of_unknown_types_are_passed_over_by_form(void **state)
{
    (void)state;
    assert_int_equal(count_stanzas(V1 OTHER END), 1);
    assert_int_equal(count_stanzas(V1 "-> x\n" LINE "\n\n" END), 1);
    assert_int_equal(count_stanzas(V1 "-> x\n" LINE "\n" LINE "\nAA\n" END), 1);
    assert_int_equal(count_stanzas(V1 "-> !~ #\n\n-> x25519\n\n-> Scrypt\nAAA\n" X25519 END), 4);
}

static void no_age_file_is_told_from_a_malformed_one(void **state)
{
    (void)state;
    assert_refused("", MR_EFORMAT);
    assert_refused("age-encryption.org/", MR_EFORMAT);
    assert_refused("age-encryption.org/v2\n" X25519 END, MR_EFORMAT);
    assert_refused("age-encryption.org/v1\r\n" X25519 END, MR_EFORMAT);
    assert_refused("age-encryption.org/v1", MR_EFORMAT);
    assert_refused(" " V1 X25519 END, MR_EFORMAT);
    assert_refused("hello, this is something else", MR_EFORMAT);
    assert_refused(V1, MR_ECORRUPT);
}

static void malformed_stanzas_are_refused(void **state)
{
    (void)state;
    static const char *const stanzas[] = {
        "",                                                  /* none */
        "\n",                                                /* an empty line */
        "->\n\n",                                            /* no argument */
        "-> \n\n",                                           /* an empty one */
        "->x\n\n",                                           /* no space */
        "-> x \n\n",                                         /* an empty argument at the end */
        "-> x  y\n\n",                                       /* and in the middle */
        "-> x\ty\n\n",                                       /* no visible character */
        "-> x\x7f\n\n",                                      /* nor this */
        "-> x\xc3\xa9\n\n",                                  /* nor beyond ASCII */
        "-> x\r\n\n",                                        /* nor a CR */
        " -> x\n\n",                                         /* not at the line's start */
        "x\n\n",                                             /* no stanza at all */
        "-> x\n",                                            /* no body */
        "-> x\n" LINE "\n",                                  /* a body without a shorter line */
        "-> x\n" LINE "A\n",                                 /* a line that is too long */
        "-> x\n" LINE "AA\n",                                /* and would be whole bytes */
        "-> x\n" LINE LINE "\n",                             /* nor two in one */
        "-> x\nAA\nAA\n",                                    /* two short lines */
        "-> x\nAA==\n",                                      /* padding */
        "-> x\nAB\n",                                        /* not canonical */
        "-> x\nA\n",                                         /* one digit */
        "-> x\nA A\n",                                       /* a blank */
        "-> x\nAA\r\n",                                      /* CR */
        "-> X25519\n" B43 "\n",                              /* no share */
        "-> X25519 " B43 " x\n" B43 "\n",                    /* an argument too many */
        "-> X25519 " B22 "\n" B43 "\n",                      /* a short share */
        "-> X25519 " B43 "A\n" B43 "\n",                     /* a long one */
        "-> X25519 " B22 "AAAAAAAAAAAAAAAAAAAAB\n" B43 "\n", /* not canonical */
        "-> X25519 " B43 "=\n" B43 "\n",                     /* padding */
        "-> X25519 " B43 "\n\n",                             /* an empty body */
        "-> X25519 " B43 "\n" B22 "\n",                      /* a short one */
        "-> X25519 " B43 "\n" B43 "A\n",                     /* a long one */
        "-> X25519 " B43 "\n" LINE "\n" B43 "\n",            /* a much longer one */
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(stanzas); i++) {
        char text[1024];
        snprintf(text, sizeof(text), V1 "%s" END, stanzas[i]);
        assert_refused(text, MR_ECORRUPT);
        snprintf(text, sizeof(text), V1 X25519 "%s" X25519 END, stanzas[i]);
        if (i > 0) /* none of these stands between two others either */
            assert_refused(text, MR_ECORRUPT);
    }
}

static void malformed_passphrase_stanzas_are_refused(void **state)
{
    (void)state;
    static const char *const arguments[] = {
        "",
        " " B22,
        " " B22 " 10 x",
        " " B22 "A 10",
        " " B22 " 010",
        " " B22 " 0",
        " " B22 " -1",
        " " B22 " +10",
        " " B22 " 0xa",
        " " B22 " 10a",
        " " B22 " x10",
        " " B43 " 10",
        " AAAA 10",
        " " B22 "==  10",
        " 10 " B22,
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(arguments); i++) {
        char text[1024];
        snprintf(text, sizeof(text), V1 "-> scrypt%s\n" B43 "\n" END, arguments[i]);
        assert_refused(text, MR_ECORRUPT);
    }
    assert_refused(V1 "-> scrypt " B22 " 10\n" B22 "\n" END, MR_ECORRUPT);
}

static void passphrase_stanza_stands_alone(void **state)
{
    (void)state;
    assert_int_equal(count_stanzas(V1 SCRYPT END), 1);
    assert_refused(V1 SCRYPT SCRYPT END, MR_ECORRUPT);
    assert_refused(V1 SCRYPT X25519 END, MR_ECORRUPT);
    assert_refused(V1 X25519 SCRYPT END, MR_ECORRUPT);
    assert_refused(V1 OTHER SCRYPT END, MR_ECORRUPT);
}

static void work_factors_are_read_and_never_wrap_around(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t value;
    } cases[] = {{"1", 1},
                 {"18", 18},
                 {"4294967294", UINT32_MAX - 1},
                 {"4294967296", UINT32_MAX},
                 {"4294967306", UINT32_MAX},
                 {"18446744073709551626", UINT32_MAX}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        char text[512];
        struct mr_age_header header;
        struct mr_age_stanza stanza;
        snprintf(text, sizeof(text), V1 "-> scrypt " B22 " %s\n" B43 "\n" END, cases[i].text);
        assert_int_equal(read_text(text, &header, NULL), MR_OK);
        assert_true(mr_age_header_next(&header.stanzas, &stanza));
        assert_int_equal(stanza.type, MR_AGE_SCRYPT);
        assert_int_equal(stanza.work_factor, cases[i].value);
    }
}

static void malformed_ends_are_refused(void **state)
{
    (void)state;
    static const char *const ends[] = {
        "---\n",
        "--- \n",
        "---" B43 "\n",
        "--- " B22 "\n",
        "---  " B43 "\n",
        "--- " B43 " \n",
        "--- " B43 "=\n",
        "--- " B43 "A\n",
        "--- " B43 "\r\n",
        "---- " B43 "\n",
        "-- " B43 "\n",
        "--- " B22 "AAAAAAAAAAAAAAAAAAAAB\n",
        ("--- " B43),
        "---",
        "",
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(ends); i++) {
        char text[512];
        snprintf(text, sizeof(text), V1 X25519 "%s", ends[i]);
        assert_refused(text, MR_ECORRUPT);
    }
}

static void part_of_a_header_is_not_judged_before_the_rest_is_there(void **state)
{
    (void)state;
    static const char text[] = V1 X25519 OTHER "-> x\n" LINE "\nAA\n" END;
    for (size_t len = 0; len <= sizeof(text) - 1; len++) {
        struct mr_age_header header;
        char *part = stages_own(malloc(len + 1)); /* without the NUL of the text */
        memcpy(part, text, len);
        assert_int_equal(mr_age_header_read(&header, (struct mr_slice){part, len}, false, NULL), MR_OK);
        assert_int_equal(header.len, len == sizeof(text) - 1 ? len : 0);
    }
}

static void wrong_line_is_refused_before_the_rest_is_there(void **state)
{
    (void)state;
    struct mr_age_header header;
    assert_int_equal(mr_age_header_read(&header, MR_SLICE("age-encryption.org/v2"), false, NULL), MR_EFORMAT);
    assert_int_equal(mr_age_header_read(&header, MR_SLICE("x"), false, NULL), MR_EFORMAT);
    assert_int_equal(mr_age_header_read(&header, MR_SLICE(V1 "nonsense\n"), false, NULL), MR_ECORRUPT);
    assert_int_equal(mr_age_header_read(&header, MR_SLICE(V1 X25519 SCRYPT), false, NULL), MR_ECORRUPT);
}

/* V1, one stanza of `len` bytes in all, END. */
static struct mr_slice header_of(size_t len)
{
    char *text = stages_own(malloc(len));
    memcpy(text, V1, sizeof(V1) - 1);
    memset(text + sizeof(V1) - 1, 'x', len - sizeof(V1) + 1);
    memcpy(text + sizeof(V1) - 1, "-> x", 4);
    memcpy(text + len - sizeof(END) - 1, "\n\n" END, sizeof(END) + 1);
    return (struct mr_slice){text, len};
}

static void longest_header_is_read_and_a_longer_one_refused(void **state)
{
    (void)state;
    struct mr_age_header header;
    struct mr_fault fault = {0};
    struct mr_slice text = header_of(MR_AGE_HEADER_MAX);
    assert_int_equal(mr_age_header_read(&header, text, true, &fault), MR_OK);
    assert_int_equal(header.len, MR_AGE_HEADER_MAX);
    text = header_of(MR_AGE_HEADER_MAX + 1);
    assert_int_equal(mr_age_header_read(&header, text, true, &fault), MR_ECORRUPT);
    assert_string_equal(fault.limit_name, "age-header");
    text.len = MR_AGE_HEADER_MAX; /* nor need all of it be there to see that */
    assert_int_equal(mr_age_header_read(&header, text, false, &fault), MR_ECORRUPT);
    text.len--;
    assert_int_equal(mr_age_header_read(&header, text, false, &fault), MR_OK);
    assert_int_equal(header.len, 0);
}

static void written_header_is_read_again_and_its_mac_is_right(void **state)
{
    (void)state;
    struct mr_age_stanza stanzas[2] = {{.type = MR_AGE_X25519}, {.type = MR_AGE_X25519}}, stanza;
    uint8_t *file_key = random_bytes(MR_AGE_FILE_KEY, 1);
    memcpy(stanzas[0].share, random_bytes(32, 2), 32);
    memcpy(stanzas[1].body, random_bytes(32, 3), 32);
    char text[MR_AGE_HEADER_SIZE(2)];
    size_t len = mr_age_header_write(text, stanzas, 2, file_key);
    struct mr_age_header header;
    assert_int_equal(mr_age_header_read(&header, (struct mr_slice){text, len}, true, NULL), MR_OK);
    assert_int_equal(header.len, len);
    for (size_t i = 0; mr_age_header_next(&header.stanzas, &stanza); i++)
        assert_memory_equal(&stanza, &stanzas[i], sizeof(stanza));
    assert_true(mr_age_header_is_signed(&header, file_key));
    text[sizeof(V1) + 20] ^= 1;
    assert_false(mr_age_header_is_signed(&header, file_key));
    text[sizeof(V1) + 20] ^= 1;
    file_key[15] ^= 1;
    assert_false(mr_age_header_is_signed(&header, file_key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(fields_of_a_header_are_found, stages_end_test),
        cmocka_unit_test_teardown(stanzas_of_unknown_types_are_passed_over_by_form, stages_end_test),
        cmocka_unit_test_teardown(no_age_file_is_told_from_a_malformed_one, stages_end_test),
        cmocka_unit_test_teardown(malformed_stanzas_are_refused, stages_end_test),
        cmocka_unit_test_teardown(malformed_passphrase_stanzas_are_refused, stages_end_test),
        cmocka_unit_test_teardown(passphrase_stanza_stands_alone, stages_end_test),
        cmocka_unit_test_teardown(work_factors_are_read_and_never_wrap_around, stages_end_test),
        cmocka_unit_test_teardown(malformed_ends_are_refused, stages_end_test),
        cmocka_unit_test_teardown(part_of_a_header_is_not_judged_before_the_rest_is_there, stages_end_test),
        cmocka_unit_test_teardown(wrong_line_is_refused_before_the_rest_is_there, stages_end_test),
        cmocka_unit_test_teardown(longest_header_is_read_and_a_longer_one_refused, stages_end_test),
        cmocka_unit_test_teardown(written_header_is_read_again_and_its_mac_is_right, stages_end_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
