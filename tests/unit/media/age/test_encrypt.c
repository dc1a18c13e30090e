#include "media/age/age_header.h"
#include "media/age/age_stream.h"
#include "media/age/age_wrap.h"
#include "media/age_files.h"

static int make(const char *query, const struct mr_stage_env *env, struct mr_fault *fault)
{
    void *stage;
    int err = make_stage(&stage, &mr_stage_encrypt, env, query, fault);
    if (err == MR_OK)
        mr_stage_encrypt.destroy(stage);
    return err;
}

static void somebody_to_encrypt_to_is_needed(void **state)
{
    (void)state;
    struct mr_fault fault = {0};
    struct mr_stage_env env = {.passphrase = MR_SLICE("secret")};
    assert_int_equal(make("", &nothing_at_hand, &fault), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "recipient"));
    assert_int_equal(make("armor=1", &nothing_at_hand, &fault), MR_EPARAM);
    assert_int_equal(make(TO_US, &nothing_at_hand, &fault), MR_OK);
    assert_int_equal(make("", &env, &fault), MR_OK);
    assert_int_equal(make(TO_US, &env, &fault), MR_EPARAM); /* both */
    env.passphrase = MR_SLICE("");
    assert_int_equal(make("", &env, &fault), MR_EPARAM);
}

static void bad_recipients_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const queries[] = {"recipient=", "recipient=age1", "recipient=" IDENTITY,
                                          "recipient=ssh-ed25519 AAAA", TO_US "&recipient=x"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(queries); i++) {
        struct mr_fault fault = {0};
        assert_int_equal(make(queries[i], &nothing_at_hand, &fault), MR_EPARAM);
        assert_non_null(strstr(fault.detail, "recipient"));
        assert_null(strstr(fault.detail, "GFPYY"));
    }
}

static void recipients_have_a_bound(void **state)
{
    (void)state;
    struct mr_fault fault = {0};
    char query[(MR_AGE_RECIPIENTS_MAX + 1) * sizeof("&" TO_US)] = "";
    for (int i = 0; i < MR_AGE_RECIPIENTS_MAX; i++)
        strcat(query, "&" TO_US);
    assert_int_equal(make(query + 1, &nothing_at_hand, &fault), MR_OK);
    struct outcome out = encrypt("hello", 5, query + 1);
    assert_plain(decrypt(out.at, out.len, &our_identity), "hello", 5);
    strcat(query, "&" TO_US);
    assert_int_equal(make(query + 1, &nothing_at_hand, &fault), MR_EPARAM);
    assert_string_equal(fault.limit_name, "recipient");
}

/* Bytes of the file of a plaintext for one recipient. */
static size_t expected_len(size_t len)
{
    size_t chunks = len == 0 ? 1 : (len + MR_AGE_CHUNK - 1) / MR_AGE_CHUNK;
    return 22 + (54 + 44) + 48 + MR_AGE_NONCE + len + chunks * MR_AGE_TAG;
}

static void lengths_around_the_chunks_come_back(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 65535, 65536, 65537, 131071, 131072, 131073, 196608, 500000, 524288};
    for (size_t i = 0; i < MR_ARRAY_SIZE(lengths); i++) {
        const uint8_t *bytes = random_bytes(lengths[i], 1);
        struct outcome out = encrypt(bytes, lengths[i], TO_US);
        assert_int_equal(out.len, expected_len(lengths[i]));
        assert_plain(decrypt(out.at, out.len, &our_identity), bytes, lengths[i]);
    }
}

static void all_bytes_come_back_however_they_arrive(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 40; seed++) {
        size_t len = (size_t)seed * 2654435761u % 400000;
        const uint8_t *bytes = random_bytes(len, seed);
        struct chunking chunking = {.arrival = seed % 3 == 0 ? 7 : 20000, .seed = seed, .backwards = seed % 2};
        struct outcome out = run_well(&mr_stage_encrypt, &nothing_at_hand, seed % 4 == 0 ? TO_US "&armor=1" : TO_US,
                                      bytes, len, chunking);
        if (seed % 4 == 0)
            chunking.arrival = 20000;
        assert_plain(run_ops(&mr_stage_decrypt, &our_identity, "", out.at, out.len, chunking), bytes, len);
    }
}

static void armor_is_another_stage_behind(void **state)
{
    (void)state;
    struct outcome out = encrypt("hello", 5, TO_US "&armor=1");
    assert_int_equal(strncmp((char *)out.at, "-----BEGIN AGE ENCRYPTED FILE-----\n", 35), 0);
    assert_int_equal(out.at[out.len - 1], '\n');
    assert_plain(decrypt(out.at, out.len, &our_identity), "hello", 5);
}

