#include "media/age/age_wrap.h"
#include "media/age_files.h"
#include <pthread.h>
#include <sodium.h>

static struct mr_age_passphrase passphrase_of(const char *text)
{
    struct mr_age_passphrase passphrase;
    assert_int_equal(mr_age_passphrase_set(&passphrase, mr_slice_of(text), NULL), MR_OK);
    return passphrase;
}

static const struct mr_age_identity *identity_of(struct mr_age_keys **keys)
{
    assert_int_equal(mr_age_keys_create(keys), MR_OK);
    assert_int_equal(mr_age_keys_add(*keys, MR_SLICE(IDENTITY), "test", NULL), MR_OK);
    return &(*keys)->identities[0];
}

/* A stanza for "password", work factor 10, made by hand. */
static struct mr_age_stanza cheap_stanza(const uint8_t file_key[16])
{
    static const uint8_t nonce[12];
    struct mr_age_stanza stanza = {.type = MR_AGE_SCRYPT, .work_factor = 10};
    uint8_t salt[28 + 16] = "age-encryption.org/v1/scrypt", key[32];
    static const uint8_t password[] = "password";
    assert_int_equal(crypto_pwhash_scryptsalsa208sha256_ll(password, 8, salt, sizeof(salt), 1024, 8, 1, key, 32), 0);
    crypto_aead_chacha20poly1305_ietf_encrypt(stanza.body, NULL, file_key, 16, NULL, 0, NULL, nonce, key);
    return stanza;
}

static void file_key_comes_back_to_the_identity_it_was_wrapped_for(void **state)
{
    (void)state;
    struct mr_age_keys *keys;
    struct mr_age_stanza stanza, second;
    const struct mr_age_identity *identity = identity_of(&keys);
    const uint8_t *file_key = random_bytes(16, 1);
    uint8_t back[16];
    assert_int_equal(mr_age_wrap_x25519(&stanza, file_key, identity->recipient, NULL), MR_OK);
    assert_int_equal(mr_age_unwrap_x25519(back, &stanza, identity, NULL), MR_OK);
    assert_memory_equal(back, file_key, 16);
    assert_int_equal(mr_age_wrap_x25519(&second, file_key, identity->recipient, NULL), MR_OK);
    assert_memory_not_equal(stanza.share, second.share, 32); /* a new share each time */
    stanza.body[3] ^= 1;
    assert_int_equal(mr_age_unwrap_x25519(back, &stanza, identity, NULL), MR_ENOKEY);
    mr_age_keys_free(&keys);
}

static void points_of_low_order_are_refused_on_both_sides(void **state)
{
    (void)state;
    static const uint8_t zero[32], one[32] = {1};
    struct mr_age_keys *keys;
    const struct mr_age_identity *identity = identity_of(&keys);
    struct mr_age_stanza stanza = {.type = MR_AGE_X25519};
    struct mr_fault fault = {0};
    uint8_t back[16];
    assert_int_equal(mr_age_unwrap_x25519(back, &stanza, identity, &fault), MR_ECORRUPT);
    assert_int_equal(fault.error, MR_ECORRUPT);
    stanza.share[0] = 1;
    assert_int_equal(mr_age_unwrap_x25519(back, &stanza, identity, &fault), MR_ECORRUPT);
    assert_int_equal(mr_age_wrap_x25519(&stanza, back, zero, &fault), MR_EPARAM);
    assert_int_equal(mr_age_wrap_x25519(&stanza, back, one, &fault), MR_EPARAM);
    mr_age_keys_free(&keys);
}

