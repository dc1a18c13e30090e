#include "dies.h"
#include "media/age/age_stream.h"
#include "media/stages.h"
#include <sodium.h>

static const uint8_t key[MR_AGE_KEY] = {1, 2, 3};

static size_t chunks_of(size_t len)
{
    return len == 0 ? 1 : (len + MR_AGE_CHUNK - 1) / MR_AGE_CHUNK;
}

/* All of a payload, sealed in one call. */
static uint8_t *seal(const uint8_t *in, size_t len, size_t *sealed_len)
{
    uint8_t *out = stages_own(malloc(len + chunks_of(len) * MR_AGE_TAG));
    assert_int_equal(mr_age_seal(out, sealed_len, key, 0, in, len, true, NULL), MR_OK);
    assert_int_equal(*sealed_len, len + chunks_of(len) * MR_AGE_TAG);
    return out;
}

static size_t seal_run(uint8_t *out, uint64_t chunk, const uint8_t *in, size_t len, bool last)
{
    size_t out_len;
    assert_int_equal(mr_age_seal(out, &out_len, key, chunk, in, len, last, NULL), MR_OK);
    return out_len;
}

static int open_all(const uint8_t *in, size_t len, uint8_t **out, size_t *out_len)
{
    struct mr_fault fault = {0};
    uint8_t *exact = stages_own(exact_copy(in, len));
    *out = stages_own(malloc(len + 1));
    int err = mr_age_open(*out, out_len, key, 0, exact, len, true, &fault);
    assert_int_equal(fault.error, err);
    return err;
}

static bool opens(const uint8_t *in, size_t len)
{
    uint8_t *out;
    size_t out_len;
    return open_all(in, len, &out, &out_len) == MR_OK;
}

static const size_t lengths[] = {0, 1, 65535, 65536, 65537, 131071, 131072, 131073, 200000};

static void payload_of_every_length_is_opened_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(lengths); i++) {
        const uint8_t *bytes = random_bytes(lengths[i], 5);
        size_t sealed_len, len;
        uint8_t *sealed = seal(bytes, lengths[i], &sealed_len), *opened;
        assert_int_equal(open_all(sealed, sealed_len, &opened, &len), MR_OK);
        assert_int_equal(len, lengths[i]);
        assert_memory_equal(opened, bytes, len);
    }
}

static void runs_of_chunks_make_the_same_payload_as_one_run(void **state)
{
    (void)state;
    enum { LEN = 3 * MR_AGE_CHUNK + 7 };
    const uint8_t *bytes = random_bytes(LEN, 6);
    size_t sealed_len;
    uint8_t *sealed = seal(bytes, LEN, &sealed_len);
    uint8_t *parts = stages_own(malloc(sealed_len));
    size_t len = seal_run(parts, 0, bytes, MR_AGE_CHUNK, false);
    len += seal_run(parts + len, 1, bytes + MR_AGE_CHUNK, 2 * MR_AGE_CHUNK, false);
    len += seal_run(parts + len, 3, bytes + 3 * MR_AGE_CHUNK, 7, true);
    assert_int_equal(len, sealed_len);
    assert_memory_equal(parts, sealed, len);
}

static void chunk_numbers_count_beyond_one_byte(void **state)
{
    (void)state;
    uint8_t first[MR_AGE_CHUNK + MR_AGE_TAG], second[MR_AGE_CHUNK + MR_AGE_TAG];
    static const uint8_t zeros[MR_AGE_CHUNK];
    for (int shift = 8; shift < 64; shift += 8) {
        seal_run(first, 0, zeros, MR_AGE_CHUNK, false);
        seal_run(second, (uint64_t)1 << shift, zeros, MR_AGE_CHUNK, false);
        assert_memory_not_equal(first, second, MR_AGE_CHUNK);
    }
}

static void every_cut_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(lengths); i++) {
        size_t sealed_len;
        uint8_t *sealed = seal(random_bytes(lengths[i], 7), lengths[i], &sealed_len);
        const size_t cuts[] = {
            0, 1, 15, 16, 17, MR_AGE_SEALED - 1, MR_AGE_SEALED, MR_AGE_SEALED + 1, 2 * MR_AGE_SEALED, sealed_len - 1};
        for (size_t j = 0; j < MR_ARRAY_SIZE(cuts); j++)
            if (cuts[j] < sealed_len)
                assert_false(opens(sealed, cuts[j]));
    }
}

static void bytes_behind_the_final_chunk_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(lengths); i++) {
        size_t sealed_len;
        uint8_t *sealed = seal(random_bytes(lengths[i], 8), lengths[i], &sealed_len);
        uint8_t *longer = stages_own(calloc(1, sealed_len + MR_AGE_SEALED));
        memcpy(longer, sealed, sealed_len);
        assert_true(opens(longer, sealed_len));
        assert_false(opens(longer, sealed_len + 1));
        assert_false(opens(longer, sealed_len + 16));
        assert_false(opens(longer, sealed_len + MR_AGE_SEALED));
    }
}