static void unwrap_file_key(uint8_t file_key[MR_AGE_FILE_KEY], struct outcome file)
{
    struct mr_age_header header;
    struct mr_age_stanza stanza;
    struct mr_age_keys *keys;
    assert_int_equal(mr_age_keys_create(&keys), MR_OK);
    assert_int_equal(mr_age_keys_add(keys, MR_SLICE(IDENTITY), "test", NULL), MR_OK);
    assert_int_equal(mr_age_header_read(&header, (struct mr_slice){(char *)file.at, file.len}, true, NULL), MR_OK);
    assert_true(mr_age_header_next(&header.stanzas, &stanza));
    assert_int_equal(mr_age_unwrap_x25519(file_key, &stanza, &keys->identities[0], NULL), MR_OK);
    mr_age_keys_free(&keys);
}

static void every_file_has_a_key_of_its_own(void **state)
{
    (void)state;
    uint8_t first[MR_AGE_FILE_KEY], second[MR_AGE_FILE_KEY];
    unwrap_file_key(first, encrypt("x", 1, TO_US));
    unwrap_file_key(second, encrypt("x", 1, TO_US));
    assert_memory_not_equal(first, second, MR_AGE_FILE_KEY);
}

static void no_two_files_are_the_same(void **state)
{
    (void)state;
    static const uint8_t zeros[100];
    struct outcome first = encrypt(zeros, 100, TO_US), second = encrypt(zeros, 100, TO_US);
    assert_int_equal(first.len, second.len);
    assert_memory_not_equal(first.at + 32, second.at + 32, 43);                             /* shares */
    assert_memory_not_equal(first.at + first.len - 132, second.at + second.len - 132, 16);  /* nonces */
    assert_memory_not_equal(first.at + first.len - 116, second.at + second.len - 116, 100); /* payloads */
}

static void recipient_of_low_order_is_refused(void **state)
{
    (void)state;
    char query[10 + MR_AGE_RECIPIENT_SIZE] = "recipient=";
    static const uint8_t zero[32];
    mr_age_bech32_encode(query + 10, "age", zero);
    assert_error(run_ops(&mr_stage_encrypt, &nothing_at_hand, query, "x", 1, at_once), MR_EPARAM);
}

static void passphrase_is_heavy_and_stays_in_the_budget(void **state)
{
    (void)state;
    struct mr_budget budget;
    struct mr_stage_env env = {.budget = &budget, .passphrase = MR_SLICE("correct horse")};
    struct mr_stage_sizes sizes;
    struct mr_fault fault = {0};
    void *stage;
    mr_budget_init(&budget, 256 * MR_MIB);
    assert_int_equal(make_stage(&stage, &mr_stage_encrypt, &env, "", &fault), MR_OK);
    mr_stage_encrypt.sizes(stage, &sizes);
    assert_true(sizes.open_is_heavy);
    mr_stage_encrypt.destroy(stage);
    struct outcome out = run_well(&mr_stage_encrypt, &env, "", "hello", 5, at_once);
    assert_int_equal(strncmp((char *)out.at, "age-encryption.org/v1\n-> scrypt ", 32), 0);
    assert_plain(decrypt(out.at, out.len, &env), "hello", 5);
    assert_int_equal(mr_budget_used(&budget), 0);
    assert_true(mr_budget_try_take(&budget, 1));
    assert_error(run_ops(&mr_stage_encrypt, &env, "", "hello", 5, at_once), MR_EBUDGET);
    assert_error(decrypt(out.at, out.len, &env), MR_EBUDGET);
    assert_int_equal(mr_budget_used(&budget), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(somebody_to_encrypt_to_is_needed, stages_end_test),
        cmocka_unit_test_teardown(bad_recipients_are_refused_by_name, stages_end_test),
        cmocka_unit_test_teardown(recipients_have_a_bound, stages_end_test),
        cmocka_unit_test_teardown(lengths_around_the_chunks_come_back, stages_end_test),
        cmocka_unit_test_teardown(all_bytes_come_back_however_they_arrive, stages_end_test),
        cmocka_unit_test_teardown(armor_is_another_stage_behind, stages_end_test),
        cmocka_unit_test_teardown(every_file_has_a_key_of_its_own, stages_end_test),
        cmocka_unit_test_teardown(no_two_files_are_the_same, stages_end_test),
        cmocka_unit_test_teardown(recipient_of_low_order_is_refused, stages_end_test),
        cmocka_unit_test_teardown(passphrase_is_heavy_and_stays_in_the_budget, stages_end_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