static void passphrase_opens_what_it_closed(void **state)
{
    (void)state;
    const uint8_t *file_key = random_bytes(16, 2);
    struct mr_age_stanza stanza = cheap_stanza(file_key);
    struct mr_age_passphrase right = passphrase_of("password"), wrong = passphrase_of("Password");
    struct mr_fault fault = {0};
    uint8_t back[16];
    assert_int_equal(mr_age_unwrap_scrypt(back, &stanza, &right, NULL, NULL), MR_OK);
    assert_memory_equal(back, file_key, 16);
    assert_int_equal(mr_age_unwrap_scrypt(back, &stanza, &wrong, NULL, &fault), MR_ENOKEY);
    assert_int_equal(fault.error, MR_ENOKEY);
}

static void work_beyond_the_bound_is_refused_before_it_is_done(void **state)
{
    (void)state;
    struct mr_age_stanza stanza = {.type = MR_AGE_SCRYPT};
    struct mr_age_passphrase passphrase = passphrase_of("password");
    static const uint32_t factors[] = {MR_AGE_WORK_FACTOR + 1, 30, 63, 64, UINT32_MAX};
    for (size_t i = 0; i < MR_ARRAY_SIZE(factors); i++) {
        struct mr_fault fault = {0};
        uint8_t back[16];
        stanza.work_factor = factors[i];
        assert_int_equal(mr_age_unwrap_scrypt(back, &stanza, &passphrase, NULL, &fault), MR_EKEYWORK);
        assert_int_equal(fault.limit, MR_AGE_WORK_FACTOR);
        assert_int_equal(fault.value, factors[i]);
    }
}

static void bound_of_work_is_the_passphrase_s(void **state)
{
    (void)state;
    const uint8_t *file_key = random_bytes(16, 5);
    struct mr_age_stanza stanza = cheap_stanza(file_key);
    struct mr_age_passphrase passphrase = passphrase_of("password");
    struct mr_fault fault = {0};
    uint8_t back[16];
    passphrase.work_factor = 9;
    assert_int_equal(mr_age_unwrap_scrypt(back, &stanza, &passphrase, NULL, &fault), MR_EKEYWORK);
    assert_int_equal(fault.limit, 9);
    assert_string_equal(fault.limit_name, "max-work-factor");
    passphrase.work_factor = 10;
    assert_int_equal(mr_age_unwrap_scrypt(back, &stanza, &passphrase, NULL, &fault), MR_OK);
    assert_memory_equal(back, file_key, 16);
}

static void memory_is_taken_from_the_budget_and_given_back(void **state)
{
    (void)state;
    struct mr_age_stanza stanza = cheap_stanza(random_bytes(16, 3));
    struct mr_age_passphrase passphrase = passphrase_of("password");
    struct mr_budget budget;
    struct mr_fault fault = {0};
    uint8_t back[16];
    mr_budget_init(&budget, 1024 * 1024); /* N of 1024 takes exactly that */
    assert_int_equal(mr_age_unwrap_scrypt(back, &stanza, &passphrase, &budget, &fault), MR_OK);
    assert_int_equal(mr_budget_used(&budget), 0);
    assert_true(mr_budget_try_take(&budget, 1));
    assert_int_equal(mr_age_unwrap_scrypt(back, &stanza, &passphrase, &budget, &fault), MR_EBUDGET);
    assert_int_equal(fault.error, MR_EBUDGET);
    assert_int_equal(mr_budget_used(&budget), 1);
    mr_budget_give_back(&budget, 1);
    assert_int_equal(mr_age_unwrap_scrypt(back, &stanza, &passphrase, &budget, &fault), MR_OK); /* nobody is busy */
}

static void *wrap_for_a_passphrase(void *budget)
{
    struct mr_age_stanza stanza;
    struct mr_age_passphrase passphrase = passphrase_of("password");
    static const uint8_t file_key[16];
    return (void *)(intptr_t)mr_age_wrap_scrypt(&stanza, file_key, &passphrase, budget, NULL);
}

