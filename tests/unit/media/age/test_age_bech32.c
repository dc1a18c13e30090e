#include "media/age/age_bech32.h"
#include "media/age/age_kdf.h"
#include "media/stages.h"
#include <sodium.h>

/* From the specification of age. */
#define IDENTITY  "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
#define RECIPIENT "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
#define PREFIX    "AGE-SECRET-KEY-"

static bool is_identity(const char *text)
{
    uint8_t key[32];
    return mr_age_bech32_decode(key, PREFIX, mr_slice_of(text));
}

static bool is_recipient(const char *text)
{
    uint8_t key[32];
    return mr_age_bech32_decode(key, "age", mr_slice_of(text));
}

static void example_of_the_specification_is_read_and_written(void **state)
{
    (void)state;
    uint8_t secret[32], recipient[32], expected[32];
    char text[MR_AGE_BECH32_SIZE(PREFIX)];
    assert_true(mr_age_bech32_decode(secret, PREFIX, MR_SLICE(IDENTITY)));
    assert_true(mr_age_bech32_decode(recipient, "age", MR_SLICE(RECIPIENT)));
    crypto_scalarmult_base(expected, secret);
    assert_memory_equal(recipient, expected, 32);
    mr_age_bech32_encode(text, PREFIX, secret);
    assert_string_equal(text, IDENTITY);
    assert_int_equal(strlen(text), sizeof(text) - 1);
    mr_age_bech32_encode(text, "age", recipient);
    assert_string_equal(text, RECIPIENT);
}

static void every_key_is_read_as_it_was_written(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 500; seed++) {
        const uint8_t *key = random_bytes(32, seed);
        uint8_t back[32];
        char text[MR_AGE_BECH32_SIZE("age")];
        mr_age_bech32_encode(text, "age", key);
        assert_true(mr_age_bech32_decode(back, "age", mr_slice_of(text)));
        assert_memory_equal(back, key, 32);
    }
}

static void one_wrong_character_is_found_wherever_it_stands(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(RECIPIENT) - 1; i++) {
        char text[] = RECIPIENT;
        text[i] = text[i] == 'q' ? 'p' : 'q';
        assert_false(is_recipient(text));
        text[i] = 'b'; /* no digit */
        assert_false(is_recipient(text));
        text[i] = '\xf1';
        assert_false(is_recipient(text));
    }
}

static void mixed_and_other_case_is_refused(void **state)
{
    (void)state;
    char text[] = RECIPIENT, lower[] = IDENTITY;
    text[10] -= 0x20;
    assert_false(is_recipient(text));
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        text[i] = RECIPIENT[i] >= 'a' ? (char)(RECIPIENT[i] - 0x20) : RECIPIENT[i];
    assert_false(is_recipient(text));
    for (size_t i = 0; i < sizeof(lower) - 1; i++)
        lower[i] = IDENTITY[i] >= 'A' ? (char)(IDENTITY[i] + 0x20) : IDENTITY[i];
    assert_false(is_identity(lower));
}

static void another_prefix_is_refused(void **state)
{
    (void)state;
    char text[MR_AGE_BECH32_SIZE("agf")];
    mr_age_bech32_encode(text, "agf", random_bytes(32, 1));
    assert_false(is_recipient(text));
    text[2] = 'e'; /* the checksum covers the prefix */
    assert_false(is_recipient(text));
    assert_false(is_recipient(IDENTITY));
    assert_false(is_identity(RECIPIENT));
}

static void shorter_and_longer_texts_are_refused(void **state)
{
    (void)state;
    char text[] = RECIPIENT "q";
    assert_false(is_recipient(text));
    for (size_t len = 0; len < sizeof(RECIPIENT) - 1; len++) {
        uint8_t key[32];
        assert_false(mr_age_bech32_decode(key, "age", (struct mr_slice){RECIPIENT, len}));
    }
}

/* The checksum's state after a text, by the book. */
static uint32_t polymod(const uint8_t *values, size_t len)
{
    static const uint32_t generator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
    uint32_t sum = 1;
    for (size_t i = 0; i < len; i++) {
        uint32_t top = sum >> 25;
        sum = (sum & 0x1ffffff) << 5 ^ values[i];
        for (int bit = 0; bit < 5; bit++)
            sum ^= top >> bit & 1 ? generator[bit] : 0;
    }
    return sum;
}

/* "age1" and 52 digits, with the checksum that is right for them. */
static void write_digits(char *out, const uint8_t digits[52])
{
    static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    uint8_t values[7 + 52 + 6] = {'a' >> 5, 'g' >> 5, 'e' >> 5, 0, 'a' & 31, 'g' & 31, 'e' & 31};
    memcpy(values + 7, digits, 52);
    uint32_t sum = polymod(values, sizeof(values)) ^ 1;
    memcpy(out, "age1", 4);
    for (size_t i = 0; i < 52; i++)
        out[4 + i] = alphabet[digits[i]];
    for (size_t i = 0; i < 6; i++)
        out[56 + i] = alphabet[sum >> (25 - 5 * i) & 31];
    out[62] = '\0';
}

static void set_bits_behind_the_key_are_refused_though_the_checksum_is_right(void **state)
{
    (void)state;
    for (uint8_t digit = 0; digit < 32; digit++) {
        char text[63];
        write_digits(text, (const uint8_t[52]){1, 2, 3, [51] = digit});
        assert_true(is_recipient(text) == (digit % 16 == 0));
    }
}

static void refused_key_is_all_zero(void **state)
{
    (void)state;
    static const uint8_t zero[32];
    char text[] = IDENTITY;
    uint8_t key[32];
    memset(key, 7, sizeof(key));
    text[sizeof(text) - 2] = 'Q';
    assert_false(mr_age_bech32_decode(key, PREFIX, mr_slice_of(text)));
    assert_memory_equal(key, zero, sizeof(key));
}

/* RFC 5869, appendices A.1 and A.3, the first 32 bytes. */
static void hkdf_gives_what_the_rfc_says(void **state)
{
    (void)state;
    uint8_t ikm[22], salt[13], key[32], expected[32];
    memset(ikm, 0x0b, sizeof(ikm));
    for (uint8_t i = 0; i < sizeof(salt); i++)
        salt[i] = i;
    mr_age_hkdf(key, ikm, sizeof(ikm), salt, sizeof(salt), "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9");
    sodium_hex2bin(expected, 32, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf", 64, NULL, NULL,
                   NULL);
    assert_memory_equal(key, expected, 32);
    mr_age_hkdf(key, ikm, sizeof(ikm), NULL, 0, "");
    sodium_hex2bin(expected, 32, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d", 64, NULL, NULL,
                   NULL);
    assert_memory_equal(key, expected, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(example_of_the_specification_is_read_and_written, stages_end_test),
        cmocka_unit_test_teardown(every_key_is_read_as_it_was_written, stages_end_test),
        cmocka_unit_test_teardown(one_wrong_character_is_found_wherever_it_stands, stages_end_test),
        cmocka_unit_test_teardown(mixed_and_other_case_is_refused, stages_end_test),
        cmocka_unit_test_teardown(another_prefix_is_refused, stages_end_test),
        cmocka_unit_test_teardown(shorter_and_longer_texts_are_refused, stages_end_test),
        cmocka_unit_test_teardown(set_bits_behind_the_key_are_refused_though_the_checksum_is_right, stages_end_test),
        cmocka_unit_test_teardown(refused_key_is_all_zero, stages_end_test),
        cmocka_unit_test_teardown(hkdf_gives_what_the_rfc_says, stages_end_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
