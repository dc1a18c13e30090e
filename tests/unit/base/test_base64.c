#include "base/base64.h"
#include "base/macros.h"
#include "media/stages.h"
#include <sodium.h>

static bool decodes(const char *text, enum mr_base64_padding padding)
{
    uint8_t out[256];
    size_t len;
    return mr_base64_decode(out, &len, mr_slice_of(text), padding);
}

static void examples_of_the_rfc_are_written_and_read(void **state)
{
    (void)state;
    static const char *const bytes[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const texts[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(bytes); i++) {
        char text[16];
        uint8_t back[16];
        size_t len = mr_base64_encode(text, (const uint8_t *)bytes[i], i, MR_BASE64_PADDED), back_len;
        assert_true(mr_slice_is((struct mr_slice){text, len}, texts[i]));
        assert_true(mr_base64_decode(back, &back_len, (struct mr_slice){text, len}, MR_BASE64_PADDED));
        assert_int_equal(back_len, i);
        assert_memory_equal(back, bytes[i], i);
    }
}

static void text_is_as_libsodium_writes_it(void **state)
{
    (void)state;
    for (size_t len = 0; len < 300; len++) {
        const uint8_t *bytes = random_bytes(len, (uint32_t)len + 1);
        char ours[512], theirs[512];
        for (int padded = 0; padded < 2; padded++) {
            size_t ours_len = mr_base64_encode(ours, bytes, len, padded ? MR_BASE64_PADDED : MR_BASE64_BARE);
            sodium_bin2base64(theirs, sizeof(theirs), bytes, len,
                              padded ? sodium_base64_VARIANT_ORIGINAL : sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
            assert_true(mr_slice_is((struct mr_slice){ours, ours_len}, theirs));
            if (!padded)
                assert_int_equal(ours_len, MR_BASE64_LEN(len));
        }
    }
}

static void what_was_written_is_read_again_in_exactly_its_room(void **state)
{
    (void)state;
    for (size_t len = 0; len < 100; len++) {
        const uint8_t *bytes = random_bytes(len, 77);
        for (int padded = 0; padded < 2; padded++) {
            enum mr_base64_padding padding = padded ? MR_BASE64_PADDED : MR_BASE64_BARE;
            char *text = stages_own(malloc((len + 2) / 3 * 4 + 1));
            size_t text_len = mr_base64_encode(text, bytes, len, padding), back_len;
            uint8_t *back = stages_own(malloc(len > 0 ? len : 1));
            assert_true(mr_base64_decode(back, &back_len, (struct mr_slice){text, text_len}, padding));
            assert_int_equal(back_len, len);
            assert_memory_equal(back, bytes, len);
        }
    }
}

static void padding_is_there_when_asked_for_and_never_else(void **state)
{
    (void)state;
    assert_false(decodes("Zg", MR_BASE64_PADDED));
    assert_false(decodes("Zg=", MR_BASE64_PADDED));
    assert_false(decodes("Zg===", MR_BASE64_PADDED));
    assert_false(decodes("Z===", MR_BASE64_PADDED));
    assert_false(decodes("====", MR_BASE64_PADDED));
    assert_false(decodes("Zg==Zg==", MR_BASE64_PADDED));
    assert_false(decodes("Zm9v====", MR_BASE64_PADDED));
    assert_false(decodes("Zm9=v", MR_BASE64_PADDED));
    assert_false(decodes("Zg==", MR_BASE64_BARE));
    assert_false(decodes("Zm8=", MR_BASE64_BARE));
}

static void one_left_over_digit_is_refused(void **state)
{
    (void)state;
    assert_false(decodes("Z", MR_BASE64_BARE));
    assert_false(decodes("Zm9vZ", MR_BASE64_BARE));
    uint8_t out[8];
    size_t len;
    assert_false(
        mr_base64_decode(out, &len, (struct mr_slice){"Zg", 1}, MR_BASE64_BARE)); /* nor is the next one read */
}

static void set_bits_behind_the_bytes_are_refused(void **state)
{
    (void)state;
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < 64; i++) {
        char two[] = {'Z', alphabet[i], '\0'}, three[] = {'Z', 'm', alphabet[i], '\0'};
        assert_true(decodes(two, MR_BASE64_BARE) == (i % 16 == 0));
        assert_true(decodes(three, MR_BASE64_BARE) == (i % 4 == 0));
    }
}

static void every_other_character_is_refused_at_every_place(void **state)
{
    (void)state;
    uint8_t out[16];
    size_t len;
    for (int c = 0; c < 256; c++) {
        bool is_digit =
            (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
        for (size_t at = 0; at < 7; at++) {
            char text[] = "AAAAAAA";
            text[at] = (char)c;
            bool read = mr_base64_decode(out, &len, (struct mr_slice){text, 7}, MR_BASE64_BARE);
            if (at < 6)
                assert_true(read == is_digit);
            else
                assert_true(!read || is_digit);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(examples_of_the_rfc_are_written_and_read, stages_end_test),
        cmocka_unit_test_teardown(text_is_as_libsodium_writes_it, stages_end_test),
        cmocka_unit_test_teardown(what_was_written_is_read_again_in_exactly_its_room, stages_end_test),
        cmocka_unit_test_teardown(padding_is_there_when_asked_for_and_never_else, stages_end_test),
        cmocka_unit_test_teardown(one_left_over_digit_is_refused, stages_end_test),
        cmocka_unit_test_teardown(set_bits_behind_the_bytes_are_refused, stages_end_test),
        cmocka_unit_test_teardown(every_other_character_is_refused_at_every_place, stages_end_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