static void changed_byte_is_found_and_nothing_behind_it_leaves(void **state)
{
    (void)state;
    enum { LEN = 2 * MR_AGE_CHUNK + 9 };
    const uint8_t *bytes = random_bytes(LEN, 9);
    size_t sealed_len, len;
    uint8_t *sealed = seal(bytes, LEN, &sealed_len), *opened;
    const size_t places[] = {0, MR_AGE_CHUNK, MR_AGE_SEALED - 1, MR_AGE_SEALED, 2 * MR_AGE_SEALED, sealed_len - 1};
    for (size_t i = 0; i < MR_ARRAY_SIZE(places); i++) {
        sealed[places[i]] ^= 0x40;
        assert_int_equal(open_all(sealed, sealed_len, &opened, &len), MR_ECORRUPT);
        assert_int_equal(len, places[i] / MR_AGE_SEALED * MR_AGE_CHUNK);
        assert_memory_equal(opened, bytes, len);
        sealed[places[i]] ^= 0x40;
    }
}

static void chunks_in_another_order_are_found(void **state)
{
    (void)state;
    size_t sealed_len;
    uint8_t *sealed = seal(random_bytes(3 * MR_AGE_CHUNK, 10), 3 * MR_AGE_CHUNK, &sealed_len);
    uint8_t *moved = stages_own(malloc(sealed_len));
    memcpy(moved, sealed + MR_AGE_SEALED, MR_AGE_SEALED);
    memcpy(moved + MR_AGE_SEALED, sealed, MR_AGE_SEALED);
    memcpy(moved + 2 * MR_AGE_SEALED, sealed + 2 * MR_AGE_SEALED, MR_AGE_SEALED);
    assert_false(opens(moved, sealed_len));
    memcpy(moved, sealed, MR_AGE_SEALED); /* the second one twice, as it were the last */
    memcpy(moved + MR_AGE_SEALED, sealed + MR_AGE_SEALED, MR_AGE_SEALED);
    assert_false(opens(moved, 2 * MR_AGE_SEALED));
    assert_false(opens(sealed + MR_AGE_SEALED, 2 * MR_AGE_SEALED));
}

/* As nobody seals: chunk by chunk with whatever mark. */
static void empty_final_chunk_behind_a_full_one_is_refused(void **state)
{
    (void)state;
    static const uint8_t nonce[12] = {[10] = 1, [11] = 1};
    uint8_t sealed[MR_AGE_SEALED + MR_AGE_TAG];
    seal_run(sealed, 0, random_bytes(MR_AGE_CHUNK, 11), MR_AGE_CHUNK, false);
    crypto_aead_chacha20poly1305_ietf_encrypt(sealed + MR_AGE_SEALED, NULL, NULL, 0, NULL, 0, NULL, nonce, key);
    assert_false(opens(sealed, sizeof(sealed)));
}

static void short_chunk_that_is_not_the_final_one_is_refused(void **state)
{
    (void)state;
    static const uint8_t first[12] = {0}, second[12] = {[10] = 1, [11] = 1};
    uint8_t sealed[2 * (100 + MR_AGE_TAG)];
    const uint8_t *bytes = random_bytes(100, 12);
    crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, bytes, 100, NULL, 0, NULL, first, key);
    crypto_aead_chacha20poly1305_ietf_encrypt(sealed + 116, NULL, bytes, 100, NULL, 0, NULL, second, key);
    assert_false(opens(sealed, sizeof(sealed)));
    assert_false(opens(sealed, 116));
}

static void other_keys_open_nothing(void **state)
{
    (void)state;
    uint8_t sealed[16 + 10], out[10], other[MR_AGE_KEY];
    size_t len;
    seal_run(sealed, 0, random_bytes(10, 13), 10, true);
    memcpy(other, key, sizeof(other));
    other[31] ^= 0x80;
    assert_int_equal(mr_age_open(out, &len, other, 0, sealed, sizeof(sealed), true, NULL), MR_ECORRUPT);
    assert_int_equal(len, 0);
}

static void misuse_stops_the_program(void **state)
{
    (void)state;
    static uint8_t out[2 * MR_AGE_SEALED], in[MR_AGE_CHUNK];
    size_t len;
    assert_dies(mr_age_seal(out, &len, key, 0, in, 100, false, NULL)); /* a short chunk in the middle */
    assert_dies(mr_age_seal(out, &len, key, 1, in, 0, true, NULL));    /* an empty chunk behind others */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(payload_of_every_length_is_opened_again, stages_end_test),
        cmocka_unit_test_teardown(runs_of_chunks_make_the_same_payload_as_one_run, stages_end_test),
        cmocka_unit_test_teardown(chunk_numbers_count_beyond_one_byte, stages_end_test),
        cmocka_unit_test_teardown(every_cut_is_found, stages_end_test),
        cmocka_unit_test_teardown(bytes_behind_the_final_chunk_are_found, stages_end_test),
        cmocka_unit_test_teardown(changed_byte_is_found_and_nothing_behind_it_leaves, stages_end_test),
        cmocka_unit_test_teardown(chunks_in_another_order_are_found, stages_end_test),
        cmocka_unit_test_teardown(empty_final_chunk_behind_a_full_one_is_refused, stages_end_test),
        cmocka_unit_test_teardown(short_chunk_that_is_not_the_final_one_is_refused, stages_end_test),
        cmocka_unit_test_teardown(other_keys_open_nothing, stages_end_test),
        cmocka_unit_test_teardown(misuse_stops_the_program, stages_end_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