static void second_passphrase_at_a_time_is_told_to_come_again(void **state)
{
    (void)state;
    struct mr_age_stanza stanza = cheap_stanza(random_bytes(16, 4));
    struct mr_age_passphrase passphrase = passphrase_of("password");
    struct mr_budget budget;
    struct mr_fault fault = {0};
    uint8_t back[16];
    pthread_t thread;
    void *result;
    mr_budget_init(&budget, 0);
    assert_int_equal(pthread_create(&thread, NULL, wrap_for_a_passphrase, &budget), 0);
    while (mr_budget_used(&budget) == 0) /* until it has begun; what it does takes half a second */
        sched_yield();
    int err = mr_age_unwrap_scrypt(back, &stanza, &passphrase, NULL, &fault);
    pthread_join(thread, &result);
    assert_int_equal(err, MR_EBUSY);
    assert_true(fault.retry_after_s > 0);
    assert_int_equal((intptr_t)result, MR_OK);
    assert_int_equal(mr_budget_used(&budget), 0);
    assert_int_equal(mr_age_unwrap_scrypt(back, &stanza, &passphrase, NULL, &fault), MR_OK);
}

static void passphrases_have_bounds(void **state)
{
    (void)state;
    struct mr_age_passphrase passphrase;
    char *longest = stages_own(malloc(MR_AGE_PASSPHRASE_MAX + 1));
    memset(longest, 'x', MR_AGE_PASSPHRASE_MAX + 1);
    assert_int_equal(mr_age_passphrase_set(&passphrase, (struct mr_slice){NULL, 0}, NULL), MR_OK);
    assert_int_equal(passphrase.len, 0);
    assert_int_equal(mr_age_passphrase_set(&passphrase, MR_SLICE(""), NULL), MR_EPARAM);
    assert_int_equal(mr_age_passphrase_set(&passphrase, (struct mr_slice){longest, MR_AGE_PASSPHRASE_MAX}, NULL),
                     MR_OK);
    assert_int_equal(mr_age_passphrase_set(&passphrase, (struct mr_slice){longest, MR_AGE_PASSPHRASE_MAX + 1}, NULL),
                     MR_EPARAM);
}

static void passphrase_is_utf8_without_a_byte_order_mark(void **state)
{
    (void)state;
    struct mr_age_passphrase passphrase;
    struct mr_fault fault = {0};
    assert_int_equal(mr_age_passphrase_set(&passphrase, MR_SLICE("p\xc3\xa4ssword"), NULL), MR_OK);
    assert_int_equal(mr_age_passphrase_set(&passphrase, MR_SLICE("p\xe4ssword"), &fault), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "UTF-8"));
    assert_null(strstr(fault.detail, "ssword"));
    assert_int_equal(passphrase.len, 0);
    assert_int_equal(mr_age_passphrase_set(&passphrase, MR_SLICE("\xef\xbb\xbfpassword"), &fault), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "byte order mark"));
    assert_int_equal(mr_age_passphrase_set(&passphrase, MR_SLICE("password\xef\xbb\xbf"), NULL), MR_OK);
}

static int init(void **state)
{
    (void)state;
    return sodium_init() < 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(file_key_comes_back_to_the_identity_it_was_wrapped_for, stages_end_test),
        cmocka_unit_test_teardown(points_of_low_order_are_refused_on_both_sides, stages_end_test),
        cmocka_unit_test_teardown(passphrase_opens_what_it_closed, stages_end_test),
        cmocka_unit_test_teardown(work_beyond_the_bound_is_refused_before_it_is_done, stages_end_test),
        cmocka_unit_test_teardown(bound_of_work_is_the_passphrase_s, stages_end_test),
        cmocka_unit_test_teardown(memory_is_taken_from_the_budget_and_given_back, stages_end_test),
        cmocka_unit_test_teardown(second_passphrase_at_a_time_is_told_to_come_again, stages_end_test),
        cmocka_unit_test_teardown(passphrases_have_bounds, stages_end_test),
        cmocka_unit_test_teardown(passphrase_is_utf8_without_a_byte_order_mark, stages_end_test),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
