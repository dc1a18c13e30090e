#include "media/digest/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

static void pieces_have_the_digest_of_the_whole(void **state)
{
    uint8_t digest[MR_SHA256_LEN];
    char *letters = malloc(1000000);
    struct mr_sha256 hash = {.context = NULL};
    (void)state;
    assert_non_null(letters);
    memset(letters, 'a', 1000000);
    for (size_t piece = 1; piece <= 1000000; piece *= 10) {
        for (size_t at = 0; at < 1000000; at += piece)
            assert_true(mr_sha256_add(&hash, letters + at, piece));
        assert_true(mr_sha256_end(&hash, digest));
        assert_digest(digest, million);
    }
    free(letters);
}

static void hash_without_bytes_is_that_of_nothing(void **state)
{
    uint8_t digest[MR_SHA256_LEN];
    struct mr_sha256 hash = {.context = NULL};
    (void)state;
    assert_true(mr_sha256_end(&hash, digest));
    assert_digest(digest, nothing);
    assert_true(mr_sha256_add(&hash, "xyz", 3));
    mr_sha256_clear(&hash);
    assert_true(mr_sha256_add(&hash, "abc", 3));
    assert_true(mr_sha256_end(&hash, digest));
    assert_digest(digest, abc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_have_the_digest_of_the_standard),
        cmocka_unit_test(pieces_have_the_digest_of_the_whole),
        cmocka_unit_test(hash_without_bytes_is_that_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
